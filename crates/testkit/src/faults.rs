//! Which writes fail, how, and the record of it.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use object_store::path::Path;
use object_store::{Error, PutPayload, Result};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// How a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is done, but the answer is an error.
    LostResponse,
    /// Nothing is done.
    NotDone,
    /// It is done, but the answer is that the object already exists: the client library sent
    /// it again after a lost response and met its own object. Only a create-only write can
    /// fail so; any other loses its response.
    Conflict409,
    /// Done or not, by a coin; the error comes late.
    Timeout,
    /// A strict prefix of the bytes is stored (for a rename: the copy, without the removal).
    /// What has no bytes is not done.
    TornPut,
}

impl Fault {
    /// Every kind, for sweeps.
    pub const ALL: [Self; 5] =
        [Self::LostResponse, Self::NotDone, Self::Conflict409, Self::Timeout, Self::TornPut];
}

/// Which writes fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultPlan {
    /// None.
    Never,
    /// Exactly one.
    At {
        /// Its number, counted from 0.
        nth_write: u64,
        /// How it fails.
        fault: Fault,
    },
    /// Each with this probability, in a random way.
    Random {
        /// Between 0 and 1.
        probability: f64,
    },
}

/// A fault that was injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// The number of the write.
    pub write: u64,
    /// The object; of a copy or rename, the target.
    pub path: String,
    /// What happened to it, which is not always what was planned (see [`Fault`]).
    pub fault: Fault,
}

/// The schedule of a [`FaultyStore`](crate::FaultyStore) and the record of what it did.
#[derive(Debug)]
pub struct Faults {
    /// One lock: the order in which writes begin decides their numbers and their luck.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    plan: FaultPlan,
    read_error_probability: f64,
    rng: SmallRng,
    writes: u64,
    reads: u64,
    injected: Vec<Injected>,
}

/// What the kind of a write allows to go wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) create_only: bool,
    pub(crate) tearable: bool,
}

/// A write that is about to fail.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) fault: Fault,
    /// Where a torn write is cut, in [0, 1).
    cut: f64,
    /// Whether a timed-out write is done.
    coin: bool,
    write: u64,
    path: String,
}

impl Faults {
    /// The same seed and the same order of writes give the same faults.
    #[must_use]
    pub fn new(plan: FaultPlan, seed: u64) -> Arc<Self> {
        let rng = SmallRng::seed_from_u64(seed);
        let (read_error_probability, writes, reads) = (0.0, 0, 0);
        let state =
            State { plan, read_error_probability, rng, writes, reads, injected: Vec::new() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Lets reads and listings fail with this probability as well.
    pub fn set_read_error_probability(&self, probability: f64) {
        self.lock().read_error_probability = probability.clamp(0.0, 1.0);
    }

    /// How many writes have begun.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// How many reads and listings have begun.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// The faults so far.
    #[must_use]
    pub fn injected(&self) -> Vec<Injected> {
        self.lock().injected.clone()
    }

    /// Stops all faults, of reads too. Writes and reads are still counted.
    pub fn disarm(&self) {
        let mut state = self.lock();
        state.plan = FaultPlan::Never;
        state.read_error_probability = 0.0;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere still wants to know what was injected.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, path: &Path, kind: Write) -> Option<Hit> {
        let mut state = self.lock();
        let (write, plan) = (state.writes, state.plan);
        state.writes += 1;
        let planned = match plan {
            FaultPlan::Never => return None,
            FaultPlan::At { nth_write, fault } => (nth_write == write).then_some(fault)?,
            FaultPlan::Random { probability } => {
                if !state.rng.random_bool(probability.clamp(0.0, 1.0)) {
                    return None;
                }
                Fault::ALL[state.rng.random_range(0..Fault::ALL.len())]
            }
        };
        let fault = match planned {
            Fault::Conflict409 if !kind.create_only => Fault::LostResponse,
            Fault::TornPut if !kind.tearable => Fault::NotDone,
            possible => possible,
        };
        let (cut, coin) = (state.rng.random::<f64>(), state.rng.random::<bool>());
        let path = path.to_string();
        state.injected.push(Injected { write, path: path.clone(), fault });
        Some(Hit { fault, cut, coin, write, path })
    }

    pub(crate) fn read(&self, path: Option<&Path>) -> Result<()> {
        let mut state = self.lock();
        state.reads += 1;
        let probability = state.read_error_probability;
        // No draw without need: as long as reads do not fail, they leave the luck of the writes.
        if probability > 0.0 && state.rng.random_bool(probability) {
            let path = path.map_or("", AsRef::as_ref);
            return Err(generic(format!("injected fault on reading \"{path}\"")));
        }
        Ok(())
    }
}

impl Hit {
    /// Whether the whole of it is done in spite of the error.
    pub(crate) fn is_done(&self) -> bool {
        match self.fault {
            Fault::LostResponse | Fault::Conflict409 => true,
            Fault::NotDone | Fault::TornPut => false,
            Fault::Timeout => self.coin,
        }
    }

    /// The part of the bytes that a torn write leaves.
    pub(crate) fn torn(&self, payload: &PutPayload) -> PutPayload {
        let whole: Vec<u8> = payload.iter().flat_map(|chunk| chunk.iter().copied()).collect();
        let kept = (self.cut * whole.len() as f64) as usize;
        PutPayload::from(whole[..kept.min(whole.len().saturating_sub(1))].to_vec())
    }

    /// What the caller is told, and when.
    pub(crate) async fn answer(self) -> Error {
        if self.fault == Fault::Timeout {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let message =
            format!("injected {:?} on write {} of \"{}\"", self.fault, self.write, self.path);
        match self.fault {
            Fault::Conflict409 => Error::AlreadyExists { path: self.path, source: message.into() },
            _ => generic(message),
        }
    }

    /// Fails a write whose work is a single step.
    pub(crate) async fn fail<T>(self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.is_done() {
            let done = work.await;
            // A conflict is told by the store itself, so a true error of it comes through. All
            // others hide whether the work succeeded.
            if self.fault == Fault::Conflict409 {
                done?;
            }
        }
        Err(self.answer().await)
    }
}

fn generic(message: String) -> Error {
    Error::Generic { store: "faulty", source: message.into() }
}
