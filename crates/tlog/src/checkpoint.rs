//! Checkpoints as in C2SP tlog-checkpoint: the text of a note that states the size and the root
//! of a log.

use std::fmt::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::NoteError;
use crate::hash::Hash;
use crate::note::check_text;

/// The head of a log, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it is.
    pub origin: String,
    /// How many leaves the log has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// Further lines; there are none in what this project writes.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Reads the text of a note. That it is signed is for [`VerifierKey`](crate::VerifierKey) to
    /// say.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        check_text(text)?;
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Checkpoint("it has less than three lines"));
        };
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        if origin.is_empty() || extensions.iter().any(String::is_empty) {
            return Err(NoteError::Checkpoint("it holds an empty line"));
        }
        let (size, root) = (parsed(size)?, decoded(root)?);
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root, extensions } = self;
        write!(f, "{origin}\n{size}\n{}\n", STANDARD.encode(root))?;
        extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Only the way a number is written here: no sign and no leading zeros.
fn parsed(size: &str) -> Result<u64, NoteError> {
    let number = size.parse().ok().filter(|number: &u64| number.to_string() == size);
    number.ok_or(NoteError::Checkpoint("its second line is not the size of a log"))
}

fn decoded(root: &str) -> Result<Hash, NoteError> {
    let bytes = STANDARD.decode(root).ok().and_then(|bytes| Hash::try_from(bytes).ok());
    bytes.ok_or(NoteError::Checkpoint("its third line is not base64 of 32 bytes"))
}

/// The origin of the log of a tenant, which also names the keys that sign it. The tenant is
/// percent-encoded, so that any tenant makes a name that a key can have.
#[must_use]
pub fn origin_of(lake_origin: &str, tenant: &str) -> String {
    let mut origin = format!("{lake_origin}/");
    for byte in tenant.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            origin.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(origin, "%{byte:02X}");
        }
    }
    origin
}
