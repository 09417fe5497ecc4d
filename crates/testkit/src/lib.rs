//! What tests need and nothing else may use: a clock that stands still until told, an object
//! store that fails as real ones do, the contract every object store of ours must keep, the
//! manifest of a large lake, batches as no sane source sends them, and what other people's code
//! makes of them.
//!
//! The generator of likely events is [`auditlake_model::sample`]: `quickstart` and the benches
//! use it too.

pub mod clock;
#[cfg(feature = "stores")]
pub mod conformance;
#[cfg(feature = "stores")]
pub mod faults;
#[cfg(feature = "stores")]
pub mod faulty;
pub mod generated;
#[cfg(feature = "stores")]
pub mod manifest;
pub mod plain;
#[cfg(feature = "stores")]
mod upload;

pub use clock::ManualClock;
#[cfg(feature = "stores")]
pub use conformance::object_store_conformance;
#[cfg(feature = "stores")]
pub use faults::{Fault, FaultPlan, Faults, Injected};
#[cfg(feature = "stores")]
pub use faulty::FaultyStore;
