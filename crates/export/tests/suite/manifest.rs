//! Digests of files, and the manifest that holds them.

use auditlake_export::manifest::{
    Edge, FilterValue, MANIFEST_VERSION, Manifest, ManifestFile, ManifestProof, Requester,
    SnapshotPoint,
};
use auditlake_export::{Compression, Digested, Encoder, Format, Sink};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::batches::{encode, events, options};

const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_digest_is_that_of_what_went_through() {
    for (format, compression) in [
        (Format::Csv, Compression::None),
        (Format::Ndjson, Compression::Zstd),
        (Format::Json, Compression::Gzip),
        (Format::Parquet, Compression::None),
    ] {
        let options = options(format, compression);
        let batches = [events(0, 1000), events(1000, 1000)];
        let mut encoder = Encoder::new(batches[0].schema(), options).unwrap();
        let mut out = Digested::new(Vec::<Bytes>::new());
        let mut file = Vec::new();
        for batch in &batches {
            encoder.encode(batch, &mut out).unwrap();
            // Taking bytes out does not take them out of the digest.
            file.extend(out.inner_mut().drain(..).flatten());
        }
        let totals = encoder.finish(&mut out).unwrap();
        let (count, sha256, hex) = (out.bytes(), out.sha256(), out.hex());
        file.extend(out.into_inner().into_iter().flatten());
        assert!(file == encode(&batches, options).0);
        assert_eq!((count, totals.bytes), (file.len() as u64, file.len() as u64));
        assert_eq!(sha256, <[u8; 32]>::from(Sha256::digest(&file)));
        assert_eq!(hex, format!("{:x}", Sha256::digest(&file)));
    }
}

#[test]
fn a_digest_can_be_asked_for_on_the_way() {
    let mut out = Digested::new(Vec::<u8>::new());
    assert_eq!((out.bytes(), out.hex().as_str()), (0, OF_NOTHING));
    out.put(Bytes::from_static(b"ab"));
    assert_eq!(out.hex(), format!("{:x}", Sha256::digest(b"ab")));
    out.put(Bytes::from_static(b"c"));
    assert_eq!(out.hex(), format!("{:x}", Sha256::digest(b"abc")));
    assert_eq!((out.bytes(), out.into_inner()), (3, b"abc".to_vec()));
}

fn edge(seq: u64) -> Edge {
    let occurred_at = "2026-05-17T08:00:00.000000Z".to_owned();
    Edge { tenant_id: "acme".to_owned(), seq, occurred_at }
}

fn manifest() -> Manifest {
    let text = str::to_owned;
    let file = ManifestFile {
        name: text("audit-export-20260517-0001.csv.gz"),
        rows: 2,
        bytes: 20,
        sha256: text(OF_NOTHING),
        first: Some(edge(1)),
        last: Some(edge(2)),
    };
    let empty = ManifestFile { rows: 0, first: None, last: None, ..file.clone() };
    Manifest {
        manifest_version: MANIFEST_VERSION,
        export_id: text("exp_1"),
        created_at: text("2026-05-17T09:00:00.000000Z"),
        engine: text("auditlake 0.1.0"),
        requested_by: Requester { id: text("key_1"), kind: text("key"), role: text("auditor") },
        filter: vec![FilterValue { name: text("type"), value: text("user.*") }],
        filter_text: text("type starts with user."),
        scope: text("tenant acme"),
        snapshot: SnapshotPoint { commit: 7, recorded_before: text("2026-05-17T08:59:59.000000Z") },
        order: text("log"),
        columns: vec![text("id"), text("data")],
        format: text("csv"),
        compression: text("gzip"),
        csv_safe: Some(true),
        rows: 2,
        bytes: 40,
        copied_bytes: 0,
        files: vec![file, empty],
        proof: None,
    }
}

fn proved() -> Manifest {
    let text = str::to_owned;
    let (claim, statement, file) = (text("complete"), text("All of it."), text("proof.json"));
    Manifest { proof: Some(ManifestProof { claim, statement, file }), ..manifest() }
}

#[test]
fn a_manifest_is_read_as_it_was_written() {
    let bare = Manifest { csv_safe: None, files: vec![], ..manifest() };
    for manifest in [manifest(), bare, proved()] {
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    }
}

#[test]
fn members_have_one_order() {
    let wanted = concat!(
        r#"{"manifest_version":1,"export_id":"exp_1","created_at":"2026-05-17T09:00:00.000000Z","#,
        r#""engine":"auditlake 0.1.0","#,
        r#""requested_by":{"id":"key_1","kind":"key","role":"auditor"},"#,
        r#""filter":[{"name":"type","value":"user.*"}],"filter_text":"type starts with user.","#,
        r#""scope":"tenant acme","#,
        r#""snapshot":{"commit":7,"recorded_before":"2026-05-17T08:59:59.000000Z"},"#,
        r#""order":"log","columns":["id","data"],"format":"csv","compression":"gzip","#,
        r#""csv_safe":true,"rows":2,"bytes":40,"copied_bytes":0,"files":["#,
        r#"{"name":"audit-export-20260517-0001.csv.gz","rows":2,"bytes":20,"#,
        r#""sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","#,
        r#""first":{"tenant_id":"acme","seq":1,"occurred_at":"2026-05-17T08:00:00.000000Z"},"#,
        r#""last":{"tenant_id":"acme","seq":2,"occurred_at":"2026-05-17T08:00:00.000000Z"}},"#,
        r#"{"name":"audit-export-20260517-0001.csv.gz","rows":0,"bytes":20,"#,
        r#""sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","#,
        r#""first":null,"last":null}]}"#,
    );
    assert_eq!(serde_json::to_string(&manifest()).unwrap(), wanted);
}

#[test]
fn a_proof_stands_at_the_end() {
    let plain = serde_json::to_string(&manifest()).unwrap();
    let proof = r#""proof":{"claim":"complete","statement":"All of it.","file":"proof.json"}}"#;
    let wanted = format!("{},{proof}", plain.strip_suffix('}').unwrap());
    assert_eq!(serde_json::to_string(&proved()).unwrap(), wanted);
}

#[test]
fn members_of_later_versions_are_passed_over() {
    let mut value = serde_json::to_value(manifest()).unwrap();
    value["signature"] = "later".into();
    value["files"][0]["signature"] = "later".into();
    assert_eq!(serde_json::from_value::<Manifest>(value).unwrap(), manifest());
}
