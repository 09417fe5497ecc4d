//! The tenants and who acts in them: people with sessions, services, agents, and the
//! system itself.

use rand::RngCore;
use rand::rngs::SmallRng;

use super::catalog::{AGENTS, BROWSERS, COMPANIES, COUNTRIES, NAMESPACES, Names};
use super::catalog::{PROGRAMS, ROLES, SERVICES};
use super::render::{address, below, hex, mix, short, short_text, skewed};
use crate::text::escape_into;

const MINUTE_US: i64 = 60_000_000;

/// Who does things of some type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    User,
    Admin,
    Service,
    Agent,
    System,
}

/// What an event says about where it came from, around its request id.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
    until_us: i64,
}

/// Somebody who acts.
#[derive(Debug)]
pub(super) struct Actor {
    /// `,"tenant_id":…,"actor":{…}`, rendered.
    pub(super) fragment: Vec<u8>,
    pub(super) session: Session,
    /// The inside of `target` when something is done to them.
    as_target: Vec<u8>,
    home: Vec<u8>,
    program: &'static str,
}

/// A tenant.
#[derive(Debug)]
pub(super) struct Tenant {
    /// Everybody: users (the first are admins), services, agents, and last the system.
    pub(super) actors: Vec<Actor>,
    /// Keeps its ids apart from those of other tenants.
    pub(super) salt: u64,
    /// Relative to the largest.
    pub(super) size: f64,
    /// Its clocks against UTC.
    pub(super) hours_ahead: i64,
    country: &'static str,
    admins: u32,
    users: u32,
}

/// How many people a tenant has: they grow in number with the events, but slower.
pub(super) fn headcount(rank: u32, events: u64) -> u32 {
    ((events as f64).sqrt() * 0.6 / f64::from(rank + 1)).clamp(6.0, 20_000.0) as u32
}

impl Tenant {
    /// The tenant of this rank, 0 the largest.
    pub(super) fn new(rank: u32, users: u32, names: &Names, rng: &mut SmallRng) -> Self {
        let (name, hours_ahead, country) = COMPANIES[rank as usize % COMPANIES.len()];
        let generation = rank as usize / COMPANIES.len();
        let name =
            if generation == 0 { name.to_owned() } else { format!("{name}-{}", generation + 1) };
        let salt = rng.next_u64();
        let mut tenant = Self {
            actors: Vec::with_capacity(users as usize + 16),
            salt,
            size: 1.0 / f64::from(rank + 1),
            hours_ahead,
            country,
            admins: (users / 25).max(1),
            users,
        };
        for number in 0..users {
            let actor = tenant.user(&name, number, names, rng);
            tenant.actors.push(actor);
        }
        let machines = SERVICES.map(|label| ("service", label));
        let machines = machines.into_iter().chain(AGENTS.map(|label| ("agent", label)));
        for (number, (kind, label)) in machines.chain([("system", "Scheduler")]).enumerate() {
            let actor = tenant.machine(&name, number, kind, label, rng);
            tenant.actors.push(actor);
        }
        tenant
    }

    /// Where somebody who does such things stands among the actors.
    #[inline]
    pub(super) fn pick(&self, by: By, rng: &mut SmallRng) -> usize {
        let services = self.users;
        let agents = services + SERVICES.len() as u32;
        let chosen = match by {
            // The busiest come last, away from the admins.
            By::User => self.users - 1 - skewed(self.users, rng),
            By::Admin => below(self.admins, rng),
            By::Service => services + skewed(SERVICES.len() as u32, rng),
            By::Agent => agents + below(AGENTS.len() as u32, rng),
            By::System => agents + AGENTS.len() as u32,
        };
        chosen as usize
    }

    /// Somebody to whom something is done.
    #[inline]
    pub(super) fn peer(&self, rng: &mut SmallRng) -> &[u8] {
        &self.actors[below(self.users, rng) as usize].as_target
    }

    /// Opens a session for the actor when there is none, or a `fresh` one is called for.
    #[inline]
    pub(super) fn keep_session(
        &mut self,
        index: usize,
        at_us: i64,
        fresh: bool,
        rng: &mut SmallRng,
    ) {
        if fresh || self.actors[index].session.until_us <= at_us {
            self.open_session(index, at_us, rng);
        }
    }

    fn open_session(&mut self, index: usize, at_us: i64, rng: &mut SmallRng) {
        let actor = &mut self.actors[index];
        let Session { head, tail, until_us } = &mut actor.session;
        head.clear();
        head.extend_from_slice(b",\"context\":{\"ip\":\"");
        // People mostly work from one place; now and then they travel.
        let away = below(12, rng) == 0;
        if away {
            address(rng, head);
        } else {
            head.extend_from_slice(&actor.home);
        }
        let country = match below(4, rng) {
            0 if away => COUNTRIES[below(COUNTRIES.len() as u32, rng) as usize],
            _ => self.country,
        };
        write_client(country, actor.program, head);
        if below(4, rng) == 0 {
            head.extend_from_slice(b",\"fingerprint\":\"");
            hex(rng.next_u64(), head);
            head.push(b'"');
        }
        head.extend_from_slice(b",\"request_id\":\"req_");
        tail.clear();
        tail.extend_from_slice(b"\",\"session_id\":\"ses_");
        tail.extend_from_slice(&short(rng.next_u64()));
        tail.extend_from_slice(b"\"}");
        *until_us = at_us + MINUTE_US * i64::from(20 + below(500, rng));
    }

