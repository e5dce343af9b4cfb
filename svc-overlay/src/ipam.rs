//! Which pod has which address: host-local's rules.
//!
//! Addresses are handed out round robin from the one after the last, so that an address rests as long as
//! possible before it is used again. The network address (`.0`), the gateway (`.1`) and the broadcast address are
//! never handed out.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::pod::PodId;

/// The addresses of one node's subnet. Serialises as its state, so an embedder can keep it over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipam {
    subnet: Ipv4Net,
    last: Option<Ipv4Addr>,
    owners: BTreeMap<Ipv4Addr, PodId>,
}

/// Why no address was handed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IpamError {
    /// The requested address lies outside the node's subnet, or is one of its reserved addresses.
    #[error("pod {pod}: address {address} is not one of the pod addresses {first} to {last} of this node")]
    NotAssignable {
        /// Who asked.
        pod: PodId,
        /// What was asked for.
        address: std::net::IpAddr,
        /// The first address that pods may have.
        first: Ipv4Addr,
        /// The last one.
        last: Ipv4Addr,
    },
    /// Another pod has the requested address.
    #[error("pod {pod}: address {address} belongs to pod {owner}; detach {owner} or ask for another address")]
    Taken {
        /// Who asked.
        pod: PodId,
        /// What was asked for.
        address: Ipv4Addr,
        /// Who has it.
        owner: PodId,
    },
    /// The pod has an address already.
    #[error("pod {pod} is attached already, with address {address}; detach it first")]
    Attached {
        /// Who asked.
        pod: PodId,
        /// What it has.
        address: Ipv4Addr,
    },
    /// Every address is in use.
    #[error(
        "pod {pod}: all {count} addresses of {subnet} are in use; detach a pod or give the node a larger subnet"
    )]
    Exhausted {
        /// Who asked.
        pod: PodId,
        /// The node's subnet.
        subnet: Ipv4Net,
        /// How many addresses it has.
        count: usize,
    },
}

impl Ipam {
    /// No address handed out yet.
    #[must_use]
    pub fn new(subnet: Ipv4Net) -> Self {
        Ipam { subnet: subnet.trunc(), last: None, owners: BTreeMap::new() }
    }

    /// The address of the node's bridge: the first one of the subnet.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        gateway(self.subnet)
    }

    /// Hands out the requested address, or the next free one.
    ///
    /// # Errors
    ///
    /// [`IpamError`]; nothing is changed then.
    pub fn acquire(
        &mut self,
        pod: &PodId,
        requested: Option<std::net::IpAddr>,
    ) -> Result<Ipv4Addr, IpamError> {
        if let Some(address) = self.address_of(pod) {
            return Err(IpamError::Attached { pod: pod.clone(), address });
        }
        let address = match requested {
            Some(address) => self.requested(pod, address)?,
            None => self.next(pod)?,
        };
        self.owners.insert(address, pod.clone());
        Ok(address)
    }

    /// Takes the pod's address back; which one it was.
    pub fn release(&mut self, pod: &PodId) -> Option<Ipv4Addr> {
        let address = self.address_of(pod)?;
        self.owners.remove(&address);
        Some(address)
    }

    /// The address that a pod has.
    #[must_use]
    pub fn address_of(&self, pod: &PodId) -> Option<Ipv4Addr> {
        self.owners.iter().find(|(_, owner)| *owner == pod).map(|(address, _)| *address)
    }

    /// The pod that has an address.
    #[must_use]
    pub fn owner(&self, address: Ipv4Addr) -> Option<&PodId> {
        self.owners.get(&address)
    }

    /// Addresses and their owners.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, &PodId)> {
        self.owners.iter().map(|(address, pod)| (*address, pod))
    }

    fn requested(&self, pod: &PodId, address: std::net::IpAddr) -> Result<Ipv4Addr, IpamError> {
        let (first, last) = self.range();
        let refused = || IpamError::NotAssignable { pod: pod.clone(), address, first, last };
        let std::net::IpAddr::V4(v4) = address else { return Err(refused()) };
        match self.owners.get(&v4) {
            _ if !(first..=last).contains(&v4) => Err(refused()),
            Some(owner) => Err(IpamError::Taken { pod: pod.clone(), address: v4, owner: owner.clone() }),
            None => Ok(v4),
        }
    }

    fn next(&mut self, pod: &PodId) -> Result<Ipv4Addr, IpamError> {
        let (first, last) = (u32::from(self.range().0), u32::from(self.range().1));
        let start = self.last.map_or(first, |address| u32::from(address) + 1);
        let free = (start..=last)
            .chain(first..start.min(last + 1))
            .map(Ipv4Addr::from)
            .find(|address| !self.owners.contains_key(address));
        let Some(address) = free else {
            let count = self.owners.len();
            return Err(IpamError::Exhausted { pod: pod.clone(), subnet: self.subnet, count });
        };
        self.last = Some(address);
        Ok(address)
    }

    /// First and last assignable address.
    fn range(&self) -> (Ipv4Addr, Ipv4Addr) {
        let first = u32::from(self.gateway()).saturating_add(1);
        let last = u32::from(self.subnet.broadcast()).saturating_sub(1);
        (first.into(), last.into())
    }
}

/// The address of the bridge in a node's subnet: `.1`.
pub(crate) fn gateway(subnet: Ipv4Net) -> Ipv4Addr {
    u32::from(subnet.network()).saturating_add(1).into()
}

#[cfg(test)]
mod tests;
