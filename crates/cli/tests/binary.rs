//! The binary as cargo builds it for its own tests, which is also how it comes to lie where
//! the tests of the whole workspace look for it.

use std::process::{Command, Output};

fn run(argument: &str) -> Output {
    let binary = env!("CARGO_BIN_EXE_auditlake");
    Command::new(binary).arg(argument).output().expect("the binary starts")
}

#[test]
fn says_its_version() {
    let output = run("--version");
    assert!(output.status.success());
    let wanted = format!("auditlake {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), wanted);
}

#[test]
fn names_every_command() {
    let output = run("--help");
    assert!(output.status.success());
    let help = String::from_utf8_lossy(&output.stdout);
    for command in [
        "quickstart",
        "serve",
        "keys",
        "import",
        "export",
        "verify",
        "log",
        "sql",
        "status",
        "compact",
    ] {
        let is_named = help.lines().any(|line| line.trim_start().starts_with(command));
        assert!(is_named, "{command} is not in the help: {help}");
    }
}
