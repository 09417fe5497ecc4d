//! The README of a bundle: plain text, for whoever opens the bundle first.

use crate::manifest::{MANIFEST, Manifest};
use crate::proof::{PROOF, Proof};

/// As wide as a letter is.
const WIDTH: usize = 78;
/// More files than these are counted, not listed.
const MOST_LISTED: usize = 20;

pub(super) fn text(manifest: &Manifest, proof: &Proof) -> String {
    let mut text = Text::default();
    text.title("Evidence bundle of an audit log", '=');
    text.paragraph(
        "This is an export of audit events, with all that is needed to check it without asking \
         whoever made it, and without any network.",
    );
    what_is_claimed(manifest, proof, &mut text);
    what_is_here(manifest, &mut text);
    how_to_check(proof, &mut text);
    about_the_key(&mut text);
    about_failures(&mut text);
    how_it_works(&mut text);
    text.0
}

fn what_is_claimed(manifest: &Manifest, proof: &Proof, text: &mut Text) {
    text.title("What it proves", '-');
    text.paragraph(&proof.statement);
    text.paragraph(&format!(
        "The events were selected by: {}. Export {} was asked for at {} and written by {}.",
        manifest.filter_text, manifest.export_id, manifest.created_at, manifest.engine
    ));
    text.paragraph(
        "It does not prove that what the events say was true when they were recorded, nor that \
         the clock which recorded them was right.",
    );
}

fn what_is_here(manifest: &Manifest, text: &mut Text) {
    text.title("What is in here", '-');
    for file in manifest.files.iter().take(MOST_LISTED) {
        text.line(&format!("  {}  the data, events: {}", file.name, file.rows));
    }
    if manifest.files.len() > MOST_LISTED {
        let more = manifest.files.len() - MOST_LISTED;
        text.line(&format!("  ... and {more} more files of data"));
    }
    for (name, what) in [
        (MANIFEST, "what was asked for, and the size and digest of each file"),
        (PROOF, "the proof, for programs"),
        (super::CHECKPOINT, "the signed state of the log, for people and programs"),
        (super::KEYS, "the public key that the signature belongs to"),
        (super::HTML, "a page that checks all this in your browser"),
        (super::README, "this text"),
    ] {
        text.line(&format!("  {name:<16}{what}"));
    }
    text.line("");
}

fn how_to_check(proof: &Proof, text: &mut Text) {
    text.title("How to check it", '-');
    text.paragraph("Any of these three will do, and all of them work without a network.");
    text.paragraph(&format!(
        "1. In a browser: unpack {} from the bundle, open it, and drop the whole bundle (the zip \
         file) onto the page. The page sends nothing to anybody. It came with the bundle, and \
         whoever could forge the bundle could forge the page: if that matters, use a copy of the \
         page from a bundle that you trust, or the program below.",
        super::HTML
    ));
    if proof.format == "parquet" || proof.compression == "zstd" {
        text.paragraph(
            "   A browser cannot read the rows of these files. It checks their digests and the \
             signature and says so; the program checks everything.",
        );
    }
    text.paragraph("2. With the program auditlake, which is free:");
    text.line("     auditlake verify bundle.zip --key KEY.txt");
    text.line("");
    text.paragraph("   KEY.txt is the public key as you got it from elsewhere, see below.");
    text.paragraph(
        "3. With a program of your own. The format is open: docs/rfcs/0003-proofs.md in the \
         source of auditlake describes it, and examples/verify.py there checks events in NDJSON \
         in about 50 lines of Python and 25 for the signature, with nothing but its standard \
         library.",
    );
}

fn about_the_key(text: &mut Text) {
    text.title("The key", '-');
    text.paragraph(&format!(
        "The check is worth as much as the key. The one in {} came with the bundle: it shows that \
         the bundle is of one piece, but anybody can make a key and sign a bundle with it. So \
         compare its text, letter by letter, with the key that you have from elsewhere: from a \
         contract, from a website, over the phone, from an earlier audit. Or give that key to \
         the page or to the program, which then accept no other.",
        super::KEYS
    ));
}

fn about_failures(text: &mut Text) {
    text.title("When the check fails", '-');
    text.paragraph(
        "Then something here is not what it was: a file was changed, cut, lost or damaged on its \
         way, or the key is not that of the log. The check names file, line and event where it \
         can. Get the bundle once more, from the one who made it, and keep the one that failed: \
         if the second one fails in the same place, it was made or stored that way.",
    );
}

fn how_it_works(text: &mut Text) {
    text.title("How it works", '-');
    text.paragraph(
        "Each event is one line of text. A digest (SHA-256) is a number that belongs to that line \
         and to no other: change one letter, and the number is another one. The log puts the \
         numbers of all its events together in pairs, and the numbers of the pairs again, until \
         one number is left that stands for the whole log. That one is signed: this is the \
         checkpoint. The proof holds the numbers of what is not in this bundle. Put together with \
         those of the events that are, they must give the signed number again, and that cannot \
         happen if a single letter of an event was changed, or an event was moved, added or \
         removed.",
    );
    text.paragraph(
        "A checkpoint that was kept elsewhere, by you or by a witness, shows more: that the log \
         itself was not rewritten since. The program compares them: auditlake verify bundle.zip \
         --against FILE.",
    );
}

/// Plain text, in lines that are no wider than a letter.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn title(&mut self, title: &str, underline: char) {
        self.line(title);
        self.line(&underline.to_string().repeat(title.len()));
    }

    /// A paragraph and the blank line behind it; all its lines are as far in as it begins.
    fn paragraph(&mut self, paragraph: &str) {
        let indent = paragraph.len() - paragraph.trim_start_matches(' ').len();
        let indent = " ".repeat(indent);
        let mut line = String::new();
        for word in paragraph.split_ascii_whitespace() {
            if line.is_empty() {
                line = format!("{indent}{word}");
            } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
                line.push(' ');
                line.push_str(word);
            } else {
                self.line(&line);
                line = format!("{indent}{word}");
            }
        }
        self.line(&line);
        self.line("");
    }
}
