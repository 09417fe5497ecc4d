//! A part of the logs that is verified at once: the events of so many commits as memory allows.
//! Whatever the order in which its events are read, the roots that were published while they
//! were recorded come out of them, or they are not the events that were signed.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use auditlake_tlog::tile::{HEIGHT, WIDTH};
use auditlake_tlog::{CompactRange, Hash, Leaves, NodeId};
use object_store::ObjectStore;

use super::VerifiedTo;
use super::chain::{Chain, Link};
use super::findings::{Found, LakeFinding, LakeFindingKind, places};
use super::held::Held;
use super::history::Start;
use super::naming::Spot;
use super::sift::Wanted;
use super::trust::Trust;
use crate::error::LakeError;
use crate::manifest::TenantHead;

/// A window has so many heads at most: they and the blocks at their borders take memory too.
const MOST_HEADS: usize = 20_000;

/// Cuts the commits into windows.
pub(super) struct Windows {
    chain: Chain,
    most_events: u64,
    /// The commit that the last window ends with, its hash, and the logs as of it.
    commit: u64,
    hash: String,
    heads: BTreeMap<String, TenantHead>,
}

impl Windows {
    pub(super) fn new(
        store: &Arc<dyn ObjectStore>,
        versions: &[u64],
        start: Start,
        most_events: u64,
    ) -> Self {
        let Start { commit, hash, heads } = start;
        let chain = Chain::open(store, versions, commit, hash.clone());
        Self { chain, most_events: most_events.max(1), commit, hash, heads }
    }

    /// The next window; none when no log grows any more.
    pub(super) async fn next(
        &mut self,
        held: &Held,
        trust: &Trust,
    ) -> Result<Option<Window>, LakeError> {
        // What is wrong with the commits was found when they were read for the first time.
        let mut known = Found::default();
        let mut window = Window::default();
        let (mut events, mut heads) = (0_u64, 0);
        while events < self.most_events && heads < MOST_HEADS {
            let Some(link) = self.chain.next(&mut known).await? else { break };
            let Link { commit, hash, .. } = link;
            (self.commit, self.hash) = (commit.version, hash);
            for (tenant, head) in commit.tenants {
                let before = self.heads.get(&tenant);
                let size = before.map_or(0, |before| before.size);
                if head.size <= size {
                    continue;
                }
                events = events.saturating_add(head.size - size);
                heads += 1;
                let mut kept = head.clone();
                kept.blocks = Vec::new();
                window.grow(&tenant, before, commit.version, head);
                self.heads.insert(tenant, kept);
            }
        }
        for log in &mut window.logs {
            log.origin = trust.origin_of(&log.tenant);
            log.prepare(held);
        }
        Ok((!window.logs.is_empty()).then_some(window))
    }

    /// How far the windows so far go.
    pub(super) fn verified_to(&self, origin: &str) -> VerifiedTo {
        VerifiedTo {
            version: VerifiedTo::VERSION,
            origin: origin.to_owned(),
            commit: self.commit,
            commit_hash: self.hash.clone(),
            tenants: VerifiedTo::logs_of(&self.heads),
        }
    }
}

/// The logs that grew, and what was read of their new events.
#[derive(Debug, Default)]
pub(super) struct Window {
    logs: Vec<Log>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
struct Log {
    tenant: String,
    /// What it is called in checkpoints.
    origin: Option<String>,
    /// The size before the window.
    start: u64,
    /// The tree before the window; none if its head is wrong.
    before: Option<CompactRange>,
    /// The heads in the window, each with its commit.
    heads: Vec<(u64, TenantHead)>,
    /// Sizes between heads, of checkpoints that are held elsewhere.
    held: Vec<u64>,
    /// The `recorded_at` of the newest event before the window, if there is one.
    recorded_before_us: Option<i64>,
    seen: Mutex<Seen>,
}

/// An event that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) leaf: Hash,
    pub(super) recorded_at_us: i64,
}

/// What was read of a log's new events.
#[derive(Debug, Default)]
struct Seen {
    leaves: Leaves,
    /// For each head, the newest `recorded_at` of its own events.
    newest_us: Vec<i64>,
    /// How many events were not recorded between their head and the one before, and the first.
    untimely: u64,
    first_untimely: Option<u64>,
}

fn tree_of(head: &TenantHead) -> Option<CompactRange> {
    CompactRange::from_parts(head.size, head.peaks.clone()).ok()
}

impl Window {
    fn grow(&mut self, tenant: &str, before: Option<&TenantHead>, commit: u64, head: TenantHead) {
        let index = match self.by_name.get(tenant) {
            Some(index) => *index,
            None => {
                self.logs.push(Log {
                    tenant: tenant.to_owned(),
                    origin: None,
                    start: before.map_or(0, |before| before.size),
                    before: before.map_or_else(|| Some(CompactRange::default()), tree_of),
                    heads: Vec::new(),
                    held: Vec::new(),
                    recorded_before_us: before.map(|before| before.recorded_at_us),
                    seen: Mutex::default(),
                });
                self.by_name.insert(tenant.to_owned(), self.logs.len() - 1);
                self.logs.len() - 1
            }
        };
        self.logs[index].heads.push((commit, head));
    }

