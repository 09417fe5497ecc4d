//! The one call of C2SP tlog-witness that is needed here: `add-checkpoint`. Bounded in time and
//! bytes; it follows no redirects, because a witness is who was configured and nobody else.

use std::time::Duration;

use auditlake_tlog::{Hash, Note, Signature};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use reqwest::redirect::Policy;
use url::Url;

use super::Failed;

/// How long an answer may take, and how much it may bring.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 64 << 10;
/// How much of a refusal is told.
const TOLD_CHARS: usize = 200;

/// Where a witness takes checkpoints.
pub(super) struct Client {
    http: reqwest::Client,
    address: Url,
}

/// What a witness says to a checkpoint.
#[derive(Debug)]
pub(super) enum Answer {
    /// It has signed; these are the lines.
    Signed(Vec<Signature>),
    /// It signed a checkpoint of this size last, not of the one that the proof begins with.
    Knows(u64),
}

impl Client {
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let address =
            Url::parse(&address).map_err(|error| format!("{address:?} is no URL: {error}"))?;
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| format!("no client for HTTP: {error}"))?;
        Ok(Self { http, address })
    }

    /// Asks the witness to sign a checkpoint, which goes on from the one of `old` events.
    pub(super) async fn add_checkpoint(
        &self,
        old: u64,
        proof: &[Hash],
        note: &Note,
    ) -> Result<Answer, Failed> {
        let silent = |error: reqwest::Error| Failed::Silent(error.to_string());
        let request = self.http.post(self.address.as_str()).body(body_of(old, proof, note));
        let mut response = request.send().await.map_err(silent)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(silent)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(Failed::Refused(format!("its answer has over {MAX_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        answer_of(status, &String::from_utf8_lossy(&body))
    }
}

fn body_of(old: u64, proof: &[Hash], note: &Note) -> String {
    let lines = proof.iter().map(|hash| STANDARD.encode(hash) + "\n");
    format!("old {old}\n{}\n{note}", lines.collect::<String>())
}

fn answer_of(status: StatusCode, body: &str) -> Result<Answer, Failed> {
    match status {
        StatusCode::OK => {
            let lines = body.lines().filter(|line| !line.is_empty());
            let lines: Result<Vec<_>, _> = lines.map(str::parse::<Signature>).collect();
            lines
                .map(Answer::Signed)
                .map_err(|error| Failed::Refused(format!("its answer is no signature: {error}")))
        }
        StatusCode::CONFLICT => match body.strip_suffix('\n').unwrap_or(body).parse() {
            Ok(size) => Ok(Answer::Knows(size)),
            // It may also be a conflict about the root of this size.
            Err(_) => Err(refused(status, body)),
        },
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(Failed::Silent(told(status, body)))
        }
        status => Err(refused(status, body)),
    }
}

fn refused(status: StatusCode, body: &str) -> Failed {
    Failed::Refused(told(status, body))
}

/// A short quotation on one line: the text is somebody else's.
fn told(status: StatusCode, body: &str) -> String {
    let text: String = body.chars().take(TOLD_CHARS).collect();
    format!("it answers {status}: {:?}", text.trim())
}

#[cfg(test)]
mod tests {
    use auditlake_tlog::SigningKey;

    use super::*;

    #[test]
    fn a_request_has_size_proof_and_note() {
        let key = SigningKey::from_seed([7; 32]);
        let text = "lake/acme\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
        let signature = key.sign("lake/acme", text).unwrap();
        let line = signature.to_string();
        let note = Note { text: text.to_owned(), signatures: vec![signature] };
        let zeros = STANDARD.encode([0; 32]);
        assert_eq!(body_of(0, &[], &note), format!("old 0\n\n{text}\n{line}\n"));
        assert_eq!(body_of(2, &[[0; 32]], &note), format!("old 2\n{zeros}\n\n{text}\n{line}\n"));
    }

    #[test]
    fn answers_are_told_apart() {
        let line = SigningKey::from_seed([7; 32]).sign("w", "x\n").unwrap();
        let signed = answer_of(StatusCode::OK, &format!("{line}\n"));
        assert!(matches!(&signed, Ok(Answer::Signed(lines)) if *lines == [line.clone()]));
        assert!(matches!(answer_of(StatusCode::CONFLICT, "17\n"), Ok(Answer::Knows(17))));
        let other = answer_of(StatusCode::CONFLICT, "another root\n");
        assert!(matches!(other, Err(Failed::Refused(why)) if why.contains("another root")));
        for status in [StatusCode::BAD_GATEWAY, StatusCode::TOO_MANY_REQUESTS] {
            assert!(matches!(answer_of(status, ""), Err(Failed::Silent(_))), "{status}");
        }
        for status in [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::FOUND] {
            assert!(matches!(answer_of(status, ""), Err(Failed::Refused(_))), "{status}");
        }
        assert!(matches!(answer_of(StatusCode::OK, "<html>"), Err(Failed::Refused(_))));
    }
}
