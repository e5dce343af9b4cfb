//! What the embedder sets.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::Ipv4Net;

use crate::kernel::Scope;
use crate::lease::Lease;
use crate::mac::Mac;
use crate::registry::{Leases, Registry};

/// The default VXLAN network identifier, as flannel's.
pub const DEFAULT_VNI: u32 = 1;
/// The default UDP port of the VXLAN packets, as flannel's on Linux.
pub const DEFAULT_PORT: u16 = 8472;
/// What VXLAN adds to a packet over an IPv4 underlay: inner Ethernet 14, VXLAN 8, UDP 8, IPv4 20.
pub const OVERHEAD: u32 = 50;

const FORWARD: &str = "net/ipv4/ip_forward";

/// An overlay's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) network: Ipv4Net,
    pub(crate) node: String,
    pub(crate) subnet: Ipv4Net,
    pub(crate) public_ip: Ipv4Addr,
    pub(crate) mac: Mac,
    pub(crate) vni: u32,
    pub(crate) port: u16,
    pub(crate) mtu: Option<u32>,
    pub(crate) underlay: Option<String>,
    pub(crate) bridge: String,
    pub(crate) masquerade: bool,
}

impl Config {
    /// The whole overlay's network.
    #[must_use]
    pub fn network(&self) -> Ipv4Net {
        self.network
    }

    /// This node's name.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// This node's pod subnet.
    #[must_use]
    pub fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// This node's address on the underlay.
    #[must_use]
    pub fn public_ip(&self) -> Ipv4Addr {
        self.public_ip
    }

    /// The MAC address that the VXLAN device is given.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// The name of the VXLAN device: `flannel.1` for VNI 1.
    #[must_use]
    pub fn device(&self) -> String {
        format!("flannel.{}", self.vni)
    }

    /// The name of the bridge.
    #[must_use]
    pub fn bridge(&self) -> &str {
        &self.bridge
    }

    /// This node's own lease, with the MAC address that the device really has.
    #[must_use]
    pub fn lease(&self, mac: Mac) -> Lease {
        Lease::vxlan(&self.node, self.subnet, self.public_ip, self.vni, mac)
    }

    /// What a kernel has to be asked for.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let device = self.device();
        let accept_ra = [&device, &self.bridge].map(|link| accept_ra(link));
        Scope {
            public_ip: IpAddr::V4(self.public_ip),
            underlay: self.underlay.clone(),
            bridge: self.bridge.clone(),
            sysctls: accept_ra.into_iter().chain([FORWARD.to_owned()]).collect(),
            table: crate::masquerade::TABLE.to_owned(),
            device,
        }
    }

    pub(crate) fn forward_sysctl() -> &'static str {
        FORWARD
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

/// Builds an overlay, or, with [`config`](Self::config), what plans are made of.
///
/// A setting that cannot be read is remembered and reported by [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build()"]
pub struct OverlayBuilder {
    network: Result<Ipv4Net, ConfigError>,
    node: Option<String>,
    subnet: Option<Result<Ipv4Net, ConfigError>>,
    public_ip: Option<Result<Ipv4Addr, ConfigError>>,
    mac: Option<Result<Mac, ConfigError>>,
    vni: u32,
    port: u16,
    mtu: Option<u32>,
    underlay: Option<String>,
    bridge: String,
    masquerade: bool,
    pub(crate) registry: Arc<dyn Registry>,
    #[cfg(feature = "driver")]
    pub(crate) reconcile: std::time::Duration,
}

