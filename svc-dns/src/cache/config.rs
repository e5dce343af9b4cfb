//! How a cache is set.

use std::time::Duration;

use super::{Holds, Judged};
use crate::{domains::Domains, error::ConfigError, message::Name};

/// Bounds of a [`Cache`](super::Cache); as CoreDNS has them where nothing is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    success: Bounds,
    denial: Bounds,
    bytes: usize,
    servfail: Duration,
    keep_ttl: bool,
    rotate: bool,
    prefetch: Option<Prefetch>,
    stale: Option<Stale>,
    /// Of these only; none: of all.
    zones: Domains,
}

/// Of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bounds {
    capacity: usize,
    min_ttl: Duration,
    max_ttl: Duration,
    /// Domains that are not kept.
    except: Domains,
}

/// When a reply that many ask for is fetched again before its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    amount: u32,
    gap: Duration,
    percentage: u8,
}

impl Prefetch {
    /// After `amount` questions without a gap of more than a minute, in the last tenth of its time.
    #[must_use]
    pub const fn after(amount: u32) -> Self {
        Self { amount, gap: Duration::from_secs(60), percentage: 10 }
    }

    /// Another gap.
    #[must_use]
    pub const fn within(mut self, gap: Duration) -> Self {
        self.gap = gap;
        self
    }

    /// Another part of its time, in percent: 10 to 90.
    #[must_use]
    pub const fn percent(mut self, percentage: u8) -> Self {
        self.percentage = percentage;
        self
    }

    pub(super) fn amount(self) -> u32 {
        self.amount
    }

    pub(super) fn gap(self) -> Duration {
        self.gap
    }

    pub(super) fn percentage(self) -> u8 {
        self.percentage
    }
}

/// Answers that have outlived their time, for when no server answers (RFC 8767).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    window: Duration,
    mode: StaleMode,
    ttl: Duration,
    recheck: Duration,
}

/// When a stale answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StaleMode {
    /// At once; the servers are asked afterwards.
    Immediate,
    /// When the servers have not answered within this time.
    Verify(Duration),
}

impl Default for Stale {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self { window: 3600 * second, mode: StaleMode::Immediate, ttl: 30 * second, recheck: 30 * second }
    }
}

impl Stale {
    /// Up to this long past their time: one hour where nothing is said.
    #[must_use]
    pub fn up_to(window: Duration) -> Self {
        Self { window, ..Self::default() }
    }

    /// Asks the servers first; the stale answer is given when they have not answered within `patience` (RFC 8767 section 5
    /// recommends 1.8 s).
    #[must_use]
    pub const fn verify(mut self, patience: Duration) -> Self {
        self.mode = StaleMode::Verify(patience);
        self
    }

    /// The time to live in stale answers: 30 s by default, as RFC 8767 section 4 recommends.
    #[must_use]
    pub const fn answer_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long servers are left alone after they failed: 30 s by default.
    #[must_use]
    pub const fn recheck_after(mut self, recheck: Duration) -> Self {
        self.recheck = recheck;
        self
    }

    /// Whether the servers are asked first.
    pub(crate) fn is_verified(self) -> bool {
        matches!(self.mode, StaleMode::Verify(_))
    }

    pub(super) fn window(self) -> Duration {
        self.window
    }

    pub(super) fn mode(self) -> StaleMode {
        self.mode
    }

    pub(super) fn ttl(self) -> u32 {
        u32::try_from(self.ttl.as_secs()).unwrap_or(u32::MAX)
    }

    pub(super) fn recheck(self) -> Duration {
        self.recheck
    }
}

/// 256 times 39.
const CAPACITY: usize = 9984;
const LEAST_CAPACITY: usize = 1024;
/// The largest message has to fit into a shard.
const LEAST_BYTES: usize = 32 * 128 * 1024;
const MOST_SERVFAIL: Duration = Duration::from_secs(300);

impl CacheConfig {
    /// 9984 replies in each store, 16 MiB in all, 5 s to one hour (half an hour for what does not exist), failures for 5 s, no
    /// prefetch, nothing stale.
    #[must_use]
    pub fn builder() -> CacheConfigBuilder {
        let bounds = |max_ttl| Bounds {
            capacity: CAPACITY,
            min_ttl: Duration::from_secs(5),
            max_ttl: Duration::from_secs(max_ttl),
            except: Domains::default(),
        };
        CacheConfigBuilder {
            config: Self {
                success: bounds(3600),
                denial: bounds(1800),
                bytes: 16 << 20,
                servfail: Duration::from_secs(5),
                keep_ttl: false,
                rotate: true,
                prefetch: None,
                stale: None,
                zones: Domains::default(),
            },
        }
    }

    /// Seconds that a reply is kept; `None`: it is not.
    pub(super) fn ttl_of(&self, judged: &Judged, name: &[u8]) -> Option<u32> {
        let bounds = match judged.holds {
            Holds::Records => &self.success,
            Holds::Denial | Holds::Failure => &self.denial,
        };
        let here = self.zones.is_empty() || self.zones.hold(name);
        if !here || bounds.except.hold(name) {
            return None;
        }
        if judged.holds == Holds::Failure {
            return Some(seconds(self.servfail)).filter(|&ttl| ttl > 0);
        }
        let (min, max) = (seconds(bounds.min_ttl), seconds(bounds.max_ttl));
        // The upper bound wins, also where it is below the lower one.
        Some(judged.ttl.max(min).min(max)).filter(|&ttl| ttl > 0)
    }

