//! Which pod has an address.

use std::net::IpAddr;

use rpds::HashTrieMapSync;
use svc_model::{ObjectName, Pod, PodPhase};

/// Pods that run or will, and their addresses, both ways.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pods {
    by_address: HashTrieMapSync<IpAddr, Vec<ObjectName>>,
    addresses: HashTrieMapSync<ObjectName, Vec<IpAddr>>,
}

impl Pods {
    /// Goes over to what the pod is now; tells whether any address changed hands.
    pub(super) fn replace(&mut self, name: &ObjectName, pod: Option<&Pod>) -> bool {
        let alive = pod
            .filter(|pod| !pod.terminating() && matches!(pod.phase(), PodPhase::Pending | PodPhase::Running));
        let new = alive.map(Pod::ips).unwrap_or_default();
        let old = self.addresses.get(name).cloned().unwrap_or_default();
        if old == new {
            return false;
        }
        for address in &old {
            self.change(*address, |pods| pods.retain(|pod| pod != name));
        }
        for address in new {
            self.change(*address, |pods| {
                if let Err(at) = pods.binary_search(name) {
                    pods.insert(at, name.clone());
                }
            });
        }
        if new.is_empty() {
            self.addresses.remove_mut(name);
        } else {
            self.addresses.insert_mut(name.clone(), new.to_vec());
        }
        true
    }

    pub(super) fn at(&self, address: IpAddr) -> &[ObjectName] {
        self.by_address.get(&address).map(Vec::as_slice).unwrap_or_default()
    }

    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut Vec<ObjectName>)) {
        let mut pods = self.at(address).to_vec();
        change(&mut pods);
        if pods.is_empty() {
            self.by_address.remove_mut(&address);
        } else {
            self.by_address.insert_mut(address, pods);
        }
    }
}
