//! `GET /v1/log/proof`: that an event is in a tenant's log, or that one state of the log is the
//! beginning of another (RFC 6962). A proof is verified before it is given out.

use auditlake_lake::TenantLog;
use auditlake_tlog::{CompactRange, Hash, Leaves, NodeId, consistency, cover, inclusion, nodes_of};
use axum::Json;
use axum::extract::{Request, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{committed, read, tenant_of};
use crate::identity::{Permission, Principal};
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(proof))
}

/// A proof over a tenant's log. Hashes are in base64.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum TreeProof {
    /// That an event is in the log.
    Inclusion(InclusionProof),
    /// That one state of the log is the beginning of another.
    Consistency(ConsistencyProof),
}

/// That an event is in the log.
#[derive(Serialize, ToSchema)]
struct InclusionProof {
    /// The tenant.
    tenant_id: String,
    /// The place of the event in the log.
    seq: u64,
    /// How many events the log has that it is in.
    size: u64,
    /// SHA-256 of a zero byte and the canonical line.
    leaf_hash: String,
    /// The root of the tree of that size.
    root: String,
    /// From the leaf up.
    hashes: Vec<String>,
    /// The signed checkpoint, if it is of that size.
    checkpoint: Option<String>,
}

/// That one state of the log is the beginning of another.
#[derive(Serialize, ToSchema)]
struct ConsistencyProof {
    /// The tenant.
    tenant_id: String,
    /// How many events the older state has.
    from_size: u64,
    /// How many events the newer state has.
    size: u64,
    /// The root of the older state.
    from_root: String,
    /// The root of the newer state.
    root: String,
    /// As RFC 6962 has them.
    hashes: Vec<String>,
    /// The signed checkpoint, if it is of the newer state.
    checkpoint: Option<String>,
}

/// What is to be proved.
enum Asked {
    Inclusion(u64),
    Consistency(u64),
}

