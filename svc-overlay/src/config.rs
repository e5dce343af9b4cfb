//! What an overlay is, checked: the node's part in it, per family and as a whole.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::family::Family;
use crate::kernel::Scope;
use crate::lease::{Backend, Half, Lease};
use crate::mac::Mac;
use crate::netconf::Mode;
use crate::subnet_env::SubnetEnv;

mod args;
mod builder;

pub use args::{AddressArg, NetworkArg};
pub use builder::OverlayBuilder;

/// The default VXLAN network identifier, as flannel's.
pub const DEFAULT_VNI: u32 = 1;
/// The default UDP port of the VXLAN packets, as flannel's on Linux.
pub const DEFAULT_PORT: u16 = 8472;

/// The smallest MTU that each family allows on a link (RFC 791 section 3.2; RFC 8200 section 5).
const SMALLEST_MTU: [(Family, u32); 2] = [(Family::V4, 68), (Family::V6, 1280)];

/// An overlay's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) node: String,
    /// One or two, IPv4 first.
    pub(crate) stacks: Vec<Stack>,
    pub(crate) mode: Mode,
    pub(crate) vni: u32,
    pub(crate) port: u16,
    pub(crate) mtu: Option<u32>,
    pub(crate) gbp: bool,
    pub(crate) learning: bool,
    pub(crate) direct_routing: bool,
    pub(crate) checksum_offload: bool,
    pub(crate) underlay: Option<String>,
    pub(crate) bridge: String,
    pub(crate) masquerade: bool,
}

/// A node's part of the overlay in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stack {
    /// The whole overlay's network.
    pub network: IpNet,
    /// The node's pod subnet.
    pub subnet: IpNet,
    /// The node's address on the underlay, as its peers know it.
    pub public_ip: IpAddr,
    /// The address that the node itself has there: another one where a router between it and its peers translates.
    pub local: IpAddr,
    /// Whether another address of the device takes the place of `local` when that is gone.
    pub follows: bool,
    /// The MAC address that the VXLAN device is given.
    pub mac: Mac,
}

impl Stack {
    /// The family.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of_net(self.subnet)
    }
}

impl Config {
    /// This node's name.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The node's part in each family, IPv4 first; at least one.
    #[must_use]
    pub fn stacks(&self) -> &[Stack] {
        &self.stacks
    }

    /// The node's part in one family.
    #[must_use]
    pub fn stack(&self, family: Family) -> Option<&Stack> {
        self.stacks.iter().find(|stack| stack.family() == family)
    }

    /// How packets travel between nodes.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The name of a family's VXLAN device: `flannel.1` or `flannel-v6.1` for VNI 1, as flannel's.
    #[must_use]
    pub fn device(&self, family: Family) -> String {
        match family {
            Family::V4 => format!("flannel.{}", self.vni),
            Family::V6 => format!("flannel-v6.{}", self.vni),
        }
    }

    /// The name of the bridge.
    #[must_use]
    pub fn bridge(&self) -> &str {
        &self.bridge
    }

