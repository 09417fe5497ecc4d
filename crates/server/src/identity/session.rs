//! Sessions of browsers: a signed statement in a cookie that says whose rights it has. Nothing in
//! it is secret, and no server has to remember it.
//!
//! A statement has no rights of its own. A key that it names is looked up on each request, so
//! that a revoked key ends its sessions. Such a session ends an hour after its cookie was last
//! given, and twelve hours after it began whatever happens. What the identity provider said of a person is
//! not asked again, so that it holds for an hour and no longer.

use auditlake_lake::LakeError;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use url::Url;

use super::principal::Principal;
use crate::secrets;
use crate::state::AppState;

/// The name of the cookie, as [`name_of`] completes it.
pub(crate) const COOKIE: &str = "auditlake_session";
/// What a name begins with that browsers take from this host alone, and over TLS alone.
const OF_HOST: &str = "__Host-";
/// The header in which a page repeats what only pages of this server can know.
pub(crate) const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// What statements about sessions are signed for.
const PURPOSE: &str = "session";
/// How long a session lasts that is not used, and how long it lasts at most.
const LIFE_US: i64 = 3_600_000_000;
const LONGEST_US: i64 = 12 * LIFE_US;
const CSRF_BYTES: usize = 16;
/// The longest path that a browser is sent to behind its sign-in.
const MAX_NEXT_BYTES: usize = 2000;
/// Where no pages are: whoever was sent there would have done something by it, an export perhaps.
const NO_PAGES: [&str; 3] = ["/v1/", "/compat/", "/api/"];

/// A session, as its cookie states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    holder: Holder,
    csrf: String,
    began_us: i64,
    expires_us: i64,
}

/// Whose rights a session has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Holder {
    /// Those that a key has when they are used.
    Key(String),
    /// Those that an identity provider gave a person.
    Person {
        /// The provider. A server that no longer trusts it does not trust the session.
        issuer: String,
        /// The person.
        principal: Principal,
    },
}

impl Session {
    /// A session that begins now.
    pub(crate) fn begin(state: &AppState, holder: Holder) -> Self {
        let now_us = state.environment().clock.now_us();
        let csrf = secrets::random::<CSRF_BYTES>(state);
        Self { holder, csrf, began_us: now_us, expires_us: now_us.saturating_add(LIFE_US) }
    }

    /// What requests that change something have to repeat.
    pub(crate) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// When it ends unless it is used.
    pub(crate) fn expires_us(&self) -> i64 {
        self.expires_us
    }

    /// Whether a request comes from a page of this server: others can make a browser send the
    /// cookie, but read neither it nor the answer that tells the token.
    pub(crate) fn is_repeated_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(CSRF).map(HeaderValue::as_bytes).unwrap_or_default();
        given.ct_eq(self.csrf.as_bytes()).into()
    }

    fn is_over(&self, now_us: i64) -> bool {
        now_us >= self.expires_us || now_us.saturating_sub(self.began_us) >= LONGEST_US
    }

    /// The same session with a later end, once half of its time is over. A person's has no later
    /// end: the identity provider has to say again what they may do.
    pub(crate) fn renewed(&self, now_us: i64) -> Option<Self> {
        if matches!(self.holder, Holder::Person { .. }) {
            return None;
        }
        let end_us = now_us.saturating_add(LIFE_US).min(self.began_us.saturating_add(LONGEST_US));
        let is_due = self.expires_us.saturating_sub(now_us) <= LIFE_US / 2;
        (is_due && end_us > self.expires_us).then(|| Self { expires_us: end_us, ..self.clone() })
    }

    /// What a browser is told to keep.
    pub(crate) async fn cookie(&self, state: &AppState) -> Result<HeaderValue, LakeError> {
        let text = secrets::seal(key(state).await?, PURPOSE, self);
        let left_us = self.expires_us.saturating_sub(state.environment().clock.now_us());
        Ok(cookie(state, &Cookie { value: &text, ..Cookie::ending(left_us) }))
    }
}

