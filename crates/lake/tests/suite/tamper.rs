//! What somebody who may write to a lake can do to it: change bytes and rows, make the manifest
//! say so, chain its commits anew, put an older copy back. And a witness, who is elsewhere.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Int32Type, UInt64Type};
use auditlake_lake::Commit;
use auditlake_model::columns::at;
use auditlake_model::layout::writer_properties;
use auditlake_tlog::{Algorithm, Note, Signature, SigningKey, VerifierKey};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

use crate::site::Site;

/// Changes one bit in the middle of a file.
pub(crate) fn flip_a_bit(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Replaces a text in a file that has it once.
pub(crate) fn replace(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// Changes commits and chains them anew.
pub(crate) fn rewrite_commits(site: &Site, mut change: impl FnMut(&mut Commit)) {
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

/// Changes the rows of a segment; its pages and their checksums fit them.
pub(crate) fn rewrite_segment(path: &Path, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    let bytes = bytes::Bytes::from(std::fs::read(path).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
    let changed = change(concat_batches(&batches[0].schema(), &batches).unwrap());
    let properties = writer_properties(&changed.schema(), true);
    let mut writer = ArrowWriter::try_new(Vec::new(), changed.schema(), Some(properties)).unwrap();
    writer.write(&changed).unwrap();
    std::fs::write(path, writer.into_inner().unwrap()).unwrap();
}

/// Makes the manifest say of a segment what its file is now.
pub(crate) fn own_up(site: &Site, segment: &str) {
    let bytes = std::fs::read(site.lake_dir().join(segment)).unwrap();
    let (length, sha256) = (bytes.len() as u64, format!("{:x}", Sha256::digest(&bytes)));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
    let rows_of = |tenant: &str| -> u64 {
        let all = batches.iter().flat_map(tenants);
        all.filter(|of| of == tenant).count() as u64
    };
    rewrite_commits(site, |commit| {
        for named in commit.add.iter_mut().filter(|named| named.path == segment) {
            (named.bytes, named.sha256) = (length, sha256.clone());
            for (tenant, span) in &mut named.tenants {
                span.rows = rows_of(tenant);
            }
            named.rows = named.tenants.values().map(|span| span.rows).sum();
            // What its texts lie within is left open: that tells of nothing.
            named.columns.clear();
        }
    });
}

/// The tenant of each row.
fn tenants(batch: &RecordBatch) -> Vec<String> {
    let column = batch.column(at::TENANT_ID).as_dictionary::<Int32Type>();
    let names = column.values().as_string::<i32>();
    column.keys().values().iter().map(|key| names.value(*key as usize).to_owned()).collect()
}

/// Where an event stands in a batch.
fn row_of(batch: &RecordBatch, tenant: &str, seq: u64) -> usize {
    let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>().values();
    let mut rows = tenants(batch).into_iter().zip(seqs);
    rows.position(|(of, is)| of == tenant && *is == seq).expect("the event")
}

fn with_column(batch: &RecordBatch, position: usize, column: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[position] = column;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// Another `reason` for one event.
pub(crate) fn with_reason(
    batch: &RecordBatch,
    tenant: &str,
    seq: u64,
    reason: &str,
) -> RecordBatch {
    let row = row_of(batch, tenant, seq);
    let reasons = batch.column(at::REASON).as_string::<i32>();
    let changed = reasons.iter().enumerate();
    let changed: StringArray =
        changed.map(|(of, is)| if of == row { Some(reason) } else { is }).collect();
    with_column(batch, at::REASON, Arc::new(changed))
}

/// Other places for some events of a tenant: each from, to.
pub(crate) fn with_seqs(batch: &RecordBatch, tenant: &str, moved: &[(u64, u64)]) -> RecordBatch {
    let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>().values();
    let changed = tenants(batch).into_iter().zip(seqs).map(|(of, seq)| {
        let to = moved.iter().find(|(from, _)| of == tenant && from == seq);
        to.map_or(*seq, |(_, to)| *to)
    });
    with_column(batch, at::SEQ, Arc::new(UInt64Array::from_iter_values(changed)))
}

/// Without one event.
pub(crate) fn without(batch: &RecordBatch, tenant: &str, seq: u64) -> RecordBatch {
    let gone = row_of(batch, tenant, seq);
    let kept: BooleanArray = (0..batch.num_rows()).map(|row| Some(row != gone)).collect();
    filter_record_batch(batch, &kept).unwrap()
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Somebody who signs checkpoints of others.
pub(crate) struct Witness {
    key: SigningKey,
    name: String,
}

impl Witness {
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        Self { key: SigningKey::from_seed([seed; 32]), name: name.to_owned() }
    }

    pub(crate) fn verifier(&self) -> VerifierKey {
        VerifierKey::new(&self.name, Algorithm::Cosignature, self.key.public()).unwrap()
    }

    /// The line of a cosignature, as in C2SP tlog-cosignature.
    pub(crate) fn line(&self, note: &Note) -> Signature {
        let time: u64 = 1_772_323_300;
        let message = format!("cosignature/v1\ntime {time}\n{}", note.text);
        let signed = self.key.sign(&self.name, &message).unwrap().bytes;
        let bytes = [time.to_be_bytes().as_slice(), &signed].concat();
        Signature { name: self.name.clone(), key_id: self.verifier().id(), bytes }
    }

    pub(crate) fn cosigned(&self, note: &Note) -> Note {
        let mut note = note.clone();
        note.signatures.push(self.line(&note));
        note
    }
}
