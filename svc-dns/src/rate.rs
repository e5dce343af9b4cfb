//! Response-rate limiting: a server that is asked in somebody else's name must not help to flood that somebody.
//!
//! Answers to datagrams are counted by the client's network and by what they say, as BIND and Knot do. Who gets more of the same than
//! allowed gets some of it as a truncated answer, with which an honest client comes back over TCP, and the rest not at all.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use ipnet::IpNet;

use crate::{
    Client, Transport,
    domains::Domains,
    error::ConfigError,
    message::{Header, Name, Query, Rcode, RecordType, Writer},
};

/// How many answers of a kind a network may get in a second. A clone is the same setting, with counts of its own.
///
/// ```
/// use svc_dns::RateLimit;
///
/// let limit = RateLimit::per_second(20).nxdomains(5).slip(2).build()?;
/// # Ok::<(), svc_dns::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    answers: u32,
    nodata: Option<u32>,
    nxdomains: Option<u32>,
    errors: Option<u32>,
    slip: u32,
    prefixes: [u8; 2],
    window: Duration,
    table: usize,
    report_only: bool,
    zones: Domains,
    exempt: Vec<IpNet>,
}

impl RateLimit {
    /// This many answers with the same name; 0 for no limit. Without a name of their own for it, so many NODATA, NXDOMAIN and errors.
    #[must_use]
    pub fn per_second(answers: u32) -> Self {
        Self {
            answers,
            nodata: None,
            nxdomains: None,
            errors: None,
            slip: 2,
            prefixes: [24, 56],
            window: Duration::from_secs(15),
            table: 100_000,
            report_only: false,
            zones: Domains::all(),
            exempt: Vec::new(),
        }
    }

    /// Another number of answers with the same name; 0 for no limit.
    #[must_use]
    pub fn answers(mut self, per_second: u32) -> Self {
        self.answers = per_second;
        self
    }

    /// Answers without records, by name; 0 for no limit.
    #[must_use]
    pub fn nodata(mut self, per_second: u32) -> Self {
        self.nodata = Some(per_second);
        self
    }

    /// NXDOMAIN, all names together; 0 for no limit.
    #[must_use]
    pub fn nxdomains(mut self, per_second: u32) -> Self {
        self.nxdomains = Some(per_second);
        self
    }

    /// All other codes together; 0 for no limit.
    #[must_use]
    pub fn errors(mut self, per_second: u32) -> Self {
        self.errors = Some(per_second);
        self
    }

    /// One of so many answers beyond the limit is given truncated, the others are not: 2 by default; 0 gives none, 1 all.
    #[must_use]
    pub fn slip(mut self, one_of: u32) -> Self {
        self.slip = one_of;
        self
    }

    /// Clients with so many leading bits in common are one network: 24 and 56 by default.
    #[must_use]
    pub fn prefixes(mut self, v4: u8, v6: u8) -> Self {
        self.prefixes = [v4, v6];
        self
    }

    /// How long who asks on and on has to be quiet at most until it is answered again: 15 s by default.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many networks and answers are told apart, 100 000 by default, eight bytes each; beyond that the quietest are forgotten.
    #[must_use]
    pub fn table_size(mut self, entries: usize) -> Self {
        self.table = entries;
        self
    }

    /// Counts what would be held back and gives it all the same.
    #[must_use]
    pub fn report_only(mut self, on: bool) -> Self {
        self.report_only = on;
        self
    }

    /// Of names in these domains only.
    #[must_use]
    pub fn zones<'n>(mut self, zones: impl IntoIterator<Item = &'n Name>) -> Self {
        self.zones = zones.into_iter().collect();
        self
    }

    /// Never limits this network.
    #[must_use]
    pub fn exempt(mut self, network: IpNet) -> Self {
        self.exempt.push(network);
        self
    }

    /// The setting.
    ///
    /// # Errors
    /// A prefix longer than an address, a window of more than an hour, or a table of none or more than 2²⁴ entries.
    pub fn build(self) -> Result<Self, ConfigError> {
        let range = |field, given: String, range| Err(ConfigError::Range { field, given, range });
        let [v4, v6] = self.prefixes;
        if v4 > 32 || v6 > 128 {
            return range("prefixes", format!("{v4} and {v6}"), "0 to 32 and 0 to 128 bits");
        }
        if self.window > Duration::from_secs(3600) {
            return range("window", format!("{:?}", self.window), "0 to 3600 s");
        }
        if self.table == 0 || self.table > 1 << 24 {
            return range("table_size", self.table.to_string(), "1 to 16777216 entries");
        }
        Ok(self)
    }

    fn allowed(&self, kind: Kind) -> u32 {
        let own = match kind {
            Kind::Answer => None,
            Kind::Nodata => self.nodata,
            Kind::Nxdomain => self.nxdomains,
            Kind::Error => self.errors,
        };
        own.unwrap_or(self.answers)
    }
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Answer,
    Nodata,
    Nxdomain,
    Error,
}

impl Kind {
    fn of(header: &Header) -> Self {
        match header.rcode() {
            Rcode::NOERROR if header.counts[1] > 0 => Self::Answer,
            Rcode::NOERROR => Self::Nodata,
            Rcode::NXDOMAIN => Self::Nxdomain,
            _ => Self::Error,
        }
    }
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is sent.
    Pass,
    /// It is not.
    Drop,
}

/// Entries that may hold the same key.
const WAYS: usize = 8;
/// Of an entry: the lower bits are a time, the upper ones tell keys apart.
const TIME_BITS: u32 = 44;
const TIME: u64 = (1 << TIME_BITS) - 1;
/// A unit of time: 44 bits of them are nine years.
const UNIT: Duration = Duration::from_micros(16);

