//! Addresses to names.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::{
    encode::record,
    networks::Networks,
    records::{RECORD_HEAD, ServiceRecords},
    table::{COUNTERS, Keyed, Table},
};
use crate::{
    config::{Origin, Zone},
    message::{Labels, Name, RecordType},
};

/// The names of all addresses that are in one of the reverse zones.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PointerIndex {
    names: Table<Pointers>,
    networks: Networks,
}

/// The names of one address: whole PTR records, owned by the question's name.
///
/// `key length | key | (claim | record) ...`, sorted
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointers(Arc<[u8]>);

/// What gives an address a name; where it is several things, the first one counts. A virtual IP has one name, also if two Services
/// claim it; an endpoint has one for each Service that selects it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Service,
    Endpoint,
    Import,
    ImportedEndpoint,
}

impl Claim {
    const ALL: [Self; 4] = [Self::Service, Self::Endpoint, Self::Import, Self::ImportedEndpoint];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    fn is_single(self) -> bool {
        matches!(self, Self::Service | Self::Import)
    }
}

type Named = (Claim, Vec<u8>);

impl Keyed for Pointers {
    fn key(&self) -> &[u8] {
        &self.0[1..=usize::from(self.0[0])]
    }
}

impl Pointers {
    /// The records of the answer.
    pub(crate) fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut claims = self.claims().peekable();
        let first = claims.peek().map(|&(claim, _)| claim);
        let count = if first.is_some_and(Claim::is_single) { 1 } else { usize::MAX };
        claims.take_while(move |&(claim, _)| Some(claim) == first).map(|(_, record)| record).take(count)
    }

    fn claims(&self) -> Claims<'_> {
        Claims(&self.0[usize::from(self.0[0]) + 1..])
    }

    fn names(&self) -> Vec<Named> {
        self.claims().map(|(claim, record)| (claim, record[RECORD_HEAD..].to_vec())).collect()
    }

    fn encode(key: &[u8], ttl: u32, names: &[Named]) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend(u8::try_from(key.len()));
        bytes.extend_from_slice(key);
        for (claim, name) in names {
            bytes.push(*claim as u8);
            record(RecordType::PTR, ttl, name, &mut bytes);
        }
        Self(bytes.into())
    }
}

/// Whole records, each behind its claim.
struct Claims<'r>(&'r [u8]);

impl<'r> Iterator for Claims<'r> {
    type Item = (Claim, &'r [u8]);

    fn next(&mut self) -> Option<(Claim, &'r [u8])> {
        let (&claim, records) = self.0.split_first()?;
        let &[high, low] = records.get(RECORD_HEAD - 2..RECORD_HEAD)? else { return None };
        let (record, rest) =
            records.split_at_checked(RECORD_HEAD + usize::from(u16::from_be_bytes([high, low])))?;
        self.0 = rest;
        Some((Claim::of(claim)?, record))
    }
}

/// An address as a key.
pub(super) struct AddressKey([u8; 16], usize);

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        let mut octets = [0; 16];
        match address {
            IpAddr::V4(v4) => {
                octets[..4].copy_from_slice(&v4.octets());
                Self(octets, 4)
            }
            IpAddr::V6(v6) => Self(v6.octets(), 16),
        }
    }
}

impl AddressKey {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

fn address(key: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(key).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(key).map(IpAddr::from)).ok()
}

impl PointerIndex {
    pub(super) fn new() -> Self {
        Self { names: Table::new(), networks: Networks::new() }
    }

    pub(super) fn at(&self, address: IpAddr) -> Option<&Pointers> {
        self.names.get(AddressKey::from(address).bytes())
    }

    /// Whether an address in this network, which ends between two labels of a name, has names.
    pub(super) fn any_in(&self, network: IpNet) -> bool {
        self.networks.has(network)
    }

    /// Goes from the names that a Service gave in the zone `origin` to those that it gives.
    pub(super) fn replace(
        &mut self,
        zone: &Zone,
        origin: &Origin,
        old: Option<&ServiceRecords>,
        new: Option<&ServiceRecords>,
    ) {
        let claims = |records: Option<&ServiceRecords>| records.map(|records| claims(zone, origin, records));
        let (old, new) = (claims(old).unwrap_or_default(), claims(new).unwrap_or_default());
        for (address, named) in old.iter().filter(|claim| new.binary_search(claim).is_err()) {
            self.change(zone, *address, |names| names.retain(|other| other != named));
        }
        for (address, named) in new.iter().filter(|claim| old.binary_search(claim).is_err()) {
            self.change(zone, *address, |names| {
                if let Err(at) = names.binary_search(named) {
                    names.insert(at, named.clone());
                }
            });
        }
    }

    fn change(&mut self, zone: &Zone, address: IpAddr, change: impl FnOnce(&mut Vec<Named>)) {
        let key = AddressKey::from(address);
        let mut names = self.names.get(key.bytes()).map(Pointers::names).unwrap_or_default();
        let before = names.len();
        change(&mut names);
        match (before, names.len()) {
            (0, 1..) => self.networks.add(address),
            (1.., 0) => self.networks.remove(address),
            _ => {}
        }
        if names.is_empty() {
            self.names.remove(key.bytes());
        } else {
            self.names.insert(Pointers::encode(key.bytes(), zone.ttl(), &names));
        }
    }

    /// Addresses, sorted, and the data of their records.
    pub(super) fn names(&self) -> Vec<(IpAddr, Vec<Vec<u8>>)> {
        let data =
            |pointers: &Pointers| pointers.records().map(|record| record[RECORD_HEAD..].to_vec()).collect();
        let mut names: Vec<_> = self
            .names
            .iter()
            .filter_map(|pointers| Some((address(pointers.key())?, data(pointers))))
            .collect();
        names.sort();
        names
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let names = self.names.iter().map(|pointers| pointers.0.len() + COUNTERS).sum::<usize>();
        names + self.names.heap_bytes() + self.networks.heap_bytes()
    }
}

/// What a Service says about addresses in the reverse zones, sorted.
fn claims(zone: &Zone, origin: &Origin, service: &ServiceRecords) -> Vec<(IpAddr, Named)> {
    let [of_service, of_endpoint] = match origin.multicluster {
        false => [Claim::Service, Claim::Endpoint],
        true => [Claim::Import, Claim::ImportedEndpoint],
    };
    let name = |host: &[u8]| {
        let labels = Labels::of(host).chain(Labels::of(service.labels())).chain([b"svc".as_slice()]);
        Name::from_labels(labels.chain(origin.name.labels())).ok().map(|name| name.wire().to_vec())
    };
    let own = service.is_virtual().then(|| service.own());
    let virtual_ips = own.into_iter().flat_map(|own| own.addresses().collect::<Vec<_>>());
    let services = virtual_ips.map(|address| (address, of_service, &[] as &[u8]));
    let hosts = service.hosts().flat_map(|(host, set)| {
        set.addresses().map(move |address| (address, of_endpoint, host)).collect::<Vec<_>>()
    });
    let here = services.chain(hosts).filter(|(address, ..)| zone.reverses(*address));
    let mut claims: Vec<_> =
        here.filter_map(|(address, claim, host)| Some((address, (claim, name(host)?)))).collect();
    claims.sort();
    claims.dedup();
    claims
}
