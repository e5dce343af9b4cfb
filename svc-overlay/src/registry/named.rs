//! Leases that a store keeps under names of its own: keys of etcd, Nodes of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{LeaseSet, Revision};
use crate::lease::{Lease, LeaseError};

/// What each name holds, and the set of all that. One change costs what that change is, not what there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    entries: BTreeMap<String, Result<Lease, LeaseError>>,
    /// Who has a subnet. Of several the first counts, on every node alike.
    holders: BTreeMap<IpNet, BTreeSet<String>>,
    faulty: BTreeSet<String>,
    set: LeaseSet,
}

impl Named {
    pub(crate) fn new(
        revision: Revision,
        entries: impl IntoIterator<Item = (String, Result<Lease, LeaseError>)>,
    ) -> Self {
        let mut named = Named { set: LeaseSet::new(revision, []), ..Named::default() };
        for (name, entry) in entries {
            named.place(name, entry);
        }
        let leases = named.holders.values().filter_map(|names| named.lease(names.first()?));
        named.set = LeaseSet::new(revision, leases.cloned());
        named
    }

    /// What a name holds from now on; nothing when it is gone. Whether that is anything new.
    pub(crate) fn change(
        &mut self,
        revision: Revision,
        name: &str,
        entry: Option<Result<Lease, LeaseError>>,
    ) -> bool {
        self.set.advance(revision);
        if self.entries.get(name) == entry.as_ref() {
            return false;
        }
        let before = self.displace(name);
        let after = entry.as_ref().and_then(|entry| entry.as_ref().ok()).map(Lease::subnet);
        if let Some(entry) = entry {
            self.place(name.to_owned(), entry);
        }
        for subnet in BTreeSet::from_iter(before.into_iter().chain(after)) {
            let holder = self.holders.get(&subnet).and_then(BTreeSet::first);
            match holder.and_then(|name| self.lease(name)).cloned() {
                Some(lease) => self.set.put(revision, lease),
                None => self.set.remove(revision, subnet),
            }
        }
        true
    }

    /// The leases, and what is none.
    pub(crate) fn set(&self) -> LeaseSet {
        let faulty = self.faulty.iter().filter_map(|name| self.entries.get(name)?.as_ref().err().cloned());
        self.set.clone().with_unreadable(faulty.chain(self.shadowed()))
    }

    /// Those whose subnet is that of another name already.
    fn shadowed(&self) -> impl Iterator<Item = LeaseError> {
        let shared = self.holders.iter().filter(|(_, names)| names.len() > 1);
        shared.flat_map(|(subnet, names)| {
            let mut names = names.iter();
            let owner = names.next().cloned().unwrap_or_default();
            let error = move |name: &String| LeaseError::Duplicate {
                name: name.clone(),
                subnet: *subnet,
                owner: owner.clone(),
            };
            names.map(error)
        })
    }

    fn lease(&self, name: &str) -> Option<&Lease> {
        self.entries.get(name)?.as_ref().ok()
    }

    fn place(&mut self, name: String, entry: Result<Lease, LeaseError>) {
        match &entry {
            Ok(lease) => drop(self.holders.entry(lease.subnet()).or_default().insert(name.clone())),
            Err(_) => drop(self.faulty.insert(name.clone())),
        }
        self.entries.insert(name, entry);
    }

    /// The subnet that the name held.
    fn displace(&mut self, name: &str) -> Option<IpNet> {
        self.faulty.remove(name);
        let subnet = self.entries.remove(name)?.ok()?.subnet();
        if let Some(names) = self.holders.get_mut(&subnet) {
            names.remove(name);
            if names.is_empty() {
                self.holders.remove(&subnet);
            }
        }
        Some(subnet)
    }
}

#[cfg(test)]
mod proptests;
