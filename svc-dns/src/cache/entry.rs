//! One reply, and how long it holds.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use super::config::{CacheConfig, Prefetch};
use crate::message::{Header, RecordAt, RecordType, Reply, Section, records};

/// A reply in the cache.
#[derive(Debug)]
pub(super) struct Entry {
    reply: Arc<Kept>,
    stored: Instant,
    ttl: u32,
    pub(super) failure: bool,
    /// When it was last asked for.
    pub(super) used: Instant,
    /// How often, without a long gap.
    hits: u32,
    /// Answers so far: each begins with another address.
    turn: usize,
    /// Until then it is not fetched again: it is being fetched, or that failed.
    quiet: Option<Instant>,
}

#[derive(Debug)]
struct Kept {
    /// Without OPT: that is between neighbours (RFC 6891 section 6.1.1).
    message: Box<[u8]>,
    /// Offsets of the times to live.
    ttls: Box<[u16]>,
    addresses: Option<Addresses>,
}

/// Address records of one name, one behind the other and each as long as the next. Their owners are the same bytes, so whoever
/// points into one may as well point into another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Addresses {
    whole: Range<usize>,
    each: usize,
}

/// What an entry costs beside its bytes: itself, its place in the table, allocations.
const OVERHEAD: usize = 208;
/// A fetch that has not ended after this time was lost.
const FETCH: Duration = Duration::from_secs(10);

impl Entry {
    pub(super) fn new(reply: &[u8], ttl: u32, failure: bool, now: Instant) -> Option<Self> {
        let reply = Arc::new(Kept::new(reply)?);
        Some(Self { reply, stored: now, ttl, failure, used: now, hits: 0, turn: 0, quiet: None })
    }

    pub(super) fn cost(&self) -> usize {
        self.reply.message.len() + 2 * self.reply.ttls.len() + OVERHEAD
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.stored)
    }

    fn remaining(&self, now: Instant) -> u32 {
        let age = u32::try_from(self.age(now).as_secs()).unwrap_or(u32::MAX);
        self.ttl.saturating_sub(age)
    }

    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.age(now) < Duration::from_secs(self.ttl.into())
    }

    /// Fresh, or no longer than `stale` past its time. A failure is never worth keeping on.
    pub(super) fn is_useful(&self, now: Instant, stale: Option<Duration>) -> bool {
        let stale = stale.filter(|_| !self.failure).unwrap_or_default();
        self.age(now) < Duration::from_secs(self.ttl.into()) + stale
    }

    /// Counts a hit; true when so many came so late that the reply should be fetched again.
    pub(super) fn count_hit(&mut self, prefetch: Prefetch, now: Instant) -> bool {
        let gap = now.saturating_duration_since(self.used);
        self.hits = if gap > prefetch.gap() { 1 } else { self.hits.saturating_add(1) };
        self.used = now;
        let late = u64::from(self.remaining(now)) * 100
            <= u64::from(self.ttl) * u64::from(prefetch.percentage())
            || self.remaining(now) <= 1;
        self.hits >= prefetch.amount() && late && self.may_refresh(now)
    }

    pub(super) fn may_refresh(&self, now: Instant) -> bool {
        self.quiet.is_none_or(|until| now >= until)
    }

    pub(super) fn refreshing(&mut self, now: Instant) {
        self.quiet = Some(now + FETCH);
    }

    pub(super) fn postpone(&mut self, until: Instant) {
        self.quiet = Some(until);
    }

    pub(super) fn hit(&mut self, now: Instant, config: &CacheConfig) -> Hit {
        self.used = now;
        self.turn = self.turn.wrapping_add(usize::from(config.rotates()));
        let ttl = match self.remaining(now) {
            _ if !self.is_fresh(now) => config.stale_ttl(),
            _ if config.keeps_ttl() => self.ttl,
            remaining => remaining,
        };
        Hit { reply: Arc::clone(&self.reply), ttl, turn: self.turn }
    }
}

impl Kept {
    fn new(reply: &[u8]) -> Option<Self> {
        let question_end = Reply::parse(reply).ok()?.question().end();
        let mut message = reply[..question_end].to_vec();
        let mut ttls = Vec::new();
        let mut addresses = None;
        let mut left_out = 0;
        for record in records(reply, question_end) {
            let record = record.ok()?;
            if record.kind == RecordType::OPT && record.section == Section::Additional {
                left_out += 1;
                continue;
            }
            // Names may point to what stands in front: only an OPT record that is last can be cut out. Servers put it there;
            // behind it there may be a signature (TSIG), which cannot be kept either.
            if left_out > 0 {
                return None;
            }
            ttls.push(u16::try_from(record.ttl_at).ok()?);
            addresses = Addresses::with(addresses, reply, &record);
            message.extend_from_slice(&reply[record.whole]);
        }
        let additionals = Header::parse(reply).ok()?.counts[3].checked_sub(left_out)?;
        message[10..12].copy_from_slice(&additionals.to_be_bytes());
        Some(Self { message: message.into(), ttls: ttls.into(), addresses })
    }
}

impl Addresses {
    /// The first such records of the answer section, with this one if it is one more.
    fn with(found: Option<Self>, message: &[u8], record: &RecordAt) -> Option<Self> {
        let address = matches!(record.kind, RecordType::A | RecordType::AAAA);
        if record.section != Section::Answer || !address {
            return found;
        }
        let each = record.whole.len();
        let Some(mut found) = found else { return Some(Self { whole: record.whole.clone(), each }) };
        let head = record.ttl_at - record.whole.start;
        let first = found.whole.start;
        let same =
            found.each == each && message[first..first + head] == message[record.whole.start..record.ttl_at];
        if same && found.whole.end == record.whole.start {
            found.whole.end = record.whole.end;
        }
        Some(found)
    }

    /// Another one first.
    fn rotate(&self, message: &mut [u8], turn: usize) {
        let count = self.whole.len() / self.each;
        message[self.whole.clone()].rotate_left(turn % count * self.each);
    }
}

/// A reply from the cache.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    reply: Arc<Kept>,
    ttl: u32,
    turn: usize,
}

impl Hit {
    /// With the times to live of the day it came.
    pub(crate) fn message(&self) -> &[u8] {
        &self.reply.message
    }

    /// Appends the message with the time that is left.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.reply.message);
        for &at in &self.reply.ttls {
            let at = start + usize::from(at);
            out[at..at + 4].copy_from_slice(&self.ttl.to_be_bytes());
        }
        if let Some(addresses) = &self.reply.addresses {
            addresses.rotate(&mut out[start..], self.turn);
        }
    }
}
