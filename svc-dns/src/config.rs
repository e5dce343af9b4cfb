//! The zone, as the embedder sets it.

mod reverse;

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use crate::{error::ConfigError, message::Name};

/// A cluster's zone and how it is answered. See [`Zone::builder`].
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
    /// Lower-case apexes of the reverse zones, sorted by wire form.
    reverse: Vec<Name>,
    networks: Vec<IpNet>,
    reverse_fallthrough: bool,
    ttl: u32,
    pods: PodRecords,
    ignore_empty_service: bool,
    endpoint_pod_names: bool,
    addresses: Vec<IpAddr>,
    max_udp_size: u16,
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

/// The zone that a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Realm {
    Cluster,
    Reverse,
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

    /// The zone's name.
    #[must_use]
    pub fn origin(&self) -> &Name {
        &self.origin
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

    pub(crate) fn reverse_fallthrough(&self) -> bool {
        self.reverse_fallthrough
    }

    pub(crate) fn ignore_empty_service(&self) -> bool {
        self.ignore_empty_service
    }

    pub(crate) fn endpoint_pod_names(&self) -> bool {
        self.endpoint_pod_names
    }

    pub(crate) fn max_udp_size(&self) -> u16 {
        self.max_udp_size
    }

    /// The same zone; if it does not say where its server is, these of the addresses that others can reach.
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

    /// The zone that a lower-case name belongs to, and where the zone's name starts in it.
    pub(crate) fn realm_of(&self, wire: &[u8]) -> Option<(Realm, usize)> {
        if let Some(at) = suffix(wire, self.origin.wire()) {
            return Some((Realm::Cluster, at));
        }
        let apex = |rest: &&[u8]| self.reverse.binary_search_by(|zone| zone.wire().cmp(rest)).is_ok();
        let found = crate::message::suffixes(wire).find(apex).filter(|_| !self.reverse.is_empty())?;
        Some((Realm::Reverse, wire.len() - found.len()))
    }
}

/// Where `zone` starts in `wire`, if `wire` ends with it. Both in lower case.
fn suffix(wire: &[u8], zone: &[u8]) -> Option<usize> {
    let at = wire.len().checked_sub(zone.len()).filter(|&at| wire[at..] == *zone)?;
    // The same bytes may stand inside a label: only a start of a label counts.
    crate::message::suffixes(wire).any(|rest| rest.len() == zone.len()).then_some(at)
}

/// Builds a [`Zone`].
#[derive(Clone, Debug)]
pub struct ZoneBuilder {
    origin: Result<Name, ConfigError>,
    reverse: Vec<Result<IpNet, ConfigError>>,
    ttl: Duration,
    zone: Zone,
}

impl ZoneBuilder {
    fn new(origin: Result<Name, ConfigError>) -> Self {
        let zone = Zone {
            origin: Name::root(),
            reverse: Vec::new(),
            networks: Vec::new(),
            reverse_fallthrough: false,
            ttl: 0,
            pods: PodRecords::default(),
            ignore_empty_service: false,
            endpoint_pod_names: false,
            addresses: Vec::new(),
            max_udp_size: u16::MAX,
        };
        Self { origin, reverse: Vec::new(), ttl: Duration::from_secs(5), zone }
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

    /// Hands reverse names without a record to the forwarder instead of saying NXDOMAIN. Off by default.
    #[must_use]
    pub fn reverse_fallthrough(mut self, on: bool) -> Self {
        self.zone.reverse_fallthrough = on;
        self
    }

    /// How names of pods are answered.
    #[must_use]
    pub fn pods(mut self, pods: PodRecords) -> Self {
        self.zone.pods = pods;
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

    /// The addresses under which clients reach the name server: the answer to `ns.dns.<zone>`. A server takes
    /// those it listens on, but for loopback ones, if there are none.
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

    /// The zone.
    ///
    /// # Errors
    /// The first setting that cannot be.
    pub fn build(self) -> Result<Zone, ConfigError> {
        let mut zone = self.zone;
        zone.origin = self.origin?.to_lowercase();
        // The longest fixed names: `hostmaster.` and `dns-version.` in front of the zone; a Service takes 128 more.
        if zone.origin.wire().len() > 120 {
            let given = zone.origin.to_string();
            return Err(ConfigError::Range { field: "zone", given, range: "1 to 118 characters" });
        }
        zone.ttl = ttl(self.ttl)?;
        if zone.max_udp_size < 512 {
            let given = zone.max_udp_size.to_string();
            return Err(ConfigError::Range { field: "max_udp_size", given, range: "512 to 65535 bytes" });
        }
        for network in self.reverse {
            let network = network?;
            zone.reverse.extend(reverse::apexes(network));
            zone.networks.push(network.trunc());
        }
        zone.reverse.sort_by(|a, b| a.wire().cmp(b.wire()));
        zone.reverse.dedup();
        Ok(zone)
    }
}

fn ttl(ttl: Duration) -> Result<u32, ConfigError> {
    let seconds = u32::try_from(ttl.as_secs()).ok().filter(|&seconds| seconds <= 3600);
    let given = || format!("{} s", ttl.as_secs());
    seconds.ok_or_else(|| ConfigError::Range { field: "ttl", given: given(), range: "0 to 3600 s" })
}

/// A network: an [`IpNet`] or its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(IpNet);

impl From<IpNet> for Cidr {
    fn from(network: IpNet) -> Self {
        Self(network)
    }
}

impl TryFrom<&str> for Cidr {
    type Error = ConfigError;

    fn try_from(text: &str) -> Result<Self, ConfigError> {
        text.parse().map(Self).map_err(|_| ConfigError::Cidr { text: text.to_owned() })
    }
}

pub(crate) use reverse::ReverseName;

#[cfg(test)]
mod tests;
