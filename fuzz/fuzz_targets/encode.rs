//! Every check of the encoders, for the batches that the fuzzer's bytes stand for.

#![no_main]

#[path = "../../crates/export/tests/suite/checks.rs"]
mod checks;

use auditlake_testkit::generated::case;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| checks::all(&case(bytes)));
