//! Witnesses: others who sign a tenant's checkpoint too, if it goes on from the one that they
//! signed before (C2SP tlog-witness). Whoever holds a checkpoint with the signature of a witness
//! knows that the log was not rewritten since, even by who has the lake's own key.
//!
//! Each witness is asked by a task of its own, which looks now and then for heads that grew. What
//! a witness signed is verified and kept beside the log; one that does not answer holds nobody up
//! and is asked again, less and less often.

mod client;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auditlake_lake::{LakeError, Logs, Snapshot, TenantLog};
use auditlake_tlog::{
    Checkpoint, Hash, Leaves, Note, ProofError, Signature, consistency, nodes_of,
};
use tokio::sync::Mutex;

use crate::config::Witness;
use crate::state::AppState;
use client::{Answer, Client};

/// The longest wait before something that failed is tried again.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// A loop without a pause would keep a processor busy.
const SHORTEST: Duration = Duration::from_millis(10);
/// How often a witness may say, of one checkpoint, that it knows another state of the log.
const TRIES: usize = 3;

/// Why a checkpoint was not signed.
#[derive(Debug)]
enum Failed {
    /// The witness does not answer, or the lake does not: others would fare no better now.
    Silent(String),
    /// This one is not signed: the witness refuses it, or its log is not as it should be. Others
    /// may fare better.
    Refused(String),
}

/// What is known of one log and one witness.
#[derive(Default)]
struct Known {
    /// The size that the witness signed last; none before that was looked up.
    size: Option<u64>,
    wait: Wait,
}

/// When something that failed is tried again.
#[derive(Default)]
struct Wait {
    failures: u32,
    until: Option<Instant>,
}

impl Wait {
    fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }

    /// Waits twice as long as after the failure before.
    fn longer(&mut self, first: Duration) {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures += 1;
        self.until = Some(Instant::now() + first.saturating_mul(factor).min(LONGEST));
    }
}

