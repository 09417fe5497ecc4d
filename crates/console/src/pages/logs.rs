//! `/logs`: the list of events with its filters, figures and drawer. Every state is in the
//! address; forms come in as they are and are sent on to the address that says the same.

mod columns;
mod commands;
mod event;
mod event_view;
mod figures;
pub(super) mod filtering;
mod form;
mod ranges;
mod tidying;

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use self::columns::{Cell, Choice, Columns, Head};
use self::event::{Drawer, Proved};
use self::figures::{Figures, PATIENCE};
use self::filtering::{anew, filters};
use self::form::Form;
use crate::Console;
use crate::api::events::{Event, EventsPage};
use crate::api::saved_queries;
use crate::error::{ApiError, see_other};
use crate::format;
use crate::page::{Frame, Nav, page};
use crate::query::Query;
use crate::session::Viewer;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/logs", get(show))
        .route("/logs/figures", get(figures::figures))
        .merge(event::routes())
}

#[derive(Template)]
#[template(path = "logs.html")]
struct LogsPage {
    frame: Frame,
    form: Form,
    heads: Vec<Head>,
    /// The same for scripts, as JSON.
    heads_json: String,
    choices: Vec<Choice>,
    list: List,
    figures: Option<Figures>,
    links: Links,
    drawer: Option<Drawer>,
    /// What is said of an event that is not there.
    notice: String,
}

/// What is in the table.
struct List {
    rows: Vec<Row>,
    /// Why there is none.
    problem: Option<ListProblem>,
    older: Option<String>,
    newest: Option<String>,
    count: String,
    /// Asks for the exact number; none where it is there.
    count_all: Option<String>,
}

/// Why there is no list.
struct ListProblem {
    heading: &'static str,
    detail: String,
    /// The parameter that is wrong, if it is one.
    parameter: Option<String>,
}

/// One event.
struct Row {
    id: String,
    tenant_id: String,
    cells: Vec<Cell>,
    /// The list with the event open.
    href: String,
    /// What stands in the drawer then.
    fragment: String,
    is_open: bool,
}

/// Where the page leads, and what its scripts ask.
struct Links {
    /// None for whom nothing may be taken away.
    export: Option<String>,
    /// None where there is nothing to save: a saved query cannot hold another.
    save: Option<String>,
    turn: String,
    is_oldest_first: bool,
    figures: String,
    with_figures: String,
    stream: Option<String>,
    facets: String,
    without_filters: String,
}

async fn show(
    State(console): State<Console>,
    viewer: Viewer,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let given = query.unwrap_or_default();
    if let Some(tidy) = tidying::tidied(&given) {
        return Ok(see_other(&tidy.href("/logs")));
    }
    let query = Query::parse(&given);
    let columns = Columns::of(&query, viewer.sees_many_tenants());
    let patience = async {
        let read = Figures::read(&console, &viewer, &query);
        // Who runs no script waits as long as it takes.
        match query.get("figures") {
            Some(_) => Some(read.await),
            None => tokio::time::timeout(PATIENCE, read).await.ok(),
        }
    };
    let saved =
        async { saved_queries::name_of(&console.api, &viewer, query.get("saved_query")?).await };
    let (list, figures, drawer, saved) = tokio::join!(
        List::read(&console, &viewer, &query, &columns),
        patience,
        Drawer::read(&console, &viewer, &query),
        saved,
    );
    let (drawer, notice) = match drawer {
        Ok(drawer) => (drawer, String::new()),
        Err(error) if error.status == StatusCode::NOT_FOUND => (None, error.problem.detail),
        Err(error) => return Err(error),
    };
    let mut list = list?;
    let mut form = Form::of(&query, saved.as_deref(), viewer.now_us());
    // What keeps the list from being there keeps the figures as well, and is told once.
    let figures = figures.filter(|_| list.problem.is_none());
    if let Some(problem) = &mut list.problem {
        problem.lead_to(&mut form, &query);
    }
    let counted = figures.as_ref().and_then(|figures| figures.count.as_deref());
    if let Some(count) = counted.filter(|_| list.count_all.is_some()) {
        list.say(count);
    }
    let heads = columns.heads();
    let template = LogsPage {
        frame: console.frame(&viewer, Nav::Logs, "Read logs"),
        form,
        heads_json: serde_json::to_string(&heads).unwrap_or_default(),
        heads,
        choices: columns.choices(),
        list,
        figures,
        links: Links::of(&viewer, &query, &columns),
        drawer,
        notice,
    };
    Ok(page(&template))
}

impl List {
    /// Asks for the page of events. What a person can put right by another filter is told where
    /// the events would be, with the filters still there.
    async fn read(
        console: &Console,
        viewer: &Viewer,
        query: &Query,
        columns: &Columns,
    ) -> Result<Self, ApiError> {
        let span = ranges::resolved(query, viewer.now_us());
        let asked = filtering::listed(&span).and("columns", &columns.of_api());
        match console.api.get::<EventsPage>(viewer, &asked.href("/v1/events")).await {
            Ok(found) => Ok(Self::of(&found, query, &span, columns)),
            Err(error) => Ok(Self::without_events(ListProblem::of(error)?)),
        }
    }

