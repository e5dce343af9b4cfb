//! Collects a configuration.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::args::{AddressArg, NetworkArg};
use super::{Config, ConfigError, DEFAULT_PORT, DEFAULT_VNI, Stack};
use crate::family::Family;
#[cfg(feature = "driver")]
use crate::interface::{Interface, InterfaceQuery};
use crate::lease::Lease;
use crate::mac::Mac;
use crate::netconf::{Mode, NetConf};
use crate::registry::{Leases, Registry};

/// Builds an overlay, or, with [`config`](Self::config), what plans are made of.
///
/// Networks, subnets and addresses are sorted by family: for both families, give each twice. A setting that cannot be
/// read is remembered and reported by [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build()"]
pub struct OverlayBuilder {
    networks: Vec<Result<IpNet, ConfigError>>,
    subnets: Vec<Result<IpNet, ConfigError>>,
    public_ips: Vec<Result<IpAddr, ConfigError>>,
    /// With whether another address may take its place.
    locals: Vec<(Result<IpAddr, ConfigError>, bool)>,
    macs: Vec<(Option<Family>, Result<Mac, ConfigError>)>,
    node: Option<String>,
    mode: Mode,
    vni: u32,
    port: u16,
    mtu: Option<u32>,
    gbp: bool,
    learning: bool,
    direct_routing: bool,
    checksum_offload: bool,
    underlay: Option<String>,
    bridge: String,
    masquerade: bool,
    pub(crate) registry: Arc<dyn Registry>,
    #[cfg(feature = "driver")]
    pub(crate) subnet_env: Option<std::path::PathBuf>,
    #[cfg(feature = "driver")]
    pub(crate) ipam_directory: Option<std::path::PathBuf>,
    #[cfg(feature = "driver")]
    pub(crate) reconcile: std::time::Duration,
    #[cfg(feature = "driver")]
    pub(crate) linger: std::time::Duration,
    /// By what another address is chosen when the device has lost this node's.
    #[cfg(feature = "driver")]
    pub(crate) query: InterfaceQuery,
}

impl OverlayBuilder {
    /// Begins with the whole overlay's network, such as `10.244.0.0/16`.
    pub fn new<N>(network: N) -> Self
    where
        N: TryInto<NetworkArg>,
        N::Error: Display,
    {
        Self::empty().network(network)
    }

    /// Begins with the networks and the backend's settings of flannel's network configuration.
    pub fn of_net_conf(conf: &NetConf) -> Self {
        let vxlan = conf.vxlan();
        let mut builder = Self::empty();
        builder.networks = conf.networks().iter().copied().map(Ok).collect();
        builder.mode = conf.mode();
        builder.mtu = vxlan.mtu();
        builder
            .vni(vxlan.vni())
            .port(vxlan.port())
            .gbp(vxlan.gbp())
            .learning(vxlan.learning())
            .direct_routing(vxlan.direct_routing())
    }

    fn empty() -> Self {
        OverlayBuilder {
            networks: Vec::new(),
            subnets: Vec::new(),
            public_ips: Vec::new(),
            locals: Vec::new(),
            macs: Vec::new(),
            node: None,
            mode: Mode::Vxlan,
            vni: DEFAULT_VNI,
            port: DEFAULT_PORT,
            mtu: None,
            gbp: false,
            learning: false,
            direct_routing: false,
            checksum_offload: true,
            underlay: None,
            bridge: "cni0".to_owned(),
            masquerade: true,
            registry: Arc::new(Leases::new()),
            #[cfg(feature = "driver")]
            subnet_env: None,
            #[cfg(feature = "driver")]
            ipam_directory: None,
            #[cfg(feature = "driver")]
            reconcile: std::time::Duration::from_secs(10),
            #[cfg(feature = "driver")]
            linger: std::time::Duration::from_secs(120),
            #[cfg(feature = "driver")]
            query: InterfaceQuery::new(),
        }
    }

    /// The whole overlay's network in another family, such as `fd00:10:244::/48`.
    pub fn network<N>(mut self, network: N) -> Self
    where
        N: TryInto<NetworkArg>,
        N::Error: Display,
    {
        self.networks.push(read("network", network).map(|NetworkArg(network)| network));
        self
    }

    /// This node, all of it: name, subnets, addresses, backend, VNI and MAC addresses of a lease.
    pub fn lease(mut self, lease: &Lease) -> Self {
        self.node = Some(lease.node().to_owned());
        if *lease.backend() == crate::lease::Backend::HostGw {
            self.mode = Mode::HostGw;
        }
        for half in lease.halves() {
            self.subnets.push(Ok(half.subnet));
            self.public_ips.push(Ok(half.public_ip));
            if let Some(data) = half.vxlan {
                self.vni = data.vni;
                self.macs.push((Some(half.family()), Ok(data.vtep_mac)));
            }
        }
        self
    }

