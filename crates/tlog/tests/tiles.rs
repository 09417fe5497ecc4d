//! Tiles and their paths, with the examples of C2SP tlog-tiles.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

use auditlake_tlog::{NodeId, TileId, tile};
use proptest::prelude::*;

fn full(level: u8, index: u64) -> TileId {
    TileId { level, index, width: 256 }
}

#[test]
fn paths_are_those_of_the_specification() {
    assert_eq!(full(0, 1_234_067).path(), "tile/0/x001/x234/067");
    assert_eq!(full(0, 0).path(), "tile/0/000");
    assert_eq!(full(3, 1_000).path(), "tile/3/x001/000");
    assert_eq!(TileId { level: 1, index: 1_234, width: 17 }.path(), "tile/1/x001/234.p/17");
}

#[test]
fn only_the_path_of_a_tile_is_taken() {
    assert_eq!(TileId::parse("tile/0/x001/x234/067"), Some(full(0, 1_234_067)));
    assert_eq!(TileId::parse("tile/63/999.p/255").map(|tile| tile.width), Some(255));
    let largest = full(0, u64::MAX);
    assert_eq!(TileId::parse(&largest.path()), Some(largest));
    let refused = [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/1",
        "tile/0/0001",
        "tile/0/x001",
        "tile/0/001/234",
        "tile/0/x000/001",
        "tile/0/x1/234",
        "tile/0/x001/234/",
        "tile/0//001",
        "tile/0/+01",
        "tile/0/-01",
        "tile/0/xx01/234",
        "tile/00/001",
        "tile/+0/001",
        "tile/64/001",
        "tile/256/001",
        "tile/-1/001",
        "tile/entries/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/+1",
        "tile/0/001.p/",
        "tile/0/001.p/1/",
        "tile/0/001.p/1.p/1",
        "tile/0/001.p",
        "tile/0/001 ",
        "/tile/0/001",
        "tile/0/../001",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
    ];
    for path in refused {
        assert_eq!(TileId::parse(path), None, "{path:?}");
    }
}

#[test]
fn a_tree_has_the_tiles_of_the_specification() {
    // A tree of 70,000 leaves: 273 full tiles and one of 112 at level 0, and so on upwards.
    let has = |level, index, width| TileId { level, index, width }.exists_in(70_000);
    assert!(has(0, 272, 256) && !has(0, 273, 256));
    assert!(has(0, 273, 112) && !has(0, 273, 113));
    assert!(has(1, 0, 256) && !has(1, 1, 256));
    assert!(has(1, 1, 17) && !has(1, 1, 18));
    assert!(has(2, 0, 1) && !has(2, 0, 2));
    assert!(!has(3, 0, 1));
    // A tree of 256: one full tile, and one node above it.
    assert!(full(0, 0).exists_in(256) && TileId { level: 1, index: 0, width: 1 }.exists_in(256));
    assert!(!full(0, 0).exists_in(255));
    // No tree has these.
    assert!(!has(0, 0, 0) && !has(0, 0, 257) && !has(64, 0, 1) && !has(0, u64::MAX, 1));
}

#[test]
fn a_tile_holds_the_nodes_of_its_level() {
    let nodes = TileId { level: 1, index: 2, width: 3 }.nodes();
    assert_eq!(nodes, [NodeId::new(8, 512), NodeId::new(8, 513), NodeId::new(8, 514)]);
    assert_eq!(full(0, 1).nodes().len() as u64, tile::WIDTH);
    assert_eq!(nodes[0].leaves().start, 512 << tile::HEIGHT);
    for none in [full(0, u64::MAX), full(64, 0), TileId { level: 0, index: 0, width: 0 }] {
        assert!(none.nodes().is_empty(), "{none:?}");
    }
}

proptest! {
    #[test]
    fn every_tile_is_found_by_its_path(
        level in 0..=63_u8,
        index in any::<u64>(),
        width in 1..=256_u16,
    ) {
        let tile = TileId { level, index, width };
        prop_assert_eq!(TileId::parse(&tile.path()), Some(tile));
    }

    #[test]
    fn any_text_is_a_tile_or_refused(path in "(tile/)?[0-9x/.p+]{0,20}") {
        if let Some(tile) = TileId::parse(&path) {
            prop_assert_eq!(tile.path(), path);
        }
    }
}