/// Asks a witness until the server stops. `keeping` is held while signatures are kept: what two
/// witnesses signed of one checkpoint lies in one file.
pub(crate) async fn run(state: AppState, witness: Witness, keeping: Arc<Mutex<()>>) {
    let client = match Client::new(&witness.url) {
        Ok(client) => client,
        Err(reason) => {
            tracing::error!(witness = witness.key.name, reason, "a witness cannot be asked");
            return;
        }
    };
    let pause = state.config().refresh_interval.max(SHORTEST);
    let (known, wait) = (HashMap::new(), Wait::default());
    let mut watch = Watch { state: state.clone(), witness, client, keeping, pause, known, wait };
    loop {
        tokio::select! {
            biased;
            () = state.stopping().cancelled() => return,
            () = watch.look() => {}
        }
        tokio::select! {
            biased;
            () = state.stopping().cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One witness, and what it signed.
struct Watch {
    state: AppState,
    witness: Witness,
    client: Client,
    keeping: Arc<Mutex<()>>,
    /// Between two looks.
    pause: Duration,
    /// By tenant.
    known: HashMap<String, Known>,
    wait: Wait,
}

impl Watch {
    /// Asks the witness to sign every head that it has not signed yet.
    async fn look(&mut self) {
        if !self.wait.is_over() {
            return;
        }
        let snapshot = self.state.lake().snapshot();
        for (tenant, head) in &snapshot.manifest().tenants {
            // Written without a key, a head is signed when the log grows next.
            if head.signature.is_none() {
                continue;
            }
            let known = self.known.entry(tenant.clone()).or_default();
            if known.size.is_some_and(|size| size >= head.size) || !known.wait.is_over() {
                continue;
            }
            let failed = match self.ask(&snapshot, tenant).await {
                Ok(()) => {
                    self.wait = Wait::default();
                    continue;
                }
                Err(failed) => failed,
            };
            self.state.metrics().cosignatures_failed.inc();
            let name = self.witness.key.name.as_str();
            match failed {
                Failed::Refused(reason) => {
                    tracing::warn!(witness = name, tenant, reason, "a checkpoint was not signed");
                    self.known.entry(tenant.clone()).or_default().wait.longer(self.pause);
                }
                Failed::Silent(reason) => {
                    tracing::warn!(witness = name, reason, "a witness is asked again later");
                    self.wait.longer(self.pause);
                    return;
                }
            }
        }
    }

    /// Gets the head of a tenant's log signed, and keeps the signature.
    async fn ask(&mut self, snapshot: &Snapshot, tenant: &str) -> Result<(), Failed> {
        let logs = self.state.lake().log();
        let found = logs.tenant(snapshot, tenant).await?;
        let Some((log, note)) = found.and_then(|log| log.checkpoint().map(|note| (log, note)))
        else {
            return Err(Failed::Refused("it has no checkpoint to show".to_owned()));
        };
        let mut old = match self.known.get(tenant).and_then(|known| known.size) {
            Some(size) => size,
            None => self.signed_before(&logs, tenant).await?,
        };
        if old == log.size() {
            self.signed(tenant, old);
            return Ok(());
        }
        for _ in 0..TRIES {
            let proof = proof(&log, old).await?;
            match self.client.add_checkpoint(old, &proof, &note).await? {
                Answer::Signed(lines) => {
                    let own = self.checked(&note, &lines)?;
                    let turn = self.keeping.lock().await;
                    logs.cosign(&log, &own).await?;
                    drop(turn);
                    self.state.metrics().cosignatures_kept.inc();
                    self.signed(tenant, log.size());
                    return Ok(());
                }
                Answer::Knows(size) if size > log.size() => {
                    let reason = format!(
                        "it has signed {size} events of a log that has {} here: this lake was set \
                         back, or another one uses its name and key",
                        log.size()
                    );
                    return Err(Failed::Refused(reason));
                }
                Answer::Knows(size) if size == old => {
                    let reason = format!("it has signed another root of the first {size} events");
                    return Err(Failed::Refused(reason));
                }
                Answer::Knows(size) => old = size,
            }
        }
        Err(Failed::Refused("it keeps naming another size".to_owned()))
    }

    fn signed(&mut self, tenant: &str, size: u64) {
        let known = Known { size: Some(size), wait: Wait::default() };
        self.known.insert(tenant.to_owned(), known);
    }

    /// What the witness signed last, as far as this lake has kept it. If it has not, the witness
    /// says so.
    async fn signed_before(&self, logs: &Logs, tenant: &str) -> Result<u64, Failed> {
        let kept = logs.cosigned(tenant).await?;
        let own = kept.filter(|note| self.witness.key.verify(note).is_ok());
        let checkpoint = own.and_then(|note| Checkpoint::parse(&note.text).ok());
        Ok(checkpoint.map_or(0, |checkpoint| checkpoint.size))
    }

    /// Of what a witness answered, the line of the key that it is known by.
    fn checked(&self, note: &Note, lines: &[Signature]) -> Result<Vec<Signature>, Failed> {
        let key = &self.witness.key;
        let is_own = |line: &&Signature| line.name == key.name && line.key_id == key.id();
        let own: Vec<Signature> = lines.iter().filter(is_own).cloned().collect();
        let signed = Note { text: note.text.clone(), signatures: own };
        match key.verify(&signed) {
            Ok(_) => Ok(signed.signatures),
            Err(error) => Err(Failed::Refused(format!("its answer proves nothing: {error}"))),
        }
    }
}

/// That the log goes on from its first `old` events.
async fn proof(log: &TenantLog, old: u64) -> Result<Vec<Hash>, Failed> {
    let refused = |error: ProofError| Failed::Refused(format!("no proof for it: {error}"));
    let path = consistency::path(old, log.size()).map_err(refused)?;
    let nodes = log.nodes(&nodes_of(&path), &Leaves::new()).await?;
    Ok(consistency::prove(&path, &nodes))
}

impl From<LakeError> for Failed {
    fn from(error: LakeError) -> Self {
        let told = format!("the lake: {error}");
        match error {
            LakeError::Invalid(_) | LakeError::Damaged { .. } => Self::Refused(told),
            _ => Self::Silent(told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_have_an_end() {
        let mut wait = Wait::default();
        assert!(wait.is_over());
        wait.longer(Duration::from_secs(1));
        assert!(!wait.is_over());
        let first = wait.until.unwrap();
        wait.longer(Duration::from_secs(1));
        assert!(wait.until.unwrap() > first);
        for _ in 0..100 {
            wait.longer(Duration::from_secs(1));
        }
        assert!(wait.until.unwrap() <= Instant::now() + LONGEST);
    }
}
