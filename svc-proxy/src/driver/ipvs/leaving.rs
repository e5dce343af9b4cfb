//! What goes once its connections have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use svc_ipvs::{Activity, Command, Dataplane, Destination, Error, Protocol, ServiceId};

/// Real servers, virtual servers and addresses that nobody wants any more. Real servers get weight 0: connections that are
/// up go on, new ones do not come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaving {
    /// Real servers of virtual servers that stay.
    destinations: BTreeSet<(ServiceId, SocketAddr)>,
    servers: BTreeSet<ServiceId>,
    addresses: BTreeSet<IpAddr>,
    /// Virtual servers of which something began to leave since they were last looked at.
    new: BTreeSet<ServiceId>,
}

/// What may be removed by now.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) servers: Vec<ServiceId>,
    pub(super) addresses: Vec<IpAddr>,
}

impl Leaving {
    pub(super) fn is_empty(&self) -> bool {
        self.destinations.is_empty() && self.servers.is_empty() && self.addresses.is_empty()
    }

    /// How many virtual servers are left to go.
    pub(super) fn servers(&self) -> usize {
        self.servers.len()
    }

    /// An address goes when no virtual server needs it any more.
    pub(super) fn unbind(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.addresses.extend(addresses);
    }

    /// Addresses that are wanted again.
    pub(super) fn bind(&mut self, addresses: &[IpAddr]) {
        addresses.iter().for_each(|address| _ = self.addresses.remove(address));
    }

    /// Takes on what commands would remove.
    pub(super) fn take(&mut self, commands: &[Command]) {
        for command in commands {
            match command {
                Command::DeleteService(id) => {
                    self.new.insert(*id);
                    self.destinations.retain(|(of, _)| of != id);
                    self.servers.insert(*id);
                }
                Command::DeleteDestination(id, address) => {
                    self.new.insert(*id);
                    self.destinations.insert((*id, *address));
                }
                _ => {}
            }
        }
    }

    /// The commands as they have to be where something that is about to leave comes back: it keeps its connections.
    pub(super) fn coming(
        &mut self,
        kernel: &mut dyn Dataplane,
        commands: &[Command],
    ) -> Result<Vec<Command>, Error> {
        let mut held: BTreeMap<ServiceId, BTreeSet<SocketAddr>> = BTreeMap::new();
        let mut all = Vec::with_capacity(commands.len());
        for command in commands {
            all.push(match command {
                Command::AddService(service) if self.servers.remove(&service.id()) => {
                    let id = service.id();
                    let there = kernel.destinations(id)?.into_iter().map(|one| one.destination.address());
                    let there: BTreeSet<_> = there.collect();
                    // Those that do not come back with it.
                    self.new.insert(id);
                    self.destinations.extend(there.iter().map(|address| (id, *address)));
                    held.insert(id, there);
                    Command::SetService(service.clone())
                }
                Command::AddDestination(id, to) => {
                    let left = self.destinations.remove(&(*id, to.address()));
                    let there = left || held.get(id).is_some_and(|held| held.contains(&to.address()));
                    match there {
                        true => Command::SetDestination(*id, to.clone()),
                        false => command.clone(),
                    }
                }
                _ => command.clone(),
            });
        }
        Ok(all)
    }

    /// Looks at the connections of all that is leaving, and removes what has none. What cannot be drained (UDP, SCTP: each
    /// datagram may go elsewhere) goes at once.
    pub(super) fn poll(&mut self, kernel: &mut dyn Dataplane) -> Result<Gone, Error> {
        let all = self.touched();
        self.look_at(&all, kernel)
    }

    /// The same for what began to leave since the last time.
    pub(super) fn poll_new(&mut self, kernel: &mut dyn Dataplane) -> Result<Gone, Error> {
        let all = self.touched().intersection(&self.new).copied().collect();
        self.look_at(&all, kernel)
    }

    fn look_at(&mut self, all: &BTreeSet<ServiceId>, kernel: &mut dyn Dataplane) -> Result<Gone, Error> {
        self.new = self.new.difference(all).copied().collect();
        let mut commands = Vec::new();
        let mut gone = Gone::default();
        for &id in all {
            let leaves = self.servers.contains(&id);
            let mut left = 0_usize;
            for listed in kernel.destinations(id)? {
                let (real, address) = (&listed.destination, listed.destination.address());
                if !leaves && !self.destinations.contains(&(id, address)) {
                    continue;
                }
                if is_drained(id, listed.activity) {
                    commands.push(Command::DeleteDestination(id, address));
                    self.destinations.remove(&(id, address));
                } else {
                    left += 1;
                    commands.extend(closed(id, real));
                }
            }
            match (leaves, left) {
                (true, 0) => {
                    commands.push(Command::DeleteService(id));
                    self.servers.remove(&id);
                    gone.servers.push(id);
                }
                (false, 0) => self.destinations.retain(|(of, _)| *of != id),
                _ => {}
            }
        }
        // What is not there any more, for whatever reason, need not be removed.
        kernel.apply(&commands)?;
        let needed: BTreeSet<_> =
            self.servers.iter().filter_map(ServiceId::address).map(|to| to.ip()).collect();
        gone.addresses = self.addresses.difference(&needed).copied().collect();
        self.addresses.retain(|address| needed.contains(address));
        Ok(gone)
    }

    fn touched(&self) -> BTreeSet<ServiceId> {
        self.destinations.iter().map(|(id, _)| *id).chain(self.servers.iter().copied()).collect()
    }
}

fn is_drained(id: ServiceId, activity: Activity) -> bool {
    !matches!(id, ServiceId::Address(Protocol::Tcp, _)) || activity.is_drained()
}

fn closed(id: ServiceId, real: &Destination) -> Option<Command> {
    (real.weight() > 0).then(|| Command::SetDestination(id, real.clone().with_weight(0)))
}
