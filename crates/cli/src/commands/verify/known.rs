//! What whoever verifies knows from elsewhere: keys, witnesses, and checkpoints that were kept.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use auditlake_tlog::{Algorithm, Note, VerifierKey};

use crate::args::VerifyArgs;

/// How a signature line of a note begins: with an em dash.
const SIGNATURE: &str = "\u{2014} ";

#[derive(Debug)]
pub(super) struct Known {
    pub(super) keys: Vec<VerifierKey>,
    pub(super) witnesses: Vec<VerifierKey>,
    pub(super) against: Vec<Note>,
}

impl Known {
    pub(super) fn read(arguments: &VerifyArgs) -> anyhow::Result<Self> {
        let mut against = Vec::new();
        for path in &arguments.against {
            let named = || format!("--against {}", path.display());
            let text = fs::read_to_string(path).with_context(named)?;
            against.extend(notes(&text).with_context(named)?);
        }
        Ok(Self {
            keys: keys("--key", &arguments.key, Algorithm::Ed25519)?,
            witnesses: keys("--witness", &arguments.witness, Algorithm::Cosignature)?,
            against,
        })
    }
}

/// The keys of a flag, each of which is a key or names a file of keys.
fn keys(flag: &str, given: &[String], algorithm: Algorithm) -> anyhow::Result<Vec<VerifierKey>> {
    let mut keys = Vec::new();
    for text in given {
        let lines = match fs::read_to_string(Path::new(text)) {
            Ok(lines) => lines,
            // No name of a file looks like a key, but a wrong key can look like one.
            Err(error) if !text.contains('+') => bail!("{flag} {text}: {error}"),
            Err(_) => text.clone(),
        };
        let named: Vec<&str> =
            lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if named.is_empty() {
            bail!("{flag} {text}: there is no key in it");
        }
        for line in named {
            let named = || format!("{flag} {line}");
            let key = line.parse::<VerifierKey>().with_context(named)?;
            if key.algorithm != algorithm {
                let why = match algorithm {
                    Algorithm::Ed25519 => "this is the key of a witness; give it to --witness",
                    Algorithm::Cosignature => "this is no key of a witness; give it to --key",
                };
                bail!("{}: {why}", named());
            }
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Notes one behind the other, with blank lines between them. A blank line also parts the text of
/// a note from its signatures, so it is these that tell where one ends.
fn notes(text: &str) -> anyhow::Result<Vec<Note>> {
    let (mut notes, mut note, mut is_signed) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        if line.is_empty() && is_signed {
            notes.push(std::mem::take(&mut note));
        } else if !line.is_empty() || !note.is_empty() {
            note.push_str(line);
            note.push('\n');
        }
        is_signed = line.starts_with(SIGNATURE);
    }
    if !note.is_empty() {
        notes.push(note);
    }
    if notes.is_empty() {
        bail!("there is no checkpoint in it");
    }
    notes.iter().map(|note| Note::parse(note).context("it is no signed checkpoint")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use auditlake_tlog::SigningKey;

    fn note(text: &str) -> String {
        let sign = |seed: u8| SigningKey::from_seed([seed; 32]).sign("log", text).unwrap();
        Note { text: text.to_owned(), signatures: vec![sign(1), sign(2)] }.to_string()
    }

    #[test]
    fn notes_follow_each_other() {
        let (one, two) = (note("log\n1\nAA\n"), note("log\n2\nBB\n"));
        for text in [format!("{one}\n{two}"), format!("\n{one}\n\n\n{two}\n\n")] {
            let read = notes(&text).unwrap();
            let texts: Vec<String> = read.iter().map(ToString::to_string).collect();
            assert_eq!(texts, [one.clone(), two.clone()]);
        }
        for wrong in ["", "\n\n", "log\n1\nAA\n", "{\"note\": 1}"] {
            assert!(notes(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn keys_are_given_as_text_or_in_files() {
        let public = SigningKey::from_seed([1; 32]).public();
        let log = VerifierKey::new("log", Algorithm::Ed25519, public).unwrap();
        let witness = VerifierKey::new("w", Algorithm::Cosignature, public).unwrap();
        let read = |text: String| keys("--key", &[text], Algorithm::Ed25519);
        assert_eq!(read(log.to_string()).unwrap(), std::slice::from_ref(&log));
        for (wrong, said) in [
            (witness.to_string(), "--witness"),
            (log.to_string().replace("log+", "lag+"), "--key lag+"),
            ("nowhere.key".to_owned(), "nowhere.key"),
        ] {
            let error = format!("{:#}", read(wrong).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
    }
}
