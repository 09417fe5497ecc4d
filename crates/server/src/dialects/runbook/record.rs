//! An event as the runbook operator gives it, and the envelope around its JSON.

use std::borrow::Cow;

use auditlake_export::{Cell, Envelope, Row, Shape};
use auditlake_model::columns::at;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::dialects::EnvelopeFacts;
use crate::dialects::times::shortest;

/// The runbook operator's schema.
#[derive(Debug)]
pub(in crate::dialects) struct Record;

impl Shape for Record {
    fn columns(&self) -> &'static [&'static str] {
        &[
            "id",
            "timestamp",
            "action",
            "user",
            "role",
            "resource",
            "resourceType",
            "namespace",
            "sourceIP",
            "checksum",
        ]
    }

    fn cells<'a>(&self, event: &Row<'a>, cells: &mut Vec<Cell<'a>>) {
        let text = |column| Cell::text(event.text(column));
        cells.extend([
            text(at::ID),
            Cell::Text(Cow::Owned(shortest(event.micros(at::OCCURRED_AT)))),
            text(at::TYPE),
            Cell::text(event.text(at::ACTOR_EMAIL).or_else(|| event.text(at::ACTOR_ID))),
            text(at::ACTOR_ROLE),
            text(at::TARGET_ID),
            text(at::TARGET_KIND),
            text(at::NAMESPACE),
            text(at::CONTEXT_IP),
            Cell::Text(Cow::Owned(checksum(event.line()))),
        ]);
    }

    fn needs_line(&self) -> bool {
        true
    }
}

/// `sha256:` and the digest of the canonical line: of the very bytes that an NDJSON export has.
fn checksum(line: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(line))
}

/// What stands around the records.
#[derive(Serialize)]
struct Head<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'a str,
    kind: &'a str,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    exported_at: String,
    from: String,
    to: String,
    total_records: u64,
    format: &'a str,
}

pub(in crate::dialects) fn envelope(facts: &EnvelopeFacts) -> Envelope {
    let to = shortest(facts.to_us.map_or(facts.exported_at_us, last_of));
    let head = Head {
        api_version: "v1",
        kind: "AuditExport",
        metadata: Metadata {
            exported_at: shortest(whole_second(facts.exported_at_us)),
            from: facts.from_us.map_or_else(|| to.clone(), shortest),
            to,
            total_records: facts.total,
            format: facts.format.extension(),
        },
    };
    // Texts and a number: there is nothing in it that could not be written.
    let head = serde_json::to_string(&head).unwrap_or_default();
    let open = head.strip_suffix('}').unwrap_or_default();
    Envelope { before: format!("{open},\"records\":[\n"), after: "]}\n".to_owned() }
}

/// The end of a range as its reader writes it, who counts it in: the second before the bound
/// that is not counted in, or the millisecond, or the microsecond.
fn last_of(bound_us: i64) -> i64 {
    let unit = [1_000_000, 1000].into_iter().find(|unit| bound_us.rem_euclid(*unit) == 0);
    bound_us - unit.unwrap_or(1)
}

/// The second in which an instant lies.
pub(super) fn whole_second(micros: i64) -> i64 {
    micros - micros.rem_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use auditlake_export::Format;
    use auditlake_model::time::parse_rfc3339;

    #[test]
    fn the_envelope_is_the_documented_one() {
        let at = |text: &str| Some(parse_rfc3339(text).unwrap());
        let facts = EnvelopeFacts {
            exported_at_us: at("2026-03-19T16:00:00.25Z").unwrap(),
            from_us: at("2026-03-01T00:00:00Z"),
            to_us: at("2026-03-19T16:00:01Z"),
            total: 1250,
            format: Format::Json,
        };
        let Envelope { before, after } = envelope(&facts);
        assert_eq!(
            format!("{before}{after}"),
            "{\"apiVersion\":\"v1\",\"kind\":\"AuditExport\",\"metadata\":{\
             \"exportedAt\":\"2026-03-19T16:00:00Z\",\"from\":\"2026-03-01T00:00:00Z\",\
             \"to\":\"2026-03-19T16:00:00Z\",\"totalRecords\":1250,\"format\":\"json\"},\
             \"records\":[\n]}\n"
        );
    }

    #[test]
    fn an_end_is_shown_as_it_is_counted_in() {
        let shown = |bound: &str| shortest(last_of(parse_rfc3339(bound).unwrap()));
        assert_eq!(shown("2026-04-01T00:00:00Z"), "2026-03-31T23:59:59Z");
        assert_eq!(shown("2026-03-31T12:00:00.124Z"), "2026-03-31T12:00:00.123000Z");
        assert_eq!(shown("2026-03-31T12:00:00.123457Z"), "2026-03-31T12:00:00.123456Z");
    }

    #[test]
    fn a_checksum_is_that_of_the_line() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(checksum(b""), empty);
    }
}
