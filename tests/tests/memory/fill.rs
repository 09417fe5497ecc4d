//! A large lake, made fast: one thread makes events up, one reads them, and the lake appends.

use std::path::Path;

use auditlake_lake::{Lake, LakeConfig, Root};
use auditlake_model::Draft;
use auditlake_model::env::Environment;
use auditlake_model::id::ContentIds;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};
use auditlake_model::sample::{Sample, SampleConfig};
use tokio::sync::mpsc;

/// Events that are made up and appended at a time.
const BATCH: usize = 8192;

/// Fills a new lake with so many made-up events, one segment a day.
pub(crate) async fn fill(folder: &Path, events: u64) {
    let location = folder.to_str().expect("a path that is text");
    let root = Root::open(location, true, []).expect("a folder for the lake");
    let opened = Lake::open(LakeConfig::new(root), Environment::system()).await;
    let lake = opened.expect("a new lake");
    let mut drafts = drafts(events);
    let mut accepted = 0;
    while let Some(draft) = drafts.recv().await {
        accepted += lake.append(draft).await.expect("events are appended").accepted;
    }
    assert_eq!(accepted, events, "events of the sample that are in the lake");
    lake.flush().await.expect("the lake flushes");
    lake.compact(2).await.expect("the lake compacts");
    lake.close().await.expect("the lake closes");
}

/// Made-up events, ready to be appended.
fn drafts(events: u64) -> mpsc::Receiver<Draft> {
    let (line_sender, mut lines) = mpsc::channel::<Vec<u8>>(4);
    let (draft_sender, drafts) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut sample = Sample::new(SampleConfig { events, ..SampleConfig::default() });
        loop {
            let mut lines = Vec::with_capacity(BATCH * 640);
            if sample.write(BATCH, &mut lines) == 0 || line_sender.blocking_send(lines).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        while let Some(lines) = lines.blocking_recv() {
            let mut options = ParseOptions {
                unknown: UnknownKeys::Refuse,
                tenant: TenantRule::Named,
                partial: false,
                ids: &mut ContentIds::default(),
            };
            let parsed = parse_events(&lines, &mut options).expect("the sample is made of events");
            if draft_sender.blocking_send(parsed.draft).is_err() {
                return;
            }
        }
    });
    drafts
}
