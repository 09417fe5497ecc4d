//! Proofs of what requests mean, over lakes in every state: each is held against lines that were
//! read without the query engine, and verified as somebody would who has nothing but the proof.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, UInt64Type};
use auditlake_lake::Snapshot;
use auditlake_model::claim::Claim;
use auditlake_model::columns::at;
use auditlake_model::filter::{Filter, Range, SeqRange};
use auditlake_model::scope::Scope;
use auditlake_query::{
    CompleteRange, Engine, EngineConfig, LogProof, Order, Position, QueryError, ScanRequest,
    check_claim, provable_before,
};
use auditlake_tlog::{Checkpoint, Leaves, Note, VerifierKey, leaf_hash};
use futures::TryStreamExt;

use crate::lake::{Line, SEALINGS, Sealing, TestLake};

fn engine() -> Engine {
    Engine::new(EngineConfig::default()).unwrap()
}

fn filter(pairs: &[(&str, &str)]) -> Filter {
    Filter::of(pairs.iter().copied()).unwrap()
}

/// What a filter means of everything that can be proved.
fn provable(snapshot: &Snapshot, filter: Filter) -> ScanRequest {
    let mut request = ScanRequest { filter, ..ScanRequest::of(Scope::everything()) };
    request.filter.recorded.to_us = Some(provable_before(snapshot));
    request
}

async fn prove(
    lake: &TestLake,
    request: &ScanRequest,
    claim: Claim,
) -> Result<Vec<LogProof>, QueryError> {
    engine().prove(&lake.snapshot(), &lake.logs(), request, claim).await
}

/// Verifies a proof with nothing but its own words, the lines of the export, and the lines beside
/// it that the proof brings.
fn verify(proof: &LogProof, exported: &[&Line]) {
    let note = Note::parse(&proof.checkpoint).unwrap();
    let mut keys = proof.keys.iter().map(|key| key.parse::<VerifierKey>().unwrap());
    assert!(keys.any(|key| key.verify(&note).is_ok()), "{note}");
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert!(checkpoint.origin.ends_with(&format!("/{}", proof.tenant_id)), "{note}");
    assert_eq!(checkpoint.size, proof.proof.size);
    assert_eq!(proof.rows, exported.len() as u64);
    let (mut leaves, mut hints) = (Leaves::new(), Vec::new());
    for line in exported {
        let leaf = leaf_hash(&line.text);
        assert!(leaves.insert(line.seq, leaf));
        hints.extend_from_slice(&leaf[..4]);
    }
    assert!(proof.hints == hints);
    if let Some(complete) = &proof.complete {
        let CompleteRange { seqs, before, after, .. } = complete;
        for (line, seq) in [(before, seqs.start.wrapping_sub(1)), (after, seqs.end)] {
            if let Some(line) = line {
                assert!(leaves.insert(seq, leaf_hash(line.as_bytes())));
            }
        }
    }
    assert_eq!(proof.proof.ranges, leaves.ranges());
    assert_eq!(proof.proof.roots(&leaves, &[]).unwrap().root, checkpoint.root);
}

/// The tenant that has the most events.
fn largest(lines: &[Line]) -> &str {
    let logs = lines.chunk_by(|one, other| one.tenant == other.tenant);
    &logs.max_by_key(|log| log.len()).unwrap()[0].tenant
}

/// The events of these places, tenant by tenant.
fn by_tenant(
    lines: &[Line],
    places: impl IntoIterator<Item = (String, u64)>,
) -> BTreeMap<&str, Vec<&Line>> {
    let places: BTreeSet<(String, u64)> = places.into_iter().collect();
    let mut found: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        if places.contains(&(line.tenant.clone(), line.seq)) {
            found.entry(&line.tenant).or_default().push(line);
        }
    }
    found
}