    /// This node's own lease, with the MAC addresses that its devices are to have.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease_with(&BTreeMap::new())
    }

    /// This node's own lease, with the MAC addresses that its devices really have.
    #[must_use]
    pub fn lease_with(&self, macs: &BTreeMap<Family, Mac>) -> Lease {
        let half = |stack: &Stack| match self.mode {
            Mode::Vxlan => {
                let mac = macs.get(&stack.family()).copied().unwrap_or(stack.mac);
                Half::vxlan(stack.subnet, stack.public_ip, self.vni, mac)
            }
            Mode::HostGw => Half::direct(stack.subnet, stack.public_ip),
        };
        let backend = match self.mode {
            Mode::Vxlan => Backend::Vxlan,
            Mode::HostGw => Backend::HostGw,
        };
        let lease = Lease::new(&self.node, backend, half(&self.stacks[0]));
        self.stacks[1..].iter().map(half).fold(lease, Lease::and)
    }

    /// What the node's CNI plugin has to know, with its pods' MTU.
    #[must_use]
    pub fn subnet_env(&self, mtu: u32) -> SubnetEnv {
        let networks = self.stacks.iter().map(|stack| stack.network);
        SubnetEnv::new(networks, self.stacks.iter().map(|stack| stack.subnet), mtu, self.masquerade)
    }

    /// The same node at these addresses of its own. Peers know it by them where they knew it by the former ones.
    #[cfg(feature = "driver")]
    pub(crate) fn at(&self, addresses: &BTreeMap<Family, IpAddr>) -> Config {
        let mut config = self.clone();
        for stack in &mut config.stacks {
            let Some(address) = addresses.get(&stack.family()) else { continue };
            if stack.public_ip == stack.local {
                stack.public_ip = *address;
            }
            stack.local = *address;
        }
        config
    }

    /// What a kernel has to be asked for.
    #[must_use]
    pub fn scope(&self) -> Scope {
        // Those of the families and modes that are off too: they may be left from a former configuration.
        let devices = Family::ALL.map(|family| self.device(family));
        let links = devices.iter().chain([&self.bridge]);
        let forward = self.stacks.iter().map(|stack| forward(stack.family()).to_owned());
        Scope {
            locals: self.stacks.iter().map(|stack| stack.local).collect(),
            underlay: self.underlay.clone(),
            bridge: self.bridge.clone(),
            sysctls: links.map(|link| accept_ra(link)).chain(forward).collect(),
            table: crate::masquerade::TABLE.to_owned(),
            checksum_offload: !self.checksum_offload,
            devices: devices.into(),
        }
    }

    /// What VXLAN adds to a packet over this node's underlay; the larger of the two families'. Pods have one MTU.
    pub(crate) fn overhead(&self) -> u32 {
        match self.mode {
            Mode::Vxlan => self.stacks.iter().map(|stack| stack.family().overhead()).max().unwrap_or(0),
            Mode::HostGw => 0,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.stacks.iter().try_for_each(check_stack)?;
        if !(1..1 << 24).contains(&self.vni) {
            return Err(ConfigError::new("vni", format!("{} is not in 1-16777215", self.vni)));
        }
        if self.port == 0 {
            return Err(ConfigError::new("port", "0 is not a UDP port; flannel's is 8472"));
        }
        self.check_mtu()?;
        // IFNAMSIZ is 16 with the ending zero byte.
        match self.bridge.as_str() {
            "" => Err(ConfigError::new("bridge", "the name is empty")),
            name if name.len() > 15 || name.contains(['/', ' ']) => {
                Err(ConfigError::new("bridge", format!("{name:?} is no interface name: at most 15 bytes")))
            }
            _ => Ok(()),
        }
    }

    fn check_mtu(&self) -> Result<(), ConfigError> {
        let of_family = |(family, least): (Family, u32)| self.stack(family).map(|_| least);
        let least = SMALLEST_MTU.into_iter().filter_map(of_family).max().unwrap_or(0) + self.overhead();
        match self.mtu {
            Some(mtu) if !(least..=65535).contains(&mtu) => {
                let problem = format!("{mtu} is not in {least}-65535; give the underlay's MTU, such as 1500");
                Err(ConfigError::new("mtu", problem))
            }
            _ => Ok(()),
        }
    }
}

fn check_stack(stack: &Stack) -> Result<(), ConfigError> {
    let Stack { network, subnet, public_ip, local, mac, .. } = stack;
    let longest = if stack.family() == Family::V4 { 30 } else { 126 };
    if !network.contains(subnet) {
        return Err(ConfigError::new("subnet", format!("{subnet} lies outside the network {network}")));
    }
    if subnet.prefix_len() > longest {
        let problem = format!("{subnet} has no room for a pod; use /{longest} or shorter");
        return Err(ConfigError::new("subnet", problem));
    }
    for (field, address) in [("public_ip", public_ip), ("local", local)] {
        if network.contains(address) {
            let problem = format!("{address} lies inside the overlay {network}; give the underlay's");
            return Err(ConfigError::new(field, problem));
        }
    }
    match mac.is_unicast() {
        true => Ok(()),
        false => Err(ConfigError::new("mac", format!("{mac} is not a unicast address"))),
    }
}

/// The sysctl that lets a host forward packets of a family.
pub(crate) fn forward(family: Family) -> &'static str {
    match family {
        Family::V4 => "net/ipv4/ip_forward",
        Family::V6 => "net/ipv6/conf/all/forwarding",
    }
}

/// The sysctl that lets router advertisements change a link.
pub(crate) fn accept_ra(link: &str) -> String {
    format!("net/ipv6/conf/{link}/accept_ra")
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("overlay {field}: {problem}")]
#[non_exhaustive]
pub struct ConfigError {
    field: &'static str,
    problem: String,
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        ConfigError { field, problem: problem.into() }
    }

    /// The setting's name.
    #[must_use]
    pub fn field(&self) -> &str {
        self.field
    }
}

#[cfg(test)]
mod tests;
