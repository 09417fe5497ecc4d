//! What a proof claims of each log, decoded and found consistent in itself: from here on sizes
//! and ranges fit together. Whether they are true is not known yet.

use std::collections::HashMap;
use std::ops::Range;

use auditlake_export::proof::{HINT_BYTES, Proof, ProofComplete, ProofLog};
use auditlake_model::claim::Claim;
use auditlake_model::text::escape_into;
use auditlake_model::time::{format_rfc3339, parse_rfc3339};
use auditlake_tlog::{
    Checkpoint, Hash, MultiProof, Note, NoteError, VerifierKey, leaf_hash, multi, origin_of,
};

use crate::findings::Findings;
use crate::rows::line::head;
use crate::verdict::{Finding, FindingKind};

/// One log of a proof.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    pub(crate) claimed: &'a ProofLog,
    pub(crate) note: Note,
    pub(crate) checkpoint: Checkpoint,
    /// The keys that came with the proof.
    pub(crate) keys: Vec<VerifierKey>,
    pub(crate) expected: Expected,
    /// The events beside the range, of which only the leaves are there.
    pub(crate) neighbours: Vec<(u64, Hash)>,
    /// Over the events of the export and the neighbours.
    pub(crate) proof: MultiProof,
}

/// Which events of a log the files must have.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// The positions, and how many events are in the stretches before each.
    pub(crate) stretches: Vec<(Range<u64>, u64)>,
    hints: Vec<[u8; HINT_BYTES]>,
    /// Times as text, which sorts as the times do.
    recorded_from: Option<String>,
    recorded_to: Option<String>,
}

impl Expected {
    /// How many of the events come before the one at this position; none if it is not expected.
    pub(crate) fn rank(&self, seq: u64) -> Option<u64> {
        let behind = self.stretches.partition_point(|(range, _)| range.start <= seq);
        let (range, before) = self.stretches.get(behind.checked_sub(1)?)?;
        (seq < range.end).then(|| before + (seq - range.start))
    }

    /// Whether the proof's hint tells the leaf to be another one.
    pub(crate) fn denies(&self, rank: u64, leaf: &Hash) -> bool {
        let hint = usize::try_from(rank).ok().and_then(|rank| self.hints.get(rank));
        hint.is_some_and(|hint| !leaf.starts_with(hint))
    }

    /// Whether an event recorded at that time belongs to what is claimed.
    pub(crate) fn has_time(&self, recorded_at: &[u8]) -> bool {
        let (from, to) = (self.recorded_from.as_deref(), self.recorded_to.as_deref());
        from.is_none_or(|from| from.as_bytes() <= recorded_at)
            && to.is_none_or(|to| recorded_at < to.as_bytes())
    }
}

/// The logs of a proof by the names of their tenants.
#[derive(Debug)]
pub(crate) struct Logs<'a> {
    /// Those that are consistent in themselves.
    pub(crate) sound: Vec<Log<'a>>,
    /// Their places by the tenants' names as they stand in lines; none for a log that is not
    /// sound, of whose events nothing can be said.
    by_name: HashMap<Vec<u8>, Option<usize>>,
}

impl<'a> Logs<'a> {
    /// Reads the logs of a proof; what is wrong with one becomes findings.
    pub(crate) fn of(proof: &'a Proof, findings: &mut Findings) -> Self {
        let mut logs = Self { sound: Vec::new(), by_name: HashMap::new() };
        if proof.claim == Claim::Complete && proof.logs.len() != 1 {
            let count = proof.logs.len();
            let detail = format!("it claims one log to be complete, and it has {count} logs");
            findings.add(FindingKind::Proof, detail);
        }
        for claimed in &proof.logs {
            let place = match log(proof.claim, claimed) {
                Ok(log) => {
                    logs.sound.push(log);
                    Some(logs.sound.len() - 1)
                }
                Err(finding) => {
                    findings.push(finding.of_log(&claimed.tenant_id));
                    None
                }
            };
            let mut name = Vec::new();
            escape_into(&claimed.tenant_id, &mut name);
            if logs.by_name.insert(name, place).is_some() {
                let finding = Finding::new(FindingKind::Proof, "the proof has this log twice");
                findings.push(finding.of_log(&claimed.tenant_id));
            }
        }
        logs
    }

