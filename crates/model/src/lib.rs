//! What an audit event is: its columns, its JSON form, its canonical line, and the values
//! that select events. Pure: no network, no files, no database.

pub mod claim;
pub mod columns;
pub mod dictionary;
pub mod digits;
pub mod draft;
pub mod env;
pub mod error;
pub mod filter;
pub mod id;
pub mod layout;
pub mod line;
pub mod page;
pub mod parse;
#[cfg(feature = "parquet")]
pub mod render;
pub mod sample;
pub mod scope;
pub mod text;
pub mod time;

pub use draft::Draft;
pub use error::ModelError;
