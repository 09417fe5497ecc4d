//! Witnesses: a real one, within the test, that keeps to C2SP tlog-witness. It signs what goes on
//! from what it signed before, and nothing else; and what it signs is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auditlake_server::{ServerConfig, Witness, background};
use auditlake_tlog::{
    Algorithm, Checkpoint, Hash, Note, Signature, VerifierKey, consistency, empty_root,
};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use tokio::net::TcpListener;

use crate::harness::{Server, events};

const LONG: Duration = Duration::from_secs(20);
/// When the witness signs, in seconds.
const SIGNED_S: u64 = 1_772_357_400;
const ACME: &str = "/v1/log/checkpoint?tenant_id=acme";

/// Somebody else's machine.
#[derive(Clone)]
struct Other {
    url: String,
    key: VerifierKey,
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    pair: Ed25519KeyPair,
    key_id: u32,
    /// The logs that it signs for, by their name.
    trusted: Mutex<HashMap<String, VerifierKey>>,
    /// What it signed last.
    signed: Mutex<HashMap<String, (u64, Hash)>>,
    /// The sizes that requests began with.
    asked: Mutex<Vec<u64>>,
}

impl Other {
    async fn start(name: &str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let key = VerifierKey::new(name, Algorithm::Cosignature, public).unwrap();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            pair,
            key_id: key.id(),
            trusted: Mutex::default(),
            signed: Mutex::default(),
            asked: Mutex::default(),
        });
        let app = Router::new().route("/w/add-checkpoint", post(add_checkpoint));
        let app = app.with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/w/", listener.local_addr().unwrap());
        drop(tokio::spawn(async move { axum::serve(listener, app).await }));
        Self { url, key, shared }
    }

    /// As a server knows it.
    fn witness(&self) -> Witness {
        Witness { url: self.url.clone(), key: self.key.clone() }
    }

    /// Tells it whose checkpoints it is to sign.
    async fn trust(&self, server: &Server, tenant: &str) {
        let keys = server.get(&format!("/v1/log/keys?tenant_id={tenant}")).await.json();
        let key: VerifierKey = keys["keys"][0].as_str().unwrap().parse().unwrap();
        self.shared.trusted.lock().unwrap().insert(key.name.clone(), key);
    }

    fn asked(&self) -> Vec<u64> {
        self.shared.asked.lock().unwrap().clone()
    }
}

type Answer = (StatusCode, String);

async fn add_checkpoint(State(shared): State<Arc<Shared>>, body: String) -> Answer {
    match signed(&shared, &body) {
        Ok(line) => (StatusCode::OK, format!("{line}\n")),
        Err(refused) => refused,
    }
}

fn refused(status: StatusCode, why: &str) -> Answer {
    (status, format!("{why}\n"))
}

fn signed(shared: &Shared, body: &str) -> Result<Signature, Answer> {
    let wrong = |why: &str| refused(StatusCode::BAD_REQUEST, why);
    let (head, note) = body.split_once("\n\n").ok_or_else(|| wrong("no blank line"))?;
    let mut lines = head.lines();
    let old = lines.next().and_then(|line| line.strip_prefix("old ")?.parse::<u64>().ok());
    let old = old.ok_or_else(|| wrong("no old size"))?;
    let proof: Vec<Hash> = lines
        .map(|line| -> Option<Hash> { STANDARD.decode(line).ok()?.try_into().ok() })
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("no hash"))?;
    shared.asked.lock().unwrap().push(old);
    let note = Note::parse(note).map_err(|error| wrong(&error.to_string()))?;
    let head = Checkpoint::parse(&note.text).map_err(|error| wrong(&error.to_string()))?;
    let trusted = shared.trusted.lock().unwrap().get(&head.origin).cloned();
    let trusted = trusted.ok_or_else(|| refused(StatusCode::NOT_FOUND, "unknown log"))?;
    trusted.verify(&note).map_err(|why| refused(StatusCode::FORBIDDEN, &why.to_string()))?;
    if old > head.size {
        return Err(wrong("the old size is the larger one"));
    }
    let mut known = shared.signed.lock().unwrap();
    let (size, root) = known.get(&head.origin).copied().unwrap_or((0, empty_root()));
    if size != old {
        return Err((StatusCode::CONFLICT, format!("{size}\n")));
    }
    consistency::verify(size, &root, head.size, &head.root, &proof)
        .map_err(|why| refused(StatusCode::UNPROCESSABLE_ENTITY, &why.to_string()))?;
    known.insert(head.origin, (head.size, head.root));
    let message = format!("cosignature/v1\ntime {SIGNED_S}\n{}", note.text);
    let signature = shared.pair.sign(message.as_bytes());
    let bytes = [SIGNED_S.to_be_bytes().as_slice(), signature.as_ref()].concat();
    Ok(Signature { name: shared.name.clone(), key_id: shared.key_id, bytes })
}

