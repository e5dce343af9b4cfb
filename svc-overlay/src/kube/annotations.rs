//! A Node's annotations to a lease, and back. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::{Value, json};
use svc_model::Node;

use crate::config::ConfigError;
use crate::family::Family;
use crate::lease::{Backend, Half, Lease, LeaseError, VxlanData};
use crate::mac::Mac;

/// flannel's `--kube-annotation-prefix`.
pub(super) const PREFIX: &str = "flannel.alpha.coreos.com";
/// Longer ones are no annotation of anybody's sound mind: a MAC address and a number.
const MAX_DATA: usize = 4 << 10;

const MANAGED: &str = "kube-subnet-manager";
const BACKEND: &str = "backend-type";

/// flannel's keys, under one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Annotations {
    /// With the slash or hyphen at its end.
    prefix: String,
}

/// What the annotations should be: nothing for those that should not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted(BTreeMap<String, Option<String>>);

/// The names of what each family has of its own.
struct Names {
    public_ip: &'static str,
    data: &'static str,
    overwrite: &'static str,
    own: &'static str,
}

fn names(family: Family) -> Names {
    match family {
        Family::V4 => Names {
            public_ip: "public-ip",
            data: "backend-data",
            overwrite: "public-ip-overwrite",
            own: "node-public-ip",
        },
        Family::V6 => Names {
            public_ip: "public-ipv6",
            data: "backend-v6-data",
            overwrite: "public-ipv6-overwrite",
            own: "node-public-ipv6",
        },
    }
}

impl Annotations {
    /// flannel's rules: at most one slash; what follows it ends in a hyphen.
    pub(super) fn new(prefix: &str) -> Result<Self, ConfigError> {
        let (domain, rest) = prefix.split_once('/').unwrap_or((prefix, ""));
        let plain =
            |text: &str| text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        let is_domain = domain.contains('.') && domain.split('.').all(|part| !part.is_empty() && plain(part));
        if !is_domain || !plain(rest) {
            let problem = format!("{prefix:?} is not a prefix such as {PREFIX} or {PREFIX}/second");
            return Err(ConfigError::new("kube.annotation_prefix", problem));
        }
        let hyphen = if rest.is_empty() || rest.ends_with('-') { "" } else { "-" };
        Ok(Annotations { prefix: format!("{domain}/{rest}{hyphen}") })
    }

    /// Nothing for a Node that takes no part in the overlay (yet).
    pub(super) fn lease(&self, node: &Node) -> Result<Option<Lease>, LeaseError> {
        if self.text(node, MANAGED) != Some("true") {
            return Ok(None);
        }
        if node.pod_cidrs().is_empty() {
            return Err(error(node, "spec.podCIDRs", "is missing; the controller manager gives it out"));
        }
        let backend = Backend::named(self.required(node, BACKEND)?);
        let mut halves = Vec::new();
        for cidr in node.pod_cidrs() {
            let family = Family::of_net(*cidr);
            let Some(public_ip) = self.address(node, family, names(family).public_ip)? else { continue };
            halves.push(match backend {
                Backend::Vxlan => {
                    let data = self.vxlan(node, family)?;
                    Half::vxlan(*cidr, public_ip, data.vni, data.vtep_mac)
                }
                _ => Half::direct(*cidr, public_ip),
            });
        }
        let mut halves = halves.into_iter();
        let first = halves.next().ok_or_else(|| {
            error(node, &self.key(names(Family::V4).public_ip), "is missing; the node's overlay writes it")
        })?;
        Ok(Some(halves.fold(Lease::new(node.name(), backend, first), Lease::and)))
    }

    /// The address that somebody gave the node.
    pub(super) fn own_address(&self, node: &Node, family: Family) -> Result<Option<IpAddr>, LeaseError> {
        self.address(node, family, names(family).own)
    }

    /// The MAC address that the node had before; one that cannot be read is none.
    pub(super) fn vtep_mac(&self, node: &Node, family: Family) -> Option<Mac> {
        let vxlan = self.text(node, BACKEND) == Some("vxlan");
        vxlan
            .then(|| self.vxlan(node, family).ok())
            .flatten()
            .map(|data| data.vtep_mac)
            .filter(|mac| mac.is_unicast())
    }

    /// What a node publishes, beside what people wrote there.
    pub(super) fn of_lease(&self, lease: &Lease, node: &Node) -> Wanted {
        let mut wanted = self.none().0;
        let mut set = |name: &str, value: String| wanted.insert(self.key(name), Some(value));
        set(MANAGED, "true".to_owned());
        set(BACKEND, lease.backend().name().to_owned());
        for half in lease.halves() {
            let names = names(half.family());
            // What people wrote stands, wherever the node moves.
            let written = [names.overwrite, names.own].into_iter().filter_map(|name| self.text(node, name));
            let written = written.map(str::to_owned).find(|text| !text.is_empty());
            set(names.public_ip, written.unwrap_or_else(|| half.public_ip.to_string()));
            // Go's way to write that there is none.
            let data =
                half.vxlan.map_or(Value::Null, |data| json!({"VNI": data.vni, "VtepMAC": data.vtep_mac}));
            set(names.data, data.to_string());
        }
        Wanted(wanted)
    }

    /// Nothing of ours.
    pub(super) fn none(&self) -> Wanted {
        let of_families =
            Family::ALL.into_iter().flat_map(|family| [names(family).public_ip, names(family).data]);
        let keys = [MANAGED, BACKEND].into_iter().chain(of_families);
        Wanted(keys.map(|name| (self.key(name), None)).collect())
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn text<'a>(&self, node: &'a Node, name: &str) -> Option<&'a str> {
        node.meta().annotations().get(&self.key(name)).map(String::as_str)
    }

    fn required<'a>(&self, node: &'a Node, name: &str) -> Result<&'a str, LeaseError> {
        let missing = || error(node, &self.key(name), "is missing; the node's overlay writes it");
        self.text(node, name).ok_or_else(missing)
    }

    /// flannel writes 0.0.0.0 where there is none.
    fn address(&self, node: &Node, family: Family, name: &str) -> Result<Option<IpAddr>, LeaseError> {
        let Some(text) = self.text(node, name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let address = IpAddr::from_str(text).ok().filter(|address| Family::of(*address) == family);
        let wrong = || error(node, &self.key(name), &format!("{text:?} is not an {family} address"));
        let address = address.ok_or_else(wrong)?;
        Ok(Some(address).filter(|address| !address.is_unspecified()))
    }

    fn vxlan(&self, node: &Node, family: Family) -> Result<VxlanData, LeaseError> {
        let name = names(family).data;
        let wrong = |problem: &str| error(node, &self.key(name), problem);
        let text = self.required(node, name)?;
        if text.len() > MAX_DATA {
            return Err(wrong(&format!("{} bytes are too many for VNI and VtepMAC", text.len())));
        }
        serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))
    }
}

impl Wanted {
    /// The merge patch that brings a Node there; nothing when it is there already.
    pub(super) fn patch(&self, node: &Node) -> Option<String> {
        let now = node.meta().annotations();
        let differ: BTreeMap<_, _> =
            self.0.iter().filter(|(key, value)| now.get(*key) != value.as_ref()).collect();
        (!differ.is_empty()).then(|| json!({"metadata": {"annotations": differ}}).to_string())
    }
}

fn error(node: &Node, field: &str, problem: &str) -> LeaseError {
    LeaseError::Node { node: node.name().to_owned(), field: field.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;
