//! The trailers of an export on a real socket: there behind a whole file, and never behind a
//! broken one.

use std::time::Duration;

use auditlake_server::{ServerConfig, run};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::harness::{Server, event_with, events};

const LONG: Duration = Duration::from_secs(20);

/// What a client on a socket gets that asks for an export, and understands trailers if it says
/// so. It stops reading when the server closes.
async fn export(server: &Server, parameters: &str, more: &str) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (router, state) = (server.app.clone(), server.state.clone());
    let running = tokio::spawn(run(listener, router, state, async move {
        stopped.await.ok();
    }));
    let mut client = TcpStream::connect(address).await.unwrap();
    let key = &server.key;
    let request = format!(
        "GET /v1/events/export?{parameters} HTTP/1.1\r\nHost: lake\r\nConnection: close\r\n\
         Authorization: Bearer {key}\r\n{more}\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, client.read_to_end(&mut answer)).await.unwrap().ok();
    stop.send(()).unwrap();
    timeout(LONG, running).await.unwrap().unwrap().unwrap();
    answer
}

/// The body of an answer in chunks, and what stands behind its last chunk.
fn unchunked(answer: &[u8]) -> (Vec<u8>, String) {
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let (mut body, mut rest) = (Vec::new(), &answer[head + 4..]);
    loop {
        let end = rest.windows(2).position(|bytes| bytes == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, String::from_utf8(rest.to_vec()).unwrap());
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_file_has_its_rows_and_digest_behind_it() {
    let server = Server::start().await;
    server.take(&events("e", 50)).await;
    let answer = export(&server, "format=csv&type=user.*", "TE: trailers\r\n").await;
    let (body, trailers) = unchunked(&answer);
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 51);
    let digest = STANDARD.encode(Sha256::digest(&body));
    let lines: Vec<_> = trailers.split("\r\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 2, "{trailers}");
    assert!(lines.contains(&"auditlake-rows: 50"), "{trailers}");
    let wanted = format!("repr-digest: sha-256=:{digest}:");
    assert!(lines.contains(&wanted.as_str()), "{trailers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_know_trailers_gets_a_clean_end_all_the_same() {
    let server = Server::start().await;
    server.take(&events("e", 3)).await;
    let (body, trailers) = unchunked(&export(&server, "type=user.*", "").await);
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 3);
    assert_eq!(trailers, "\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_has_neither_trailers_nor_a_clean_end() {
    let config = ServerConfig { shutdown_grace: Duration::from_millis(100), ..Default::default() };
    let server = Server::with(config).await;
    server.take(&events("e", 50)).await;
    server.take(&[event_with("bad", json!({"occurred_at": "2026-03-09T00:00:00Z"}))]).await;
    let condition = "1 / (CASE WHEN id = 'bad' THEN 0 ELSE 1 END) = 1";
    let condition: String = url::form_urlencoded::byte_serialize(condition.as_bytes()).collect();
    let parameters = format!("type=user.*&where={condition}");
    let answer = export(&server, &parameters, "TE: trailers\r\n").await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(!text.contains("auditlake-rows:") && !text.contains("repr-digest:"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
}
