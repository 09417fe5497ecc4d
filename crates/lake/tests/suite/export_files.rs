//! The files of export jobs: there whole or not at all, read in ranges, deleted by job.

use std::ops::Range;

use auditlake_lake::{ExportFiles, Lake, LakeConfig, Root};
use auditlake_model::env::Environment;
use bytes::Bytes;
use futures::TryStreamExt;
use tempfile::TempDir;

async fn lake() -> (TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path().to_str().unwrap(), true, []).unwrap();
    let lake = Lake::open(LakeConfig::new(root), Environment::system()).await.unwrap();
    (folder, lake)
}

/// Bytes that no two places of have alike, more than fit into one part of an upload.
fn content(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).flat_map(u32::to_le_bytes).take(bytes).collect()
}

async fn write(files: &ExportFiles, job: &str, name: &str, content: &[u8]) {
    let mut writer = files.write(job, name).await.unwrap();
    for piece in content.chunks(300_000) {
        writer.put(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.finish().await.unwrap();
}

async fn read(files: &ExportFiles, job: &str, name: &str, range: Option<Range<u64>>) -> Vec<u8> {
    let reader = files.read(job, name, range).await.unwrap().unwrap();
    reader.bytes.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}

/// What lies in the folder of a job, staged files too.
fn lying(folder: &TempDir, job: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.path().join("exports").join(job)) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn files_of_every_size_come_back_as_they_went() {
    let (_folder, lake) = lake().await;
    let files = lake.exports();
    for size in [0, 1, 1 << 20, (8 << 20) - 1, 8 << 20, (20 << 20) + 7] {
        let content = content(size);
        write(&files, "job", "a.csv", &content).await;
        assert_eq!(files.size("job", "a.csv").await.unwrap(), Some(size as u64));
        assert!(read(&files, "job", "a.csv", None).await == content, "{size}");
    }
    assert_eq!(files.size("job", "b.csv").await.unwrap(), None);
    assert!(files.read("job", "b.csv", None).await.unwrap().is_none());
}

#[tokio::test]
async fn ranges_are_cut_at_the_end_of_the_file() {
    let (_folder, lake) = lake().await;
    let files = lake.exports();
    let content = content(3 << 20);
    let size = content.len();
    write(&files, "job", "a", &content).await;
    for (from, to) in [(0, 1), (7, 7), (5, (2 << 20) + 5), (1 << 20, size), (size - 1, size)] {
        let part = read(&files, "job", "a", Some(from as u64..to as u64)).await;
        assert!(part == content[from..to], "{from}..{to}");
    }
    assert!(read(&files, "job", "a", Some(10..u64::MAX)).await == content[10..]);
    assert!(read(&files, "job", "a", Some(u64::MAX - 1..u64::MAX)).await.is_empty());
}

#[tokio::test]
async fn what_is_not_finished_is_not_there() {
    let (folder, lake) = lake().await;
    let files = lake.exports();
    let half = content(9 << 20);
    let mut writer = files.write("job", "a").await.unwrap();
    writer.put(Bytes::from(half.clone())).await.unwrap();
    assert_eq!(files.size("job", "a").await.unwrap(), None);
    assert_eq!(files.jobs().await.unwrap(), vec![]);
    drop(writer);
    let mut writer = files.write("job", "a").await.unwrap();
    writer.put(Bytes::from(half)).await.unwrap();
    writer.abort().await;
    assert_eq!(lying(&folder, "job"), Vec::<String>::new(), "no stage is left behind");
    write(&files, "job", "a", b"whole").await;
    // One that is given up takes nothing from what is there.
    let mut writer = files.write("job", "a").await.unwrap();
    writer.put(Bytes::from_static(b"another")).await.unwrap();
    drop(writer);
    assert_eq!(read(&files, "job", "a", None).await, b"whole");
    assert_eq!(lying(&folder, "job"), ["a"]);
}

#[tokio::test]
async fn a_job_is_deleted_with_all_its_files_and_no_others() {
    let (_folder, lake) = lake().await;
    let files = lake.exports();
    for (job, name) in [("one", "a"), ("one", "b"), ("one-more", "a"), ("two", "a")] {
        write(&files, job, name, b"x").await;
    }
    files.delete("one").await.unwrap();
    files.delete("one").await.unwrap();
    files.delete("none").await.unwrap();
    let jobs: Vec<String> = files.jobs().await.unwrap().into_iter().map(|(job, _)| job).collect();
    assert_eq!(jobs, ["one-more", "two"]);
    assert!(files.jobs().await.unwrap().iter().all(|(_, written_us)| *written_us > 0));
}
