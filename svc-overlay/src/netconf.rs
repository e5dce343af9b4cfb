//! flannel's network configuration: the JSON under etcd's `<prefix>/config` or in `net-conf.json`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::{Map, Value};

use crate::config::{DEFAULT_PORT, DEFAULT_VNI};
use crate::family::Family;
use crate::subnets::{Subnets, SubnetsError};

mod json;

use json::Object;

/// A network configuration, checked and with flannel's defaults filled in.
///
/// Keys are taken in any case and unknown ones are ignored, as flannel does. A missing `Backend` means vxlan, as
/// flannel's documentation says.
///
/// ```
/// use svc_overlay::{Family, NetConf};
///
/// let conf = NetConf::parse(r#"{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}"#)?;
/// let subnets = conf.subnets(Family::V4).expect("IPv4 is on by default");
/// assert_eq!((subnets.len(), conf.vxlan().vni(), conf.vxlan().port()), (24, 1, 8472));
/// assert_eq!(subnets.iter().next().map(|net| net.to_string()).as_deref(), Some("10.244.1.0/24"));
/// # Ok::<(), svc_overlay::NetConfError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetConf {
    /// One or two, IPv4 first.
    networks: Vec<IpNet>,
    /// Of the same families; none where nobody allocates.
    subnets: Vec<Subnets>,
    nftables: bool,
    mode: Mode,
    vxlan: VxlanConf,
}

/// `Backend.Type`: how packets travel between nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// In VXLAN tunnels.
    #[default]
    Vxlan,
    /// By plain routes to the nodes' addresses, on a link that all nodes share.
    HostGw,
}

/// The keys of a VXLAN `Backend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VxlanConf {
    vni: u32,
    port: u16,
    mtu: Option<u32>,
    gbp: bool,
    learning: bool,
    direct_routing: bool,
}

impl Default for VxlanConf {
    /// flannel's: VNI 1, port 8472, the underlay's MTU, everything else off.
    fn default() -> Self {
        let (gbp, learning, direct_routing) = (false, false, false);
        VxlanConf { vni: DEFAULT_VNI, port: DEFAULT_PORT, mtu: None, gbp, learning, direct_routing }
    }
}

impl VxlanConf {
    /// The VXLAN network identifier.
    #[must_use]
    pub fn vni(&self) -> u32 {
        self.vni
    }

    /// The UDP port; `0` in the configuration means the kernel's default, 8472.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The underlay's MTU, where it was set.
    #[must_use]
    pub fn mtu(&self) -> Option<u32> {
        self.mtu
    }

    /// Whether packets carry group policy marks (`GBP`).
    #[must_use]
    pub fn gbp(&self) -> bool {
        self.gbp
    }

    /// Whether devices learn FDB entries from the packets that come in.
    #[must_use]
    pub fn learning(&self) -> bool {
        self.learning
    }

    /// Whether packets to nodes on the same link go without a tunnel.
    #[must_use]
    pub fn direct_routing(&self) -> bool {
        self.direct_routing
    }
}

/// A configuration that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetConfError {
    /// Not JSON, or not an object.
    #[error("net-conf: {0}")]
    Json(String),
    /// A key that is missing or has a value that cannot be.
    #[error("net-conf {key}: {problem}")]
    Key {
        /// The key, with its object: `Backend.VNI`.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl NetConf {
    /// Reads and checks the JSON, the subnets to allocate from included: for a registry that allocates, as etcd's.
    ///
    /// # Errors
    ///
    /// The first key that breaks a rule.
    pub fn parse(text: &str) -> Result<Self, NetConfError> {
        let (mut conf, root) = Self::read(text)?;
        let subnets = conf.networks.iter().map(|network| subnets(&root, *network));
        conf.subnets = subnets.collect::<Result<_, _>>()?;
        Ok(conf)
    }

    /// Reads and checks the JSON without its rules about subnets to allocate: where somebody else gives each node its
    /// subnet, as Kubernetes does (`Node.spec.podCIDRs`). flannel's kube subnet manager does the same.
    ///
    /// # Errors
    ///
    /// The first key that breaks a rule.
    pub fn parse_without_allocation(text: &str) -> Result<Self, NetConfError> {
        Self::read(text).map(|(conf, _)| conf)
    }

    fn read(text: &str) -> Result<(Self, Object), NetConfError> {
        let json = |error: serde_json::Error| NetConfError::Json(error.to_string());
        let root = Object::new("", serde_json::from_str::<Map<String, Value>>(text).map_err(json)?);
        let networks = networks(&root)?;
        let backend = root.object("Backend")?;
        let mode = mode(&backend)?;
        let vxlan = vxlan(&backend)?;
        let nftables = root.boolean("EnableNFTables")?.unwrap_or(false);
        Ok((NetConf { networks, subnets: Vec::new(), nftables, mode, vxlan }, root))
    }

    /// The whole overlay's network in a family, if that family is on.
    #[must_use]
    pub fn network(&self, family: Family) -> Option<IpNet> {
        self.networks.iter().copied().find(|network| Family::of_net(*network) == family)
    }

    /// The overlay's networks, IPv4 first; at least one.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// The subnets that nodes may lease in a family. None where the family is off, and after
    /// [`parse_without_allocation`](Self::parse_without_allocation).
    #[must_use]
    pub fn subnets(&self, family: Family) -> Option<&Subnets> {
        self.subnets.iter().find(|subnets| Family::of_net(subnets.network()) == family)
    }

    /// `EnableNFTables`. This crate's rules are always nftables.
    #[must_use]
    pub fn nftables(&self) -> bool {
        self.nftables
    }

    /// How packets travel.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The settings of the VXLAN backend; their defaults in another mode.
    #[must_use]
    pub fn vxlan(&self) -> &VxlanConf {
        &self.vxlan
    }
}

