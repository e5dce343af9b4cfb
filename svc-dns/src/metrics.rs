//! What a server counts: under the names that CoreDNS gives its metrics, so that dashboards made for it go on working.
//!
//! Each thread has a [`Tally`] that only it writes: a count is a load and a store in a line of the cache that nobody else has.
//! They are added up when somebody asks.

mod histogram;
mod question;
mod text;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use self::{
    histogram::{Buckets, DURATIONS, HEALTH, PROGRAMMING, SIZES},
    question::KINDS,
};
use crate::{Client, Transport, Zone, message::Name, responder::Asked};

/// Answer codes that are counted each for itself: those of the header and the first of EDNS, BADVERS and BADCOOKIE among them.
const RCODES: usize = 24;

/// The counts of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// The zones it has, then `.` for what others answer, then `dropped` for what nobody does.
    zones: Vec<Name>,
    tallies: Mutex<Vec<Arc<Tally>>>,
    programming: Buckets<{ PROGRAMMING.len() + 1 }>,
    health: Buckets<{ HEALTH.len() + 1 }>,
}

/// The counts of one thread.
#[derive(Debug)]
pub(crate) struct Tally {
    zones: Vec<Name>,
    counts: Vec<Counts>,
}

/// A query that has been counted; how long it took comes later.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    zone: usize,
}

/// Of one zone.
#[derive(Debug, Default)]
struct Counts {
    transports: [TransportCounts; 2],
    rcodes: [AtomicU64; RCODES],
    with_do: AtomicU64,
    durations: Buckets<{ DURATIONS.len() + 1 }>,
}

/// Of one zone and transport.
#[derive(Debug, Default)]
struct TransportCounts {
    /// By family and type.
    requests: [[AtomicU64; KINDS]; 2],
    request_sizes: Buckets<{ SIZES.len() + 1 }>,
    response_sizes: Buckets<{ SIZES.len() + 1 }>,
}

impl Metrics {
    pub(crate) fn new(zone: &Zone) -> Self {
        let zones = zone.origins().chain(zone.reverse_zones()).cloned().collect();
        Self { zones, tallies: Mutex::default(), programming: Buckets::default(), health: Buckets::default() }
    }

    /// A change of pods is in force; it took so long. Called by one thread.
    pub(crate) fn programmed(&self, took: Duration) {
        self.programming.count(PROGRAMMING, micros(took));
    }

    /// A request for health was answered. Called by one thread.
    pub(crate) fn told_health(&self, took: Duration) {
        self.health.count(HEALTH, micros(took));
    }

    /// For another thread.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        let counts = (0..self.zones.len() + 2).map(|_| Counts::default()).collect();
        let tally = Arc::new(Tally { zones: self.zones.clone(), counts });
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tally));
        tally
    }
}

impl Tally {
    /// Counts a query with its answer. What it asked for is read from it where that is not known.
    pub(crate) fn answered(
        &self,
        query: &[u8],
        asked: Option<Asked>,
        client: Client,
        answer: &[u8],
    ) -> Counted {
        let asked = asked.unwrap_or_else(|| question::read(query, &self.zones));
        let rcode = question::rcode(answer);
        let zone = asked.zone.unwrap_or_else(|| self.foreign(rcode));
        let counts = &self.counts[zone];
        let transport = counts.request(question::kind(asked.kind), asked.with_do, query, client);
        transport.response_sizes.count(SIZES, answer.len());
        add(&counts.rcodes[rcode], 1);
        Counted { zone }
    }

    /// Counts a query that gets no answer.
    pub(crate) fn asked(&self, query: &[u8], client: Client) {
        let asked = question::read(query, &self.zones);
        let zone = asked.zone.unwrap_or(self.zones.len() + 1);
        self.counts[zone].request(question::kind(asked.kind), asked.with_do, query, client);
    }

    /// How long it took.
    pub(crate) fn took(&self, counted: Counted, time: Duration) {
        self.counts[counted.zone].durations.count(DURATIONS, micros(time));
    }

    fn foreign(&self, rcode: usize) -> usize {
        const REFUSED: usize = 5;
        self.zones.len() + usize::from(rcode == REFUSED)
    }
}

impl Counts {
    fn request(&self, kind: usize, with_do: bool, query: &[u8], client: Client) -> &TransportCounts {
        let transport = &self.transports[usize::from(client.transport == Transport::Tcp)];
        let family = usize::from(!client.address.ip().to_canonical().is_ipv4());
        add(&transport.requests[family][kind], 1);
        transport.request_sizes.count(SIZES, query.len());
        if with_do {
            add(&self.with_do, 1);
        }
        transport
    }
}

fn micros(time: Duration) -> usize {
    usize::try_from(time.as_micros()).unwrap_or(usize::MAX)
}

/// Adds to a number that only this thread writes.
fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

fn read(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
