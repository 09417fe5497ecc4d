//! Events as wide as they may be: a batch of them must not be as large as a batch of small ones
//! has rows.

use std::path::Path;

use auditlake_lake::{Lake, LakeConfig, Root};
use auditlake_model::env::Environment;
use auditlake_model::id::ContentIds;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};

/// Fills a new lake with events that carry so many bytes of `data` each, in a few segments that
/// are then merged.
pub(crate) async fn fill(folder: &Path, events: u64, data_bytes: usize) {
    let root = Root::open(folder.to_str().expect("a path that is text"), true, []);
    let config = LakeConfig::new(root.expect("a folder for the lake"));
    let lake = Lake::open(config, Environment::system()).await.expect("a new lake");
    let text = "x".repeat(data_bytes);
    for number in 0..events {
        let line = format!(
            "{{\"type\":\"file.read\",\"occurred_at\":\"2026-03-01T00:00:00Z\",\"tenant_id\":\"t\",\
             \"data\":{{\"number\":{number},\"text\":\"{text}\"}}}}"
        );
        let mut options = ParseOptions {
            unknown: UnknownKeys::Refuse,
            tenant: TenantRule::Named,
            partial: false,
            ids: &mut ContentIds::default(),
        };
        let parsed = parse_events(line.as_bytes(), &mut options).expect("a wide event");
        lake.append(parsed.draft).await.expect("an append");
        if number % (events / 4) == 0 {
            lake.flush().await.expect("a flush");
        }
    }
    lake.flush().await.expect("a flush");
    lake.compact(2).await.expect("a compaction");
    lake.close().await.expect("the lake closes");
}
