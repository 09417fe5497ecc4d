//! A multipart upload whose parts and completion may fail.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use crate::faults::{Fault, Faults, Write};

/// Each part and the completion is a write of its own; to abort never fails here.
#[derive(Debug)]
pub(crate) struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    location: Path,
    faults: Arc<Faults>,
}

impl FaultyUpload {
    pub(crate) fn new(
        inner: Box<dyn MultipartUpload>,
        location: Path,
        faults: Arc<Faults>,
    ) -> Self {
        Self { inner, location, faults }
    }
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let kind = Write { create_only: false, tearable: data.content_length() > 0 };
        let Some(hit) = self.faults.begin(&self.location, kind) else {
            return self.inner.put_part(data);
        };
        let sent = match hit.fault {
            Fault::TornPut => Some(hit.torn(&data)),
            _ => hit.is_done().then_some(data),
        };
        // Some stores take a part at the call and not at the first poll, so a part that is not
        // done must not be handed over at all.
        let part = sent.map(|data| self.inner.put_part(data));
        Box::pin(async move {
            if let Some(part) = part {
                let _hidden = part.await;
            }
            Err(hit.answer().await)
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let kind = Write { create_only: false, tearable: false };
        match self.faults.begin(&self.location, kind) {
            Some(hit) => hit.fail(self.inner.complete()).await,
            None => self.inner.complete().await,
        }
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
