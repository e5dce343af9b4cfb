//! Which pod has which address: host-local's rules.
//!
//! Addresses are handed out round robin from the one after the last, so that an address rests as long as
//! possible before it is used again. The network address (`.0`), the gateway (`.1`) and the last address of the subnet
//! (IPv4's broadcast) are never handed out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::pod::PodId;

/// The addresses of one of a node's subnets. Serialises as its state, so an embedder can keep it over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipam {
    subnet: IpNet,
    last: Option<IpAddr>,
    owners: BTreeMap<IpAddr, PodId>,
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
        address: IpAddr,
        /// The first address that pods may have.
        first: IpAddr,
        /// The last one.
        last: IpAddr,
    },
    /// Another pod has the requested address.
    #[error("pod {pod}: address {address} belongs to pod {owner}; detach {owner} or ask for another address")]
    Taken {
        /// Who asked.
        pod: PodId,
        /// What was asked for.
        address: IpAddr,
        /// Who has it.
        owner: PodId,
    },
    /// The pod has an address already.
    #[error("pod {pod} is attached already, with address {address}; detach it first")]
    Attached {
        /// Who asked.
        pod: PodId,
        /// What it has.
        address: IpAddr,
    },
    /// Every address is in use.
    #[error(
        "pod {pod}: all {count} addresses of {subnet} are in use; detach a pod or give the node a larger subnet"
    )]
    Exhausted {
        /// Who asked.
        pod: PodId,
        /// The node's subnet.
        subnet: IpNet,
        /// How many addresses it has.
        count: usize,
    },
}

impl Ipam {
    /// No address handed out yet.
    #[must_use]
    pub fn new(subnet: IpNet) -> Self {
        Ipam { subnet: subnet.trunc(), last: None, owners: BTreeMap::new() }
    }

    /// The same, going on after the address that was handed out last, before a restart.
    #[must_use]
    pub fn after(mut self, last: Option<IpAddr>) -> Self {
        self.last = last.filter(|last| self.subnet.contains(last));
        self
    }

    /// Keeps an address from being handed out: somebody else has it.
    pub fn block(&mut self, address: IpAddr) {
        let nobody = PodId::new("", format!("somebody else ({address})"));
        self.owners.entry(address).or_insert(nobody);
    }

    /// The subnet.
    #[must_use]
    pub fn subnet(&self) -> IpNet {
        self.subnet
    }

    /// The address of the node's bridge: the first one of the subnet.
    #[must_use]
    pub fn gateway(&self) -> IpAddr {
        gateway(self.subnet)
    }

    /// Hands out the requested address, or the next free one.
    ///
    /// # Errors
    ///
    /// [`IpamError`]; nothing is changed then.
    pub fn acquire(&mut self, pod: &PodId, requested: Option<IpAddr>) -> Result<IpAddr, IpamError> {
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
    pub fn release(&mut self, pod: &PodId) -> Option<IpAddr> {
        let address = self.address_of(pod)?;
        self.owners.remove(&address);
        Some(address)
    }

    /// Takes back the addresses of all pods but those that `live` knows: what a process that was killed, or a node that
    /// was switched off, could not give back. Whose they were.
    pub fn collect_garbage(&mut self, live: impl Fn(&PodId) -> bool) -> BTreeMap<IpAddr, PodId> {
        let (kept, dead) = std::mem::take(&mut self.owners).into_iter().partition(|(_, pod)| live(pod));
        self.owners = kept;
        dead
    }

    /// The address that a pod has.
    #[must_use]
    pub fn address_of(&self, pod: &PodId) -> Option<IpAddr> {
        self.owners.iter().find(|(_, owner)| *owner == pod).map(|(address, _)| *address)
    }

    /// The pod that has an address.
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<&PodId> {
        self.owners.get(&address)
    }

    /// Addresses and their owners.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &PodId)> {
        self.owners.iter().map(|(address, pod)| (*address, pod))
    }

    fn requested(&self, pod: &PodId, address: IpAddr) -> Result<IpAddr, IpamError> {
        let (first, last) = self.range();
        match self.owners.get(&address) {
            _ if !(first..=last).contains(&address) => {
                Err(IpamError::NotAssignable { pod: pod.clone(), address, first, last })
            }
            Some(owner) => Err(IpamError::Taken { pod: pod.clone(), address, owner: owner.clone() }),
            None => Ok(address),
        }
    }

    fn next(&mut self, pod: &PodId) -> Result<IpAddr, IpamError> {
        let (first, last) = self.range();
        let start =
            self.last.and_then(|last| offset(last, 1)).filter(|start| *start <= last).unwrap_or(first);
        let free = self.free(start, last).or_else(|| self.free(first, last));
        let Some(address) = free else {
            let count = self.owners.len();
            return Err(IpamError::Exhausted { pod: pod.clone(), subnet: self.subnet, count });
        };
        self.last = Some(address);
        Ok(address)
    }

    /// The first free address from `start` on. O(addresses held in a row from there).
    fn free(&self, start: IpAddr, last: IpAddr) -> Option<IpAddr> {
        let mut candidate = start;
        for held in self.owners.range(start..=last).map(|(address, _)| *address) {
            if held != candidate {
                break;
            }
            candidate = offset(candidate, 1)?;
        }
        (candidate <= last).then_some(candidate)
    }

    /// First and last assignable address.
    fn range(&self) -> (IpAddr, IpAddr) {
        let first = offset(self.subnet.network(), 2).unwrap_or(self.subnet.network());
        let last = offset(self.subnet.broadcast(), -1).unwrap_or(self.subnet.broadcast());
        (first, last)
    }
}

/// The address of the bridge in a node's subnet: `.1`.
pub(crate) fn gateway(subnet: IpNet) -> IpAddr {
    offset(subnet.network(), 1).unwrap_or(subnet.network())
}

fn offset(address: IpAddr, by: i8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            u32::from(address).checked_add_signed(by.into()).map(|bits| IpAddr::V4(bits.into()))
        }
        IpAddr::V6(address) => {
            u128::from(address).checked_add_signed(by.into()).map(|bits| IpAddr::V6(bits.into()))
        }
    }
}

#[cfg(test)]
mod tests;
