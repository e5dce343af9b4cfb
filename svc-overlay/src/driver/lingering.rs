//! Peers whose leases are gone when the registry is back after it could not be reached.
//!
//! Nodes that could not renew their leases live all the same, and publish again as soon as they can. Until then packets to their
//! pods go on: a lease that goes within some time after the registry is back lingers for that time, unless another one is in
//! its way. Leases that go at any other time go at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::Instant;

use crate::config::Config;
use crate::lease::{Half, Lease};
use crate::mac::Mac;
use crate::registry::LeaseSet;

#[derive(Debug)]
pub(super) struct Lingering {
    time: Duration,
    /// Until when leases that go linger.
    until: Option<Instant>,
    /// Those that do, and until when.
    leases: BTreeMap<IpNet, (Lease, Instant)>,
}

impl Lingering {
    pub(super) fn new(time: Duration) -> Self {
        Lingering { time, until: None, leases: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.leases.len()
    }

    /// The registry is back.
    pub(super) fn begin(&mut self, now: Instant) {
        let until = now + self.time;
        self.until = Some(until);
        self.leases.values_mut().for_each(|(_, end)| *end = until);
    }

    /// When the next of them goes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.leases.values().map(|(_, end)| *end).min()
    }

    /// Those whose time is over go.
    pub(super) fn end(&mut self, known: &mut LeaseSet, now: Instant) {
        self.leases.retain(|subnet, (_, end)| {
            let lingers = *end > now;
            if !lingers {
                known.remove(known.revision(), *subnet);
            }
            lingers
        });
    }

    /// What is to be programmed, now that the registry holds `leases`, after `known`, which was programmed before.
    pub(super) fn with(
        &mut self,
        known: Option<&LeaseSet>,
        leases: LeaseSet,
        config: &Config,
        now: Instant,
    ) -> LeaseSet {
        let lingers = self.until.is_some_and(|until| now < until);
        let Some(known) = known.filter(|_| lingers || !self.leases.is_empty()) else { return leases };
        let revision = leases.revision();
        let changed = leases.changed_since(known.revision());
        // Whoever follows what changed from set to set goes on to do so where the registry does.
        let mut set = if changed.is_some() { known.clone() } else { leases.clone() };
        let looked_at =
            changed.unwrap_or_else(|| known.iter().chain(leases.iter()).map(Lease::subnet).collect());
        let mut gone = false;
        for subnet in &looked_at {
            match (leases.lease(*subnet), known.lease(*subnet)) {
                (Some(lease), _) => {
                    self.leases.remove(subnet);
                    set.put(revision, lease.clone());
                }
                (None, Some(lease)) if lingers || self.leases.contains_key(subnet) => {
                    gone = true;
                    self.leases.entry(*subnet).or_insert_with(|| (lease.clone(), now + self.time));
                    set.put(revision, lease.clone());
                }
                (None, _) => set.remove(revision, *subnet),
            }
        }
        let taken = match gone {
            true => Taken::by(leases.iter(), config),
            false => Taken::by(looked_at.iter().filter_map(|subnet| leases.lease(*subnet)), config),
        };
        self.leases.retain(|subnet, (lease, _)| {
            let free = !taken.concerns(lease);
            if !free {
                set.remove(revision, *subnet);
            }
            free
        });
        set.advance(revision);
        set.with_unreadable(leases.unreadable().iter().cloned())
    }
}

/// What is somebody's now: a lease that has a part of it is over.
#[derive(Default)]
struct Taken {
    subnets: BTreeSet<IpNet>,
    addresses: BTreeSet<IpAddr>,
    macs: BTreeSet<Mac>,
}

impl Taken {
    fn by<'a>(leases: impl Iterator<Item = &'a Lease>, config: &Config) -> Self {
        let own = config.stacks.iter().map(|stack| stack.subnet);
        let mut taken = Taken { subnets: own.collect(), ..Taken::default() };
        for half in leases.flat_map(Lease::halves) {
            taken.subnets.insert(half.subnet);
            taken.addresses.insert(half.public_ip);
            taken.macs.extend(half.vxlan.map(|data| data.vtep_mac));
        }
        taken
    }

    fn concerns(&self, lease: &Lease) -> bool {
        let has = |half: &Half| {
            let mac = half.vxlan.is_some_and(|data| self.macs.contains(&data.vtep_mac));
            mac || self.addresses.contains(&half.public_ip) || self.overlaps(half.subnet)
        };
        lease.halves().iter().any(has)
    }

    fn overlaps(&self, subnet: IpNet) -> bool {
        let within = self.subnets.range(subnet..).next().is_some_and(|found| subnet.contains(found));
        let mut above = std::iter::successors(subnet.supernet(), IpNet::supernet);
        within || above.any(|net| self.subnets.contains(&net))
    }
}

#[cfg(test)]
mod tests;
