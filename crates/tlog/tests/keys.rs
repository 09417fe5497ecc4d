//! Keys: their texts and ids, what they sign, and the cosignatures of witnesses.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

use auditlake_tlog::{Algorithm, Checkpoint, Note, NoteError, SigningKey, VerifierKey};

/// The example of the note package of Go.
const SECRET: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const LINE: &str = "— PeterNeumann \
    x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

/// A checkpoint of a public log, signed by the log in two ways and cosigned by four witnesses.
const COSIGNED: &str = "\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
";
const LOG: &str =
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
const WITNESSES: [&str; 2] = [
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
];

fn witness(key: &SigningKey) -> VerifierKey {
    VerifierKey::new("witness.example/w", Algorithm::Cosignature, key.public()).unwrap()
}

/// A note cosigned at this time. What a cosignature signs is a note's text in itself, so that the
/// key can make one.
fn cosigned(key: &SigningKey, text: &str, time_s: u64) -> Note {
    let verifier = witness(key);
    let message = format!("cosignature/v1\ntime {time_s}\n{text}");
    let mut signature = key.sign(&verifier.name, &message).unwrap();
    signature.key_id = verifier.id();
    signature.bytes = [time_s.to_be_bytes().as_slice(), &signature.bytes].concat();
    Note { text: text.to_owned(), signatures: vec![signature] }
}

#[test]
fn the_published_key_signs_the_published_note() {
    let (name, key) = SigningKey::from_secret_text(SECRET).unwrap();
    assert_eq!(name, "PeterNeumann");
    assert_eq!(key.to_secret_text(&name), SECRET);
    assert_eq!(key.verifier(&name).unwrap().to_string(), PUBLIC);
    assert_eq!(key.sign(&name, TEXT).unwrap().to_string(), LINE);

    // The second key of the example is made from a seed of zeros.
    let enoch = SigningKey::from_seed([0; 32]).verifier("EnochRoot").unwrap();
    let text = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
    assert_eq!(enoch.to_string(), text);
    assert_eq!(text.parse::<VerifierKey>(), Ok(enoch));
}

#[test]
fn a_public_log_and_its_witnesses_are_verified() {
    let note = Note::parse(COSIGNED).unwrap();
    assert_eq!(note.to_string(), COSIGNED);
    let log: VerifierKey = LOG.parse().unwrap();
    assert_eq!(log.verify(&note).unwrap().time_s, None);
    for text in WITNESSES {
        let witness: VerifierKey = text.parse().unwrap();
        assert_eq!(witness.algorithm, Algorithm::Cosignature);
        assert_eq!(witness.to_string(), text);
        assert_eq!(witness.verify(&note).unwrap().time_s, Some(1_779_573_024));

        let grown = Note::parse(&COSIGNED.replace("1432088532", "1432088533")).unwrap();
        assert!(matches!(witness.verify(&grown), Err(NoteError::Forged(_))));
        assert!(matches!(log.verify(&grown), Err(NoteError::Forged(_))));
    }
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert_eq!((checkpoint.origin, checkpoint.size), (log.name, 1_432_088_532));
}

#[test]
fn a_cosignature_holds_for_its_time_only() {
    let key = SigningKey::from_seed([7; 32]);
    let text = "log.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let note = cosigned(&key, text, 1_679_315_147);
    assert_eq!(witness(&key).verify(&note).unwrap().time_s, Some(1_679_315_147));
    assert_eq!(Note::parse(&note.to_string()).unwrap(), note);

    for byte in 0..72 {
        let mut forged = note.clone();
        forged.signatures[0].bytes[byte] ^= 1;
        assert!(matches!(witness(&key).verify(&forged), Err(NoteError::Forged(_))), "{byte}");
    }
    for length in [1, 7, 8, 64, 71, 73] {
        let mut resized = note.clone();
        resized.signatures[0].bytes.resize(length, 0);
        assert!(matches!(witness(&key).verify(&resized), Err(NoteError::Forged(_))));
    }
    // Times end with the numbers that have a sign, and the signature under one is good.
    let late = cosigned(&key, text, i64::MAX as u64);
    assert!(witness(&key).verify(&late).is_ok());
    let later = cosigned(&key, text, 1 << 63);
    assert!(matches!(witness(&key).verify(&later), Err(NoteError::Forged(_))));
}

