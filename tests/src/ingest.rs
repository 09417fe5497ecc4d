//! Clients that post batches and know, at any moment, which of them were acknowledged. A
//! batch whose answer did not arrive is sent again, the same bytes, until one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use auditlake_model::time::{DAY_US, format_rfc3339};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::http::{Answer, Target};

/// 2026-03-01T00:00:00Z.
const START_US: i64 = 1_772_323_200_000_000;
/// Over so many days the events spread.
const DAYS: i64 = 4;
const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
const LARGEST_BATCH: usize = 20;

/// What a client remembers of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose it is.
    pub tenant: &'static str,
    /// Its id, which the client gave.
    pub id: String,
    /// When it happened.
    pub occurred_at: String,
}

/// One request's events.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The events.
    pub events: Vec<Event>,
    /// Whether the server said that they are durable.
    pub acknowledged: bool,
    sent: bool,
    /// Its bytes, as long as they may have to be sent again.
    lines: Vec<u8>,
}

/// How a client's work ended.
#[derive(Debug)]
pub enum Ended {
    /// The server went away; the last batch is in the open.
    Gone,
    /// The server refused a batch.
    Refused(Answer),
    /// It was told to stop, and has every batch acknowledged.
    Told,
}

/// One client, and everything it ever sent.
#[derive(Debug)]
pub struct Client {
    name: usize,
    rng: SmallRng,
    made: u64,
    /// Hexadecimal digits of noise in each event, which no compression makes disappear.
    noise: usize,
    /// What it sent; all but the last are acknowledged.
    pub batches: Vec<Batch>,
}

impl Client {
    fn new(name: usize, seed: u64, noise: usize) -> Self {
        let rng = SmallRng::seed_from_u64(seed.wrapping_add(name as u64));
        Self { name, rng, made: 0, noise, batches: Vec::new() }
    }

    /// Posts batches until something ends that.
    async fn work(&mut self, target: &Target, stop: &AtomicBool) -> Ended {
        loop {
            if self.batches.last().is_none_or(|batch| batch.acknowledged) {
                if stop.load(Ordering::Relaxed) {
                    return Ended::Told;
                }
                let batch = self.batch();
                self.batches.push(batch);
            }
            let Some(batch) = self.batches.last_mut() else { continue };
            let is_repeated = std::mem::replace(&mut batch.sent, true);
            let answer = match target.post_events(batch.lines.clone()).await {
                Ok(answer) => answer,
                Err(_) => return Ended::Gone,
            };
            if answer.status != 200 {
                return Ended::Refused(answer);
            }
            let (said, count) = (answer.json(), batch.events.len() as u64);
            let (accepted, duplicates) = (&said["accepted"], &said["duplicates"]);
            let is_new = accepted == count && duplicates == 0;
            let was_there = accepted == 0 && duplicates == count;
            assert!(is_new || (is_repeated && was_there), "a batch of {count} gave {said}");
            batch.acknowledged = true;
            batch.lines = Vec::new();
        }
    }

    /// The next batch: of several tenants and days, as clients of a platform send them.
    fn batch(&mut self) -> Batch {
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        for _ in 0..self.rng.random_range(1..=LARGEST_BATCH) {
            let event = self.event();
            let noise = self.noise();
            let sent = json!({
                "id": event.id,
                "type": "user.signed_in",
                "occurred_at": event.occurred_at,
                "tenant_id": event.tenant,
                "actor": {"kind": "user", "id": format!("u_{}", self.rng.random_range(0..50))},
                "outcome": "success",
                "data": {"of": event.id, "noise": noise},
            });
            lines.extend_from_slice(sent.to_string().as_bytes());
            lines.push(b'\n');
            events.push(event);
        }
        Batch { events, acknowledged: false, sent: false, lines }
    }

    fn event(&mut self) -> Event {
        self.made += 1;
        let at_us = START_US + self.rng.random_range(0..DAYS * DAY_US);
        Event {
            tenant: TENANTS[self.rng.random_range(0..TENANTS.len())],
            id: format!("c{}-{}", self.name, self.made),
            occurred_at: format_rfc3339(at_us),
        }
    }

    fn noise(&mut self) -> String {
        let mut text = String::with_capacity(self.noise + 16);
        while text.len() < self.noise {
            text.push_str(&format!("{:016x}", self.rng.random::<u64>()));
        }
        text
    }
}

/// Several clients of one lake.
#[derive(Debug)]
pub struct Crowd {
    clients: Vec<Client>,
}

impl Crowd {
    /// So many clients; the same seed makes the same events.
    #[must_use]
    pub fn new(seed: u64, size: usize) -> Self {
        Self::noisy(seed, size, 0)
    }

    /// The same, with so many digits of noise in each event.
    #[must_use]
    pub fn noisy(seed: u64, size: usize, noise: usize) -> Self {
        Self { clients: (0..size).map(|name| Client::new(name, seed, noise)).collect() }
    }

    /// Sets them to work; [`Self::gather`] waits for them.
    #[must_use]
    pub fn feed(&mut self, target: &Target) -> Feeding {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = self.clients.drain(..).map(|mut client| {
            let (target, stop) = (target.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let ended = client.work(&target, &stop).await;
                (client, ended)
            })
        });
        Feeding { tasks: tasks.collect(), stop }
    }

    /// Waits until each client's work has ended, and says how.
    pub async fn gather(&mut self, feeding: Feeding) -> Vec<Ended> {
        let mut ends = Vec::new();
        for task in feeding.tasks {
            let (client, ended) = task.await.expect("a client does not panic");
            self.clients.push(client);
            ends.push(ended);
        }
        ends
    }

    /// Sends what is in the open again, and asserts that all of it is acknowledged.
    pub async fn settle(&mut self, target: &Target) {
        let feeding = self.feed(target);
        feeding.tell_to_stop();
        for ended in self.gather(feeding).await {
            assert!(matches!(ended, Ended::Told), "a client could not settle: {ended:?}");
        }
    }

    /// Everything that was ever sent.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.clients.iter().flat_map(|client| &client.batches)
    }

    /// How many events were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.batches().filter(|batch| batch.acknowledged).map(|batch| batch.events.len()).sum()
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Feeding {
    tasks: Vec<JoinHandle<(Client, Ended)>>,
    stop: Arc<AtomicBool>,
}

impl Feeding {
    /// Lets each client finish its batch and no more.
    pub fn tell_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether every client's work has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.tasks.iter().all(JoinHandle::is_finished)
    }
}
