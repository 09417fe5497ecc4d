//! What a start makes of a manifest that is torn, changed or incomplete: a torn end is left
//! out when the write-ahead log has what it named, a torn snapshot costs nothing, and
//! anything else is refused. Never is a lake with a damaged manifest an empty lake.

use std::path::{Path, PathBuf};

use auditlake_lake::{Commit, CommitKind, Lake, LakeConfig, LakeError, LakeReader};

use crate::site::{Content, Site, ids, numbered, read, read_flushed};

/// Commits 1 (open), 2 and 3 (flushes of three events each); two more events are hot.
async fn filled() -> (Site, Content) {
    let site = Site::new();
    let lake = site.open().await;
    for range in [0..3, 3..6] {
        lake.append(numbered("acme", 0, range)).await.expect("an append");
        lake.flush().await.expect("a flush");
    }
    lake.append(numbered("acme", 0, 6..8)).await.expect("an append");
    let content = read(&lake.snapshot(), "before the damage").await;
    assert_eq!(site.commits().len(), 3);
    (site, content)
}

fn cut(path: &Path, length: usize) {
    let bytes = std::fs::read(path).expect("a file");
    assert!(length < bytes.len(), "a cut shortens the file");
    std::fs::write(path, &bytes[..length]).expect("a shorter file");
}

fn newest(paths: &[PathBuf]) -> &PathBuf {
    paths.last().expect("a file")
}

/// The lake does not open, and the error names a commit.
async fn refused(site: &Site, what: &str) -> String {
    match site.try_open().await {
        Err(LakeError::Damaged { path, detail, .. }) => {
            assert!(path.starts_with("log/") && path.ends_with(".json"), "{what}: {path}");
            format!("{path}: {detail}")
        }
        Err(other) => panic!("{what}: refused for another reason: {other}"),
        Ok(lake) => panic!("{what}: opened with {} events", lake.snapshot().manifest().rows()),
    }
}

