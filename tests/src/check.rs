//! Whether a lake kept its word: reads every event the way an export does and holds it
//! against what must be true of any lake, and against what clients know.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use auditlake_lake::{Lake, LakeConfig, LakeReader, Root, Snapshot, TenantHead};
use auditlake_model::env::Environment;
use auditlake_model::line::LineWriter;
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, EngineConfig, ScanRequest};
use auditlake_tlog::{CompactRange, leaf_hash};
use futures::TryStreamExt;
use serde_json::Value;

use crate::ingest::{Batch, Event};

/// An event as a reader finds it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its place in the tenant's log.
    pub seq: u64,
    /// The event as JSON.
    pub event: Value,
    /// The canonical line, without its line end.
    pub line: Vec<u8>,
}

impl Row {
    /// The text under a key.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.event[key].as_str().unwrap_or_default()
    }
}

/// Every event of a lake, by tenant and in the order of its log.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The events of each tenant.
    pub tenants: BTreeMap<String, Vec<Row>>,
}

/// Reads a lake beside whoever writes it, and checks what must hold for any lake.
pub async fn read_beside(lake: &Path) -> Content {
    let reader = LakeReader::open(config(lake)).await.expect("the lake can be read");
    let snapshot = reader.snapshot().await.expect("a snapshot of the lake");
    let content = read(&snapshot).await;
    for (tenant, head) in &snapshot.manifest().tenants {
        let rows = content.rows(tenant);
        let size = usize::try_from(head.size).expect("a size that fits");
        assert!(size <= rows.len(), "{tenant} has {} of {size} sealed events", rows.len());
        assert_root(tenant, &rows[..size], head);
    }
    content
}

/// Opens a lake that nobody has open, moves everything into segments, reads it, and checks
/// that the head of each tenant's log is that of all its events.
pub async fn read_flushed(lake: &Path) -> Content {
    let before = read_beside(lake).await;
    let opened = Lake::open(config(lake), Environment::system()).await.expect("the lake opens");
    opened.flush().await.expect("the lake flushes");
    let snapshot = opened.snapshot();
    assert_eq!(snapshot.hot_rows(), 0, "nothing is hot after a flush");
    let content = read(&snapshot).await;
    let heads = &snapshot.manifest().tenants;
    let tenants: Vec<&String> = content.tenants.keys().collect();
    assert_eq!(heads.keys().collect::<Vec<_>>(), tenants, "each log has a head");
    for (tenant, head) in heads {
        let rows = content.rows(tenant);
        assert_eq!(rows.len() as u64, head.size, "the head of {tenant} covers every event");
        assert_root(tenant, rows, head);
    }
    drop(snapshot);
    opened.close().await.expect("the lake closes");
    before.assert_same(&content);
    content
}

fn config(lake: &Path) -> LakeConfig {
    let location = lake.to_str().expect("a path that is text");
    LakeConfig::new(Root::open(location, false, []).expect("the folder of a lake"))
}

async fn read(snapshot: &Snapshot) -> Content {
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    let batches =
        engine.scan(snapshot, &ScanRequest::of(Scope::everything())).await.expect("a scan");
    let mut writer = LineWriter::new(&batches.schema()).expect("batches of events");
    let (mut content, mut lines, mut ends) = (Content::default(), Vec::new(), Vec::new());
    let mut batches = std::pin::pin!(batches);
    while let Some(batch) = batches.try_next().await.expect("a scan comes to its end") {
        lines.clear();
        ends.clear();
        writer.write_each(&batch, &mut lines, &mut ends);
        let mut start = 0;
        for end in &ends {
            content.add(&lines[start..end - 1]);
            start = *end;
        }
    }
    content.tenants.values_mut().for_each(|rows| rows.sort_by_key(|row| row.seq));
    content.assert_logs();
    content
}

fn assert_root(tenant: &str, rows: &[Row], head: &TenantHead) {
    let mut log = CompactRange::default();
    rows.iter().for_each(|row| log.append(leaf_hash(&row.line)));
    assert_eq!(log.root(), head.root, "the root of {tenant} over {} lines", rows.len());
    assert_eq!(log.peaks(), head.peaks, "the peaks of {tenant}");
}

impl Content {
    fn add(&mut self, line: &[u8]) {
        let event: Value = serde_json::from_slice(line).expect("a line is JSON");
        let seq = event["seq"].as_u64().expect("an event has its place");
        let tenant = event["tenant_id"].as_str().expect("an event has a tenant").to_owned();
        self.tenants.entry(tenant).or_default().push(Row { seq, event, line: line.to_vec() });
    }

    /// A tenant's events.
    #[must_use]
    pub fn rows(&self, tenant: &str) -> &[Row] {
        self.tenants.get(tenant).map_or(&[], Vec::as_slice)
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tenants.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// No id twice, no gap in a log, and no time of recording that runs backwards.
    fn assert_logs(&self) {
        for (tenant, rows) in &self.tenants {
            let mut ids = HashSet::new();
            for (place, row) in rows.iter().enumerate() {
                let id = row.text("id");
                assert!(ids.insert(id), "{tenant} has {id} twice");
                assert_eq!(row.seq, place as u64, "the log of {tenant} has a gap or a double");
            }
            for pair in rows.windows(2) {
                let times = pair[0].text("recorded_at") <= pair[1].text("recorded_at");
                assert!(times, "recorded_at of {tenant} runs backwards at {}", pair[1].seq);
            }
        }
    }

    fn assert_same(&self, other: &Self) {
        assert_eq!(self.len(), other.len(), "a flush changes no number of events");
        for (tenant, rows) in &self.tenants {
            for (before, after) in rows.iter().zip(other.rows(tenant)) {
                assert_eq!(before.line, after.line, "a flush changed an event of {tenant}");
            }
        }
    }

    /// Every acknowledged event is there; of every other request all events are, or none;
    /// and nothing that nobody sent.
    pub fn assert_keeps<'a>(&self, batches: impl Iterator<Item = &'a Batch>) {
        let mut found: HashMap<(&str, &str), &Row> = HashMap::new();
        for (tenant, rows) in &self.tenants {
            found.extend(rows.iter().map(|row| ((tenant.as_str(), row.text("id")), row)));
        }
        let mut explained = 0;
        for batch in batches {
            let rows = batch.events.iter().filter_map(|event| {
                let row = found.get(&(event.tenant, event.id.as_str()))?;
                assert_is(event, row);
                Some(())
            });
            let (there, sent) = (rows.count(), batch.events.len());
            let is_kept = there == sent || (there == 0 && !batch.acknowledged);
            let first = &batch.events[0].id;
            let acknowledged = batch.acknowledged;
            assert!(is_kept, "{there} of {sent} from {first} on, acknowledged: {acknowledged}");
            explained += there;
        }
        assert_eq!(explained, self.len(), "there are events that nobody sent");
    }
}

/// The event is the one that was sent under its id.
fn assert_is(event: &Event, row: &Row) {
    assert_eq!(row.text("occurred_at"), event.occurred_at, "when {} happened", event.id);
    assert_eq!(row.event["data"]["of"], event.id.as_str(), "the data of {}", event.id);
}