    /// What is there; `span` is the query with both ends of its time.
    fn of(found: &EventsPage, query: &Query, span: &Query, columns: &Columns) -> Self {
        let of_page = |query: &Query| {
            let beside_it = ["event", "event_tenant", "figures", "done"];
            beside_it.iter().fold(query.clone(), |query, name| query.without(name))
        };
        // The pages of a list are about the same span, however long one reads.
        let older = found.next_cursor.as_deref();
        let older = older.map(|cursor| of_page(span).with("cursor", cursor).href("/logs"));
        let mut list = Self {
            rows: found.events.iter().map(|event| Row::of(event, query, columns)).collect(),
            problem: None,
            older,
            newest: query.get("cursor").map(|_| anew(query).href("/logs")),
            count: String::new(),
            count_all: None,
        };
        match found.total {
            Some(total) => list.say(&format::count(total)),
            // The first page is all there is.
            None if list.older.is_none() && list.newest.is_none() => {
                list.say(&format::count(list.rows.len()));
            }
            None => {
                list.count = format!("{} on this page", events(&format::count(list.rows.len())));
                list.count_all = Some(of_page(query).with("total", "true").href("/logs"));
            }
        }
        list
    }

    fn without_events(problem: ListProblem) -> Self {
        Self {
            rows: Vec::new(),
            problem: Some(problem),
            older: None,
            newest: None,
            count: String::new(),
            count_all: None,
        }
    }

    /// Says how many events are meant, of which the page shows some.
    fn say(&mut self, total: &str) {
        self.count = format!("{} (exact)", events(total));
        self.count_all = None;
    }
}

fn events(count: &str) -> String {
    format!("{count} {}", if count == "1" { "event" } else { "events" })
}

impl ListProblem {
    /// What is said in place of the list; what no filter puts right stays an error of the page.
    fn of(error: ApiError) -> Result<Self, ApiError> {
        let heading = match error.status {
            StatusCode::BAD_REQUEST => "A filter is not right",
            StatusCode::GATEWAY_TIMEOUT => "This took too long",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "The server is busy",
            _ => return Err(error),
        };
        let detail = format::visible(error.problem.detail);
        Ok(Self { heading, detail, parameter: error.problem.parameter })
    }

    /// What is wrong with an expression is told beside it; here is only said where that is.
    fn lead_to(&mut self, form: &mut Form, query: &Query) {
        if self.parameter.as_deref() == Some("where") && form.reopen(query, &self.detail) {
            self.detail = "Put the expression above right, or start without filters.".to_owned();
        }
    }
}

impl Row {
    fn of(event: &Event, query: &Query, columns: &Columns) -> Self {
        let (id, tenant) = (event.get("id"), event.get("tenant_id"));
        let (id, tenant) = (id.unwrap_or_default(), tenant.unwrap_or_default());
        let open = query.without("done").with("event", id).with("event_tenant", tenant);
        Self {
            cells: columns.cells(event),
            href: open.href("/logs"),
            fragment: open.href("/logs/event"),
            is_open: query.get("event") == Some(id) && query.get("event_tenant") == Some(tenant),
            id: id.to_owned(),
            tenant_id: tenant.to_owned(),
        }
    }
}

impl Links {
    fn of(viewer: &Viewer, query: &Query, columns: &Columns) -> Self {
        let meant = filters(&ranges::resolved(query, viewer.now_us()));
        let is_oldest_first = query.get("order") == Some("asc");
        let list = anew(query);
        let turned = if is_oldest_first { "" } else { "asc" };
        // What comes is on top of the newest, so there is nothing to follow on another page, nor
        // in another order, nor in a span of time that is over.
        let can_follow = query.get("cursor").is_none()
            && !is_oldest_first
            && ranges::is_open(query, viewer.now_us());
        let can_save = !meant.pairs().is_empty() && meant.get("saved_query").is_none();
        // The form of an export begins with the columns that one sees.
        let export = meant.with("columns_shown", &columns.of_export());
        let stream = meant.without("to").href("/v1/events/stream");
        Self {
            export: viewer.may("audit:export").then(|| export.href("/export")),
            save: can_save.then(|| meant.href("/queries/new")),
            turn: list.with("order", turned).href("/logs"),
            is_oldest_first,
            figures: ranges::pinned(query, viewer.now_us()).href("/logs/figures"),
            with_figures: query.with("figures", "shown").href("/logs"),
            stream: can_follow.then_some(stream),
            facets: meant.href("/v1/events/facets"),
            without_filters: Query::default()
                .with("columns_shown", query.get("columns_shown").unwrap_or_default())
                .href("/logs"),
        }
    }
}
