//! Planning: which segments of a large lake may hold an answer, judged from the manifest. The
//! segments do not exist, so a plan that opened one of them would fail.

use std::cell::LazyCell;
use std::hint::black_box;
use std::sync::Arc;

use auditlake_benches::{few_samples, runtime};
use auditlake_lake::{LakeConfig, LakeReader, Root, Snapshot};
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, EngineConfig, ScanRequest};
use auditlake_testkit::manifest::LargeManifest;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

fn plan(criterion: &mut Criterion) {
    let runtime = runtime();
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    let mut group = criterion.benchmark_group("plan");
    for segments in [1_000, 10_000, 100_000] {
        let manifest = LargeManifest::new(segments);
        // The largest takes seconds and gigabytes: made only when a bench of its size is asked for.
        let snapshot = LazyCell::new(|| runtime.block_on(open(manifest)));
        group.throughput(Throughput::Elements(segments as u64));
        for question in manifest.questions() {
            let everything = ScanRequest::of(Scope::everything());
            let request = ScanRequest { filter: question.filter, ..everything };
            let plan = |snapshot: &Snapshot| {
                engine.plan(snapshot, black_box(&request)).expect("a plan").segments()
            };
            group.bench_function(BenchmarkId::new(question.name, segments), |bencher| {
                let snapshot: &Snapshot = &snapshot;
                assert_eq!(plan(snapshot), question.kept, "{}", question.name);
                bencher.iter(|| plan(black_box(snapshot)));
            });
        }
    }
    group.finish();
}

/// The lake as a reader has it that holds nothing but its manifest.
async fn open(manifest: LargeManifest) -> Snapshot {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (path, bytes) = (Path::from(manifest.path()), manifest.bytes());
    store.put(&path, bytes.into()).await.expect("a store in memory");
    let config = LakeConfig::new(Root::of(store, "plan"));
    let reader = LakeReader::open(config).await.expect("the lake opens");
    reader.snapshot().await.expect("a snapshot")
}

criterion_group! {
    name = benches;
    config = few_samples();
    targets = plan
}
criterion_main!(benches);
