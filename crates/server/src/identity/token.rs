//! Tokens of an identity provider (OIDC): who signed one, for whom, until when, and what that
//! makes of its holder.
//!
//! A token counts only if all of it is right. Whatever is wrong, the caller learns nothing but
//! that it was refused; the log has the reason, and never the token.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{AlgorithmFamily, Validation};

use super::claims::{ClaimNames, Claims};
use super::jwks::{JwksSource, KeySource};
use super::jwt_crypto;
use super::oidc_login::{Login, LoginConfig};
use super::principal::Principal;

/// The largest token that is looked at; a directory that puts more into one is misconfigured.
const MAX_TOKEN_BYTES: usize = 8 << 10;
/// What clocks may differ by if nothing else is said, in seconds.
const DEFAULT_LEEWAY_S: u64 = 60;
/// The most that clocks may be said to differ by, in seconds.
const MAX_LEEWAY_S: u64 = 300;

/// An identity provider, and how its tokens are read.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// What claim `iss` must be; with discovery also where the provider is found.
    pub issuer: String,
    /// What claim `aud` must be or hold.
    pub audience: String,
    /// Where its keys come from.
    pub jwks: JwksSource,
    /// Under which names tokens say where their holders belong.
    pub claims: ClaimNames,
    /// What clocks may differ by, in seconds; at most 300.
    pub leeway_s: u64,
    /// How people sign in with it in a browser; not at all if none.
    pub login: Option<LoginConfig>,
}

impl IssuerConfig {
    /// A provider that is discovered, whose tokens have the usual claims.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            jwks: JwksSource::Discovery,
            claims: ClaimNames::default(),
            leeway_s: DEFAULT_LEEWAY_S,
            login: None,
        }
    }
}

/// An identity provider whose tokens are taken. Clones share the keys that they fetch.
#[derive(Clone, Debug)]
pub struct Issuer {
    config: IssuerConfig,
    keys: KeySource,
    login: Option<Login>,
}

/// Why a token is refused: for the log, not for its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub(super) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl From<jsonwebtoken::errors::Error> for Refused {
    /// Nothing that the token says is repeated: a stranger would write into the log.
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        let reason = match error.kind() {
            ErrorKind::InvalidSignature => "its signature is wrong",
            ErrorKind::Base64(_) => "a part of it is no base64url",
            ErrorKind::Json(_) => "its header or its claims cannot be read",
            ErrorKind::InvalidAlgorithm => "its alg is not that of its key",
            _ => "it has not the form of a token",
        };
        Self(reason.to_owned())
    }
}

impl Issuer {
    /// Checks the configuration; nothing is fetched before the first token comes.
    pub fn new(config: IssuerConfig) -> Result<Self, String> {
        if config.issuer.is_empty() {
            return Err("issuer is empty".to_owned());
        }
        if config.audience.is_empty() {
            return Err("audience is empty: tokens for others would be taken".to_owned());
        }
        if config.leeway_s > MAX_LEEWAY_S {
            return Err(format!("leeway_s is {}, more than {MAX_LEEWAY_S}", config.leeway_s));
        }
        let nameless = config.claims.each().into_iter().find(|(_, name)| name.is_empty());
        if let Some((what, _)) = nameless {
            return Err(format!("the name of the claim for the {what} is empty"));
        }
        let client_id = config.login.as_ref().map(|login| login.client_id.as_str());
        if client_id == Some(config.audience.as_str()) {
            let reason = "client_id of the login equals audience: the token that says who signed \
                          in would open the API too, which needs an audience of its own";
            return Err(reason.to_owned());
        }
        jwt_crypto::install();
        let keys = KeySource::new(&config.issuer, &config.jwks)?;
        let login = config.login.clone().map(|login| Login::new(&config.issuer, login));
        let login = login.transpose()?;
        Ok(Self { config, keys, login })
    }

    /// Whether people may sign in with it.
    #[must_use]
    pub fn offers_login(&self) -> bool {
        self.login.is_some()
    }

    /// What it is called in its tokens.
    pub(crate) fn name(&self) -> &str {
        &self.config.issuer
    }

    pub(crate) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Whose token this is. It may have to fetch the provider's keys for that.
    pub async fn verify(&self, token: &str, now_us: i64) -> Result<Principal, Refused> {
        let claims = self.claims(token, &self.config.audience, now_us).await?;
        claims.principal(&self.config.claims).map_err(Refused)
    }

    /// Who signed in, by the token that the provider gave for one attempt. It is made for the
    /// client, not for the audience of the API, and opens nothing beside this sign-in.
    pub(crate) async fn verify_login(
        &self,
        login: &Login,
        token: &str,
        nonce: &str,
        now_us: i64,
    ) -> Result<Principal, Refused> {
        let claims = self.claims(token, login.client_id(), now_us).await?;
        claims.check_login(login.client_id(), nonce).map_err(Refused)?;
        claims.principal(&self.config.claims).map_err(Refused)
    }

    /// What a token says that is good now and made for this audience.
    async fn claims(&self, token: &str, audience: &str, now_us: i64) -> Result<Claims, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused(format!("it has {} bytes", token.len())));
        }
        let header = jsonwebtoken::decode_header(token).map_err(Refused::from)?;
        if header.alg.family() == AlgorithmFamily::Hmac {
            return Err(Refused("it is signed with a shared secret".to_owned()));
        }
        if header.crit.is_some() {
            return Err(Refused("its header demands an extension".to_owned()));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg, now_us).await?;
        let mut validation = Validation::new(header.alg);
        // Only the signature is checked there: its other checks read the machine's own clock,
        // and pass over claims that are missing.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode(token, &key, &validation).map_err(Refused::from)?;
        let claims = Claims(decoded.claims);
        claims.check_issuer(&self.config.issuer).map_err(Refused)?;
        claims.check_audience(audience).map_err(Refused)?;
        claims.check_time(now_us, self.config.leeway_s).map_err(Refused)?;
        Ok(claims)
    }
}
