//! Addresses to names.

use std::net::IpAddr;

use rpds::HashTrieMapSync;

use super::ServiceRecords;
use crate::{config::Zone, message::Name};

/// The names of all addresses that are in one of the reverse zones.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PointerIndex(HashTrieMapSync<IpAddr, Pointers>);

/// The names of one address, sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pointers {
    services: Vec<Name>,
    endpoints: Vec<Name>,
}

impl Pointers {
    /// A virtual IP has one name, also if two Services claim it; an endpoint has one for each Service that selects it.
    pub(crate) fn names(&self) -> &[Name] {
        self.services.get(..1).unwrap_or(&self.endpoints)
    }
}

impl PointerIndex {
    pub(super) fn at(&self, address: IpAddr) -> Option<&Pointers> {
        self.0.get(&address)
    }

    pub(super) fn add(&mut self, zone: &Zone, service: &ServiceRecords) {
        self.for_each(zone, service, |names, name| {
            if let Err(at) = names.binary_search_by(|other| other.wire().cmp(name.wire())) {
                names.insert(at, name);
            }
        });
    }

    pub(super) fn remove(&mut self, zone: &Zone, service: &ServiceRecords) {
        self.for_each(zone, service, |names, name| names.retain(|other| *other != name));
    }

    fn for_each(
        &mut self,
        zone: &Zone,
        service: &ServiceRecords,
        mut change: impl FnMut(&mut Vec<Name>, Name),
    ) {
        for &address in service.cluster_ips().iter().filter(|&&address| zone.reverses(address)) {
            if let Some(name) = service.name(zone, None) {
                self.change(address, |pointers| change(&mut pointers.services, name));
            }
        }
        for (label, records) in service.hosts() {
            for address in records.addresses().filter(|&address| zone.reverses(address)) {
                if let Some(name) = service.name(zone, Some(label)) {
                    self.change(address, |pointers| change(&mut pointers.endpoints, name));
                }
            }
        }
    }

    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut Pointers)) {
        let mut pointers = self.0.get(&address).cloned().unwrap_or_default();
        change(&mut pointers);
        if pointers.names().is_empty() {
            self.0.remove_mut(&address);
        } else {
            self.0.insert_mut(address, pointers);
        }
    }
}
