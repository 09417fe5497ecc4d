//! When events happen: by the hour, more in office hours, fewer at weekends, no day like
//! the other.

use rand::rngs::SmallRng;

use super::SampleConfig;
use super::people::Tenant;
use super::render::unit;

const HOUR_US: i64 = 3_600_000_000;
/// Hours in a week; hour 0 is Monday 00:00 UTC.
const WEEK: usize = 168;
/// 1970-01-01 was a Thursday.
const EPOCH_HOUR: i64 = 72;

/// How busy people are, by their local hour.
const DAY: [f64; 24] = [
    0.02, 0.01, 0.01, 0.01, 0.02, 0.05, 0.12, 0.35, 0.80, 1.00, 0.98, 0.90, //
    0.62, 0.85, 0.97, 0.94, 0.83, 0.60, 0.32, 0.20, 0.15, 0.11, 0.07, 0.04,
];

/// What runs by itself does not sleep.
const NIGHT_SHIFT: f64 = 0.05;

fn activity(local_hour: usize) -> f64 {
    let workday = match local_hour / 24 {
        5 => 0.18,
        6 => 0.12,
        _ => 1.0,
    };
    NIGHT_SHIFT + DAY[local_hour % 24] * workday
}

/// For each hour of the week, how busy each tenant is.
pub(super) fn week(tenants: &[Tenant]) -> Vec<Vec<f64>> {
    let load = |hour: usize, tenant: &Tenant| {
        let local = (hour as i64 + tenant.hours_ahead).rem_euclid(WEEK as i64);
        tenant.size * activity(local as usize)
    };
    (0..WEEK).map(|hour| tenants.iter().map(|tenant| load(hour, tenant)).collect()).collect()
}

/// Hands out instants in order, exactly as many as were asked for.
#[derive(Debug)]
pub(super) struct Rhythm {
    start_us: i64,
    /// How many events lie before the end of each hour.
    ends: Vec<u64>,
    done: u64,
    hour: usize,
    /// Events before the current hour.
    before: u64,
    /// Microseconds between two events of the current hour.
    step_us: f64,
}

impl Rhythm {
    /// `loads` says how busy each hour of the week is.
    pub(super) fn new(config: &SampleConfig, loads: &[f64], rng: &mut SmallRng) -> Self {
        let hours = config.days.max(1) as usize * 24;
        let first = config.start_us.div_euclid(HOUR_US);
        let mut sums = Vec::with_capacity(hours);
        let (mut sum, mut mood) = (0.0, 1.0);
        for hour in 0..hours {
            if hour % 24 == 0 {
                mood = 0.85 + 0.3 * unit(rng);
            }
            sum += mood * loads[hour_of_week(first + hour as i64)];
            sums.push(sum);
        }
        let scale = |part: f64| ((part / sum) * config.events as f64) as u64;
        let mut ends: Vec<u64> = sums.into_iter().map(scale).collect();
        if let Some(last) = ends.last_mut() {
            *last = config.events;
        }
        let mut rhythm =
            Self { start_us: config.start_us, ends, done: 0, hour: 0, before: 0, step_us: 0.0 };
        rhythm.enter(0, 0);
        rhythm
    }

    /// The next instant and its hour of the week.
    #[inline]
    pub(super) fn advance(&mut self, rng: &mut SmallRng) -> Option<(i64, usize)> {
        while self.done >= self.ends[self.hour] {
            if self.hour + 1 == self.ends.len() {
                return None;
            }
            self.enter(self.hour + 1, self.ends[self.hour]);
        }
        // Each event has its own share of the hour and falls anywhere in it: random, yet in
        // order without sorting.
        let place = (self.done - self.before) as f64 + unit(rng);
        let within = ((place * self.step_us) as i64).min(HOUR_US - 1);
        self.done += 1;
        let at_us = self.start_us + self.hour as i64 * HOUR_US + within;
        Some((at_us, hour_of_week(at_us.div_euclid(HOUR_US))))
    }

    fn enter(&mut self, hour: usize, before: u64) {
        self.hour = hour;
        self.before = before;
        self.step_us = HOUR_US as f64 / (self.ends[hour] - before).max(1) as f64;
    }
}

fn hour_of_week(hour: i64) -> usize {
    (hour + EPOCH_HOUR).rem_euclid(WEEK as i64) as usize
}
