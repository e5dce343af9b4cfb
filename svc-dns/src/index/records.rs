//! The records of one Service, in one piece of memory, in wire form.
//!
//! ```text
//! key length, kind | own set | directory: where, how many | key | records ... | directory: (key: where, length | set) ...
//! set = where, how many: A | AAAA | SRV
//! ```
//!
//! Records of addresses are whole: their owner is a pointer to the question, wherever that name stands. Locations (SRV) are
//! completed in the answer, as their targets end in the zone as the client spells it.

use std::{fmt, net::IpAddr, sync::Arc};

use super::table::{COUNTERS, Keyed};
use crate::message::Labels;

/// What is known under the name of one Service.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServiceRecords(Arc<[u8]>);

/// What kind of Service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceKind {
    Virtual,
    Headless,
    Alias,
}

/// The records at one name.
#[derive(Clone, Copy)]
pub(crate) struct RecordSet<'s> {
    bytes: &'s [u8],
    /// Where the set is in the bytes.
    at: usize,
}

/// A service location; its priority is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Srv {
    /// Which entry of the directory is the target; `None` is the Service itself.
    pub(crate) host: Option<usize>,
    pub(crate) port: u16,
    pub(crate) weight: u16,
}

/// Pointer, type, class, time to live, length of the data.
pub(crate) const RECORD_HEAD: usize = 12;
/// Length of an A record.
pub(crate) const V4: usize = RECORD_HEAD + 4;
/// Length of an AAAA record.
pub(crate) const V6: usize = RECORD_HEAD + 16;

pub(super) mod layout {
    //! Offsets and lengths.
    pub(in crate::index) const KEY_LENGTH: usize = 0;
    pub(in crate::index) const KIND: usize = 1;
    pub(in crate::index) const OWN: usize = 2;
    /// Where (4 bytes) and how many (2 bytes): A, AAAA, SRV.
    pub(in crate::index) const SET: usize = 3 * PART;
    pub(in crate::index) const PART: usize = 6;
    pub(in crate::index) const DIRECTORY: usize = OWN + SET;
    pub(in crate::index) const KEY: usize = DIRECTORY + 8;
    /// Where the key is, its length, the set.
    pub(in crate::index) const ENTRY: usize = 5 + SET;
    pub(in crate::index) const SRV: usize = 8;
    /// The target is the Service itself.
    pub(in crate::index) const ITSELF: u32 = u32::MAX;
}

use layout::{DIRECTORY, ENTRY, ITSELF, KEY, KEY_LENGTH, KIND, OWN, PART, SRV};

impl Keyed for ServiceRecords {
    /// `<service>.<namespace>` in lower-case wire form, without a root.
    fn key(&self) -> &[u8] {
        &self.0[KEY..KEY + usize::from(self.0[KEY_LENGTH])]
    }
}

impl ServiceRecords {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    pub(crate) fn kind(&self) -> ServiceKind {
        match self.0[KIND] {
            0 => ServiceKind::Virtual,
            1 => ServiceKind::Headless,
            _ => ServiceKind::Alias,
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.kind() == ServiceKind::Virtual
    }

    /// The labels in front of `svc`: those of the Service and of its namespace.
    pub(crate) fn labels(&self) -> &[u8] {
        self.key()
    }

    /// The label of the namespace, with its length.
    pub(crate) fn namespace(&self) -> &[u8] {
        let key = self.key();
        key.get(usize::from(key[0]) + 1..).unwrap_or_default()
    }

    /// The whole CNAME record of an ExternalName.
    pub(crate) fn alias(&self) -> Option<&[u8]> {
        let at = number(&self.0, OWN);
        (self.kind() == ServiceKind::Alias).then(|| &self.0[at..])
    }

    /// The records at the Service's own name.
    pub(crate) fn own(&self) -> RecordSet<'_> {
        self.set(OWN)
    }

