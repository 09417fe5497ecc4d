//! A streamed export with a proof: an evidence bundle, packed while it is sent. The file with the
//! events comes first, from the first moment on; what is proved of them is worked out when all of
//! them are there, and follows with the manifest and with what is needed to check it.
//!
//! The events are those of one snapshot, and of these the ones that are in committed logs: the
//! checkpoints are signed over nothing else. So the lake is flushed first, and what is recorded
//! later does not belong to the export.

use auditlake_export::manifest::{self, MANIFEST_VERSION, Manifest, ManifestFile, SnapshotPoint};
use auditlake_export::proof::{Proof, ProofFile};
use auditlake_export::{Digested, Encoder, Format, Options, bundle};
use auditlake_lake::Snapshot;
use auditlake_model::claim::Claim;
use auditlake_model::columns::COLUMNS;
use auditlake_model::time::format_rfc3339;
use auditlake_query::{Ordered, Position, ScanRequest, provable_before};
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use tokio::runtime::Handle;
use tracing::Instrument;

use crate::calls::export::StreamRequest;
use crate::export_record::ExportRecord;
use crate::file_headers::{attachment, compact_second};
use crate::flow::{Progress, is_crowded};
use crate::identity::Principal;
use crate::permits::Permit;
use crate::placing::{Placed, Placing};
use crate::problem::Problem;
use crate::pump::{self, Broken, Outlet};
use crate::state::AppState;
use crate::turns::Turn;
use crate::zipping::{Zip, Zipped};
use crate::{manifesting, proving};

/// Streams an evidence bundle. Whether the caller may export is for the call to say.
pub(crate) async fn stream(
    state: &AppState,
    caller: &Principal,
    mut request: StreamRequest,
    claim: Claim,
) -> Result<Response, Problem> {
    let permit = state.exports().take(caller)?;
    // It cannot go on in the middle of a deflated file, so it has one turn for all of its life.
    let turn = state.turns().whole()?;
    state.engine().check(&request.scan.filter)?;
    proving::check(claim, &request.scan)?;
    state.in_time(state.lake().flush()).await??;
    let snapshot = state.lake().snapshot();
    proving::check_log(state, &snapshot, claim, &request.scan).await?;
    proving::check_rows(state, &snapshot, &request.scan).await?;
    let created_at_us = state.environment().clock.now_us();
    let name = format!("auditlake-evidence-{}.zip", compact_second(created_at_us));
    request.headers = vec![
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (header::CONTENT_DISPOSITION, attachment(&name)?),
    ];
    let record = ExportRecord::new(state, caller, &request);
    let headers = record.headers(&request)?;
    let (outlet, body) = pump::channel(state, is_crowded(state));
    let bundle = Bundle {
        state: state.clone(),
        manifest: manifest(&record, &request, &snapshot, created_at_us)?,
        snapshot,
        claim,
        scan: request.scan,
        options: request.options,
        file_name: request.file_name,
        created_at_us,
        progress: Progress::default(),
        _permit: permit,
        _turn: turn,
    };
    record.requested(state).await?;
    tracing::info!(export = record.id, "export with a proof begins");
    let running = run(record, state.clone(), bundle, outlet);
    drop(state.tasks().spawn(running.instrument(tracing::Span::current())));
    Ok((headers, body).into_response())
}

/// The manifest of a bundle whose file is not there yet.
fn manifest(
    record: &ExportRecord,
    request: &StreamRequest,
    snapshot: &Snapshot,
    created_at_us: i64,
) -> Result<Manifest, Problem> {
    let StreamRequest { scan, options, filter, .. } = request;
    Ok(Manifest {
        manifest_version: MANIFEST_VERSION,
        export_id: record.id.clone(),
        created_at: format_rfc3339(created_at_us),
        engine: manifest::engine(),
        requested_by: manifesting::requester(&record.caller)?,
        filter: manifesting::parameters(filter.iter()),
        filter_text: scan.filter.to_string(),
        scope: scan.scope.to_string(),
        snapshot: SnapshotPoint {
            commit: snapshot.manifest().version,
            recorded_before: format_rfc3339(provable_before(snapshot)),
        },
        order: scan.order.to_string(),
        columns: COLUMNS.iter().map(|column| column.name.to_owned()).collect(),
        format: options.format.to_string(),
        compression: options.compression.to_string(),
        csv_safe: (options.format == Format::Csv).then_some(options.csv.safe),
        rows: 0,
        bytes: 0,
        copied_bytes: 0,
        files: Vec::new(),
        proof: None,
    })
}

/// Runs an export and records what became of it.
async fn run(mut record: ExportRecord, state: AppState, bundle: Bundle, outlet: Outlet) {
    let progress = bundle.progress.clone();
    if let Err(broken) = send(&mut record, &state, bundle, outlet).await {
        record.broke_off(&state, &broken, progress.rows()).await;
    }
}

