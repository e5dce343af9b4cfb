//! The lab: a switch and the hosts on it.

use std::fmt;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

use ipnet::IpNet;

use crate::error::Error;
use crate::host::Host;
use crate::keep;
use crate::link::{self, Cable};
use crate::netns::Netns;
use crate::packet::{Mac, MacError};

const SWITCH: &str = "switch0";

/// A network of hosts on one switch, and pods on none. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lab {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Where the bridge is; no host can see it but through its own eth0.
    switch: Netns,
    bridge: u32,
    ports: AtomicU16,
    nsenter: Mutex<Vec<(String, String)>>,
    /// With `SVC_LAB_KEEP` hosts outlive the test that dropped them.
    kept: Option<Mutex<Vec<Host>>>,
}

impl Lab {
    pub(crate) async fn new() -> Result<Self, Error> {
        link::own_loopback_up().await?;
        let switch = Netns::spawn("switch").await?;
        let bridge = link::add_bridge(&switch, SWITCH).await?;
        let kept = keep::is_wanted().then(Mutex::default);
        let inner = Inner { switch, bridge, ports: AtomicU16::new(0), nsenter: Mutex::default(), kept };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins a host: a network namespace whose `eth0` is attached to the switch.
    ///
    /// ```no_run
    /// # async fn example(lab: svc_lab::Lab) -> svc_lab::Result {
    /// let server2 = lab.host("server2").address("172.20.10.2/24").mac("00:0c:29:9f:4f:02").create().await?;
    /// # Ok(()) }
    /// ```
    pub fn host(&self, name: &str) -> HostBuilder {
        HostBuilder {
            lab: self.clone(),
            name: name.into(),
            addresses: vec![],
            mac: None,
            mtu: None,
            default_route: None,
        }
    }

    /// Creates hosts with addresses of the lab's choosing, all in 198.18.0.0/16; [`Host::address`] tells them.
    ///
    /// # Errors
    ///
    /// As [`HostBuilder::create`].
    pub async fn hosts<const N: usize>(&self, names: [&str; N]) -> Result<[Host; N], Error> {
        let mut hosts = Vec::with_capacity(N);
        for name in names {
            hosts.push(self.host(name).create().await?);
        }
        hosts.try_into().map_err(|_| Error::text("create", "the hosts", "their number changed"))
    }

    /// Creates an empty network namespace, only `lo` in it, up. Attaching it to a network is the caller's work; see
    /// [`Host::netns`].
    ///
    /// # Errors
    ///
    /// If the kernel refuses a namespace.
    pub async fn pod(&self, name: &str) -> Result<Host, Error> {
        let netns = Netns::spawn(name).await?;
        self.settle(&netns).await?;
        Ok(self.listed(Host::new(netns, vec![], None)))
    }

    /// For each host and pod so far its name and the command by which a person outside enters it.
    #[must_use]
    pub fn nsenter(&self) -> Vec<(String, String)> {
        self.inner.nsenter.lock().map(|it| it.clone()).unwrap_or_default()
    }

    /// Addresses are usable at once, and `lo` is up.
    async fn settle(&self, netns: &Netns) -> Result<(), Error> {
        for scope in ["all", "default"] {
            let file = format!("net/ipv6/conf/{scope}/accept_dad");
            // A kernel without IPv6 has no such file, and nothing to switch off.
            let _ = crate::sysctl::write(netns, &file, "0").await;
        }
        link::up(netns, "lo").await
    }

    fn listed(&self, host: Host) -> Host {
        if let Ok(mut nsenter) = self.inner.nsenter.lock() {
            nsenter.push((host.name().into(), host.nsenter()));
        }
        if let Some(Ok(mut kept)) = self.inner.kept.as_ref().map(Mutex::lock) {
            kept.push(host.clone());
        }
        host
    }
}

/// A host about to be created; see [`Lab::host`].
#[must_use = "nothing is there before `create`"]
#[derive(Debug)]
pub struct HostBuilder {
    lab: Lab,
    name: String,
    addresses: Vec<String>,
    mac: Option<String>,
    mtu: Option<u32>,
    default_route: Option<String>,
}

impl HostBuilder {
    /// An address of `eth0` with its prefix length, `172.20.10.2/24` say, IPv4 or IPv6. May be repeated. Without any
    /// the lab chooses one.
    pub fn address(mut self, address: impl fmt::Display) -> Self {
        self.addresses.push(address.to_string());
        self
    }

    /// The hardware address of `eth0`, `00:0c:29:9f:4f:5a` say. Default: `02:00:00:00:NN:NN` by the host's number.
    pub fn mac(mut self, mac: impl fmt::Display) -> Self {
        self.mac = Some(mac.to_string());
        self
    }

    /// The MTU of `eth0` in bytes. Default: 1500.
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// The gateway of a default route.
    pub fn default_route(mut self, gateway: impl fmt::Display) -> Self {
        self.default_route = Some(gateway.to_string());
        self
    }

    /// Creates the host. When this returns its addresses are usable and its packets pass the switch.
    ///
    /// # Errors
    ///
    /// If an address cannot be parsed or the kernel refuses a step; nothing of the host is left then.
    pub async fn create(self) -> Result<Host, Error> {
        let number = self.lab.inner.ports.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let addresses = self.parsed_addresses(number)?;
        let mac = self.parsed_mac(number)?;
        let netns = Netns::spawn(&self.name).await?;
        self.lab.settle(&netns).await?;
        let port = port_name(number, &self.name);
        let inner = &self.lab.inner;
        let cable = Cable { port: &port, mac, mtu: self.mtu, host: netns.file().as_fd() };
        link::plug(&inner.switch, inner.bridge, &netns, &cable).await?;
        for &address in &addresses {
            link::add_address(&netns, "eth0", address).await?;
        }
        let host = Host::new(netns, addresses, Some((inner.switch.clone(), port)));
        if let Some(gateway) = &self.default_route {
            host.add_route("default", gateway).await?;
        }
        Ok(self.lab.listed(host))
    }

    fn parsed_addresses(&self, number: u16) -> Result<Vec<IpNet>, Error> {
        if self.addresses.is_empty() {
            let [high, low] = number.to_be_bytes();
            return Ok(vec![IpNet::new_assert([198, 18, high, low].into(), 16)]);
        }
        self.addresses.iter().map(|it| parse_net(&self.name, it)).collect()
    }

    fn parsed_mac(&self, number: u16) -> Result<[u8; 6], Error> {
        let [high, low] = number.to_be_bytes();
        let Some(text) = &self.mac else { return Ok([2, 0, 0, 0, high, low]) };
        let wrong = |why: String| Error::text("create", format_args!("host {:?}", self.name), why);
        let mac: Mac = text.parse().map_err(|error: MacError| wrong(error.to_string()))?;
        if mac.is_multicast() || mac.octets() == [0; 6] {
            return Err(wrong(format!("mac {mac} is not that of a single interface")));
        }
        Ok(mac.octets())
    }
}

pub(crate) fn parse_net(host: &str, text: &str) -> Result<IpNet, Error> {
    text.parse().map_err(|_| {
        let object = format!("address {text:?} of host {host:?}");
        Error::text("parse", object, "want an address and a prefix length as in 172.20.10.2/24")
    })
}

/// An interface name is at most 15 bytes long.
fn port_name(number: u16, host: &str) -> String {
    let host = host.chars().filter(|it| it.is_ascii_alphanumeric() || "-_.".contains(*it));
    format!("p{number}-").chars().chain(host).take(15).collect()
}
