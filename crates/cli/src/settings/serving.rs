//! What `serve` needs beyond the lake: flags, then variables (both through clap), then the
//! keys of the settings file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use auditlake_server::{
    Dialect, Issuer, IssuerConfig, JwksSource, LoginConfig, ServerConfig, TlsConfig, Witness,
};
use auditlake_tlog::{Algorithm, NoteError, VerifierKey};
use serde::Deserialize;

use super::{File, Tuning};
use crate::args::ServeArgs;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How to serve; whatever is absent is as the server has it by default.
#[derive(Debug)]
pub(super) struct Serving {
    tls: Option<TlsConfig>,
    public_url: Option<String>,
    dialect: Option<Dialect>,
    query_timeout: Option<Duration>,
    max_exports: Option<usize>,
    max_exports_per_caller: Option<usize>,
    export_retention: Option<Duration>,
    oidc: Option<Oidc>,
    witnesses: Vec<Witness>,
}

/// Somebody who is asked to cosign checkpoints: a table `[[witness]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WitnessTable {
    /// Where it takes checkpoints, without `/add-checkpoint`.
    url: String,
    /// Its public key as C2SP writes it: name, id and key, with `+` between them.
    key: String,
}

/// The identity provider whose tokens are taken beside API keys: the table `[oidc]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Oidc {
    issuer: String,
    audience: String,
    /// A path or a URL; the provider's discovery document says where if absent.
    jwks: Option<String>,
    #[serde(default)]
    claims: Claims,
    leeway_s: Option<u64>,
    login: Option<LoginTable>,
}

/// How people sign in to the console with it: the table `[oidc.login]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginTable {
    client_id: String,
    /// Of a confidential client; a public one has PKCE alone.
    client_secret: Option<String>,
    scopes: Option<Vec<String>>,
}

/// In which claims of a token stands what, where the names are others than ours.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    tenant: Option<String>,
    role: Option<String>,
    org: Option<String>,
    team: Option<String>,
    user: Option<String>,
}

impl Serving {
    /// Takes the keys of the file that no flag overrules.
    pub(super) fn new(flags: ServeArgs, file: &mut File) -> anyhow::Result<Self> {
        let cert = flags.tls_cert.or(file.tls_cert.take());
        let key = flags.tls_key.or(file.tls_key.take());
        let dialect = file.dialect.take().map(|name| name.parse::<Dialect>()).transpose();
        let dialect = dialect.map_err(|reason| anyhow!("dialect: {reason}"))?;
        let most = flags.max_exports.or(file.max_exports);
        let most_each = flags.max_exports_per_caller.or(file.max_exports_per_caller);
        Ok(Self {
            tls: tls(cert, key)?,
            public_url: public_url(flags.public_url.or(file.public_url.take()))?,
            dialect: flags.dialect.or(dialect),
            query_timeout: at_least_one(
                "query_timeout",
                flags.query_timeout.or(file.query_timeout),
            )?
            .map(Duration::from_secs),
            max_exports: at_least_one("max_exports", most)?,
            max_exports_per_caller: at_least_one("max_exports_per_caller", most_each)?,
            export_retention: days(flags.export_retention.or(file.export_retention))?,
            oidc: file.oidc.take(),
            witnesses: witnesses(&file.witness)?,
        })
    }

    /// The configuration of a server that listens there. Reads what other files hold.
    pub(super) fn config(
        &self,
        listen: SocketAddr,
        tuning: &Tuning,
    ) -> anyhow::Result<ServerConfig> {
        let mut config = ServerConfig {
            listen,
            tls: self.tls.clone(),
            public_url: self.public_url.clone(),
            root_dialect: self.dialect,
            witnesses: self.witnesses.clone(),
            ..ServerConfig::default()
        };
        if let Some(tls) = &config.tls {
            tls.check()?;
        }
        if let Some(oidc) = &self.oidc {
            let is_found = config.public_url.is_some() || listen.ip().is_loopback();
            if oidc.login.is_some() && !is_found {
                bail!(
                    "[oidc.login] needs public_url, where browsers find this server and the \
                     identity provider sends them back to: {listen}, where it listens, is not \
                     this machine alone"
                );
            }
            config.issuer = Some(Arc::new(oidc.issuer()?));
        }
        config.query_timeout = self.query_timeout.unwrap_or(config.query_timeout);
        config.max_exports = self.max_exports.unwrap_or(config.max_exports);
        config.max_exports_per_caller =
            self.max_exports_per_caller.unwrap_or(config.max_exports_per_caller);
        config.export_retention = self.export_retention.unwrap_or(config.export_retention);
        let of_ms = |ms: Option<u64>| ms.map(Duration::from_millis);
        config.job_lease = of_ms(tuning.job_lease_ms).unwrap_or(config.job_lease);
        config.refresh_interval =
            of_ms(tuning.refresh_interval_ms).unwrap_or(config.refresh_interval);
        Ok(config)
    }
}

