//! One manifest commit and its bytes.

use std::collections::BTreeMap;

use auditlake_tlog::tile::WIDTH;
use auditlake_tlog::{CompactRange, Hash};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex;
use crate::segment::Segment;

/// Why a commit was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommitKind {
    /// A writer took the lake over.
    Open,
    /// Hot events became segments.
    Flush,
    /// Segments of a day became one.
    Compact,
}

/// How far a tenant's log reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantHead {
    /// The number of events; the next one gets this as its `seq`.
    pub size: u64,
    /// The Merkle tree hash over their canonical lines.
    #[serde(with = "hex::one")]
    pub root: Hash,
    /// The tree's perfect subtrees, from which it grows.
    #[serde(with = "hex::many")]
    pub peaks: Vec<Hash>,
    /// The latest `recorded_at`.
    pub recorded_at_us: i64,
    /// The signature of the checkpoint of this head, in base64: the key's id and what the key
    /// made of the checkpoint, as they stand in the line of a signed note. None if the lake had
    /// no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The hashes of blocks of 256 events, the last of which is the last block that is full.
    /// In a commit: those that were completed since the commit before. In the state: those that
    /// are in no stored tile yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "hex::many")]
    pub blocks: Vec<Hash>,
}

impl TenantHead {
    pub(crate) fn of(range: &CompactRange, recorded_at_us: i64, blocks: Vec<Hash>) -> Self {
        let (size, root, peaks) = (range.size(), range.root(), range.peaks().to_vec());
        Self { size, root, peaks, recorded_at_us, signature: None, blocks }
    }

    /// How many blocks of 256 events are full.
    fn full_blocks(&self) -> u64 {
        self.size / WIDTH
    }

    /// The number of the first of [`Self::blocks`].
    pub(crate) fn first_block(&self) -> u64 {
        self.full_blocks().saturating_sub(self.blocks.len() as u64)
    }

    /// The hash of a block of 256 events, if it is one of [`Self::blocks`].
    pub(crate) fn block(&self, index: u64) -> Option<Hash> {
        let place = usize::try_from(index.checked_sub(self.first_block())?).ok()?;
        self.blocks.get(place).copied()
    }

    /// What the state keeps of the head of a commit that was made where the state had `before`.
    ///
    /// The blocks of a tile that was full then are let go: the writer stored that tile before it
    /// wrote the commit. Blocks that do not adjoin the new ones are let go too: some between
    /// them are unknown.
    pub(crate) fn following(&self, before: Option<&Self>) -> Self {
        let mut head = self.clone();
        let Some(before) = before else { return head };
        let completed = self.full_blocks().saturating_sub(before.full_blocks());
        if completed == self.blocks.len() as u64 {
            let first_unstored = before.full_blocks() / WIDTH * WIDTH;
            let stored = first_unstored.saturating_sub(before.first_block());
            let stored = usize::try_from(stored).unwrap_or(usize::MAX);
            let kept = before.blocks.iter().skip(stored);
            head.blocks = kept.chain(&self.blocks).copied().collect();
        }
        head
    }

    /// The root in hexadecimal.
    #[must_use]
    pub fn root_hex(&self) -> String {
        hex::encode(&self.root)
    }
}

/// One entry of the manifest log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Its number; also its file name.
    pub version: u64,
    /// Tells this commit from any other that might stand at the same number.
    pub id: String,
    /// Why it was made.
    pub kind: CommitKind,
    /// SHA-256 of the bytes of the commit before; empty for the first.
    pub prev: String,
    /// Who wrote it.
    pub writer: String,
    /// How many writers have opened the lake; an older one is refused.
    pub epoch: u64,
    /// When it was written, in microseconds.
    pub at_us: i64,
    /// Numbers just before this one whose files are torn and count for nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub void: Vec<u64>,
    /// New segments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Segment>,
    /// The paths of segments that no longer count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// The last frame of this writer's WAL whose events are in segments.
    pub wal_applied: u64,
    /// The logs that grew.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, TenantHead>,
}

/// Stands before the checksum, which is the last member of the object.
const CHECKSUM_KEY: &[u8] = b",\"crc\":\"";

impl Commit {
    /// The commit's bytes: its JSON, with the CRC32C of all that stands before it at the end.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // A struct of strings, numbers and lists always serializes.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.pop();
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(CHECKSUM_KEY);
        bytes.extend_from_slice(format!("{checksum:08x}\"}}").as_bytes());
        bytes
    }

    /// Reads a commit back; says what is wrong with bytes that are none.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let tail = CHECKSUM_KEY.len() + 10;
        let split = bytes.len().checked_sub(tail).ok_or("it is too short for a commit")?;
        let (body, end) = bytes.split_at(split);
        let expected = format!("{:08x}\"}}", crc32c::crc32c(body));
        if !end.starts_with(CHECKSUM_KEY) || &end[CHECKSUM_KEY.len()..] != expected.as_bytes() {
            return Err("its checksum does not fit".to_owned());
        }
        serde_json::from_slice(bytes).map_err(|source| format!("it is no commit: {source}"))
    }
}

/// What the next commit names as `prev`.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64, blocks: std::ops::Range<u8>) -> TenantHead {
        let (root, peaks) = ([0; 32], vec![[0; 32]; size.count_ones() as usize]);
        let blocks = blocks.map(|block| [block; 32]).collect();
        TenantHead { size, root, peaks, recorded_at_us: 0, signature: None, blocks }
    }

    #[test]
    fn blocks_add_up_until_a_tile_has_them() {
        let first = head(3 * 256 + 9, 0..3).following(None);
        let second = head(5 * 256, 3..5).following(Some(&first));
        assert_eq!(second.blocks, head(0, 0..5).blocks);
        assert_eq!((second.block(4), second.block(5)), (Some([4; 32]), None));
        let idle = head(5 * 256 + 255, 0..0).following(Some(&second));
        assert_eq!(idle.blocks, second.blocks);

        let mut full = head(260 * 256, 0..255).following(Some(&idle));
        assert_eq!(full.blocks.len(), 260, "the commit that fills a tile keeps its blocks");
        full = head(261 * 256, 7..8).following(Some(&full));
        assert_eq!((full.first_block(), full.blocks.len()), (256, 5));
        assert_eq!(full.block(260), Some([7; 32]));
        assert_eq!(full.block(255), None);
    }

    #[test]
    fn blocks_with_a_gap_are_not_joined() {
        let known = head(2 * 256, 0..2).following(None);
        let silent = head(4 * 256, 0..0).following(Some(&known));
        assert_eq!(silent.blocks, head(0, 0..0).blocks);
        let next = head(6 * 256, 4..6).following(Some(&silent));
        assert_eq!((next.first_block(), next.block(3), next.block(4)), (4, None, Some([4; 32])));
        let later = head(259 * 256, 0..253).following(Some(&next));
        let last = head(259 * 256 + 1, 0..0).following(Some(&later));
        assert_eq!((last.first_block(), last.blocks.len()), (256, 3));
    }

    #[test]
    fn a_head_without_the_new_members_is_read() {
        let plain = r#"{"size":0,"root":"ROOT","peaks":[],"recorded_at_us":7}"#;
        let plain = plain.replace("ROOT", &"00".repeat(32));
        let read: TenantHead = serde_json::from_str(&plain).unwrap();
        assert_eq!((read.signature.as_deref(), read.blocks.len()), (None, 0));
        assert_eq!(serde_json::to_string(&read).unwrap(), plain);
    }
}
