//! The contract, over the stores this crate can reach: memory, memory behind a wrapper
//! without faults, and behind one whose faults are over.

use std::sync::Arc;

use auditlake_testkit::{FaultPlan, Faults, FaultyStore, object_store_conformance};
use object_store::ObjectStore;
use object_store::memory::InMemory;

#[tokio::test]
async fn memory_keeps_the_contract() {
    object_store_conformance(&InMemory::new()).await;
}

#[tokio::test]
async fn a_store_without_faults_keeps_the_contract() {
    let faults = Faults::new(FaultPlan::Never, 1);
    let store = FaultyStore::new(Arc::new(InMemory::new()), Arc::clone(&faults));
    object_store_conformance(&store).await;
    assert!(faults.writes() > 50);
    assert!(faults.injected().is_empty());
}

#[tokio::test]
async fn a_disarmed_store_keeps_the_contract() {
    let faults = Faults::new(FaultPlan::Random { probability: 1.0 }, 1);
    faults.set_read_error_probability(1.0);
    faults.disarm();
    let store: Arc<dyn ObjectStore> =
        Arc::new(FaultyStore::new(Arc::new(InMemory::new()), Arc::clone(&faults)));
    object_store_conformance(store.as_ref()).await;
    assert!(faults.injected().is_empty());
}
