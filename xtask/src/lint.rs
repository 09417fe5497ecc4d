//! What is checked before the tests: format, lints, docs, and two optional tools.

use anyhow::Result;

use crate::shell::{Workspace, run, works};
use crate::steps::Steps;

/// Runs every check; the first one that fails ends the chore.
pub(crate) fn check(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run("fmt", || run(workspace.cargo().args(["fmt", "--all", "--check"])))?;
    steps.run("clippy", || {
        let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        run(workspace.cargo().args(args))
    })?;
    steps.run("doc", || {
        let args = ["doc", "--workspace", "--no-deps", "--document-private-items"];
        run(workspace.cargo().args(args).env("RUSTDOCFLAGS", "-D warnings"))
    })?;

    // A contributor need not have these two, so their absence is no error.
    if works(workspace.cargo().args(["deny", "--version"])) {
        steps.run("deny", || run(workspace.cargo().args(["deny", "check"])))?;
    } else {
        steps.skip("deny", "cargo-deny is not installed");
    }
    if works(workspace.command("typos").arg("--version")) {
        steps.run("typos", || run(&mut workspace.command("typos")))?;
    } else {
        steps.skip("typos", "typos is not installed");
    }
    Ok(())
}