/// Counts of answers. No locks, and a table that never grows.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: RateLimit,
    entries: Box<[AtomicU64]>,
    secret: RandomState,
    epoch: Instant,
    exceeded: AtomicU64,
}

impl Limiter {
    /// `now`: nothing before it will be asked for.
    pub(crate) fn new(limit: RateLimit, now: Instant) -> Self {
        let entries = limit.table.next_power_of_two().max(WAYS);
        let entries = (0..entries).map(|_| AtomicU64::new(0)).collect();
        Self { limit, entries, secret: RandomState::new(), epoch: now, exceeded: AtomicU64::new(0) }
    }

    /// Answers beyond the limit so far.
    pub(crate) fn exceeded(&self) -> u64 {
        self.exceeded.load(Ordering::Relaxed)
    }

    /// Counts an answer; one of those beyond the limit may become a truncated one.
    pub(crate) fn check(&self, query: &[u8], client: Client, now: Instant, answer: &mut Vec<u8>) -> Verdict {
        let Some((key, per_second)) = self.key(query, client, answer) else { return Verdict::Pass };
        if self.count(key, per_second, now) {
            return Verdict::Pass;
        }
        let exceeded = self.exceeded.fetch_add(1, Ordering::Relaxed);
        if self.limit.report_only {
            return Verdict::Pass;
        }
        let slips = self.limit.slip > 0 && exceeded.is_multiple_of(self.limit.slip.into());
        if slips && truncate(query, answer) { Verdict::Pass } else { Verdict::Drop }
    }

    /// What is counted together, and how much of it is allowed; nothing where there is no limit.
    fn key(&self, query: &[u8], client: Client, answer: &[u8]) -> Option<(u64, u32)> {
        if client.transport != Transport::Udp {
            return None;
        }
        let kind = Kind::of(&Header::parse(answer).ok()?);
        let per_second = self.limit.allowed(kind);
        let address = client.address.ip().to_canonical();
        if per_second == 0 || self.limit.exempt.iter().any(|network| network.contains(&address)) {
            return None;
        }
        let mut name = [0; Name::MAX_LEN];
        let name = lower_name(query, &mut name);
        if !self.limit.zones.hold(name) {
            return None;
        }
        let named = matches!(kind, Kind::Answer | Kind::Nodata).then_some(name);
        Some((self.secret.hash_one((self.network(address), kind, named)), per_second))
    }

    /// The leading bits of an address.
    fn network(&self, address: IpAddr) -> (bool, u128) {
        let [v4, v6] = self.limit.prefixes.map(u32::from);
        match address {
            IpAddr::V4(address) => {
                (false, u32::MAX.checked_shl(32 - v4).map_or(0, |mask| address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                (true, u128::MAX.checked_shl(128 - v6).map_or(0, |mask| address.to_bits() & mask))
            }
        }
    }

    /// A bucket of a second's tokens, kept as the time at which it will be full again; true when there was a token in it. Who goes on
    /// without tokens gets into debt, up to the window.
    fn count(&self, key: u64, per_second: u32, now: Instant) -> bool {
        let now = units(now.saturating_duration_since(self.epoch)) + 1;
        let (second, debt) = (units(Duration::from_secs(1)), units(self.limit.window));
        let token = (second / u64::from(per_second)).max(1);
        let tag = key & !TIME;
        let entry = self.entry(key, tag, now);
        let mut seen = entry.load(Ordering::Relaxed);
        loop {
            let full_at = if seen & !TIME == tag { (seen & TIME).max(now) } else { now };
            let next = full_at + token;
            let kept = next.min(now + second + debt) & TIME;
            match entry.compare_exchange_weak(seen, tag | kept, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next <= now + second,
                Err(other) => seen = other,
            }
        }
    }

    /// The key's own entry, or one that it can have: of all that could be its own the one that is full first.
    fn entry(&self, key: u64, tag: u64, now: u64) -> &AtomicU64 {
        let sets = self.entries.len() / WAYS;
        // The lower bits: the upper ones are the tag.
        let set = usize::try_from(key & TIME).unwrap_or_default() % sets * WAYS;
        let ways = &self.entries[set..set + WAYS];
        let own = ways.iter().find(|entry| {
            let seen = entry.load(Ordering::Relaxed);
            seen & !TIME == tag && seen & TIME > 0
        });
        let idle = || ways.iter().min_by_key(|entry| (entry.load(Ordering::Relaxed) & TIME).max(now));
        own.or_else(idle).unwrap_or(&ways[0])
    }
}

fn units(time: Duration) -> u64 {
    u64::try_from(time.as_micros() / UNIT.as_micros()).unwrap_or(TIME / 4).min(TIME / 4)
}

/// The name of the question in lower case; nothing where there is none.
fn lower_name<'n>(query: &[u8], into: &'n mut [u8; Name::MAX_LEN]) -> &'n [u8] {
    let rest = query.get(Header::LEN..).unwrap_or_default();
    let mut length = 0;
    while let Some(&label) = rest.get(length) {
        length += usize::from(label) + 1;
        if label == 0 {
            break;
        }
    }
    let length = length.min(rest.len()).min(Name::MAX_LEN);
    into[..length].copy_from_slice(&rest[..length]);
    into[..length].make_ascii_lowercase();
    &into[..length]
}

/// Header, question and OPT only: the client has to come back over TCP.
fn truncate(query: &[u8], answer: &mut Vec<u8>) -> bool {
    let Ok(query) = Query::parse(query) else { return false };
    let mut writer = Writer::reply(&query, usize::from(u16::MAX), answer);
    writer.set(Header::TC);
    writer.finish(Rcode::NOERROR);
    query.question().kind() != RecordType::OPT
}

#[cfg(test)]
mod tests;
