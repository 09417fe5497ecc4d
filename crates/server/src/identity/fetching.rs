//! How an identity provider is asked: bounded in time and bytes, without redirects, and over TLS
//! unless it is on this machine.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode};
use url::{Host, Url};

/// How long an answer may take, and how much it may bring.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 1 << 20;

/// Asks an identity provider. Clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Fetcher {
    client: reqwest::Client,
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| format!("no client for HTTP: {error}"))?;
        Ok(Self { client })
    }

    /// What lies at an address.
    pub(super) async fn get(&self, address: &Url) -> Result<Vec<u8>, String> {
        let request = self.client.get(address.as_str()).header("accept", "application/json");
        match self.send(address, request).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(format!("{address} answers {status}")),
        }
    }

    /// A form to be sent to an address.
    pub(super) fn form(&self, address: &Url, fields: String) -> RequestBuilder {
        self.client
            .post(address.as_str())
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(fields)
    }

    /// The status and the body of an answer. The address is told where something goes wrong, and
    /// nothing of what was sent there.
    pub(super) async fn send(
        &self,
        address: &Url,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Vec<u8>), String> {
        let failed = |error: reqwest::Error| format!("{address}: {error}");
        let mut response = request.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(format!("{address} has more than {MAX_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), body))
    }
}

/// Where the provider says what it has and where.
pub(super) fn discovery_of(issuer: &str) -> Result<Url, String> {
    let base = issuer.trim_end_matches('/');
    checked(&format!("{base}/.well-known/openid-configuration"))
}

/// An address that keys and tokens may come from: whoever could change them on the way could make
/// any token, so only this machine itself is asked without TLS.
pub(super) fn checked(address: &str) -> Result<Url, String> {
    let url = Url::parse(address).map_err(|error| format!("{address:?} is no URL: {error}"))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err(format!("{address:?} must begin with https://")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for address in ["https://id.example.com/x", "http://127.0.0.1:9/x", "http://[::1]/x"] {
            assert!(checked(address).is_ok(), "{address}");
        }
        for address in [
            "http://id.example.com/x",
            "http://127.0.0.1.example.com/x",
            "http://10.0.0.1/x",
            "file:///etc/passwd",
            "id.example.com",
            "",
        ] {
            assert!(checked(address).is_err(), "{address}");
        }
    }
}
