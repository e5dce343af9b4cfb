//! The index: names to records, built from a snapshot and kept in step by deltas.
//!
//! A clone is a few pointers, a change touches the changed Services only. Names are keyed by a slice of the query's own
//! (lower-case) wire form, so a lookup builds nothing.

mod pointers;
mod service;
mod table;

use std::{net::IpAddr, sync::Arc};

use rpds::HashTrieMapSync;
use svc_model::{Delta, ObjectName, PodPhase, Snapshot};

use self::{pointers::PointerIndex, service::key, table::Table};
pub(crate) use self::{
    pointers::Pointers,
    service::{Records, ServiceRecords, Srv},
};
use crate::config::{PodRecords, Zone};

/// Everything that a zone's answers are made from.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    snapshot: Snapshot,
    services: Table,
    pointers: PointerIndex,
    /// Pods by address; filled only if pod records are verified.
    pods: HashTrieMapSync<IpAddr, Vec<ObjectName>>,
}

impl Index {
    pub(crate) fn new(zone: &Zone, snapshot: &Snapshot) -> Self {
        let mut index = Self {
            snapshot: snapshot.clone(),
            services: Table::new(),
            pointers: PointerIndex::default(),
            pods: HashTrieMapSync::new_sync(),
        };
        for service in snapshot.services() {
            index.replace_service(zone, service.name());
        }
        if zone.pods() == PodRecords::Verified {
            snapshot.pods().for_each(|pod| index.add_pod(pod.name()));
        }
        index
    }

    /// Goes over to `snapshot` and tells whether a client can see a difference. A delta that starts elsewhere, a lost one in
    /// between say, costs a new index and nothing else.
    pub(crate) fn update(&mut self, zone: &Zone, snapshot: &Snapshot, delta: &Delta) -> bool {
        if delta.from() != self.snapshot.revision() || delta.to() != snapshot.revision() {
            let new = Self::new(zone, snapshot);
            let visible = new.services != self.services;
            *self = new;
            return visible;
        }
        let verified = zone.pods() == PodRecords::Verified;
        if verified {
            delta.pods().iter().for_each(|pod| self.remove_pod(pod));
        }
        self.snapshot = snapshot.clone();
        if verified {
            delta.pods().iter().for_each(|pod| self.add_pod(pod));
        }
        let mut visible = false;
        for service in delta.services() {
            visible |= self.replace_service(zone, service);
        }
        visible
    }

    /// The Service whose lower-case labels `<service>.<namespace>` these are.
    pub(crate) fn service(&self, key: &[u8]) -> Option<&ServiceRecords> {
        self.services.get(key).map(|records| &**records)
    }

    pub(crate) fn has_namespace(&self, label: &[u8]) -> bool {
        std::str::from_utf8(label).is_ok_and(|name| self.snapshot.has_namespace(name))
    }

    pub(crate) fn pointers(&self, address: IpAddr) -> Option<&Pointers> {
        self.pointers.at(address)
    }

    pub(crate) fn has_pod(&self, namespace: &[u8], address: IpAddr) -> bool {
        let pods = self.pods.get(&address).map(Vec::as_slice).unwrap_or_default();
        pods.iter().any(|pod| pod.namespace().as_bytes() == namespace)
    }

    fn replace_service(&mut self, zone: &Zone, name: &ObjectName) -> bool {
        let Some(key) = key(name) else { return false };
        let service = self.snapshot.service(name);
        let new =
            service.and_then(|service| ServiceRecords::new(zone, service, self.snapshot.slices_of(name)));
        let old = self.services.get(&key);
        if old.map(|old| &**old) == new.as_ref() {
            return false;
        }
        if let Some(old) = old {
            self.pointers.remove(zone, old);
        }
        match new {
            Some(new) => {
                self.pointers.add(zone, &new);
                self.services.insert(Arc::new(new));
            }
            None => self.services.remove(&key),
        }
        true
    }

    fn add_pod(&mut self, name: &ObjectName) {
        let pod = self
            .snapshot
            .pod(name)
            .filter(|pod| !pod.terminating() && matches!(pod.phase(), PodPhase::Pending | PodPhase::Running));
        for &address in pod.map(|pod| pod.ips()).unwrap_or_default() {
            let mut pods = self.pods.get(&address).cloned().unwrap_or_default();
            pods.push(name.clone());
            pods.sort();
            pods.dedup();
            self.pods.insert_mut(address, pods);
        }
    }

    /// Removes what the current snapshot's pod of this name has put in.
    fn remove_pod(&mut self, name: &ObjectName) {
        for address in self.snapshot.pod(name).map(|pod| pod.ips()).unwrap_or_default() {
            let Some(mut pods) = self.pods.get(address).cloned() else { continue };
            pods.retain(|pod| pod != name);
            if pods.is_empty() {
                self.pods.remove_mut(address);
            } else {
                self.pods.insert_mut(*address, pods);
            }
        }
    }
}

/// Equal when every query has the same answer.
impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        self.services == other.services && self.pointers == other.pointers && self.pods == other.pods
    }
}

#[cfg(test)]
mod proptests;
