//! The Merkle tree of a tenant log and what is proved with it: RFC 6962 hashes, inclusion and
//! consistency proofs, proofs of many leaves at once, C2SP notes, checkpoints and tiles. Pure:
//! bytes in, hashes out; it knows neither events nor storage, and no input makes it panic.

mod checkpoint;
pub mod consistency;
mod error;
mod hash;
pub mod inclusion;
mod key;
mod leaves;
mod log_proof;
pub mod multi;
mod node;
mod note;
mod path;
mod range;
pub mod tile;

pub use checkpoint::{Checkpoint, origin_of};
pub use error::{InvalidRange, NoteError, ProofError};
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
pub use key::{Algorithm, Signed, SigningKey, VerifierKey};
pub use leaves::Leaves;
pub use log_proof::{CompleteRange, LogProof};
pub use multi::{MultiProof, Roots};
pub use node::{NodeId, cover, nodes_of};
pub use note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, Signature};
pub use range::CompactRange;
pub use tile::TileId;