/// Sends a bundle, and lets it end once it is recorded. It has no directory before that.
async fn send(
    record: &mut ExportRecord,
    state: &AppState,
    bundle: Bundle,
    outlet: Outlet,
) -> Result<(), Broken> {
    let (runtime, span) = (Handle::current(), tracing::Span::current());
    // Encoding and deflating keep a processor busy, so they have a thread of their own. The
    // tracker owns it; it ends when the client leaves or the server stops.
    let packing = state.tasks().spawn_blocking(move || {
        let _entered = span.enter();
        runtime.block_on(bundle.pack(outlet))
    });
    let packed = packing.await.map_err(|panic| Broken::Internal(panic.to_string()))??;
    let Packed { zipped, rows, .. } = packed;
    let trailers = record.exported(state, rows, zipped.bytes(), &zipped.sha256()).await?;
    record.ended(zipped.end(trailers).await);
    Ok(())
}

/// A bundle that is to be packed.
struct Bundle {
    state: AppState,
    snapshot: Snapshot,
    claim: Claim,
    /// Which events, not bounded yet by what can be proved.
    scan: ScanRequest,
    options: Options,
    /// The file with the events.
    file_name: String,
    created_at_us: i64,
    /// All of it but for the file and the proof.
    manifest: Manifest,
    progress: Progress,
    _permit: Permit,
    _turn: Turn,
}

/// A bundle that lacks nothing but its last bytes on their way.
struct Packed {
    zipped: Zipped,
    rows: u64,
    /// The export counts among those that run until it is sent.
    _permit: Permit,
}

impl Bundle {
    async fn pack(mut self, outlet: Outlet) -> Result<Packed, Broken> {
        proving::pin(&mut self.scan.filter, provable_before(&self.snapshot));
        let mut zip = Zip::new(&self.state, outlet, self.created_at_us);
        let file = self.pack_events(&mut zip).await?;
        let rows = file.rows;
        let proof = self.prove(&zip, &file).await?;
        let manifest = Manifest {
            rows,
            bytes: file.bytes,
            files: vec![file],
            proof: Some((&proof).into()),
            ..self.manifest
        };
        for (name, bytes) in bundle::members(&manifest, &proof) {
            zip.file(&name, &bytes).await?;
        }
        Ok(Packed { zipped: zip.finish()?, rows, _permit: self._permit })
    }

    /// Puts the file with the events into the archive.
    async fn pack_events(&self, zip: &mut Zip) -> Result<ManifestFile, Broken> {
        // Row groups are never taken over as they are: nobody would have seen where their first
        // and last events stand.
        let mut encoder = Encoder::new(self.scan.schema()?, self.options)?;
        let mut out = Digested::new(Vec::<Bytes>::new());
        zip.begin(&self.file_name).await?;
        encoder.start(&mut out)?;
        pass_on(&mut out, zip).await?;
        let mut events = self.render(&encoder, zip).await?;
        let (mut first, mut last) = (None, None);
        while let Some(placed) = next(&mut events, zip).await? {
            let rows = placed.rendered.rows() as u64;
            first = first.or(placed.first);
            last = placed.last.or(last);
            encoder.add(placed.rendered, &mut out)?;
            self.progress.add(rows);
            self.state.metrics().export_rows.inc_by(rows);
            pass_on(&mut out, zip).await?;
        }
        let totals = encoder.finish(&mut out)?;
        pass_on(&mut out, zip).await?;
        let edge = |at: Position| manifesting::edge(&at.tenant_id, at.seq, at.occurred_at_us);
        Ok(ManifestFile {
            name: self.file_name.clone(),
            rows: totals.rows,
            bytes: totals.bytes,
            sha256: out.hex(),
            first: first.map(edge),
            last: last.map(edge),
        })
    }

    /// The events, rendered by as many threads as are of use.
    async fn render(&self, encoder: &Encoder, zip: &Zip) -> Result<Ordered<Placed>, Broken> {
        let engine = self.state.engine();
        let most = if is_crowded(&self.state) { 1 } else { engine.partitions() };
        let renderers = encoder.renderers(most)?.into_iter().map(|one| Placing::new(one, None));
        let renderers: Vec<Placing> = renderers.collect();
        tokio::select! {
            biased;
            broken = zip.breaks() => Err(broken),
            rendered = engine.render(&self.snapshot, &self.scan, renderers) => Ok(rendered?),
        }
    }

    /// Works out what proves the claim of the events in the file.
    async fn prove(&self, zip: &Zip, file: &ManifestFile) -> Result<Proof, Broken> {
        let (engine, logs) = (self.state.engine(), self.state.lake().log());
        let logs = tokio::select! {
            biased;
            broken = zip.breaks() => return Err(broken),
            logs = engine.prove(&self.snapshot, &logs, &self.scan, self.claim) => logs?,
        };
        let files = vec![ProofFile {
            name: file.name.clone(),
            rows: file.rows,
            sha256: file.sha256.clone(),
        }];
        Proof::of(self.claim, &self.options, files, logs).map_err(|proved| {
            let rows = file.rows;
            Broken::Internal(format!("{proved} events were proved, and the file has {rows}"))
        })
    }
}

/// The next events; none when there are no more.
async fn next(events: &mut Ordered<Placed>, zip: &Zip) -> Result<Option<Placed>, Broken> {
    tokio::select! {
        biased;
        next = events.next() => Ok(next.transpose()?),
        broken = zip.breaks() => Err(broken),
    }
}

/// Puts what was encoded into the archive.
async fn pass_on(out: &mut Digested<Vec<Bytes>>, zip: &mut Zip) -> Result<(), Broken> {
    for bytes in std::mem::take(out.inner_mut()) {
        zip.write(&bytes).await?;
    }
    Ok(())
}
