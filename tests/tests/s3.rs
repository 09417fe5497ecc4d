//! A lake in a real S3 server (moto, from PyPI): the contract that the lake needs of a store,
//! and import, export and status by the real binary.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use auditlake_lake::Root;
use auditlake_model::sample::{Sample, SampleConfig};
use auditlake_testkit::object_store_conformance;
use auditlake_tests::binary;

/// The server; killed when dropped.
struct S3 {
    process: Child,
    endpoint: String,
}

impl S3 {
    fn start() -> Self {
        let python = std::env::var("AUDITLAKE_TEST_PYTHON")
            .expect("AUDITLAKE_TEST_PYTHON names a Python with moto; `cargo xtask test` sets it");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("a free port").port();
        let process = Command::new(&python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let server = Self { process, endpoint: format!("http://127.0.0.1:{port}") };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "moto did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        let made = Command::new(&python)
            .args(["-c", "import boto3; boto3.client('s3').create_bucket(Bucket='audit')"])
            .envs(server.variables())
            .env("AWS_ENDPOINT_URL", &server.endpoint)
            .status();
        assert!(made.expect("python runs").success(), "the bucket is made");
        server
    }

    fn variables(&self) -> [(&'static str, &str); 6] {
        [
            ("AWS_ENDPOINT", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ]
    }

    fn auditlake(&self, wal: &std::path::Path, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new(binary())
            .args(arguments)
            .args(["--lake", "s3://audit/lake", "--wal-dir"])
            .arg(wal)
            .arg("--key-dir")
            .arg(wal.with_file_name("keys"))
            .envs(self.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        child.stdin.take().expect("a pipe").write_all(input).expect("it reads its input");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        output
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn s3_keeps_the_contract_of_a_store() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = S3::start();
    let options = server.variables().map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let root = Root::open("s3://audit", true, options).expect("a root");
    object_store_conformance(root.store().as_ref()).await;
}

#[test]
fn a_lake_in_s3_gives_back_what_it_took() {
    let server = S3::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wal = folder.path().join("wal");
    let config = SampleConfig { events: 2000, days: 3, ..SampleConfig::default() };
    let mut lines = Vec::new();
    Sample::new(config).write(2000, &mut lines);
    let imported = server.auditlake(&wal, &["import", "-", "--json"], &lines);
    let imported: serde_json::Value = serde_json::from_slice(&imported.stdout).expect("JSON");
    assert_eq!(imported["accepted"], 2000);
    let again = server.auditlake(&wal, &["import", "-", "--json"], &lines);
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!((again["accepted"].as_u64(), again["duplicates"].as_u64()), (Some(0), Some(2000)));
    // Another machine, without that WAL: everything is in the bucket.
    let elsewhere = folder.path().join("elsewhere");
    let exported = server.auditlake(&elsewhere, &["export", "--format", "ndjson"], b"");
    let mut ids: Vec<String> = ids(&exported.stdout);
    let mut wanted = self::ids(&lines);
    ids.sort();
    wanted.sort();
    assert!(ids == wanted, "{} of {} ids came back", ids.len(), wanted.len());
    let status = server.auditlake(&elsewhere, &["status", "--json"], b"");
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!((status["events"].as_u64(), status["segments"].as_u64()), (Some(2000), Some(3)));
}

fn ids(lines: &[u8]) -> Vec<String> {
    let events = serde_json::Deserializer::from_slice(lines).into_iter::<serde_json::Value>();
    events.map(|event| event.expect("an event")["id"].as_str().expect("an id").to_owned()).collect()
}
