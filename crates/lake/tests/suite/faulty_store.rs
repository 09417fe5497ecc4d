//! An object store that fails at any write, in any way: what was acknowledged is there once,
//! and the log of commits is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use auditlake_lake::{Commit, Lake, LakeConfig, LakeError};
use auditlake_testkit::{Fault, FaultPlan, Faults, FaultyStore};
use futures::TryStreamExt;
use futures::future::join_all;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::site::{Site, draft, event, id, read, read_flushed};

/// Runs at a time: each waits for the disk and for retries most of the time.
const ABREAST: u64 = 8;

/// What a run does, one after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u32),
    Flush,
    Compact,
    /// A day later, so that what was removed is due.
    Sweep,
    Reopen,
}

const SCRIPT: [Step; 13] = [
    Step::Append(0),
    Step::Append(1),
    Step::Append(2),
    Step::Flush,
    Step::Append(3),
    Step::Flush,
    Step::Compact,
    Step::Append(4),
    Step::Flush,
    Step::Sweep,
    Step::Reopen,
    Step::Append(5),
    Step::Flush,
];
const BATCHES: Range<u32> = 0..6;

/// Three events: two of one tenant in different days, one of another.
fn batch(number: u32) -> Vec<String> {
    vec![
        event("acme", 0, &id(number * 3)),
        event("acme", i64::from(number % 2), &id(number * 3 + 1)),
        event("globex", 0, &id(number * 3 + 2)),
    ]
}

/// One lake over one faulty store.
struct Run {
    site: Site,
    faults: Arc<Faults>,
    inner: Arc<dyn ObjectStore>,
    what: String,
}

impl Run {
    fn new(plan: FaultPlan, seed: u64, what: String) -> Self {
        let faults = Faults::new(plan, seed);
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let store = FaultyStore::new(Arc::clone(&inner), Arc::clone(&faults));
        Self { site: Site::on(Arc::new(store)), faults, inner, what }
    }

    /// Opens the lake; when the store does not let it, once more with a store that works.
    async fn open(&self) -> Lake {
        let config = LakeConfig { snapshot_every: 3, ..self.site.config() };
        match Lake::open(config.clone(), self.site.environment()).await {
            Ok(lake) => lake,
            Err(_) => {
                self.faults.disarm();
                let opened = Lake::open(config, self.site.environment()).await;
                opened.unwrap_or_else(|error| panic!("{}: reopening: {error}", self.what))
            }
        }
    }

    /// Does a step until it is done, going on with the lake if it goes on, and with a new one
    /// over a store that works if not.
    async fn step(&self, mut lake: Lake, step: Step) -> Lake {
        const ATTEMPTS: usize = 4;
        if matches!(step, Step::Reopen) {
            // What it says does not matter: the next one must find everything anyhow.
            let _ = lake.close().await;
            return self.open().await;
        }
        for attempt in 1.. {
            let error = match self.attempt(&lake, step).await {
                Ok(()) => break,
                Err(error) => error,
            };
            assert!(attempt < ATTEMPTS, "{}: {step:?} fails for good: {error}", self.what);
            if lake.check_running().is_err() || attempt + 1 == ATTEMPTS {
                self.faults.disarm();
                drop(lake);
                lake = self.open().await;
            }
        }
        lake
    }

    async fn attempt(&self, lake: &Lake, step: Step) -> Result<(), LakeError> {
        match step {
            Step::Append(number) => {
                let receipt = lake.append(draft(&batch(number))).await?;
                assert_eq!(receipt.accepted + receipt.duplicates, 3, "{}: {step:?}", self.what);
                Ok(())
            }
            Step::Flush => lake.flush().await,
            Step::Compact => lake.compact(2).await.map(|_| ()),
            Step::Sweep => {
                self.site.clock.advance(24 * 3_600_000_000);
                lake.sweep().await.map(|_| ())
            }
            Step::Reopen => Ok(()),
        }
    }

    /// The whole script, and all that must hold after it and after one more start.
    async fn run(&self) {
        let mut lake = self.open().await;
        for step in SCRIPT {
            lake = self.step(lake, step).await;
        }
        self.faults.disarm();
        let before = read(&lake.snapshot(), &self.what).await;
        drop(lake);
        let lake = self.open().await;
        let content = read(&lake.snapshot(), &self.what).await;
        assert_eq!(content, before, "{}: the same after a restart", self.what);
        lake.flush().await.unwrap_or_else(|error| panic!("{}: {error}", self.what));
        let content = read_flushed(&lake, &self.what).await;
        for (tenant, of) in [("acme", [0, 1].as_slice()), ("globex", [2].as_slice())] {
            let mut found = content.ids(tenant);
            found.sort();
            let sent = BATCHES.flat_map(|batch| of.iter().map(move |n| id(batch * 3 + n)));
            assert_eq!(found, sent.collect::<Vec<_>>(), "{}: {tenant}", self.what);
        }
        self.check_commits(&lake).await;
    }