/// The proofs are of these events, one for each tenant that has some.
fn verify_all(proofs: &[LogProof], expected: &BTreeMap<&str, Vec<&Line>>) {
    let tenants: Vec<&str> = proofs.iter().map(|proof| proof.tenant_id.as_str()).collect();
    assert_eq!(tenants, expected.keys().copied().collect::<Vec<_>>());
    for proof in proofs {
        assert_eq!(proof.complete, None);
        verify(proof, &expected[proof.tenant_id.as_str()]);
    }
}

#[tokio::test]
async fn events_of_any_filter_are_included() {
    for sealing in SEALINGS {
        let lake = TestLake::new(800, sealing).await;
        let (snapshot, lines) = (lake.snapshot(), lake.lines());
        let tenant = largest(&lines);
        for pairs in [
            &[("type", "user.*"), ("outcome", "!success")][..],
            &[],
            &[("tenant_id", tenant), ("q", "export")],
            &[("seq_from", "10"), ("seq_to", "20")],
            &[("from", "2026-01-02"), ("where", "actor_kind = 'user' OR outcome IS NULL")],
            &[("tenant_id", "nobody")],
        ] {
            for order in [Order::Log, Order::OldestFirst, Order::NewestFirst] {
                let request = provable(&snapshot, filter(pairs));
                let request = ScanRequest { order, columns: Some(vec![at::TYPE]), ..request };
                let proofs = prove(&lake, &request, Claim::Inclusion).await.unwrap();
                let scanned = ScanRequest { columns: None, ..request };
                let expected = by_tenant(&lines, scanned_places(&snapshot, &scanned).await);
                verify_all(&proofs, &expected);
            }
        }
        lake.close().await;
    }
}

/// Tenant and position of each event that a scan gives.
async fn scanned_places(snapshot: &Snapshot, request: &ScanRequest) -> Vec<(String, u64)> {
    // What is read breaks off when the engine goes.
    let engine = engine();
    let mut batches = engine.scan(snapshot, request).await.unwrap();
    let mut places = Vec::new();
    while let Some(batch) = batches.try_next().await.unwrap() {
        let tenants = cast(batch.column(at::TENANT_ID), &DataType::Utf8).unwrap();
        let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>();
        let tenants = tenants.as_string::<i32>().iter().map(|tenant| tenant.unwrap().to_owned());
        places.extend(tenants.zip(seqs.values().iter().copied()));
    }
    places
}

#[tokio::test]
async fn a_part_of_an_order_is_included() {
    let lake = TestLake::new(800, Sealing::Segments).await;
    let (snapshot, lines) = (lake.snapshot(), lake.lines());
    let (time, tenant_id, seq) = lake.places()[100].clone();
    let after = Position { occurred_at_us: time, tenant_id, seq };
    for order in [Order::Log, Order::NewestFirst] {
        for (limit, after) in [(Some(7), None), (None, Some(after.clone()))] {
            let request = provable(&snapshot, Filter::default());
            let request = ScanRequest { order, limit, after, ..request };
            let places = scanned_places(&snapshot, &request).await;
            assert!(!places.is_empty() && places.len() < 800);
            let proofs = prove(&lake, &request, Claim::Inclusion).await.unwrap();
            verify_all(&proofs, &by_tenant(&lines, places));
        }
    }
    lake.close().await;
}

/// What is asked of one log: recorded from and to, positions from and to.
type Bounds = (Option<i64>, Option<i64>, Option<u64>, Option<u64>);

