//! The manifest of a large lake whose segments do not exist, so that whoever opens one of them
//! fails. It is written as `docs/rfcs/0001-storage-formats.md` says, without the lake, and comes
//! with questions of which it is known how many segments may hold an answer.
//!
//! It is the snapshot after some commits: that is what a reader of a lake of this size begins
//! with, and what lies behind it would be no different.

use std::collections::BTreeMap;

use auditlake_model::columns::{COLUMNS, Kind};
use auditlake_model::filter::Filter;
use auditlake_model::time::{DAY_US, day_start, format_day};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::{Serialize, Serializer};

/// How many commits the snapshot sums up.
const VERSION: u64 = 64;
/// 2015-01-01.
const FIRST_DAY: i32 = 16_436;
/// Each has its part of the day. The number has no divisor in common with those of groups and
/// kinds, so that no part of the day belongs to one of them.
const SEGMENTS_OF_DAY: usize = 25;
const TENANTS: usize = 40;
/// A segment holds the tenants of one group, which take turns.
const GROUPS: usize = 8;
/// Events of each tenant in a segment.
const ROWS: u64 = 4096;
const ACTORS: usize = 1_000_000;
const ACTORS_OF_SEGMENT: usize = 5000;
/// From a segment's first actor to the next one's. It has no divisor in common with the number
/// of actors and lies near its golden section, so the first actors are spread evenly.
const STRIDE: usize = 618_033;

/// Least and greatest type of each kind of segment: of everything, of people who sign in, of
/// work on documents. Kinds take turns.
const TYPES: [(&str, &str); 3] = [
    ("agent.started", "webhook.delivered"),
    ("user.mfa_challenged", "user.signed_out"),
    ("data.created", "data.updated"),
];
/// The kind that knows tools and policies.
const EVERYTHING: usize = 0;

/// Least and greatest text of columns that nobody asks for: they are here for their size.
const TEXTS: [(&str, &str, &str); 18] = [
    ("org_id", "org-eu-00017", "org-us-09941"),
    ("team_id", "audit-and-assurance", "support-second-level"),
    ("actor_kind", "agent", "user"),
    ("actor_label", "Aïcha Andersen", "Zoë Weatherington-Hale"),
    ("actor_email", "aicha.andersen@example.com", "zoe.weatherington-hale@example.com"),
    ("actor_role", "admin", "viewer"),
    ("target_kind", "api_key", "subscription"),
    ("target_label", "Access review", "Übergabeprotokoll"),
    ("outcome", "denied", "success"),
    ("reason", "account locked", "wrong password"),
    ("tool", "browser.open", "ticket.update"),
    ("policy_name", "after-hours", "read-only"),
    ("policy_result", "allow", "require_approval"),
    ("policy_reason", "address not on the allow list", "tenant is read-only"),
    ("classification", "confidential", "restricted"),
    ("context_ip", "10.0.12.7", "2001:db8:7f3a:91::c2e"),
    ("context_country", "AT", "US"),
    (
        "context_user_agent",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15",
        "warehouse-sync/4.12.1 (linux; x86_64)",
    ),
];

/// The manifest of a lake of so many segments. The same number gives the same manifest.
#[derive(Clone, Copy, Debug)]
pub struct LargeManifest {
    segments: usize,
}

/// Which events are meant, and how many segments may hold one.
#[derive(Clone, Debug)]
pub struct Question {
    /// What to call it.
    pub name: &'static str,
    /// The events that are meant.
    pub filter: Filter,
    /// How many segments the manifest does not rule out.
    pub kept: usize,
}

impl LargeManifest {
    /// A lake of this size; 25 segments are a day.
    #[must_use]
    pub const fn new(segments: usize) -> Self {
        Self { segments }
    }

