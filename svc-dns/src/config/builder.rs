//! Building a [`Zone`].

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{Compat, Exposed, LabelExpression, Origin, PodRecords, Zone, reverse};
use crate::{error::ConfigError, message::Name};

/// Builds a [`Zone`].
#[derive(Clone, Debug)]
pub struct ZoneBuilder {
    origins: Vec<(Result<Name, ConfigError>, bool)>,
    reverse: Vec<Result<IpNet, ConfigError>>,
    transfer_to: Vec<Result<IpNet, ConfigError>>,
    fallthrough: Vec<Result<Name, ConfigError>>,
    labels: Option<Result<LabelExpression, ConfigError>>,
    namespace_labels: Option<Result<LabelExpression, ConfigError>>,
    ttl: Duration,
    zone: Zone,
}

impl ZoneBuilder {
    pub(super) fn new(origin: Result<Name, ConfigError>) -> Self {
        let zone = Zone {
            origins: Vec::new(),
            reverse: Vec::new(),
            networks: Vec::new(),
            fallthrough: Vec::new(),
            ttl: 0,
            pods: PodRecords::default(),
            pod_names: false,
            ignore_empty_service: false,
            endpoint_pod_names: false,
            zonal: false,
            rotate: true,
            addresses: Vec::new(),
            max_udp_size: u16::MAX,
            transfer_to: Vec::new(),
            compat: Compat::default(),
            exposed: Exposed::default(),
        };
        let (reverse, transfer_to, fallthrough) = <(Vec<_>, Vec<_>, Vec<_>)>::default();
        Self {
            origins: vec![(origin, false)],
            reverse,
            transfer_to,
            fallthrough,
            labels: None,
            namespace_labels: None,
            ttl: Duration::from_secs(5),
            zone,
        }
    }

    /// Another zone with the same records. No zone may lie within another.
    #[must_use]
    pub fn also(mut self, origin: impl TryInto<Name, Error = impl Into<ConfigError>>) -> Self {
        self.origins.push((origin.try_into().map_err(Into::into), false));
        self
    }

    /// Another zone, of the Multi-Cluster Services API (KEP-1645): it holds what ServiceImports and the EndpointSlices with the label
    /// `multicluster.kubernetes.io/service-name` say. An endpoint of a headless one is `<hostname>.<cluster>.<service>…`, where the
    /// cluster is the label `multicluster.kubernetes.io/source-cluster` of its EndpointSlice; one without that label has an
    /// address and no name. A zone that was named before becomes one of these.
    #[must_use]
    pub fn multicluster(mut self, origin: impl TryInto<Name, Error = impl Into<ConfigError>>) -> Self {
        let origin = origin.try_into().map_err(Into::into);
        match self.origins.iter_mut().find(|(known, _)| known.is_ok() && *known == origin) {
            Some((_, multicluster)) => *multicluster = true,
            None => self.origins.push((origin, true)),
        }
        self
    }

    /// How long records may be kept: 0 to 3600 s, 5 s by default.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Also answers the reverse names of this network (text or [`IpNet`]). A prefix length that is no multiple of 8 (IPv6: 4)
    /// gives as many reverse zones as it takes.
    #[must_use]
    pub fn reverse(mut self, network: impl TryInto<Cidr, Error = impl Into<ConfigError>>) -> Self {
        self.reverse.push(network.try_into().map(|cidr| cidr.0).map_err(Into::into));
        self
    }

    /// Also answers the reverse names of this zone: `in-addr.arpa`, `96.10.in-addr.arpa`, `ip6.arpa` and so on.
    #[must_use]
    pub fn reverse_zone(mut self, zone: impl TryInto<Name, Error = impl Into<ConfigError>>) -> Self {
        let zone = zone.try_into().map_err(Into::into);
        self.reverse.push(zone.and_then(|zone| reverse::network(&zone)));
        self
    }

