//! The project's own chores: `cargo xtask test` and `cargo xtask ci`.
//!
//! Every chore runs from the workspace root, whatever folder it was called in, and needs
//! nothing but a Rust toolchain, a Python with `venv`, Node, curl, jq, openssl and Chromium.

mod lint;
mod node;
mod python;
mod shell;
mod steps;
mod suite;
mod system;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::shell::Workspace;
use crate::steps::Steps;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [-- ARGS]   run the test suite; ARGS go to `cargo nextest run`
  ci               check format, lints and docs, then run the test suite
  help             print this text";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let Some((command, rest)) = args.split_first() else {
        bail!("no command given\n{USAGE}");
    };
    match command.as_str() {
        "test" => {
            let nextest_args = match rest {
                [first, tail @ ..] if first == "--" => tail,
                _ => rest,
            };
            measured(|workspace, steps| suite::run_tests(workspace, steps, nextest_args))
        }
        "ci" if rest.is_empty() => measured(|workspace, steps| {
            lint::check(workspace, steps)?;
            suite::run_tests(workspace, steps, &[])
        }),
        "ci" => bail!("`ci` takes no arguments\n{USAGE}"),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("unknown command `{other}`\n{USAGE}"),
    }
}

/// Runs a chore and prints the table of its steps, also when one of them failed.
fn measured(chore: impl FnOnce(&Workspace, &mut Steps) -> Result<()>) -> Result<()> {
    let workspace = Workspace::find()?;
    let mut steps = Steps::default();
    let result = chore(&workspace, &mut steps);
    println!("\n{steps}");
    result
}
