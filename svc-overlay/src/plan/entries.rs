//! What peers need in the kernel: routes, neighbours and FDB entries, and the way from one set of them to another.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::Config;
use crate::kernel::{FdbEntry, Neighbour, Route, Underlay};
use crate::lease::Half;
use crate::netconf::Mode;
use crate::operation::Operation;

/// The entries of any number of peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    pub(super) routes: BTreeSet<Route>,
    pub(super) neighbours: BTreeSet<Neighbour>,
    pub(super) fdb: BTreeSet<FdbEntry>,
}

/// What a kernel holds of them.
#[derive(Default)]
pub(super) struct Held<'a> {
    pub(super) routes: BTreeSet<&'a Route>,
    pub(super) neighbours: BTreeSet<&'a Neighbour>,
    pub(super) fdb: BTreeSet<&'a FdbEntry>,
}

/// Whether packets go to a peer without a tunnel.
pub(super) fn is_direct(config: &Config, underlay: &Underlay, half: &Half) -> bool {
    let neighbour = config.direct_routing && underlay.is_neighbour(half.public_ip);
    half.vxlan.is_none() || config.mode != Mode::Vxlan || neighbour
}

impl Entries {
    /// Adds those of one peer.
    pub(super) fn add(&mut self, config: &Config, underlay: &Underlay, half: &Half) {
        match half.vxlan.filter(|_| !is_direct(config, underlay, half)) {
            Some(data) => {
                let name = config.device(half.family());
                let via = half.subnet.network();
                self.routes.insert(Route::onlink(half.subnet, via, &name));
                self.neighbours.insert(Neighbour::permanent(via, data.vtep_mac, &name));
                self.fdb.insert(FdbEntry::permanent(data.vtep_mac, half.public_ip, &name));
            }
            None => {
                self.routes.insert(Route::direct(half.subnet, half.public_ip, &underlay.name));
            }
        }
    }

    /// Removes others.
    pub(super) fn remove(&mut self, others: &Entries) {
        for route in &others.routes {
            self.routes.remove(route);
        }
        for neighbour in &others.neighbours {
            self.neighbours.remove(neighbour);
        }
        for entry in &others.fdb {
            self.fdb.remove(entry);
        }
    }

    /// As a kernel that has them all.
    pub(super) fn held(&self) -> Held<'_> {
        Held {
            routes: self.routes.iter().collect(),
            neighbours: self.neighbours.iter().collect(),
            fdb: self.fdb.iter().collect(),
        }
    }

    /// The operations from what is held to these, of those routes and devices that are not blocked: routes that have to go; FDB
    /// entries, then neighbours, then routes that have to come; neighbours and FDB entries that have to go.
    pub(super) fn operations(
        &self,
        held: &Held<'_>,
        free: impl Fn(&Route) -> bool,
        open: impl Fn(&str) -> bool,
    ) -> Vec<Operation> {
        let mut operations = Vec::new();
        let wanted: BTreeSet<IpNet> = self.routes.iter().map(|route| route.destination).collect();
        let there: BTreeSet<IpNet> = held.routes.iter().map(|route| route.destination).collect();
        let gone = held.routes.iter().filter(|route| !wanted.contains(&route.destination));
        operations.extend(gone.map(|route| Operation::DeleteRoute((*route).clone())));
        let fdb = self.fdb.iter().filter(|entry| !held.fdb.contains(entry) && open(&entry.device));
        operations.extend(fdb.cloned().map(Operation::SetFdb));
        let neighbours = self.neighbours.iter();
        let neighbours = neighbours.filter(|entry| !held.neighbours.contains(entry) && open(&entry.device));
        operations.extend(neighbours.cloned().map(Operation::SetNeighbour));
        let routes = self.routes.iter().filter(|route| !held.routes.contains(route) && free(route));
        operations.extend(routes.cloned().map(|route| match there.contains(&route.destination) {
            true => Operation::ReplaceRoute(route),
            false => Operation::AddRoute(route),
        }));
        self.stale(held, &mut operations);
        operations
    }

    /// Deletes neighbours and FDB entries whose key nobody needs: one with a new value was replaced.
    fn stale(&self, held: &Held<'_>, operations: &mut Vec<Operation>) {
        let wanted: BTreeSet<IpAddr> = self.neighbours.iter().map(|neighbour| neighbour.address).collect();
        let stale = |neighbour: &&&Neighbour| neighbour.is_ours() && !wanted.contains(&neighbour.address);
        let neighbours = held.neighbours.iter().filter(stale);
        operations.extend(neighbours.map(|neighbour| Operation::DeleteNeighbour((*neighbour).clone())));
        let wanted: BTreeSet<_> = self.fdb.iter().map(|entry| (&entry.device, entry.mac)).collect();
        let fdb = held.fdb.iter().filter(|entry| !wanted.contains(&(&entry.device, entry.mac)));
        operations.extend(fdb.map(|entry| Operation::DeleteFdb((*entry).clone())));
    }
}

impl Held<'_> {
    /// What the device took along.
    pub(super) fn forget(&mut self, device: &str) {
        self.routes.retain(|route| route.device != device);
        self.neighbours.retain(|neighbour| neighbour.device != device);
        self.fdb.retain(|entry| entry.device != device);
    }
}