/// Bounds of all kinds around the events of a log, which came in several batches.
fn bounds_of(log: &[&Line]) -> Vec<Bounds> {
    let times: BTreeSet<i64> = log.iter().map(|line| line.recorded_us).collect();
    let times: Vec<i64> = times.into_iter().collect();
    let [first, second, third, fourth, .., last] = times[..] else {
        panic!("a log that came in {} batches", times.len())
    };
    let size = log.len() as u64;
    let begins = |time: i64| log.iter().find(|line| line.recorded_us >= time).unwrap().seq;
    let (at_second, at_third, at_fourth) = (begins(second), begins(third), begins(fourth));
    vec![
        (None, None, None, None),
        (Some(second), None, None, None),
        (None, Some(third), None, None),
        (Some(second), Some(fourth), None, None),
        (Some(second - 1), Some(third + 1), None, None),
        // Nothing was recorded then: before all, between two batches, after all.
        (None, Some(first), None, None),
        (Some(first - 9), Some(first - 5), None, None),
        (Some(second + 1), Some(third), None, None),
        (Some(last + 1), None, None, None),
        (Some(last + 1_000_000_000), None, None, None),
        // Positions.
        (None, None, Some(3), Some(9)),
        (None, None, Some(5), None),
        (None, None, None, Some(5)),
        (None, None, Some(4), Some(4)),
        (None, None, Some(0), Some(0)),
        (None, None, Some(size - 1), Some(u64::MAX)),
        (None, None, Some(size + 100), None),
        (None, None, Some(u64::MAX), Some(u64::MAX)),
        // Both, the one within, across and beside the other.
        (Some(second), Some(fourth), Some(at_second + 1), Some(at_fourth - 1)),
        (Some(second), Some(fourth), Some(at_second), Some(at_fourth)),
        (Some(second), Some(fourth), Some(at_second - 1), Some(at_third)),
        (Some(second), Some(fourth), Some(at_third), Some(at_fourth + 1)),
        (Some(third), Some(fourth), Some(0), Some(at_second)),
        (Some(third), None, Some(1), Some(at_third)),
        (Some(first), Some(second), Some(at_third), Some(at_fourth)),
        (None, Some(second), Some(at_second + 1), None),
        (Some(second), Some(third), Some(at_second), Some(at_second)),
    ]
}

#[tokio::test]
async fn ranges_of_a_log_are_complete() {
    for sealing in [Sealing::Segments, Sealing::Compacted, Sealing::HalfAndHalf] {
        let lake = TestLake::new(800, sealing).await;
        let (snapshot, lines) = (lake.snapshot(), lake.lines());
        let (bound, tenant) = (provable_before(&snapshot), largest(&lines));
        let log: Vec<&Line> =
            lines.iter().filter(|line| line.tenant == tenant && line.recorded_us < bound).collect();
        for (place, asked) in bounds_of(&log).into_iter().enumerate() {
            let (from_us, to_us, from, to) = asked;
            let mut request = ScanRequest::of(Scope::everything());
            if place % 2 == 0 {
                request.filter = filter(&[("tenant_id", tenant)]);
            } else {
                request.scope = request.scope.within(at::TENANT_ID, tenant);
            }
            let to_us = to_us.map_or(bound, |to_us| to_us.min(bound));
            request.filter.recorded = Range { from_us, to_us: Some(to_us) };
            request.filter.seq = SeqRange { from, to };
            let proofs = prove(&lake, &request, Claim::Complete).await;
            let proofs = proofs.unwrap_or_else(|why| panic!("{sealing:?} {asked:?}: {why}"));
            let [proof] = &proofs[..] else { panic!("{} proofs of one log", proofs.len()) };
            let exported: Vec<&Line> = log
                .iter()
                .copied()
                .filter(|line| from_us.is_none_or(|from_us| line.recorded_us >= from_us))
                .filter(|line| line.recorded_us < to_us)
                .filter(|line| from.is_none_or(|from| line.seq >= from))
                .filter(|line| to.is_none_or(|to| line.seq < to))
                .collect();
            verify(proof, &exported);
            assert_eq!(proof.proof.size, log.len() as u64);
            let complete = proof.complete.as_ref().unwrap();
            verify_borders(complete, &log, &exported, (from_us, Some(to_us), from, to));
        }
        lake.close().await;
    }
}

