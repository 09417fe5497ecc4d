//! `/v1/log`: checkpoints, keys, proofs and tiles, each checked with nothing but the hashes of
//! exported lines; and who may see whose.

use std::time::Instant;

use auditlake_tlog::{
    Checkpoint, CompactRange, Hash, Note, VerifierKey, consistency, inclusion, leaf_hash,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, event_with};

const ACME: &str = "tenant_id=acme";

/// So many events of a tenant.
fn of(tenant: &str, from: usize, count: usize) -> Vec<Value> {
    let event = |number| event_with(&format!("{tenant}-{number}"), json!({"tenant_id": tenant}));
    (from..from + count).map(event).collect()
}

async fn checkpoint(server: &Server, parameters: &str) -> (Note, Checkpoint) {
    let answer = server.get(&format!("/v1/log/checkpoint?{parameters}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let note = Note::parse(&answer.text()).unwrap();
    assert_eq!(note.to_string(), answer.text());
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    (note, checkpoint)
}

/// The leaves of a log, by the lines that an export gives. The export itself is recorded behind
/// them.
async fn leaves(server: &Server, tenant: &str) -> Vec<Hash> {
    let answer = server.get(&format!("/v1/events/export?tenant_id={tenant}")).await;
    let text = answer.text();
    let mut lines: Vec<(u64, &str)> = text
        .lines()
        .map(|line| (serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap(), line))
        .collect();
    lines.sort_unstable();
    assert!(lines.iter().map(|(seq, _)| *seq).eq(0..lines.len() as u64));
    lines.iter().map(|(_, line)| leaf_hash(line.as_bytes())).collect()
}

fn root(leaves: &[Hash]) -> Hash {
    let mut tree = CompactRange::default();
    leaves.iter().for_each(|leaf| tree.append(*leaf));
    tree.root()
}

fn hash(text: &Value) -> Hash {
    STANDARD.decode(text.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn hashes(list: &Value) -> Vec<Hash> {
    list.as_array().unwrap().iter().map(hash).collect()
}

async fn json_of(server: &Server, uri: &str) -> Value {
    let answer = server.get(uri).await;
    assert_eq!(answer.status, 200, "{uri}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_signed_and_states_the_root_of_the_lines() {
    let server = Server::start().await;
    server.take(&of("acme", 0, 300)).await;
    server.take(&of("zeta", 0, 3)).await;
    let answer = server.get(&format!("/v1/log/checkpoint?{ACME}")).await;
    answer.problem(404, &["the log of acme has no checkpoint yet"]);
    let (note, head) = checkpoint(&server, &format!("fresh=true&{ACME}")).await;
    let keys = json_of(&server, &format!("/v1/log/keys?{ACME}")).await;
    assert_eq!((keys["tenant_id"].as_str(), &keys["origin"]), (Some("acme"), &json!(head.origin)));
    let key: VerifierKey = keys["keys"][0].as_str().unwrap().parse().unwrap();
    assert_eq!(key.name, head.origin);
    assert!(key.verify(&note).is_ok());
    assert_eq!(head.size, 300);
    assert_eq!(root(&leaves(&server, "acme").await), head.root);
    let (_, other) = checkpoint(&server, "tenant_id=zeta").await;
    assert_eq!(other.size, 3);
    assert_ne!(other.origin, head.origin);
    // The same again, for as long as nothing is committed.
    assert_eq!(checkpoint(&server, ACME).await.0, note);
    let answer = server.get(&format!("/v1/log/checkpoint?cosigned=true&{ACME}")).await;
    answer.problem(404, &["no witness has signed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_proved_to_be_in_the_log() {
    let server = Server::start().await;
    server.take(&of("acme", 0, 700)).await;
    let (note, head) = checkpoint(&server, &format!("fresh=true&{ACME}")).await;
    let leaves = leaves(&server, "acme").await;
    for (seq, size) in
        [(0, 700), (1, 2), (255, 256), (255, 257), (256, 700), (511, 513), (699, 700), (0, 1)]
    {
        let uri = format!("/v1/log/proof?seq={seq}&size={size}&{ACME}");
        let proof = json_of(&server, &uri).await;
        assert_eq!((&proof["tenant_id"], &proof["seq"]), (&json!("acme"), &json!(seq)));
        let root = root(&leaves[..usize::try_from(size).unwrap()]);
        assert_eq!(hash(&proof["root"]), root, "{uri}");
        let leaf = leaves[usize::try_from(seq).unwrap()];
        assert_eq!(hash(&proof["leaf_hash"]), leaf, "{uri}");
        inclusion::verify(seq, size, &leaf, &hashes(&proof["hashes"]), &root).unwrap();
        let is_whole = size == head.size;
        assert_eq!(proof["checkpoint"].as_str().is_some(), is_whole, "{uri}");
        if is_whole {
            assert_eq!(proof["checkpoint"], note.to_string());
        }
    }
    let proof = json_of(&server, &format!("/v1/log/proof?seq=7&{ACME}")).await;
    assert_eq!(proof["size"], 700, "the committed size, if none is given");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_is_proved_to_be_the_beginning() {
    let server = Server::start().await;
    server.take(&of("acme", 0, 270)).await;
    let (_, old) = checkpoint(&server, &format!("fresh=true&{ACME}")).await;
    server.take(&of("acme", 270, 500)).await;
    server.lake.flush().await.unwrap();
    let (_, new) = checkpoint(&server, ACME).await;
    assert_eq!((old.size, new.size), (270, 770));
    let proof = json_of(&server, &format!("/v1/log/proof?from_size=270&{ACME}")).await;
    assert_eq!((hash(&proof["from_root"]), hash(&proof["root"])), (old.root, new.root));
    let given = hashes(&proof["hashes"]);
    consistency::verify(old.size, &old.root, new.size, &new.root, &given).unwrap();
    assert!(proof["checkpoint"].is_string());
    for (from, size) in [(0, 5), (256, 270), (255, 512), (770, 770), (3, 3)] {
        let uri = format!("/v1/log/proof?from_size={from}&size={size}&{ACME}");
        let proof = json_of(&server, &uri).await;
        let (from_root, root) = (hash(&proof["from_root"]), hash(&proof["root"]));
        consistency::verify(from, &from_root, size, &root, &hashes(&proof["hashes"])).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_are_the_hashes_of_the_tree() {
    let server = Server::start().await;
    server.take(&of("acme", 0, 600)).await;
    checkpoint(&server, &format!("fresh=true&{ACME}")).await;
    let leaves = leaves(&server, "acme").await;
    let blocks: Vec<Hash> = leaves[..512].chunks(256).map(root).collect();
    for (path, wanted, is_full) in [
        ("tile/0/000", leaves[..256].as_flattened(), true),
        ("tile/0/001", leaves[256..512].as_flattened(), true),
        ("tile/0/002.p/88", leaves[512..600].as_flattened(), false),
        ("tile/0/002.p/1", leaves[512..513].as_flattened(), false),
        ("tile/1/000.p/2", blocks.as_flattened(), false),
    ] {
        let answer = server.get(&format!("/v1/log/tiles/{path}?{ACME}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.body, wanted, "{path}");
        let caching = answer.header("cache-control");
        assert_eq!(caching.contains("immutable"), is_full, "{path}: {caching}");
        assert_eq!(caching.contains("no-store"), !is_full, "{path}: {caching}");
    }
    for path in ["tile/0/002", "tile/0/002.p/89", "tile/1/000", "tile/2/000.p/1", "tile/0/x001/000"]
    {
        let answer = server.get(&format!("/v1/log/tiles/{path}?{ACME}")).await;
        answer.problem(404, &["600 events", path]);
    }
    for path in ["tile", "tile/0/0", "tile/64/000", "tile/0/000.p/256", "tile/0/-01", "..", "000"] {
        let answer = server.get(&format!("/v1/log/tiles/{path}?{ACME}")).await;
        answer.problem(400, &["no path of a tile"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_its_own_log_and_no_other() {
    let server = Server::start().await;
    let auditor = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let auditor = server.as_key(&auditor);
    server.take(&of("acme", 0, 5)).await;
    server.take(&of("zeta", 0, 5)).await;
    let own = auditor.get("/v1/log/checkpoint?fresh=true").await;
    assert_eq!(own.status, 200, "{}", own.text());
    assert_eq!(auditor.get(&format!("/v1/log/checkpoint?{ACME}")).await.body, own.body);
    for call in ["checkpoint?", "keys?", "proof?seq=0&", "tiles/tile/0/000.p/1?"] {
        assert_eq!(auditor.get(&format!("/v1/log/{call}")).await.status, 200, "{call}");
        let foreign = auditor.get(&format!("/v1/log/{call}tenant_id=zeta")).await;
        foreign.problem(404, &["the log of zeta has no checkpoint yet"]);
        let problem = server.get(&format!("/v1/log/{call}")).await;
        problem.problem(400, &["parameter tenant_id", "is needed"]);
    }
    // To those above all tenants, one without events is what a foreign one is to others.
    let nobody = server.get("/v1/log/checkpoint?tenant_id=nobody").await;
    nobody.problem(404, &["the log of nobody has no checkpoint yet"]);
    let admin = json!({"tenant_id": "acme", "org_id": "emea"});
    let org_admin = server.key_for("org_admin", admin).await;
    let answer = server.as_key(&org_admin).get("/v1/log/checkpoint").await;
    answer.problem(403, &["integrity:read", "org_admin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_checkpoints_are_not_a_commit_for_each_request() {
    let server = Server::start().await;
    let commit = || server.lake.snapshot().manifest().version;
    let (started, before) = (Instant::now(), commit());
    for round in 1..=3 {
        server.take(&of("acme", 10 * (round - 1), 10)).await;
        let uri = format!("fresh=true&{ACME}");
        for (_, head) in join_all((0..20).map(|_| checkpoint(&server, &uri))).await {
            assert_eq!(head.size, 10 * round as u64, "all that was acknowledged before");
        }
    }
    let (commits, seconds) = (commit() - before, started.elapsed().as_secs());
    assert!((3..=seconds + 2).contains(&commits), "{commits} commits within {seconds} s");
}

/// On one thread, so that all requests are under way before the first one is answered.
#[tokio::test]
async fn one_caller_has_a_bounded_number_of_reads() {
    let server = Server::start().await;
    server.take(&of("acme", 0, 10)).await;
    server.lake.flush().await.unwrap();
    let uris = ["proof?seq=0&", "proof?from_size=3&", "tiles/tile/0/000.p/1?"]
        .map(|call| format!("/v1/log/{call}{ACME}"));
    let answers = join_all((0..20).map(|number| server.get(&uris[number % 3]))).await;
    let (refused, read): (Vec<&Answer>, Vec<&Answer>) =
        answers.iter().partition(|answer| answer.status == 429);
    assert_eq!((refused.len(), read.len()), (4, 16));
    for answer in refused {
        answer.problem(429, &["16 log reads of this caller"]);
        assert!(!answer.header("retry-after").is_empty());
    }
    assert!(read.iter().all(|answer| answer.status == 200));
    // Their places are free again.
    let answers = join_all((0..16).map(|number| server.get(&uris[number % 3]))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_by_name() {
    let server = Server::start().await;
    server.take(&of("acme", 0, 10)).await;
    checkpoint(&server, &format!("fresh=true&{ACME}")).await;
    for (call, words) in [
        ("proof?", ["parameter seq", "from_size"]),
        ("proof?seq=1&from_size=2&", ["parameter from_size", "one at a time"]),
        ("proof?seq=10&", ["parameter seq", "10 events"]),
        ("proof?seq=5&size=5&", ["parameter seq", "5 events"]),
        ("proof?seq=-1&", ["parameter seq", "whole number"]),
        ("proof?seq=1&size=11&", ["parameter size", "10 events"]),
        ("proof?from_size=11&", ["parameter from_size", "10"]),
        ("proof?from_size=1&size=99&", ["parameter size", "10 events"]),
        ("checkpoint?fresh=maybe&", ["parameter fresh", "true, false"]),
        ("checkpoint?size=1&", ["parameter size", "fresh"]),
        ("keys?id=1&", ["parameter id", "tenant_id"]),
    ] {
        let answer = server.get(&format!("/v1/log/{call}{ACME}")).await;
        answer.problem(400, &words);
    }
}