    /// Where the manifest lies below the storage root.
    #[must_use]
    pub fn path(&self) -> String {
        format!("log/snapshots/{VERSION:020}.json.zst")
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let json = serde_json::to_vec(&self.state()).expect("texts and numbers become JSON");
        let mut bytes = zstd::bulk::compress(&json, 3).expect("zstd takes any bytes");
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Questions from the widest to the narrowest. What is kept is counted segment by segment
    /// over what the manifest was made of, by no rule of the engine.
    #[must_use]
    pub fn questions(&self) -> [Question; 4] {
        const TENANT: usize = 10;
        let days = self.segments.div_ceil(SEGMENTS_OF_DAY) as i32;
        let week = FIRST_DAY + days / 2..FIRST_DAY + days / 2 + 7;
        let (from, to) = (format_day(week.start), format_day(week.end));
        let (from, to) = (("from", from.as_str()), ("to", to.as_str()));
        let tenant_name = tenant(TENANT);
        let of_tenant = [from, to, ("tenant_id", tenant_name.as_str()), ("type", "data.*")];
        let wanted = actor(ACTORS / 2);
        let in_week = |place: Place| week.contains(&place.day());
        let of_types = |place: Place| {
            let (least, greatest) = place.types();
            // The slash follows the dot.
            least < "data/" && greatest >= "data."
        };
        let of_actor = |place: Place| {
            let (least, greatest) = place.actors();
            least <= wanted && wanted <= greatest
        };
        [
            self.question("everything", &[], |_| true),
            self.question("one week", &[from, to], in_week),
            self.question("one week of one tenant and a type prefix", &of_tenant, |place| {
                in_week(place) && place.group() == TENANT % GROUPS && of_types(place)
            }),
            self.question("one actor", &[("actor_id", wanted.as_str())], of_actor),
        ]
    }

    fn question(
        &self,
        name: &'static str,
        parameters: &[(&str, &str)],
        may_hold: impl Fn(Place) -> bool,
    ) -> Question {
        let mut filter = Filter::default();
        for (parameter, value) in parameters {
            filter.add(parameter, value).expect("a parameter of filters");
        }
        Question { name, filter, kept: self.places().filter(|place| may_hold(*place)).count() }
    }

    fn places(self) -> impl Iterator<Item = Place> {
        (0..self.segments).map(Place)
    }

    /// What the snapshot says. Only the hashes of the tenants' logs are made up, as those of the
    /// files are: nobody could tell without the events.
    fn state(self) -> State {
        let latest_us = self.places().last().map_or(0, |place| recorded(place.slot_us()).1);
        let mut rng = SmallRng::seed_from_u64(VERSION);
        let heads = (0..TENANTS).map(|number| {
            let segments = self.segments.saturating_sub(number % GROUPS).div_ceil(GROUPS);
            let size = segments as u64 * ROWS;
            let peaks = (0..size.count_ones()).map(|_| hash(&mut rng)).collect();
            let head = Head { size, root: hash(&mut rng), peaks, recorded_at_us: latest_us };
            (tenant(number), head)
        });
        let tenants = heads.filter(|(_, head)| head.size > 0).collect();
        let hash = hash(&mut rng);
        let writer = ulid(day_start(FIRST_DAY), &mut rng);
        let wal_applied = BTreeMap::from([(writer.clone(), 1_000_000)]);
        State {
            version: VERSION,
            hash,
            epoch: 1,
            writer,
            segments: Segments(self),
            tenants,
            wal_applied,
            removed: [],
        }
    }
}

/// One segment's number, from which all else about it follows.
#[derive(Clone, Copy)]
struct Place(usize);

impl Place {
    fn day(self) -> i32 {
        FIRST_DAY + (self.0 / SEGMENTS_OF_DAY) as i32
    }

    /// The first and the last instant of its part of the day.
    fn slot_us(self) -> (i64, i64) {
        let slot_us = DAY_US / SEGMENTS_OF_DAY as i64;
        let first_us = day_start(self.day()) + (self.0 % SEGMENTS_OF_DAY) as i64 * slot_us;
        (first_us, first_us + slot_us - 1)
    }

    fn group(self) -> usize {
        self.0 % GROUPS
    }

    fn kind(self) -> usize {
        self.0 % TYPES.len()
    }

    fn types(self) -> (&'static str, &'static str) {
        TYPES[self.kind()]
    }

    /// Tenants in the order of their names.
    fn tenants(self) -> impl Iterator<Item = String> {
        (self.group()..TENANTS).step_by(GROUPS).map(tenant)
    }

    fn actors(self) -> (String, String) {
        let first = self.0 * STRIDE % ACTORS;
        (actor(first), actor(first + ACTORS_OF_SEGMENT))
    }

