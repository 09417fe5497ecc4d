//! The Python of the tests: a virtual environment in `target/venv` with pinned packages.
//!
//! It is built once and again whenever `tests/requirements.txt` changes. A stamp, written last,
//! holds the requirements that the environment was built from; without it nothing is trusted.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{Workspace, run, works};
use crate::system::install;

const SYSTEM_PYTHON: &str = "python3";

/// Returns the interpreter of an environment that holds the pinned packages.
pub(crate) fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    let requirements = workspace.path("tests/requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let venv = workspace.path("target/venv");
    let stamp = venv.join("requirements.stamp");
    let python = interpreter(&venv);

    let built = fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
    if built && works(workspace.command(&python).arg("--version")) {
        return Ok(python);
    }

    ensure_system_python(workspace)?;
    run(workspace.command(SYSTEM_PYTHON).args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "-q", "-r"];
    run(workspace.command(&python).args(pip).arg(&requirements))
        .context("cannot install the packages of tests/requirements.txt")?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}

fn interpreter(venv: &Path) -> PathBuf {
    if cfg!(windows) { venv.join("Scripts").join("python.exe") } else { venv.join("bin/python") }
}

/// Makes sure that the system's Python can build an environment, if need be through apt-get.
fn ensure_system_python(workspace: &Workspace) -> Result<()> {
    if has_venv(workspace) {
        return Ok(());
    }
    install(workspace, &["python3-venv"])?;
    if !has_venv(workspace) {
        bail!("`{SYSTEM_PYTHON}` still has no venv module after the install of python3-venv");
    }
    Ok(())
}

/// Debian ships `venv` without `ensurepip`, and an environment needs both.
fn has_venv(workspace: &Workspace) -> bool {
    works(workspace.command(SYSTEM_PYTHON).args(["-c", "import venv, ensurepip"]))
}
