//! Signed links: the path of one file of an export, the instant until which it opens, whose
//! rights it has, and a signature over all three. Who has the link needs no key, and gets that
//! file only.
//!
//! A link has no life of its own. The export is looked at when the link is used, so that it
//! ends with the export and with the key that made the export, and whoever uses it sees no more
//! than who made the export.

use auditlake_lake::LakeError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use url::form_urlencoded;

use crate::identity::Principal;
use crate::jobs;
use crate::problem::Problem;
use crate::secrets;
use crate::state::AppState;

/// The secret that links are signed with.
const SECRET: &str = "links";
/// Where downloads are.
const EXPORTS: &str = "/v1/exports/";

/// A link to a path that opens until an instant, in seconds since 1970, with the rights of
/// `owner`.
pub(crate) async fn sign(
    state: &AppState,
    owner: &Principal,
    path: &str,
    expires_s: i64,
) -> Result<String, Problem> {
    let key = key(state).await?;
    let tag = hmac::sign(key, &signed(path, expires_s, &owner.id));
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("expires", &expires_s.to_string())
        .append_pair("key", &owner.id)
        .append_pair("signature", &URL_SAFE_NO_PAD.encode(tag.as_ref()))
        .finish();
    let host = state.config().public_url.as_deref().unwrap_or_default();
    Ok(format!("{}{path}?{query}", host.trim_end_matches('/')))
}

/// Whose rights a link has, if it is one of ours, leads to this path and has not expired.
pub(crate) async fn verify(state: &AppState, path: &str, query: &str) -> Option<Principal> {
    let id = export_of(path)?;
    let (mut expires, mut owner, mut signature) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let slot = match name.as_ref() {
            "expires" => &mut expires,
            "key" => &mut owner,
            "signature" => &mut signature,
            _ => return None,
        };
        if slot.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    let (expires_s, owner, signature) = (expires?.parse::<i64>().ok()?, owner?, signature?);
    let tag = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = key(state).await.inspect_err(|error| {
        tracing::error!(%error, "links cannot be checked");
    });
    // In constant time, and before anything else is looked at.
    hmac::verify(key.ok()?, &signed(path, expires_s, &owner), &tag).ok()?;
    let now_us = state.environment().clock.now_us();
    if expires_s.checked_mul(1_000_000)? <= now_us {
        return None;
    }
    // The rights of a key end with the key.
    let has_rights =
        |found: &Principal| found.id == owner && state.keys().still_opens(found, now_us);
    jobs::owner(state, id).await.filter(has_rights)
}

/// The export that a path leads into, if links may lead there.
fn export_of(path: &str) -> Option<&str> {
    let (id, rest) = path.strip_prefix(EXPORTS)?.split_once('/')?;
    (rest == "archive.zip" || rest.starts_with("files/")).then_some(id)
}

/// What is signed. No part of it has a line end, so that none can pass for another.
fn signed(path: &str, expires_s: i64, owner: &str) -> Vec<u8> {
    format!("{path}\n{expires_s}\n{owner}").into_bytes()
}

/// The key that links are signed with; made when it is needed for the first time.
async fn key(state: &AppState) -> Result<&hmac::Key, LakeError> {
    state.jobs().link_key.get_or_try_init(|| secrets::load(state, SECRET)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_files_only() {
        for (path, id) in [
            ("/v1/exports/exp_1/archive.zip", Some("exp_1")),
            ("/v1/exports/exp_1/files/a.csv", Some("exp_1")),
            ("/v1/exports/exp_1", None),
            ("/v1/exports/exp_1/", None),
            ("/v1/exports/exp_1/manifest", None),
            ("/v1/exports/exp_1/links", None),
            ("/v1/exports/exp_1/retry", None),
            ("/v1/events/exp_1/files/a.csv", None),
        ] {
            assert_eq!(export_of(path), id, "{path}");
        }
    }

    #[test]
    fn every_part_is_signed() {
        let one = signed("/v1/exports/a/archive.zip", 1, "k");
        assert_ne!(one, signed("/v1/exports/b/archive.zip", 1, "k"));
        assert_ne!(one, signed("/v1/exports/a/archive.zip", 2, "k"));
        assert_ne!(one, signed("/v1/exports/a/archive.zip", 1, "l"));
    }
}
