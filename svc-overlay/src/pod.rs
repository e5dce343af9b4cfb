//! Pods: who they are and what attaching them gives.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ipam::gateway;
use crate::kernel::Bridge;
use crate::mac::{Mac, fnv1a};
use crate::mark::Mark;

/// A pod's namespace and name, printed as `default/web-0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId {
    namespace: String,
    name: String,
}

/// The text is not `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not namespace/name of a pod")]
#[non_exhaustive]
pub struct ParsePodIdError {
    text: String,
}

impl PodId {
    /// The pod `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        PodId { namespace: namespace.into(), name: name.into() }
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => f.write_str(&self.name),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}

impl FromStr for PodId {
    type Err = ParsePodIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if !name.is_empty() => Ok(PodId::new(namespace, name)),
            _ => Err(ParsePodIdError { text: text.to_owned() }),
        }
    }
}

impl Serialize for PodId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PodId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What to attach a pod with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct AttachOptions {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) mac: Option<Mac>,
    pub(crate) interface: Option<String>,
}

impl AttachOptions {
    /// The next free address of each family, interface `eth0`.
    pub fn new() -> Self {
        AttachOptions::default()
    }

    /// This address, once for each family; it is an error if it cannot be had.
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// This MAC address for the pod's interface. Default: `0a:58` and the last four bytes of its first address, so that an
    /// address that is used again never meets a stale ARP entry.
    pub fn mac(mut self, mac: Mac) -> Self {
        self.mac = Some(mac);
        self
    }

    /// Another name for the interface in the pod than `eth0`.
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.interface = Some(name.into());
        self
    }
}

/// An attached pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub(crate) pod: PodId,
    pub(crate) port: Port,
}

impl Attachment {
    /// The pod.
    #[must_use]
    pub fn pod(&self) -> &PodId {
        &self.pod
    }

    /// Its first address: the IPv4 one, where it has both.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.port.addresses[0].addr()
    }

    /// Its addresses with the prefix length of the node's subnet, IPv4 first.
    #[must_use]
    pub fn addresses(&self) -> &[IpNet] {
        &self.port.addresses
    }

    /// The prefix length of its first address.
    #[must_use]
    pub fn prefix_len(&self) -> u8 {
        self.port.addresses[0].prefix_len()
    }

    /// The address of the bridge, by way of which it reaches everything else; of the family of
    /// [`address`](Self::address).
    #[must_use]
    pub fn gateway(&self) -> IpAddr {
        gateway(self.port.addresses[0])
    }

    /// The host end of its veth pair.
    #[must_use]
    pub fn host_interface(&self) -> &str {
        &self.port.host_interface
    }

    /// The interface in the pod.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.port.interface
    }

    /// The MAC address of the interface in the pod.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.port.mac
    }

    /// The largest packet.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.port.mtu
    }
}

/// A pod's veth pair as it should be: what a dataplane has to make.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Port {
    /// The host end.
    pub host_interface: String,
    /// The host end's alias.
    pub mark: Mark,
    /// The bridge on which it is.
    pub bridge: String,
    /// The interface in the pod.
    pub interface: String,
    /// Its MAC address.
    pub mac: Mac,
    /// Its addresses with the prefix lengths of their subnets; at least one.
    pub addresses: Vec<IpNet>,
    /// Its default gateways, one for each address.
    pub gateways: Vec<IpAddr>,
    /// The largest packet.
    pub mtu: u32,
}

impl Port {
    /// The port of a pod with these addresses, at least one, on the bridge.
    #[must_use]
    pub fn new(pod: &PodId, addresses: Vec<IpNet>, bridge: &Bridge, options: &AttachOptions) -> Self {
        let mark = Mark::Pod { pod: pod.clone(), addresses: addresses.iter().map(IpNet::addr).collect() };
        Port {
            host_interface: host_interface(pod, &bridge.name),
            mark,
            bridge: bridge.name.clone(),
            interface: options.interface.clone().unwrap_or_else(|| "eth0".to_owned()),
            mac: options.mac.unwrap_or_else(|| derived_mac(&addresses)),
            gateways: addresses.iter().map(|net| gateway(*net)).collect(),
            addresses,
            mtu: bridge.mtu,
        }
    }
}

fn derived_mac(addresses: &[IpNet]) -> Mac {
    let [a, b, c, d] = match addresses.first().map(IpNet::addr) {
        Some(IpAddr::V4(address)) => address.octets(),
        Some(IpAddr::V6(address)) => {
            let [.., a, b, c, d] = address.octets();
            [a, b, c, d]
        }
        None => [0; 4],
    };
    Mac::new([0x0a, 0x58, a, b, c, d])
}

/// The host end's name is the same each time, so that a restarted process and a second detach find it.
fn host_interface(pod: &PodId, bridge: &str) -> String {
    format!("veth{:08x}", fnv1a(&[&pod.namespace, &pod.name, bridge]) >> 32)
}

#[cfg(test)]
mod tests;