impl Oidc {
    fn issuer(&self) -> anyhow::Result<Issuer> {
        let jwks = match self.jwks.as_deref() {
            None => JwksSource::Discovery,
            Some(url) if url.contains("://") => JwksSource::Url(url.to_owned()),
            Some(path) => JwksSource::Static(
                std::fs::read_to_string(path).with_context(|| format!("oidc.jwks: {path}"))?,
            ),
        };
        let mut config = IssuerConfig::new(&self.issuer, &self.audience);
        config.jwks = jwks;
        config.leeway_s = self.leeway_s.unwrap_or(config.leeway_s);
        config.login = self.login.as_ref().map(LoginTable::config);
        let (names, own) = (&mut config.claims, &self.claims);
        for (name, own) in [
            (&mut names.tenant, &own.tenant),
            (&mut names.role, &own.role),
            (&mut names.org, &own.org),
            (&mut names.team, &own.team),
            (&mut names.user, &own.user),
        ] {
            if let Some(own) = own {
                name.clone_from(own);
            }
        }
        Issuer::new(config).map_err(|reason| anyhow!("oidc: {reason}"))
    }
}

impl LoginTable {
    fn config(&self) -> LoginConfig {
        let mut config = LoginConfig::new(&self.client_id);
        config.client_secret.clone_from(&self.client_secret);
        if let Some(scopes) = &self.scopes {
            config.scopes.clone_from(scopes);
        }
        config
    }
}

/// A certificate without a key shows nothing, and a key without a certificate proves nothing.
fn tls(cert: Option<PathBuf>, key: Option<PathBuf>) -> anyhow::Result<Option<TlsConfig>> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsConfig { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("tls_cert needs tls_key, the certificate's private key"),
        (None, Some(_)) => bail!("tls_key needs tls_cert, the certificate that it belongs to"),
    }
}

/// Every witness has a key of its own, by which its cosignatures are told from others.
fn witnesses(tables: &[WitnessTable]) -> anyhow::Result<Vec<Witness>> {
    let mut witnesses: Vec<Witness> = Vec::new();
    for WitnessTable { url, key } in tables {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!("witness: url {url:?} does not begin with http:// or https://");
        }
        let key: VerifierKey =
            key.parse().map_err(|reason: NoteError| anyhow!("witness {url}: key: {reason}"))?;
        if key.algorithm != Algorithm::Cosignature {
            bail!("witness {url}: key: {} signs notes, but makes no cosignatures", key.name);
        }
        if witnesses.iter().any(|other| other.key == key) {
            bail!("witness {url}: another witness has the key of {} too", key.name);
        }
        witnesses.push(Witness { url: url.trim_end_matches('/').to_owned(), key });
    }
    Ok(witnesses)
}

fn public_url(url: Option<String>) -> anyhow::Result<Option<String>> {
    let Some(url) = url else { return Ok(None) };
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        bail!("public_url: {url:?} begins with neither https:// nor http://");
    }
    Ok(Some(url.trim_end_matches('/').to_owned()))
}

/// None of nothing: a limit of 0 would refuse everything, and is meant as "no limit".
fn at_least_one<N: PartialEq + Default>(name: &str, given: Option<N>) -> anyhow::Result<Option<N>> {
    if given == Some(N::default()) {
        bail!("{name} must be at least 1");
    }
    Ok(given)
}

