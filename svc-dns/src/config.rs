//! The zones, as the embedder sets them.

mod builder;
mod labels;
mod reverse;

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

pub(crate) use self::reverse::{ReverseName, apexes as reverse_zones_of, reverse_name};
pub use self::{
    builder::{Cidr, ZoneBuilder},
    labels::LabelExpression,
};
use crate::{
    error::ConfigError,
    message::{Name, QuestionName},
};

/// A cluster's zones and how they are answered. See [`Zone::builder`].
#[derive(Clone, Debug)]
pub struct Zone {
    /// The first one is primary.
    origins: Vec<Origin>,
    /// Lower-case apexes of the reverse zones, sorted by wire form.
    reverse: Vec<Name>,
    networks: Vec<IpNet>,
    fallthrough: Vec<Name>,
    ttl: u32,
    pods: PodRecords,
    pod_names: bool,
    ignore_empty_service: bool,
    endpoint_pod_names: bool,
    zonal: bool,
    rotate: bool,
    addresses: Vec<IpAddr>,
    max_udp_size: u16,
    transfer_to: Vec<IpNet>,
    compat: Compat,
    exposed: Exposed,
}

/// One of the zones that hold the names of Services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// In lower case.
    pub(crate) name: Name,
    /// It holds the Services of the cluster set; endpoints are known by the cluster they are in.
    pub(crate) multicluster: bool,
}

/// What is left out of the zones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exposed {
    namespaces: Option<BTreeSet<String>>,
    namespace_labels: Option<LabelExpression>,
    labels: Option<LabelExpression>,
}

/// What `10-244-1-7.default.pod.cluster.local` gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PodRecords {
    /// Nothing: the name does not exist.
    #[default]
    Disabled,
    /// The address in the name, whether or not a pod has it, in any namespace that exists.
    Insecure,
    /// The address in the name, if a pod in that namespace has it.
    Verified,
}

/// Whose side to take where CoreDNS and the RFCs differ.
///
/// | question | [`Rfc`](Self::Rfc) | [`CoreDns`](Self::CoreDns) |
/// |---|---|---|
/// | `_tcp.web.shop.svc.…`, `dns.…`, `0.96.10.in-addr.arpa`: names exist below it (RFC 8020) | NODATA | NXDOMAIN |
/// | another type than TXT at `dns-version.…` | NODATA | NXDOMAIN |
/// | another type than PTR at an address that has a name | NODATA | NXDOMAIN |
/// | SOA at a name that does not exist (RFC 2308) | NXDOMAIN | NODATA |
/// | ANY (RFC 8482 section 4.2) | HINFO | NODATA, NXDOMAIN |
/// | ExternalName whose target does not exist or whose server fails (RFC 6604) | that code, and the alias | NOERROR and the alias |
/// | `dns-version.…` of a multicluster zone (KEP-1645) | 1.0.0 | 1.1.0 |
/// | name of an endpoint of a ServiceImport of type ClusterSetIP (KEP-1645) | NXDOMAIN | its address |
/// | PTR of an address that only a ServiceImport has (KEP-1645) | its name | NXDOMAIN |
/// | NS of a zone whose server has no known address | `ns.dns.…` | NODATA |
/// | transfer of a ClusterIP Service with several ports: weight of its SRV records (RFC 5936 section 2.2) | as asked by name | 100 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compat {
    /// As the RFCs have it.
    #[default]
    Rfc,
    /// As CoreDNS answers.
    CoreDns,
}

/// The zone that a name belongs to, and where the zone's name starts in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Realm<'z> {
    Cluster(&'z Origin, usize),
    Reverse(&'z Name, usize),
}

impl Realm<'_> {
    pub(crate) fn apex(self) -> usize {
        match self {
            Self::Cluster(_, at) | Self::Reverse(_, at) => at,
        }
    }
}

impl Zone {
    /// A zone called `origin`: a [`Name`] or its text, usually `cluster.local`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use svc_dns::{PodRecords, Zone};
    ///
    /// let zone = Zone::builder("cluster.local")
    ///     .ttl(Duration::from_secs(30))
    ///     .reverse("10.96.0.0/12")
    ///     .pods(PodRecords::Insecure)
    ///     .build()?;
    /// assert_eq!(zone.origin().to_string(), "cluster.local.");
    /// # Ok::<(), svc_dns::ConfigError>(())
    /// ```
    pub fn builder(origin: impl TryInto<Name, Error = impl Into<ConfigError>>) -> ZoneBuilder {
        ZoneBuilder::new(origin.try_into().map_err(Into::into))
    }

    /// The primary zone's name.
    #[must_use]
    pub fn origin(&self) -> &Name {
        &self.origins[0].name
    }

    /// The names of all zones that hold Services, the primary one first.
    pub fn origins(&self) -> impl Iterator<Item = &Name> {
        self.origins.iter().map(|origin| &origin.name)
    }

    /// The reverse zones: `96.10.in-addr.arpa` and so on, in lower case.
    #[must_use]
    pub fn reverse_zones(&self) -> &[Name] {
        &self.reverse
    }

    /// Seconds that a record may be kept.
    #[must_use]
    pub fn ttl(&self) -> u32 {
        self.ttl
    }

