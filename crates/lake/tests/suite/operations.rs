//! Any sequence of operations gives what a list of accepted events per tenant would give.

use std::collections::{BTreeMap, BTreeSet};

use auditlake_lake::{Lake, LakeConfig, Receipt};
use proptest::prelude::*;

use crate::site::{Site, draft, event, read, read_flushed};

#[derive(Clone, Debug)]
enum Operation {
    /// Events as tenant, day and id.
    Append(Vec<(u8, u8, u8)>),
    /// Appends while a flush is under way.
    AppendBeside(Vec<(u8, u8, u8)>),
    Flush,
    Compact,
    Crash,
    Close,
    MoveClock(i64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let events = || prop::collection::vec((0_u8..3, 0_u8..3, 0_u8..40), 0..8);
    prop_oneof![
        6 => events().prop_map(Operation::Append),
        2 => events().prop_map(Operation::AppendBeside),
        2 => Just(Operation::Flush),
        1 => Just(Operation::Compact),
        1 => Just(Operation::Crash),
        1 => Just(Operation::Close),
        1 => (-10_000_000_i64..10_000_000).prop_map(Operation::MoveClock),
    ]
}

/// What the lake should hold: each tenant's days and ids in the order of its log.
#[derive(Debug, Default)]
struct Expected {
    known: BTreeSet<(u8, u8, u8)>,
    logs: BTreeMap<String, Vec<(u8, String)>>,
}

impl Expected {
    fn append(&mut self, events: &[(u8, u8, u8)]) -> Receipt {
        let mut receipt = Receipt::default();
        let mut seqs: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
        for (tenant, day, id) in events {
            if !self.known.insert((*tenant, *day, *id)) {
                receipt.duplicates += 1;
                continue;
            }
            receipt.accepted += 1;
            let log = self.logs.entry(format!("t{tenant}")).or_default();
            let seq = log.len() as u64;
            log.push((*day, format!("e{id}")));
            seqs.entry(*tenant).or_insert((seq, seq)).1 = seq;
        }
        receipt.seqs = seqs.values().next().copied().filter(|_| seqs.len() == 1);
        receipt
    }

    async fn append_to(&mut self, lake: &Lake, events: &[(u8, u8, u8)], what: &str) -> Receipt {
        let lines: Vec<String> = events
            .iter()
            .map(|(t, day, id)| event(&format!("t{t}"), i64::from(*day), &format!("e{id}")))
            .collect();
        let receipt = lake.append(draft(&lines)).await.expect("an append");
        assert_eq!(receipt, self.append(events), "{what}");
        receipt
    }

    async fn check(&self, lake: &Lake, what: &str) {
        let content = read(&lake.snapshot(), what).await;
        let found: BTreeMap<String, Vec<(u8, String)>> = content
            .tenants
            .iter()
            .map(|(tenant, rows)| {
                // Days are counted from the first of a month.
                let day = |text: &str| text[8..10].parse::<u8>().expect("a day") - 1;
                let rows = rows.iter().map(|row| (day(&row.occurred_at), row.id.clone()));
                (tenant.clone(), rows.collect())
            })
            .collect();
        assert_eq!(found, self.logs, "{what}");
    }
}

async fn run(operations: Vec<Operation>) {
    let site = Site::new();
    let config = || LakeConfig { snapshot_every: 3, ..site.config() };
    let open = async || Lake::open(config(), site.environment()).await.expect("the lake opens");
    let mut lake = open().await;
    let mut expected = Expected::default();
    for (step, operation) in operations.into_iter().enumerate() {
        let what = format!("step {step}, {operation:?}");
        match operation {
            Operation::Append(events) => {
                expected.append_to(&lake, &events, &what).await;
            }
            Operation::AppendBeside(events) => {
                let flushing = lake.begin_flush().await.expect("the begin of a flush");
                let receipt = expected.append_to(&lake, &events, &what).await;
                flushing.done().await.expect("the end of a flush");
                assert_eq!(lake.snapshot().hot_rows(), receipt.accepted, "{what}");
            }
            Operation::Flush => {
                lake.flush().await.expect("a flush");
                read_flushed(&lake, &what).await;
            }
            Operation::Compact => {
                lake.compact(2).await.expect("a compaction");
            }
            Operation::Crash => {
                drop(lake);
                lake = open().await;
            }
            Operation::Close => {
                lake.close().await.expect("a close");
                lake = open().await;
                read_flushed(&lake, &what).await;
            }
            Operation::MoveClock(by) => {
                site.clock.advance(by);
            }
        }
        expected.check(&lake, &what).await;
    }
    drop(lake);
    expected.check(&open().await, "at the end").await;
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_lake_is_a_log_of_each_tenant(operations in prop::collection::vec(operation(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(run(operations));
    }
}
