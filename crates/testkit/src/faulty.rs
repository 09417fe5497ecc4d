//! An object store that fails the way real ones do: not done, done without saying so, done
//! twice, or half done.
//!
//! Every put, multipart part, multipart completion, delete, copy and rename is a *write* and
//! has a number, counted from 0 in the order in which they begin. A
//! [`FaultPlan`](crate::FaultPlan) says which of them fail. So a test runs once with
//! `FaultPlan::Never`, asks [`Faults::writes`] how many there were, and then runs again for
//! each of them with `FaultPlan::At`.

use std::fmt::{Display, Formatter};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    RenameTargetMode, Result,
};

use crate::faults::{Fault, Faults, Write};
use crate::upload::FaultyUpload;

/// An object store around another one, with faults.
#[derive(Clone, Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Arc<Faults>,
}

impl FaultyStore {
    /// Wraps `inner`; keep a clone of `faults` to see and stop what happens.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }

    /// The store underneath: what is really there.
    #[must_use]
    pub fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }

    async fn delete_one(self, location: Result<Path>) -> Result<Path> {
        let location = location?;
        let one = stream::iter([Ok(location.clone())]).boxed();
        let work = self.inner.delete_stream(one).try_collect::<Vec<Path>>();
        match self.faults.begin(&location, Write { create_only: false, tearable: false }) {
            Some(hit) => hit.fail(work).await?,
            None => work.await?,
        };
        Ok(location)
    }
}

impl Display for FaultyStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let create_only = opts.mode == PutMode::Create;
        let kind = Write { create_only, tearable: payload.content_length() > 0 };
        let Some(hit) = self.faults.begin(location, kind) else {
            return self.inner.put_opts(location, payload, opts).await;
        };
        if hit.fault == Fault::TornPut {
            self.inner.put_opts(location, hit.torn(&payload), opts).await?;
            return Err(hit.answer().await);
        }
        hit.fail(self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(FaultyUpload::new(inner, location.clone(), Arc::clone(&self.faults))))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.faults.read(Some(location))?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.faults.read(Some(location))?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations.then(move |location| store.clone().delete_one(location)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.faults.read(prefix) {
            Ok(()) => self.inner.list(prefix),
            Err(error) => stream::once(async move { Err(error) }).boxed(),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.faults.read(prefix) {
            Ok(()) => self.inner.list_with_offset(prefix, offset),
            Err(error) => stream::once(async move { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.faults.read(prefix)?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let kind = Write { create_only: options.mode == CopyMode::Create, tearable: false };
        let work = self.inner.copy_opts(from, to, options);
        match self.faults.begin(to, kind) {
            Some(hit) => hit.fail(work).await,
            None => work.await,
        }
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let create_only = options.target_mode == RenameTargetMode::Create;
        let Some(hit) = self.faults.begin(to, Write { create_only, tearable: true }) else {
            return self.inner.rename_opts(from, to, options).await;
        };
        if hit.fault == Fault::TornPut {
            let mode = if create_only { CopyMode::Create } else { CopyMode::Overwrite };
            self.inner.copy_opts(from, to, CopyOptions::new().with_mode(mode)).await?;
            return Err(hit.answer().await);
        }
        hit.fail(self.inner.rename_opts(from, to, options)).await
    }
}
