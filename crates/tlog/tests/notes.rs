//! Notes: the published examples, what prints as it came, and what is refused.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

use auditlake_tlog::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteError, Signature, VerifierKey};
use proptest::prelude::*;

/// The example of C2SP signed-note.
const EXAMPLE: &str = "This is an example message.\n\n— example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

/// The example of the note package of Go, which first had the format.
const TWO_SIGNERS: &str = "\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=
";
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";

fn key(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

fn note(text: &str) -> Note {
    Note::parse(text).unwrap()
}

#[test]
fn the_published_notes_hold() {
    for (text, keys) in [(EXAMPLE, vec![EXAMPLE_KEY]), (TWO_SIGNERS, vec![PETER, ENOCH])] {
        let note = note(text);
        assert_eq!(note.to_string(), text);
        assert_eq!(note.signatures.len(), keys.len());
        for key_text in keys {
            assert_eq!(key(key_text).verify(&note).unwrap().time_s, None);
        }
    }
    assert_eq!(note(EXAMPLE).text, "This is an example message.\n");
    assert_eq!(note(EXAMPLE).signatures[0].key_id, 0x530d_903a);
}

#[test]
fn the_text_may_hold_blank_lines() {
    let (_, signature) = EXAMPLE.split_once("\n\n").unwrap();
    let text = format!("A title\n\nA paragraph that ends with an é\n\n\n{signature}");
    let read = note(&text);
    assert_eq!(read.text, "A title\n\nA paragraph that ends with an é\n\n");
    assert_eq!(read.to_string(), text);
}

#[test]
fn only_a_signature_by_the_key_over_the_text_holds() {
    let (peter, enoch) = (key(PETER), key(ENOCH));
    let good = note(TWO_SIGNERS);

    let changed = note(&TWO_SIGNERS.replace("answer", "Answer"));
    assert_eq!(peter.verify(&changed), Err(NoteError::Forged("PeterNeumann+c74f20a3".into())));

    for bit in 0..8 * 64 {
        let mut forged = good.clone();
        forged.signatures[0].bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(peter.verify(&forged), Err(NoteError::Forged(_))), "bit {bit}");
        assert!(enoch.verify(&forged).is_ok(), "of another's signature nothing is asked");
    }

    let mut swapped = good.clone();
    swapped.signatures[0].bytes = good.signatures[1].bytes.clone();
    assert!(matches!(peter.verify(&swapped), Err(NoteError::Forged(_))));
    for length in [0, 1, 63, 65] {
        let mut resized = good.clone();
        resized.signatures[0].bytes.resize(length, 0);
        assert!(matches!(peter.verify(&resized), Err(NoteError::Forged(_))), "{length} bytes");
    }
}

#[test]
fn a_key_looks_only_at_its_own_signatures() {
    let peter = key(PETER);
    let good = note(TWO_SIGNERS);
    let unsigned = Err(NoteError::NotSigned("PeterNeumann+c74f20a3".into()));
    assert_eq!(peter.verify(&note(EXAMPLE)), unsigned);

    // The name or the id alone does not make a signature Peter's.
    let mut renamed = good.clone();
    renamed.signatures[0].name.push('2');
    assert_eq!(peter.verify(&renamed), unsigned);
    let mut renumbered = good.clone();
    renumbered.signatures[0].key_id += 1;
    assert_eq!(peter.verify(&renumbered), unsigned);
    renumbered.signatures.push(good.signatures[0].clone());
    assert!(peter.verify(&renumbered).is_ok());

    let mut twice = good.clone();
    twice.signatures.push(good.signatures[0].clone());
    let error = peter.verify(&twice).unwrap_err();
    assert_eq!(error.to_string(), "the note holds two signatures of PeterNeumann+c74f20a3");
    assert!(key(ENOCH).verify(&twice).is_ok());
}

