//! What a caller sends to make an export job.

use std::collections::BTreeMap;

use auditlake_export::Format;
use auditlake_model::claim::Claim;
use auditlake_query::Order;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::calls::saved_queries;
use crate::identity::Principal;
use crate::jobs::{JobRequest, SavedFilter};
use crate::params::{FilterValues, pairs_of};
use crate::problem::Problem;
use crate::state::AppState;

/// An export to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewJob {
    /// The format of the files.
    #[schema(pattern = "^(csv|ndjson|json|parquet)$", default = "ndjson")]
    format: Option<String>,
    /// Which events are meant, by the parameters that lists take.
    #[serde(default)]
    filter: BTreeMap<String, FilterValues>,
    /// The id of a saved query whose filter holds as well.
    saved_query: Option<String>,
    /// The columns of the files; all if left out.
    #[schema(min_items = 1)]
    columns: Option<Vec<String>>,
    /// The order of the events over all files.
    #[schema(pattern = "^(log|asc|desc)$", default = "log")]
    order: Option<String>,
    /// The compression of the files.
    #[schema(pattern = "^(none|gzip|zstd)$", default = "none")]
    compression: Option<String>,
    /// Whether CSV cells that a spreadsheet would run as formulas are guarded.
    csv_safe: Option<bool>,
    /// What is claimed and proved: `inclusion`, that every event is one of the log; `complete`,
    /// that none is missing from a range of one tenant's log either. Whole events only.
    #[schema(pattern = "^(inclusion|complete)$")]
    proof: Option<String>,
}

impl NewJob {
    /// The request that it comes to, saved query included; whether it can be exported is not
    /// checked here.
    pub(crate) async fn resolve(
        self,
        state: &AppState,
        caller: &Principal,
    ) -> Result<JobRequest, Problem> {
        let format = self.format.as_deref().map(str::parse::<Format>).transpose()?;
        let mut request = JobRequest::new(format.unwrap_or(Format::Ndjson));
        if let Some(text) = &self.compression {
            request.compression = text.parse()?;
        }
        if let Some(text) = &self.order {
            let order = text.parse::<Order>();
            request.order = order.map_err(|reason| Problem::parameter("order", &reason))?;
        }
        if let Some(text) = &self.proof {
            let claim = text.parse::<Claim>();
            let claim = claim.map_err(|error| Problem::parameter("proof", &error.to_string()))?;
            request.proof = Some(claim);
        }
        request.columns = self.columns;
        request.csv_safe = self.csv_safe;
        request.filter = pairs_of(self.filter)?;
        if let Some(id) = self.saved_query {
            let filter = saved_queries::filter_of(state, caller, &id).await?;
            request.saved = Some(SavedFilter { id, filter });
        }
        Ok(request)
    }
}
