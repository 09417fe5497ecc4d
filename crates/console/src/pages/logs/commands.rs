//! The same event for people at a terminal: as a call of the API, as a command, and as SQL. Each
//! may be pasted as it is, whatever the event's tenant and id look like.

use crate::api::event_schema::sql_text;
use crate::api::events::Event;

/// The commands.
pub(crate) struct Commands {
    pub(crate) curl: String,
    pub(crate) cli: String,
    pub(crate) sql: String,
}

impl Commands {
    pub(crate) fn of(event: &Event) -> Self {
        let text = |column: &str| event.get(column).unwrap_or_default();
        let (id, tenant, seq) = (text("id"), text("tenant_id"), text("seq"));
        let next = seq.parse::<u64>().map_or(0, |seq| seq.saturating_add(1));
        let in_tenant = format!("tenant_id = {}", sql_text(tenant));
        Self {
            curl: format!(
                "curl -sS -H \"Authorization: Bearer $AUDITLAKE_KEY\" \\\n  \
                 \"$AUDITLAKE_URL/v1/events/{}?tenant_id={}\"",
                encoded(id),
                encoded(tenant)
            ),
            cli: format!(
                "auditlake export --where {} --seq-from {seq} --seq-to {next} --format ndjson",
                quoted(&in_tenant)
            ),
            sql: format!(
                "SELECT * FROM events\nWHERE {in_tenant} AND seq = {seq}\n  AND occurred_at = {}",
                sql_text(text("occurred_at"))
            ),
        }
    }
}

/// A text as one part of an address.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_event_ends_its_quotes() {
        let line = r#"{"id":"a\"$(b)/..","seq":7,"tenant_id":"it's \"$x\""}"#;
        let commands = Commands::of(&serde_json::from_str(line).unwrap());
        assert!(
            commands
                .curl
                .ends_with("/v1/events/a%22%24%28b%29%2F%2E%2E?tenant_id=it%27s%20%22%24x%22\"")
        );
        let word = r#"--where 'tenant_id = '\''it'\'''\''s "$x"'\''' --seq-from 7 --seq-to 8 "#;
        assert!(commands.cli.contains(word), "{}", commands.cli);
        assert!(commands.sql.contains(r#"tenant_id = 'it''s "$x"' AND seq = 7"#));
    }
}
