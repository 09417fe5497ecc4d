//! A made-up quarter of audit events: many tenants, their people, services and agents, with
//! the rhythm of working days. Deterministic: the same configuration gives the same bytes.
//!
//! It serves `quickstart`, tests and benches, so it is written to cost little next to what
//! it feeds: whatever does not change from line to line is rendered once, ahead of time.

mod alias;
mod catalog;
mod people;
mod render;
mod rhythm;
mod template;
#[cfg(test)]
mod tests;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use self::alias::Weighted;
use self::catalog::{Kind, Names, Verdict};
use self::people::Tenant;
use self::render::{below, mix, skewed, token};
use self::rhythm::Rhythm;
use self::template::{Fill, Template, Words};
use crate::time::write_rfc3339;

/// How many things each tenant's events can be about.
const OBJECTS: u32 = 20_000;

/// What to make up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleConfig {
    /// The same seed gives the same events.
    pub seed: u64,
    /// How many events.
    pub events: u64,
    /// The first instant, in microseconds since 1970-01-01 UTC.
    pub start_us: i64,
    /// How many days they spread over; at least one.
    pub days: u32,
    /// How many tenants; at least one. Each is smaller than the one before it.
    pub tenants: u32,
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            events: 1_000_000,
            // 2026-01-01T00:00:00Z
            start_us: 1_767_225_600_000_000,
            days: 90,
            tenants: 12,
        }
    }
}

/// A stream of made-up events, oldest first.
#[derive(Debug)]
pub struct Sample {
    rng: SmallRng,
    rhythm: Rhythm,
    /// Who is awake, for each hour of the week.
    awake: Vec<Weighted>,
    tenants: Vec<Tenant>,
    kinds: Vec<Kind>,
    mix: Weighted,
    words: Words,
    allowed: Template,
    refused: Template,
}

impl Sample {
    /// Prepares the people, the things and the calendar.
    #[must_use]
    pub fn new(config: SampleConfig) -> Self {
        let mut rng = SmallRng::seed_from_u64(config.seed);
        let names = Names::new();
        let mut tenant =
            |rank| Tenant::new(rank, people::headcount(rank, config.events), &names, &mut rng);
        let tenants: Vec<Tenant> = (0..config.tenants.max(1)).map(&mut tenant).collect();
        let week = rhythm::week(&tenants);
        let loads: Vec<f64> = week.iter().map(|weights| weights.iter().sum()).collect();
        let kinds = catalog::kinds();
        let weights: Vec<f64> = kinds.iter().map(|kind| f64::from(kind.weight)).collect();
        Self {
            rhythm: Rhythm::new(&config, &loads, &mut rng),
            awake: week.iter().map(|weights| Weighted::new(weights)).collect(),
            tenants,
            mix: Weighted::new(&weights),
            kinds,
            words: Words::new(),
            allowed: Template::new(catalog::POLICY_ALLOWED),
            refused: Template::new(catalog::POLICY_REFUSED),
            rng,
        }
    }

    /// Appends up to `count` events to `out` as NDJSON lines, in time order.
    ///
    /// Answers how many; 0 once all are written.
    pub fn write(&mut self, count: usize, out: &mut Vec<u8>) -> usize {
        let mut written = 0;
        while written < count {
            let Some((at_us, hour)) = self.rhythm.advance(&mut self.rng) else { break };
            self.line(at_us, hour, out);
            written += 1;
        }
        written
    }

    fn line(&mut self, at_us: i64, hour: usize, out: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let tenant = &mut self.tenants[self.awake[hour].pick(rng)];
        let kind = &self.kinds[self.mix.pick(rng)];
        let index = tenant.pick(kind.by, rng);
        tenant.keep_session(index, at_us, kind.opens_session, rng);
        let tenant = &*tenant;
        let actor = &tenant.actors[index];
        let object = mix(tenant.salt ^ u64::from(skewed(OBJECTS, rng)));
        let fill = Fill { words: &self.words, tenant, object };
        let verdict = kind.verdict(rng);

        out.extend_from_slice(b"{\"id\":\"evt_");
        render::ulid(at_us, rng, out);
        out.extend_from_slice(&kind.head);
        write_rfc3339(at_us, out);
        out.push(b'"');
        out.extend_from_slice(&actor.fragment);
        kind.target.render(&fill, rng, out);
        match verdict {
            Verdict::Usual => out.extend_from_slice(&kind.usual),
            Verdict::Denied => kind.denied.render(&fill, rng, out),
            Verdict::Failed => kind.failed.render(&fill, rng, out),
        }
        if kind.governed {
            let policy = if verdict == Verdict::Denied { &self.refused } else { &self.allowed };
            policy.render(&fill, rng, out);
        }
        out.extend_from_slice(kind.classification(object));
        out.extend_from_slice(&actor.session.head);
        token(rng, out);
        out.extend_from_slice(if kind.anonymous { b"\"}" } else { &actor.session.tail });
        // Clients differ in how much they tell: one event in eight comes without details.
        if below(8, rng) > 0 {
            kind.data.render(&fill, rng, out);
        }
        out.extend_from_slice(b"}\n");
    }
}
