//! The nodes of a tenant's tree are those of its events, wherever they are taken from: leaves
//! at hand, blocks in the manifest, stored tiles, or rows. What does not agree is refused.

use std::ops::Range;

use auditlake_lake::{Commit, Lake, LakeError, LakeReader, TenantLog};
use auditlake_tlog::{
    CompactRange, Hash, Leaves, MultiProof, NodeId, TileId, consistency, inclusion, leaf_hash,
    multi, nodes_of,
};
use sha2::{Digest, Sha256};

use crate::site::{Site, numbered, read_flushed};

fn root(leaves: &[Hash]) -> Hash {
    let mut tree = CompactRange::default();
    leaves.iter().for_each(|leaf| tree.append(*leaf));
    tree.root()
}

/// The hashes of a tenant's events, from whole Parquet files.
async fn leaves_of(lake: &Lake, tenant: &str) -> Vec<Hash> {
    let content = read_flushed(lake, "the events of the log").await;
    content.rows(tenant).iter().map(|row| leaf_hash(&row.line)).collect()
}

async fn log_of(lake: &Lake, tenant: &str) -> TenantLog {
    lake.log().tenant(&lake.snapshot(), tenant).await.unwrap().expect("a committed event")
}

/// The log as a process that has never seen the lake finds it.
async fn log_from_outside(site: &Site, tenant: &str) -> TenantLog {
    let reader = LakeReader::open(site.config()).await.unwrap();
    let snapshot = reader.snapshot().await.unwrap();
    reader.log().tenant(&snapshot, tenant).await.unwrap().expect("a committed event")
}

async fn append(lake: &Lake, tenant: &str, day: i64, numbers: Range<u32>) {
    for start in numbers.clone().step_by(10_000) {
        let end = numbers.end.min(start + 10_000);
        lake.append(numbered(tenant, day, start..end)).await.unwrap();
    }
}

/// Proofs of each kind, of several sizes and places, hold with nothing but the root.
async fn check_proofs(log: &TenantLog, leaves: &[Hash], what: &str) {
    let size = leaves.len() as u64;
    assert_eq!((log.size(), log.root()), (size, root(leaves)), "{what}");
    let none = Leaves::new();
    for tree in [size, size - 1, size / 2 + 1] {
        let tree_root = root(&leaves[..tree as usize]);
        for index in [0, tree / 3, tree - 1] {
            let path = inclusion::path(index, tree).unwrap();
            let nodes = log.nodes(&nodes_of(&path), &none).await.unwrap();
            let proof = inclusion::prove(&path, &nodes);
            let held = inclusion::verify(index, tree, &leaves[index as usize], &proof, &tree_root);
            assert!(held.is_ok(), "{what}: event {index} of {tree}: {held:?}");
        }
        let path = consistency::path(tree, size).unwrap();
        let nodes = log.nodes(&nodes_of(&path), &none).await.unwrap();
        let proof = consistency::prove(&path, &nodes);
        let held = consistency::verify(tree, &tree_root, size, &log.root(), &proof);
        assert!(held.is_ok(), "{what}: from {tree} to {size}: {held:?}");
    }
    let ranges = vec![3..5, size / 2..size / 2 + 20, size - 1..size];
    let mut seen = Leaves::new();
    for seq in ranges.iter().cloned().flatten() {
        assert!(seen.insert(seq, leaves[seq as usize]));
    }
    let nodes = log.nodes(&multi::wanted(size, &ranges).unwrap(), &seen).await.unwrap();
    let proof = MultiProof { size, ranges, nodes };
    assert_eq!(proof.roots(&seen, &[]).unwrap().root, log.root(), "{what}: many at once");
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, LakeError>, why: &str) {
    match outcome {
        Err(LakeError::Damaged { path, detail, .. }) => {
            assert!(detail.contains(why), "{path}: {detail:?} instead of {why:?}");
        }
        other => panic!("not refused because {why:?}: {other:?}"),
    }
}

