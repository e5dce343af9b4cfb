//! What derived slices are called, and their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{HEADLESS_LABEL, MANAGED_BY_LABEL, MANAGER};
use crate::{AddressType, EndpointPort, EndpointSlice, ObjectName, SERVICE_NAME_LABEL, Service};

/// The Service's own labels, save those that have a meaning on slices, and these.
pub(super) fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.meta().labels().clone();
    labels.remove(HEADLESS_LABEL);
    labels.insert(SERVICE_NAME_LABEL.to_owned(), service.name().name().to_owned());
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned());
    if service.is_headless() {
        labels.insert(HEADLESS_LABEL.to_owned(), String::new());
    }
    labels
}

/// Gives names to new slices: the Service's and five characters, which depend on nothing but the slice and what is
/// taken already.
pub(super) struct Names<'a> {
    service: &'a ObjectName,
    taken: BTreeSet<String>,
    exists: Box<dyn Fn(&ObjectName) -> bool + 'a>,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        service: &'a Service,
        existing: &[Arc<EndpointSlice>],
        exists: impl Fn(&ObjectName) -> bool + 'a,
    ) -> Self {
        let taken = existing.iter().map(|slice| slice.name().name().to_owned()).collect();
        Self { service: service.name(), taken, exists: Box::new(exists) }
    }

    pub(super) fn fresh(&mut self, family: AddressType, ports: &[EndpointPort]) -> String {
        let mut number = 0_u32;
        loop {
            let name = format!("{}-{}", self.service.name(), suffix(family, ports, number));
            number += 1;
            let full = ObjectName::new(self.service.namespace(), name.as_str());
            if !(self.exists)(&full) && self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// No vowels and nothing that looks like another: a name spells no word.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

fn suffix(family: AddressType, ports: &[EndpointPort], number: u32) -> String {
    let mut hash = hash(family, ports, number);
    let mut letter = || {
        let index = usize::try_from(hash % 27).unwrap_or(0);
        hash /= 27;
        char::from(LETTERS[index])
    };
    (0..5).map(|_| letter()).collect()
}

/// FNV-1a: the same on every machine and in every release of the standard library.
fn hash(family: AddressType, ports: &[EndpointPort], number: u32) -> u64 {
    let ports =
        ports.iter().map(|port| format!("{}/{}/{};", port.name(), port.protocol(), port.port().unwrap_or(0)));
    let text: String = ports.chain([format!("{family}{number}")]).collect();
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    // The low bits alone are poor.
    hash ^ (hash >> 32)
}
