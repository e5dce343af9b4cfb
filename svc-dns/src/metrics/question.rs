//! What a query asks for, as far as it is counted. Less than a parser: a message that is no query counts as whatever it looks like.

use super::RCODES;
use crate::{
    message::{Edns, Header, Name, RecordType},
    responder::Asked,
};

/// Types that are counted each for itself, and `other`.
pub(super) const KINDS: usize = NAMES.len();

/// As CoreDNS has them.
pub(super) const NAMES: [&str; 19] = [
    "A", "AAAA", "ANY", "AXFR", "CNAME", "DNSKEY", "DS", "HTTPS", "IXFR", "MX", "NS", "NSEC", "NSEC3", "PTR",
    "RRSIG", "SOA", "SRV", "TXT", "other",
];

/// Reads a query, where nobody who answered it tells what it asked for.
#[cold]
pub(super) fn read(query: &[u8], zones: &[Name]) -> Asked {
    let end = name_end(query);
    let name = query.get(Header::LEN..end).unwrap_or_default();
    let kind = query.get(end..end + 2).and_then(|bytes| bytes.first_chunk());
    Asked {
        zone: zones.iter().position(|zone| is_within(name, zone.wire())),
        kind: RecordType::new(kind.map_or(0, |kind| u16::from_be_bytes(*kind))),
        with_do: wants_dnssec(query, end + 4),
        with_options: false,
    }
}

/// Behind the zero byte of the name.
fn name_end(query: &[u8]) -> usize {
    let mut at = Header::LEN;
    while let Some(&length) = query.get(at) {
        at += usize::from(length) + 1;
        if length == 0 {
            break;
        }
    }
    at.min(query.len())
}

/// Whether a name is that of the zone, in whatever case, or ends in it.
fn is_within(name: &[u8], zone: &[u8]) -> bool {
    let Some(start) = name.len().checked_sub(zone.len()) else { return false };
    name[start..].eq_ignore_ascii_case(zone) && is_label(name, start)
}

fn is_label(name: &[u8], start: usize) -> bool {
    let mut at = 0;
    while at < start {
        at += usize::from(name[at]) + 1;
    }
    at == start
}

/// The OPT record, where clients have it: right behind the question.
fn wants_dnssec(query: &[u8], at: usize) -> bool {
    const OPT: [u8; 3] = [0, 0, 41];
    query.get(at..at + 3) == Some(&OPT) && query.get(at + 7).is_some_and(|flags| flags & 0x80 != 0)
}

/// The place of a type among the names.
pub(super) fn kind(kind: RecordType) -> usize {
    match kind.number() {
        1 => 0,
        28 => 1,
        255 => 2,
        252 => 3,
        5 => 4,
        48 => 5,
        43 => 6,
        65 => 7,
        251 => 8,
        15 => 9,
        2 => 10,
        47 => 11,
        50 => 12,
        12 => 13,
        46 => 14,
        6 => 15,
        33 => 16,
        16 => 17,
        _ => KINDS - 1,
    }
}

/// The code of an answer, with the upper bits that EDNS has for it: in answers without records, the only ones that have such a code.
pub(super) fn rcode(answer: &[u8]) -> usize {
    const OPT: &[u8] = &[0, 0, 41];
    const RECORDS: std::ops::Range<usize> = 6..12;
    let lower = usize::from(answer.get(3).copied().unwrap_or_default() & 15);
    if answer.get(RECORDS) != Some(&[0, 0, 0, 0, 0, 1]) {
        return lower;
    }
    match answer.get(name_end(answer) + 4..) {
        Some(opt) if opt.starts_with(OPT) && opt.len() >= Edns::LEN => {
            (usize::from(opt[5]) << 4 | lower).min(RCODES - 1)
        }
        _ => lower,
    }
}
