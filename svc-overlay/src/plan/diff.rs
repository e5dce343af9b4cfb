//! From what is there to what should be, without a moment in which a packet that had a way loses it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::Plan;
use crate::config::{Config, accept_ra};
use crate::kernel::{Device, FdbEntry, Found, Kernel, Neighbour, Route};
use crate::mark::Mark;
use crate::operation::{Changes, Operation};

/// Something of somebody else's that stands where ours should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// A link has our device's or bridge's name but not our mark.
    #[error("link {0} exists and is not ours; delete it, or choose another VNI or bridge name")]
    ForeignLink(String),
    /// A route to a peer's subnet exists.
    #[error("route {0} exists and is not ours: the peer's route is not set; delete it or move it elsewhere")]
    ForeignRoute(Route),
}

/// The kernel as it will be once the device operations are done.
struct Base<'a> {
    routes: BTreeSet<&'a Route>,
    neighbours: BTreeSet<&'a Neighbour>,
    fdb: BTreeSet<&'a FdbEntry>,
    addresses: BTreeSet<IpNet>,
}

impl Plan {
    /// The operations that bring `kernel` to this plan; empty when it is there already.
    ///
    /// Order: device; routes that have to go; FDB entries, then neighbours, then routes that have to come; neighbours
    /// and FDB entries that have to go. So a route exists only while its neighbour and FDB entry do, and a peer that
    /// changes its MAC address is reachable at every moment.
    #[must_use]
    pub fn diff(&self, kernel: &Kernel) -> Changes {
        let mut operations = Vec::new();
        if !is_foreign(kernel.device.as_ref()) {
            let base = self.device_operations(kernel, &mut operations);
            self.peer_operations(kernel, &base, &mut operations);
        }
        if kernel.bridge.is_some() {
            self.bridge_operations(kernel, &mut operations);
        }
        self.host_operations(kernel, &mut operations);
        operations.into()
    }

    /// As [`diff`](Self::diff), for the bridge alone, which is made if it is not there.
    #[must_use]
    pub fn diff_bridge(&self, kernel: &Kernel) -> Changes {
        let mut operations = Vec::new();
        self.bridge_operations(kernel, &mut operations);
        operations.into()
    }

    /// Whose objects are in the way. What they block is left out of [`diff`](Self::diff).
    #[must_use]
    pub fn obstacles(&self, kernel: &Kernel) -> Vec<Obstacle> {
        let device = is_foreign(kernel.device.as_ref()).then(|| self.device.name.clone());
        let bridge = is_foreign(kernel.bridge.as_ref()).then(|| self.bridge.name.clone());
        let links = device.into_iter().chain(bridge).map(Obstacle::ForeignLink);
        let foreign = foreign_routes(kernel);
        let routes = self.routes.iter().filter_map(|route| foreign.get(&route.destination));
        links.chain(routes.map(|route| Obstacle::ForeignRoute((*route).clone()))).collect()
    }

    /// The operations that remove from `kernel` all that is ours and put the sysctls back.
    #[must_use]
    pub fn removal(&self, kernel: &Kernel) -> Changes {
        let mut operations = Vec::new();
        operations.extend(self.our_routes(kernel).cloned().map(Operation::DeleteRoute));
        operations.extend(kernel.ports.iter().map(|port| Operation::DeleteLink(port.interface.clone())));
        let device = ours(kernel.device.as_ref()).map(|_| &self.device.name);
        let bridge = ours(kernel.bridge.as_ref()).map(|_| &self.bridge.name);
        operations.extend(bridge.into_iter().chain(device).cloned().map(Operation::DeleteLink));
        operations
            .extend(kernel.rules.as_ref().map(|rules| Operation::DeleteRules(rules.table().to_owned())));
        let before = self.before(kernel).into_iter();
        let changed = before.filter(|(key, value)| kernel.sysctls.get(key).is_some_and(|now| now != value));
        operations.extend(changed.map(|(key, value)| Operation::SetSysctl { key, value }));
        operations.into()
    }

