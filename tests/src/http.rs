//! A client of the HTTP API, as plain as one can be.

use std::time::Duration;

use serde_json::Value;

/// A server that says nothing for so long has failed the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client.
#[derive(Clone, Debug)]
pub struct Http(reqwest::Client);

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its media type.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", text()))
    }

    /// Checks that it is an error as the API promises them.
    #[track_caller]
    pub fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.content_type, "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
}

impl Http {
    pub(crate) fn new() -> Self {
        // Which provider is used must be said even where nothing is encrypted; a test that
        // makes a second client finds it said already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_built_in_root_certs(false)
            // Servers show certificates that a test has just made; that they are checked by
            // those who check is what the tests of TLS are for.
            .danger_accept_invalid_certs(true)
            .connect_timeout(PATIENCE)
            .build();
        Self(client.expect("a client without particular wishes"))
    }

    /// Gets a URL, with a key unless it is empty.
    pub async fn get(&self, url: &str, key: &str) -> Result<Answer, reqwest::Error> {
        whole(self.begin(url, key).timeout(PATIENCE)).await
    }

    fn begin(&self, url: &str, key: &str) -> reqwest::RequestBuilder {
        let request = self.0.get(url);
        if key.is_empty() { request } else { request.bearer_auth(key) }
    }
}

/// A server, and the key to it.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) http: Http,
    /// Where it is, without a slash at the end.
    pub url: String,
    /// The operator's key.
    pub key: String,
}

impl Target {
    /// Gets a path.
    pub async fn get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        self.http.get(&format!("{}{path}", self.url), &self.key).await
    }

    /// Gets a path; the body is still to be read, and may take its time.
    pub async fn open(&self, path: &str) -> Result<reqwest::Response, reqwest::Error> {
        self.http.begin(&format!("{}{path}", self.url), &self.key).send().await
    }

    /// Posts JSON to a path.
    pub async fn post(&self, path: &str, body: Vec<u8>) -> Result<Answer, reqwest::Error> {
        let request = self.http.0.post(format!("{}{path}", self.url)).bearer_auth(&self.key);
        let request = request.header("content-type", "application/json").body(body);
        whole(request.timeout(PATIENCE)).await
    }

    /// Posts events as NDJSON.
    pub async fn post_events(&self, lines: Vec<u8>) -> Result<Answer, reqwest::Error> {
        let request = self.http.0.post(format!("{}/v1/events", self.url)).bearer_auth(&self.key);
        let request = request.header("content-type", "application/x-ndjson").body(lines);
        whole(request.timeout(PATIENCE)).await
    }
}

async fn whole(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type");
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_owned();
    Ok(Answer { status, content_type, body: response.bytes().await?.to_vec() })
}
