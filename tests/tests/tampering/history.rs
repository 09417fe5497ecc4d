//! Deeds that leave a lake in good order: it was rolled back, or made anew with its own key. No
//! look at the lake alone finds these; a checkpoint that was kept elsewhere does, and where
//! whoever has the key could have made that too, the cosignature of a witness.

use std::path::{Path, PathBuf};

use auditlake_tests::Site;
use auditlake_tlog::{Algorithm, Checkpoint, Note, Signature, SigningKey, VerifierKey};
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::stored::{commits, copy, rewrite_log, within};
use crate::{GOOD, Lake, NOT_GOOD, ROUND};

fn text(path: &Path) -> String {
    path.to_str().expect("a path that is text").to_owned()
}

/// A witness, as C2SP tlog-cosignature describes it.
struct Witness {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl Witness {
    fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        let key = VerifierKey::new("witness.example.com", Algorithm::Cosignature, public);
        Self { pair, key: key.expect("a key") }
    }

    /// Adds its cosignature to the checkpoint in a file, and keeps both in another.
    fn cosign(&self, checkpoint: &Path, file: &str) -> PathBuf {
        let note = std::fs::read_to_string(checkpoint).expect("a checkpoint");
        let mut note = Note::parse(&note).expect("a note");
        let time_s = 1_772_400_000_u64;
        let message = format!("cosignature/v1\ntime {time_s}\n{}", note.text);
        let mut bytes = time_s.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.pair.sign(message.as_bytes()).as_ref());
        let (name, key_id) = (self.key.name.clone(), self.key.id());
        note.signatures.push(Signature { name, key_id, bytes });
        self.key.verify(&note).expect("a cosignature that holds");
        let path = checkpoint.with_file_name(file);
        std::fs::write(&path, note.to_string()).expect("a file");
        path
    }
}

#[test]
fn a_commit_that_was_edited_or_taken_out_is_found() {
    let lake = Lake::filled(3);
    let all = commits(lake.path());
    let middle = &all[all.len() / 2];
    let whole = std::fs::read_to_string(middle).expect("a commit");
    let edited = whole.replacen("\"at_us\":1", "\"at_us\":2", 1);
    assert_ne!(edited, whole);
    std::fs::write(middle, edited).expect("a commit");
    lake.found(&[]).names_file(&within(lake.path(), middle));
    std::fs::remove_file(middle).expect("a commit");
    let _ = lake.found(&[]);
    std::fs::write(middle, whole).expect("a commit");
    let _ = lake.verify(&[]).ok();
}

#[test]
fn a_head_with_another_signature_is_found() {
    let lake = Lake::filled(2);
    let mut forged = 0;
    rewrite_log(lake.path(), |commit| {
        let Some(head) = commit.tenants.get_mut("globex") else { return };
        let signed = head.signature.as_mut().expect("heads are signed");
        // Still base64, still by the same key as it says, and of another text.
        let last = signed.trim_end_matches('=').len() - 4;
        let other = if signed.as_bytes()[last] == b'A' { "B" } else { "A" };
        signed.replace_range(last..=last, other);
        forged += 1;
    });
    assert_eq!(forged, 2, "a head for each round");
    let found = lake.found(&[]);
    found.says(&["globex"]).spares("acme");
}

#[test]
fn a_lake_whose_newest_commit_was_taken_out_is_behind_a_kept_checkpoint() {
    let lake = Lake::filled(3);
    let newest = lake.keep_checkpoint("acme", "newest.txt");
    let all = commits(lake.path());
    // What the last round left: the commit of its events, and whatever came behind it.
    let adds =
        |path: &PathBuf| std::fs::read_to_string(path).expect("a commit").contains("\"add\":[{");
    let last = all.iter().rposition(adds).expect("a commit that added events");
    all[last..].iter().for_each(|path| std::fs::remove_file(path).expect("a commit"));
    let (had, has) = (3 * ROUND, 2 * ROUND);
    lake.found(&["--against", &text(&newest)]).says(&["acme", &had.to_string(), &has.to_string()]);
}