impl OverlayBuilder {
    /// Begins with the whole overlay's network, such as `10.244.0.0/16`.
    pub fn new<N>(network: N) -> Self
    where
        N: TryInto<NetworkArg>,
        N::Error: Display,
    {
        OverlayBuilder {
            network: network
                .try_into()
                .map(|arg| arg.0)
                .map_err(|error| ConfigError::new("network", error.to_string())),
            node: None,
            subnet: None,
            public_ip: None,
            mac: None,
            vni: DEFAULT_VNI,
            port: DEFAULT_PORT,
            mtu: None,
            underlay: None,
            bridge: "cni0".to_owned(),
            masquerade: true,
            registry: Arc::new(Leases::new()),
            #[cfg(feature = "driver")]
            reconcile: std::time::Duration::from_secs(10),
        }
    }

    /// This node, all of it: name, subnet, address, VNI and MAC of a lease.
    pub fn lease(mut self, lease: &Lease) -> Self {
        self.node = Some(lease.node().to_owned());
        self.subnet = Some(Ok(lease.subnet()));
        self.public_ip = Some(Ok(lease.public_ip()));
        if let Some(data) = lease.vxlan_data() {
            self.vni = data.vni;
            self.mac = Some(Ok(data.vtep_mac));
        }
        self
    }