    /// The records at `key`, the labels in front of the Service's.
    pub(crate) fn entry(&self, key: &[u8]) -> Option<RecordSet<'_>> {
        let (mut low, mut high) = (0, self.entries());
        while low < high {
            let middle = low.midpoint(high);
            match self.entry_key(middle).cmp(key) {
                std::cmp::Ordering::Equal => return Some(self.entry_set(middle)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn entries(&self) -> usize {
        number(&self.0, DIRECTORY + 4)
    }

    fn entry_at(&self, entry: usize) -> usize {
        number(&self.0, DIRECTORY) + entry * ENTRY
    }

    /// The labels of an entry of the directory, each with its length.
    pub(crate) fn entry_key(&self, entry: usize) -> &[u8] {
        let at = self.entry_at(entry);
        let start = number(&self.0, at);
        &self.0[start..start + usize::from(self.0[at + 4])]
    }

    fn entry_set(&self, entry: usize) -> RecordSet<'_> {
        self.set(self.entry_at(entry) + 5)
    }

    fn directory(&self) -> impl Iterator<Item = (&[u8], RecordSet<'_>)> {
        (0..self.entries()).map(|entry| (self.entry_key(entry), self.entry_set(entry)))
    }

    /// The endpoints: their labels, each with its length, and their records.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&[u8], RecordSet<'_>)> {
        let marked = |key: &[u8]| Labels::of(key).last().is_some_and(|label| label.starts_with(b"_"));
        self.directory().filter(move |(key, set)| !set.is_empty() && !marked(key))
    }

    /// The names of ports and protocols, `_http._tcp`, each label with its length, and their records.
    pub(crate) fn ports(&self) -> impl Iterator<Item = (&[u8], RecordSet<'_>)> {
        self.directory().filter(|(key, set)| !set.is_empty() && key.get(1) == Some(&b'_'))
    }

    /// The label and the records of what a location points at.
    pub(crate) fn target(&self, srv: Srv) -> (&[u8], RecordSet<'_>) {
        match srv.host {
            Some(host) => (self.entry_key(host), self.entry_set(host)),
            None => (&[], self.own()),
        }
    }

    fn set(&self, at: usize) -> RecordSet<'_> {
        RecordSet { bytes: &self.0, at }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.len() + COUNTERS
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    match bytes[at..].first_chunk() {
        Some(&four) => u32::from_le_bytes(four) as usize,
        None => 0,
    }
}

impl<'s> RecordSet<'s> {
    /// Whole A records.
    pub(crate) fn v4(self) -> &'s [u8] {
        self.part(0, V4)
    }

    /// Whole AAAA records.
    pub(crate) fn v6(self) -> &'s [u8] {
        self.part(1, V6)
    }

    fn srv(self) -> &'s [u8] {
        self.part(2, SRV)
    }

    #[inline]
    fn part(self, number: usize, unit: usize) -> &'s [u8] {
        match self.bytes[self.at + number * PART..].first_chunk::<PART>() {
            Some(&[a, b, c, d, low, high]) => {
                let start = u32::from_le_bytes([a, b, c, d]) as usize;
                &self.bytes[start..][..usize::from(u16::from_le_bytes([low, high])) * unit]
            }
            None => &[],
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.v4().is_empty() && self.v6().is_empty()
    }

    /// Every address.
    pub(crate) fn addresses(self) -> impl Iterator<Item = IpAddr> + use<'s> {
        let v4 = self.v4().chunks_exact(V4).filter_map(|record| record.last_chunk::<4>());
        let v6 = self.v6().chunks_exact(V6).filter_map(|record| record.last_chunk::<16>());
        v4.map(|octets| IpAddr::from(*octets)).chain(v6.map(|octets| IpAddr::from(*octets)))
    }

    pub(crate) fn locations(self) -> usize {
        self.srv().len() / SRV
    }

    pub(crate) fn location(self, number: usize) -> Srv {
        let bytes = &self.srv()[number * SRV..][..SRV];
        let host = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Srv {
            host: (host != ITSELF).then_some(host as usize),
            port: u16::from_le_bytes([bytes[4], bytes[5]]),
            weight: u16::from_le_bytes([bytes[6], bytes[7]]),
        }
    }
}

impl fmt::Debug for RecordSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locations = (0..self.locations()).map(|number| self.location(number));
        f.debug_list().entries(self.addresses()).entries(locations).finish()
    }
}

impl fmt::Debug for ServiceRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            |key: &[u8]| Labels::of(key).map(|label| label.escape_ascii().to_string()).collect::<Vec<_>>();
        let entries = (0..self.entries()).map(|entry| (text(self.entry_key(entry)), self.entry_set(entry)));
        write!(f, "{:?} {:?} ", text(self.key()), self.kind())?;
        match self.alias() {
            Some(alias) => write!(f, "{}", alias.escape_ascii()),
            None => f.debug_list().entry(&self.own()).entries(entries).finish(),
        }
    }
}
