//! Ids: ULIDs for files and events without an id of their own, and ids derived from an
//! idempotency key, so that a retried request names the same events again.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::env::Environment;

/// Gives an id to each event that came without one.
pub trait IdSource {
    /// The id of the event at `position` of its request (its line, or its place in an
    /// array), whose JSON is `json`.
    fn id(&mut self, position: usize, json: &[u8]) -> String;
}

/// A new ULID: 48 bits of milliseconds, 80 random bits.
#[must_use]
pub fn new_ulid(environment: &Environment) -> Ulid {
    let mut random = [0_u8; 16];
    environment.entropy.fill(&mut random[..10]);
    let millis = u64::try_from(environment.clock.now_us() / 1000).unwrap_or(0);
    Ulid::from_parts(millis, u128::from_le_bytes(random))
}

/// Fresh ids: `evt_` and a ULID.
#[derive(Debug)]
pub struct FreshIds<'a>(pub &'a Environment);

impl IdSource for FreshIds<'_> {
    fn id(&mut self, _position: usize, _json: &[u8]) -> String {
        format!("evt_{}", new_ulid(self.0))
    }
}

/// Ids that depend on nothing but the tenant, an idempotency key, the position, and what the
/// event says: a key used again for other events does not make them duplicates.
#[derive(Debug)]
pub struct KeyedIds<'a> {
    /// The caller's tenant, or empty.
    pub tenant: &'a str,
    /// The request's idempotency key.
    pub key: &'a str,
}

impl IdSource for KeyedIds<'_> {
    fn id(&mut self, position: usize, json: &[u8]) -> String {
        let mut hash = Sha256::new();
        for part in [self.tenant.as_bytes(), self.key.as_bytes(), json] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update((position as u64).to_le_bytes());
        derived(hash)
    }
}

/// Ids that depend on nothing but what the event says, so that a file imported twice, or
/// once more after it grew, gives the same events. Equal events of one source are told
/// apart by counting them.
#[derive(Debug, Default)]
pub struct ContentIds {
    seen: HashMap<[u8; 32], u64>,
}

impl IdSource for ContentIds {
    fn id(&mut self, _position: usize, json: &[u8]) -> String {
        let content: [u8; 32] = Sha256::digest(json).into();
        let count = self.seen.entry(content).or_default();
        *count += 1;
        derived(Sha256::new().chain_update(content).chain_update(count.to_le_bytes()))
    }
}

fn derived(hash: Sha256) -> String {
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    format!("evt_{}", Ulid::from_bytes(bytes))
}
