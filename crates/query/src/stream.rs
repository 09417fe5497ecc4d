//! The answer to a query, batch by batch.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use auditlake_lake::Snapshot;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::QueryError;

/// Batches of an answer. Dropping the stream cancels the query; while it lives, so do the
/// files it reads.
pub struct EventStream {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
}

impl EventStream {
    /// What DataFusion gives runs ahead of the reader on a task of its own, so that decoding
    /// and whatever is done with the batches overlap.
    pub(crate) fn ahead(
        stream: SendableRecordBatchStream,
        snapshot: Snapshot,
        threads: &Handle,
    ) -> Self {
        let schema = stream.schema();
        let batches = futures::TryStreamExt::map_err(stream, QueryError::from);
        Self { schema, batches: ahead(batches, snapshot, threads) }
    }

    pub(crate) fn of(
        schema: SchemaRef,
        batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
    ) -> Self {
        Self { schema, batches }
    }

    /// The schema of every batch.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// Batches that may wait for the reader.
const AHEAD: usize = 2;

fn ahead(
    batches: impl Stream<Item = Result<RecordBatch, QueryError>> + Send + 'static,
    snapshot: Snapshot,
    threads: &Handle,
) -> BoxStream<'static, Result<RecordBatch, QueryError>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    // Dropping the set aborts the task, and with it the query.
    let mut task = JoinSet::new();
    let work = async move {
        let _snapshot = snapshot;
        let mut batches = std::pin::pin!(batches);
        while let Some(batch) = batches.next().await {
            if sender.send(batch).await.is_err() {
                return;
            }
        }
    };
    task.spawn_on(work, threads);
    let batches =
        futures::stream::unfold((receiver, task), |(mut receiver, mut task)| async move {
            if let Some(batch) = receiver.recv().await {
                return Some((batch, (receiver, task)));
            }
            // The channel also closes when the task panics: that must not look like the end.
            match task.join_next().await {
                Some(Err(panic)) => {
                    Some((Err(QueryError::Internal(panic.to_string())), (receiver, task)))
                }
                _ => None,
            }
        });
    batches.boxed()
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Stream for EventStream {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.as_mut().poll_next(context)
    }
}