    fn device_operations<'a>(&self, kernel: &'a Kernel, operations: &mut Vec<Operation>) -> Base<'a> {
        let found = kernel.device.as_ref();
        let reuse = found.and_then(|found| Some((found, found.link.as_ref()?)));
        let base = match reuse {
            Some((found, link)) if same_tunnel(link, &self.device) => {
                if *link != self.device || !found.up {
                    operations.push(Operation::SetDevice(self.device.clone()));
                }
                self.kept(kernel, found)
            }
            _ => {
                operations.extend(found.map(|_| Operation::DeleteLink(self.device.name.clone())));
                operations.push(Operation::AddDevice(self.device.clone(), self.mark(kernel)));
                Base::empty()
            }
        };
        let name = &self.device.name;
        operations.extend(self.sysctl(kernel, &accept_ra(name)));
        if !base.addresses.contains(&self.address) {
            operations.push(Operation::AddAddress(self.address, name.clone()));
        }
        let stale = base.addresses.iter().filter(|address| is_v4(address) && **address != self.address);
        operations.extend(stale.map(|address| Operation::DeleteAddress(*address, name.clone())));
        base
    }

    /// What stays of the dump when the device stays.
    fn kept<'a>(&self, kernel: &'a Kernel, found: &Found<Device>) -> Base<'a> {
        Base {
            routes: self.our_routes(kernel).collect(),
            neighbours: kernel.neighbours.iter().collect(),
            fdb: kernel.fdb.iter().collect(),
            addresses: found.addresses.clone(),
        }
    }

    fn peer_operations(&self, kernel: &Kernel, base: &Base<'_>, operations: &mut Vec<Operation>) {
        let foreign = foreign_routes(kernel);
        let free = |route: &Route| !foreign.contains_key(&route.destination);
        let wanted: BTreeSet<IpNet> = self.routes.iter().map(|route| route.destination).collect();
        let held: BTreeSet<IpNet> = base.routes.iter().map(|route| route.destination).collect();
        let gone = base.routes.iter().filter(|route| !wanted.contains(&route.destination));
        operations.extend(gone.map(|route| Operation::DeleteRoute((*route).clone())));
        let fdb = self.fdb.iter().filter(|entry| !base.fdb.contains(entry));
        operations.extend(fdb.cloned().map(Operation::SetFdb));
        let neighbours = self.neighbours.iter().filter(|neighbour| !base.neighbours.contains(neighbour));
        operations.extend(neighbours.cloned().map(Operation::SetNeighbour));
        let routes = self.routes.iter().filter(|route| !base.routes.contains(route) && free(route));
        operations.extend(routes.cloned().map(|route| match held.contains(&route.destination) {
            true => Operation::ReplaceRoute(route),
            false => Operation::AddRoute(route),
        }));
        self.stale_operations(base, operations);
    }

    /// Deletes neighbours and FDB entries whose key nobody needs: one with a new value was replaced.
    fn stale_operations(&self, base: &Base<'_>, operations: &mut Vec<Operation>) {
        let wanted: BTreeSet<IpAddr> = self.neighbours.iter().map(|neighbour| neighbour.address).collect();
        let stale = |neighbour: &&&Neighbour| neighbour.is_ours() && !wanted.contains(&neighbour.address);
        let neighbours = base.neighbours.iter().filter(stale);
        operations.extend(neighbours.map(|neighbour| Operation::DeleteNeighbour((*neighbour).clone())));
        let wanted: BTreeSet<_> = self.fdb.iter().map(|entry| entry.mac).collect();
        let fdb = base.fdb.iter().filter(|entry| !wanted.contains(&entry.mac));
        operations.extend(fdb.map(|entry| Operation::DeleteFdb((*entry).clone())));
    }

    fn bridge_operations(&self, kernel: &Kernel, operations: &mut Vec<Operation>) {
        let name = &self.bridge.name;
        let found = kernel.bridge.as_ref();
        if is_foreign(found) {
            return;
        }
        match found {
            None => operations.push(Operation::AddBridge(self.bridge.clone(), self.mark(kernel))),
            Some(found) if found.link.as_ref() != Some(&self.bridge) || !found.up => {
                operations.push(Operation::SetBridge(self.bridge.clone()));
            }
            Some(_) => {}
        }
        operations.extend(self.sysctl(kernel, &accept_ra(name)));
        let addresses = found.map(|found| found.addresses.clone()).unwrap_or_default();
        if !addresses.contains(&self.gateway) {
            operations.push(Operation::AddAddress(self.gateway, name.clone()));
        }
        // The subnet of a former lease: its connected route would catch another node's pods.
        let stale = addresses.iter().filter(|address| is_v4(address) && **address != self.gateway);
        operations.extend(stale.map(|address| Operation::DeleteAddress(*address, name.clone())));
    }

    fn host_operations(&self, kernel: &Kernel, operations: &mut Vec<Operation>) {
        operations.extend(self.sysctl(kernel, Config::forward_sysctl()));
        match (&self.rules, &kernel.rules) {
            (Some(rules), found) if found.as_ref() != Some(rules) => {
                operations.push(Operation::SetRules(rules.clone()));
            }
            (None, Some(found)) => operations.push(Operation::DeleteRules(found.table().to_owned())),
            _ => {}
        }
    }

    /// A sysctl that exists (or will, with its link) and has another value. A missing one of an existing link is no
    /// fault: IPv6 may be switched off.
    fn sysctl(&self, kernel: &Kernel, key: &str) -> Option<Operation> {
        let value = self.sysctls.get(key)?;
        let found = kernel.sysctls.get(key);
        found
            .is_some_and(|found| found != value)
            .then(|| Operation::SetSysctl { key: key.to_owned(), value: value.clone() })
    }

    /// The mark of a new link, which says what the host-wide sysctls were.
    fn mark(&self, kernel: &Kernel) -> Mark {
        let mut before = self.before(kernel);
        let key = Config::forward_sysctl();
        if let Some(value) = kernel.sysctls.get(key).filter(|value| self.sysctls.get(key) != Some(value)) {
            before.entry(key.to_owned()).or_insert_with(|| value.clone());
        }
        Mark::Device { before }
    }

    fn before(&self, kernel: &Kernel) -> BTreeMap<String, String> {
        let mut before = sysctls_before(kernel);
        before.extend(self.before.clone());
        before
    }

    fn our_routes<'a>(&self, kernel: &'a Kernel) -> impl Iterator<Item = &'a Route> + use<'a> {
        let device = self.device.name.clone();
        kernel.routes.iter().filter(move |route| route.is_ours() && route.device == device)
    }
}