    /// This node's name. Required.
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = Some(name.into());
        self
    }

    /// This node's pod subnet, such as `10.244.2.0/24`. Required.
    pub fn subnet<N>(mut self, subnet: N) -> Self
    where
        N: TryInto<NetworkArg>,
        N::Error: Display,
    {
        let subnet = subnet.try_into().map(|arg| arg.0);
        self.subnet = Some(subnet.map_err(|error| ConfigError::new("subnet", error.to_string())));
        self
    }

    /// This node's address on the underlay, where peers send its packets. Required.
    pub fn public_ip<A>(mut self, address: A) -> Self
    where
        A: TryInto<AddressArg>,
        A::Error: Display,
    {
        let address = address.try_into().map(|arg| arg.0);
        self.public_ip = Some(address.map_err(|error| ConfigError::new("public_ip", error.to_string())));
        self
    }

    /// The MAC address of the VXLAN device. Default: derived from the node's name and network, always the same.
    pub fn mac<M>(mut self, mac: M) -> Self
    where
        M: TryInto<Mac>,
        M::Error: Display,
    {
        self.mac = Some(mac.try_into().map_err(|error| ConfigError::new("mac", error.to_string())));
        self
    }

    /// The VXLAN network identifier, 1 to 16777215. Default 1.
    pub fn vni(mut self, vni: u32) -> Self {
        self.vni = vni;
        self
    }

    /// The UDP port of the VXLAN packets; the same on all nodes. Default 8472.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The MTU of the underlay, where it is smaller than that of this node's device. Pods get 50 bytes less.
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// The underlay device's name. Default: the device that has the public address.
    pub fn underlay(mut self, name: impl Into<String>) -> Self {
        self.underlay = Some(name.into());
        self
    }

    /// The name of the pods' bridge. Default `cni0`.
    pub fn bridge(mut self, name: impl Into<String>) -> Self {
        self.bridge = name.into();
        self
    }

    /// Whether packets that leave the overlay get the node's address as source, and forwarding is accepted.
    /// Default true.
    pub fn masquerade(mut self, on: bool) -> Self {
        self.masquerade = on;
        self
    }

    /// Where leases are published and watched. Default: a new, empty [`Leases`].
    pub fn registry(mut self, registry: impl Registry + 'static) -> Self {
        self.registry = Arc::new(registry);
        self
    }

    /// How often the whole kernel state is compared even if nothing was reported. Default 10 s.
    #[cfg(feature = "driver")]
    pub fn reconcile_every(mut self, interval: std::time::Duration) -> Self {
        self.reconcile = interval;
        self
    }

    /// The overlay, ready to be driven.
    ///
    /// # Errors
    ///
    /// The first setting that is missing or cannot be.
    #[cfg(feature = "driver")]
    pub fn build(self) -> Result<crate::Overlay, ConfigError> {
        let config = self.config()?;
        Ok(crate::Overlay::new(config, self.registry, self.reconcile))
    }

    /// The checked configuration alone: enough to plan and to print, without a registry or a kernel.
    ///
    /// # Errors
    ///
    /// The first setting that is missing or cannot be.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let network = self.network.clone()?;
        let node = self.node.clone().filter(|name| !name.is_empty());
        let node = node.ok_or_else(|| missing("node", "this node's name"))?;
        let subnet = self.subnet.clone().ok_or_else(|| missing("subnet", "this node's pod subnet"))??;
        let public_ip =
            self.public_ip.clone().ok_or_else(|| missing("public_ip", "this node's address"))??;
        let derived = || Mac::derived(&[&node, &network.to_string(), &self.vni.to_string()]);
        let mac = self.mac.clone().unwrap_or_else(|| Ok(derived()))?;
        let config = Config {
            network: network.trunc(),
            subnet: subnet.trunc(),
            public_ip,
            mac,
            vni: self.vni,
            port: self.port,
            mtu: self.mtu,
            underlay: self.underlay.clone(),
            bridge: self.bridge.clone(),
            masquerade: self.masquerade,
            node,
        };
        config.check()?;
        Ok(config)
    }
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let Config { network, subnet, .. } = self;
        if !network.contains(subnet) {
            return Err(ConfigError::new("subnet", format!("{subnet} lies outside the network {network}")));
        }
        if subnet.prefix_len() > 30 {
            return Err(ConfigError::new(
                "subnet",
                format!("{subnet} has no room for a pod; use /30 or shorter"),
            ));
        }
        if network.contains(&self.public_ip) {
            let problem =
                format!("{} lies inside the overlay {network}; give the underlay's", self.public_ip);
            return Err(ConfigError::new("public_ip", problem));
        }
        self.check_numbers()
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        if !self.mac.is_unicast() {
            return Err(ConfigError::new("mac", format!("{} is not a unicast address", self.mac)));
        }
        if !(1..1 << 24).contains(&self.vni) {
            return Err(ConfigError::new("vni", format!("{} is not in 1-16777215", self.vni)));
        }
        if self.port == 0 {
            return Err(ConfigError::new("port", "0 is not a UDP port; flannel's is 8472"));
        }
        if self.mtu.is_some_and(|mtu| !(OVERHEAD + 68..=65535).contains(&mtu)) {
            return Err(ConfigError::new("mtu", "outside 118-65535; give the underlay's MTU, such as 1500"));
        }
        // IFNAMSIZ is 16 with the ending zero byte.
        match self.bridge.as_str() {
            "" => Err(ConfigError::new("bridge", "the name is empty")),
            name if name.len() > 15 || name.contains(['/', ' ']) => {
                Err(ConfigError::new("bridge", format!("{name:?} is no interface name: at most 15 bytes")))
            }
            _ => Ok(()),
        }
    }
}

fn missing(field: &'static str, what: &str) -> ConfigError {
    ConfigError::new(field, format!("missing; set {what}"))
}

/// An IPv4 network, given as a typed value or as text.
#[derive(Clone, Copy, Debug)]
pub struct NetworkArg(Ipv4Net);

impl From<Ipv4Net> for NetworkArg {
    fn from(network: Ipv4Net) -> Self {
        NetworkArg(network)
    }
}

impl TryFrom<&str> for NetworkArg {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
            .map(NetworkArg)
            .map_err(|_| format!("{text:?} is not an IPv4 network such as 10.244.0.0/16"))
    }
}

/// An IPv4 address, given as a typed value or as text.
#[derive(Clone, Copy, Debug)]
pub struct AddressArg(Ipv4Addr);

impl From<Ipv4Addr> for AddressArg {
    fn from(address: Ipv4Addr) -> Self {
        AddressArg(address)
    }
}

impl TryFrom<&str> for AddressArg {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
            .map(AddressArg)
            .map_err(|_| format!("{text:?} is not an IPv4 address such as 172.20.10.2"))
    }
}

#[cfg(test)]
mod tests;
