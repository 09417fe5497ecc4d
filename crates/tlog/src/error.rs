//! What can be wrong with a proof, a note or the parts of a tree. Each message carries the numbers
//! that somebody needs to find the fault.

use std::fmt;

use crate::note::{MAX_NOTE_BYTES, MAX_SIGNATURES};
use crate::range::MAX_SIZE;

/// What is wrong with a compact range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRange {
    /// The number of leaves it claims.
    pub size: u64,
    /// The number of peaks it came with.
    pub peaks: usize,
}

impl fmt::Display for InvalidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, peaks } = self;
        if *size > MAX_SIZE {
            return write!(f, "a tree has at most {MAX_SIZE} leaves, not {size}");
        }
        write!(f, "a tree of {size} leaves has {} peaks, not {peaks}", size.count_ones())
    }
}

impl std::error::Error for InvalidRange {}

/// Why a proof cannot be made or does not prove what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// The tree has no such leaf.
    NoSuchLeaf {
        /// The leaf asked for.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    OldIsLarger {
        /// The size of the older tree.
        old: u64,
        /// The size of the newer tree.
        new: u64,
    },
    /// An inclusion proof of another length than the leaf's path.
    InclusionLength {
        /// The number of hashes given.
        hashes: usize,
        /// The number of hashes on the path.
        needed: usize,
        /// The leaf.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A consistency proof of another length than the two sizes need.
    ConsistencyLength {
        /// The number of hashes given.
        hashes: usize,
        /// The number of hashes that the sizes need.
        needed: usize,
        /// The size of the older tree.
        old: u64,
        /// The size of the newer tree.
        new: u64,
    },
    /// An inclusion proof that leads to another root.
    NotIncluded {
        /// The leaf.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A consistency proof that leads to another root for one of the trees.
    NotConsistent {
        /// The size of the older tree.
        old: u64,
        /// The size of the newer tree.
        new: u64,
        /// The size of the tree whose root is not met.
        at: u64,
    },
    /// A root that an empty tree cannot have.
    NotEmpty,
    /// A range of leaves that is empty, out of order, next to another one, or beyond the tree.
    Range {
        /// Where the range begins.
        start: u64,
        /// Where it ends.
        end: u64,
        /// Where the one before it ends.
        after: Option<u64>,
        /// The size of the tree.
        size: u64,
    },
    /// A multi-proof with another number of hashes than its gaps need.
    MultiLength {
        /// The number of hashes given.
        hashes: usize,
        /// The number of hashes that the gaps need.
        needed: usize,
    },
    /// The leaves are not exactly those of the ranges of a multi-proof.
    OtherLeaves {
        /// The number of leaves given.
        leaves: u64,
        /// The number of leaves in the ranges.
        needed: u64,
    },
    /// A subtree that cannot be the next part of the tree.
    Misplaced {
        /// The level of the subtree.
        level: u32,
        /// The number of leaves before it.
        size: u64,
    },
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchLeaf { index, size } => {
                write!(f, "a tree of {size} leaves has no leaf {index} (the first is 0)")
            }
            Self::OldIsLarger { old, new } => {
                write!(f, "a tree of {old} leaves cannot be the beginning of one of {new} leaves")
            }
            Self::InclusionLength { hashes, needed, index, size } => write!(
                f,
                "proof has {hashes} hashes, leaf {index} of a tree of {size} leaves needs {needed}"
            ),
            Self::ConsistencyLength { hashes, needed, old, new } => write!(
                f,
                "proof has {hashes} hashes, trees of {old} and {new} leaves need {needed}"
            ),
            Self::NotIncluded { index, size } => {
                write!(f, "this is not leaf {index} of the tree of {size} leaves with this root")
            }
            Self::NotConsistent { old, new, at } => write!(
                f,
                "the tree of {old} leaves is not the beginning of the one of {new} leaves: \
                 the proof does not lead to the root at {at} leaves"
            ),
            Self::NotEmpty => f.write_str("a tree of 0 leaves has another root"),
            Self::Range { start, end, after, size } => range_fault(f, *start, *end, *after, *size),
            Self::MultiLength { hashes, needed } => {
                write!(f, "proof has {hashes} hashes, its gaps need {needed}")
            }
            Self::OtherLeaves { leaves, needed } => write!(
                f,
                "the {leaves} leaves given are not exactly the {needed} of the proof's ranges"
            ),
            Self::Misplaced { level, size } => {
                write!(f, "a subtree of level {level} does not come next after {size} leaves")
            }
        }
    }
}

impl std::error::Error for ProofError {}

fn range_fault(
    f: &mut fmt::Formatter<'_>,
    start: u64,
    end: u64,
    after: Option<u64>,
    size: u64,
) -> fmt::Result {
    write!(f, "range {start}..{end} ")?;
    if start >= end {
        f.write_str("is empty")
    } else if end > size {
        write!(f, "goes beyond the tree's {size} leaves")
    } else {
        let after = after.unwrap_or(0);
        write!(f, "does not begin behind a gap after the range before it, which ends at {after}")
    }
}

/// What is wrong with a note, a checkpoint or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// The note is larger than any that is taken.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A control character other than the line end.
    Control {
        /// The line, from 1.
        line: usize,
        /// The character.
        character: char,
    },
    /// The text does not end with a line end.
    NoLineEnd,
    /// No blank line and signatures behind the text.
    NoSignatures,
    /// More signatures than are taken.
    TooManySignatures,
    /// A line that is no signature.
    SignatureLine {
        /// Which of the signature lines, from 1.
        number: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A name that no key can have.
    Name(String),
    /// A text that is no key.
    Key(&'static str),
    /// A key whose id is not that of its name and bytes.
    KeyId {
        /// The id given.
        given: String,
        /// The id that the name and bytes have.
        derived: u32,
    },
    /// The key signed nothing here.
    NotSigned(String),
    /// Two signatures by one key.
    SignedTwice(String),
    /// A signature in the name of the key that the key did not make.
    Forged(String),
    /// A text that is no checkpoint.
    Checkpoint(&'static str),
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(f, "a note has at most {MAX_NOTE_BYTES} bytes, not {bytes}")
            }
            Self::Control { line, character } => {
                write!(f, "line {line} of the note holds the control character {character:?}")
            }
            Self::NoLineEnd => f.write_str("the note does not end with a line end"),
            Self::NoSignatures => {
                f.write_str("the note has no blank line with signatures behind it")
            }
            Self::TooManySignatures => {
                write!(f, "the note has more than {MAX_SIGNATURES} signatures")
            }
            Self::SignatureLine { number, why } => write!(f, "signature line {number} {why}"),
            Self::Name(name) => write!(
                f,
                "{name:?} cannot name a key: it is empty or holds a space, a '+' or a control \
                 character"
            ),
            Self::Key(why) => f.write_str(why),
            Self::KeyId { given, derived } => {
                write!(f, "the key's id is {derived:08x}, not {given:?}")
            }
            Self::NotSigned(key) => write!(f, "the note is not signed by {key}"),
            Self::SignedTwice(key) => write!(f, "the note holds two signatures of {key}"),
            Self::Forged(key) => write!(f, "the signature of {key} does not fit the note"),
            Self::Checkpoint(why) => write!(f, "not a checkpoint: {why}"),
        }
    }
}

impl std::error::Error for NoteError {}