/// Gives a proof over a tenant's log.
///
/// With `seq`, that the event at this place is in the log; with `from_size`, that the log of so
/// many events is the beginning of the log of `size` events.
#[utoipa::path(
    get,
    path = "/v1/log/proof",
    tag = "log",
    params(
        ("tenant_id" = Option<String>, Query,
            description = "The tenant; needed from who is above all tenants"),
        ("seq" = Option<u64>, Query, description = "The place of an event"),
        ("from_size" = Option<u64>, Query, description = "The size of an older state"),
        ("size" = Option<u64>, Query,
            description = "The size of the log that is meant; that of the newest checkpoint if \
                           absent"),
    ),
    responses(
        (status = 200, description = "The proof", body = TreeProof),
        (status = 400, description = "A parameter is unknown, wrong or missing, or the log does \
            not reach so far", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not read proofs", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "The log has no checkpoint yet", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "Enough proofs and tiles are read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 504, description = "It took too long", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn proof(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<TreeProof>, Problem> {
    caller.require(Permission::IntegrityRead)?;
    let mut params = Params::read(request.uri().query());
    let named = params.take("tenant_id")?;
    let seq = params.number("seq", 0..=usize::MAX)?;
    let from_size = params.number("from_size", 0..=usize::MAX)?;
    let size = params.number("size", 0..=usize::MAX)?.map(|size| size as u64);
    params.finish()?;
    let asked = match (seq, from_size) {
        (Some(seq), None) => Asked::Inclusion(seq as u64),
        (None, Some(from_size)) => Asked::Consistency(from_size as u64),
        (None, None) => {
            let reason = "is needed to prove an event, or from_size to compare two states";
            return Err(Problem::parameter("seq", reason));
        }
        (Some(_), Some(_)) => {
            let reason = "is not allowed beside seq: these are two proofs, ask for one at a time";
            return Err(Problem::parameter("from_size", reason));
        }
    };
    let tenant = tenant_of(&caller, named)?;
    let shared = state.clone();
    let question = async move {
        let log = committed(&shared, &tenant).await?;
        let size = size.unwrap_or(log.size());
        check_sizes(&asked, size, log.size())?;
        match asked {
            Asked::Inclusion(seq) => included(&log, seq, size).await.map(TreeProof::Inclusion),
            Asked::Consistency(from) => {
                consistent(&log, from, size).await.map(TreeProof::Consistency)
            }
        }
    };
    read(&state, &caller, question).await.map(Json)
}

/// Refuses what the log does not have.
fn check_sizes(asked: &Asked, size: u64, committed: u64) -> Result<(), Problem> {
    if size > committed {
        let reason = format!("{size} is too large: the newest checkpoint has {committed} events");
        return Err(Problem::parameter("size", &reason));
    }
    match asked {
        Asked::Inclusion(seq) if *seq >= size => {
            let reason = format!("a log of {size} events has no event {seq}; the first one is 0");
            Err(Problem::parameter("seq", &reason))
        }
        Asked::Consistency(from) if *from > size => {
            let reason = format!("{from} is larger than the size of the newer state, {size}");
            Err(Problem::parameter("from_size", &reason))
        }
        _ => Ok(()),
    }
}

async fn included(log: &TenantLog, seq: u64, size: u64) -> Result<InclusionProof, Problem> {
    let path = inclusion::path(seq, size).map_err(|error| damaged(&error))?;
    let parts = [vec![NodeId::new(0, seq)], nodes_of(&path), cover(0..size)];
    let [leaf, on_path, peaks] = nodes(log, parts).await?;
    let leaf = leaf.first().copied().unwrap_or_default();
    let (hashes, root) = (inclusion::prove(&path, &on_path), root(log, size, peaks)?);
    inclusion::verify(seq, size, &leaf, &hashes, &root).map_err(|error| damaged(&error))?;
    Ok(InclusionProof {
        tenant_id: log.tenant().to_owned(),
        seq,
        size,
        leaf_hash: STANDARD.encode(leaf),
        root: STANDARD.encode(root),
        hashes: texts(&hashes),
        checkpoint: checkpoint(log, size),
    })
}

async fn consistent(log: &TenantLog, from: u64, size: u64) -> Result<ConsistencyProof, Problem> {
    let path = consistency::path(from, size).map_err(|error| damaged(&error))?;
    let parts = [nodes_of(&path), cover(0..from), cover(0..size)];
    let [on_path, old_peaks, peaks] = nodes(log, parts).await?;
    let hashes = consistency::prove(&path, &on_path);
    let (from_root, root) = (root(log, from, old_peaks)?, root(log, size, peaks)?);
    consistency::verify(from, &from_root, size, &root, &hashes).map_err(|error| damaged(&error))?;
    Ok(ConsistencyProof {
        tenant_id: log.tenant().to_owned(),
        from_size: from,
        size,
        from_root: STANDARD.encode(from_root),
        root: STANDARD.encode(root),
        hashes: texts(&hashes),
        checkpoint: checkpoint(log, size),
    })
}

/// The hashes of several lists of nodes, asked for at once: those near the leaves are computed
/// from rows, which are read once for all of them.
async fn nodes<const N: usize>(
    log: &TenantLog,
    parts: [Vec<NodeId>; N],
) -> Result<[Vec<Hash>; N], Problem> {
    let found = log.nodes(&parts.concat(), &Leaves::new()).await?;
    let mut found = found.into_iter();
    Ok(parts.map(|part| found.by_ref().take(part.len()).collect()))
}

/// The root of the log at a size. That of the whole log is the one that is signed.
fn root(log: &TenantLog, size: u64, peaks: Vec<Hash>) -> Result<Hash, Problem> {
    let tree = CompactRange::from_parts(size, peaks).map_err(|error| damaged(&error))?;
    let root = tree.root();
    if size == log.size() && root != log.root() {
        return Err(damaged(&"its events do not lead to the root of its head"));
    }
    Ok(root)
}

fn damaged(error: &dyn std::fmt::Display) -> Problem {
    Problem::internal("proving something of a tenant's log", error)
}

fn checkpoint(log: &TenantLog, size: u64) -> Option<String> {
    log.checkpoint().filter(|_| size == log.size()).map(|note| note.to_string())
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}
