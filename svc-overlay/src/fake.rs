//! A kernel in memory, for tests without a kernel.
//!
//! It refuses what the kernel refuses, with the same errno, and drops what the kernel drops: a device that is deleted
//! takes its routes, neighbours and FDB entries with it, one that is set down its routes and neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use ipnet::IpNet;

use crate::config::{accept_ra, forward};
use crate::dataplane::Dataplane;
use crate::error::Error;
use crate::family::Family;
use crate::interface::{Interface, Interfaces};
use crate::kernel::{Bridge, Device, FdbEntry, Found, Kernel, Neighbour, PodPort, Route, Scope, Underlay};
use crate::mark::Mark;
use crate::masquerade::Rules;
use crate::operation::Operation;
use crate::pod::Port;

mod apply;

/// A kernel in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    links: BTreeMap<String, Link>,
    last_index: u32,
    routes: BTreeSet<Route>,
    neighbours: BTreeSet<Neighbour>,
    fdb: BTreeSet<FdbEntry>,
    sysctls: BTreeMap<String, String>,
    checksum_offload: BTreeMap<String, bool>,
    rules: BTreeMap<Family, Rules>,
    failures: BTreeMap<String, i32>,
    log: Vec<Operation>,
    changed: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Debug)]
struct Link {
    index: u32,
    kind: Kind,
    up: bool,
    mark: Option<Mark>,
    addresses: BTreeSet<IpNet>,
}

#[derive(Clone, Debug)]
enum Kind {
    Other { mtu: u32 },
    Device(Device),
    Bridge(Bridge),
    Port,
}

impl Fake {
    /// A kernel with forwarding switched off and nothing else.
    #[must_use]
    pub fn new() -> Self {
        let fake = Fake::default();
        let off = Family::ALL.map(|family| (forward(family).to_owned(), "0".to_owned()));
        fake.lock().sysctls.extend(off);
        fake
    }

    /// Gives a link one more address.
    pub fn add_address(&self, name: &str, address: IpNet) {
        let mut state = self.lock();
        if let Some(link) = state.links.get_mut(name) {
            link.addresses.insert(address);
        }
        state.notify();
    }

    /// Takes an address from a link, with the routes that the kernel drops along with the last one of the family.
    pub fn delete_address(&self, name: &str, address: IpAddr) {
        let mut state = self.lock();
        if let Some(link) = state.links.get_mut(name) {
            link.addresses.retain(|net| net.addr() != address);
            let last = !link.addresses.iter().any(|net| Family::of_net(*net) == Family::of(address));
            state.routes.retain(|route| {
                let of_family = Family::of_net(route.destination) == Family::of(address);
                !(last && of_family && route.device == name)
            });
        }
        state.notify();
    }

    /// A link of somebody else's, with an address: the underlay, for instance.
    pub fn add_link(&self, name: &str, address: IpNet, mtu: u32) {
        let mut state = self.lock();
        let link = state.new_link(Kind::Other { mtu }, None);
        state.links.insert(name.to_owned(), Link { addresses: BTreeSet::from([address]), up: true, ..link });
        state.notify();
    }

    /// Takes a link away, as somebody else would.
    pub fn delete_link(&self, name: &str) {
        let mut state = self.lock();
        state.forget(name);
        state.notify();
    }

