//! Programs of the system that the tests call: looked for, and installed through apt-get where
//! that is possible.

use anyhow::{Result, bail};

use crate::shell::{Workspace, run, works};

/// What the documented commands of the API are run with, what makes certificates, and the browser
/// that the console and the page of evidence bundles are driven in. Each is also the name of its
/// Debian package.
const PROGRAMS: [&str; 4] = ["curl", "jq", "openssl", "chromium"];

/// Makes sure that every program is there.
pub(crate) fn prepare(workspace: &Workspace) -> Result<()> {
    let is_there = |program: &str| {
        // openssl knows its version by another name.
        let flag = if program == "openssl" { "version" } else { "--version" };
        works(workspace.command(program).arg(flag))
    };
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(workspace, &missing)?;
    match missing.iter().find(|program| !is_there(program)) {
        None => Ok(()),
        Some(program) => bail!("there is still no `{program}` after its install"),
    }
}

/// Installs Debian packages; where that cannot be, says what somebody else has to install.
pub(crate) fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    if !(is_superuser(workspace) && works(workspace.command("apt-get").arg("--version"))) {
        let packages = packages.join(" ");
        bail!(
            "the tests need {packages}; install it \
             (on Debian and Ubuntu: apt-get install {packages}) and try again"
        );
    }
    // A stale package list is good enough as long as the install itself succeeds.
    if let Err(error) = run(apt_get(workspace).args(["update", "-q"])) {
        println!("continuing with the old package list: {error:#}");
    }
    run(apt_get(workspace).args(["install", "-y", "-q"]).args(packages))
}

fn apt_get(workspace: &Workspace) -> std::process::Command {
    let mut command = workspace.command("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_superuser(workspace: &Workspace) -> bool {
    let answer = workspace.command("id").arg("-u").output();
    answer.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
