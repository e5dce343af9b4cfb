//! Pods: who they are and what attaching them gives.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

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
        write!(f, "{}/{}", self.namespace, self.name)
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
    pub(crate) address: Option<IpAddr>,
    pub(crate) mac: Option<Mac>,
    pub(crate) interface: Option<String>,
}

impl AttachOptions {
    /// The next free address, interface `eth0`.
    pub fn new() -> Self {
        AttachOptions::default()
    }

    /// This address; it is an error if it cannot be had.
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// This MAC address for the pod's interface. Default: `0a:58` and the four bytes of its address, so that an address
    /// that is used again never meets a stale ARP entry.
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

    /// Its address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.port.address.into()
    }

    /// The prefix length of its address.
    #[must_use]
    pub fn prefix_len(&self) -> u8 {
        self.port.prefix_len
    }

    /// The address of the bridge, by way of which it reaches everything else.
    #[must_use]
    pub fn gateway(&self) -> IpAddr {
        self.port.gateway.into()
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
    /// Its address.
    pub address: Ipv4Addr,
    /// The prefix length of its address.
    pub prefix_len: u8,
    /// Its default gateway.
    pub gateway: Ipv4Addr,
    /// The largest packet.
    pub mtu: u32,
}

impl Port {
    /// The port of a pod with this address on the bridge.
    #[must_use]
    pub fn new(
        pod: &PodId,
        address: Ipv4Addr,
        subnet: ipnet::Ipv4Net,
        bridge: &Bridge,
        options: &AttachOptions,
    ) -> Self {
        let [a, b, c, d] = address.octets();
        Port {
            host_interface: host_interface(pod, &bridge.name),
            mark: Mark::Pod { pod: pod.clone(), address },
            bridge: bridge.name.clone(),
            interface: options.interface.clone().unwrap_or_else(|| "eth0".to_owned()),
            mac: options.mac.unwrap_or(Mac::new([0x0a, 0x58, a, b, c, d])),
            address,
            prefix_len: subnet.prefix_len(),
            gateway: gateway(subnet),
            mtu: bridge.mtu,
        }
    }
}

/// The host end's name is the same each time, so that a restarted process and a second detach find it.
fn host_interface(pod: &PodId, bridge: &str) -> String {
    format!("veth{:08x}", fnv1a(&[&pod.namespace, &pod.name, bridge]) >> 32)
}

#[cfg(test)]
mod tests;
