//! From what is there to what should be, without a moment in which a packet that had a way loses it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::entries::Held;
use super::{Plan, Tunnel};
use crate::config::{accept_ra, forward};
use crate::family::Family;
use crate::kernel::{Device, Found, Kernel, Route};
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

impl Plan {
    /// The operations that bring `kernel` to this plan; empty when it is there already. O(entries x log).
    ///
    /// Order: devices; routes that have to go; FDB entries, then neighbours, then routes that have to come; neighbours
    /// and FDB entries that have to go; devices that nothing uses any more. So a route exists only while its neighbour and
    /// FDB entry do, and a peer that changes its MAC address, or the way it is reached, is reachable at every moment.
    #[must_use]
    pub fn diff(&self, kernel: &Kernel) -> Changes {
        let mut operations = Vec::new();
        let mut base = self.base(kernel);
        for tunnel in
            self.tunnels.iter().filter(|tunnel| !is_foreign(kernel.devices.get(&tunnel.device.name)))
        {
            if self.device_operations(kernel, tunnel, &mut operations) {
                base.forget(&tunnel.device.name);
            }
        }
        operations.extend(self.peer_operations(kernel, &base));
        operations.extend(self.unused_devices(kernel).cloned().map(Operation::DeleteLink));
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
        let devices = self.foreign_devices(kernel).map(str::to_owned);
        let bridge = is_foreign(kernel.bridge.as_ref()).then(|| self.bridge.name.clone());
        let links = devices.chain(bridge).map(Obstacle::ForeignLink);
        let foreign = foreign_routes(kernel);
        let routes = self.entries.routes.iter().filter_map(|route| foreign.get(&route.destination));
        links.chain(routes.map(|route| Obstacle::ForeignRoute((*route).clone()))).collect()
    }

    /// The operations that remove from `kernel` all that is ours and put the sysctls back.
    #[must_use]
    pub fn removal(&self, kernel: &Kernel) -> Changes {
        let mut operations = Vec::new();
        operations.extend(self.our_routes(kernel).cloned().map(Operation::DeleteRoute));
        operations.extend(kernel.ports.iter().map(|port| Operation::DeleteLink(port.interface.clone())));
        let bridge = ours(kernel.bridge.as_ref()).map(|_| &self.bridge.name);
        let links = bridge.into_iter().chain(our_devices(kernel).map(|(name, _)| name));
        operations.extend(links.cloned().map(Operation::DeleteLink));
        operations.extend(kernel.rules.values().map(|rules| Operation::DeleteRules(rules.table().clone())));
        let before = self.before(kernel).into_iter();
        let changed = before.filter(|(key, value)| kernel.sysctls.get(key).is_some_and(|now| now != value));
        operations.extend(changed.map(|(key, value)| Operation::SetSysctl { key, value }));
        operations.into()
    }

