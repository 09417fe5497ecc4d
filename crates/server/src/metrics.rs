//! What the server counts, in the text format of Prometheus. Values that the lake knows are
//! read from it when somebody asks, not counted twice.

use std::sync::atomic::AtomicU64;

use auditlake_lake::Lake;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The media type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds; ingest takes milliseconds, a list over years may take many seconds.
const BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// The counters, and the registry that renders them.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    pub(crate) accepted: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) rejected: Counter,
    pub(crate) ingest_bytes: Counter,
    pub(crate) exports_running: Gauge,
    pub(crate) live_running: Gauge,
    pub(crate) downloads_running: Gauge,
    pub(crate) archives_running: Gauge,
    pub(crate) log_reads_running: Gauge,
    pub(crate) export_rows: Counter,
    pub(crate) export_bytes: Counter,
    pub(crate) export_turns: Counter,
    pub(crate) live_events: Counter,
    pub(crate) cosignatures_kept: Counter,
    pub(crate) cosignatures_failed: Counter,
    hot_bytes: Gauge<u64, AtomicU64>,
    segments: Gauge<u64, AtomicU64>,
    commit: Gauge<u64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("auditlake"),
            requests: Family::default(),
            seconds: Family::<Route, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS)),
            accepted: Counter::default(),
            duplicates: Counter::default(),
            rejected: Counter::default(),
            ingest_bytes: Counter::default(),
            exports_running: Gauge::default(),
            live_running: Gauge::default(),
            downloads_running: Gauge::default(),
            archives_running: Gauge::default(),
            log_reads_running: Gauge::default(),
            export_rows: Counter::default(),
            export_bytes: Counter::default(),
            export_turns: Counter::default(),
            live_events: Counter::default(),
            cosignatures_kept: Counter::default(),
            cosignatures_failed: Counter::default(),
            hot_bytes: Gauge::default(),
            segments: Gauge::default(),
            commit: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let requests = self.requests.clone();
        registry.register("requests", "Requests by route and status", requests);
        let seconds = self.seconds.clone();
        registry.register("request_seconds", "Seconds until the headers of an answer", seconds);
        for (name, help, counter) in [
            ("events_accepted", "Events made durable", &self.accepted),
            ("events_duplicates", "Events the lake had already", &self.duplicates),
            ("events_rejected", "Events refused as malformed", &self.rejected),
            ("ingest_bytes", "Bytes of ingest bodies as sent", &self.ingest_bytes),
            ("exports_rows", "Events given out by exports", &self.export_rows),
            ("exports_bytes", "Bytes given out by exports", &self.export_bytes),
            ("exports_turns", "Turns to read and encode that exports took", &self.export_turns),
            ("live_events", "Events given out by live tails", &self.live_events),
            ("cosignatures_kept", "Cosignatures got from witnesses", &self.cosignatures_kept),
            ("cosignatures_failed", "Tries that brought none", &self.cosignatures_failed),
        ] {
            registry.register(name, help, counter.clone());
        }
        for (name, help, running) in [
            ("exports_running", "Exports at work", &self.exports_running),
            ("live_running", "Live tails that are open", &self.live_running),
            ("downloads_running", "Files of exports on their way", &self.downloads_running),
            ("archives_running", "Archives that are packed", &self.archives_running),
            ("log_reads_running", "Proofs and tiles that are read", &self.log_reads_running),
        ] {
            registry.register(name, help, running.clone());
        }
        for (name, help, gauge) in [
            ("hot_bytes", "Bytes of durable events in no segment yet", &self.hot_bytes),
            ("segments", "Segments of the lake", &self.segments),
            ("commit_version", "The newest commit of the manifest", &self.commit),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    /// Counts an answered request. `route` is a pattern, never a path that a client made up.
    pub(crate) fn answered(&self, route: &str, status: u16, seconds: f64) {
        let route = route.to_owned();
        self.seconds.get_or_create(&Route { route: route.clone() }).observe(seconds);
        self.requests.get_or_create(&Answered { route, status }).inc();
    }

    /// Everything as text.
    pub(crate) fn render(&self, lake: &Lake) -> Result<String, std::fmt::Error> {
        let snapshot = lake.snapshot();
        self.hot_bytes.set(lake.hot_bytes() as u64);
        self.segments.set(snapshot.segments().len() as u64);
        self.commit.set(snapshot.manifest().version);
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}
