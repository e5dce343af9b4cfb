//! One change of the kernel each, as a value that prints like the command that would make it.

use std::fmt;

use ipnet::IpNet;
use svc_nft::TableId;

use crate::kernel::{Bridge, Device, FdbEntry, Neighbour, Route};
use crate::mark::Mark;
use crate::masquerade::Rules;

/// One change of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Create the VXLAN device with its final MAC address, marked as ours, and set it up.
    AddDevice(Device, Mark),
    /// Bring a living VXLAN device to this MTU, MAC address and learning mode, and set it up.
    SetDevice(Device),
    /// Create the bridge, marked as ours, and set it up.
    AddBridge(Bridge, Mark),
    /// Bring a living bridge to this MTU and MAC address, and set it up.
    SetBridge(Bridge),
    /// Delete a link by its name.
    DeleteLink(String),
    /// Give a link an address.
    AddAddress(IpNet, String),
    /// Take an address from a link.
    DeleteAddress(IpNet, String),
    /// Create or replace a neighbour.
    SetNeighbour(Neighbour),
    /// Delete a neighbour.
    DeleteNeighbour(Neighbour),
    /// Create or replace an FDB entry.
    SetFdb(FdbEntry),
    /// Delete an FDB entry.
    DeleteFdb(FdbEntry),
    /// Create a route; fails when one to the same destination exists, whoever made it.
    AddRoute(Route),
    /// Replace our own route to the same destination.
    ReplaceRoute(Route),
    /// Delete a route.
    DeleteRoute(Route),
    /// Write a sysctl.
    SetSysctl {
        /// The key under `/proc/sys`.
        key: String,
        /// The value.
        value: String,
    },
    /// Put our nftables table in place of the one that is there, atomically.
    SetRules(Rules),
    /// Delete our nftables table.
    DeleteRules(TableId),
    /// Let the kernel compute the checksums of packets that leave by a link, or the network card below it.
    SetChecksumOffload {
        /// The link.
        device: String,
        /// Whether the card may do it.
        on: bool,
    },
}

impl Operation {
    /// Whether this may only be done once `other` has been done: a route without its neighbour or FDB entry would
    /// swallow packets, and nothing can be put on a device that is not there.
    #[must_use]
    pub fn needs(&self, other: &Operation) -> bool {
        match other {
            Operation::AddDevice(device, _) => self.device() == Some(&device.name),
            Operation::AddBridge(bridge, _) => self.device() == Some(&bridge.name),
            Operation::SetNeighbour(neighbour) => self.route().is_some_and(|route| {
                route.device == neighbour.device && route.via == Some(neighbour.address)
            }),
            Operation::SetFdb(entry) => matches!(self, Operation::SetNeighbour(neighbour)
                if neighbour.device == entry.device && neighbour.mac == entry.mac),
            _ => false,
        }
    }

    /// Whether the node does its main job without this; a refusal is reported, not retried at once.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        matches!(self, Operation::SetSysctl { .. } | Operation::SetChecksumOffload { .. })
    }

    fn route(&self) -> Option<&Route> {
        match self {
            Operation::AddRoute(route) | Operation::ReplaceRoute(route) => Some(route),
            _ => None,
        }
    }

    /// The device on which something is put.
    fn device(&self) -> Option<&str> {
        match self {
            Operation::AddAddress(_, device) | Operation::SetChecksumOffload { device, .. } => Some(device),
            Operation::SetNeighbour(neighbour) => Some(&neighbour.device),
            Operation::SetFdb(entry) => Some(&entry.device),
            _ => self.route().map(|route| route.device.as_str()),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::AddDevice(device, mark) => write!(f, "ip link add {device} alias {:?} up", text(mark)),
            Operation::SetDevice(device) => {
                let Device { name, mtu, mac, learning, .. } = device;
                let learning = if *learning { "learning" } else { "nolearning" };
                write!(f, "ip link set {name} address {mac} mtu {mtu} up type vxlan {learning}")
            }
            Operation::AddBridge(bridge, mark) => write!(f, "ip link add {bridge} alias {:?} up", text(mark)),
            Operation::SetBridge(Bridge { name, mac, mtu }) => {
                write!(f, "ip link set {name} address {mac} mtu {mtu} up")
            }
            Operation::DeleteLink(name) => write!(f, "ip link delete {name}"),
            Operation::AddAddress(address, device) => write!(f, "ip address add {address} dev {device}"),
            Operation::DeleteAddress(address, device) => {
                write!(f, "ip address delete {address} dev {device}")
            }
            Operation::SetNeighbour(neighbour) => write!(f, "ip neigh replace {neighbour}"),
            Operation::DeleteNeighbour(neighbour) => {
                write!(f, "ip neigh delete {} dev {}", neighbour.address, neighbour.device)
            }
            Operation::SetFdb(entry) => write!(f, "bridge fdb replace {entry}"),
            Operation::DeleteFdb(entry) => {
                write!(f, "bridge fdb delete {} dev {} self", entry.mac, entry.device)
            }
            Operation::AddRoute(route) => write!(f, "ip route add {route}"),
            Operation::ReplaceRoute(route) => write!(f, "ip route replace {route}"),
            Operation::DeleteRoute(route) => write!(f, "ip route delete {route}"),
            Operation::SetSysctl { key, value } => write!(f, "sysctl -w {}={value}", dotted(key)),
            Operation::SetRules(rules) => write!(f, "nft -f - <<'END'\n{rules}END"),
            Operation::DeleteRules(table) => write!(f, "nft delete table {table}"),
            Operation::SetChecksumOffload { device, on } => {
                write!(f, "ethtool -K {device} tx-checksum-ip-generic {}", if *on { "on" } else { "off" })
            }
        }
    }
}

fn text(mark: &Mark) -> String {
    mark.to_string()
}

/// sysctl(8) swaps dots and slashes: `net/ipv6/conf/flannel.1/x` is `net.ipv6.conf.flannel/1.x`.
fn dotted(key: &str) -> String {
    key.chars()
        .map(|char| match char {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect()
}

/// Operations in the order in which they are to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    operations: Vec<Operation>,
}

impl Changes {
    /// The operations, in order.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether the kernel holds what it should.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }
}

impl From<Vec<Operation>> for Changes {
    fn from(operations: Vec<Operation>) -> Self {
        Changes { operations }
    }
}

/// One command a line.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operations.iter().try_for_each(|operation| writeln!(f, "{operation}"))
    }
}

#[cfg(test)]
mod tests;