    pub(super) fn capacities(&self) -> (usize, usize) {
        (self.success.capacity, self.denial.capacity)
    }

    pub(super) fn most_bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn keeps_ttl(&self) -> bool {
        self.keep_ttl
    }

    pub(super) fn rotates(&self) -> bool {
        self.rotate
    }

    /// The same, with or without rotation.
    pub(crate) fn rotating(mut self, on: bool) -> Self {
        self.rotate = on;
        self
    }

    pub(super) fn prefetched(&self) -> Option<Prefetch> {
        self.prefetch
    }

    pub(crate) fn stale_mode(&self) -> Option<StaleMode> {
        self.stale.map(Stale::mode)
    }

    /// In stale answers.
    pub(super) fn stale_ttl(&self) -> u32 {
        self.stale.map(Stale::ttl).unwrap_or_default()
    }

    pub(super) fn stale(&self) -> Option<Stale> {
        self.stale
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self::builder().config
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// Builds a [`CacheConfig`].
#[derive(Clone, Debug)]
pub struct CacheConfigBuilder {
    config: CacheConfig,
}

impl CacheConfigBuilder {
    /// The longest time that anything is kept.
    #[must_use]
    pub fn max_ttl(self, ttl: Duration) -> Self {
        self.success_ttl(Duration::from_secs(5), ttl).denial_ttl(Duration::from_secs(5), ttl)
    }

    /// The least and the longest time that records are kept.
    #[must_use]
    pub fn success_ttl(mut self, min: Duration, max: Duration) -> Self {
        (self.config.success.min_ttl, self.config.success.max_ttl) = (min, max);
        self
    }

    /// The least and the longest time that it is remembered that something does not exist.
    #[must_use]
    pub fn denial_ttl(mut self, min: Duration, max: Duration) -> Self {
        (self.config.denial.min_ttl, self.config.denial.max_ttl) = (min, max);
        self
    }

    /// Replies in each store, what exists and what does not: 1024 or more.
    #[must_use]
    pub fn capacity(mut self, success: usize, denial: usize) -> Self {
        (self.config.success.capacity, self.config.denial.capacity) = (success, denial);
        self
    }

    /// Memory for both stores, in bytes: 4 MiB or more.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.config.bytes = bytes;
        self
    }

    /// How long a SERVFAIL is kept: 5 s by default, 5 minutes at most (RFC 2308 section 7.1), zero for not at all.
    #[must_use]
    pub fn servfail(mut self, ttl: Duration) -> Self {
        self.config.servfail = ttl;
        self
    }

    /// Gives the time to live of the first answer until the end, instead of the time that is left.
    #[must_use]
    pub fn keep_ttl(mut self, on: bool) -> Self {
        self.config.keep_ttl = on;
        self
    }

    /// Begins with another address in each answer. On by default.
    #[must_use]
    pub fn rotate(mut self, on: bool) -> Self {
        self.config.rotate = on;
        self
    }

    /// Fetches what many ask for again before its time is over.
    #[must_use]
    pub fn prefetch(mut self, prefetch: Prefetch) -> Self {
        self.config.prefetch = Some(prefetch);
        self
    }

    /// Gives answers that have outlived their time.
    #[must_use]
    pub fn serve_stale(mut self, stale: Stale) -> Self {
        self.config.stale = Some(stale);
        self
    }

    /// Keeps names in this domain only; may be given several times.
    #[must_use]
    pub fn zone(mut self, domain: &Name) -> Self {
        self.config.zones.add(domain);
        self
    }

    /// Keeps no records of names in this domain.
    #[must_use]
    pub fn no_success(mut self, domain: &Name) -> Self {
        self.config.success.except.add(domain);
        self
    }

    /// Does not remember that something in this domain does not exist.
    #[must_use]
    pub fn no_denial(mut self, domain: &Name) -> Self {
        self.config.denial.except.add(domain);
        self
    }

    /// The bounds.
    ///
    /// # Errors
    /// The first that cannot be.
    pub fn build(self) -> Result<CacheConfig, ConfigError> {
        let config = self.config;
        let (success, denial) = config.capacities();
        let range = |field, given: String, range| Err(ConfigError::Range { field, given, range });
        if success.min(denial) < LEAST_CAPACITY {
            return range("cache capacity", success.min(denial).to_string(), "1024 or more replies");
        }
        if config.bytes < LEAST_BYTES {
            return range("cache bytes", config.bytes.to_string(), "4194304 (4 MiB) or more");
        }
        if config.servfail > MOST_SERVFAIL {
            return range("cache servfail", format!("{:?}", config.servfail), "0 to 300 s");
        }
        if let Some(prefetch) = config.prefetch.filter(|prefetch| !(10..=90).contains(&prefetch.percentage)) {
            return range("cache prefetch", format!("{} %", prefetch.percentage), "10 % to 90 %");
        }
        Ok(config)
    }
}
