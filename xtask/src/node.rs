//! The Node of the tests: the pinned packages of `tests/console/package.json`, in `target/node`.
//!
//! They are installed once and again whenever that file, or the lock beside it, changes. A stamp,
//! written last, holds both; without it nothing is trusted. No package's own scripts are run, and
//! no browser is fetched: the tests use the system's Chromium.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{Workspace, run, works};
use crate::system::install;

/// Where the packages are named, and what pins those that they need in turn.
const WANTED: [&str; 2] = ["package.json", "package-lock.json"];
/// Debian names the program after another package than its command.
const PACKAGES: [&str; 2] = ["nodejs", "npm"];
/// The oldest Node that the packages run on.
const OLDEST: &str = "20";

/// Returns the folder whose `node_modules` holds the pinned packages.
pub(crate) fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    ensure_node(workspace)?;
    let folder = workspace.path("target/node");
    let stamp = folder.join("packages.stamp");
    let wanted = wanted(&workspace.path("tests/console"))?;
    let joined: String = wanted.iter().map(|(_, text)| text.as_str()).collect();
    if fs::read_to_string(&stamp).is_ok_and(|found| found == joined) {
        return Ok(folder);
    }

    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in &wanted {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    run(workspace.command("npm").arg("ci").args(flags).current_dir(&folder))
        .context("cannot install the packages of tests/console/package.json")?;
    fs::write(&stamp, joined).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(folder)
}

/// The files that say what to install, by name.
fn wanted(folder: &Path) -> Result<Vec<(&'static str, String)>> {
    let read = |name| {
        let path = folder.join(name);
        let text = fs::read_to_string(&path);
        Ok((name, text.with_context(|| format!("cannot read {}", path.display()))?))
    };
    WANTED.into_iter().map(read).collect()
}

/// Makes sure that Node and npm are there and new enough, if need be through apt-get.
fn ensure_node(workspace: &Workspace) -> Result<()> {
    if has_node(workspace) {
        return Ok(());
    }
    install(workspace, &PACKAGES)?;
    if !has_node(workspace) {
        bail!("the tests need Node {OLDEST} or newer, with npm");
    }
    Ok(())
}

fn has_node(workspace: &Workspace) -> bool {
    let is_new = format!("process.exit(parseInt(process.versions.node) < {OLDEST} ? 1 : 0)");
    works(workspace.command("node").args(["-e", &is_new]))
        && works(workspace.command("npm").arg("--version"))
}
