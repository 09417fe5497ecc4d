//! The chain of commits, read from any point on as far as it goes: what is damaged or missing is
//! a finding, and reading goes on behind it with whatever can still be understood.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};

use super::findings::{Found, LakeFinding, LakeFindingKind};
use crate::error::LakeError;
use crate::hex;
use crate::manifest::Commit;
use crate::paths;

/// How many commits are fetched ahead.
const READ_AHEAD: usize = 16;
/// No commit is longer: it is read whole.
const MAX_COMMIT_BYTES: u64 = 256 << 20;

/// A commit, and what the next one calls it.
pub(super) struct Link {
    pub(super) commit: Commit,
    /// SHA-256 of its bytes.
    pub(super) hash: String,
    pub(super) path: String,
}

/// A file that is not the whole commit of its number.
struct Unread {
    version: u64,
    why: String,
    /// Whether a write that broke off may have left it. Then the next commit says whether that
    /// is known.
    may_be_torn: bool,
    /// What it seems to say.
    guess: Option<Box<Link>>,
}

/// Reads commits in order.
pub(super) struct Chain {
    files: BoxStream<'static, Result<(u64, Option<Bytes>), LakeError>>,
    /// The number of the last file, whole or not.
    reached: u64,
    /// What the next commit must call the one before it; none if that one is not what it was.
    hash: Option<String>,
    unread: Vec<Unread>,
    ready: VecDeque<Link>,
}

/// The numbers of all commits, in order.
pub(super) async fn versions(store: &Arc<dyn ObjectStore>) -> Result<Vec<u64>, LakeError> {
    let versions = listed(store).await?;
    // A folder that a writer adds to while it is read may show a commit and not the one before.
    if versions.windows(2).any(|pair| pair[1] - pair[0] > 1) {
        return listed(store).await;
    }
    Ok(versions)
}

async fn listed(store: &Arc<dyn ObjectStore>) -> Result<Vec<u64>, LakeError> {
    let folder = Path::from(paths::LOG);
    let listing: Vec<_> =
        store.list(Some(&folder)).try_collect().await.map_err(LakeError::store(paths::LOG))?;
    let named = listing.iter().filter_map(|meta| {
        let version = paths::version(&meta.location)?;
        (paths::commit(version) == meta.location).then_some(version)
    });
    let mut versions: Vec<u64> = named.collect();
    versions.sort_unstable();
    Ok(versions)
}

