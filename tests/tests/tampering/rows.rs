//! Events that were changed, taken out or moved within a segment: first as somebody does it who
//! has only heard of Parquet, then as somebody who also makes the manifest fit.

use auditlake_model::columns::at;

use crate::stored::{adopt, read, row_of, with_swapped_seq, with_text, within, without, write};
use crate::{Lake, ROUND, id};

/// The most positions that a finding about one changed event may span: a subtree that was noted
/// when it was whole.
const BLOCK: u64 = 256;

#[test]
fn a_flipped_byte_is_found_in_its_file() {
    let lake = Lake::filled(2);
    let path = lake.segment(0);
    let whole = std::fs::read(&path).expect("a segment");
    // The first page of the first column, and the footer.
    for place in [60, whole.len() - 40] {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        std::fs::write(&path, bytes).expect("a segment");
        lake.found(&[]).names_file(&within(lake.path(), &path));
    }
    std::fs::write(&path, whole).expect("a segment");
    let _ = lake.verify(&[]).ok();
}

#[test]
fn a_cut_or_missing_segment_is_found() {
    let lake = Lake::filled(2);
    let path = lake.segment(1);
    let whole = std::fs::read(&path).expect("a segment");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("a segment");
    lake.found(&[]).names_file(&within(lake.path(), &path));
    std::fs::remove_file(&path).expect("a segment");
    lake.found(&[]).names_file(&within(lake.path(), &path));
}

#[test]
fn a_changed_cell_is_found_though_the_page_is_well_made() {
    let lake = Lake::filled(3);
    let (path, number) = (lake.segment(1), ROUND + 7);
    let events = read(&path);
    let row = row_of(&events, &id("acme", number));
    write(&path, &with_text(&events, at::DATA, row, r#"{"n":1000}"#));
    // The manifest knows another digest.
    lake.found(&[]).names_file(&within(lake.path(), &path));
    // Then it is made to know this one, and all commits behind it fit.
    adopt(lake.path(), &path, |_| {});
    let found = lake.found(&[]);
    found.names_place("acme", number, BLOCK).spares("globex");
}

#[test]
fn a_changed_event_behind_the_last_whole_subtree_is_found() {
    let lake = Lake::filled(1);
    let (path, number) = (lake.segment(0), 299);
    let events = read(&path);
    let row = row_of(&events, &id("globex", number));
    write(&path, &with_text(&events, at::ID, row, "globex-forged"));
    adopt(lake.path(), &path, |_| {});
    lake.found(&[]).names_place("globex", number, ROUND).spares("acme");
}

#[test]
fn a_deleted_event_is_missed_by_its_place() {
    let lake = Lake::filled(3);
    let (path, number) = (lake.segment(1), ROUND + 41);
    let events = read(&path);
    write(&path, &without(&events, row_of(&events, &id("acme", number))));
    lake.found(&[]).names_file(&within(lake.path(), &path));
    adopt(lake.path(), &path, |segment| {
        segment.rows -= 1;
        if let Some(span) = segment.tenants.get_mut("acme") {
            span.rows -= 1;
        }
    });
    lake.found(&[]).names_place("acme", number, 1).spares("globex");
}

#[test]
fn events_that_changed_places_are_found() {
    let lake = Lake::filled(2);
    let (path, one, other) = (lake.segment(0), 10, 11);
    let events = read(&path);
    let row = |number| row_of(&events, &id("acme", number));
    write(&path, &with_swapped_seq(&events, row(one), row(other)));
    adopt(lake.path(), &path, |_| {});
    let found = lake.found(&[]);
    found.names_place("acme", one, BLOCK).names_place("acme", other, BLOCK).spares("globex");
}

#[test]
fn an_event_that_stands_in_place_of_another_is_found_twice() {
    let lake = Lake::filled(1);
    let path = lake.segment(0);
    let events = read(&path);
    let (row, other) = (row_of(&events, &id("acme", 5)), row_of(&events, &id("acme", 6)));
    // The second of them becomes a copy of the first, its place included.
    let before = events.slice(0, other);
    let behind = events.slice(other + 1, events.num_rows() - other - 1);
    let copied = [before, events.slice(row, 1), behind];
    let forged = arrow::compute::concat_batches(&events.schema(), &copied).expect("one batch");
    write(&path, &forged);
    adopt(lake.path(), &path, |_| {});
    let found = lake.found(&[]);
    found.names_place("acme", 5, 1).names_place("acme", 6, 1).spares("globex");
}