    fn base<'a>(&self, kernel: &'a Kernel) -> Held<'a> {
        let on_tunnel = |device: &str| self.tunnels.iter().any(|tunnel| tunnel.device.name == device);
        Held {
            routes: self.our_routes(kernel).collect(),
            neighbours: kernel.neighbours.iter().filter(|neighbour| on_tunnel(&neighbour.device)).collect(),
            fdb: kernel.fdb.iter().filter(|entry| on_tunnel(&entry.device)).collect(),
        }
    }

    /// Whether the device is made anew.
    fn device_operations(&self, kernel: &Kernel, tunnel: &Tunnel, operations: &mut Vec<Operation>) -> bool {
        let Tunnel { device, address, .. } = tunnel;
        let found = kernel.devices.get(&device.name);
        let kept = found.filter(|found| found.link.as_ref().is_some_and(|link| same_tunnel(link, device)));
        match kept {
            Some(found) if found.link.as_ref() == Some(device) && found.up => {}
            Some(_) => operations.push(Operation::SetDevice(device.clone())),
            None => {
                operations.extend(found.map(|_| Operation::DeleteLink(device.name.clone())));
                operations.push(Operation::AddDevice(device.clone(), self.mark(kernel)));
            }
        }
        let name = &device.name;
        operations.extend(self.sysctl(kernel, &accept_ra(name)));
        if kept.is_none_or(|found| !found.addresses.contains(address)) {
            operations.push(Operation::AddAddress(*address, name.clone()));
        }
        let addresses = kept.into_iter().flat_map(|found| &found.addresses);
        // Other families' are not ours to judge: somebody may have given it one.
        let stale = addresses.filter(|other| same_family(other, address) && *other != address);
        operations.extend(stale.map(|address| Operation::DeleteAddress(*address, name.clone())));
        operations.extend(checksum(kernel, tunnel, kept.is_none()));
        kept.is_none()
    }

    fn peer_operations(&self, kernel: &Kernel, held: &Held<'_>) -> Vec<Operation> {
        let foreign = foreign_routes(kernel);
        let blocked: BTreeSet<_> = self.foreign_devices(kernel).collect();
        let open = |device: &str| !blocked.contains(device);
        let free = |route: &Route| !foreign.contains_key(&route.destination) && open(&route.device);
        self.entries.operations(held, free, open)
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
        let missing = self.gateways.difference(&addresses);
        operations.extend(missing.map(|address| Operation::AddAddress(*address, name.clone())));
        // The subnet of a former lease: its connected route would catch another node's pods.
        let ruled = |address: &&IpNet| self.gateways.iter().any(|gateway| same_family(gateway, address));
        let stale = addresses.difference(&self.gateways).filter(ruled);
        operations.extend(stale.map(|address| Operation::DeleteAddress(*address, name.clone())));
    }

    fn host_operations(&self, kernel: &Kernel, operations: &mut Vec<Operation>) {
        operations.extend(Family::ALL.iter().filter_map(|family| self.sysctl(kernel, forward(*family))));
        let wanted = self.rules.iter().filter(|(family, rules)| kernel.rules.get(family) != Some(rules));
        operations.extend(wanted.map(|(_, rules)| Operation::SetRules(rules.clone())));
        let gone = kernel.rules.iter().filter(|(family, _)| !self.rules.contains_key(family));
        operations.extend(gone.map(|(_, rules)| Operation::DeleteRules(rules.table().clone())));
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
        for key in Family::ALL.map(forward) {
            let changed = kernel
                .sysctls
                .get(key)
                .filter(|now| self.sysctls.get(key).is_some_and(|value| value != *now));
            if let Some(value) = changed {
                before.entry(key.to_owned()).or_insert_with(|| value.clone());
            }
        }
        Mark::Device { before }
    }

    fn before(&self, kernel: &Kernel) -> BTreeMap<String, String> {
        let mut before = sysctls_before(kernel);
        before.extend(self.before.clone());
        before
    }

    /// Those on our devices, and those to the overlay by way of the underlay: the number alone does not say of which overlay
    /// a route is, where there are several.
    fn our_routes<'a>(&self, kernel: &'a Kernel) -> impl Iterator<Item = &'a Route> {
        let within = |route: &Route| self.networks.iter().any(|network| network.contains(&route.destination));
        let on_ours = |route: &Route| our_devices(kernel).any(|(name, _)| *name == route.device);
        kernel.routes.iter().filter(move |route| route.is_ours() && (on_ours(route) || within(route)))
    }

    fn foreign_devices<'a>(&'a self, kernel: &Kernel) -> impl Iterator<Item = &'a str> {
        let names = self.tunnels.iter().map(|tunnel| &tunnel.device.name);
        names.filter(|name| is_foreign(kernel.devices.get(*name))).map(String::as_str)
    }

    /// Devices of a family or a mode that is off now.
    fn unused_devices<'a>(&self, kernel: &'a Kernel) -> impl Iterator<Item = &'a String> {
        let used = |name: &str| self.tunnels.iter().any(|tunnel| tunnel.device.name == name);
        our_devices(kernel).map(|(name, _)| name).filter(move |name| !used(name))
    }
}

/// What the host-wide sysctls were before the overlay changed them, as the marks of its links say.
#[must_use]
pub fn sysctls_before(kernel: &Kernel) -> BTreeMap<String, String> {
    let devices = our_devices(kernel).map(|(_, mark)| mark);
    let marks = devices.chain(ours(kernel.bridge.as_ref()));
    marks.flat_map(Mark::before).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// What cannot be changed on a living device.
fn same_tunnel(a: &Device, b: &Device) -> bool {
    (a.vni, a.port, a.local, a.underlay, a.gbp) == (b.vni, b.port, b.local, b.underlay, b.gbp)
}

/// A new device begins with the cards' way; the kernel is not asked about it where that is wanted.
fn checksum(kernel: &Kernel, tunnel: &Tunnel, new: bool) -> Option<Operation> {
    let Tunnel { device, checksum_offload: on, .. } = tunnel;
    let now = if new { Some(true) } else { kernel.checksum_offload.get(&device.name).copied() };
    let change = now.is_some_and(|now| now != *on);
    change.then(|| Operation::SetChecksumOffload { device: device.name.clone(), on: *on })
}

fn our_devices(kernel: &Kernel) -> impl Iterator<Item = (&String, &Mark)> {
    kernel.devices.iter().filter_map(|(name, found)| Some((name, ours(Some(found))?)))
}

fn is_foreign<T>(found: Option<&Found<T>>) -> bool {
    found.is_some() && ours(found).is_none()
}

fn ours<T>(found: Option<&Found<T>>) -> Option<&Mark> {
    found?.mark.as_ref()
}

fn same_family(a: &IpNet, b: &IpNet) -> bool {
    Family::of_net(*a) == Family::of_net(*b)
}

fn foreign_routes(kernel: &Kernel) -> BTreeMap<IpNet, &Route> {
    let foreign = kernel.routes.iter().filter(|route| !route.is_ours());
    foreign.map(|route| (route.destination, route)).collect()
}