fn days(given: Option<u64>) -> anyhow::Result<Option<Duration>> {
    const MOST: u64 = 3650;
    let given = at_least_one("export_retention", given)?;
    if given.is_some_and(|days| days > MOST) {
        bail!("export_retention must be at most {MOST} days");
    }
    Ok(given.map(|days| DAY * u32::try_from(days).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn read(flags: ServeArgs, text: &str) -> anyhow::Result<ServerConfig> {
        read_at(Ipv4Addr::LOCALHOST, flags, text)
    }

    fn read_at(address: Ipv4Addr, flags: ServeArgs, text: &str) -> anyhow::Result<ServerConfig> {
        let mut file: File = toml::from_str(text)?;
        let listen = SocketAddr::from((address, 7400));
        Serving::new(flags, &mut file)?.config(listen, &file.tuning)
    }

    #[test]
    fn a_flag_wins_over_the_file_and_both_over_the_default() {
        let text = "query_timeout = 20\nmax_exports = 5\nexport_retention = 1\n\
                    dialect = \"openclaw\"\npublic_url = \"https://audit.example.com/\"\n\
                    [tuning]\njob_lease_ms = 1500\n";
        let flags = ServeArgs {
            query_timeout: Some(3),
            dialect: Some(Dialect::Runbook),
            ..ServeArgs::default()
        };
        let config = read(flags, text).unwrap();
        assert_eq!(config.query_timeout, Duration::from_secs(3));
        assert_eq!(config.max_exports, 5);
        assert_eq!(config.max_exports_per_caller, ServerConfig::default().max_exports_per_caller);
        assert_eq!(config.export_retention, DAY);
        assert_eq!(config.root_dialect, Some(Dialect::Runbook));
        assert_eq!(config.public_url.as_deref(), Some("https://audit.example.com"));
        assert_eq!(config.job_lease, Duration::from_millis(1500));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (text, words) in [
            ("tls_cert = \"a.pem\"", "tls_key"),
            ("tls_key = \"a.pem\"", "tls_cert"),
            ("tls_cert = \"no.pem\"\ntls_key = \"no.pem\"", "no.pem"),
            ("max_exports = 0", "max_exports"),
            ("query_timeout = 0", "query_timeout"),
            ("export_retention = 100000", "export_retention"),
            ("dialect = \"splunk\"", "clawforge"),
            ("public_url = \"audit.example.com\"", "public_url"),
            ("[[witness]]\nurl = \"https://w.example.com\"", "key"),
            ("[[witness]]\nurl = \"w.example.com\"\nkey = \"w+1+AA==\"", "http://"),
            ("[[witness]]\nurl = \"https://w.example.com\"\nkey = \"w\"", "name+id+base64"),
            ("[oidc]\nissuer = \"https://id.example.com\"", "audience"),
            (
                "[oidc]\nissuer = \"https://id.example.com\"\naudience = \"a\"\nsecret = \"b\"",
                "secret",
            ),
            (
                "[oidc]\nissuer = \"https://id.example.com\"\naudience = \"a\"\njwks = \"no.json\"",
                "no.json",
            ),
            (
                "[oidc]\nissuer = \"https://id.example.com\"\naudience = \"a\"\n\
                 [oidc.login]\nclient = \"b\"",
                "client_id",
            ),
            (
                "[oidc]\nissuer = \"https://id.example.com\"\naudience = \"a\"\n\
                 [oidc.claims]\nrolle = \"r\"",
                "rolle",
            ),
        ] {
            let error = format!("{:#}", read(ServeArgs::default(), text).unwrap_err());
            assert!(error.contains(words), "{text}: {words:?} is not in {error:?}");
        }
    }

    #[test]
    fn an_identity_provider_is_taken_with_names_of_its_own() {
        // As `main` does; another test may have done so already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let text = "[oidc]\nissuer = \"https://id.example.com\"\naudience = \"auditlake\"\n\
                    leeway_s = 5\n[oidc.claims]\ntenant = \"company\"\n";
        let config = read(ServeArgs::default(), text).unwrap();
        assert!(config.issuer.is_some() && !config.offers_login());
        let login = format!("{text}[oidc.login]\nclient_id = \"console\"\nscopes = [\"openid\"]\n");
        assert!(read(ServeArgs::default(), &login).unwrap().offers_login());
        // On an address of others nobody knows where the provider sends them back to.
        let open = |text: &str| read_at(Ipv4Addr::UNSPECIFIED, ServeArgs::default(), text);
        let error = open(&login).unwrap_err().to_string();
        assert!(error.contains("[oidc.login]") && error.contains("public_url"), "{error}");
        assert!(!open(text).unwrap().offers_login());
        let found = format!("public_url = \"https://audit.example.com\"\n{login}");
        let config = open(&found).unwrap();
        assert!(config.offers_login() && config.secure_cookies());
    }

    #[test]
    fn witnesses_are_taken_with_keys_that_cosign_and_no_others() {
        let text = |algorithm, byte| {
            let key = VerifierKey::new("w.example.com", algorithm, [byte; 32]).unwrap();
            format!("[[witness]]\nurl = \"https://w.example.com/{byte}/\"\nkey = \"{key}\"\n")
        };
        let (one, two) = (text(Algorithm::Cosignature, 1), text(Algorithm::Cosignature, 2));
        let config = read(ServeArgs::default(), &format!("{one}{two}")).unwrap();
        let urls: Vec<&str> = config.witnesses.iter().map(|witness| witness.url.as_str()).collect();
        assert_eq!(urls, ["https://w.example.com/1", "https://w.example.com/2"]);
        for (text, words) in [
            (format!("{one}{one}"), "another witness"),
            (text(Algorithm::Ed25519, 1), "no cosignatures"),
        ] {
            let error = read(ServeArgs::default(), &text).unwrap_err().to_string();
            assert!(error.contains(words), "{words:?} is not in {error:?}");
        }
    }
}
