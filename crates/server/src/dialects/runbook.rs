//! The runbook operator: `GET /api/v1/audit/export`, at once up to 10,000 records and beyond
//! that as an export job, and `GET /api/v1/audit/export/download/{job}`, which gives its file.

mod record;

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_export::{Format, Options};
use auditlake_lake::Snapshot;
use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use auditlake_query::{Order, ScanRequest};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::StreamExt;
use serde::Serialize;

use super::asked::{Asked, column, pinned, quoted};
use super::period::End;
use super::times::shortest;
use super::{Dialect, EnvelopeFacts};
use crate::calls::downloads;
use crate::calls::export::{StreamRequest, only_get, stream};
use crate::file_headers::{attachment, compact_day};
use crate::identity::{Permission, Principal};
use crate::jobs::{self, JobRequest, JobState};
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;

use record::whole_second;
pub(super) use record::{Record, envelope};

/// Up to so many records come at once.
const MAX_RECORDS: u64 = 10_000;
/// Seconds after which it is worth to look for a file again.
const RETRY_FILE: u32 = 5;
/// A user stands twice in an expression, which has a bound of its own.
const MAX_USER_BYTES: usize = 500;

pub(super) fn routes(prefix: &str) -> Router<AppState> {
    let export = format!("{prefix}/api/v1/audit/export");
    let file = format!("{export}/download/{{job}}");
    Router::new().route(&export, get(self::export).head(only_get)).route(&file, get(download))
}

async fn export(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditExport)?;
    let now_us = state.environment().clock.now_us();
    let (format, mut asked) = read(Params::read(request.uri().query()), now_us)?;
    // Counted and exported are the same events, although more may arrive in between.
    let snapshot = state.lake().snapshot();
    let filter = pinned(asked.filter()?, &snapshot);
    let total = count(&state, &caller, &snapshot, &filter).await?;
    if total > MAX_RECORDS {
        // The job gives what was counted, and not the event that tells of the job.
        if let Some(bound_us) = filter.recorded.to_us {
            asked.recorded_before(bound_us);
        }
        return promise(&state, &caller, request.uri().path(), format, asked, total).await;
    }
    let from_us = match filter.occurred.from_us {
        // CSV has no envelope to tell it in.
        None if format == Format::Json => oldest(&state, &caller, &snapshot, &filter).await?,
        given => given,
    };
    let facts = EnvelopeFacts {
        exported_at_us: now_us,
        from_us,
        to_us: filter.occurred.to_us,
        total,
        format,
    };
    let request = StreamRequest {
        scan: ScanRequest { filter, order: Order::OldestFirst, ..ScanRequest::of(caller.scope()) },
        options: Options::new(format),
        shape: Some((Arc::new(Record), envelope(&facts))),
        file_name: file_name(now_us, format),
        filter: asked.into_pairs(),
        headers: Vec::new(),
        proof: None,
    };
    stream(&state, &caller, request).await
}

/// The parameters. Without an end the range goes up to now, which is a second like any other
/// end that is written in seconds.
fn read(mut params: Params, now_us: i64) -> Result<(Format, Asked), Problem> {
    let formats = [("csv", Format::Csv), ("json", Format::Json)];
    let format = params.choice("format", &formats)?.unwrap_or(Format::Json);
    let mut asked = Asked::default();
    let (from, to) = (["from", "startDate", "start"], ["to", "endDate", "end"]);
    asked.period(&mut params, &from, &to, End::Included)?;
    asked.take(&mut params, "action", "type")?;
    asked.take(&mut params, "namespace", "namespace")?;
    if let Some(user) = params.take("user")? {
        asked.push("user", "where", is_user(&user)?)?;
    }
    params.finish()?;
    let filter = asked.filter()?;
    if filter.occurred.to_us.is_none() {
        let to_us = whole_second(now_us) + 1_000_000;
        if filter.occurred.from_us.is_some_and(|from_us| from_us > to_us) {
            return Err(Problem::parameter("from", "lies in the future, and the range ends now"));
        }
        asked.end_before(to_us);
    }
    Ok((format, asked))
}

/// A user is whoever a record shows: by the address, or else by the id.
fn is_user(user: &str) -> Result<String, Problem> {
    let reason = match user.len() {
        0 => "has an empty value".to_owned(),
        1..=MAX_USER_BYTES => {
            let (email, id) = (column(at::ACTOR_EMAIL), column(at::ACTOR_ID));
            let user = quoted(user);
            return Ok(format!("{email} = {user} OR ({email} IS NULL AND {id} = {user})"));
        }
        _ => format!("is longer than {MAX_USER_BYTES} bytes"),
    };
    Err(Problem::parameter("user", &reason))
}

/// How many records there are; where it takes too long to count them, how many there may be.
async fn count(
    state: &AppState,
    caller: &Principal,
    snapshot: &Snapshot,
    filter: &Filter,
) -> Result<u64, Problem> {
    let scope = caller.scope();
    match state.in_query_time(state.engine().count(snapshot, &scope, filter)).await {
        Ok(total) => Ok(total?),
        Err(too_slow) => {
            let estimate = state.engine().estimate(snapshot, &scope, filter);
            // A guess may decide for a job, but not be told as the number of records. Where
            // there can be none without a count, that is too slow again.
            match state.in_query_time(estimate).await {
                Ok(estimate) => match estimate?.rows_at_most {
                    0..=MAX_RECORDS => Err(too_slow),
                    many => Ok(many),
                },
                Err(_) => Err(too_slow),
            }
        }
    }
}