    /// Hands names in this domain that have no record to the forwarder instead of saying NXDOMAIN; `.` is all of them. May be
    /// set several times.
    #[must_use]
    pub fn fallthrough(mut self, domain: impl TryInto<Name, Error = impl Into<ConfigError>>) -> Self {
        self.fallthrough.push(domain.try_into().map_err(Into::into));
        self
    }

    /// The same for all reverse names. Off by default.
    #[must_use]
    pub fn reverse_fallthrough(self, on: bool) -> Self {
        if on { self.fallthrough("in-addr.arpa").fallthrough("ip6.arpa") } else { self }
    }

    /// How names of pods are answered.
    #[must_use]
    pub fn pods(mut self, pods: PodRecords) -> Self {
        self.zone.pods = pods;
        self
    }

    /// Knows which pod has an address, whatever the pods' own records are. Off by default.
    #[must_use]
    pub fn pod_names(mut self, on: bool) -> Self {
        self.zone.pod_names = on;
        self
    }

    /// Says NXDOMAIN for a ClusterIP Service without ready endpoints. Off by default.
    #[must_use]
    pub fn ignore_empty_service(mut self, on: bool) -> Self {
        self.zone.ignore_empty_service = on;
        self
    }

    /// Names endpoints after their pods where they have no hostname. Off by default: after their addresses.
    #[must_use]
    pub fn endpoint_pod_names(mut self, on: bool) -> Self {
        self.zone.endpoint_pod_names = on;
        self
    }

    /// Answers `<topology zone>.pin._zone.<headless service>…` with the endpoints in that zone, and `….prefer._zone.…` with all
    /// endpoints where there is none in it. Off by default.
    #[must_use]
    pub fn zonal(mut self, on: bool) -> Self {
        self.zone.zonal = on;
        self
    }

    /// Begins with another address in each answer. On by default.
    #[must_use]
    pub fn rotate(mut self, on: bool) -> Self {
        self.zone.rotate = on;
        self
    }

    /// The addresses under which clients reach the name server. The Services that select them are the name servers of the zone;
    /// where there is none it is `ns.dns.<zone>` with these addresses. A server takes those it listens on, but for loopback ones,
    /// if none are set.
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.zone.addresses = addresses.into_iter().collect();
        self
    }

    /// The largest answer over UDP, whatever clients say they can take: 512 to 65535. No limit by default.
    #[must_use]
    pub fn max_udp_size(mut self, bytes: u16) -> Self {
        self.zone.max_udp_size = bytes;
        self
    }

    /// Lets clients in this network transfer the zones (AXFR, IXFR). May be set several times; nobody may by default.
    #[must_use]
    pub fn transfer_to(mut self, network: impl TryInto<Cidr, Error = impl Into<ConfigError>>) -> Self {
        self.transfer_to.push(network.try_into().map(|cidr| cidr.0).map_err(Into::into));
        self
    }

    /// Whose side to take where CoreDNS and the RFCs differ.
    #[must_use]
    pub fn compat(mut self, compat: Compat) -> Self {
        self.zone.compat = compat;
        self
    }

    /// Answers for these namespaces only: any other does not exist.
    #[must_use]
    pub fn namespaces(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.zone.exposed.namespaces = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Answers for the namespaces with these labels only.
    #[must_use]
    pub fn namespace_labels(
        mut self,
        labels: impl TryInto<LabelExpression, Error = impl Into<ConfigError>>,
    ) -> Self {
        self.namespace_labels = Some(labels.try_into().map_err(Into::into));
        self
    }

    /// Answers for the Services and ServiceImports with these labels only.
    #[must_use]
    pub fn labels(mut self, labels: impl TryInto<LabelExpression, Error = impl Into<ConfigError>>) -> Self {
        self.labels = Some(labels.try_into().map_err(Into::into));
        self
    }

    /// The zones.
    ///
    /// # Errors
    /// The first setting that cannot be.
    pub fn build(self) -> Result<Zone, ConfigError> {
        let (zone, problems) = self.build_with_problems()?;
        problems.into_iter().next().map_or(Ok(zone), Err)
    }

    /// The zones without what cannot be, and why it cannot: a zone within another, a network that is none.
    ///
    /// # Errors
    /// A setting that nothing can be done without: the first zone's name, its time to live, sizes, labels.
    pub fn build_with_problems(mut self) -> Result<(Zone, Vec<ConfigError>), ConfigError> {
        let mut problems = Vec::new();
        let mut zone = self.zone;
        for (number, (name, multicluster)) in self.origins.drain(..).enumerate() {
            match name.and_then(|name| origin(&name, multicluster, &zone.origins)) {
                Ok(origin) => zone.origins.push(origin),
                Err(error) if number == 0 => return Err(error),
                Err(error) => problems.push(error),
            }
        }
        zone.ttl = ttl(self.ttl)?;
        if zone.max_udp_size < 512 {
            let given = zone.max_udp_size.to_string();
            return Err(ConfigError::Range { field: "max_udp_size", given, range: "512 to 65535 bytes" });
        }
        zone.exposed.labels = self.labels.transpose()?;
        zone.exposed.namespace_labels = self.namespace_labels.transpose()?;
        zone.networks = sound(self.reverse, &mut problems);
        zone.reverse = apexes(&zone, &mut problems);
        zone.transfer_to = sound(self.transfer_to, &mut problems);
        zone.fallthrough = sound(self.fallthrough, &mut problems);
        zone.fallthrough.iter_mut().for_each(|domain| *domain = domain.to_lowercase());
        Ok((zone, problems))
    }
}

