//! What a cluster hands out.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::AddressType;
use crate::allocate::{ServiceCidr, is_assignable};

/// What a cluster hands out, and therefore what may be asked for.
#[derive(Clone, Debug)]
pub struct Ranges {
    service_cidrs: Vec<ServiceCidr>,
    node_ports: RangeInclusive<u16>,
}

impl Default for Ranges {
    /// 10.96.0.0/12 and 30000-32767, as kubeadm sets them.
    fn default() -> Self {
        let cidr = ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 96, 0, 0), 12);
        Self { service_cidrs: vec![cidr.into()], node_ports: 30_000..=32_767 }
    }
}

impl Ranges {
    /// The same with these ranges of virtual addresses, primary family first; there may be several of a family.
    #[must_use]
    pub fn service_cidrs(mut self, cidrs: Vec<ServiceCidr>) -> Self {
        self.service_cidrs = cidrs;
        self
    }

    /// The same with these node ports.
    #[must_use]
    pub fn node_ports(mut self, range: RangeInclusive<u16>) -> Self {
        self.node_ports = range;
        self
    }

    /// The ranges of virtual addresses.
    #[must_use]
    pub fn cidrs(&self) -> &[ServiceCidr] {
        &self.service_cidrs
    }

    /// The node ports.
    #[must_use]
    pub fn node_port_range(&self) -> RangeInclusive<u16> {
        self.node_ports.clone()
    }

    /// The address families, primary first.
    #[must_use]
    pub fn families(&self) -> Vec<AddressType> {
        let mut families = Vec::with_capacity(2);
        for family in self.service_cidrs.iter().map(|cidr| cidr.family()) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
        families
    }

    /// Whether a Service may have this virtual address.
    #[must_use]
    pub fn offer(&self, address: IpAddr) -> bool {
        self.service_cidrs.iter().any(|cidr| is_assignable(cidr.net(), address))
    }
}