    /// What the manifest says of it.
    fn segment(self) -> Segment {
        let mut rng = SmallRng::seed_from_u64(self.0 as u64);
        let (day, (first_us, last_us)) = (format_day(self.day()), self.slot_us());
        // The n-th segment of a group has the n-th rows of each of its tenants.
        let first = (self.0 / GROUPS) as u64 * ROWS;
        let spans = self.tenants().enumerate().map(|(position, name)| {
            let later_us = position as i64 * 1000;
            let occurred_us = (first_us + later_us, last_us - later_us);
            let seq = (first, first + ROWS - 1);
            (name, Span { rows: ROWS, seq, occurred_us, recorded_us: recorded(occurred_us) })
        });
        let tenants: BTreeMap<String, Span> = spans.collect();
        let texts = COLUMNS.iter().filter(|at| matches!(at.kind, Kind::Dict | Kind::Text));
        let columns = texts.map(|at| (at.name, self.bounds(at.name, &mut rng))).collect();
        let rows = tenants.len() as u64 * ROWS;
        let row_bytes: u64 = rng.random_range(120..180);
        Segment {
            path: format!("events/day={day}/{}.parquet", ulid(last_us, &mut rng)),
            bytes: rows * row_bytes,
            sha256: hash(&mut rng),
            rows,
            day,
            tenants,
            widest_bytes: rng.random_range(150_000..400_000),
            columns,
        }
    }

    /// Least and greatest text of a column, none where all cells are null.
    fn bounds(self, column: &str, rng: &mut SmallRng) -> Option<(String, String)> {
        // The ends of many random ids lie near the ends of what is possible.
        let ids = |prefix: &str, rng: &mut SmallRng| {
            let random = rng.random::<u128>() >> 12;
            (format!("{prefix}{}", base32(random)), format!("{prefix}{}", base32(!random)))
        };
        Some(match column {
            "id" => ids("evt_", rng),
            "target_id" => ids("doc_", rng),
            "context_request_id" => ids("req_", rng),
            "context_session_id" => ids("ses_", rng),
            "context_fingerprint" => {
                (format!("0{}", &hash(rng)[1..]), format!("f{}", &hash(rng)[1..]))
            }
            "type" => {
                let (least, greatest) = self.types();
                (least.to_owned(), greatest.to_owned())
            }
            "tenant_id" => (self.tenants().next()?, self.tenants().last()?),
            "actor_id" => self.actors(),
            "tool" | "policy_name" | "policy_result" | "policy_reason"
                if self.kind() != EVERYTHING =>
            {
                return None;
            }
            name => {
                let (_, least, greatest) = TEXTS.iter().find(|(column, ..)| *column == name)?;
                ((*least).to_owned(), (*greatest).to_owned())
            }
        })
    }
}

#[derive(Serialize)]
struct State {
    version: u64,
    hash: String,
    epoch: u64,
    writer: String,
    segments: Segments,
    tenants: BTreeMap<String, Head>,
    wal_applied: BTreeMap<String, u64>,
    removed: [(); 0],
}

/// Made one by one as they are written: all of them at once take gigabytes.
struct Segments(LargeManifest);

impl Serialize for Segments {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.0.places().map(Place::segment))
    }
}

#[derive(Serialize)]
struct Head {
    size: u64,
    root: String,
    peaks: Vec<String>,
    recorded_at_us: i64,
}

#[derive(Serialize)]
struct Segment {
    path: String,
    bytes: u64,
    sha256: String,
    rows: u64,
    day: String,
    tenants: BTreeMap<String, Span>,
    widest_bytes: u64,
    columns: BTreeMap<&'static str, Option<(String, String)>>,
}

#[derive(Serialize)]
struct Span {
    rows: u64,
    seq: (u64, u64),
    occurred_us: (i64, i64),
    recorded_us: (i64, i64),
}

/// Names and numbers are in the same order.
fn tenant(number: usize) -> String {
    format!("tenant-{number:02}")
}

/// Names and numbers are in the same order.
fn actor(number: usize) -> String {
    format!("user_{number:08}")
}

/// When events were recorded: a little after they happened.
fn recorded(occurred_us: (i64, i64)) -> (i64, i64) {
    const LATER_US: i64 = 1_500_000;
    (occurred_us.0 + LATER_US, occurred_us.1 + LATER_US)
}

/// As long as a SHA-256.
fn hash(rng: &mut SmallRng) -> String {
    format!("{:032x}{:032x}", rng.random::<u128>(), rng.random::<u128>())
}

/// A ULID of this time.
fn ulid(time_us: i64, rng: &mut SmallRng) -> String {
    let (millis, random) = ((time_us / 1000) as u128, rng.random::<u128>());
    base32((millis << 80) | (random >> 48))
}

/// 128 bits as a ULID is written.
fn base32(bits: u128) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..26).rev().map(|place| char::from(DIGITS[(bits >> (5 * place)) as usize & 31])).collect()
}
