//! From one plan to the next by what changed of the leases alone.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::entries::{Entries, is_direct};
use super::refusal::{Accepted, Refusal};
use super::{Key, Plan, is_own};
use crate::config::{Config, Stack};
use crate::family::Family;
use crate::kernel::{FdbEntry, Underlay};
use crate::lease::{Half, Lease, VxlanData};
use crate::mac::Mac;
use crate::operation::Changes;
use crate::registry::LeaseSet;

impl Plan {
    /// This plan with the leases of `after` in place of `before`, with which it was made, and the operations by which a kernel
    /// that holds this one comes to hold that one. O(changes x log leases): nothing is listed, and nothing compared
    /// but what changed. The plan is the same as one made anew, and the operations are those of [`diff`](Self::diff).
    ///
    /// Nothing when it is not known what changed, or a changed lease clashes with another one's subnet or MAC address: then
    /// whose lease counts is a matter of all of them, and the plan is to be made anew.
    #[must_use]
    pub fn update(
        mut self,
        config: &Config,
        underlay: &Underlay,
        before: &LeaseSet,
        after: &LeaseSet,
    ) -> Option<(Plan, Changes)> {
        let changed = after.changed_since(before.revision())?;
        let changed = changed.into_iter().filter(|subnet| before.lease(*subnet) != after.lease(*subnet));
        let changed: Vec<IpNet> = changed.collect();
        let (mut gone, mut come) = (Entries::default(), Entries::default());
        let halves = || {
            changed
                .iter()
                .filter_map(|subnet| before.lease(*subnet))
                .flat_map(|lease| peers_of(config, lease))
        };
        for (_, lease, half) in halves() {
            self.take_out(config, underlay, lease, half, &mut gone);
        }
        self.entries.remove(&gone);
        // Without all of them: nobody who stays may have stood behind one that goes.
        if halves().any(|(_, _, half)| self.clashes(config, half)) {
            return None;
        }
        for lease in changed.iter().filter_map(|subnet| after.lease(*subnet)) {
            for (stack, lease, half) in peers_of(config, lease) {
                if self.clashes(config, half) {
                    return None;
                }
                match Accepted::new(config, stack, underlay).check(lease, half) {
                    Ok(()) => {
                        come.add(config, underlay, half);
                        self.entries.add(config, underlay, half);
                        self.add_peer(config, underlay, lease, half);
                    }
                    Err(reason) => self.refuse(lease, half, reason),
                }
            }
        }
        self.revision = after.revision();
        let operations = come.operations(&gone.held(), |_| true, |_| true);
        Some((self, operations.into()))
    }

    fn take_out(
        &mut self,
        config: &Config,
        underlay: &Underlay,
        lease: &Lease,
        half: &Half,
        gone: &mut Entries,
    ) {
        let key = key(lease, half);
        if self.peers.remove(&key).is_none() {
            self.refusals.remove(&key);
            return;
        }
        gone.add(config, underlay, half);
        self.nodes -= usize::from(!self.is_peer_otherwise(lease, half));
        if let Some(data) = half.vxlan.filter(|_| is_direct(config, underlay, half)) {
            self.direct.remove(&(data.vtep_mac, half.subnet));
        }
    }

    /// Whether somebody who is here, refused or not, has a part of the subnet or the MAC address.
    fn clashes(&self, config: &Config, half: &Half) -> bool {
        let shares = |data: VxlanData| {
            let device = config.device(half.family());
            let refused = |(_, refusal): (&Key, &Refusal)| {
                refusal
                    .lease()
                    .half(half.family())
                    .and_then(|other| other.vxlan)
                    .is_some_and(|other| other.vtep_mac == data.vtep_mac)
            };
            let of_family = |net: IpNet| Family::of_net(net) == half.family();
            let tunnel = |entry: &FdbEntry| entry.device == device;
            self.with_mac(data.vtep_mac).any(tunnel)
                || self.direct_with_mac(data.vtep_mac).any(of_family)
                || self.refusals.iter().any(refused)
        };
        occupied(&self.peers, half.subnet)
            || occupied(&self.refusals, half.subnet)
            || half.vxlan.is_some_and(shares)
    }

    fn with_mac(&self, mac: Mac) -> impl Iterator<Item = &FdbEntry> {
        let first = FdbEntry::permanent(mac, IpAddr::V4(Ipv4Addr::UNSPECIFIED), "");
        self.entries.fdb.range(first..).take_while(move |entry| entry.mac == mac)
    }

    fn direct_with_mac(&self, mac: Mac) -> impl Iterator<Item = IpNet> {
        let with_mac = self.direct.range((mac, FIRST)..).take_while(move |(other, _)| *other == mac);
        with_mac.map(|(_, subnet)| *subnet)
    }
}

/// The first of all networks.
const FIRST: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));

pub(super) fn key(lease: &Lease, half: &Half) -> Key {
    (half.subnet, lease.subnet())
}

/// The halves of a lease that are a peer's, with the part of the configuration that they belong to.
fn peers_of<'a>(
    config: &'a Config,
    lease: &'a Lease,
) -> impl Iterator<Item = (&'a Stack, &'a Lease, &'a Half)> {
    let halves =
        config.stacks.iter().filter_map(move |stack| Some((stack, lease, lease.half(stack.family())?)));
    halves.filter(move |(stack, lease, half)| !is_own(config, stack, lease, half))
}

/// Whether any of the networks shares an address with this one.
fn occupied<V>(map: &BTreeMap<Key, V>, subnet: IpNet) -> bool {
    let from = |net: IpNet| map.range((net, FIRST)..).next().map(|((found, _), _)| *found);
    let within = from(subnet).is_some_and(|found| subnet.contains(&found));
    let mut above = std::iter::successors(subnet.supernet(), IpNet::supernet);
    within || above.any(|net| from(net) == Some(net))
}

#[cfg(test)]
mod proptests;
