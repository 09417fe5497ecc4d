//! The documents of the systems that are spoken here, tried out: each command that they show
//! is run as it stands there, by bash, with the real curl and jq, against the real server and
//! a lake that holds what the document tells of. Only host and token are put in.

mod clawforge;
mod console;
mod hellojohn;
mod openclaw;
mod runbook;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

use auditlake_tests::{Server, Site, Target};
use serde_json::Value;

/// A server that speaks a dialect at the root and under `/compat`, and a place for files.
pub(crate) struct Stage {
    pub(crate) server: Server,
    site: Site,
    certificate: PathBuf,
}

/// What a command said, and with what the server answered it.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its standard output.
    pub(crate) text: String,
    /// The status of the last answer.
    pub(crate) status: u16,
    headers: HashMap<String, String>,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        let text = &self.text;
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// Every JSON value of the output, which jq writes behind each other.
    pub(crate) fn values(&self) -> Vec<Value> {
        let values = serde_json::Deserializer::from_str(&self.text).into_iter();
        values.map(|value| value.expect("jq writes JSON")).collect()
    }

    /// A header of the answer; empty when it has none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Stage {
    /// Over TLS, with a certificate of its own.
    pub(crate) async fn start(dialect: &str) -> Self {
        let site = Site::new();
        let path = |name: &str| site.folder().join(name).display().to_string();
        let (certificate, key) = (path("own.pem"), path("own.key"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-keyout", &key, "-out", &certificate])
            .output()
            .expect("openssl starts; `cargo xtask test` installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let tls = ["--dialect", dialect, "--tls-cert", &certificate, "--tls-key", &key];
        let server = site.start_with(&tls, &[]).await;
        Self::with(site, server)
    }

    /// Without TLS, for documents that say `http://`.
    pub(crate) async fn plain(dialect: &str) -> Self {
        let site = Site::new();
        let server = site.start_with(&["--dialect", dialect], &[]).await;
        Self::with(site, server)
    }

    fn with(site: Site, server: Server) -> Self {
        let folder = site.folder();
        let settings = format!(
            "noproxy = \"*\"\nmax-time = 120\ndump-header = \"{}\"\n",
            folder.join("headers").display()
        );
        std::fs::write(folder.join(".curlrc"), settings).expect("settings for curl");
        let certificate = folder.join("own.pem");
        Self { server, site, certificate }
    }

    pub(crate) fn target(&self) -> Target {
        self.server.target()
    }

    /// Where the server is, by name.
    pub(crate) fn host(&self) -> String {
        self.target().url.replace("127.0.0.1", "localhost")
    }

    /// Puts events into the lake.
    pub(crate) async fn take(&self, events: &[Value]) {
        let target = self.target();
        for some in events.chunks(5000) {
            let lines: String = some.iter().map(|event| format!("{event}\n")).collect();
            let answer = target.post_events(lines.into_bytes()).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        }
    }

    /// Makes a key; `wanted` has its role and where its holder belongs.
    pub(crate) async fn key(&self, mut wanted: Value) -> String {
        wanted["name"] = "seed".into();
        let body = wanted.to_string().into_bytes();
        let answer = self.target().post("/v1/keys", body).await.expect("an answer");
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()["key"].as_str().expect("the key is shown").to_owned()
    }

    /// Runs a command beside the lake, with the token in `$TOKEN`.
    pub(crate) fn bash(&self, command: &str, token: &str) -> Said {
        let folder = self.site.folder();
        let headers = folder.join("headers");
        // Each command has its own; one that reaches no server has none.
        let _ = std::fs::remove_file(&headers);
        let output = Command::new("bash")
            .args(["-o", "pipefail", "-c", command])
            .current_dir(folder)
            .env("TOKEN", token)
            .env("CURL_HOME", folder)
            .env("CURL_CA_BUNDLE", &self.certificate)
            .output()
            .expect("bash starts");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{}: {complaint}", output.status);
        let headers = std::fs::read_to_string(headers).expect("curl got an answer");
        let status = headers.lines().rev().find_map(|line| line.strip_prefix("HTTP/"));
        let status = status.and_then(|line| line.split_whitespace().nth(1));
        let pair = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        Said {
            text: String::from_utf8(output.stdout).expect("the output is UTF-8"),
            status: status.and_then(|code| code.parse().ok()).expect("an answer has a status"),
            headers: headers.lines().filter_map(pair).collect(),
        }
    }

    /// Gets a path with the token.
    pub(crate) fn get(&self, path: &str, token: &str) -> Said {
        let url = format!("{}{path}", self.host());
        self.bash(&format!("curl -sS -H \"Authorization: Bearer $TOKEN\" '{url}'"), token)
    }

    /// A file that a command has written.
    pub(crate) fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.site.folder().join(name)).expect("a file of text")
    }
}

/// The records of a CSV, its header first.
pub(crate) fn csv_records(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let cells = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
    reader.records().map(|record| cells(record.expect("a record of CSV"))).collect()
}

/// The lines of an NDJSON.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}