/// Changes commits and chains them anew, as whoever may write to the store can.
fn rewrite_commits(site: &Site, change: impl Fn(&mut Commit)) {
    let mut prev = String::new();
    for path in site.commits() {
        let mut commit: Commit = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut commit);
        commit.prev = prev;
        let mut bytes = serde_json::to_vec(&commit).unwrap();
        bytes.pop();
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(format!(",\"crc\":\"{crc:08x}\"}}").as_bytes());
        prev = format!("{:x}", Sha256::digest(&bytes));
        std::fs::write(&path, bytes).unwrap();
    }
}

/// Three flushes over two days, and two events that are still hot.
async fn small(site: &Site) -> (Lake, Vec<Hash>) {
    let lake = site.open().await;
    for (day, numbers) in [(0, 0..300), (1, 300..310), (0, 310..800)] {
        append(&lake, "acme", day, numbers).await;
        append(&lake, "globex", day, 0..3).await;
        lake.flush().await.unwrap();
    }
    let leaves = leaves_of(&lake, "acme").await;
    append(&lake, "acme", 0, 800..802).await;
    (lake, leaves)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_is_that_of_its_events() {
    let site = Site::new();
    let (lake, leaves) = small(&site).await;
    let log = log_of(&lake, "acme").await;
    assert_eq!((log.tenant(), log.size()), ("acme", 800), "hot events are not in it");
    let whole = |level: u32| (0..800_u64 >> level).map(move |index| NodeId::new(level, index));
    let every: Vec<NodeId> = (0..10).flat_map(whole).collect();
    let expected: Vec<Hash> = every
        .iter()
        .map(|node| root(&leaves[node.leaves().start as usize..node.leaves().end as usize]))
        .collect();
    assert_eq!(log.nodes(&every, &Leaves::new()).await.unwrap(), expected);
    check_proofs(&log, &leaves, "small").await;

    let partial = NodeId::new(8, 3);
    let outside = log.nodes(&[partial], &Leaves::new()).await;
    assert!(matches!(outside, Err(LakeError::Invalid(_))), "{outside:?}");
    let none = lake.log().tenant(&lake.snapshot(), "initech").await.unwrap();
    assert!(none.is_none(), "{none:?}");
    let globex = log_of(&lake, "globex").await;
    assert_eq!(globex.size(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_found_by_its_place() {
    let site = Site::new();
    let (lake, leaves) = small(&site).await;
    let log = log_of(&lake, "acme").await;
    for seq in [0, 299, 305, 310, 799] {
        let line = log.line(seq).await.unwrap().expect("a line");
        assert_eq!(leaf_hash(&line), leaves[seq as usize], "{seq}");
        assert!(String::from_utf8(line).unwrap().contains(&format!(r#""seq":{seq},"#)));
    }
    for seq in [800, 801, u64::MAX] {
        assert_eq!(log.line(seq).await.unwrap(), None, "{seq}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_hold_what_the_log_has() {
    let site = Site::new();
    let (lake, leaves) = small(&site).await;
    let log = log_of(&lake, "acme").await;
    let tile = |level, index, width| TileId { level, index, width };
    let bytes = log.tile(tile(0, 1, 256)).await.unwrap().unwrap();
    assert_eq!(bytes, leaves[256..512].as_flattened());
    let bytes = log.tile(tile(0, 3, 32)).await.unwrap().unwrap();
    assert_eq!(bytes, leaves[768..800].as_flattened());
    let blocks: Vec<Hash> = leaves.chunks_exact(256).map(root).collect();
    let bytes = log.tile(tile(1, 0, 3)).await.unwrap().unwrap();
    assert_eq!(bytes, blocks.as_flattened());
    for (level, index, width) in [(0, 3, 33), (0, 4, 1), (1, 0, 4), (1, 0, 256), (2, 0, 1)] {
        let none = log.tile(tile(level, index, width)).await.unwrap();
        assert_eq!(none, None, "level {level}, {width} nodes of {index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_and_restarts_change_no_node() {
    let site = Site::new();
    let (lake, leaves) = small(&site).await;
    let head = lake.snapshot().manifest().tenants["acme"].clone();
    let blocks: Vec<Hash> = leaves.chunks_exact(256).map(root).collect();
    assert_eq!(head.blocks, blocks, "the blocks of three flushes");
    lake.compact(2).await.unwrap();
    check_proofs(&log_of(&lake, "acme").await, &leaves, "compacted").await;
    let lake = site.reopen(lake).await;
    assert_eq!(lake.snapshot().manifest().tenants["acme"], head, "restarted");
    check_proofs(&log_of(&lake, "acme").await, &leaves, "restarted").await;
    // What was hot when the process died is in the blocks too.
    append(&lake, "acme", 2, 802..1100).await;
    let lake = site.reopen(lake).await;
    lake.flush().await.unwrap();
    let leaves = leaves_of(&lake, "acme").await;
    let blocks: Vec<Hash> = leaves.chunks_exact(256).map(root).collect();
    assert_eq!((blocks.len(), &lake.snapshot().manifest().tenants["acme"].blocks), (4, &blocks));
    check_proofs(&log_of(&lake, "acme").await, &leaves, "grown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_tiles_are_stored_and_proofs_do_without() {
    let site = Site::new();
    let lake = site.open().await;
    let blocks = |lake: &Lake| lake.snapshot().manifest().tenants["acme"].blocks.len();
    append(&lake, "acme", 0, 0..65_000).await;
    lake.flush().await.unwrap();
    assert_eq!(blocks(&lake), 253);
    let tile = site.lake_dir().join("tlog/acme/tile/1/000");
    assert!(!tile.exists());
    append(&lake, "acme", 1, 65_000..67_000).await;
    lake.flush().await.unwrap();
    assert_eq!(blocks(&lake), 261, "they stay until the next commit");
    let bytes = std::fs::read(&tile).unwrap();

    // Should it be lost until then, it is made again.
    std::fs::remove_file(&tile).unwrap();
    let lake = site.reopen(lake).await;
    append(&lake, "acme", 1, 67_000..67_300).await;
    lake.flush().await.unwrap();
    assert_eq!(blocks(&lake), 6, "the stored tile has the others");
    assert_eq!(std::fs::read(&tile).unwrap(), bytes);
    let leaves = leaves_of(&lake, "acme").await;
    let first: Vec<Hash> = leaves.chunks_exact(256).take(256).map(root).collect();
    assert_eq!(bytes, first.as_flattened());
    let log = log_of(&lake, "acme").await;
    check_proofs(&log, &leaves, "with a tile").await;
    let top = log.nodes(&[NodeId::new(16, 0)], &Leaves::new()).await.unwrap();
    assert_eq!(top, [root(&first)]);

    let mut other = bytes.clone();
    other[3 * 32] ^= 1;
    std::fs::write(&tile, &other).unwrap();
    let log = log_of(&lake, "acme").await;
    let touched = log.nodes(&[NodeId::new(0, 3 * 256 + 7)], &Leaves::new()).await;
    refused(touched, "events 768 to 1023 are not those that were recorded");
    std::fs::write(&tile, &other[1..]).unwrap();
    let torn = log_of(&lake, "acme").await.nodes(&[NodeId::new(8, 0)], &Leaves::new()).await;
    refused(torn, "8191");

    std::fs::remove_file(&tile).unwrap();
    drop(lake);
    check_proofs(&log_from_outside(&site, "acme").await, &leaves, "without the tile").await;
    rewrite_commits(&site, |commit| {
        commit.tenants.values_mut().for_each(|head| head.blocks.clear());
    });
    let log = log_from_outside(&site, "acme").await;
    check_proofs(&log, &leaves, "from rows alone").await;
    let lake = site.open().await;
    append(&lake, "acme", 1, 67_300..67_600).await;
    lake.flush().await.unwrap();
    assert_eq!(blocks(&lake), 2, "of unknown blocks no tile is made");
    assert!(!tile.exists());
    let leaves = leaves_of(&lake, "acme").await;
    check_proofs(&log_of(&lake, "acme").await, &leaves, "with a few blocks").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_gone_are_proved_around_by_their_hashes() {
    let site = Site::new();
    let lake = site.open().await;
    for (day, numbers) in [(0, 0..300), (1, 300..600)] {
        append(&lake, "acme", day, numbers).await;
        lake.flush().await.unwrap();
    }
    let leaves = leaves_of(&lake, "acme").await;
    let log = log_of(&lake, "acme").await;
    let mut tiles = Vec::new();
    for index in 0..2 {
        tiles.push(log.tile(TileId { level: 0, index, width: 256 }).await.unwrap().unwrap());
    }
    let first = lake.snapshot().segments()[0].path.clone();
    std::fs::remove_file(site.lake_dir().join(first)).unwrap();
    let gone = log.nodes(&[NodeId::new(0, 299)], &Leaves::new()).await;
    assert!(gone.is_err(), "{gone:?}");

    let folder = site.lake_dir().join("tlog/acme/tile/0");
    std::fs::create_dir_all(&folder).unwrap();
    for (index, tile) in tiles.iter().enumerate() {
        std::fs::write(folder.join(format!("{index:03}")), tile).unwrap();
    }
    check_proofs(&log, &leaves, "a day is gone").await;
    assert!(log.line(5).await.is_err(), "the event itself is not there");
    assert!(log.line(599).await.unwrap().is_some());

    tiles[1][100] ^= 1;
    std::fs::write(folder.join("001"), &tiles[1]).unwrap();
    let changed = log.nodes(&[NodeId::new(0, 256)], &Leaves::new()).await;
    refused(changed, "events 256 to 511 are not those that were recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_at_hand_need_nothing_else() {
    let site = Site::new();
    let (lake, leaves) = small(&site).await;
    let log = log_of(&lake, "acme").await;
    std::fs::remove_dir_all(site.lake_dir().join("events")).unwrap();
    let mut known = Leaves::with_borders([100, 799]);
    for (seq, leaf) in (0..).zip(&leaves) {
        assert!(known.insert(seq, *leaf));
    }
    let wanted = [NodeId::new(0, 5), NodeId::new(5, 2), NodeId::new(9, 0), NodeId::new(5, 24)];
    let nodes = log.nodes(&wanted, &known).await.unwrap();
    let of = |from: usize, to: usize| root(&leaves[from..to]);
    assert_eq!(nodes, [leaves[5], of(64, 96), of(0, 512), of(768, 800)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_event_is_named() {
    let site = Site::new();
    let (lake, _) = small(&site).await;
    drop(lake);
    rewrite_commits(&site, |commit| {
        commit.add.retain(|segment| !segment.path.contains("2026-03-02"));
    });
    let log = log_from_outside(&site, "acme").await;
    let missing = log.nodes(&[NodeId::new(2, 76)], &Leaves::new()).await;
    refused(missing, "event 304 is in no segment");
    assert_eq!(log.line(304).await.unwrap(), None);
    let before = log.nodes(&[NodeId::new(2, 74)], &Leaves::new()).await;
    assert!(before.is_ok(), "what is not needed may be missing: {before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_never_signed_has_no_checkpoint() {
    let site = Site::new();
    let (lake, leaves) = small(&site).await;
    drop(lake);
    rewrite_commits(&site, |commit| {
        commit.tenants.values_mut().for_each(|head| head.signature = None);
    });
    let log = log_from_outside(&site, "acme").await;
    assert_eq!(log.checkpoint(), None);
    check_proofs(&log, &leaves, "unsigned").await;
}
