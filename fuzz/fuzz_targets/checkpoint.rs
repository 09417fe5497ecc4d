//! Any text is a checkpoint that prints as it came, or refused; and the same for tile paths.

#![no_main]

use auditlake_tlog::{Checkpoint, TileId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_string(), text);
    }
    if let Some(tile) = TileId::parse(text) {
        assert_eq!(tile.path(), text);
        assert!(tile.nodes().len() <= 256);
        assert!(!tile.exists_in(0));
    }
});
