//! The kernel's objects as values, and one dump of those that concern the overlay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::family::Family;
use crate::mac::Mac;
use crate::mark::Mark;
use crate::masquerade::Rules;
use crate::pod::PodId;

/// The `rtm_protocol` number on our routes and neighbours (`ip route show proto 120`).
pub const PROTOCOL: u8 = 120;

/// A VXLAN device as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Its name: `flannel.1`.
    pub name: String,
    /// The VXLAN network identifier.
    pub vni: u32,
    /// The UDP destination port.
    pub port: u16,
    /// The outer source address.
    pub local: IpAddr,
    /// The interface index of the underlay device.
    pub underlay: u32,
    /// The largest inner packet.
    pub mtu: u32,
    /// Its MAC address.
    pub mac: Mac,
    /// Whether it learns FDB entries from the packets that come in.
    pub learning: bool,
    /// Whether packets carry group policy marks.
    pub gbp: bool,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Device { name, vni, port, local, underlay, mtu, mac, learning, gbp } = self;
        let learning = if *learning { "learning" } else { "nolearning" };
        write!(f, "{name} address {mac} mtu {mtu} type vxlan id {vni} dev if{underlay} local {local} ")?;
        write!(f, "dstport {port} {learning}{}", if *gbp { " gbp" } else { "" })
    }
}

/// The bridge of a node's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bridge {
    /// Its name: `cni0`.
    pub name: String,
    /// Its own MAC address; without one it would take the lowest of its ports', and change it with them.
    pub mac: Mac,
    /// The largest packet.
    pub mtu: u32,
}

impl fmt::Display for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} address {} mtu {} type bridge", self.name, self.mac, self.mtu)
    }
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// The next hop.
    pub via: Option<IpAddr>,
    /// The device's name.
    pub device: String,
    /// Whether the next hop is taken to be on the link whatever the addresses say.
    pub onlink: bool,
    /// Who put it there.
    pub protocol: u8,
}

impl Route {
    /// Our route to a peer's pods: by way of the subnet's own network address, on the VXLAN device.
    #[must_use]
    pub fn onlink(destination: impl Into<IpNet>, via: IpAddr, device: impl Into<String>) -> Self {
        let destination = destination.into();
        Route { destination, via: Some(via), device: device.into(), onlink: true, protocol: PROTOCOL }
    }

    /// Our route to the pods of a peer on the underlay's own network: straight to its address.
    #[must_use]
    pub fn direct(destination: impl Into<IpNet>, via: IpAddr, device: impl Into<String>) -> Self {
        Route { onlink: false, ..Route::onlink(destination, via, device) }
    }

    /// Whether we put it there.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        write!(f, " dev {} proto {}", self.device, self.protocol)?;
        if self.onlink { write!(f, " onlink") } else { Ok(()) }
    }
}

/// A permanent neighbour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its MAC address.
    pub mac: Mac,
    /// The device's name.
    pub device: String,
    /// Who put it there.
    pub protocol: u8,
}

impl Neighbour {
    /// A neighbour of ours.
    #[must_use]
    pub fn permanent(address: IpAddr, mac: Mac, device: impl Into<String>) -> Self {
        Neighbour { address, mac, device: device.into(), protocol: PROTOCOL }
    }

    /// Whether we put it there.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lladdr {} dev {} nud permanent", self.address, self.mac, self.device)?;
        if self.protocol == 0 { Ok(()) } else { write!(f, " proto {}", self.protocol) }
    }
}

/// An entry of the VXLAN device's forwarding database: frames for this MAC go to that node.
///
/// The kernel keeps no protocol number here; what is on our own device is ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FdbEntry {
    /// The inner destination MAC address.
    pub mac: Mac,
    /// The outer destination address.
    pub destination: IpAddr,
    /// The device's name.
    pub device: String,
}

impl FdbEntry {
    /// A permanent entry.
    #[must_use]
    pub fn permanent(mac: Mac, destination: IpAddr, device: impl Into<String>) -> Self {
        FdbEntry { mac, destination, device: device.into() }
    }
}

impl fmt::Display for FdbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dev {} dst {} self permanent", self.mac, self.device, self.destination)
    }
}

/// The device of the underlay, which carries the outer packets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Underlay {
    /// Its name.
    pub name: String,
    /// Its interface index.
    pub index: u32,
    /// Its MTU.
    pub mtu: u32,
    /// Its addresses: they say which peers are on its own network.
    pub addresses: BTreeSet<IpNet>,
}

impl Underlay {
    /// The device with this name, index and MTU, and no address.
    #[must_use]
    pub fn new(name: impl Into<String>, index: u32, mtu: u32) -> Self {
        Underlay { name: name.into(), index, mtu, addresses: BTreeSet::new() }
    }

    /// The same device with these addresses.
    #[must_use]
    pub fn with_addresses(mut self, addresses: impl IntoIterator<Item = IpNet>) -> Self {
        self.addresses = addresses.into_iter().collect();
        self
    }

    /// Whether an address is on the device's own network: reached without a router.
    #[must_use]
    pub fn is_neighbour(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|net| net.contains(&address) && net.addr() != address)
    }
}

/// A link that was found, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found<T> {
    /// Its interface index.
    pub index: u32,
    /// What it is; nothing when a link of another kind has the name.
    pub link: Option<T>,
    /// Whether it is set up.
    pub up: bool,
    /// Its alias when that is a mark of ours.
    pub mark: Option<Mark>,
    /// Its addresses, but for IPv6 link-local ones.
    pub addresses: BTreeSet<IpNet>,
}

/// A pod's port on the bridge, recognised by its alias.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodPort {
    /// The host end of the veth pair.
    pub interface: String,
    /// Whose it is.
    pub pod: PodId,
    /// The pod's addresses, one of each family that it has.
    pub addresses: Vec<IpAddr>,
}

/// Which objects a dump is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scope {
    /// The addresses by which the underlay device is found: it has them all.
    pub locals: Vec<IpAddr>,
    /// The name of the underlay device, when it was given.
    pub underlay: Option<String>,
    /// The names of the VXLAN devices, those of families that are off too.
    pub devices: Vec<String>,
    /// The name of the bridge.
    pub bridge: String,
    /// Keys of `/proc/sys`, such as `net/ipv4/ip_forward`.
    pub sysctls: BTreeSet<String>,
    /// Whether to ask who computes the checksums of packets on the VXLAN devices.
    pub checksum_offload: bool,
    /// The name of our nftables tables.
    pub table: String,
}

/// What a kernel holds of that which concerns one overlay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kernel {
    /// The underlay device.
    pub underlay: Option<Underlay>,
    /// The links with the VXLAN devices' names.
    pub devices: BTreeMap<String, Found<Device>>,
    /// The link with the bridge's name.
    pub bridge: Option<Found<Bridge>>,
    /// Our pods' ports.
    pub ports: Vec<PodPort>,
    /// Routes of the main table: all on the VXLAN devices, and those of other devices.
    pub routes: BTreeSet<Route>,
    /// Permanent neighbours of the VXLAN devices.
    pub neighbours: BTreeSet<Neighbour>,
    /// Permanent FDB entries of the VXLAN devices.
    pub fdb: BTreeSet<FdbEntry>,
    /// Whether a network card may compute the checksums of packets on a VXLAN device, where that was asked for.
    pub checksum_offload: BTreeMap<String, bool>,
    /// The sysctls that exist, of those asked for.
    pub sysctls: BTreeMap<String, String>,
    /// Our nftables tables.
    pub rules: BTreeMap<Family, Rules>,
}
