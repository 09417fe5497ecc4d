//! Idempotency: an event is known by its tenant and id among the events of its day.
//!
//! The index is derived, never stored: the ids of a day are read from its segments and hot
//! batches when an event of that day arrives, and kept as long as there is room. A retry
//! carries the same `occurred_at`, so it is found however much later it comes, and after any
//! restart. Ids are kept as 128 bits of a SHA-256: a collision would drop an event.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use auditlake_model::columns::at;
use sha2::{Digest, Sha256};

use crate::error::LakeError;
use crate::segment;
use crate::snapshot::Snapshot;

/// A tenant and an id.
pub(crate) type Key = u128;

/// Keys are hashes already: to look one up, a part of it will do.
type Keys = HashSet<Key, BuildHasherDefault<OfHash>>;

#[derive(Debug, Default)]
struct OfHash(u64);

impl Hasher for OfHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

/// The keys of days that were asked for lately.
#[derive(Debug)]
pub(crate) struct Dedup {
    days: HashMap<i32, Day>,
    /// Counts the groups, to tell the day used longest ago.
    clock: u64,
    max_keys: usize,
}

#[derive(Debug, Default)]
struct Day {
    keys: Keys,
    used: u64,
}

impl Dedup {
    /// Keeps about `max_keys` keys at most.
    pub(crate) fn new(max_keys: usize) -> Self {
        Self { days: HashMap::new(), clock: 0, max_keys }
    }

    /// Forgets days when there are too many keys. Only between groups: the ids of a group
    /// are in no snapshot yet, so what it has loaded must stay until it is durable.
    pub(crate) fn begin_group(&mut self) {
        self.clock += 1;
        self.evict();
    }

    /// Reads the keys of `days` that are not at hand.
    pub(crate) async fn load(
        &mut self,
        days: impl IntoIterator<Item = i32>,
        snapshot: impl Fn() -> Snapshot,
    ) -> Result<(), LakeError> {
        for day in days {
            match self.days.entry(day) {
                Entry::Occupied(mut known) => known.get_mut().used = self.clock,
                Entry::Vacant(unknown) => {
                    let keys = read_day(&snapshot(), day).await?;
                    unknown.insert(Day { keys, used: self.clock });
                }
            }
        }
        Ok(())
    }

    /// Forgets the days used longest ago until the rest fits; never one that the last group
    /// used: the next one most likely uses it too.
    fn evict(&mut self) {
        while self.days.values().map(|day| day.keys.len()).sum::<usize>() > self.max_keys {
            let oldest = self
                .days
                .iter()
                .filter(|(_, day)| day.used + 1 < self.clock)
                .min_by_key(|(_, day)| day.used)
                .map(|(number, _)| *number);
            match oldest {
                Some(number) => self.days.remove(&number),
                None => break,
            };
        }
    }

    /// Whether the key is new to a loaded day; it is known from then on.
    pub(crate) fn insert(&mut self, day: i32, key: Key) -> bool {
        self.days.entry(day).or_default().keys.insert(key)
    }
}

/// The key of each row of a batch whose tenant and id stand in these columns.
pub(crate) fn keys_of(tenants: &dyn Array, ids: &dyn Array) -> Vec<Key> {
    let tenants = tenants.as_dictionary::<Int32Type>();
    let names = tenants.values().as_string::<i32>();
    // The tenant's part of the hash is the same for all its rows.
    let begun: Vec<Sha256> = (0..names.len())
        .map(|index| {
            let name = names.value(index).as_bytes();
            Sha256::new().chain_update((name.len() as u64).to_le_bytes()).chain_update(name)
        })
        .collect();
    let keys = tenants.keys().values().iter().zip(ids.as_string::<i32>());
    keys.map(|(tenant, id)| {
        let hash = begun[*tenant as usize].clone().chain_update(id.unwrap_or_default());
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        u128::from_le_bytes(key)
    })
    .collect()
}

async fn read_day(snapshot: &Snapshot, day: i32) -> Result<Keys, LakeError> {
    let mut keys = Keys::default();
    for known in snapshot.segments().iter().filter(|segment| segment.day == day) {
        let columns = [at::ID, at::TENANT_ID];
        for batch in segment::read_columns(snapshot.store(), known, &columns).await? {
            keys.extend(keys_in(&batch));
        }
    }
    for hot in snapshot.hot().iter().filter(|hot| hot.day == day) {
        keys.extend(keys_of(hot.batch.column(at::TENANT_ID), hot.batch.column(at::ID)));
    }
    Ok(keys)
}

/// The keys of a batch of just `id` and `tenant_id`, in the order of the schema.
fn keys_in(batch: &RecordBatch) -> Vec<Key> {
    keys_of(batch.column(1), batch.column(0))
}
