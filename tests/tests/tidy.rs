//! Tidiness, held by tests: module docs, file sizes, crate edges, names, and what no file may say.
//!
//! Each test reads the checkout as it is, tracked or about to be, and lists every offender at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

const MAX_RUST_LINES: usize = 500;
const MAX_ARCHITECTURE_LINES: usize = 300;

const CODE_FOLDERS: [&str; 5] = ["crates/", "tests/", "benches/", "examples/", "xtask/"];

/// Names that do not say what a file is about.
const REFUSED_NAMES: [&str; 6] =
    ["common.rs", "utils.rs", "helpers.rs", "manager.rs", "handler.rs", "core.rs"];

/// Spelled in two halves, so that this file does not find itself.
const HOME_FOLDERS: [&str; 3] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// What one crate may depend on; its own tests are free.
struct Rule {
    folder: &'static str,
    /// Crates of this workspace, by folder.
    may_use: &'static [&'static str],
    /// Crates from outside, with all that share the prefix (`tokio` also means `tokio-util`).
    never: &'static [&'static str],
}

/// The table of ARCHITECTURE.md. `testkit` is in no list: only tests use it.
const RULES: &[Rule] = &[
    Rule {
        folder: "model",
        may_use: &[],
        never: &["tokio", "object_store", "datafusion", "axum", "anyhow"],
    },
    Rule {
        folder: "tlog",
        may_use: &[],
        never: &["tokio", "object_store", "datafusion", "axum", "anyhow"],
    },
    Rule { folder: "lake", may_use: &["model", "tlog"], never: &["datafusion", "axum", "anyhow"] },
    Rule { folder: "query", may_use: &["model", "tlog", "lake"], never: &["axum", "anyhow"] },
    Rule {
        folder: "export",
        may_use: &["model", "tlog"],
        never: &["tokio", "object_store", "datafusion", "axum", "anyhow"],
    },
    Rule {
        folder: "verify",
        may_use: &["model", "tlog", "export"],
        never: &["tokio", "object_store", "datafusion", "axum", "anyhow", "reqwest"],
    },
    Rule {
        folder: "deliver",
        may_use: &["model", "lake", "query", "export"],
        never: &["axum", "anyhow"],
    },
    Rule {
        folder: "server",
        may_use: &["model", "tlog", "lake", "query", "export", "deliver"],
        never: &["anyhow"],
    },
    Rule {
        folder: "console",
        may_use: &["model", "tlog", "export", "server"],
        never: &["datafusion", "object_store", "anyhow"],
    },
    Rule {
        folder: "cli",
        may_use: &[
            "model", "tlog", "lake", "query", "export", "verify", "deliver", "server", "console",
        ],
        never: &["axum"],
    },
    Rule { folder: "testkit", may_use: &["model"], never: &["datafusion", "axum", "anyhow"] },
];

#[test]
fn every_rust_file_opens_with_its_docs() {
    let offenders = rust_files()
        .into_iter()
        .filter(|path| !text(path).is_some_and(|text| text.starts_with("//!")))
        .collect();
    assert_none("these files do not open with `//!`", offenders);
}

#[test]
fn no_rust_file_is_too_long() {
    let offenders = rust_files()
        .into_iter()
        .filter_map(|path| {
            let lines = text(&path)?.lines().count();
            (lines > MAX_RUST_LINES).then(|| format!("{path}: {lines} lines"))
        })
        .collect();
    assert_none(&format!("these files have more than {MAX_RUST_LINES} lines"), offenders);
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let offenders = files()
        .into_iter()
        .filter(|path| path.rsplit('/').next().is_some_and(|name| REFUSED_NAMES.contains(&name)))
        .collect();
    assert_none("name these files after what they hold", offenders);
}

#[test]
fn no_file_names_a_home_folder_or_unfinished_work() {
    let mut offenders = Vec::new();
    for path in files() {
        let Some(text) = text(&path) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            offenders.extend(stains(line).map(|stain| format!("{path}:{number}: {stain}")));
        }
    }
    assert_none("these lines do not belong in the repository", offenders);
}

#[test]
fn crate_edges_follow_the_architecture() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata failed: {complaint}");
    let metadata = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    assert_none("these dependencies break the table of crates", broken_edges(&metadata));
}

#[test]
fn the_architecture_is_short_and_names_every_crate() {
    let text = text("ARCHITECTURE.md").expect("ARCHITECTURE.md exists");
    let mut offenders = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_ARCHITECTURE_LINES {
        offenders.push(format!("{lines} lines, at most {MAX_ARCHITECTURE_LINES} are allowed"));
    }
    for folder in crate_folders() {
        let named = [format!("`{folder}`"), format!("crates/{folder}")];
        if !named.iter().any(|name| text.contains(name)) {
            offenders.push(format!("crates/{folder} is not named"));
        }
    }
    assert_none("ARCHITECTURE.md does not fit the code", offenders);
}

#[test]
fn the_edge_check_finds_every_kind_of_break() {
    let package = |folder: &str, dependencies: Value| {
        json!({
            "name": format!("auditlake-{folder}"),
            "manifest_path": format!("/x/crates/{folder}/Cargo.toml"),
            "dependencies": dependencies,
        })
    };
    let normal = |name: &str| json!({"name": name, "kind": null});
    let metadata = json!({"packages": [
        package("model", json!([normal("arrow"), {"name": "auditlake-testkit", "kind": "dev"}])),
        package("tlog", json!([normal("auditlake-model"), normal("sha2")])),
        package("export", json!([normal("tokio-util"), normal("auditlake-tlog")])),
        package("lake", json!([{"name": "axum", "kind": "build"}])),
        package("novel", json!([])),
        {"name": "xtask", "manifest_path": "/x/xtask/Cargo.toml", "dependencies": [normal("anyhow")]},
    ]});
    assert_eq!(
        broken_edges(&metadata),
        [
            "tlog may not use auditlake-model",
            "export may not use tokio-util",
            "lake may not use axum",
            "novel is not in the table",
        ]
    );
}

