//! Leases: which node owns which pod subnet, and how to reach it.
//!
//! The wire form is flannel's: the key holds the subnet (`10.244.2.0-24`), the value the attributes
//! (`{"PublicIP": .., "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": ".."}}`).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::mac::Mac;

/// One node's lease of a pod subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    node: String,
    subnet: Ipv4Net,
    public_ip: Ipv4Addr,
    backend: Backend,
}

/// What peers have to know to send to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// A VXLAN tunnel end point.
    Vxlan(VxlanData),
    /// A backend that this crate does not speak; its peers are reported, and skipped.
    Other(String),
}

/// The `BackendData` of a VXLAN lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VxlanData {
    /// The VXLAN network identifier.
    #[serde(rename = "VNI", default = "default_vni")]
    pub vni: u32,
    /// The MAC address of the node's VXLAN device.
    #[serde(rename = "VtepMAC")]
    pub vtep_mac: Mac,
}

fn default_vni() -> u32 {
    1
}

/// The value stored under a lease's key, in flannel's form.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attributes {
    #[serde(rename = "PublicIP")]
    public_ip: Ipv4Addr,
    #[serde(rename = "PublicIPv6", default)]
    public_ipv6: Option<Ipv6Addr>,
    #[serde(rename = "BackendType")]
    backend_type: String,
    #[serde(rename = "BackendData", default, skip_serializing_if = "Option::is_none")]
    backend_data: Option<serde_json::Value>,
}

/// A stored lease that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The key is not `a.b.c.d-len`.
    #[error("lease key {key:?} is not a subnet such as 10.244.2.0-24")]
    Key {
        /// The key.
        key: String,
    },
    /// The value is not flannel's JSON.
    #[error("lease {key}: {problem}")]
    Value {
        /// The key.
        key: String,
        /// What was wrong, with the JSON field.
        problem: String,
    },
}

impl Lease {
    /// The VXLAN lease of `node`.
    #[must_use]
    pub fn vxlan(
        node: impl Into<String>,
        subnet: Ipv4Net,
        public_ip: Ipv4Addr,
        vni: u32,
        vtep_mac: Mac,
    ) -> Self {
        let backend = Backend::Vxlan(VxlanData { vni, vtep_mac });
        Lease { node: node.into(), subnet: subnet.trunc(), public_ip, backend }
    }

    /// Reads flannel's stored form. Flannel stores no node name: the public address stands for it.
    ///
    /// # Errors
    ///
    /// [`LeaseError`] names the key and the JSON field.
    ///
    /// ```
    /// let value = r#"{"PublicIP":"172.20.10.2","BackendType":"vxlan",
    ///                 "BackendData":{"VNI":1,"VtepMAC":"2e:57:5f:4d:3f:d4"}}"#;
    /// let lease = svc_overlay::Lease::parse("10.244.2.0-24", value)?;
    /// assert_eq!(lease.subnet().to_string(), "10.244.2.0/24");
    /// # Ok::<(), svc_overlay::LeaseError>(())
    /// ```
    pub fn parse(key: &str, value: &str) -> Result<Self, LeaseError> {
        let subnet = parse_key(key).ok_or_else(|| LeaseError::Key { key: key.to_owned() })?;
        let problem =
            |error: serde_json::Error| LeaseError::Value { key: key.to_owned(), problem: error.to_string() };
        let attributes: Attributes = serde_json::from_str(value).map_err(problem)?;
        let node = attributes.public_ip.to_string();
        let public_ip = attributes.public_ip;
        Ok(Lease { node, subnet, public_ip, backend: attributes.backend().map_err(problem)? })
    }

    /// The key under which flannel stores the lease: `10.244.2.0-24`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}-{}", self.subnet.network(), self.subnet.prefix_len())
    }

    /// The value that flannel stores: the attributes as JSON.
    #[must_use]
    pub fn value(&self) -> String {
        serde_json::json!({
            "PublicIP": self.public_ip,
            "PublicIPv6": null,
            "BackendType": self.backend.name(),
            "BackendData": self.vxlan_data(),
        })
        .to_string()
    }

    /// The node that holds the lease.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The pod subnet.
    #[must_use]
    pub fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// The node's address on the underlay: the outer destination of packets to it.
    #[must_use]
    pub fn public_ip(&self) -> Ipv4Addr {
        self.public_ip
    }

    /// The backend and its data.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The VXLAN data, for a VXLAN lease.
    #[must_use]
    pub fn vxlan_data(&self) -> Option<VxlanData> {
        match self.backend {
            Backend::Vxlan(data) => Some(data),
            Backend::Other(_) => None,
        }
    }

    /// The same lease under another node name.
    #[must_use]
    pub fn with_node(mut self, node: impl Into<String>) -> Self {
        self.node = node.into();
        self
    }

    /// The same lease with another VTEP MAC address.
    #[must_use]
    pub fn with_vtep_mac(mut self, mac: Mac) -> Self {
        if let Backend::Vxlan(data) = &mut self.backend {
            data.vtep_mac = mac;
        }
        self
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} at {}", self.subnet, self.node, self.public_ip)?;
        match self.backend {
            Backend::Vxlan(data) => write!(f, " (vni {}, {})", data.vni, data.vtep_mac),
            Backend::Other(ref name) => write!(f, " ({name})"),
        }
    }
}

impl Backend {
    fn name(&self) -> &str {
        match self {
            Backend::Vxlan(_) => "vxlan",
            Backend::Other(name) => name,
        }
    }
}

impl Attributes {
    fn backend(self) -> Result<Backend, serde_json::Error> {
        if self.backend_type != "vxlan" {
            return Ok(Backend::Other(self.backend_type));
        }
        let data = self.backend_data.unwrap_or(serde_json::Value::Null);
        Ok(Backend::Vxlan(serde_json::from_value(data)?))
    }
}

/// The subnet of `10.5.52.0-24`; of a dual-stack key (`..&v6-len`) its IPv4 half.
fn parse_key(key: &str) -> Option<Ipv4Net> {
    let v4 = key.split('&').next()?;
    let (address, len) = v4.split_once('-')?;
    Ipv4Net::new(address.parse().ok()?, len.parse().ok()?).ok()
}

#[cfg(test)]
mod tests;
