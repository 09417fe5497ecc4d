//! The harness of the tests that run the real binary: a lake in a folder and whatever is
//! started on it, clients that never lose count of what was acknowledged to them, and a
//! reader that says whether the lake kept its word.

mod binary;
mod check;
mod http;
mod ingest;
mod mount;
mod site;

pub use binary::{Died, Server, binary};
pub use check::{Content, Row, read_beside, read_flushed};
pub use http::{Answer, Http, Target};
pub use ingest::{Batch, Client, Crowd, Ended, Event, Feeding};
pub use mount::{Image, Mounted, cut_power, tmpfs};
pub use site::{RESTLESS, Ran, Site};