    /// The events that have to be read.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted::new(self.logs.iter().map(|log| (log.tenant.clone(), vec![log.range()])))
    }

    /// Takes events of a log, by its place in [`Self::wanted`]; answers which were there already.
    pub(super) fn take(&self, log: usize, events: &[Event]) -> Vec<u64> {
        self.logs.get(log).map_or_else(Vec::new, |log| log.take(events))
    }

    /// Compares every head, once all events were read. Answers the places where the events are
    /// others than those that were signed.
    pub(super) fn check(&self, held: &mut Held, found: &mut Found) -> Vec<Spot> {
        self.logs.iter().flat_map(|log| log.check(held, found)).collect()
    }
}

impl Log {
    fn range(&self) -> Range<u64> {
        self.start..self.heads.last().map_or(self.start, |(_, head)| head.size)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes events; answers which were there already.
    fn take(&self, events: &[Event]) -> Vec<u64> {
        let mut seen = self.seen();
        let mut there = Vec::new();
        for Event { seq, leaf, recorded_at_us } in events {
            if !seen.leaves.insert(*seq, *leaf) {
                there.push(*seq);
                continue;
            }
            let at = self.heads.partition_point(|(_, head)| head.size <= *seq);
            let Some((_, head)) = self.heads.get(at) else { continue };
            let before_us = match at.checked_sub(1).and_then(|at| self.heads.get(at)) {
                Some((_, before)) => Some(before.recorded_at_us),
                None => self.recorded_before_us,
            };
            seen.newest_us[at] = seen.newest_us[at].max(*recorded_at_us);
            let is_behind = before_us.is_none_or(|before_us| before_us < *recorded_at_us);
            if !is_behind || *recorded_at_us > head.recorded_at_us {
                seen.untimely += 1;
                seen.first_untimely = Some(seen.first_untimely.map_or(*seq, |at| at.min(*seq)));
            }
        }
        there
    }

    /// Once all heads are known: at which sizes roots will be asked for.
    fn prepare(&mut self, held: &Held) {
        if let Some(origin) = &self.origin {
            self.held = held.sizes_within(origin, &self.range());
        }
        let sizes = self.heads.iter().map(|(_, head)| head.size);
        let borders = sizes.chain(self.held.iter().copied());
        let leaves = Leaves::with_borders(borders);
        let newest_us = vec![i64::MIN; self.heads.len()];
        self.seen = Mutex::new(Seen { leaves, newest_us, ..Seen::default() });
    }

    /// Whether the times that commits state for their events are theirs. Claims about a range of
    /// `recorded_at` rest on these times, and no signature covers them.
    fn check_times(&self, seen: &Seen, found: &mut Found) {
        let wrong = |detail: String, seqs: Range<u64>| {
            LakeFinding::new(LakeFindingKind::Root, detail).of(&self.tenant).within(seqs)
        };
        if let Some(first) = seen.first_untimely {
            let detail = format!(
                "{} events, the first with seq {first}, were not recorded within the time that \
                 their commit states",
                seen.untimely
            );
            found.add(wrong(detail, first..first.saturating_add(1)));
            return;
        }
        let mut start = self.start;
        for ((commit, head), newest_us) in self.heads.iter().zip(&seen.newest_us) {
            let seqs = start..head.size;
            start = head.size;
            if *newest_us != head.recorded_at_us {
                let path = crate::paths::commit(*commit);
                let (said, is) = (head.recorded_at_us, *newest_us);
                let detail = format!(
                    "the commit says that its newest event was recorded at {said} µs since 1970, \
                     which was at {is}"
                );
                found.add(wrong(detail, seqs).at(path));
            }
        }
    }

    fn check(&self, held: &mut Held, found: &mut Found) -> Vec<Spot> {
        let seen = self.seen();
        let leaves = &seen.leaves;
        let missing = gaps(&leaves.ranges(), self.range());
        for gap in &missing {
            let detail = format!("events are missing: {}", places(gap));
            let finding = LakeFinding::new(LakeFindingKind::Missing, detail);
            found.add(finding.of(&self.tenant).within(gap.clone()));
        }
        let (mut spots, mut before) = (Vec::new(), self.before.clone());
        let mut start = self.start;
        for (commit, head) in &self.heads {
            let seqs = start..head.size;
            if let Some(before) = &before {
                self.compare_held(before, leaves, &seqs, held, found);
                let after = grown(before, leaves, head.size);
                if after.is_none_or(|tree| tree.root() != head.root) {
                    let is_whole = missing.iter().all(|gap| !overlap(gap, &seqs));
                    let wrong = narrowed(before, leaves, head, is_whole);
                    spots.extend(wrong.into_iter().map(|seqs| Spot {
                        tenant: self.tenant.clone(),
                        seqs,
                        commit: *commit,
                        size: head.size,
                    }));
                }
            }
            // Each head stands for itself, so that one mistake is found once.
            (start, before) = (head.size, tree_of(head));
        }
        // Of events that are others than those that were signed, their times tell nothing.
        if missing.is_empty() && spots.is_empty() {
            self.check_times(&seen, found);
        }
        spots
    }

    /// Compares with checkpoints between two heads.
    fn compare_held(
        &self,
        before: &CompactRange,
        leaves: &Leaves,
        seqs: &Range<u64>,
        held: &mut Held,
        found: &mut Found,
    ) {
        let Some(origin) = &self.origin else { return };
        let within = |size: &&u64| seqs.start < **size && **size < seqs.end;
        for size in self.held.iter().filter(within) {
            if let Some(tree) = grown(before, leaves, *size) {
                held.compare(origin, &self.tenant, *size, &tree.root(), found);
            }
        }
    }
}

/// The tree grown to this size; none if events that it needs were not read.
fn grown(before: &CompactRange, leaves: &Leaves, size: u64) -> Option<CompactRange> {
    let mut tree = before.clone();
    for (node, hash) in leaves.pieces(tree.size()..size) {
        if node.leaves().start != tree.size() {
            return None;
        }
        tree.append_node(node.level, hash).ok()?;
    }
    (tree.size() == size).then_some(tree)
}

/// Which events between two heads are not those that were signed, as narrow as the blocks tell
/// that the commit names. Of events that are partly missing, what blocks show.
fn narrowed(
    before: &CompactRange,
    leaves: &Leaves,
    head: &TenantHead,
    is_whole: bool,
) -> Vec<Range<u64>> {
    let (start, end) = (before.size(), head.size);
    let first = start / WIDTH;
    let are_named = head.blocks.len() as u64 == end / WIDTH - first;
    let mut wrong = Vec::new();
    if are_named {
        for (number, signed) in (first..).zip(&head.blocks) {
            let block = number * WIDTH..(number + 1) * WIDTH;
            let is = if block.start < start {
                continued(before, leaves, block.end)
            } else {
                leaves.node(NodeId::new(HEIGHT, number))
            };
            if is.is_some_and(|is| is != *signed) {
                wrong.push(block.start.max(start)..block.end);
            }
        }
    }
    if wrong.is_empty() && is_whole {
        let rest = if are_named { (end / WIDTH * WIDTH).max(start) } else { start };
        wrong.push(if rest < end { rest..end } else { start..end });
    }
    wrong
}

/// The hash of the block that a tree ends in, completed by the events behind the tree.
fn continued(before: &CompactRange, leaves: &Leaves, end: u64) -> Option<Hash> {
    let within = before.size() % WIDTH;
    let above = before.peaks().len() - within.count_ones() as usize;
    let mut block = CompactRange::from_parts(within, before.peaks()[above..].to_vec()).ok()?;
    for (_, leaf) in leaves.pieces(before.size()..end) {
        block.append(leaf);
    }
    (block.size() == WIDTH).then(|| block.root())
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

/// What of `all` is in none of the ranges, which are in order.
fn gaps(ranges: &[Range<u64>], all: Range<u64>) -> Vec<Range<u64>> {
    let mut gaps = Vec::new();
    let mut next = all.start;
    for range in ranges {
        if range.start > next {
            gaps.push(next..range.start);
        }
        next = range.end;
    }
    if next < all.end {
        gaps.push(next..all.end);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_the_ranges_leave() {
        let gaps = |ranges: &[(u64, u64)]| {
            let ranges: Vec<Range<u64>> = ranges.iter().map(|(start, end)| *start..*end).collect();
            let gaps = gaps(&ranges, 3..9).into_iter();
            gaps.map(|gap| (gap.start, gap.end)).collect::<Vec<_>>()
        };
        assert_eq!(gaps(&[]), [(3, 9)]);
        assert_eq!(gaps(&[(3, 9)]), []);
        assert_eq!(gaps(&[(4, 5), (7, 8)]), [(3, 4), (5, 7), (8, 9)]);
    }

    #[test]
    fn a_block_is_continued_from_the_tree_before_it() {
        let leaf = |seq: u64| auditlake_tlog::leaf_hash(&seq.to_be_bytes());
        let (mut before, mut whole) = (CompactRange::default(), CompactRange::default());
        (0..300).for_each(|seq| before.append(leaf(seq)));
        (256..512).for_each(|seq| whole.append(leaf(seq)));
        let mut leaves = Leaves::new();
        for seq in 300..512 {
            assert_eq!(continued(&before, &leaves, 512), None, "up to {seq}");
            assert!(leaves.insert(seq, leaf(seq)));
        }
        assert_eq!(continued(&before, &leaves, 512), Some(whole.root()));
    }
}
