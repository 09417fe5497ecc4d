//! The exports, read back with other people's readers.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs the script on a folder of exports; it has compared them all when it ends well.
pub(crate) fn read_back(folder: &Path) -> Value {
    let Some(python) = std::env::var_os("AUDITLAKE_TEST_PYTHON") else {
        panic!(
            "AUDITLAKE_TEST_PYTHON must name a Python with the packages of \
             tests/requirements.txt; `cargo xtask test` makes one and sets it"
        );
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/read_back.py");
    let output = Command::new(python).arg(script).arg(folder).output().expect("Python starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the script fails: {complaint}");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}