fn networks(root: &Object) -> Result<Vec<IpNet>, NetConfError> {
    let on = |key, default| Ok::<_, NetConfError>(root.boolean(key)?.unwrap_or(default));
    let mut networks = Vec::new();
    if on("EnableIPv4", true)? {
        let network = root.parsed::<Ipv4Net>("Network", "10.244.0.0/16")?;
        networks.push(network.ok_or_else(|| missing("Network", "EnableIPv4"))?.trunc().into());
    }
    if on("EnableIPv6", false)? {
        let network = root.parsed::<Ipv6Net>("IPv6Network", "fd00:10:244::/48")?;
        networks.push(network.ok_or_else(|| missing("IPv6Network", "EnableIPv6"))?.trunc().into());
    }
    if networks.is_empty() {
        return Err(bad("EnableIPv4", "false, and EnableIPv6 is not true: switch one of them on"));
    }
    Ok(networks)
}

fn missing(key: &'static str, switch: &str) -> NetConfError {
    bad(key, format!("missing; give the overlay's network, or set {switch} to false"))
}

fn subnets(root: &Object, network: IpNet) -> Result<Subnets, NetConfError> {
    let [network_key, len_key, min_key, max_key] = match Family::of_net(network) {
        Family::V4 => ["Network", "SubnetLen", "SubnetMin", "SubnetMax"],
        Family::V6 => ["IPv6Network", "IPv6SubnetLen", "IPv6SubnetMin", "IPv6SubnetMax"],
    };
    let len = root.limited(len_key, 128)?.and_then(|len| u8::try_from(len).ok()).filter(|len| *len != 0);
    let bound = |key| match network {
        IpNet::V4(_) => Ok(root.parsed::<Ipv4Addr>(key, "10.244.1.0")?.map(IpAddr::V4)),
        IpNet::V6(_) => Ok(root.parsed::<Ipv6Addr>(key, "fd00:10:244:1::")?.map(IpAddr::V6)),
    };
    let (min, max) = (bound(min_key)?, bound(max_key)?);
    Subnets::new(network, len, min, max).map_err(|error| {
        let key = match error {
            SubnetsError::Network(_) => network_key,
            SubnetsError::Len(..) => len_key,
            SubnetsError::Min(_) => min_key,
            SubnetsError::Max(_) => max_key,
        };
        bad(key, error.to_string())
    })
}

fn mode(backend: &Object) -> Result<Mode, NetConfError> {
    match backend.string("Type")?.unwrap_or("vxlan") {
        kind if kind.eq_ignore_ascii_case("vxlan") => Ok(Mode::Vxlan),
        kind if kind.eq_ignore_ascii_case("host-gw") => Ok(Mode::HostGw),
        kind => Err(bad("Backend.Type", format!("{kind:?} is not supported; use \"vxlan\" or \"host-gw\""))),
    }
}

/// Zero and a missing key mean the default, as in flannel.
fn vxlan(backend: &Object) -> Result<VxlanConf, NetConfError> {
    let default = VxlanConf::default();
    let number = |key, max| Ok::<_, NetConfError>(backend.limited(key, max)?.filter(|number| *number != 0));
    let vni = number("VNI", (1 << 24) - 1)?.and_then(|vni| u32::try_from(vni).ok());
    let port = number("Port", u16::MAX.into())?.and_then(|port| u16::try_from(port).ok());
    let mtu = number("MTU", u16::MAX.into())?.and_then(|mtu| u32::try_from(mtu).ok());
    let on = |key| Ok::<_, NetConfError>(backend.boolean(key)?.unwrap_or(false));
    Ok(VxlanConf {
        vni: vni.unwrap_or(default.vni),
        port: port.unwrap_or(default.port),
        mtu,
        gbp: on("GBP")?,
        learning: on("Learning")?,
        direct_routing: on("DirectRouting")?,
    })
}

fn bad(key: &'static str, problem: impl Into<String>) -> NetConfError {
    NetConfError::Key { key, problem: problem.into() }
}

#[cfg(test)]
mod tests;
