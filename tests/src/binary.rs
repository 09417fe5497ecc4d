//! The real binary, and a server running in it.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::http::{Http, Target};
use crate::site::Site;

/// How long a start may take; in a debug build, on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long a server may take to stop: the grace of running requests and then some.
const STOP: Duration = Duration::from_secs(60);
/// How often a process that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The binary under test: it lies in the folder of the profile that the running test was
/// built with.
#[must_use]
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(Path::parent).expect("a test lies in target/*/deps");
    let binary = folder.join(format!("auditlake{}", std::env::consts::EXE_SUFFIX));
    assert!(
        binary.is_file(),
        "there is no {}; run `cargo xtask test`, which builds it with the feature failpoints",
        binary.display()
    );
    binary
}

/// A process that ended before it was asked to.
#[derive(Debug)]
pub struct Died {
    /// How it ended.
    pub status: ExitStatus,
    /// What it said last.
    pub log: String,
}

/// A server process; it is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    url: Option<String>,
    key: Option<String>,
    key_file: PathBuf,
    log: PathBuf,
    http: Http,
}

impl Server {
    /// Starts a process, and waits for nothing.
    pub(crate) fn spawn(site: &Site, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let mut command: Command = site.command(serve.iter().chain(flags));
        command.envs(variables.iter().copied());
        let log = site.folder().join("server.log");
        let stderr = OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("the binary starts");
        let lines = follow(child.stdout.take().expect("its standard output is a pipe"));
        let key_file = site.folder().join("key");
        let key = std::fs::read_to_string(&key_file).ok();
        Self { child, lines, url: None, key, key_file, log, http: site.http().clone() }
    }

    /// Waits until it takes events.
    pub async fn ready(&mut self) -> Result<(), Died> {
        let started = Instant::now();
        loop {
            self.read_lines();
            if let (Some(url), Some(_)) = (&self.url, &self.key) {
                let ready = self.http.get(&format!("{url}/readyz"), "").await;
                if ready.is_ok_and(|answer| answer.status == 200) {
                    return Ok(());
                }
            }
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                // It may have printed the key just before.
                while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
                    self.read_line(&line);
                }
                return Err(Died { status, log: self.last_words() });
            }
            if started.elapsed() > START {
                panic!("no server after {START:?}: {}", self.last_words());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Where it is, and how to get in.
    #[must_use]
    pub fn target(&self) -> Target {
        let url = self.url.clone().expect("a server that is ready has said where it is");
        let key = self.key.clone().expect("a server that is ready has said its key");
        Target { http: self.http.clone(), url, key }
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGSTOP, and the wait until no thread runs any more: what it had answered until then is
    /// all that it answers. A thread within the kernel may finish what it does there.
    pub fn freeze(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).expect("a child takes a signal");
        let tasks = format!("/proc/{}/task", self.child.id());
        let runs = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // The state stands behind the name, which is in brackets and may hold anything.
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            !matches!(state, Some('T' | 't' | 'D' | 'Z' | 'X') | None)
        };
        while std::fs::read_dir(&tasks).expect("its threads").flatten().any(runs) {
            std::thread::yield_now();
        }
    }

    /// SIGKILL: nothing of the process runs after it.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// SIGTERM, and the wait for its end.
    pub async fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a child takes a signal");
        match self.ended(STOP).await {
            Some(status) => status,
            None => panic!("still running {STOP:?} after SIGTERM: {}", self.last_words()),
        }
    }

    /// Waits for the process to end by itself; none when it goes on.
    pub async fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        while started.elapsed() < within {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                return Some(status);
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }

    /// Its log, and that of the servers before it on the same lake.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn read_lines(&mut self) {
        loop {
            match self.lines.try_recv() {
                Ok(line) => self.read_line(&line),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn read_line(&mut self, line: &str) {
        for scheme in ["http", "https"] {
            let prefix = format!("{scheme}://127.0.0.1:");
            if let Some(url) = word_with(line, &prefix, |c| c.is_ascii_digit()) {
                self.url = Some(url);
            }
        }
        if let Some(key) = word_with(line, "alk_", |c| c.is_ascii_alphanumeric() || c == '_') {
            // Shown once, so it is kept for the next start.
            std::fs::write(&self.key_file, &key).expect("a file for the key");
            self.key = Some(key);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, read all the time so that the writer never waits for a reader.
fn follow(pipe: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// `prefix` and the characters behind it that belong to it.
fn word_with(line: &str, prefix: &str, belongs: impl Fn(char) -> bool) -> Option<String> {
    let at = line.find(prefix)?;
    let rest = &line[at + prefix.len()..];
    let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    (end > 0).then(|| format!("{prefix}{}", &rest[..end]))
}

#[cfg(test)]
mod tests {
    use super::word_with;

    #[test]
    fn finds_address_and_key_in_any_line() {
        let port = |line| word_with(line, "http://127.0.0.1:", |c| c.is_ascii_digit());
        assert_eq!(port("at http://127.0.0.1:7400."), Some("http://127.0.0.1:7400".to_owned()));
        assert_eq!(port("at http://127.0.0.1:"), None);
        let key = |line| word_with(line, "alk_", |c| c.is_ascii_alphanumeric() || c == '_');
        assert_eq!(key("key: alk_aB1_x9 (keep it)"), Some("alk_aB1_x9".to_owned()));
        assert_eq!(key("no key"), None);
    }
}