#[test]
fn an_old_copy_of_the_whole_folder_is_good_alone_and_behind_a_kept_checkpoint() {
    let mut lake = Lake::filled(2);
    let backup = lake.site.folder().join("backup");
    copy(lake.path(), &backup);
    let older = lake.keep_checkpoint("acme", "older.txt");
    lake.add();
    let newer = lake.keep_checkpoint("acme", "newer.txt");
    std::fs::remove_dir_all(lake.path()).expect("the lake goes");
    copy(&backup, lake.path());

    let ran = lake.verify(&[]).ok();
    // It says what such a look cannot know.
    assert!(ran.text().contains("kept elsewhere"), "{}", ran.text());
    let _ = lake.verify(&["--against", &text(&older)]).ok();
    let found = lake.found(&["--against", &text(&newer)]);
    found.says(&["acme", &(3 * ROUND).to_string(), &(2 * ROUND).to_string()]).spares("globex");
}

#[test]
fn history_made_anew_with_the_real_key_is_found_by_what_a_witness_saw() {
    let witness = Witness::new(7);
    let real = Lake::filled(2);
    let seen = real.keep_checkpoint("acme", "seen.txt");
    let cosigned = witness.cosign(&seen, "cosigned.txt");
    let witness_key = witness.key.to_string();
    let kept = text(&cosigned);
    let flags = ["--against", kept.as_str(), "--witness", witness_key.as_str()];
    let _ = real.verify(&flags).ok();

    // The same key, the same name, and other events: it is signed as well as the real one.
    let origin = real.site.run(["log", "keys", "--json"]).ok().json()["origin"].clone();
    let origin = origin.as_str().expect("the name of the log");
    let site = Site::new();
    let keys = site.lake().join("keys");
    copy(&real.path().join("keys"), &keys);
    site.set(&format!("log_origin = \"{origin}\"\n"));
    let mut forged = Lake { site, rounds: 0 };
    (0..3).for_each(|_| forged.add());
    let _ = forged.verify(&[]).ok();
    assert_eq!(
        forged.site.run(["log", "keys"]).ok().text(),
        real.site.run(["log", "keys"]).ok().text(),
        "the forger has the real key"
    );
    let found = forged.found(&flags);
    found.says(&["acme", &(2 * ROUND).to_string()]).spares("globex");

    // A checkpoint that the forger makes instead of it is signed well, but by no witness.
    let signed = forged.keep_checkpoint("acme", "made-up.txt");
    let _ = forged.verify(&["--against", &text(&signed)]).ok();
    let other = Witness::new(8).cosign(&signed, "cosigned-by-another.txt");
    for path in [&signed, &other] {
        let made_up = text(path);
        let flags = ["--against", made_up.as_str(), "--witness", witness_key.as_str()];
        assert_ne!(forged.verify(&flags).code, GOOD, "no such cosignature: {}", path.display());
    }
}

#[test]
fn a_lake_is_not_good_under_a_key_that_is_not_its_own() {
    let lake = Lake::filled(1);
    let own = lake.site.run(["log", "keys"]).ok().text().trim().to_owned();
    let _ = lake.verify(&["--key", &own]).ok();
    let other = SigningKey::from_seed([9; 32]).verifier("auditlake/other").expect("a key");
    let ran = lake.verify(&["--key", &other.to_string()]);
    assert_eq!(ran.code, NOT_GOOD, "it said: {}{}", ran.text(), ran.stderr);
}

#[test]
fn a_kept_checkpoint_that_was_edited_convinces_nobody() {
    let lake = Lake::filled(1);
    let kept = lake.keep_checkpoint("acme", "kept.txt");
    let note = std::fs::read_to_string(&kept).expect("a checkpoint");
    let mut note = Note::parse(&note).expect("a note");
    let mut checkpoint = Checkpoint::parse(&note.text).expect("a checkpoint");
    assert_eq!(checkpoint.size, ROUND);
    checkpoint.size -= 1;
    note.text = checkpoint.to_string();
    std::fs::write(&kept, note.to_string()).expect("a file");
    assert_ne!(lake.verify(&["--against", &text(&kept)]).code, GOOD);
}
