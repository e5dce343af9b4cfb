//! flannel's stored form of a lease: an etcd key and its JSON value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Backend, Half, Lease, VxlanData};
use crate::family::Family;

/// The value stored under a lease's key. Field order and names are those of flannel's `LeaseAttrs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attributes {
    /// Unspecified (0.0.0.0) where the node has IPv6 alone: flannel's type cannot be missing.
    #[serde(rename = "PublicIP")]
    public_ip: Ipv4Addr,
    #[serde(rename = "PublicIPv6", default)]
    public_ipv6: Option<Ipv6Addr>,
    #[serde(rename = "BackendType")]
    backend_type: String,
    #[serde(rename = "BackendData", default, skip_serializing_if = "Option::is_none")]
    backend_data: Option<Value>,
    #[serde(rename = "BackendV6Data", default, skip_serializing_if = "Option::is_none")]
    backend_v6_data: Option<Value>,
}

/// A stored lease that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The key is not `a.b.c.d-len`, or `a.b.c.d-len&v6-len`.
    #[error("lease key {key:?} is not a subnet such as 10.244.2.0-24 or 10.244.2.0-24&fd00:10:244:2::-64")]
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
    /// A Node of Kubernetes whose annotations or pod subnets say no lease.
    #[error("Node {node}: {field}: {problem}")]
    Node {
        /// The Node.
        node: String,
        /// The annotation, or the field of its spec.
        field: String,
        /// What was wrong with it.
        problem: String,
    },
    /// Two names of the store have one subnet.
    #[error("{name}: its subnet {subnet} is also that of {owner}, which counts; give one of the two another")]
    Duplicate {
        /// Whose lease does not count.
        name: String,
        /// The subnet.
        subnet: IpNet,
        /// Whose does.
        owner: String,
    },
}

impl Lease {
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
        let subnets = parse_key(key).ok_or_else(|| LeaseError::Key { key: key.to_owned() })?;
        let problem = |problem: String| LeaseError::Value { key: key.to_owned(), problem };
        let attributes: Attributes =
            serde_json::from_str(value).map_err(|error| problem(error.to_string()))?;
        let backend = Backend::named(&attributes.backend_type);
        let half = |subnet| attributes.half(subnet, &backend).map_err(problem);
        let halves = subnets.into_iter().map(half).collect::<Result<Vec<_>, _>>()?;
        Ok(Lease { node: halves[0].public_ip.to_string(), halves, backend })
    }

    /// The key under which flannel stores the lease: `10.244.2.0-24`, with IPv6 `10.244.2.0-24&fd00:10:244:2::-64`.
    #[must_use]
    pub fn key(&self) -> String {
        let v4 = self.half(Family::V4).map_or("0.0.0.0-0".to_owned(), |half| dashed(half.subnet));
        match self.half(Family::V6) {
            Some(half) => format!("{v4}&{}", dashed(half.subnet)),
            None => v4,
        }
    }

    /// The value that flannel stores: the attributes as JSON.
    #[must_use]
    pub fn value(&self) -> String {
        let of = |family| self.half(family);
        let data = |family| {
            let data = of(family).and_then(|half| half.vxlan);
            data.map(|data| serde_json::json!({"VNI": data.vni, "VtepMAC": data.vtep_mac}))
        };
        let attributes = Attributes {
            public_ip: match of(Family::V4).map(|half| half.public_ip) {
                Some(IpAddr::V4(address)) => address,
                _ => Ipv4Addr::UNSPECIFIED,
            },
            public_ipv6: match of(Family::V6).map(|half| half.public_ip) {
                Some(IpAddr::V6(address)) => Some(address),
                _ => None,
            },
            backend_type: self.backend.name().to_owned(),
            backend_data: data(Family::V4),
            backend_v6_data: data(Family::V6),
        };
        // Strings, numbers and addresses cannot fail to be written.
        serde_json::to_string(&attributes).unwrap_or_default()
    }
}

impl Attributes {
    fn half(&self, subnet: IpNet, backend: &Backend) -> Result<Half, String> {
        let family = Family::of_net(subnet);
        let (name, public_ip, field, data) = match family {
            Family::V4 => {
                let address = Some(self.public_ip).filter(|address| !address.is_unspecified());
                ("PublicIP", address.map(IpAddr::V4), "BackendData", &self.backend_data)
            }
            Family::V6 => {
                ("PublicIPv6", self.public_ipv6.map(IpAddr::V6), "BackendV6Data", &self.backend_v6_data)
            }
        };
        let public_ip =
            public_ip.ok_or_else(|| format!("{name} is missing, but it has the subnet {subnet}"))?;
        let vxlan = match backend {
            Backend::Vxlan => Some(vxlan(data.as_ref()).map_err(|problem| format!("{field}: {problem}"))?),
            _ => None,
        };
        Ok(Half { subnet, public_ip, vxlan })
    }
}

fn vxlan(data: Option<&Value>) -> Result<VxlanData, String> {
    let data = data.ok_or("missing; a vxlan lease has VNI and VtepMAC")?;
    serde_json::from_value(data.clone()).map_err(|error| error.to_string())
}

fn dashed(subnet: IpNet) -> String {
    format!("{}-{}", subnet.network(), subnet.prefix_len())
}

/// The subnets of `10.5.52.0-24` or `10.5.52.0-24&fd00::-64`, IPv4 first. `0.0.0.0-0` stands for no IPv4 subnet.
fn parse_key(key: &str) -> Option<Vec<IpNet>> {
    let (v4, v6) = key.split_once('&').map_or((key, None), |(v4, v6)| (v4, Some(v6)));
    let (address, len) = v4.split_once('-')?;
    let v4 = Ipv4Net::new(address.parse().ok()?, len.parse().ok()?).ok()?;
    let v4 = Some(IpNet::V4(v4.trunc())).filter(|_| v4.prefix_len() != 0);
    let v6 = match v6 {
        Some(text) => {
            let (address, len) = text.split_once('-')?;
            Some(IpNet::V6(Ipv6Net::new(address.parse().ok()?, len.parse().ok()?).ok()?.trunc()))
        }
        None => None,
    };
    let subnets: Vec<_> = v4.into_iter().chain(v6).collect();
    (!subnets.is_empty()).then_some(subnets)
}