    /// How names of pods are answered.
    #[must_use]
    pub fn pods(&self) -> PodRecords {
        self.pods
    }

    /// The addresses of the name server itself.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Whose side is taken where CoreDNS and the RFCs differ.
    #[must_use]
    pub fn compat(&self) -> Compat {
        self.compat
    }

    /// Whether this client may transfer the zones.
    #[must_use]
    pub fn transfers_to(&self, client: IpAddr) -> bool {
        self.transfer_to.iter().any(|network| network.contains(&client.to_canonical()))
    }

    pub(crate) fn is_coredns(&self) -> bool {
        self.compat == Compat::CoreDns
    }

    /// Whether a name without a record is somebody else's to answer.
    pub(crate) fn falls_through(&self, name: &QuestionName) -> bool {
        self.fallthrough.iter().any(|domain| name.suffix_of(domain).is_some())
    }

    /// Whether the addresses of pods are to be known: then Pods have to be in the store.
    #[must_use]
    pub fn knows_pods(&self) -> bool {
        self.pod_names || self.pods == PodRecords::Verified
    }

    /// Whether there is a zone of the cluster set: then ServiceImports have to be in the store.
    #[must_use]
    pub fn knows_imports(&self) -> bool {
        self.origin_of_imports().is_some()
    }

    pub(crate) fn ignore_empty_service(&self) -> bool {
        self.ignore_empty_service
    }

    pub(crate) fn endpoint_pod_names(&self) -> bool {
        self.endpoint_pod_names
    }

    pub(crate) fn zonal(&self) -> bool {
        self.zonal
    }

    /// The first zone of the cluster's own Services: addresses are named in it.
    pub(crate) fn origin_of_services(&self) -> Option<&Origin> {
        self.origins.iter().find(|origin| !origin.multicluster)
    }

    /// The zone that reverse zones name their servers in.
    pub(crate) fn naming_origin(&self) -> &Name {
        self.origin_of_services().map_or(self.origin(), |origin| &origin.name)
    }

    /// The first zone of the cluster set.
    pub(crate) fn origin_of_imports(&self) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.multicluster)
    }

    pub(crate) fn rotates(&self) -> bool {
        self.rotate
    }

    pub(crate) fn max_udp_size(&self) -> u16 {
        self.max_udp_size
    }

    pub(crate) fn exposed(&self) -> &Exposed {
        &self.exposed
    }

    /// The wire form of the longest zone name: what has to fit behind a Service's name.
    pub(crate) fn longest_origin(&self) -> usize {
        self.origins().map(|name| name.wire().len()).max().unwrap_or_default()
    }

    /// The same zones; if they do not say where their server is, these of the addresses that others can reach.
    #[cfg(feature = "driver")]
    pub(crate) fn reached_at(mut self, listening: impl IntoIterator<Item = IpAddr>) -> Self {
        if self.addresses.is_empty() {
            self.addresses =
                listening.into_iter().filter(|ip| !ip.is_loopback() && !ip.is_unspecified()).collect();
            self.addresses.sort();
            self.addresses.dedup();
        }
        self
    }

    /// Whether the reverse name of `address` is in one of the zones.
    pub(crate) fn reverses(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The zone that a name belongs to.
    pub(crate) fn realm_of(&self, name: &QuestionName) -> Option<Realm<'_>> {
        for origin in &self.origins {
            if let Some(at) = name.suffix_of(&origin.name) {
                return Some(Realm::Cluster(origin, at));
            }
        }
        self.reverse_realm_of(name)
    }

    /// The place of the zone among those of Services, then the reverse ones.
    pub(crate) fn number_of(&self, realm: Realm<'_>) -> Option<usize> {
        match realm {
            Realm::Cluster(one, _) => self.origins.iter().position(|origin| std::ptr::eq(origin, one)),
            Realm::Reverse(one, _) => {
                let place = self.reverse.iter().position(|name| std::ptr::eq(name, one));
                place.map(|place| self.origins.len() + place)
            }
        }
    }

    /// The longest reverse zone that holds the name.
    fn reverse_realm_of(&self, name: &QuestionName) -> Option<Realm<'_>> {
        if self.reverse.is_empty() {
            return None;
        }
        let apex = |rest: &[u8]| self.reverse.binary_search_by(|zone| zone.wire().cmp(rest)).ok();
        name.suffixes().find_map(|(at, rest)| Some(Realm::Reverse(&self.reverse[apex(rest)?], at)))
    }
}

impl Exposed {
    /// Nothing is left out on account of its namespace.
    pub(crate) fn every_namespace(&self) -> bool {
        self.namespaces.is_none() && self.namespace_labels.is_none()
    }

    pub(crate) fn namespace(&self, name: &str, labels: Option<&Labels>) -> bool {
        let named = self.namespaces.as_ref().is_none_or(|names| names.contains(name));
        let none = Labels::new();
        let matches = |wanted: &LabelExpression| wanted.matches(labels.unwrap_or(&none));
        named && self.namespace_labels.as_ref().is_none_or(matches)
    }

    pub(crate) fn service(&self, labels: &Labels) -> bool {
        self.labels.as_ref().is_none_or(|wanted| wanted.matches(labels))
    }
}

type Labels = std::collections::BTreeMap<String, String>;

#[cfg(test)]
mod tests;
