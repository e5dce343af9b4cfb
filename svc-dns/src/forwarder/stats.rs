//! What a forwarder has done.

use std::{net::SocketAddr, time::Duration};

use crate::{CacheStats, message::Rcode};

/// What a forwarder has done since it was made.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ForwardStats {
    /// Questions refused because too many were open.
    pub rejected: u64,
    /// Questions sent to a server although all were down.
    pub broken: u64,
    /// Each server of each route.
    pub upstreams: Vec<UpstreamStats>,
    /// Each cache.
    pub caches: Vec<CacheStats>,
}

/// What a server has said.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UpstreamStats {
    /// The server.
    pub address: SocketAddr,
    /// It is asked within TLS.
    pub encrypted: bool,
    /// It is passed over as long as others are well.
    pub down: bool,
    /// Probes that it did not answer.
    pub failed_probes: u64,
    /// Its replies by code, and how long they took.
    pub replies: Vec<(Rcode, Histogram)>,
    /// How often a connection was there already: to this and the other servers of the forwarder.
    pub connections_reused: u64,
    /// How often one had to be made.
    pub connections_made: u64,
}

/// How long things took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Histogram {
    /// How many took at most [`BOUNDS`](Self::BOUNDS) seconds, each bound for itself; the last: longer.
    pub buckets: [u64; 17],
    /// All together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Upper bounds in seconds: a quarter of a millisecond, and twice as much each time.
    pub const BOUNDS: [f64; 16] = [
        0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024,
        2.048, 4.096, 8.192,
    ];

    pub(super) fn count(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = Self::BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(Self::BOUNDS.len());
        self.buckets[bucket] += 1;
        self.sum += seconds;
    }

    /// How many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }
}