/// Whose session it is that a request shows, and the session; none if it shows none that holds.
pub(crate) async fn shown(state: &AppState, cookie: &str) -> Option<(Principal, Session)> {
    let key = key(state).await.inspect_err(|error| {
        tracing::error!(%error, "sessions cannot be checked");
    });
    let session: Session = secrets::open(key.ok()?, PURPOSE, cookie)?;
    let now_us = state.environment().clock.now_us();
    if session.is_over(now_us) {
        return None;
    }
    let principal = match &session.holder {
        Holder::Key(id) => state.keys().holder(id, now_us)?,
        Holder::Person { issuer, principal } => {
            state.issuer().filter(|known| known.name() == issuer)?;
            principal.clone()
        }
    };
    Some((principal, session))
}

/// Whether what a caller has opened stays open: a key that is revoked or over opens no more, nor
/// does a session behind the end that it had when it was shown. A browser comes back with the
/// cookie that it was given since.
pub(crate) fn still_opens(state: &AppState, caller: &Principal, session: Option<&Session>) -> bool {
    let now_us = state.environment().clock.now_us();
    let goes_on = session.is_none_or(|session| !session.is_over(now_us));
    goes_on && state.keys().still_opens(caller, now_us)
}

/// What sessions, and attempts to begin one, are signed with.
pub(crate) async fn key(state: &AppState) -> Result<&hmac::Key, LakeError> {
    state.session_key().get_or_try_init(|| secrets::load_bound(state, "sessions")).await
}

/// Whether a browser that is sent there behind its sign-in stays on the pages of this server,
/// whatever it makes of the text.
#[must_use]
pub fn leads_here(next: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>".contains(&byte);
    let is_path = next.len() <= MAX_NEXT_BYTES
        && next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(is_plain);
    // Browsers take dots out of a path before they ask for it.
    let resolved = Url::parse("https://here.invalid/").and_then(|here| here.join(next));
    let is_page = |url: Url| !NO_PAGES.iter().any(|under| url.path().starts_with(under));
    is_path && resolved.is_ok_and(is_page)
}

/// A cookie to be kept by a browser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookie<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    /// Under which paths it is sent; over TLS, under all.
    pub(crate) path: &'a str,
    /// Whether it is also sent when another site leads here.
    pub(crate) is_lax: bool,
    /// For how long it is kept; one without a time is forgotten at once.
    pub(crate) life_us: i64,
}

impl Cookie<'_> {
    /// One that is sent everywhere, from pages of this server only, for so long.
    pub(crate) fn ending(life_us: i64) -> Self {
        Self { name: COOKIE, value: "", path: "/", is_lax: false, life_us }
    }
}

/// What a cookie is called. Over TLS no other host of the domain can set one of that name, nor
/// can who answers without TLS in our place.
pub(crate) fn name_of(state: &AppState, name: &str) -> String {
    let prefix = if state.config().secure_cookies() { OF_HOST } else { "" };
    format!("{prefix}{name}")
}

