//! On a real socket: clients that do not speak, that leave, that read nothing, and the end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use auditlake_server::{ServerConfig, run};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::harness::{Server, event, event_with};

const LONG: Duration = Duration::from_secs(20);

struct Listening {
    server: Server,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
}

async fn listen(config: ServerConfig) -> Listening {
    let server = Server::with(config).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (router, state) = (server.app.clone(), server.state.clone());
    let running = tokio::spawn(run(listener, router, state, async move {
        stopped.await.ok();
    }));
    Listening { server, address, stop, running }
}

impl Listening {
    async fn connect(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    fn head(&self, first: &str) -> String {
        let key = &self.server.key;
        format!("{first} HTTP/1.1\r\nHost: lake\r\nAuthorization: Bearer {key}\r\n")
    }

    /// Far more than the buffers of a socket hold.
    async fn fill(&self) {
        for part in 0..10 {
            let events: Vec<_> = (0..1000)
                .map(|number| {
                    let data = json!({"text": "x".repeat(4000)});
                    event_with(&format!("{part}-{number}"), json!({"data": data}))
                })
                .collect();
            self.server.take(&events).await;
        }
    }

    /// A client in the middle of a large export, which has stopped reading.
    async fn export_half_read(&self) -> TcpStream {
        let head = self.head("GET /v1/events/export");
        let mut client = self.connect(&format!("{head}\r\n")).await;
        let mut some = vec![0; 64 << 10];
        timeout(LONG, client.read_exact(&mut some)).await.unwrap().unwrap();
        assert!(some.starts_with(b"HTTP/1.1 200"));
        client
    }
}

async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A connection that is reset has ended too.
    timeout(LONG, client.read_to_end(&mut all)).await.unwrap().ok();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_speak_are_cut() {
    let header_timeout = Duration::from_millis(300);
    let listening = listen(ServerConfig { header_timeout, ..ServerConfig::default() }).await;
    for said in ["", "GET /livez HT", "PRI * HTTP/2.0\r\n", "GET /livez HTTP/1.1\r\nHost: a\r\n"] {
        let started = Instant::now();
        let mut client = listening.connect(said).await;
        rest(&mut client).await;
        assert!(started.elapsed() < Duration::from_secs(5), "{said:?}");
    }
    // One that has spoken and then falls silent is cut too.
    let mut client = listening.connect("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = rest(&mut client).await;
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"ok\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_in_its_body_is_told() {
    let body_idle_timeout = Duration::from_millis(300);
    let listening = listen(ServerConfig { body_idle_timeout, ..ServerConfig::default() }).await;
    let head = listening.head("POST /v1/events");
    let mut client = listening.connect(&format!("{head}Content-Length: 100\r\n\r\n{{")).await;
    let answer = rest(&mut client).await;
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_frees_its_place() {
    let listening = listen(ServerConfig { max_exports: 1, ..ServerConfig::default() }).await;
    listening.fill().await;
    let client = listening.export_half_read().await;
    let server = &listening.server;
    server.metric("auditlake_exports_running 1", Duration::from_secs(1)).await;
    server.get("/v1/events/export").await.problem(429, &["1 exports run already"]);
    drop(client);
    server.metric("auditlake_exports_running 0", Duration::from_secs(1)).await;
    assert_eq!(server.get("/v1/events/export?limit=1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_given_up_without_a_clean_end() {
    let export_stall_timeout = Duration::from_millis(500);
    let listening = listen(ServerConfig { export_stall_timeout, ..ServerConfig::default() }).await;
    listening.fill().await;
    let mut client = listening.export_half_read().await;
    let server = &listening.server;
    server.metric("auditlake_exports_running 1", Duration::from_secs(1)).await;
    server.metric("auditlake_exports_running 0", LONG).await;
    assert!(!rest(&mut client).await.ends_with(b"0\r\n\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_export_ends_cleanly() {
    let listening = listen(ServerConfig::default()).await;
    listening.server.take(&[event("one")]).await;
    let head = listening.head("GET /v1/events/export");
    let mut client = listening.connect(&format!("{head}Connection: close\r\n\r\n")).await;
    let answer = rest(&mut client).await;
    assert!(answer.ends_with(b"\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_a_running_request_finish() {
    let listening = listen(ServerConfig::default()).await;
    let body = event("last").to_string();
    let head = listening.head("POST /v1/events");
    let (one, two) = body.split_at(20);
    let request = format!("{head}Content-Length: {}\r\n\r\n{one}", body.len());
    let mut client = listening.connect(&request).await;
    let idle = listening.connect("").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    listening.stop.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!listening.running.is_finished());
    assert!(TcpStream::connect(listening.address).await.is_err());
    client.write_all(two.as_bytes()).await.unwrap();
    let answer = String::from_utf8(rest(&mut client).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"accepted\":1"), "{answer}");
    timeout(LONG, listening.running).await.unwrap().unwrap().unwrap();
    drop(idle);
    assert_eq!(listening.server.ids("").await, ["last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_breaks_off_what_outlives_its_grace() {
    let shutdown_grace = Duration::from_millis(300);
    let listening = listen(ServerConfig { shutdown_grace, ..ServerConfig::default() }).await;
    listening.fill().await;
    let mut client = listening.export_half_read().await;
    listening.stop.send(()).unwrap();
    timeout(Duration::from_secs(5), listening.running).await.unwrap().unwrap().unwrap();
    assert!(!rest(&mut client).await.ends_with(b"0\r\n\r\n"));
    listening.server.metric("auditlake_exports_running 0", Duration::ZERO).await;
}