/// The lake opens with this content, and goes on as if nothing had been.
async fn opens_with(site: &Site, content: &Content, what: &str) {
    let lake = site.try_open().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(&read(&lake.snapshot(), what).await, content, "{what}");
    lake.flush().await.expect("a flush");
    assert_eq!(&read_flushed(&lake, what).await, content, "{what}, flushed");
    let lake = site.reopen(lake).await;
    assert_eq!(&read_flushed(&lake, what).await, content, "{what}, restarted");
    let receipt = lake.append(numbered("acme", 0, 0..9)).await.expect("an append");
    assert_eq!(receipt.duplicates, content.len() as u64, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_newest_commit_is_left_out_and_its_events_come_from_the_wal() {
    for percent in [0, 1, 50, 90, 99] {
        let (site, content) = filled().await;
        let commits = site.commits();
        let length = std::fs::read(newest(&commits)).unwrap().len();
        cut(newest(&commits), length * percent / 100);
        opens_with(&site, &content, &format!("{percent} % of the newest commit")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_torn_commits_at_the_end_are_left_out() {
    let (site, content) = filled().await;
    drop(site.open().await);
    assert_eq!(site.commits().len(), 4, "to open a lake is a commit");
    for path in &site.commits()[2..] {
        cut(path, 10);
    }
    opens_with(&site, &content, "two torn commits").await;
    let commit: Commit =
        serde_json::from_slice(&std::fs::read(&site.commits()[4]).unwrap()).unwrap();
    assert_eq!((commit.kind, commit.void), (CommitKind::Open, vec![3, 4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_time_before_goes_on_behind_a_torn_commit() {
    let site = Site::new();
    let lake = site.open().await;
    lake.append(numbered("acme", 0, 0..2)).await.unwrap();
    lake.flush().await.unwrap();
    let reader = LakeReader::open(site.config()).await.unwrap();
    lake.append(numbered("acme", 0, 2..4)).await.unwrap();
    lake.flush().await.unwrap();
    drop(lake);
    cut(newest(&site.commits()), 10);
    for what in ["torn", "left out", "and opened again"] {
        let seen = read(&reader.snapshot().await.unwrap(), what).await;
        assert_eq!(seen.ids("acme"), ids(0..4), "{what}");
        drop(site.open().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_in_place_of_the_first_commit_is_no_lake_yet() {
    let site = Site::new();
    drop(site.open().await);
    cut(newest(&site.commits()), 0);
    opens_with(&site, &Content::default(), "an empty first commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_newest_commit_without_the_wal_is_refused() {
    for kept in [0, 100] {
        let (site, _) = filled().await;
        let whole = std::fs::read(newest(&site.commits())).unwrap();
        cut(newest(&site.commits()), kept);
        std::fs::remove_dir_all(&site.wal_dir).unwrap();
        let reading = LakeReader::open(site.config()).await;
        assert!(matches!(reading, Err(LakeError::Damaged { .. })), "nor is it read: {reading:?}");
        let error = refused(&site, "the WAL is gone").await;
        assert!(error.contains(&format!("{:020}.json", 3)), "{error}");
        assert!(error.contains("restore"), "what to do about it: {error}");
        let reading = LakeReader::open(site.config()).await;
        assert!(matches!(reading, Err(LakeError::Damaged { .. })), "an empty WAL: {reading:?}");

        std::fs::write(newest(&site.commits()), whole).unwrap();
        let lake = site.open().await;
        assert_eq!(read_flushed(&lake, "restored").await.ids("acme"), ids(0..6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_commit_in_the_middle_is_refused() {
    let (site, content) = filled().await;
    let paths = site.commits();
    for path in &paths[..2] {
        let whole = std::fs::read(path).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(path, bytes).unwrap();
            refused(&site, &format!("byte {at} of {}", path.display())).await;
        }
        std::fs::write(path, b"").unwrap();
        refused(&site, &format!("{} is empty", path.display())).await;
        std::fs::write(path, whole).unwrap();
    }
    opens_with(&site, &content, "repaired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_commit_is_refused() {
    let (site, content) = filled().await;
    let paths = site.commits();
    for path in &paths[..2] {
        let whole = std::fs::read(path).unwrap();
        std::fs::remove_file(path).unwrap();
        refused(&site, &format!("{} is missing", path.display())).await;
        std::fs::write(path, whole).unwrap();
    }
    opens_with(&site, &content, "repaired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_commit_is_refused_by_the_one_after_it() {
    let (site, _) = filled().await;
    let paths = site.commits();
    let text = std::fs::read_to_string(&paths[1]).unwrap();
    let (body, _) = text.split_once(",\"crc\":\"").unwrap();
    let forged = body.replace("\"rows\":3", "\"rows\":2");
    assert_ne!(forged, body);
    let checksum = crc32c::crc32c(forged.as_bytes());
    std::fs::write(&paths[1], format!("{forged},\"crc\":\"{checksum:08x}\"}}")).unwrap();
    let error = refused(&site, "a commit with a fitting checksum").await;
    assert!(error.contains("does not follow"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_under_another_number_is_refused() {
    let (site, _) = filled().await;
    let paths = site.commits();
    std::fs::copy(&paths[1], &paths[2]).unwrap();
    let error = refused(&site, "commit 2 in place of 3").await;
    assert!(error.contains("it says it is 2"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_rolled_back_behind_the_wal_is_refused() {
    let (site, _) = filled().await;
    for path in &site.commits()[1..] {
        std::fs::remove_file(path).unwrap();
    }
    let opened = site.try_open().await;
    assert!(matches!(opened, Err(LakeError::Damaged { .. })), "two flushes are gone: {opened:?}");
}

/// A lake with 22 commits, whose snapshots are taken every four.
async fn long_lived() -> (Site, Content) {
    let site = Site::new();
    let config = LakeConfig { snapshot_every: 4, ..site.config() };
    let lake = Lake::open(config, site.environment()).await.expect("the lake opens");
    for number in 0..21 {
        lake.append(numbered("acme", 0, number..number + 1)).await.expect("an append");
        lake.flush().await.expect("a flush");
    }
    assert_eq!(site.commits().len(), 22);
    let content = read_flushed(&lake, "a long life").await;
    (site, content)
}

/// Removes commits up to this one, so that only a snapshot can stand for them.
fn forget_commits(site: &Site, up_to: usize) {
    for path in &site.commits()[..up_to] {
        std::fs::remove_file(path).expect("a commit to remove");
    }
}

async fn still_there(site: &Site, content: &Content, what: &str) {
    let lake = site.try_open().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(&read_flushed(&lake, what).await, content, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_stands_for_the_commits_before_it() {
    let (site, content) = long_lived().await;
    let names: Vec<_> =
        site.manifest_snapshots().iter().map(|path| path.display().to_string()).collect();
    assert_eq!(names.len(), 2, "the newest two are kept: {names:?}");
    for (name, version) in names.iter().zip([16, 20]) {
        assert!(name.ends_with(&format!("/{version:020}.json.zst")), "{name}");
    }
    forget_commits(&site, 20);
    still_there(&site, &content, "with the newest snapshot").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_snapshot_is_passed_over() {
    let (site, content) = long_lived().await;
    let snapshots = site.manifest_snapshots();
    let length = std::fs::read(&snapshots[1]).unwrap().len();
    for kept in [length - 1, length / 2, 3, 0] {
        cut(&snapshots[1], kept);
        still_there(&site, &content, &format!("{kept} bytes of the newest snapshot")).await;
    }
    cut(&snapshots[0], 0);
    still_there(&site, &content, "no snapshot, but all commits").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_snapshot_falls_back_to_the_one_before_it() {
    let (site, content) = long_lived().await;
    let snapshots = site.manifest_snapshots();
    forget_commits(&site, 16);
    cut(&snapshots[1], 20);
    still_there(&site, &content, "with the older snapshot").await;
    cut(&snapshots[0], 20);
    refused(&site, "neither commits nor snapshot").await;
}