/// The header that sets a cookie. No script can read it, and over TLS it stays there.
pub(crate) fn cookie(state: &AppState, cookie: &Cookie<'_>) -> HeaderValue {
    let Cookie { name, value, path, is_lax, life_us } = cookie;
    let same_site = if *is_lax { "Lax" } else { "Strict" };
    let seconds = (life_us / 1_000_000).max(0);
    let name = name_of(state, name);
    let is_secure = state.config().secure_cookies();
    // Browsers refuse a name of one host with another path.
    let (path, secure) = if is_secure { ("/", "; Secure") } else { (*path, "") };
    let text = format!(
        "{name}={value}; HttpOnly; SameSite={same_site}; Path={path}; Max-Age={seconds}{secure}"
    );
    // Names and paths are ours, and values are base64 with a full stop.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The value of the cookie of a name. Two that differ say nothing: which one counts would be a
/// guess, and one of them is not ours. Cookies of others may hold any bytes.
pub(crate) fn cookie_in(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let mut values = texts.flat_map(|text| text.split(|byte| *byte == b';')).filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (given, value) = (&pair[..at], &pair[at + 1..]);
        (given.trim_ascii() == name.as_bytes()).then(|| value.trim_ascii())
    });
    let value = values.next()?;
    if values.any(|other| other != value) {
        return None;
    }
    String::from_utf8(value.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Place, Role};
    use super::*;

    fn session(began_us: i64, expires_us: i64) -> Session {
        let holder = Holder::Key("abc".to_owned());
        Session { holder, csrf: "token".to_owned(), began_us, expires_us }
    }

    #[test]
    fn a_session_is_renewed_in_its_second_half_and_not_beyond_its_longest() {
        let one = session(0, LIFE_US);
        assert_eq!(one.renewed(LIFE_US / 2 - 1), None);
        let next = one.renewed(LIFE_US / 2).unwrap();
        assert_eq!(next, session(0, LIFE_US / 2 + LIFE_US));
        assert!(one.is_over(LIFE_US));
        assert!(!one.is_over(LIFE_US - 1));
        let late = session(0, LONGEST_US - 10);
        assert_eq!(late.renewed(LONGEST_US - 20), Some(session(0, LONGEST_US)));
        assert_eq!(session(0, LONGEST_US).renewed(LONGEST_US - 1), None);
        assert!(session(0, i64::MAX).is_over(LONGEST_US));
    }

    #[test]
    fn what_a_provider_said_holds_for_an_hour() {
        let principal = Principal {
            id: "u_17".to_owned(),
            kind: Kind::User,
            role: Role::Operator,
            place: Place::default(),
        };
        let holder = Holder::Person { issuer: "https://id.example.com".to_owned(), principal };
        let one = Session { holder, ..session(0, LIFE_US) };
        for now_us in [LIFE_US / 2, LIFE_US - 1] {
            assert_eq!((one.renewed(now_us), one.is_over(now_us)), (None, false));
        }
        assert!(one.is_over(LIFE_US));
    }

    #[test]
    fn a_browser_is_sent_nowhere_else() {
        for next in ["/", "/logs", "/logs?type=a.b&from=2026-01-01#x", "/a//b", "/it's", "/v1"] {
            assert!(leads_here(next), "{next}");
        }
        for next in [
            "",
            "logs",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a b",
            "/a\nb",
            "/\t/evil.example",
            "/<script>",
            "/\"",
            "/é",
            "/v1/events/export?format=csv",
            "/compat/openclaw/api/v1/audit",
            "/api/v1/audit",
            "/logs/../v1/events/export",
            "/./v1/session/oidc",
            "/%2e/v1/session/oidc",
        ] {
            assert!(!leads_here(next), "{next:?}");
        }
        assert!(!leads_here(&format!("/{}", "a".repeat(MAX_NEXT_BYTES))));
    }

    #[test]
    fn only_the_token_itself_is_repeated() {
        let session = session(0, 1);
        let with = |text: &str| -> HeaderMap {
            HeaderMap::from_iter([(CSRF, HeaderValue::from_str(text).unwrap())])
        };
        assert!(session.is_repeated_in(&with("token")));
        for wrong in ["", "toke", "tokens", "Token"] {
            assert!(!session.is_repeated_in(&with(wrong)), "{wrong:?}");
        }
        assert!(!session.is_repeated_in(&HeaderMap::new()));
    }

    #[test]
    fn a_cookie_is_found_among_others_unless_there_are_two() {
        let of_bytes = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::COOKIE, HeaderValue::from_bytes(value).unwrap());
            }
            cookie_in(&headers, COOKIE)
        };
        let of = |values: &[&str]| {
            let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            of_bytes(&values)
        };
        assert_eq!(of(&["auditlake_session=a.b"]).as_deref(), Some("a.b"));
        assert_eq!(of(&["x=1; auditlake_session=a.b; y=2"]).as_deref(), Some("a.b"));
        assert_eq!(of(&["x=1", "auditlake_session=a.b"]).as_deref(), Some("a.b"));
        assert_eq!(of(&["auditlake_session=a; auditlake_session=a"]).as_deref(), Some("a"));
        assert_eq!(of(&["auditlake_session=a; auditlake_session=b"]), None);
        assert_eq!(of(&["xauditlake_session=a", "auditlake_session"]), None);
        assert_eq!(of(&[]), None);
        // Of others, in no encoding that we know.
        let foreign = b"x=\xff\xfe; auditlake_session=a.b; y=\xc3".as_slice();
        assert_eq!(of_bytes(&[foreign]).as_deref(), Some("a.b"));
        assert_eq!(of_bytes(&[b"auditlake_session=\xff".as_slice()]), None);
        assert_eq!(of(&["__Host-auditlake_session=a.b"]), None, "that is another name");
    }
}