impl Base<'_> {
    fn empty() -> Self {
        Base {
            routes: BTreeSet::new(),
            neighbours: BTreeSet::new(),
            fdb: BTreeSet::new(),
            addresses: BTreeSet::new(),
        }
    }
}

/// What the host-wide sysctls were before the overlay changed them, as the marks of its links say.
#[must_use]
pub fn sysctls_before(kernel: &Kernel) -> BTreeMap<String, String> {
    let marks = ours(kernel.device.as_ref()).into_iter().chain(ours(kernel.bridge.as_ref()));
    marks.flat_map(Mark::before).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// What cannot be changed on a living device.
fn same_tunnel(a: &Device, b: &Device) -> bool {
    (a.vni, a.port, a.local, a.underlay) == (b.vni, b.port, b.local, b.underlay)
}

fn is_foreign<T>(found: Option<&Found<T>>) -> bool {
    found.is_some() && ours(found).is_none()
}

fn ours<T>(found: Option<&Found<T>>) -> Option<&Mark> {
    found?.mark.as_ref()
}

fn is_v4(address: &IpNet) -> bool {
    address.addr().is_ipv4()
}

fn foreign_routes(kernel: &Kernel) -> BTreeMap<IpNet, &Route> {
    let foreign = kernel.routes.iter().filter(|route| !route.is_ours());
    foreign.map(|route| (route.destination, route)).collect()
}