    /// The commits in the store are one chain, each written once, and add up to the manifest.
    async fn check_commits(&self, lake: &Lake) {
        let what = &self.what;
        let listing = self.inner.list(Some(&Path::from("log")));
        let listing: Vec<_> = listing.try_collect().await.expect("a listing");
        let (mut whole, mut torn) = (BTreeMap::new(), BTreeSet::new());
        for meta in listing.iter().filter(|meta| meta.location.parts().count() == 2) {
            let found = self.inner.get(&meta.location).await.expect("a commit");
            let bytes = found.bytes().await.expect("its bytes");
            let name = meta.location.filename().expect("a name");
            let version: u64 = name.trim_end_matches(".json").parse().expect("a number");
            match serde_json::from_slice::<Commit>(&bytes) {
                Ok(commit) => {
                    whole.insert(version, commit);
                }
                Err(_) => {
                    torn.insert(version);
                }
            }
        }
        let ids: BTreeSet<&str> = whole.values().map(|commit| commit.id.as_str()).collect();
        assert_eq!(ids.len(), whole.len(), "{what}: a commit stands at two numbers");
        let void: BTreeSet<u64> =
            whole.values().flat_map(|commit| commit.void.iter().copied()).collect();
        assert_eq!(void, torn, "{what}: what is torn is left out, and nothing else");
        let mut live = BTreeSet::new();
        for commit in whole.values() {
            for segment in &commit.add {
                assert!(live.insert(segment.path.clone()), "{what}: {} again", segment.path);
            }
            for path in &commit.remove {
                assert!(live.remove(path), "{what}: {path} was removed but not there");
            }
        }
        let snapshot = lake.snapshot();
        let shown: BTreeSet<String> =
            snapshot.segments().iter().map(|segment| segment.path.clone()).collect();
        assert_eq!(shown, live, "{what}: the commits add up to the manifest");
    }
}

/// Fails each write of the script in turn, until a run has fewer writes than that.
async fn sweep(fault: Fault) {
    let mut first = 0;
    loop {
        let runs = (first..first + ABREAST).map(|nth_write| async move {
            let what = format!("{fault:?} at write {nth_write}");
            let run = Run::new(FaultPlan::At { nth_write, fault }, nth_write, what);
            run.run().await;
            run.faults.injected().len()
        });
        let injected: Vec<usize> = join_all(runs).await;
        if injected.contains(&0) {
            assert!(first > 0, "the script has more than {ABREAST} writes");
            return;
        }
        first += ABREAST;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_lost_response_is_survived() {
    sweep(Fault::LostResponse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_write_not_done_is_survived() {
    sweep(Fault::NotDone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_conflict_with_oneself_is_survived() {
    sweep(Fault::Conflict409).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_timeout_is_survived() {
    sweep(Fault::Timeout).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_torn_write_is_survived() {
    sweep(Fault::TornPut).await;
}

/// Runs many seeds and answers how many faults there were.
async fn random(seeds: Range<u64>, probability: f64, read_errors: f64) -> usize {
    let mut injected = 0;
    for first in seeds.clone().step_by(ABREAST as usize) {
        let runs = (first..seeds.end.min(first + ABREAST)).map(|seed| async move {
            let what = format!("seed {seed}, probability {probability}, of reads {read_errors}");
            let run = Run::new(FaultPlan::Random { probability }, seed, what);
            run.faults.set_read_error_probability(read_errors);
            run.run().await;
            run.faults.injected().len()
        });
        injected += join_all(runs).await.into_iter().sum::<usize>();
    }
    injected
}

#[tokio::test(flavor = "multi_thread")]
async fn random_faults_are_survived() {
    let injected = random(0..100, 0.2, 0.0).await;
    assert!(injected > 200, "{injected} faults");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_mostly_fails_is_survived() {
    let injected = random(1000..1032, 0.7, 0.0).await;
    assert!(injected > 100, "{injected} faults");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_faults_of_writes_and_reads_are_survived() {
    let injected = random(2000..2060, 0.1, 0.05).await;
    assert!(injected > 20, "{injected} faults");
}