#[test]
fn the_line_check_finds_words_and_absolute_paths_only() {
    let found = |line: &str| stains(line).count();
    let [home, ..] = HOME_FOLDERS;
    let [unfinished, ..] = UNFINISHED;
    assert_eq!(found(&format!("open(\"{home}ann/x\")")), 1);
    assert_eq!(found(&format!("file://{home}ann  // {unfinished}: later")), 2);
    assert_eq!(found(&format!("meta{home}1.json")), 0);
    assert_eq!(found(&format!("MAS{unfinished}N")), 0);
}

/// The dependencies that the rules do not allow, in the order of the metadata.
fn broken_edges(metadata: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for package in list(metadata, "packages") {
        let Some(folder) = crate_folder(package) else { continue };
        let Some(rule) = RULES.iter().find(|rule| rule.folder == folder) else {
            broken.push(format!("{folder} is not in the table"));
            continue;
        };
        let name = word(package, "name");
        if name != format!("auditlake-{folder}") {
            broken.push(format!("crates/{folder} holds the package {name}"));
        }
        for dependency in list(package, "dependencies") {
            let name = word(dependency, "name");
            if word(dependency, "kind") != "dev" && !allows(rule, name) {
                broken.push(format!("{folder} may not use {name}"));
            }
        }
    }
    broken
}

fn allows(rule: &Rule, name: &str) -> bool {
    match name.strip_prefix("auditlake-") {
        Some(folder) => rule.may_use.contains(&folder),
        None => !rule.never.iter().any(|banned| {
            name.strip_prefix(banned).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        }),
    }
}

/// The folder of a package under `crates/`; nothing for tests, benches, examples and chores.
fn crate_folder(package: &Value) -> Option<&str> {
    let folder = Path::new(word(package, "manifest_path")).parent()?;
    if folder.parent()?.file_name()? != "crates" {
        return None;
    }
    folder.file_name()?.to_str()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The text under a key; empty for null, which is how cargo writes the normal kind.
fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// What a line holds that no file may hold.
fn stains(line: &str) -> impl Iterator<Item = &'static str> {
    let homes = HOME_FOLDERS.into_iter().filter(move |needle| {
        occurrences(line, needle).any(|(before, _)| !before.is_some_and(continues_a_path))
    });
    let unfinished = UNFINISHED.into_iter().filter(move |needle| {
        occurrences(line, needle).any(|(before, after)| {
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        })
    });
    homes.chain(unfinished)
}

/// The characters before and after each place where the needle stands.
fn occurrences(line: &str, needle: &str) -> impl Iterator<Item = (Option<char>, Option<char>)> {
    line.match_indices(needle).map(move |(at, found)| {
        let (before, after) = (&line[..at], &line[at + found.len()..]);
        (before.chars().next_back(), after.chars().next())
    })
}

/// A slash after one of these is inside a path, not the start of an absolute one.
fn continues_a_path(character: char) -> bool {
    character.is_alphanumeric() || "_-.~}>*".contains(character)
}

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the tests are a folder of the workspace").to_path_buf()
}

/// The text of a file of the repository; nothing when it is missing or binary.
fn text(path: &str) -> Option<String> {
    let text = String::from_utf8(fs::read(root().join(path)).ok()?).ok()?;
    (!text.contains('\0')).then_some(text)
}

fn rust_files() -> Vec<String> {
    let in_code = |path: &String| CODE_FOLDERS.iter().any(|folder| path.starts_with(folder));
    files().into_iter().filter(|path| path.ends_with(".rs") && in_code(path)).collect()
}

/// Every file of the repository, by its path from the root: what git tracks or would add,
/// or, where git cannot say (a source archive), what lies there.
fn files() -> Vec<String> {
    let root = root();
    let mut files = listed_by_git(&root);
    if files.is_empty() {
        walk(&root, "", &mut files);
    }
    files.retain(|path| root.join(path).is_file());
    files.sort();
    files
}

fn listed_by_git(root: &Path) -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

fn walk(root: &Path, folder: &str, files: &mut Vec<String>) {
    const DERIVED: [&str; 5] = [".git", ".venv", "__pycache__", "auditlake-data", "target"];
    for entry in fs::read_dir(root.join(folder)).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() && !DERIVED.contains(&name.as_str()) {
            walk(root, &path, files);
        } else if kind.is_file() {
            files.push(path);
        }
    }
}

fn crate_folders() -> Vec<String> {
    let crates = root().join("crates");
    let mut folders: Vec<String> = fs::read_dir(&crates)
        .expect("crates/ can be read")
        .map(|entry| entry.expect("crates/ can be read").file_name().to_string_lossy().into_owned())
        .filter(|name| crates.join(name).join("Cargo.toml").is_file())
        .collect();
    folders.sort();
    folders
}

#[track_caller]
fn assert_none(complaint: &str, offenders: Vec<String>) {
    assert!(offenders.is_empty(), "{complaint}:\n  {}", offenders.join("\n  "));
}