/// A server that asks these witnesses, once [`background`] runs; they know its log of acme.
async fn asking(others: &[&Other]) -> Server {
    let config = ServerConfig {
        refresh_interval: Duration::from_millis(20),
        witnesses: others.iter().map(|other| other.witness()).collect(),
        ..ServerConfig::default()
    };
    let server = Server::with(config).await;
    for other in others {
        other.trust(&server, "acme").await;
    }
    server
}

async fn grow(server: &Server, prefix: &str, count: usize) {
    server.take(&events(prefix, count)).await;
    server.lake.flush().await.unwrap();
}

async fn kept(server: &Server, count: u64) {
    server.metric(&format!("auditlake_cosignatures_kept_total {count}"), LONG).await;
}

/// Waits until at least one try brought nothing.
async fn failed(server: &Server) {
    let started = Instant::now();
    loop {
        let metrics = server.get("/metrics").await.text();
        let counted = metrics
            .lines()
            .find_map(|line| line.strip_prefix("auditlake_cosignatures_failed_total "));
        if counted.unwrap().parse::<u64>().unwrap() > 0 {
            return;
        }
        assert!(started.elapsed() < LONG, "nothing failed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn note(server: &Server, uri: &str) -> Note {
    let answer = server.get(uri).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Note::parse(&answer.text()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_head_is_signed_by_each_witness() {
    let one = Other::start("one.example/w", 1).await;
    let two = Other::start("two.example/w", 2).await;
    let server = asking(&[&one, &two]).await;
    grow(&server, "a", 5).await;
    background(&server.state);
    kept(&server, 2).await;
    let first = note(&server, ACME).await;
    assert_eq!(first.signatures.len(), 3);
    for other in [&one, &two] {
        assert_eq!(other.key.verify(&first).unwrap().time_s, Some(SIGNED_S));
    }
    assert_eq!(note(&server, &format!("{ACME}&cosigned=true")).await, first);

    grow(&server, "b", 90).await;
    kept(&server, 4).await;
    let second = note(&server, ACME).await;
    assert_eq!(Checkpoint::parse(&second.text).unwrap().size, 95);
    for other in [&one, &two] {
        other.key.verify(&second).unwrap();
        assert_eq!(other.asked(), [0, 5], "each head is asked for once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_knows_more_than_the_lake_says_so() {
    let other = Other::start("one.example/w", 1).await;
    let server = asking(&[&other]).await;
    grow(&server, "a", 7).await;
    let head = Checkpoint::parse(&note(&server, ACME).await.text).unwrap();
    // It signed this one, but its answer was lost.
    other.shared.signed.lock().unwrap().insert(head.origin, (head.size, head.root));
    grow(&server, "b", 4).await;
    background(&server.state);
    kept(&server, 1).await;
    assert_eq!(other.asked(), [0, 7]);
    other.key.verify(&note(&server, ACME).await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lake_has_rewritten_is_not_signed() {
    // The witness has signed another history once, and a longer one once.
    for (size, asked) in [(4, vec![0, 4]), (1000, vec![0])] {
        let other = Other::start("one.example/w", 1).await;
        let server = asking(&[&other]).await;
        grow(&server, "a", 7).await;
        let head = Checkpoint::parse(&note(&server, ACME).await.text).unwrap();
        other.shared.signed.lock().unwrap().insert(head.origin, (size, [9; 32]));
        background(&server.state);
        failed(&server).await;
        assert!(other.asked().starts_with(&asked), "{:?}", other.asked());
        assert_eq!(note(&server, ACME).await.signatures.len(), 1, "that of the lake itself");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_key_signed_is_not_kept() {
    let other = Other::start("one.example/w", 1).await;
    let mut false_one = Other::start("one.example/w", 3).await;
    // The server asks one machine, and knows the key of another.
    false_one.key = other.key.clone();
    let server = asking(&[&false_one]).await;
    grow(&server, "a", 3).await;
    background(&server.state);
    failed(&server).await;
    assert_eq!(note(&server, ACME).await.signatures.len(), 1, "that of the lake itself");
    let answer = server.get(&format!("{ACME}&cosigned=true")).await;
    answer.problem(404, &["no witness has signed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_answer_holds_up_nobody() {
    let other = Other::start("one.example/w", 1).await;
    let mut gone = Other::start("two.example/w", 2).await;
    // Nobody listens on the port of a listener that is gone.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    gone.url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = asking(&[&gone, &other]).await;
    grow(&server, "a", 3).await;
    background(&server.state);
    kept(&server, 1).await;
    failed(&server).await;
    other.key.verify(&note(&server, ACME).await).unwrap();
}
