//! ClusterIPs of one address family (KEP-1880: what may be handed out; KEP-3070: the bands).

use std::net::IpAddr;

use ipnet::IpNet;

use super::ledger::{Ledger, Range};
use super::number::{address, number};
use super::{AllocateError, ServiceCidr};
use crate::{AddressType, ObjectName};

/// The virtual addresses of one family and the Services that hold them: those of one service CIDR, or of several
/// (KEP-1880), which are used up one after the other.
#[derive(Clone, Debug)]
pub struct ClusterIps {
    family: AddressType,
    cidrs: Vec<ServiceCidr>,
    ledger: Ledger,
    seed: u64,
}

impl ClusterIps {
    /// All addresses of `cidr` but the network's own and IPv4's broadcast address.
    #[must_use]
    pub fn new(cidr: ServiceCidr, seed: u64) -> Self {
        Self { family: cidr.family(), cidrs: vec![cidr], ledger: Ledger::new(range(cidr.net())), seed }
    }

    /// One more service CIDR, which may overlap the others; one of the other family is not taken.
    pub fn add(&mut self, cidr: ServiceCidr) {
        if cidr.family() == self.family && !self.cidrs.contains(&cidr) {
            self.cidrs.push(cidr);
            self.ledger.add(range(cidr.net()));
        }
    }

    /// The service CIDRs.
    #[must_use]
    pub fn cidrs(&self) -> &[ServiceCidr] {
        &self.cidrs
    }

    /// The family of the addresses.
    #[must_use]
    pub fn family(&self) -> AddressType {
        self.family
    }

    /// Whether `address` is one that may be handed out.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        AddressType::of(address) == self.family && self.ledger.contains(number(address))
    }

    /// The Service that holds `address`.
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<&ObjectName> {
        if self.contains(address) { self.ledger.holder(number(address)) } else { None }
    }

    /// A free address for `owner`, from the dynamic band as long as it lasts.
    ///
    /// # Errors
    /// [`AllocateError::Exhausted`].
    pub fn allocate(&mut self, owner: &ObjectName) -> Result<IpAddr, AllocateError> {
        let found = self.ledger.allocate(owner, self.seed);
        let exhausted = || AllocateError::Exhausted { range: self.describe() };
        found.map(|number| address(self.family, number)).ok_or_else(exhausted)
    }

    /// Exactly `address` for `owner`: asked for in a manifest, or held before a restart.
    ///
    /// # Errors
    /// [`AllocateError::Taken`] naming both, [`AllocateError::OutOfRange`].
    pub fn claim(&mut self, address: IpAddr, owner: &ObjectName) -> Result<(), AllocateError> {
        let value = address.to_string();
        if !self.contains(address) {
            return Err(AllocateError::OutOfRange { value, range: self.describe() });
        }
        let claimed = self.ledger.claim(number(address), owner);
        claimed.map_err(|holder| AllocateError::Taken { value, holder, asker: owner.clone() })
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

    fn describe(&self) -> String {
        self.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

fn range(cidr: IpNet) -> Range {
    let (first, last) = assignable(cidr);
    Range { first, last, dynamic: number(cidr.network()) + static_band(size(cidr)) }
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

/// How many of the first of `size` addresses automatic allocation leaves alone (KEP-3070).
pub(super) fn static_band(size: u128) -> u128 {
    if size <= 16 { 0 } else { (size / 16).clamp(16, 256) }
}
