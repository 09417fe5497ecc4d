//! Signed notes as in C2SP signed-note: a text, a blank line, and a line for each signature.
//! Parsing is exact: what is taken prints as it came.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::NoteError;

/// The most bytes that a note may have.
pub const MAX_NOTE_BYTES: usize = 1 << 20;
/// The most signatures that a note may have.
pub const MAX_SIGNATURES: usize = 100;

/// What every signature line begins with: an em dash and a space.
const MARK: &str = "\u{2014} ";

/// A text and its signatures. That it was parsed says nothing about whether they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The text that is signed, with its last line end.
    pub text: String,
    /// The signatures, by known and unknown keys.
    pub signatures: Vec<Signature>,
}

/// A signature line of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: String,
    /// The id of the key, which belongs to its name, algorithm and bytes.
    pub key_id: u32,
    /// What the key's algorithm made.
    pub bytes: Vec<u8>,
}

impl Note {
    /// Reads a note. The signatures are read, not verified.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong { bytes: note.len() });
        }
        check_text(note)?;
        // The text may hold blank lines too: the last one separates.
        let blank = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, rest) = note.split_at(blank + 1);
        let mut signatures = Vec::new();
        for (number, line) in (1..).zip(rest[1..].lines()) {
            if number > MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            let signature = Signature::read(line);
            signatures.push(signature.map_err(|why| NoteError::SignatureLine { number, why })?);
        }
        if signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    fn read(line: &str) -> Result<Self, &'static str> {
        let rest = line.strip_prefix(MARK).ok_or("does not begin with an em dash and a space")?;
        let (name, encoded) = rest.rsplit_once(' ').ok_or("has no signature behind the name")?;
        if !is_name(name) {
            return Err("has a name that no key can have");
        }
        let bytes = STANDARD.decode(encoded).map_err(|_| "has a signature that is not base64")?;
        match bytes.split_first_chunk() {
            Some((id, bytes)) if !bytes.is_empty() => Ok(Self {
                name: name.to_owned(),
                key_id: u32::from_be_bytes(*id),
                bytes: bytes.to_vec(),
            }),
            _ => Err("has a signature of less than 5 bytes"),
        }
    }
}

impl FromStr for Signature {
    type Err = NoteError;

    /// Reads a line without its line end.
    fn from_str(line: &str) -> Result<Self, NoteError> {
        Self::read(line).map_err(|why| NoteError::SignatureLine { number: 1, why })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.key_id.to_be_bytes().as_slice(), &self.bytes].concat();
        write!(f, "{MARK}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// Whether a key can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let is_refused = |letter: char| letter == '+' || letter.is_whitespace() || letter < ' ';
    !name.is_empty() && !name.contains(is_refused)
}

/// What holds for a note and for the text of one: whole lines, and no control characters.
pub(crate) fn check_text(text: &str) -> Result<(), NoteError> {
    let found = text.char_indices().find(|(_, letter)| *letter < ' ' && *letter != '\n');
    if let Some((at, character)) = found {
        return Err(NoteError::Control { line: text[..at].matches('\n').count() + 1, character });
    }
    if text.ends_with('\n') { Ok(()) } else { Err(NoteError::NoLineEnd) }
}
