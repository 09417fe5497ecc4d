//! A claim in plain sentences: what whoever holds the files may conclude once they were verified,
//! and what not.

use serde::Deserialize;

use super::{ProofComplete, ProofLog};

/// More tenants than these are counted, not named.
const MOST_NAMED: usize = 5;

const NOT_CLAIMED: &str = "It is not claimed that nothing was left out.";

pub(super) fn inclusion(rows: u64, logs: &[ProofLog]) -> String {
    let log = match logs {
        [log] => format!("the tenant log of {}", log.tenant_id),
        logs => format!("the log of its tenant ({})", named(logs)),
    };
    let unchanged = "unchanged, at the position that its seq says";
    match rows {
        0 => format!("There is no event in these files, and so nothing to prove. {NOT_CLAIMED}"),
        1 => {
            format!("The one event in these files is an event of {log}, {unchanged}. {NOT_CLAIMED}")
        }
        rows => format!(
            "Each of the {rows} events in these files is an event of {log}, {unchanged}. \
             {NOT_CLAIMED}"
        ),
    }
}

pub(super) fn complete(logs: &[ProofLog]) -> String {
    let sentences: Vec<String> =
        logs.iter().filter_map(|log| Some(complete_of(log, log.complete.as_ref()?))).collect();
    if sentences.is_empty() {
        return "There is no log, and so nothing to prove.".to_owned();
    }
    sentences.join(" ")
}

fn complete_of(log: &ProofLog, complete: &ProofComplete) -> String {
    let tenant = &log.tenant_id;
    let before = recorded("the event before was", complete.before.as_deref());
    let after = recorded("the event after was", complete.after.as_deref());
    let mut known: Vec<String> = before.into_iter().chain(after).collect();
    let is_empty = complete.from >= complete.to;
    // What no time bounds is bounded by its position.
    let (start, end) = (complete.from, complete.to);
    let which = match (&complete.recorded_from, &complete.recorded_to) {
        (Some(from), Some(to)) => format!("that was recorded from {from} on and before {to}"),
        (Some(from), None) => format!("before position {end} that was recorded from {from} on"),
        (None, Some(to)) if start == 0 => format!("that was recorded before {to}"),
        (None, Some(to)) => format!("from position {start} on that was recorded before {to}"),
        (None, None) if is_empty => {
            return format!(
                "These files have no event, and no position of the tenant log of {tenant} is \
                 claimed: nothing is proved of it."
            );
        }
        (None, None) => {
            return format!(
                "These files have every event of the tenant log of {tenant} at {}, {}",
                positions(complete),
                counted(log.rows)
            );
        }
    };
    if is_empty {
        let known = match known.join("; ") {
            none if none.is_empty() => none,
            known => format!(" ({known})"),
        };
        return format!(
            "The tenant log of {tenant} has no event {which}{known}, and these files have none."
        );
    }
    known.insert(0, positions(complete));
    format!(
        "These files have every event of the tenant log of {tenant} {which} ({}), {}",
        known.join("; "),
        counted(log.rows)
    )
}

fn counted(rows: u64) -> String {
    let events = if rows == 1 { "event" } else { "events" };
    format!("unchanged: {rows} {events}; nothing was left out and nothing added.")
}

fn positions(complete: &ProofComplete) -> String {
    let last = complete.to.saturating_sub(1);
    if complete.from == last {
        format!("position {last}")
    } else {
        format!("positions {} to {last}", complete.from)
    }
}

/// When a neighbour was recorded; nothing for a line that does not say it.
fn recorded(which: &str, line: Option<&str>) -> Option<String> {
    let Recorded { recorded_at } = serde_json::from_str(line?).ok()?;
    Some(format!("{which} recorded at {recorded_at}"))
}

#[derive(Deserialize)]
struct Recorded {
    recorded_at: String,
}

fn named(logs: &[ProofLog]) -> String {
    let names: Vec<&str> = logs.iter().take(MOST_NAMED).map(|log| log.tenant_id.as_str()).collect();
    let names = names.join(", ");
    match logs.len().saturating_sub(MOST_NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}
