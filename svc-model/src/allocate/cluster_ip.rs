//! ClusterIPs of one address family (KEP-1880: what may be handed out; KEP-3070: the bands).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::AllocateError;
use super::ledger::Ledger;
use crate::{AddressType, ObjectName};

/// The virtual addresses of a service CIDR and the Services that hold them.
#[derive(Clone, Debug)]
pub struct ClusterIps {
    cidr: IpNet,
    ledger: Ledger,
    seed: u64,
}

impl ClusterIps {
    /// All addresses of `cidr` but the network's own and IPv4's broadcast address.
    #[must_use]
    pub fn new(cidr: IpNet, seed: u64) -> Self {
        let (first, last) = assignable(cidr);
        let ledger = Ledger::new(first, last, number(cidr.network()) + static_band(size(cidr)));
        Self { cidr: cidr.trunc(), ledger, seed }
    }

    /// The service CIDR.
    #[must_use]
    pub fn cidr(&self) -> IpNet {
        self.cidr
    }

    /// The family of the addresses.
    #[must_use]
    pub fn family(&self) -> AddressType {
        AddressType::of(self.cidr.addr())
    }

    /// Whether `address` is one that may be handed out.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.cidr.contains(&address) && self.ledger.contains(number(address))
    }

    /// The Service that holds `address`.
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<&ObjectName> {
        if self.cidr.contains(&address) { self.ledger.holder(number(address)) } else { None }
    }

    /// A free address for `owner`, from the dynamic band as long as it lasts.
    ///
    /// # Errors
    /// [`AllocateError::Exhausted`].
    pub fn allocate(&mut self, owner: &ObjectName) -> Result<IpAddr, AllocateError> {
        let found = self.ledger.allocate(owner, self.seed);
        let exhausted = || AllocateError::Exhausted { range: self.cidr.to_string() };
        found.map(|number| self.address(number)).ok_or_else(exhausted)
    }

    /// Exactly `address` for `owner`: asked for in a manifest, or held before a restart.
    ///
    /// # Errors
    /// [`AllocateError::Taken`] naming the holder, [`AllocateError::OutOfRange`].
    pub fn claim(&mut self, address: IpAddr, owner: &ObjectName) -> Result<(), AllocateError> {
        let value = address.to_string();
        if !self.contains(address) {
            return Err(AllocateError::OutOfRange { value, range: self.cidr.to_string() });
        }
        self.ledger.claim(number(address), owner).map_err(|owner| AllocateError::Taken { value, owner })
    }

    /// Takes back what `owner` holds, but for `keep`.
    pub fn retain(&mut self, owner: &ObjectName, keep: &[IpAddr]) {
        self.ledger.retain(owner, &keep.iter().map(|address| number(*address)).collect());
    }

    /// Takes back everything that `owner` holds.
    pub fn release(&mut self, owner: &ObjectName) {
        self.retain(owner, &[]);
    }

    /// How many addresses are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.ledger.len()
    }

    fn address(&self, number: u128) -> IpAddr {
        match self.cidr {
            IpNet::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
            IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }
}

/// Whether `cidr` has this address for a Service.
pub(crate) fn is_assignable(cidr: IpNet, address: IpAddr) -> bool {
    let (first, last) = assignable(cidr);
    cidr.contains(&address) && (first..=last).contains(&number(address))
}

/// All numbers but the network's own and IPv4's broadcast address.
fn assignable(cidr: IpNet) -> (u128, u128) {
    let size = size(cidr);
    let base = number(cidr.network());
    let reserved_last = u128::from(cidr.addr().is_ipv4() && size > 2);
    (base + u128::from(size > 1), base + (size - 1 - reserved_last))
}

fn size(cidr: IpNet) -> u128 {
    let host_bits = u32::from(cidr.max_prefix_len() - cidr.prefix_len());
    1_u128.checked_shl(host_bits).unwrap_or(u128::MAX)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// How many of the first of `size` addresses automatic allocation leaves alone (KEP-3070).
pub(super) fn static_band(size: u128) -> u128 {
    if size <= 16 { 0 } else { (size / 16).clamp(16, 256) }
}