    /// This node's name. Required.
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = Some(name.into());
        self
    }

    /// This node's pod subnet, such as `10.244.2.0/24`. Required, once for each family.
    pub fn subnet<N>(mut self, subnet: N) -> Self
    where
        N: TryInto<NetworkArg>,
        N::Error: Display,
    {
        self.subnets.push(read("subnet", subnet).map(|NetworkArg(subnet)| subnet));
        self
    }

    /// This node's address on the underlay, where peers send its packets. Required, once for each family.
    pub fn public_ip<A>(mut self, address: A) -> Self
    where
        A: TryInto<AddressArg>,
        A::Error: Display,
    {
        self.public_ips.push(read("public_ip", address).map(|AddressArg(address)| address));
        self
    }

    /// The address of this node's own link on the underlay, from which packets are sent, where it is not the one that peers
    /// know: behind a router that translates addresses. The node stays with it. Default, for each family: the public one, and
    /// with both another one of the same device, should that lose it.
    pub fn local<A>(mut self, address: A) -> Self
    where
        A: TryInto<AddressArg>,
        A::Error: Display,
    {
        let address = read("local", address).map(|AddressArg(address)| address);
        self.locals.push((address, false));
        self
    }

    /// The underlay device and this node's addresses on it, as the query found them. When the device loses one of them while the
    /// overlay is driven, and the query finds another one on it, the node moves there: see [`Overlay::drive`](crate::Overlay::drive).
    #[cfg(feature = "driver")]
    pub fn interface(mut self, found: &Interface, query: InterfaceQuery) -> Self {
        self.locals.extend(found.addresses.iter().map(|address| (Ok(*address), true)));
        self.query = query;
        self.underlay(&found.name)
    }

    /// The MAC address of the first family's VXLAN device. Default: derived from the node's name and network, always the
    /// same.
    pub fn mac<M>(mut self, mac: M) -> Self
    where
        M: TryInto<Mac>,
        M::Error: Display,
    {
        self.macs.push((None, read("mac", mac)));
        self
    }

    /// The MAC address of one family's VXLAN device.
    pub fn mac_of<M>(mut self, family: Family, mac: M) -> Self
    where
        M: TryInto<Mac>,
        M::Error: Display,
    {
        self.macs.push((Some(family), read("mac", mac)));
        self
    }

    /// How packets travel between nodes. Default: VXLAN.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
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

    /// The MTU of the underlay, where it is smaller than that of this node's device. Pods get what VXLAN adds less: 50
    /// bytes, over an IPv6 underlay 70.
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Whether VXLAN packets carry group policy marks (draft-smith-vxlan-group-policy). Default false.
    pub fn gbp(mut self, on: bool) -> Self {
        self.gbp = on;
        self
    }

    /// Whether VXLAN devices learn FDB entries from the packets that come in. Default false.
    pub fn learning(mut self, on: bool) -> Self {
        self.learning = on;
        self
    }

    /// Whether packets to peers on the underlay's own network go without a tunnel. Default false.
    pub fn direct_routing(mut self, on: bool) -> Self {
        self.direct_routing = on;
        self
    }

    /// Whether network cards may be left the checksums of packets in tunnels. Default true. Some compute wrong ones for the
    /// outer UDP header once such a packet was translated: set to false, the kernel computes them.
    pub fn checksum_offload(mut self, on: bool) -> Self {
        self.checksum_offload = on;
        self
    }

    /// The underlay device's name, where another one may have this node's own addresses too. Default: the device that has them. See
    /// [`Interfaces`](crate::Interfaces).
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

    /// Writes the file by which flannel's CNI plugin learns of the node's subnets, usually [`SUBNET_ENV`](crate::SUBNET_ENV),
    /// once the kernel is in step, and takes it away on clean-up. Default: no file.
    #[cfg(feature = "driver")]
    pub fn subnet_env(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.subnet_env = Some(path.into());
        self
    }

    /// Keeps the pods' addresses in files too, in the form and, with `/var/lib/cni/networks/cbr0`, the place of the CNI plugin
    /// host-local: what that has given out is not given out again, and addresses rest over a restart. Files of pods that
    /// are not attached any more are taken away at the start. Default: the ports' marks in the kernel alone.
    #[cfg(feature = "driver")]
    pub fn ipam_directory(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.ipam_directory = Some(path.into());
        self
    }

    /// How often the whole kernel state is compared even if nothing was reported. Default 10 s.
    #[cfg(feature = "driver")]
    pub fn reconcile_every(mut self, interval: std::time::Duration) -> Self {
        self.reconcile = interval;
        self
    }

    /// How long peers stay programmed whose leases have expired when the registry is back after it could not be reached: those
    /// that live publish again within moments, and packets go on meanwhile. Zero lets them go at once, as flannel does.
    /// Without effect where leases do not expire. Default 2 minutes.
    #[cfg(feature = "driver")]
    pub fn linger(mut self, time: std::time::Duration) -> Self {
        self.linger = time;
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
        Ok(crate::Overlay::new(config, self))
    }

    /// The checked configuration alone: enough to plan and to print, without a registry or a kernel.
    ///
    /// # Errors
    ///
    /// The first setting that is missing or cannot be.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let node = self.node.clone().filter(|name| !name.is_empty());
        let node = node.ok_or_else(|| missing("node", "this node's name"))?;
        let config = Config {
            stacks: self.stacks(&node)?,
            mode: self.mode,
            vni: self.vni,
            port: self.port,
            mtu: self.mtu,
            gbp: self.gbp,
            learning: self.learning,
            direct_routing: self.direct_routing,
            checksum_offload: self.checksum_offload,
            underlay: self.underlay.clone(),
            bridge: self.bridge.clone(),
            masquerade: self.masquerade,
            node,
        };
        config.check()?;
        Ok(config)
    }

    /// One for each family that has a network.
    fn stacks(&self, node: &str) -> Result<Vec<Stack>, ConfigError> {
        let networks = all(&self.networks)?;
        let subnets = all(&self.subnets)?;
        let public_ips = all(&self.public_ips)?;
        for (local, _) in &self.locals {
            local.clone()?;
        }
        let lost =
            |net: &&IpNet| !networks.iter().any(|network| Family::of_net(*network) == Family::of_net(**net));
        if let Some(subnet) = subnets.iter().find(lost) {
            let family = Family::of_net(*subnet);
            return Err(ConfigError::new("subnet", format!("{subnet}: the overlay has no {family} network")));
        }
        let mut stacks = Vec::new();
        for family in Family::ALL {
            // A later value takes the place of an earlier one.
            let Some(network) = networks.iter().rfind(|net| Family::of_net(**net) == family) else {
                continue;
            };
            let subnet = subnets.iter().rfind(|net| Family::of_net(**net) == family);
            let subnet =
                subnet.ok_or_else(|| missing("subnet", &format!("this node's {family} pod subnet")))?;
            let of_family = |address: &&IpAddr| Family::of(**address) == family;
            let public_ip = public_ips.iter().rfind(of_family);
            let public_ip =
                *public_ip.ok_or_else(|| missing("public_ip", &format!("this node's {family} address")))?;
            let (local, follows) = self.local_of(family).unwrap_or((public_ip, true));
            let network = network.trunc();
            let mac = self.mac_for(family, stacks.is_empty(), node, network)?;
            stacks.push(Stack { network, subnet: subnet.trunc(), public_ip, local, follows, mac });
        }
        Ok(stacks)
    }

    fn local_of(&self, family: Family) -> Option<(IpAddr, bool)> {
        let read = self.locals.iter().filter_map(|(local, follows)| Some((*local.as_ref().ok()?, *follows)));
        read.rev().find(|(local, _)| Family::of(*local) == family)
    }

    fn mac_for(&self, family: Family, first: bool, node: &str, network: IpNet) -> Result<Mac, ConfigError> {
        let of_family = |(of, _): &&(Option<Family>, _)| *of == Some(family) || (of.is_none() && first);
        match self.macs.iter().rfind(of_family) {
            Some((_, mac)) => mac.clone(),
            None => Ok(Mac::derived(&[node, &network.to_string(), &self.vni.to_string()])),
        }
    }
}

fn read<T, V>(field: &'static str, value: V) -> Result<T, ConfigError>
where
    V: TryInto<T>,
    V::Error: Display,
{
    value.try_into().map_err(|error| ConfigError::new(field, error.to_string()))
}

fn all<T: Copy>(values: &[Result<T, ConfigError>]) -> Result<Vec<T>, ConfigError> {
    values.iter().map(|value| value.as_ref().copied().map_err(Clone::clone)).collect()
}

fn missing(field: &'static str, what: &str) -> ConfigError {
    ConfigError::new(field, format!("missing; set {what}"))
}