/// The range is that of the events, and each of its ends is either one that was asked for, one of
/// the log, or proved by the line beside it.
fn verify_borders(complete: &CompleteRange, log: &[&Line], exported: &[&Line], asked: Bounds) {
    let (from_us, to_us, from, to) = asked;
    let (size, seqs) = (log.len() as u64, &complete.seqs);
    match exported {
        [] => assert!(seqs.is_empty() && seqs.end <= size, "{complete:?} for {asked:?}"),
        [first, .., last] => assert_eq!(*seqs, first.seq..last.seq + 1, "{asked:?}"),
        [only] => assert_eq!(*seqs, only.seq..only.seq + 1, "{asked:?}"),
    }
    let text = |seq: u64| std::str::from_utf8(&log[usize::try_from(seq).unwrap()].text).unwrap();
    let recorded_us = |seq: u64| log[usize::try_from(seq).unwrap()].recorded_us;
    if seqs.start == 0 {
        assert_eq!((complete.recorded_from_us, &complete.before), (from_us, &None));
    } else if let Some(before) = &complete.before {
        assert_eq!(before, text(seqs.start - 1));
        assert_eq!(complete.recorded_from_us, from_us);
        assert!(recorded_us(seqs.start - 1) < from_us.unwrap(), "{complete:?} for {asked:?}");
    } else {
        assert_eq!(complete.recorded_from_us, None);
        assert!(from.unwrap().min(size) >= seqs.start, "{complete:?} for {asked:?}");
    }
    if seqs.end == size {
        assert_eq!((complete.recorded_to_us, &complete.after), (to_us, &None));
    } else if let Some(after) = &complete.after {
        assert_eq!(after, text(seqs.end));
        assert_eq!(complete.recorded_to_us, to_us);
        assert!(recorded_us(seqs.end) >= to_us.unwrap(), "{complete:?} for {asked:?}");
    } else {
        assert_eq!(complete.recorded_to_us, None);
        assert!(to.unwrap() <= seqs.end, "{complete:?} for {asked:?}");
    }
}

#[tokio::test]
async fn what_is_recorded_later_is_no_part_of_a_proof() {
    let lake = TestLake::new(400, Sealing::Segments).await;
    let (lines, early) = (lake.lines(), lake.snapshot());
    let tenant = largest(&lines);
    let log: Vec<&Line> = lines.iter().filter(|line| line.tenant == tenant).collect();
    let request = provable(&early, filter(&[("tenant_id", tenant)]));
    let event = format!(
        "{{\"type\":\"a.b\",\"occurred_at\":\"2026-01-01T00:00:00Z\",\"tenant_id\":{tenant:?}}}\n"
    );
    lake.append(event.as_bytes()).await;
    // As long as it is hot, nothing else can be proved.
    assert_eq!(provable_before(&lake.snapshot()), provable_before(&early));
    let hot = prove(&lake, &request, Claim::Complete).await.unwrap();
    assert_eq!((hot[0].rows, hot[0].proof.size), (log.len() as u64, log.len() as u64));
    verify(&hot[0], &log);
    lake.flush().await;
    assert!(provable_before(&lake.snapshot()) > provable_before(&early));
    let later = prove(&lake, &request, Claim::Complete).await.unwrap();
    verify(&later[0], &log);
    assert_eq!(later[0].proof.size, log.len() as u64 + 1);
    let complete = later[0].complete.as_ref().unwrap();
    assert_eq!(complete.seqs, 0..log.len() as u64);
    assert!(complete.after.as_ref().unwrap().contains("\"type\":\"a.b\""), "{complete:?}");
    lake.close().await;
}