    /// The place of a tenant's log, by its name as it stands in a line. The outer none means that
    /// the proof has no such log.
    pub(crate) fn place(&self, tenant: &[u8]) -> Option<Option<usize>> {
        self.by_name.get(tenant).copied()
    }
}

/// Why nothing can be said of a log.
type Refused = Box<Finding>;

fn wrong(detail: impl Into<String>) -> Refused {
    Box::new(Finding::new(FindingKind::Proof, detail))
}

fn incomplete(detail: String) -> Refused {
    Box::new(Finding::new(FindingKind::Incomplete, detail))
}

fn log(claim: Claim, claimed: &ProofLog) -> Result<Log<'_>, Refused> {
    let unread = |error: NoteError| wrong(format!("its checkpoint: {error}"));
    let note = Note::parse(&claimed.checkpoint).map_err(unread)?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(unread)?;
    if !is_origin_of(&checkpoint.origin, &claimed.tenant_id) {
        let origin = &checkpoint.origin;
        return Err(wrong(format!("its checkpoint is that of another log, {origin:?}")));
    }
    let keys = keys(claimed, &checkpoint.origin)?;
    let exported: Vec<Range<u64>> =
        claimed.ranges.iter().map(|(start, end)| *start..*end).collect();
    let (union, neighbours) = match (claim, &claimed.complete) {
        (Claim::Complete, Some(complete)) => {
            check_complete(complete, &exported, checkpoint.size)?;
            beside(claimed, complete, &exported)?
        }
        (Claim::Inclusion, None) => (exported.clone(), Vec::new()),
        (Claim::Complete, None) => return Err(wrong("it does not say what is complete")),
        (Claim::Inclusion, Some(_)) => {
            return Err(wrong("it says what is complete, and the proof claims inclusion only"));
        }
    };
    // Checks that ranges are in order and within the log, on which all that follows relies.
    multi::gaps(checkpoint.size, &union).map_err(|error| wrong(error.to_string()))?;
    multi::gaps(checkpoint.size, &exported).map_err(|error| wrong(error.to_string()))?;
    let expected = expected(claimed, &exported)?;
    let nodes = claimed.node_hashes().map_err(|error| wrong(error.to_string()))?;
    let proof = MultiProof { size: checkpoint.size, ranges: union, nodes };
    Ok(Log { claimed, note, checkpoint, keys, expected, neighbours, proof })
}

/// Whether this is the log of that tenant, in whatever lake.
fn is_origin_of(origin: &str, tenant: &str) -> bool {
    origin.strip_suffix(&origin_of("", tenant)).is_some_and(|lake| !lake.is_empty())
}

fn keys(claimed: &ProofLog, origin: &str) -> Result<Vec<VerifierKey>, Refused> {
    let key = |text: &String| {
        let key = text
            .parse::<VerifierKey>()
            .map_err(|error| wrong(format!("its key {text:?}: {error}")))?;
        if key.name != origin {
            return Err(wrong(format!("its key {text:?} is that of another log than {origin:?}")));
        }
        Ok(key)
    };
    claimed.keys.iter().map(key).collect()
}

fn expected(claimed: &ProofLog, exported: &[Range<u64>]) -> Result<Expected, Refused> {
    let mut rows = 0;
    let mut stretches = Vec::with_capacity(exported.len());
    for range in exported {
        stretches.push((range.clone(), rows));
        rows += range.end - range.start;
    }
    if rows != claimed.rows {
        return Err(wrong(format!(
            "its ranges have {rows} positions, and it claims {} events",
            claimed.rows
        )));
    }
    let hints = claimed.hints().map_err(|error| wrong(error.to_string()))?;
    let (recorded_from, recorded_to) = match &claimed.complete {
        Some(complete) => (complete.recorded_from.clone(), complete.recorded_to.clone()),
        None => (None, None),
    };
    Ok(Expected { stretches, hints, recorded_from, recorded_to })
}

