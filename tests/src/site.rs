//! A lake in a folder, and what its servers and commands need beside it: the settings file,
//! the key that is shown once, and the log.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{Died, Server, binary};
use crate::http::Http;

/// Settings under which flush, commit, compaction and deletion all come within a fraction of
/// a second of any load.
pub const RESTLESS: &str = "\
[tuning]
flush_interval_ms = 50
flush_bytes = 65536
compact_segments = 3
removal_grace_ms = 0
";

/// Where a lake lives; all of it is gone when this is dropped.
#[derive(Debug)]
pub struct Site {
    beside: TempDir,
    lake: PathBuf,
    http: Http,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// The standard output as text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the output is UTF-8")
    }

    /// The standard output as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// Itself, if it ended well.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "it failed: {}", self.stderr);
        self
    }

    /// What it complained of, if it ended with this code.
    #[must_use]
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "exit code; it said: {}", self.stderr);
        self.stderr
    }
}

impl Site {
    /// A lake to be, in the folder for temporary files.
    #[must_use]
    pub fn new() -> Self {
        Self::with(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A lake to be, in a temporary folder within `parent`.
    #[must_use]
    pub fn within(parent: &Path) -> Self {
        std::fs::create_dir_all(parent).expect("a folder for temporary folders");
        Self::with(tempfile::tempdir_in(parent).expect("a temporary folder"))
    }

    fn with(beside: TempDir) -> Self {
        let lake = beside.path().join("lake");
        let site = Self { beside, lake, http: Http::new() };
        site.set("");
        site
    }

    /// Has the lake somewhere else, such as on a disk that is to fail.
    pub fn move_lake(&mut self, lake: PathBuf) {
        self.lake = lake;
    }

    /// Writes the settings file.
    pub fn set(&self, settings: &str) {
        std::fs::write(self.settings(), settings).expect("a settings file");
    }

    fn settings(&self) -> PathBuf {
        self.folder().join("settings.toml")
    }

    /// The lake.
    #[must_use]
    pub fn lake(&self) -> &Path {
        &self.lake
    }

    /// The folder beside the lake, where commands run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.beside.path()
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// The key that a server showed at its first start.
    #[must_use]
    pub fn key(&self) -> String {
        std::fs::read_to_string(self.folder().join("key")).expect("a server has shown its key")
    }

    /// A command on this lake, untouched by the caller's environment.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AUDITLAKE_") {
                command.env_remove(name);
            }
        }
        command.env_remove("FAILPOINTS").env("NO_PROXY", "127.0.0.1").current_dir(self.folder());
        command.args(arguments).arg("--lake").arg(&self.lake).arg("--config").arg(self.settings());
        command
    }

    /// Runs a command to its end, with nothing to read.
    #[must_use]
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        self.run_with(arguments, b"")
    }

    /// Runs a command to its end; it reads `input`.
    #[must_use]
    pub fn run_with<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Ran {
        finish(&mut self.command(arguments), input)
    }

    /// Runs a command to its end with a variable set.
    #[must_use]
    pub fn run_env<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        variable: (&str, &str),
    ) -> Ran {
        finish(self.command(arguments).env(variable.0, variable.1), b"")
    }

    /// A server process that has just been started.
    #[must_use]
    pub fn spawn(&self) -> Server {
        Server::spawn(self, &[], &[])
    }

    /// A server that takes events.
    pub async fn start(&self) -> Server {
        self.start_with(&[], &[]).await
    }

    /// A server that takes events, with more flags of `serve` and with variables set.
    pub async fn start_with(&self, flags: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut server = Server::spawn(self, flags, variables);
        match server.ready().await {
            Ok(()) => server,
            Err(Died { status, log }) => panic!("the server ended with {status}: {log}"),
        }
    }

    /// A server that takes events, with places where it is to die or fail, unless it dies at
    /// one of them before.
    pub async fn try_start(&self, failpoints: &str) -> Result<Server, Died> {
        let variables = [("FAILPOINTS", failpoints)];
        let chosen: &[(&str, &str)] = if failpoints.is_empty() { &[] } else { &variables };
        let mut server = Server::spawn(self, &[], chosen);
        server.ready().await?;
        Ok(server)
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

fn finish(command: &mut Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("its standard input is a pipe");
    // Written beside the reading, or both sides could wait for each other. A command that
    // reads nothing closes the pipe early.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().expect("its output")
    });
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
