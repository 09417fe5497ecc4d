//! `serve` with a certificate, asked by curl: both versions of HTTP, clients that do not trust
//! it or do not greet, and files that are not what they should be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use auditlake_tests::{Server, Site};

const FAILED: i32 = 1;
const EVENT: &str = "{\"id\":\"e1\",\"type\":\"user.signed_in\",\
                     \"occurred_at\":\"2026-03-01T00:00:00Z\",\"tenant_id\":\"acme\"}";

/// Makes `<name>.pem` and `<name>.key` beside the lake, for this machine.
fn certificate(site: &Site, name: &str) -> (String, String) {
    let path = |end: &str| site.folder().join(format!("{name}.{end}")).display().to_string();
    let (cert, key) = (path("pem"), path("key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-keyout", &key, "-out", &cert])
        .output()
        .expect("openssl starts; `cargo xtask test` installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (cert, key)
}

async fn start(site: &Site) -> (Server, String) {
    let (cert, key) = certificate(site, "own");
    let server = site.start_with(&["--tls-cert", &cert, "--tls-key", &key], &[]).await;
    assert!(server.target().url.starts_with("https://"), "{}", server.target().url);
    (server, cert)
}

fn curl(arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "--max-time", "30"]).args(arguments);
    command.output().expect("curl starts; `cargo xtask test` installs it")
}

/// What curl printed, if it was content.
#[track_caller]
fn said(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn connect(server: &Server) -> TcpStream {
    let url = server.target().url;
    let address = url.strip_prefix("https://").expect("an address behind the scheme");
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit of time");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_of_http_are_spoken_over_tls() {
    let site = Site::new();
    let (server, cert) = start(&site).await;
    let (url, bearer) =
        (server.target().url, format!("Authorization: Bearer {}", server.target().key));
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let trusted = ["--cacert", cert.as_str(), flag, "-H", bearer.as_str()];
        let ask = |more: &[&str]| said(&curl(&[&trusted[..], more].concat()));
        let live = ask(&["-w", "%{http_version}", &format!("{url}/livez")]);
        assert_eq!(live, format!("ok\n{version}"));
        let events = format!("{url}/v1/events");
        let taken = ask(&["-H", "Content-Type: application/json", "-d", EVENT, &events]);
        assert!(taken.contains("\"accepted\""), "{taken}");
        let exported = ask(&[&format!("{events}/export")]);
        let ours: Vec<_> = exported.lines().filter(|line| line.contains("\"e1\"")).collect();
        assert_eq!(ours.len(), 1, "HTTP/{version}: {exported}");
    }
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_know_the_certificate_or_speaks_plainly_gets_no_answer() {
    /// What curl ends with when it cannot trust a server.
    const UNTRUSTED: i32 = 60;
    let site = Site::new();
    let (server, _) = start(&site).await;
    let (other, _) = certificate(&site, "other");
    let live = format!("{}/livez", server.target().url);
    for wrong in [vec![live.as_str()], vec!["--cacert", other.as_str(), live.as_str()]] {
        let output = curl(&wrong);
        assert_eq!(output.status.code(), Some(UNTRUSTED), "{wrong:?}");
        assert!(output.stdout.is_empty());
    }
    let mut plain = connect(&server);
    plain.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    // A connection that is reset has ended too.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
    assert!(server.target().get("/livez").await.is_ok_and(|answer| answer.status == 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_greet_keep_nobody_waiting_and_are_cut() {
    let site = Site::new();
    let (server, cert) = start(&site).await;
    let live = format!("{}/livez", server.target().url);
    let started = Instant::now();
    let mut silent: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    assert_eq!(said(&curl(&["--cacert", &cert, &live])), "ok\n");
    assert!(started.elapsed() < Duration::from_secs(5), "a greeting was waited for");
    let _ = silent[0].read(&mut [0]);
    let cut = started.elapsed();
    assert!(cut > Duration::from_secs(5), "the one was cut after {cut:?}");
    assert!(cut < Duration::from_secs(20), "the one was cut only after {cut:?}");

    // Who is in the middle of it when the server ends has asked for nothing yet.
    let _waiting = connect(&server);
    let started = Instant::now();
    assert!(server.stop().await.success());
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn files_that_do_not_fit_are_named_and_use_up_no_key() {
    let site = Site::new();
    let (cert, key) = certificate(&site, "own");
    let (_, foreign) = certificate(&site, "other");
    let none = site.folder().join("none.pem").display().to_string();
    let (cert, key) = (cert.as_str(), key.as_str());
    let (foreign, none) = (foreign.as_str(), none.as_str());
    for (flags, words) in [
        (vec!["--tls-cert", cert], "tls_key"),
        (vec!["--tls-key", key], "tls_cert"),
        (vec!["--tls-cert", none, "--tls-key", key], "none.pem"),
        (vec!["--tls-cert", cert, "--tls-key", none], "none.pem"),
        (vec!["--tls-cert", key, "--tls-key", key], "own.key"),
        (vec!["--tls-cert", cert, "--tls-key", foreign], "own.pem"),
    ] {
        let ran = site.run(["serve", "--listen", "127.0.0.1:0"].iter().chain(&flags));
        assert!(!ran.text().contains("alk_"), "{flags:?}: a key was shown");
        let complaint = ran.failed(FAILED);
        assert!(complaint.contains(words), "{flags:?}: {words:?} is not in {complaint}");
    }
}
