//! Counts, histograms and facets over lakes in every state, against counting by hand.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, EngineConfig, QueryError};

use crate::lake::{SEALINGS, Sealing, TestLake};

fn engine() -> Engine {
    Engine::new(EngineConfig::default()).unwrap()
}

/// Filters of all kinds.
fn filters() -> Vec<Filter> {
    let filters: [&[(&str, &str)]; 9] = [
        &[],
        &[("from", "2026-01-02"), ("to", "2026-01-04")],
        &[("from", "2026-01-02T07:00:00Z"), ("type", "user.*")],
        &[("outcome", "denied,failure"), ("actor_kind", "!agent")],
        &[("q", "export")],
        &[("ip", "10.0.0.0/8")],
        &[("tenant_id", "nobody")],
        &[("seq_from", "0"), ("seq_to", "18446744073709551615")],
        &[("seq_from", "50"), ("seq_to", "250"), ("to", "2026-01-04")],
    ];
    filters.map(|pairs| Filter::of(pairs.iter().copied()).unwrap()).into()
}

const SECOND: i64 = 1_000_000;

#[tokio::test]
async fn numbers_are_those_counted_by_hand() {
    let (engine, scope) = (engine(), Scope::everything());
    for sealing in SEALINGS {
        let lake = TestLake::new(2000, sealing).await;
        let snapshot = lake.snapshot();
        for filter in filters() {
            let places = lake.places_where(&filter);
            let counted = engine.count(&snapshot, &scope, &filter).await.unwrap();
            assert_eq!(counted, places.len() as u64, "{sealing:?} {filter}");
            for width in [600 * SECOND, 7 * 3600 * SECOND, 86_400 * SECOND] {
                let mut expected = BTreeMap::new();
                for (time, _, _) in &places {
                    *expected.entry(time.div_euclid(width) * width).or_insert(0) += 1;
                }
                let found = engine.histogram(&snapshot, &scope, &filter, width).await.unwrap();
                let expected: Vec<(i64, u64)> = expected.into_iter().collect();
                assert_eq!(found, expected, "{sealing:?} {filter} by {width}");
            }
            let estimate = engine.estimate(&snapshot, &scope, &filter).await.unwrap();
            let (least, most) = (estimate.rows_at_least, estimate.rows_at_most);
            assert!(least <= counted && counted <= most, "{sealing:?} {filter}: {estimate:?}");
        }
        lake.close().await;
    }
}

#[tokio::test]
async fn facets_give_the_most_frequent_values() {
    let (engine, scope) = (engine(), Scope::everything());
    for sealing in SEALINGS {
        let lake = TestLake::new(2000, sealing).await;
        for column in [at::TYPE, at::OUTCOME, at::TOOL, at::TARGET_ID, at::TENANT_ID] {
            let mut counts: BTreeMap<Option<String>, u64> = BTreeMap::new();
            for value in lake.each(|event| Some(event.text(column).map(str::to_owned))) {
                *counts.entry(value).or_default() += 1;
            }
            let mut expected: Vec<_> = counts.into_iter().collect();
            expected
                .sort_by_key(|(value, events)| (Reverse(*events), value.is_none(), value.clone()));
            for most in [3, 100_000] {
                let all = Filter::default();
                let found = engine.facet(&lake.snapshot(), &scope, &all, column, most).await;
                let expected = &expected[..expected.len().min(most)];
                assert_eq!(found.unwrap(), expected, "{sealing:?} {column}");
            }
        }
        lake.close().await;
    }
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused() {
    let lake = TestLake::new(20_000, Sealing::Hot).await;
    let (engine, scope, all) = (engine(), Scope::everything(), Filter::default());
    let snapshot = lake.snapshot();
    let seconds: BTreeSet<i64> =
        lake.places().iter().map(|(time, _, _)| time.div_euclid(SECOND)).collect();
    assert!(seconds.len() > 10_000, "{}", seconds.len());
    let many = engine.histogram(&snapshot, &scope, &all, SECOND).await;
    assert!(matches!(&many, Err(QueryError::Invalid(why)) if why.contains("wider")), "{many:?}");
    let narrow = engine.histogram(&snapshot, &scope, &all, SECOND - 1).await;
    assert!(matches!(&narrow, Err(QueryError::Invalid(why)) if why.contains("second")));
    for column in [at::SEQ, at::OCCURRED_AT, at::DATA, 31] {
        let refused = engine.facet(&snapshot, &scope, &all, column, 3).await;
        assert!(matches!(&refused, Err(QueryError::Invalid(why)) if why.contains("facet")));
    }
    lake.close().await;
}