    /// The names of all links.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        self.lock().links.keys().cloned().collect()
    }

    /// Sets a link down: the kernel drops its routes and neighbours.
    pub fn set_down(&self, name: &str) {
        let mut state = self.lock();
        state.down(name);
        state.notify();
    }

    /// A route of somebody else's, or one of ours by its protocol number.
    pub fn add_route(&self, route: Route) {
        self.lock().routes.insert(route);
    }

    /// Takes a route away.
    pub fn delete_route(&self, destination: IpNet) {
        let mut state = self.lock();
        state.routes.retain(|route| route.destination != destination);
        state.notify();
    }

    /// Makes every operation whose text begins with `prefix` fail with this errno, until [`heal`](Self::heal).
    pub fn fail(&self, prefix: &str, errno: i32) {
        self.lock().failures.insert(prefix.to_owned(), errno);
    }

    /// Ends all failures that [`fail`](Self::fail) began.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.failures.clear();
        state.notify();
    }

    /// The operations that were made since the last call.
    #[must_use]
    pub fn take_log(&self) -> Vec<Operation> {
        std::mem::take(&mut self.lock().log)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dataplane for Fake {
    fn list(&mut self, scope: &Scope) -> Result<Kernel, Error> {
        Ok(self.lock().kernel(scope))
    }

    fn interfaces(&mut self, targets: &[IpAddr]) -> Result<Interfaces, Error> {
        Ok(self.lock().interfaces(targets))
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<(), Error>> {
        let mut state = self.lock();
        operations.iter().map(|operation| state.make(operation)).collect()
    }

    fn plug(&mut self, _netns: BorrowedFd<'_>, port: &Port) -> Result<(), Error> {
        self.lock().plug(port)
    }

    async fn changed(&mut self) {
        poll_fn(|context| {
            let mut state = self.lock();
            if std::mem::take(&mut state.changed) {
                return Poll::Ready(());
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl State {
    fn notify(&mut self) {
        self.changed = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn new_link(&mut self, kind: Kind, mark: Option<Mark>) -> Link {
        self.last_index += 1;
        Link { index: self.last_index, kind, up: false, mark, addresses: BTreeSet::new() }
    }

    fn kernel(&self, scope: &Scope) -> Kernel {
        let on_device = |device: &String| scope.devices.contains(device);
        let devices = self.links.iter().filter(|(name, _)| on_device(name));
        let offload =
            self.checksum_offload.iter().filter(|(name, _)| scope.checksum_offload && on_device(name));
        Kernel {
            underlay: self.underlay(scope),
            devices: devices.map(|(name, link)| (name.clone(), link.found(Link::device))).collect(),
            bridge: self.links.get(&scope.bridge).map(|link| link.found(Link::bridge)),
            ports: self.links.iter().filter_map(|(name, link)| link.port(name)).collect(),
            routes: self.routes.clone(),
            neighbours: self.neighbours.iter().filter(|entry| on_device(&entry.device)).cloned().collect(),
            fdb: self.fdb.iter().filter(|entry| on_device(&entry.device)).cloned().collect(),
            checksum_offload: offload.map(|(name, on)| (name.clone(), *on)).collect(),
            sysctls: self.asked(&scope.sysctls),
            rules: self.rules.clone(),
        }
    }

    fn asked(&self, keys: &BTreeSet<String>) -> BTreeMap<String, String> {
        let found = keys.iter().filter_map(|key| Some((key.clone(), self.sysctls.get(key)?.clone())));
        found.collect()
    }

    fn underlay(&self, scope: &Scope) -> Option<Underlay> {
        let holds = |link: &Link| {
            scope.locals.iter().all(|address| link.addresses.iter().any(|net| net.addr() == *address))
        };
        let (name, link) = match &scope.underlay {
            Some(name) => self.links.get_key_value(name)?,
            None => self.links.iter().find(|(_, link)| holds(link))?,
        };
        Some(Underlay::new(name, link.index, link.mtu()).with_addresses(link.addresses.clone()))
    }

    /// Whoever is on a link's own network is reached from there; no route leads out.
    fn interfaces(&self, targets: &[IpAddr]) -> Interfaces {
        let links = self.links.iter().filter(|(_, link)| link.up);
        let addresses = || links.clone().flat_map(|(_, link)| &link.addresses);
        let source = |target: &IpAddr| {
            let near = addresses().find(|net| net.contains(target))?;
            Some((*target, near.addr()))
        };
        let found =
            |(name, link): (&String, &Link)| Interface::new(name, link.addresses.iter().map(IpNet::addr));
        Interfaces {
            links: links.clone().map(found).collect(),
            sources: targets.iter().filter_map(source).collect(),
            ..Interfaces::default()
        }
    }

    /// Deletes a link and what hangs on it.
    fn forget(&mut self, name: &str) -> Option<Link> {
        self.down(name);
        self.fdb.retain(|entry| entry.device != name);
        self.sysctls.remove(&accept_ra(name));
        self.checksum_offload.remove(name);
        self.links.remove(name)
    }

    fn down(&mut self, name: &str) {
        self.routes.retain(|route| route.device != name);
        self.neighbours.retain(|neighbour| neighbour.device != name);
        if let Some(link) = self.links.get_mut(name) {
            link.up = false;
        }
    }
}

impl Link {
    fn found<T>(&self, shape: impl FnOnce(&Link) -> Option<T>) -> Found<T> {
        let Link { index, up, mark, addresses, .. } = self.clone();
        Found { index, up, mark, addresses, link: shape(self) }
    }

    fn mtu(&self) -> u32 {
        match &self.kind {
            Kind::Other { mtu } => *mtu,
            Kind::Device(device) => device.mtu,
            Kind::Bridge(bridge) => bridge.mtu,
            Kind::Port => 1500,
        }
    }

    fn device(&self) -> Option<Device> {
        match &self.kind {
            Kind::Device(device) => Some(device.clone()),
            _ => None,
        }
    }

    fn bridge(&self) -> Option<Bridge> {
        match &self.kind {
            Kind::Bridge(bridge) => Some(bridge.clone()),
            _ => None,
        }
    }

    fn port(&self, name: &str) -> Option<PodPort> {
        match &self.mark {
            Some(Mark::Pod { pod, addresses }) => {
                Some(PodPort { interface: name.to_owned(), pod: pod.clone(), addresses: addresses.clone() })
            }
            _ => None,
        }
    }
}

/// The connected route that the kernel makes for an address.
fn connected(address: IpNet, device: &str) -> Route {
    let destination = address.trunc();
    Route { destination, via: None, device: device.to_owned(), onlink: false, protocol: 2 }
}

fn is_host(address: IpNet) -> bool {
    match address.addr() {
        IpAddr::V4(_) => address.prefix_len() == 32,
        IpAddr::V6(_) => address.prefix_len() == 128,
    }
}

#[cfg(test)]
mod tests;
