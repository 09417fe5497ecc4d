//! What stands at the places where a log is wrong: ids and paths, so that a person can look.
//! Only those rows are read again, after a window has shown that there are any.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};

use super::findings::{Found, LakeFinding, LakeFindingKind, places};
use super::reading::{Segments, Sink};
use super::sift::{Places, Wanted, range_of};
use crate::error::LakeError;

/// So many spots of a window are looked at; the others are reported without ids.
const MOST_SPOTS: usize = 1_000;
/// So many paths are kept for a spot.
const MOST_PATHS: usize = 3;

/// Events that are not those that were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) tenant: String,
    pub(super) seqs: Range<u64>,
    /// The commit with the first head that they are wrong under.
    pub(super) commit: u64,
    /// The size of that head.
    pub(super) size: u64,
}

/// What stands at a spot.
#[derive(Clone, Debug, Default)]
struct Named {
    first: Option<(u64, String)>,
    last: Option<(u64, String)>,
    paths: BTreeSet<String>,
}

struct Naming {
    wanted: Wanted,
    /// By the number of the log in [`Self::wanted`], and the spot within it.
    named: Mutex<BTreeMap<(usize, usize), Named>>,
}

impl Sink for Naming {
    fn columns(&self) -> Option<&'static [&'static str]> {
        Some(&["id", "seq", "tenant_id"])
    }

    fn take(&self, batch: &RecordBatch, path: &str) -> Result<(), String> {
        let places = Places::of(batch).ok_or("tenant_id or seq is not as in segments")?;
        let ids = batch.column_by_name("id").and_then(|ids| ids.as_string_opt::<i32>());
        let ids = ids.ok_or("id is not as in segments")?;
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let log_of = |name: &str| (self.wanted.log(name), self.wanted.places(name));
        for (row, place) in places.rows(log_of).enumerate() {
            let Some(((Some(log), ranges), seq)) = place else { continue };
            let Some(spot) = range_of(ranges, seq) else { continue };
            let named = named.entry((log, spot)).or_default();
            let id = if ids.is_valid(row) { ids.value(row) } else { "" };
            if named.first.as_ref().is_none_or(|(first, _)| seq < *first) {
                named.first = Some((seq, id.to_owned()));
            }
            if named.last.as_ref().is_none_or(|(last, _)| seq > *last) {
                named.last = Some((seq, id.to_owned()));
            }
            if named.paths.len() < MOST_PATHS && !named.paths.contains(path) {
                named.paths.insert(path.to_owned());
            }
        }
        Ok(())
    }
}

/// Reports the spots, with what stands there.
pub(super) async fn report(
    spots: Vec<Spot>,
    segments: &mut Segments,
    found: &mut Found,
) -> Result<(), LakeError> {
    if spots.is_empty() {
        return Ok(());
    }
    let mut logs: BTreeMap<String, Vec<Range<u64>>> = BTreeMap::new();
    for spot in spots.iter().take(MOST_SPOTS) {
        logs.entry(spot.tenant.clone()).or_default().push(spot.seqs.clone());
    }
    let wanted = || Wanted::new(logs.clone().into_iter());
    let naming = Arc::new(Naming { wanted: wanted(), named: Mutex::default() });
    let sink: Arc<dyn Sink> = Arc::clone(&naming) as Arc<dyn Sink>;
    // What is wrong with the segments themselves was found when they were first read.
    let mut known = Found::default();
    segments.read(wanted(), sink, &mut known, &mut |_| {}).await?;
    let named = naming.named.lock().unwrap_or_else(PoisonError::into_inner);
    for spot in spots {
        let number = naming.wanted.log(&spot.tenant);
        let place = range_of(naming.wanted.places(&spot.tenant), spot.seqs.start);
        let named = number.zip(place).and_then(|key| named.get(&key)).cloned();
        found.add(finding(&spot, named.unwrap_or_default()));
    }
    Ok(())
}

fn finding(spot: &Spot, named: Named) -> LakeFinding {
    let Spot { tenant, seqs, commit, size } = spot;
    let Named { first, last, paths } = named;
    let whose = match (&first, &last) {
        (Some((_, first)), Some((_, last))) if first != last => {
            format!(", from {first} to {last},")
        }
        (Some((_, first)), _) => format!(", {first},"),
        _ => String::new(),
    };
    let mut detail = format!(
        "what stands at {}{whose} is not what was signed: the checkpoint of {size} events in \
         commit {commit} has another root",
        places(seqs)
    );
    let paths: Vec<String> = paths.into_iter().collect();
    if paths.len() > 1 {
        detail.push_str(&format!("; look at {}", paths.join(", ")));
    }
    let finding = LakeFinding::new(LakeFindingKind::Leaf, detail).of(tenant);
    let finding = finding.within(seqs.clone()).with_id(first.map(|(_, id)| id));
    match paths.as_slice() {
        [path] => finding.at(path),
        _ => finding,
    }
}