/// Keeps what is sound and notes what is not.
fn sound<T>(all: Vec<Result<T, ConfigError>>, problems: &mut Vec<ConfigError>) -> Vec<T> {
    all.into_iter().filter_map(|each| each.map_err(|error| problems.push(error)).ok()).collect()
}

fn origin(name: &Name, multicluster: bool, others: &[Origin]) -> Result<Origin, ConfigError> {
    let name = name.to_lowercase();
    // The longest fixed names: `hostmaster.` and `dns-version.` in front of the zone; a Service takes 128 more.
    if name.wire().len() > 120 {
        return Err(ConfigError::Range {
            field: "zone",
            given: name.to_string(),
            range: "1 to 118 characters",
        });
    }
    match others.iter().find(|other| name.is_within(&other.name) || other.name.is_within(&name)) {
        Some(other) => Err(ConfigError::overlap(&name, &other.name)),
        None => Ok(Origin { name, multicluster }),
    }
}

/// The reverse zones of all networks. A network within another needs no zone of its own.
fn apexes(zone: &Zone, problems: &mut Vec<ConfigError>) -> Vec<Name> {
    let mut apexes: Vec<Name> = Vec::new();
    let mut networks: Vec<IpNet> = zone.networks.clone();
    networks.sort_by_key(IpNet::prefix_len);
    for apex in networks.iter().flat_map(|&network| reverse::apexes(network)) {
        if let Some(origin) = zone.origins().find(|origin| apex.is_within(origin)) {
            problems.push(ConfigError::overlap(&apex, origin));
        } else if !apexes.iter().any(|other| apex.is_within(other)) {
            apexes.push(apex);
        }
    }
    apexes.sort_by(|a, b| a.wire().cmp(b.wire()));
    apexes
}

fn ttl(ttl: Duration) -> Result<u32, ConfigError> {
    let seconds = u32::try_from(ttl.as_secs()).ok().filter(|&seconds| seconds <= 3600);
    let given = || format!("{} s", ttl.as_secs());
    seconds.ok_or_else(|| ConfigError::Range { field: "ttl", given: given(), range: "0 to 3600 s" })
}

/// A network: an [`IpNet`] or its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(pub(crate) IpNet);

impl From<IpNet> for Cidr {
    fn from(network: IpNet) -> Self {
        Self(network)
    }
}

impl TryFrom<&str> for Cidr {
    type Error = ConfigError;

    /// A single address is a network of its own.
    fn try_from(text: &str) -> Result<Self, ConfigError> {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or_else(|_| address()).map(Self).map_err(|_| ConfigError::Cidr { text: text.to_owned() })
    }
}
