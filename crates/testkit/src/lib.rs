//! What tests need and nothing else may use: a clock that stands still until told, an object
//! store that fails as real ones do, and the contract every object store of ours must keep.
//!
//! The generator of events is [`auditlake_model::sample`]: `quickstart` and the benches use it
//! too.

pub mod clock;
pub mod conformance;
pub mod faults;
pub mod faulty;
mod upload;

pub use clock::ManualClock;
pub use conformance::object_store_conformance;
pub use faults::{Fault, FaultPlan, Faults, Injected};
pub use faulty::FaultyStore;
