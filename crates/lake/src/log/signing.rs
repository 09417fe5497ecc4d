//! The key with which a writer signs its checkpoints: found or made when the lake is opened,
//! published before anything is signed with it, and replaced by a rotation.

use auditlake_model::env::Environment;
use auditlake_model::id::new_ulid;
use auditlake_tlog::{Checkpoint, Note, NoteError, Signature, SigningKey, VerifierKey, origin_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::key_file::{KeyFile, NamedKey};
use super::keys::endorsement;
use crate::config::LakeConfig;
use crate::documents::Documents;
use crate::error::LakeError;
use crate::manifest::TenantHead;
use crate::wal::WalFolder;

/// What stands in front of everything that is derived from a key, and of nothing that is signed.
const DERIVED: &str = "auditlake secret derived from a log key, version 1\n";

/// What a writer signs with.
#[derive(Debug)]
pub(crate) struct LogKey {
    origin: String,
    key: SigningKey,
}

impl LogKey {
    /// The key of this writer. A lake that has none is given a name and a key.
    pub(crate) async fn open(
        config: &LakeConfig,
        environment: &Environment,
        documents: &Documents,
    ) -> Result<Self, LakeError> {
        let file = KeyFile::new(&config.key_dir);
        let found = file.load()?;
        let origin = match documents.log_origin().await? {
            Some(origin) => origin,
            None => {
                let name = new_name(config, environment, found.as_ref())?;
                documents.name_log(name, config.retry()).await?
            }
        };
        check_origin(config, &origin)?;
        let named = match found {
            Some(found) => found,
            None => file.make(new_key(&origin, environment))?,
        };
        let NamedKey { name, key } = named;
        if name != origin {
            return Err(LakeError::Invalid(format!(
                "the signing key {} is for the logs of {name:?}, but this lake is {origin:?}; \
                 name the folder of its own key",
                file.path().display()
            )));
        }
        let (public, now_us) = (key.public(), environment.clock.now_us());
        if documents.publish_log_key(&public, None, now_us, config.retry()).await? {
            tracing::info!("{} signs the logs of {origin} from now on", file.path().display());
        }
        Ok(Self { origin, key })
    }

    /// The signature of a tenant's checkpoint, as heads keep it.
    pub(crate) fn sign(&self, tenant: &str, head: &TenantHead) -> Result<String, LakeError> {
        let checkpoint = checkpoint_of(&self.origin, tenant, head);
        let signature = self
            .key
            .sign(&checkpoint.origin, &checkpoint.to_string())
            .map_err(LakeError::data("signing a checkpoint"))?;
        let bytes = [&signature.key_id.to_be_bytes(), signature.bytes.as_slice()].concat();
        Ok(STANDARD.encode(bytes))
    }

    /// What follows from the key for a purpose: who does not have the key cannot tell it from
    /// random bytes, and it tells nothing of the key.
    pub(crate) fn derived(&self, purpose: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(DERIVED);
        // With its length, so that no purpose can pass for another with some of what follows.
        hash.update((purpose.len() as u64).to_be_bytes());
        hash.update(purpose);
        hash.update(self.key.to_secret_text(&self.origin));
        hash.finalize().into()
    }
}

/// What is signed of a head.
fn checkpoint_of(origin: &str, tenant: &str, head: &TenantHead) -> Checkpoint {
    let origin = origin_of(origin, tenant);
    Checkpoint { origin, size: head.size, root: head.root, extensions: Vec::new() }
}

/// The signed checkpoint of a head; none if the head was not signed.
pub(super) fn note_of(origin: &str, tenant: &str, head: &TenantHead) -> Option<Note> {
    let bytes = STANDARD.decode(head.signature.as_deref()?).ok()?;
    let (key_id, bytes) = bytes.split_first_chunk()?;
    let checkpoint = checkpoint_of(origin, tenant, head);
    let signature = Signature {
        name: checkpoint.origin.clone(),
        key_id: u32::from_be_bytes(*key_id),
        bytes: bytes.to_vec(),
    };
    Some(Note { text: checkpoint.to_string(), signatures: vec![signature] })
}

/// The id of the key that signed a head.
pub(super) fn key_id_of(head: &TenantHead) -> Option<u32> {
    let bytes = STANDARD.decode(head.signature.as_deref()?).ok()?;
    bytes.first_chunk().map(|id| u32::from_be_bytes(*id))
}

/// What to call a lake that has no name yet: as it is configured, or as the key says that was
/// put there for it.
fn new_name(
    config: &LakeConfig,
    environment: &Environment,
    found: Option<&NamedKey>,
) -> Result<String, LakeError> {
    let Some(origin) = config.origin.clone().or_else(|| found.map(|found| found.name.clone()))
    else {
        return Ok(format!("auditlake/{}", new_ulid(environment)));
    };
    // Any key tells what can be a name.
    SigningKey::from_seed([0; 32]).verifier(&origin).map_err(|source| {
        LakeError::Invalid(format!("the origin {origin:?} of the log cannot be one: {source}"))
    })?;
    Ok(origin)
}

/// A lake keeps its name: what was signed says it.
fn check_origin(config: &LakeConfig, origin: &str) -> Result<(), LakeError> {
    match &config.origin {
        Some(wanted) if wanted != origin => Err(LakeError::Invalid(format!(
            "the origin of this lake's logs is {origin:?} and stays so; {wanted:?} was asked for"
        ))),
        _ => Ok(()),
    }
}

fn new_key(origin: &str, environment: &Environment) -> NamedKey {
    let mut seed = [0; 32];
    environment.entropy.fill(&mut seed);
    NamedKey { name: origin.to_owned(), key: SigningKey::from_seed(seed) }
}

/// Gives a lake that nobody has open for writing a new signing key; answers its public key under
/// the name of the lake. The old one endorses it in a note, and stays beside it as
/// `log-<id>.key`; what it signed stays good.
pub async fn rotate_key(
    config: &LakeConfig,
    environment: &Environment,
) -> Result<VerifierKey, LakeError> {
    let _folder = WalFolder::lock(&config.wal_dir, environment)?;
    let documents = Documents::new(std::sync::Arc::clone(config.store()));
    let Some(origin) = documents.log_origin().await? else {
        let location = config.root.location();
        return Err(LakeError::Invalid(format!("there is no lake with a key at {location}")));
    };
    check_origin(config, &origin)?;
    let file = KeyFile::new(&config.key_dir);
    let Some(old) = file.load()?.filter(|old| old.name == origin) else {
        let path = file.path();
        return Err(LakeError::Invalid(format!(
            "there is no signing key of {origin} at {}: the key that a new one follows has to be \
             there, to endorse it",
            path.display()
        )));
    };
    let bad_name = |source: NoteError| LakeError::damaged("the origin of the log", source);
    let new = new_key(&origin, environment);
    let (verifier, old_id) = (
        new.key.verifier(&origin).map_err(bad_name)?,
        old.key.verifier(&origin).map_err(bad_name)?.id(),
    );
    let text = endorsement(&verifier);
    let signature = old.key.sign(&origin, &text).map_err(bad_name)?;
    let note = Note { text, signatures: vec![signature] }.to_string();
    // Published first: nothing is ever signed with a key that nobody can find.
    let (public, now_us) = (new.key.public(), environment.clock.now_us());
    documents.publish_log_key(&public, Some(note), now_us, config.retry()).await?;
    file.replace(&new, old_id)?;
    Ok(verifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_depends_on_purpose_and_key_and_shows_neither() {
        let key = |origin: &str, byte| LogKey {
            origin: origin.to_owned(),
            key: SigningKey::from_seed([byte; 32]),
        };
        let one = key("lake.example", 7).derived("sessions");
        assert_eq!(one, key("lake.example", 7).derived("sessions"));
        assert_ne!(one, key("lake.example", 7).derived("session"));
        assert_ne!(one, key("lake.example", 8).derived("sessions"));
        assert_ne!(one, key("other.example", 7).derived("sessions"));
        assert_ne!(one, [7; 32]);
    }
}