/// Holds a claim of completeness against the ranges, and against the size of the log.
fn check_complete(
    complete: &ProofComplete,
    exported: &[Range<u64>],
    size: u64,
) -> Result<(), Refused> {
    let ProofComplete { from, to, recorded_from, recorded_to, before, after } = complete;
    if from > to || *to > size {
        return Err(wrong(format!(
            "positions {from} to {to} are claimed to be complete, in a log of {size} events"
        )));
    }
    let has_all = match exported {
        [] => from == to,
        [range] => (range.start, range.end) == (*from, *to),
        _ => false,
    };
    if !has_all {
        return Err(wrong(format!(
            "positions {from} to {to} are claimed to be complete, and its ranges are others"
        )));
    }
    for (name, time) in [("recorded_from", recorded_from), ("recorded_to", recorded_to)] {
        let Some(time) = time else { continue };
        if parse_rfc3339(time).map(format_rfc3339).as_ref() != Ok(time) {
            return Err(wrong(format!("its {name} {time:?} is no time as it is written here")));
        }
    }
    let lacks = |which: &str, bound: &str| {
        incomplete(format!(
            "the event {which} the range is not shown, so nothing says that no more events are \
             within {bound}"
        ))
    };
    if recorded_from.is_some() && *from > 0 && before.is_none() {
        return Err(lacks("before", "recorded_from"));
    }
    if recorded_to.is_some() && *to < size && after.is_none() {
        return Err(lacks("after", "recorded_to"));
    }
    Ok(())
}

/// Leaves by their positions.
type Neighbours = Vec<(u64, Hash)>;

/// The range together with the neighbours that the proof shows, and their leaves.
fn beside(
    claimed: &ProofLog,
    complete: &ProofComplete,
    exported: &[Range<u64>],
) -> Result<(Vec<Range<u64>>, Neighbours), Refused> {
    let mut range = match exported {
        [range] => range.clone(),
        _ => complete.from..complete.to,
    };
    let mut neighbours = Vec::new();
    if let Some(line) = &complete.before {
        let Some(seq) = complete.from.checked_sub(1) else {
            return Err(wrong("it shows an event before the first one of the log"));
        };
        let recorded_at = neighbour(claimed, line, seq)?;
        if complete.recorded_from.as_deref().is_some_and(|from| recorded_at >= from) {
            return Err(too_near(seq, recorded_at));
        }
        neighbours.push((seq, leaf_hash(line.as_bytes())));
        range.start = seq;
    }
    if let Some(line) = &complete.after {
        let seq = complete.to;
        let recorded_at = neighbour(claimed, line, seq)?;
        if complete.recorded_to.as_deref().is_some_and(|to| recorded_at < to) {
            return Err(too_near(seq, recorded_at));
        }
        neighbours.push((seq, leaf_hash(line.as_bytes())));
        range.end = seq.saturating_add(1);
    }
    let union = if range.is_empty() { Vec::new() } else { vec![range] };
    Ok((union, neighbours))
}

/// When the event at `seq`, beside the range, was recorded.
fn neighbour<'a>(claimed: &ProofLog, line: &'a str, seq: u64) -> Result<&'a str, Refused> {
    let mut tenant = Vec::new();
    escape_into(&claimed.tenant_id, &mut tenant);
    let head = head(line.as_bytes()).filter(|head| head.seq == seq && head.tenant == tenant);
    let recorded_at = head.and_then(|head| std::str::from_utf8(head.recorded_at).ok());
    recorded_at.ok_or_else(|| {
        let detail = "the event that it shows beside the range is not the one at this position";
        Box::new(wrong(detail).at(seq))
    })
}

fn too_near(seq: u64, recorded_at: &str) -> Refused {
    let detail = format!(
        "the event beside the range was recorded at {recorded_at:?}, which is within what is \
         claimed to be complete"
    );
    Box::new(incomplete(detail).at(seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_through_the_stretches() {
        let stretches = vec![(2..5, 0), (9..10, 3), (20..22, 4)];
        let expected = Expected { stretches, ..Expected::default() };
        let ranks = [(1, None), (2, Some(0)), (4, Some(2)), (5, None), (9, Some(3)), (10, None)];
        for (seq, rank) in ranks {
            assert_eq!(expected.rank(seq), rank, "{seq}");
        }
        assert_eq!(expected.rank(21), Some(5));
        assert_eq!(expected.rank(u64::MAX), None);
    }

    #[test]
    fn an_origin_is_of_the_tenant_that_it_ends_with() {
        assert!(is_origin_of("auditlake/1/acme", "acme"));
        assert!(is_origin_of("auditlake/1/a%20b", "a b"));
        assert!(!is_origin_of("auditlake/1/notacme", "acme"));
        assert!(!is_origin_of("/acme", "acme"));
    }
}
