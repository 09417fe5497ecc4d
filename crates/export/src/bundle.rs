//! The files of an evidence bundle that are neither data nor manifest nor proof: what a person
//! needs who has never heard of any of these. The page `verify.html` checks the bundle in a
//! browser, without any network.

mod readme;

use crate::manifest::{MANIFEST, Manifest};
use crate::proof::{PROOF, Proof};

/// For people: what is in the bundle, what it proves, and how to check it.
pub const README: &str = "README.txt";
/// A page that checks the bundle.
pub const HTML: &str = "verify.html";
/// The signed checkpoints, each a whole note, parted by blank lines.
pub const CHECKPOINT: &str = "checkpoint.txt";
/// The keys of the logs, one in each line.
pub const KEYS: &str = "public-key.txt";

/// The checks of a bundle for browsers, as an ES module that exports `verify`. It imports nothing,
/// so that a page may have it inside of itself; `verify.html` does, and the console serves it. The
/// parts share one scope: what one does while it is loaded needs only the parts before it.
pub const VERIFIER: &str = concat!(
    include_str!("bundle/verifier/bytes.js"),
    include_str!("bundle/verifier/sha256.js"),
    include_str!("bundle/verifier/tree.js"),
    include_str!("bundle/verifier/notes.js"),
    include_str!("bundle/verifier/files.js"),
    include_str!("bundle/verifier/zip.js"),
    include_str!("bundle/verifier/lines.js"),
    include_str!("bundle/verifier/rows.js"),
    include_str!("bundle/verifier/report.js"),
    include_str!("bundle/verifier/proof.js"),
    include_str!("bundle/verifier/signatures.js"),
    include_str!("bundle/verifier/contents.js"),
    include_str!("bundle/verifier/root.js"),
    include_str!("bundle/verifier/verdict.js"),
    include_str!("bundle/verifier/check.js"),
);

const PAGE: &str = include_str!("bundle/verify.html");
/// Where the checks stand in the page. A page without a network cannot import them.
const VERIFIER_PLACE: &str = "/* the verifier */";

/// Every file of a bundle beside the data, by its name: the manifest and the proof, and behind them
/// their [`companions`].
#[must_use]
pub fn members(manifest: &Manifest, proof: &Proof) -> Vec<(String, Vec<u8>)> {
    let mut members =
        vec![(MANIFEST.to_owned(), manifest.to_json()), (PROOF.to_owned(), proof.to_json())];
    members.extend(companions(manifest, proof));
    members
}

/// Every file of a bundle beside the data, `manifest.json` and `proof.json`, by its name. They are
/// the same for the same manifest and proof.
#[must_use]
pub fn companions(manifest: &Manifest, proof: &Proof) -> Vec<(String, Vec<u8>)> {
    [
        (README, readme::text(manifest, proof)),
        (HTML, PAGE.replacen(VERIFIER_PLACE, VERIFIER, 1)),
        (CHECKPOINT, checkpoints(proof)),
        (KEYS, keys(proof)),
    ]
    .map(|(name, text)| (name.to_owned(), text.into_bytes()))
    .into()
}

fn checkpoints(proof: &Proof) -> String {
    let notes: Vec<&str> = proof.logs.iter().map(|log| log.checkpoint.as_str()).collect();
    notes.join("\n")
}

fn keys(proof: &Proof) -> String {
    let mut known: Vec<&str> = Vec::new();
    for key in proof.logs.iter().flat_map(|log| &log.keys) {
        if !known.contains(&key.as_str()) {
            known.push(key);
        }
    }
    known.iter().map(|key| format!("{key}\n")).collect()
}
