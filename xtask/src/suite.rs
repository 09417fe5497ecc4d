//! The test suite: the programs, the Python and the Node that some tests use, nextest, then the
//! doc tests.

use anyhow::{Context, Result};

use crate::shell::{Workspace, run, works};
use crate::steps::Steps;
use crate::{node, python, system};

/// The tests of crashes make the binary die at named places. The doc tests need no such thing,
/// but with other features everything would be built again for them.
const FEATURES: [&str; 2] = ["--features", "auditlake-cli/failpoints"];

/// Prepares what the tests need and runs them all; `nextest_args` narrow or tune the nextest run.
pub(crate) fn run_tests(
    workspace: &Workspace,
    steps: &mut Steps,
    nextest_args: &[String],
) -> Result<()> {
    steps.run("programs", || system::prepare(workspace))?;
    let python = steps.run("python", || python::prepare(workspace))?;
    let node = steps.run("node", || node::prepare(workspace))?;
    steps.run("nextest installed", || install_nextest(workspace))?;
    steps.run("tests", || {
        let mut command = workspace.cargo();
        command.args(["nextest", "run", "--workspace"]).args(FEATURES).args(nextest_args);
        run(command.env("AUDITLAKE_TEST_PYTHON", &python).env("AUDITLAKE_TEST_NODE", &node))
    })?;
    steps.run("doc tests", || {
        run(workspace.cargo().args(["test", "--workspace", "--doc"]).args(FEATURES))
    })
}

/// Installs cargo-nextest where it is missing.
fn install_nextest(workspace: &Workspace) -> Result<()> {
    if works(workspace.cargo().args(["nextest", "--version"])) {
        return Ok(());
    }
    println!("cargo-nextest is missing; it is compiled once, which takes some minutes");
    run(workspace.cargo().args(["install", "--locked", "cargo-nextest"]))
        .context("the tests need cargo-nextest")
}
