//! Load-balancer addresses: the trait that a cloud, a router or a lab implements, and a pool for those without one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::{AddressType, IpMode, LoadBalancerIngress, Node, ObjectName, Service};

/// Gives Services of type LoadBalancer their addresses outside the cluster. Calls must not block for long: one that has
/// to wait for a cloud returns what it has and reports later by
/// [`ControlPlane::balancer_ingress`](crate::ControlPlane::balancer_ingress).
pub trait LoadBalancerProvider {
    /// Whether this provider serves Services of this `loadBalancerClass`. As in Kubernetes, one without a class of its
    /// own serves exactly those that name none.
    fn serves(&self, class: Option<&str>) -> bool {
        class.is_none()
    }

    /// Makes the balancer of `service` what the Service asks for, and says where it is reached. Called again whenever
    /// the Service or the set of nodes changes, and after a failure; the answer to the same question is the same.
    ///
    /// # Errors
    /// Why there is no balancer; the Service lives on without one and this text is reported against it.
    fn ensure(
        &mut self,
        service: &Service,
        nodes: &[Arc<Node>],
    ) -> Result<Vec<LoadBalancerIngress>, Box<dyn std::error::Error + Send + Sync>>;

    /// The Service is gone, or no longer of this type.
    fn release(&mut self, service: &ObjectName);
}

/// Why a pool gave no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Nothing is left in the families that the Service has.
    #[error("no address is free in the load-balancer pool {0}")]
    Exhausted(String),
    /// The address that was asked for does not belong to the pool.
    #[error("{0} is not in the load-balancer pool {1}")]
    OutOfPool(IpAddr, String),
    /// The address that was asked for belongs to another Service; addresses are not shared.
    #[error("{0} is already allocated to Service {1}")]
    Taken(IpAddr, ObjectName),
}

/// Addresses from a first to a last one, written `172.20.10.70-172.20.10.79` or as a CIDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

/// A range of addresses was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a range of addresses: write `192.0.2.10-192.0.2.20` or `192.0.2.0/28`")]
pub struct InvalidAddressRange(String);

impl FromStr for AddressRange {
    type Err = InvalidAddressRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAddressRange(text.to_owned());
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self { first: net.network(), last: net.broadcast() });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let parse = |part: &str| part.trim().parse::<IpAddr>().map_err(|_| invalid());
        let (first, last) = (parse(first)?, parse(last)?);
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err(invalid());
        }
        Ok(Self { first, last })
    }
}

impl TryFrom<&str> for AddressRange {
    type Error = InvalidAddressRange;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<IpNet> for AddressRange {
    fn from(net: IpNet) -> Self {
        Self { first: net.network(), last: net.broadcast() }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// A [`LoadBalancerProvider`] that takes addresses from ranges. Whoever owns the network has to route them to the nodes.
///
/// ```
/// use svc_model::allocate::AddressPool;
///
/// let pool = AddressPool::builder().range("172.20.10.70-172.20.10.79".parse()?).build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AddressPool {
    ranges: Vec<AddressRange>,
    class: Option<String>,
    ip_mode: IpMode,
    holders: BTreeMap<IpAddr, ObjectName>,
}

/// Settings of an [`AddressPool`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct AddressPoolBuilder {
    ranges: Vec<AddressRange>,
    class: Option<String>,
    ip_mode: IpMode,
}

impl AddressPoolBuilder {
    /// Adds addresses.
    pub fn range(mut self, range: AddressRange) -> Self {
        self.ranges.push(range);
        self
    }

    /// Serves Services of this `loadBalancerClass` instead of those that name none.
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// How packets reach the nodes: with the address itself ([`IpMode::Vip`], the default), or through a proxy.
    pub fn ip_mode(mut self, ip_mode: IpMode) -> Self {
        self.ip_mode = ip_mode;
        self
    }