#[test]
fn one_kind_of_signature_does_not_pass_for_the_other() {
    let key = SigningKey::from_seed([7; 32]);
    let plain = key.verifier("witness.example/w").unwrap();
    assert_ne!(plain.id(), witness(&key).id());

    let mut note = cosigned(&key, "text\n", 5);
    assert!(matches!(plain.verify(&note), Err(NoteError::NotSigned(_))));
    note.signatures[0].key_id = plain.id();
    assert!(matches!(plain.verify(&note), Err(NoteError::Forged(_))));

    let mut note = Note {
        text: "text\n".into(),
        signatures: vec![key.sign("witness.example/w", "text\n").unwrap()],
    };
    assert!(plain.verify(&note).is_ok());
    note.signatures[0].key_id = witness(&key).id();
    assert!(matches!(witness(&key).verify(&note), Err(NoteError::Forged(_))));
}

#[test]
fn another_key_of_the_same_name_signed_nothing() {
    let (ours, other) = (SigningKey::from_seed([1; 32]), SigningKey::from_seed([2; 32]));
    let signatures = vec![other.sign("log.example", "text\n").unwrap()];
    let mut note = Note { text: "text\n".into(), signatures };
    let key = ours.verifier("log.example").unwrap();
    assert!(matches!(key.verify(&note), Err(NoteError::NotSigned(_))));
    note.signatures[0].key_id = key.id();
    assert!(matches!(key.verify(&note), Err(NoteError::Forged(_))));
}

/// Every part of the text, and the text with any byte changed.
fn mangled(text: &str) -> Vec<String> {
    let parts = (0..text.len()).flat_map(|from| (from + 1..=text.len()).map(move |to| (from, to)));
    let parts = parts.filter(|part| *part != (0, text.len()));
    let mut mangled: Vec<String> = parts.map(|(from, to)| text[from..to].to_owned()).collect();
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] += 1;
        mangled.push(String::from_utf8(bytes).unwrap());
    }
    mangled
}

#[test]
fn a_mangled_key_is_refused() {
    for text in mangled(PUBLIC) {
        assert!(text.parse::<VerifierKey>().is_err(), "{text:?}");
    }
    for text in mangled(SECRET) {
        assert!(SigningKey::from_secret_text(&text).is_err(), "{text:?}");
    }
    // 34 bytes, and an algorithm that nobody knows: both with the id that fits.
    let refused = [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ];
    for text in refused {
        assert!(text.parse::<VerifierKey>().is_err(), "{text:?}");
    }
    assert!(SigningKey::from_secret_text(PUBLIC).is_err());
    assert!(SECRET.parse::<VerifierKey>().is_err());
}

#[test]
fn a_key_file_may_end_with_a_line_end() {
    let key: VerifierKey = format!(" {PUBLIC}\r\n").parse().unwrap();
    assert_eq!(key.to_string(), PUBLIC);
    assert!(SigningKey::from_secret_text(&format!("{SECRET}\n")).is_ok());
}

#[test]
fn names_are_those_that_a_line_can_hold() {
    let key = SigningKey::from_seed([1; 32]);
    for name in ["", "a b", "a+b", "a\n", "a\u{2003}b", "a\u{1}"] {
        assert_eq!(key.verifier(name), Err(NoteError::Name(name.into())));
        assert!(key.sign(name, "text\n").is_err(), "{name:?}");
    }
    assert!(key.verifier("auditlake/01J/a%20b~é").is_ok());
}

#[test]
fn only_the_text_of_a_note_is_signed() {
    let key = SigningKey::from_seed([1; 32]);
    for text in ["", "text", "te\rxt\n", "text\n\0"] {
        assert!(key.sign("log.example", text).is_err(), "{text:?}");
    }
}

#[test]
fn the_secret_is_not_printed_by_chance() {
    let key = SigningKey::from_seed([0x41; 32]);
    let printed = format!("{key:?}");
    assert!(printed.starts_with("SigningKey { public: \""), "{printed}");
    assert!(!printed.contains("QUFB") && !printed.contains("65, 65"), "{printed}");

    let mut text = key.to_secret_text("log.example");
    text.pop();
    let error = SigningKey::from_secret_text(&text).unwrap_err().to_string();
    assert!(!error.contains("QUFB"), "{error}");
}