#[tokio::test]
async fn what_is_not_committed_is_not_proved() {
    let hot = TestLake::new(400, Sealing::Hot).await;
    let snapshot = hot.snapshot();
    assert!(hot.lines().iter().all(|line| line.recorded_us >= provable_before(&snapshot)));
    for tenant in [largest(&hot.lines()), "nobody"] {
        let request = provable(&snapshot, filter(&[("tenant_id", tenant)]));
        assert!(prove(&hot, &request, Claim::Inclusion).await.unwrap().is_empty());
        let refused = prove(&hot, &request, Claim::Complete).await;
        let Err(QueryError::Invalid(why)) = &refused else { panic!("{refused:?}") };
        assert!(why.contains(tenant) && why.contains("no event is committed"), "{why}");
    }
    hot.close().await;

    let half = TestLake::new(400, Sealing::HalfAndHalf).await;
    let snapshot = half.snapshot();
    let before = provable_before(&snapshot);
    let lines = half.lines();
    let committed = lines.iter().filter(|line| line.recorded_us < before).count();
    assert_eq!(committed as u64, snapshot.manifest().rows());
    // Requests that are not bounded say what is wrong instead of proving a part of it.
    let filter = filter(&[("tenant_id", largest(&lines))]);
    let request = ScanRequest { filter, ..ScanRequest::of(Scope::everything()) };
    let refused = prove(&half, &request, Claim::Inclusion).await;
    let Err(QueryError::Internal(why)) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("behind the committed size"), "{why}");
    let refused = prove(&half, &request, Claim::Complete).await;
    let Err(QueryError::Internal(why)) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("may not be committed"), "{why}");
    half.close().await;
}

#[test]
fn what_leaves_events_out_cannot_claim_to_be_complete() {
    let everything = ScanRequest::of(Scope::everything());
    let acme = ScanRequest { filter: filter(&[("tenant_id", "acme")]), ..everything.clone() };
    let scoped = ScanRequest::of(Scope::everything().within(at::TENANT_ID, "acme"));
    let whole = filter(&[
        ("recorded_from", "2026-01-01"),
        ("recorded_to", "2026-02-01"),
        ("seq_from", "1"),
        ("seq_to", "9"),
    ]);
    for good in [acme, scoped.clone(), ScanRequest { filter: whole, ..scoped.clone() }] {
        assert_eq!(check_claim(Claim::Complete, &good), Ok(()));
    }

    let with = |pairs: &[(&str, &str)]| ScanRequest { filter: filter(pairs), ..scoped.clone() };
    let after = Position { occurred_at_us: 0, tenant_id: "acme".to_owned(), seq: 0 };
    let emea = scoped.scope.clone().within(at::ORG_ID, "emea");
    for (request, said) in [
        (with(&[("from", "2026-01-01")]), "the filter `from`"),
        (with(&[("to", "2026-01-01")]), "the filter `to`"),
        (with(&[("type", "user.*")]), "the filter `type`"),
        (with(&[("ip", "10.0.0.0/8")]), "the filter `ip`"),
        (with(&[("request_id", "!r1")]), "the filter `request_id`"),
        (with(&[("q", "x")]), "the filter `q`"),
        (with(&[("where", "true")]), "the filter `where`"),
        (ScanRequest { limit: Some(10), ..scoped.clone() }, "`limit`"),
        (ScanRequest { after: Some(after), ..scoped.clone() }, "a beginning in the middle"),
        (ScanRequest::of(emea), "what you may see (org_id = emea)"),
    ] {
        let why = check_claim(Claim::Complete, &request).unwrap_err();
        assert!(why.starts_with(said), "{why}");
        assert!(why.contains("leaves events out") && why.contains("proof=inclusion"), "{why}");
        assert_eq!(check_claim(Claim::Inclusion, &request), Ok(()));
    }
    for request in [
        everything.clone(),
        ScanRequest { filter: filter(&[("tenant_id", "acme,zeta")]), ..everything.clone() },
        ScanRequest { filter: filter(&[("tenant_id", "ac*")]), ..everything.clone() },
        ScanRequest { filter: filter(&[("tenant_id", "!zeta")]), ..everything },
        with(&[("tenant_id", "zeta")]),
        with(&[("tenant_id", "acme"), ("tenant_id", "!acme")]),
    ] {
        let why = check_claim(Claim::Complete, &request).unwrap_err();
        assert!(why.contains("one tenant: `tenant_id`"), "{why}");
    }
}
