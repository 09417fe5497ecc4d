//! `GET /v1/events/export`: all events that filters select, as one file, streamed.

use auditlake_export::{Compression, Encoder, Format, Options};
use auditlake_model::columns;
use auditlake_model::time::format_rfc3339;
use auditlake_query::{Order, ScanRequest};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;

use crate::params::Params;
use crate::problem::Problem;
use crate::pump::{self, Slot};
use crate::state::AppState;

/// Seconds after which a client may try again when enough exports run.
const RETRY_EXPORT: u32 = 10;

pub(crate) async fn get(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let (options, scan) = read(Params::read(request.uri().query()))?;
    let Some(permit) = state.export_permit() else {
        let most = state.config().max_exports;
        let detail = format!("{most} exports run already, and no more may; come back later");
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(RETRY_EXPORT));
    };
    let slot = Slot::new(permit, state.metrics().exports_running.clone());
    let snapshot = state.lake().snapshot();
    let name = file_name(state.environment().clock.now_us(), &options);
    tracing::info!(file = name, "export begins");
    let encoder = Encoder::in_order(scan.schema()?, options, scan.keeps_segment_order())?;
    let engine = state.engine();
    let renderers = encoder.renderers(engine.partitions())?;
    let rendered = state.in_time(engine.render(&snapshot, &scan, renderers)).await??;
    let (outlet, body) = pump::channel(&state, slot);
    let (runtime, span) = (Handle::current(), tracing::Span::current());
    // Compressing keeps a processor busy, so it has a thread of its own. The tracker owns it;
    // it ends when the client leaves or the server stops.
    drop(state.tasks().spawn_blocking(move || {
        let _entered = span.enter();
        runtime.block_on(pump::run(rendered, encoder, outlet));
    }));
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
        .map_err(|error| Problem::internal("naming an export", &error))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type(&options))),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, body).into_response())
}

fn read(mut params: Params) -> Result<(Options, ScanRequest), Problem> {
    let format = params.take("format")?.map(|text| text.parse::<Format>()).transpose()?;
    let mut options = Options::new(format.unwrap_or(Format::Ndjson));
    if let Some(text) = params.take("compression")? {
        options.compression = text.parse()?;
    }
    if let Some(safe) = params.switch("csv_safe")? {
        if options.format != Format::Csv {
            let reason = format!("format {} has no use for it, only csv has", options.format);
            return Err(Problem::parameter("csv_safe", &reason));
        }
        options.csv.safe = safe;
    }
    options.check()?;
    let columns = params.take("columns")?.map(|list| columns::parse_list(&list)).transpose()?;
    let order = params.take("order")?.map(|text| text.parse::<Order>());
    let order = order.transpose().map_err(|reason| Problem::parameter("order", &reason))?;
    let limit = params.number("limit", 1..=usize::MAX)?;
    let filter = params.filter()?;
    params.finish()?;
    let order = order.unwrap_or_default();
    Ok((options, ScanRequest { filter, columns, order, limit, after: None }))
}

/// `auditlake-export-20260301T093000Z.ndjson.gz`
fn file_name(now_us: i64, options: &Options) -> String {
    let now = format_rfc3339(now_us);
    let seconds: String =
        now.chars().take_while(|char| *char != '.').filter(char::is_ascii_alphanumeric).collect();
    let (format, compression) = (options.format.extension(), options.compression.extension());
    format!("auditlake-export-{seconds}Z.{format}{compression}")
}

/// The compressed file is what the client asked for, to keep as it is; so the compression is
/// its type and no `Content-Encoding`, which a client would undo.
fn content_type(options: &Options) -> &'static str {
    match options.compression {
        Compression::None => options.format.content_type(),
        Compression::Gzip => "application/gzip",
        Compression::Zstd => "application/zstd",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_second() {
        let mut options = Options::new(Format::Csv);
        options.compression = Compression::Zstd;
        let name = file_name(1_772_357_400_999_999, &options);
        assert_eq!(name, "auditlake-export-20260301T093000Z.csv.zst");
    }
}