    /// The pool, all free.
    #[must_use]
    pub fn build(self) -> AddressPool {
        AddressPool {
            ranges: self.ranges,
            class: self.class,
            ip_mode: self.ip_mode,
            holders: BTreeMap::new(),
        }
    }
}

impl AddressPool {
    /// Starts with no addresses.
    pub fn builder() -> AddressPoolBuilder {
        AddressPoolBuilder::default()
    }

    /// The Service that holds `address`.
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<&ObjectName> {
        self.holders.get(&address)
    }

    /// The addresses of `service`: what it asks for, what it has, or the first free one of each family it has.
    ///
    /// # Errors
    /// [`PoolError`]; then nothing changed.
    pub fn allocate(&mut self, service: &Service) -> Result<Vec<IpAddr>, PoolError> {
        let wanted = match service.requested_load_balancer_ip() {
            Some(address) => vec![self.requested(address, service.name())?],
            None => self.automatic(service),
        };
        if wanted.is_empty() {
            return Err(PoolError::Exhausted(self.describe()));
        }
        self.holders.retain(|_, holder| holder != service.name());
        self.holders.extend(wanted.iter().map(|address| (*address, service.name().clone())));
        Ok(wanted)
    }

    fn requested(&self, address: IpAddr, service: &ObjectName) -> Result<IpAddr, PoolError> {
        if !self.ranges.iter().any(|range| (range.first..=range.last).contains(&address)) {
            return Err(PoolError::OutOfPool(address, self.describe()));
        }
        match self.holders.get(&address) {
            Some(holder) if holder != service => Err(PoolError::Taken(address, holder.clone())),
            _ => Ok(address),
        }
    }

    fn automatic(&self, service: &Service) -> Vec<IpAddr> {
        let families = service.cluster_ips().iter().map(|address| AddressType::of(*address));
        let choose = |family| {
            let held = self.held(service.name(), family);
            held.or_else(|| self.former(service, family)).or_else(|| self.free(family))
        };
        families.filter_map(choose).collect()
    }

    /// What the Service had before this program was started again.
    fn former(&self, service: &Service, family: AddressType) -> Option<IpAddr> {
        let had = service.load_balancer_ingress().iter().filter_map(|ingress| ingress.ip());
        had.filter(|address| AddressType::of(*address) == family)
            .find(|address| self.requested(*address, service.name()).is_ok())
    }

    fn held(&self, service: &ObjectName, family: AddressType) -> Option<IpAddr> {
        let mine = |(address, holder): &(&IpAddr, &ObjectName)| {
            *holder == service && AddressType::of(**address) == family
        };
        self.holders.iter().find(mine).map(|(address, _)| *address)
    }

    /// The lowest free address. O(addresses held).
    fn free(&self, family: AddressType) -> Option<IpAddr> {
        let of_family = self.ranges.iter().filter(|range| AddressType::of(range.first) == family);
        of_family.into_iter().find_map(|range| {
            let mut candidate = Some(range.first);
            for (taken, _) in self.holders.range(range.first..=range.last) {
                if Some(*taken) != candidate {
                    break;
                }
                candidate = next(*taken);
            }
            candidate.filter(|candidate| *candidate <= range.last)
        })
    }

    fn describe(&self) -> String {
        self.ranges.iter().map(AddressRange::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl LoadBalancerProvider for AddressPool {
    fn serves(&self, class: Option<&str>) -> bool {
        class == self.class.as_deref()
    }

    fn ensure(
        &mut self,
        service: &Service,
        _nodes: &[Arc<Node>],
    ) -> Result<Vec<LoadBalancerIngress>, Box<dyn std::error::Error + Send + Sync>> {
        let addresses = self.allocate(service)?;
        Ok(addresses.into_iter().map(|ip| LoadBalancerIngress::address(ip, self.ip_mode)).collect())
    }

    fn release(&mut self, service: &ObjectName) {
        self.holders.retain(|_, holder| holder != service);
    }
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}