/// When the oldest record happened.
async fn oldest(
    state: &AppState,
    caller: &Principal,
    snapshot: &Snapshot,
    filter: &Filter,
) -> Result<Option<i64>, Problem> {
    let scan = ScanRequest {
        filter: filter.clone(),
        columns: Some(vec![at::OCCURRED_AT]),
        order: Order::OldestFirst,
        limit: Some(1),
        ..ScanRequest::of(caller.scope())
    };
    let question = async {
        let mut batches = state.engine().scan(snapshot, &scan).await?;
        while let Some(batch) = batches.next().await.transpose()? {
            let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
            if let Some(first) = times.values().first() {
                return Ok(Some(*first));
            }
        }
        Ok::<_, Problem>(None)
    };
    state.in_query_time(question).await?
}

/// Makes an export job, and says where its file will be.
async fn promise(
    state: &AppState,
    caller: &Principal,
    path: &str,
    format: Format,
    asked: Asked,
    total: u64,
) -> Result<Response, Problem> {
    let request = JobRequest {
        filter: asked.into_pairs(),
        order: Order::OldestFirst,
        shape: Some(Dialect::Runbook.name().to_owned()),
        ..JobRequest::new(format)
    };
    let made = jobs::create(state, caller, request).await?;
    let expires_at_us = expiry(state, state.environment().clock.now_us());
    let url = format!("{path}/download/{}", made.id);
    Ok(pending(&made.id, url, total, expires_at_us))
}

async fn download(
    State(state): State<AppState>,
    caller: Principal,
    job: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    Params::read(request.uri().query()).finish()?;
    let Path(id) = job.map_err(|_| Problem::bad_request("the job in the path is no text"))?;
    let held = jobs::find(&state, &caller, &id).await?;
    let job = &held.value;
    if job.request.shape.as_deref() != Some(Dialect::Runbook.name()) {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no export {id:?}")));
    }
    match job.state {
        JobState::Queued | JobState::Running => {
            let total = job.rows_total.unwrap_or(job.rows);
            let expires_at_us = expiry(&state, job.created_at_us);
            Ok(pending(&id, request.uri().path().to_owned(), total, expires_at_us))
        }
        JobState::Failed => {
            let why = job.error.as_deref().unwrap_or("the server could not make it");
            let detail = format!("export {id} failed: {why}; ask for it anew");
            Err(Problem::new(StatusCode::CONFLICT, detail).with("state", "failed"))
        }
        JobState::Canceled | JobState::Expired => {
            let detail = format!("export {id} is {}: its file is gone", job.state.name());
            Err(Problem::new(StatusCode::GONE, detail))
        }
        JobState::Ready => {
            let is_head = request.method() == Method::HEAD;
            let headers = request.headers();
            let mut file = downloads::only_file(&state, &caller, &id, is_head, headers).await?;
            // Under the name that the document gives it.
            let name = attachment(&file_name(job.created_at_us, job.request.format))?;
            file.headers_mut().insert(header::CONTENT_DISPOSITION, name);
            Ok(file)
        }
    }
}

/// Until when a file is certainly kept: its days begin when it is ready, which is later.
fn expiry(state: &AppState, made_at_us: i64) -> i64 {
    let kept_us = i64::try_from(state.config().export_retention.as_micros()).unwrap_or(i64::MAX);
    whole_second(made_at_us.saturating_add(kept_us))
}

/// `audit-export-20260319.csv`
fn file_name(made_at_us: i64, format: Format) -> String {
    format!("audit-export-{}.{}", compact_day(made_at_us), format.extension())
}

/// The documented answer in place of a large export.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuditExportJob {
    api_version: &'static str,
    kind: &'static str,
    metadata: JobMetadata,
    status: JobStatus,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobMetadata {
    job_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobStatus {
    state: &'static str,
    estimated_records: u64,
    download_url: String,
    expires_at: String,
}

fn pending(id: &str, url: String, total: u64, expires_at_us: i64) -> Response {
    let location = HeaderValue::try_from(url.as_str()).ok();
    let body = Json(AuditExportJob {
        api_version: "v1",
        kind: "AuditExportJob",
        metadata: JobMetadata { job_id: id.to_owned() },
        status: JobStatus {
            state: "processing",
            estimated_records: total,
            download_url: url,
            expires_at: shortest(expires_at_us),
        },
    });
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_FILE));
    if let Some(location) = location {
        headers.insert(header::LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use auditlake_model::time::parse_rfc3339;

    #[test]
    fn without_an_end_the_range_ends_with_this_second() {
        let now_us = parse_rfc3339("2026-03-19T16:00:00.25Z").unwrap();
        let of = |query: &str| {
            read(Params::read(Some(query)), now_us).map(|(_, asked)| asked.filter().unwrap())
        };
        assert_eq!(of("").unwrap().to_string(), "occurred_at < 2026-03-19T16:00:01.000000Z");
        let error = format!("{:?}", of("from=2026-03-20").unwrap_err());
        assert!(error.contains("parameter from: lies in the future"), "{error}");
        assert!(of("from=2026-03-20&to=2026-03-21").is_ok());
    }

    #[test]
    fn a_user_is_an_address_or_else_an_id() {
        assert_eq!(
            is_user("o'hara").unwrap(),
            "actor_email = 'o''hara' OR (actor_email IS NULL AND actor_id = 'o''hara')"
        );
        assert!(is_user("").is_err());
        assert!(is_user(&"x".repeat(501)).is_err());
    }
}