    fn user(&self, tenant: &str, number: u32, names: &Names, rng: &mut SmallRng) -> Actor {
        // A stride without common factor walks every pair of names before one comes again.
        let pairs = names.first.len() * names.last.len();
        let offset = (self.salt % 1000) as usize;
        let pair = (number as usize * 7919 + offset) % pairs;
        let (first, first_ascii) = names.first[pair % names.first.len()];
        let (last, last_ascii) = names.last[pair / names.first.len()];
        let twin = match number as usize / pairs {
            0 => String::new(),
            again => (again + 1).to_string(),
        };
        let id = format!("usr_{}", short_text(self.salt ^ u64::from(number)));
        let label = escaped(&format!("{first} {last}"));
        let role = match number {
            0 => "owner",
            _ if number < self.admins => "admin",
            _ => ROLES[below(ROLES.len() as u32, rng) as usize],
        };
        let scope = self.scope(tenant, true, rng);
        let email = format!("{first_ascii}.{last_ascii}{twin}@{tenant}.example");
        let fragment = format!(
            "{scope},\"actor\":{{\"kind\":\"user\",\"id\":\"{id}\",\"label\":\"{label}\",\
             \"email\":\"{email}\",\"role\":\"{role}\"}}"
        );
        let mut home = Vec::new();
        address(rng, &mut home);
        Actor {
            fragment: fragment.into_bytes(),
            as_target: format!("\"kind\":\"user\",\"id\":\"{id}\",\"label\":\"{label}\"")
                .into_bytes(),
            // Over before it begins: the first event opens one.
            session: Session { head: Vec::new(), tail: Vec::new(), until_us: i64::MIN },
            home,
            program: BROWSERS[skewed(BROWSERS.len() as u32, rng) as usize],
        }
    }

    fn machine(
        &self,
        tenant: &str,
        number: usize,
        kind: &str,
        label: &str,
        rng: &mut SmallRng,
    ) -> Actor {
        let prefix = &kind[..3];
        let id = short_text(self.salt ^ ((number as u64 + 1) << 32));
        let scope = self.scope(tenant, false, rng);
        let role = if kind == "system" { "" } else { ",\"role\":\"service\"" };
        let fragment = format!(
            "{scope},\"actor\":{{\"kind\":\"{kind}\",\"id\":\"{prefix}_{id}\",\
             \"label\":\"{label}\"{role}}}"
        );
        let program = PROGRAMS[number % PROGRAMS.len()];
        let (mut head, mut home) = (b",\"context\":{".to_vec(), Vec::new());
        address(rng, &mut home);
        if kind != "system" {
            head.extend_from_slice(b"\"ip\":\"");
            head.extend_from_slice(&home);
            write_client(self.country, program, &mut head);
            head.push(b',');
        }
        head.extend_from_slice(b"\"request_id\":\"req_");
        Actor {
            fragment: fragment.into_bytes(),
            as_target: Vec::new(),
            // Machines have no sessions: theirs never ends and has no id.
            session: Session { head, tail: b"\"}".to_vec(), until_us: i64::MAX },
            home,
            program,
        }
    }

    /// Tenant, org, team and namespace, rendered.
    fn scope(&self, tenant: &str, person: bool, rng: &mut SmallRng) -> String {
        let org = below(1 + self.users.ilog2(), rng);
        let org_id = short_text(mix(self.salt) ^ u64::from(org));
        let mut scope = format!(",\"tenant_id\":\"{tenant}\",\"org_id\":\"org_{org_id}\"");
        if person && below(3, rng) > 0 {
            let team = u64::from(org * 8 + below(6, rng));
            let team_id = short_text(mix(self.salt.wrapping_add(1)) ^ team);
            scope.push_str(&format!(",\"team_id\":\"team_{team_id}\""));
        }
        if below(4, rng) == 0 {
            let namespace = NAMESPACES[below(NAMESPACES.len() as u32, rng) as usize];
            scope.push_str(&format!(",\"namespace\":\"{namespace}\""));
        }
        scope
    }
}

/// Ends the ip and adds country and user agent.
fn write_client(country: &str, program: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\",\"country\":\"");
    out.extend_from_slice(country.as_bytes());
    out.extend_from_slice(b"\",\"user_agent\":\"");
    out.extend_from_slice(program.as_bytes());
    out.push(b'"');
}

fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    escape_into(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