#[test]
fn what_is_not_a_note_is_refused() {
    let signature = EXAMPLE.split_once("\n\n").unwrap().1;
    let cases = [
        (String::new(), "the note does not end with a line end"),
        ("text\n".into(), "the note has no blank line with signatures behind it"),
        ("text\n\n".into(), "the note has no blank line with signatures behind it"),
        (format!("\n{signature}"), "the note has no blank line with signatures behind it"),
        (format!("text\n{signature}"), "the note has no blank line with signatures behind it"),
        (EXAMPLE.trim_end().into(), "the note does not end with a line end"),
        (EXAMPLE.replace('\n', "\r\n"), "line 1 of the note holds the control character '\\r'"),
        (
            format!("one\ntw\0o\n\n{signature}"),
            "line 2 of the note holds the control character '\\0'",
        ),
        (format!("{EXAMPLE}\n"), "the note has no blank line with signatures behind it"),
        (format!("{EXAMPLE}text\n"), "signature line 2 does not begin with an em dash and a space"),
        (EXAMPLE.replace('—', "-"), "signature line 1 does not begin with an em dash and a space"),
        (EXAMPLE.replace("foo ", "foo+ "), "signature line 1 has a name that no key can have"),
        (EXAMPLE.replace(".com", "\u{a0}"), "signature line 1 has a name that no key can have"),
        (EXAMPLE.replace("foo ", "foo  "), "signature line 1 has a name that no key can have"),
        (EXAMPLE.replace("QM=", "QM"), "signature line 1 has a signature that is not base64"),
        (EXAMPLE.replace("QM=", "QN="), "signature line 1 has a signature that is not base64"),
        (EXAMPLE.replace("QM=", "QM= "), "signature line 1 has a name that no key can have"),
        ("text\n\n— name\n".into(), "signature line 1 has no signature behind the name"),
        (
            "text\n\n— name AAAAAA==\n".into(),
            "signature line 1 has a signature of less than 5 bytes",
        ),
    ];
    for (text, message) in cases {
        let error = Note::parse(&text).unwrap_err();
        assert_eq!(error.to_string(), message, "{text:?}");
    }
}

#[test]
fn every_cut_of_a_note_is_refused() {
    let cuts = (0..TWO_SIGNERS.len()).filter(|at| TWO_SIGNERS.is_char_boundary(*at));
    let second = TWO_SIGNERS.rfind('—').unwrap();
    for at in cuts {
        // Without the second signature line it is a note again, with one signature.
        let is_note = at == second;
        assert_eq!(Note::parse(&TWO_SIGNERS[..at]).is_ok(), is_note, "cut at {at}");
    }
}

#[test]
fn a_note_has_bounds() {
    let line = "— name AAAAAAA=\n";
    let signed = |times| format!("text\n\n{}", line.repeat(times));
    assert_eq!(note(&signed(MAX_SIGNATURES)).signatures.len(), MAX_SIGNATURES);
    let error = Note::parse(&signed(MAX_SIGNATURES + 1)).unwrap_err();
    assert_eq!(error.to_string(), "the note has more than 100 signatures");

    let rest = format!("\n\n{line}");
    let long = |bytes: usize| format!("{}{rest}", "x".repeat(bytes - rest.len()));
    assert!(Note::parse(&long(MAX_NOTE_BYTES)).is_ok());
    let error = Note::parse(&long(MAX_NOTE_BYTES + 1)).unwrap_err();
    assert_eq!(error.to_string(), "a note has at most 1048576 bytes, not 1048577");
}

#[test]
fn a_signature_is_a_line() {
    let line = TWO_SIGNERS.lines().last().unwrap();
    let signature: Signature = line.parse().unwrap();
    assert_eq!(signature.name, "EnochRoot");
    assert_eq!(signature.key_id, 0xaf0c_fe78);
    assert_eq!(signature.bytes.len(), 64);
    assert_eq!(signature.to_string(), line);
    assert!(format!("{line}\n").parse::<Signature>().is_err());
    assert!(line.trim_start_matches("— ").parse::<Signature>().is_err());
}

proptest! {
    #[test]
    fn notes_print_as_they_were_made(
        lines in prop::collection::vec("[ -~äß—]{0,20}", 1..5),
        signatures in prop::collection::vec(
            ("[a-zA-Z0-9./%_-]{1,12}", any::<u32>(), prop::collection::vec(any::<u8>(), 1..80)),
            1..5,
        ),
    ) {
        let made = Note {
            text: lines.iter().map(|line| format!("{line}\n")).collect(),
            signatures: signatures
                .into_iter()
                .map(|(name, key_id, bytes)| Signature { name, key_id, bytes })
                .collect(),
        };
        prop_assert_eq!(Note::parse(&made.to_string()), Ok(made));
    }

    #[test]
    fn what_parses_prints_as_it_came(
        text in "[a-z\n]{0,9}(\n\n)?(— [a-z+ ]{0,3} [A-D=]{0,12}\n){0,3}",
    ) {
        if let Ok(note) = Note::parse(&text) {
            prop_assert_eq!(note.to_string(), text);
        }
    }
}
