//! What a reply is worth to a cache (RFC 2308).

use super::Key;
use crate::message::{Header, Rcode, RecordType, Reply, Section, records};

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Records of the type asked for.
    Records,
    /// That the name, or the type at that name, does not exist.
    Denial,
    /// That the server could not answer.
    Failure,
}

/// A reply that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) holds: Holds,
    /// Seconds, as the records say.
    pub(crate) ttl: u32,
}

/// The reply is to another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherQuestion;

/// Tells what a reply is worth; `None`: nothing.
pub(crate) fn judge(reply: &[u8], key: &Key) -> Result<Option<Judged>, OtherQuestion> {
    let parsed = Reply::parse(reply).map_err(|_| OtherQuestion)?;
    if !parsed.question().raw().eq_ignore_ascii_case(key.question()) {
        return Err(OtherQuestion);
    }
    if parsed.header().has(Header::TC) {
        return Ok(None);
    }
    let Some(seen) = Seen::new(reply, parsed.question().end(), key.kind()) else { return Ok(None) };
    // The upper bits of an extended code are in OPT: BADVERS and its like are not kept.
    let judged = match parsed.rcode() {
        _ if seen.extended => None,
        Rcode::NOERROR if seen.answers => seen.least_ttl.map(|ttl| Judged { holds: Holds::Records, ttl }),
        Rcode::NOERROR | Rcode::NXDOMAIN => seen.negative_ttl.map(|ttl| Judged { holds: Holds::Denial, ttl }),
        Rcode::SERVFAIL => Some(Judged { holds: Holds::Failure, ttl: 0 }),
        _ => None,
    };
    Ok(judged)
}

/// What is in the sections of a reply.
#[derive(Debug, Default)]
struct Seen {
    /// There is a record of the type asked for.
    answers: bool,
    least_ttl: Option<u32>,
    /// From the SOA record of the authority section, if there is one.
    negative_ttl: Option<u32>,
    extended: bool,
}

impl Seen {
    /// `None` when a record breaks the format.
    fn new(reply: &[u8], question_end: usize, kind: RecordType) -> Option<Self> {
        let mut seen = Self::default();
        for record in records(reply, question_end) {
            let record = record.ok()?;
            match (record.section, record.kind) {
                (_, RecordType::OPT) => {
                    seen.extended |= record.ttl >> 24 != 0;
                    continue;
                }
                (Section::Answer, found) => seen.answers |= found == kind || kind == RecordType::ANY,
                (Section::Authority, RecordType::SOA) => {
                    let minimum =
                        reply[record.data.clone()].last_chunk().map(|bytes| u32::from_be_bytes(*bytes));
                    seen.negative_ttl = Some(record.ttl.min(minimum?));
                }
                _ => {}
            }
            // RFC 2181 section 8: a set top bit means zero.
            let ttl = if record.ttl > i32::MAX.unsigned_abs() { 0 } else { record.ttl };
            seen.least_ttl = Some(seen.least_ttl.map_or(ttl, |least| least.min(ttl)));
        }
        Some(seen)
    }
}

/// Gives all records of a fresh reply the time that the cache will give from now on: no client sees it jump.
pub(crate) fn cap_ttls(reply: &mut [u8], ttl: u32) {
    let Ok(question_end) = Reply::parse(reply).map(|parsed| parsed.question().end()) else { return };
    let offsets: Vec<usize> = records(reply, question_end)
        .map_while(Result::ok)
        .filter(|record| record.kind != RecordType::OPT)
        .map(|record| record.ttl_at)
        .collect();
    for at in offsets {
        reply[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
    }
}
