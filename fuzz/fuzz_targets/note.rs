//! Any text is a note that prints as it came, or refused; so are its signature lines and keys.

#![no_main]

use auditlake_tlog::{Note, Signature, SigningKey, VerifierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text);
        let key = SigningKey::from_seed([0; 32]).verifier("fuzz.example").expect("a good name");
        assert!(key.verify(&note).is_err(), "nobody has signed with this key");
    }
    if let Ok(signature) = text.parse::<Signature>() {
        assert_eq!(signature.to_string(), text);
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text.trim());
    }
    if let Ok((name, key)) = SigningKey::from_secret_text(text) {
        assert_eq!(key.to_secret_text(&name), text.trim());
    }
});
