//! The archive of a job on its way out: a thread packs the files one after the other while the
//! connection sends. A slow client slows the packing, a gone one ends it, and an error breaks
//! the body off.

use auditlake_export::manifest::MANIFEST;
use auditlake_lake::Document;
use axum::body::Body;
use axum::http::HeaderMap;
use futures::StreamExt;
use tokio::runtime::Handle;

use crate::jobs::{Job, PAPERS};
use crate::permits::Permit;
use crate::pump::{self, Broken, Outlet};
use crate::state::AppState;
use crate::zipping::Zip;

/// What is to be packed.
struct Pack {
    state: AppState,
    held: Document<Job>,
}

/// The body that all files of a job are, its manifest, and its proof if it has one.
pub(super) fn pack(state: &AppState, held: &Document<Job>, permit: Permit) -> Body {
    let (outlet, body) = pump::archive_channel(state);
    let pack = Pack { state: state.clone(), held: held.clone() };
    let (runtime, span) = (Handle::current(), tracing::Span::current());
    // Deflating keeps a processor busy, so it has a thread of its own.
    drop(state.tasks().spawn_blocking(move || {
        let _permit = permit;
        let _entered = span.enter();
        match runtime.block_on(pack.run(outlet)) {
            Ok(()) => tracing::info!("archive done"),
            Err(broken) => broken.log(),
        }
    }));
    body
}

impl Pack {
    async fn run(self, outlet: Outlet) -> Result<(), Broken> {
        let job = &self.held.value;
        let mut zip = Zip::new(&self.state, outlet, job.created_at_us);
        self.add(&mut zip, MANIFEST, &job.paper(MANIFEST), None).await?;
        for file in &job.files {
            self.add(&mut zip, &file.name, &file.name, Some(file.bytes)).await?;
        }
        if job.proof_sha256.is_some() {
            for name in PAPERS {
                self.add(&mut zip, name, &job.paper(name), None).await?;
            }
        }
        zip.finish()?.end(HeaderMap::new()).await
    }

    /// Puts a file into the archive that is stored under a name; with a size, only if it has this
    /// one.
    async fn add(
        &self,
        zip: &mut Zip,
        name: &str,
        stored: &str,
        size: Option<u64>,
    ) -> Result<(), Broken> {
        let unread = |error: &dyn std::fmt::Display| {
            Broken::Internal(format!("reading {stored} for an archive: {error}"))
        };
        let exports = self.state.lake().exports();
        let found =
            exports.read(&self.held.id, stored, None).await.map_err(|error| unread(&error))?;
        let Some(mut reader) = found.filter(|found| size.is_none_or(|size| size == found.size))
        else {
            return Err(unread(&"it is not there as it was written"));
        };
        zip.begin(name).await?;
        while let Some(bytes) = reader.bytes.next().await {
            zip.write(&bytes.map_err(|error| unread(&error))?).await?;
        }
        Ok(())
    }
}