impl Chain {
    /// Reads the commits behind number `after`, whose hash is given; from the first on, that is
    /// number 0 with an empty hash.
    pub(super) fn open(
        store: &Arc<dyn ObjectStore>,
        versions: &[u64],
        after: u64,
        hash: String,
    ) -> Self {
        let behind: Vec<u64> = versions.iter().copied().filter(|number| *number > after).collect();
        let store = Arc::clone(store);
        let files = stream::iter(behind).map(move |version| fetch(Arc::clone(&store), version));
        Self {
            files: files.buffered(READ_AHEAD).boxed(),
            reached: after,
            hash: Some(hash),
            unread: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// The next commit; none at the end of the chain.
    pub(super) async fn next(&mut self, found: &mut Found) -> Result<Option<Link>, LakeError> {
        loop {
            if let Some(link) = self.ready.pop_front() {
                return Ok(Some(link));
            }
            match self.files.try_next().await? {
                Some((version, bytes)) => self.take(version, bytes.as_deref(), found),
                None => {
                    // A torn commit at the end may be known to nobody yet. One that can be
                    // read but has another checksum was not torn.
                    let mut unread = self.unread.iter().rev();
                    let newest = unread.find_map(|unread| unread.guess.as_ref());
                    let Some(newest) = newest else { return Ok(None) };
                    let void = newest.commit.void.clone();
                    self.settle(&void, found);
                }
            }
        }
    }

    /// The newest file that is torn, with nothing whole behind it.
    pub(super) fn torn(&self) -> Option<u64> {
        self.unread.last().map(|unread| unread.version)
    }

    fn take(&mut self, version: u64, bytes: Option<&[u8]>, found: &mut Found) {
        if version > self.reached + 1 {
            let detail = match version - 1 - self.reached {
                1 => format!("commit {} is not there", version - 1),
                _ => format!("commits {} to {} are not there", self.reached + 1, version - 1),
            };
            let missing = LakeFinding::new(LakeFindingKind::CommitMissing, detail);
            found.add(missing.at(paths::commit(version - 1)));
            self.hash = None;
        }
        self.reached = version;
        match read(version, bytes) {
            Ok(link) => self.follow(link, found),
            Err(unread) if unread.may_be_torn => self.unread.push(unread),
            Err(unread) => self.report(unread, found),
        }
    }

    /// Takes a whole commit, which says what is to be thought of the files before it.
    fn follow(&mut self, link: Link, found: &mut Found) {
        let Link { commit, path, .. } = &link;
        let damaged =
            |detail: String| LakeFinding::new(LakeFindingKind::CommitDamaged, detail).at(path);
        let is_torn = |number: &u64| self.unread.iter().any(|unread| unread.version == *number);
        if let Some(whole) = commit.void.iter().find(|number| !is_torn(number)) {
            found.add(damaged(format!("it says that commit {whole} is torn, which it is not")));
        }
        self.settle(&commit.void, found);
        if self.hash.as_ref().is_some_and(|hash| *hash != commit.prev) {
            found.add(damaged(format!(
                "commit {} does not follow the one before it: one of them was changed",
                commit.version
            )));
        }
        self.hash = Some(link.hash.clone());
        self.ready.push_back(link);
    }

    /// Reports the unread files that are not known to be torn, and goes on with what they seem
    /// to say.
    fn settle(&mut self, void: &[u64], found: &mut Found) {
        for unread in std::mem::take(&mut self.unread) {
            if !void.contains(&unread.version) {
                self.report(unread, found);
            }
        }
    }

    fn report(&mut self, unread: Unread, found: &mut Found) {
        let damaged = LakeFinding::new(LakeFindingKind::CommitDamaged, unread.why);
        found.add(damaged.at(paths::commit(unread.version)));
        self.hash = None;
        self.ready.extend(unread.guess.map(|link| *link));
    }
}

async fn fetch(
    store: Arc<dyn ObjectStore>,
    version: u64,
) -> Result<(u64, Option<Bytes>), LakeError> {
    let path = paths::commit(version);
    let found = store.get(&path).await.map_err(LakeError::store(&path))?;
    if found.meta.size > MAX_COMMIT_BYTES {
        return Ok((version, None));
    }
    let bytes = found.bytes().await.map_err(LakeError::store(&path))?;
    Ok((version, Some(bytes)))
}

fn read(version: u64, bytes: Option<&[u8]>) -> Result<Link, Unread> {
    let path = paths::commit(version).to_string();
    let Some(bytes) = bytes else {
        let why = format!("commit {version} has more than {MAX_COMMIT_BYTES} bytes");
        return Err(Unread { version, why, may_be_torn: false, guess: None });
    };
    let hash = hex::encode(&Sha256::digest(bytes));
    let link = |commit| Link { commit, hash: hash.clone(), path: path.clone() };
    match Commit::decode(bytes) {
        Ok(commit) if commit.version == version => Ok(link(commit)),
        Ok(commit) => {
            let why = format!("the file of commit {version} holds commit {}", commit.version);
            Err(Unread { version, why, may_be_torn: false, guess: None })
        }
        Err(why) => {
            let why = format!("commit {version} is not what was written: {why}");
            let seems: Option<Commit> = serde_json::from_slice(bytes).ok();
            let seems = seems.filter(|commit| commit.version == version);
            let guess = seems.map(link).map(Box::new);
            Err(Unread { version, why, may_be_torn: true, guess })
        }
    }
}
