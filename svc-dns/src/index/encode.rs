//! Putting a Service's records into one piece of memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::Range,
};

use super::{
    items::{Item, Names},
    records::{
        ServiceKind, ServiceRecords, Srv, V4, V6,
        layout::{DIRECTORY, ITSELF, KEY, OWN, PART, SET},
    },
};
use crate::message::{Class, RecordType};

/// Everything that is at one name.
#[derive(Default)]
struct Set {
    v4: BTreeSet<[u8; 4]>,
    v6: BTreeSet<[u8; 16]>,
    srv: BTreeSet<Srv>,
}

impl Set {
    fn of(items: &[Item<'_>], hosts: &BTreeMap<&[u8], usize>) -> Self {
        // The weight counts all items, also those that say the same: 1 port on 2 addresses is one record of weight 50.
        let count = u16::try_from(items.len()).unwrap_or(u16::MAX);
        let weight = (100 / count.max(1)).max(1);
        let mut set = Self::default();
        for item in items {
            match item.address {
                IpAddr::V4(address) => drop(set.v4.insert(address.octets())),
                IpAddr::V6(address) => drop(set.v6.insert(address.octets())),
            }
            let host = item.host.and_then(|host| hosts.get(host)).copied();
            set.srv.extend(item.port.map(|port| Srv { host, port: port.number, weight }));
        }
        set
    }
}

/// Grows a Service's piece of memory.
struct Encoder {
    bytes: Vec<u8>,
    ttl: u32,
    /// Where the Service's own addresses are: most other names have some of them.
    own: [Range<usize>; 2],
}

/// The records of a Service with addresses.
pub(super) fn addresses(
    key: &[u8],
    kind: ServiceKind,
    ttl: u32,
    own: &[Item<'_>],
    names: &Names<'_>,
) -> ServiceRecords {
    let hosts = names.keys().enumerate().map(|(number, name)| (&**name, number)).collect();
    let mut encoder = Encoder::new(key, kind, ttl);
    let set = encoder.set(&Set::of(own, &hosts));
    encoder.bytes[OWN..OWN + SET].copy_from_slice(&set);
    encoder.directory(names, &hosts);
    ServiceRecords::of(encoder.bytes)
}

/// The records of an ExternalName: its alias.
pub(super) fn alias(key: &[u8], ttl: u32, target: &[u8]) -> ServiceRecords {
    let mut encoder = Encoder::new(key, ServiceKind::Alias, ttl);
    let at = encoder.place();
    encoder.bytes[OWN..OWN + 4].copy_from_slice(&at);
    record(RecordType::CNAME, ttl, target, &mut encoder.bytes);
    ServiceRecords::of(encoder.bytes)
}

/// Appends a whole record that is owned by the question's name.
pub(super) fn record(kind: RecordType, ttl: u32, data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xc0, 12]);
    out.extend_from_slice(&kind.number().to_be_bytes());
    out.extend_from_slice(&Class::IN.number().to_be_bytes());
    out.extend_from_slice(&ttl.to_be_bytes());
    // A name or an address: 255 bytes at most.
    out.extend_from_slice(&u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(data);
}

impl Encoder {
    fn new(key: &[u8], kind: ServiceKind, ttl: u32) -> Self {
        let mut bytes = vec![0; KEY];
        // Two labels: 128 bytes at most.
        bytes[0] = u8::try_from(key.len()).unwrap_or_default();
        bytes[1] = match kind {
            ServiceKind::Virtual => 0,
            ServiceKind::Headless => 1,
            ServiceKind::Alias => 2,
        };
        bytes.extend_from_slice(key);
        Self { bytes, ttl, own: [0..0, 0..0] }
    }

    /// Where the next byte goes.
    fn place(&self) -> [u8; 4] {
        place(self.bytes.len())
    }

    fn directory(&mut self, names: &Names<'_>, hosts: &BTreeMap<&[u8], usize>) {
        let mut entries = Vec::new();
        for (key, items) in names {
            entries.extend_from_slice(&self.place());
            entries.extend(u8::try_from(key.len()));
            self.bytes.extend_from_slice(key);
            entries.extend_from_slice(&self.set(&Set::of(items, hosts)));
        }
        let at = self.place();
        self.bytes[DIRECTORY..DIRECTORY + 4].copy_from_slice(&at);
        self.bytes[DIRECTORY + 4..DIRECTORY + 8].copy_from_slice(&place(names.len()));
        self.bytes.extend_from_slice(&entries);
    }

    fn set(&mut self, set: &Set) -> [u8; SET] {
        let parts = [
            self.records(RecordType::A, V4, set.v4.iter().map(<[u8; 4]>::as_slice)),
            self.records(RecordType::AAAA, V6, set.v6.iter().map(<[u8; 16]>::as_slice)),
            self.locations(set),
        ];
        let mut out = [0; SET];
        for (to, (at, count)) in out.chunks_exact_mut(PART).zip(parts) {
            to[..4].copy_from_slice(&place(at));
            to[4..].copy_from_slice(&count.to_le_bytes());
        }
        out
    }

    /// Where the records are, and how many: written, or found among the Service's own.
    fn records<'a>(
        &mut self,
        kind: RecordType,
        length: usize,
        addresses: impl Iterator<Item = &'a [u8]>,
    ) -> (usize, u16) {
        let mut wire = Vec::new();
        addresses.take(usize::from(u16::MAX)).for_each(|data| record(kind, self.ttl, data, &mut wire));
        let count = u16::try_from(wire.len() / length).unwrap_or(u16::MAX);
        let family = usize::from(kind == RecordType::AAAA);
        if let Some(at) = self.find_own(family, length, &wire) {
            return (at, count);
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&wire);
        if self.own[family].is_empty() {
            self.own[family] = at..self.bytes.len();
        }
        (at, count)
    }

    fn find_own(&self, family: usize, length: usize, wire: &[u8]) -> Option<usize> {
        let own = &self.bytes[self.own[family].clone()];
        let first = wire.get(..length)?;
        let (mut low, mut high) = (0, own.len() / length);
        while low < high {
            let middle = low.midpoint(high);
            if own[middle * length..][..length] < *first { low = middle + 1 } else { high = middle }
        }
        own[low * length..].starts_with(wire).then_some(self.own[family].start + low * length)
    }

    fn locations(&mut self, set: &Set) -> (usize, u16) {
        let at = self.bytes.len();
        for srv in set.srv.iter().take(usize::from(u16::MAX)) {
            let host = srv.host.and_then(|host| u32::try_from(host).ok()).unwrap_or(ITSELF);
            self.bytes.extend_from_slice(&host.to_le_bytes());
            self.bytes.extend_from_slice(&srv.port.to_le_bytes());
            self.bytes.extend_from_slice(&srv.weight.to_le_bytes());
        }
        (at, u16::try_from(set.srv.len()).unwrap_or(u16::MAX))
    }
}

/// No Service has records of 4 GiB.
fn place(at: usize) -> [u8; 4] {
    u32::try_from(at).unwrap_or_default().to_le_bytes()
}
