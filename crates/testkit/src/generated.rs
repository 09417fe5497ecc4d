//! Batches of events as no sane source sends them, made from bytes: a fuzzer gives the bytes
//! itself, a property test gives a seed for them ([`bytes_of`]).
//!
//! A case is any choice of the event's columns in any order. Its values lie where encoders have
//! something to decide, and its arrays have every form that Arrow allows. Only what an encoder
//! may rely on always holds: times lie between the years 1 and 9999, `data` is a JSON object
//! without white space between its tokens, and a column that must have values has them.

mod arrays;
mod choices;
mod special;
mod text;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use auditlake_model::columns::{COLUMNS, Column};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use arrays::Maker;
use choices::Choices;
pub use special::{SPECIAL_TEXTS, SPECIAL_TIMES_US, special_numbers};

/// No case needs more bytes: what they do not say is chosen the simplest way.
pub const MAX_BYTES: usize = 8192;

/// Batches of one schema, as the scan of one export gives them.
#[derive(Clone, Debug)]
pub struct Case {
    /// The columns of every batch.
    pub schema: SchemaRef,
    /// The batches in order; there may be none.
    pub batches: Vec<RecordBatch>,
    /// How many rows [`Self::pieces`] takes, over and over. One of them at least is not 0.
    cuts: Vec<usize>,
}

impl Case {
    /// A case with given batches.
    #[must_use]
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, batches, cuts: vec![1, 0, 5, 64] }
    }

    /// The same rows as slices of the batches, some of them empty.
    #[must_use]
    pub fn pieces(&self) -> Vec<RecordBatch> {
        let mut cuts = self.cuts.iter().copied().cycle();
        let mut pieces = Vec::new();
        for batch in &self.batches {
            let mut start = 0;
            while start < batch.num_rows() {
                let rows = cuts.next().unwrap_or(1).min(batch.num_rows() - start);
                pieces.push(batch.slice(start, rows));
                start += rows;
            }
        }
        pieces
    }
}

/// The case that these bytes stand for. Any bytes do.
#[must_use]
pub fn case(bytes: &[u8]) -> Case {
    let mut maker = Maker::new(bytes);
    let columns = chosen_columns(&mut maker.choices);
    // What SQL gives back may be null in any column.
    let lenient = maker.choices.one_in(2);
    let field =
        |column: &&Column| -> Field { column.field().with_nullable(lenient || !column.required) };
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let cuts =
        vec![1 + maker.choices.below(3), maker.choices.below(20), 1 + maker.choices.below(50)];
    let count = maker.choices.pick(&[1, 2, 3, 4, 0, 6]);
    let batches = (0..count).map(|_| maker.batch(&schema, &columns)).collect();
    Case { schema, batches, cuts }
}

/// Bytes for [`case`]: the first `len` of all that the seed gives, so that fewer of them are the
/// same case but simpler.
#[must_use]
pub fn bytes_of(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; MAX_BYTES.max(len)];
    SmallRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes.truncate(len);
    bytes
}

fn chosen_columns(choices: &mut Choices<'_>) -> Vec<&'static Column> {
    let mut left: Vec<&Column> = COLUMNS.iter().collect();
    let count = match choices.below(8) {
        0 | 1 => 1,
        2..=4 => 2 + choices.below(6),
        5 => left.len(),
        6 if choices.one_in(4) => 0,
        6 => 8 + choices.below(12),
        _ => return left,
    };
    (0..count).map(|_| left.swap_remove(choices.below(left.len()))).collect()
}
