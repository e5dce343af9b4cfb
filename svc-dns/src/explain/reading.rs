//! What a name means, in words.

use std::{fmt, net::IpAddr};

use svc_model::ObjectName;

use crate::{
    config::{Origin, Realm, ReverseName, Zone},
    message::{Name, QuestionName},
    zone::pod_address,
};

/// A name, read label by label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Foreign,
    Apex(Name),
    /// A name that every zone has.
    Fixed(&'static str),
    Namespace(String),
    Service(Named, Front),
    Pod(String, IpAddr),
    Address(IpAddr),
    /// Part of an address.
    Network,
    /// None of the forms that names have.
    Nothing,
}

/// The name of a Service, or of one of the cluster set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: ObjectName,
    pub(super) imported: bool,
}

/// What stands in front of a Service's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Front {
    Nothing,
    Endpoint(String),
    Port(String, String),
    /// An endpoint, and the cluster it is in.
    Remote(String, String),
    /// A topology zone, and whether all endpoints are meant where there is none in it.
    TopologyZone(String, bool),
    TooLong,
}

impl Reading {
    pub(super) fn of(zone: &Zone, name: &QuestionName) -> Self {
        let Some(realm) = zone.realm_of(name) else { return Self::Foreign };
        match realm {
            Realm::Cluster(origin, 0) => Self::Apex(origin.name.clone()),
            Realm::Reverse(apex, 0) => Self::Apex(apex.clone()),
            Realm::Cluster(origin, at) => Self::of_labels(zone, origin, &texts(name, name.labels_before(at))),
            Realm::Reverse(..) => match ReverseName::parse(name) {
                ReverseName::Address(address) => Self::Address(address),
                ReverseName::Partial(_) => Self::Network,
                ReverseName::Nothing => Self::Nothing,
            },
        }
    }

    fn of_labels(zone: &Zone, origin: &Origin, labels: &[String]) -> Self {
        let texts: Vec<&str> = labels.iter().map(String::as_str).collect();
        match texts[..] {
            ["svc"] => Self::Fixed("the domain of Services"),
            ["pod"] => Self::Fixed("the domain of pods"),
            ["dns"] => Self::Fixed("the domain of the name server"),
            ["dns-version"] => Self::Fixed("the version of the naming schema"),
            ["ns", "dns"] => Self::Fixed("the name server"),
            [namespace, "svc" | "pod"] => Self::Namespace(namespace.to_owned()),
            [label, namespace, "pod"] => match pod_address(label.as_bytes()) {
                Some(address) => Self::Pod(namespace.to_owned(), address),
                None => Self::Nothing,
            },
            [ref front @ .., service, namespace, "svc"] => {
                let name = ObjectName::new(namespace, service);
                Self::Service(Named { name, imported: origin.multicluster }, Front::of(zone, origin, front))
            }
            _ => Self::Nothing,
        }
    }
}

fn texts(name: &QuestionName, count: usize) -> Vec<String> {
    let text = |label: usize| String::from_utf8_lossy(&name.between(label, label + 1)[1..]).into_owned();
    (0..count).map(text).collect()
}

impl Front {
    fn of(zone: &Zone, origin: &Origin, labels: &[&str]) -> Self {
        let plain = |label: &str| label.strip_prefix('_').unwrap_or(label).to_owned();
        match labels {
            [] => Self::Nothing,
            [topology @ .., directive @ ("pin" | "prefer"), "_zone"]
                if zone.zonal() && !origin.multicluster && !topology.is_empty() =>
            {
                Self::TopologyZone(topology.join("."), *directive == "prefer")
            }
            [endpoint] => Self::Endpoint((*endpoint).to_owned()),
            [endpoint, cluster]
                if origin.multicluster && !endpoint.starts_with('_') && !cluster.starts_with('_') =>
            {
                Self::Remote((*endpoint).to_owned(), (*cluster).to_owned())
            }
            [port, protocol] => Self::Port(plain(port), plain(protocol)),
            _ => Self::TooLong,
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("in none of the zones"),
            Self::Apex(name) => write!(f, "the zone {name}"),
            Self::Fixed(text) => f.write_str(text),
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Service(name, front) => write!(f, "{front}{name}"),
            Self::Pod(namespace, address) => write!(f, "the pod {address} in namespace {namespace}"),
            Self::Address(address) => write!(f, "the address {address}"),
            Self::Network => f.write_str("part of an address"),
            Self::Nothing => f.write_str("no name of this schema"),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.imported { "ServiceImport" } else { "Service" }, self.name)
    }
}

impl fmt::Display for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Endpoint(name) => write!(f, "endpoint {name} of "),
            Self::Port(port, protocol) => write!(f, "port {port}/{protocol} of "),
            Self::Remote(name, cluster) => write!(f, "endpoint {name} in cluster {cluster} of "),
            Self::TopologyZone(zone, false) => write!(f, "topology zone {zone} of "),
            Self::TopologyZone(zone, true) => write!(f, "topology zone {zone}, or else all, of "),
            Self::TooLong => f.write_str("more labels than any name has below "),
        }
    }
}
