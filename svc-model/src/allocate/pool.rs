//! Load-balancer addresses from ranges, for those without a cloud.

mod range;

pub use range::{AddressRange, InvalidAddressRange};

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::LoadBalancerProvider;
use super::ledger::Ledger;
use super::number::{address, number};
use crate::{AddressType, IpMode, LoadBalancerIngress, Node, ObjectName, Service};

/// Why a pool gave no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Nothing is left in the families that the Service has.
    #[error("no address is free in the load-balancer pool {0}: release one, or widen the pool")]
    Exhausted(String),
    /// What was asked for (`loadBalancerIP`) is no address: a name that some cloud would know.
    #[error("`{0}` is not an IP address: ask for an address of the pool, or for none")]
    NotAnAddress(String),
    /// The address that was asked for does not belong to the pool.
    #[error("{0} is not in the load-balancer pool {1}")]
    OutOfPool(IpAddr, String),
    /// The address that was asked for is of a family that the Service does not have.
    #[error(
        "{0} is of a family that the Service does not have: ask for another address, or change ipFamilyPolicy"
    )]
    OtherFamily(IpAddr),
    /// The address that was asked for belongs to another Service; addresses are not shared.
    #[error(
        "{address} is already allocated to Service {holder} and cannot go to Service {asker}: addresses are not shared"
    )]
    Taken {
        /// The address that was asked for.
        address: IpAddr,
        /// Who has it.
        holder: ObjectName,
        /// Who asked for it.
        asker: ObjectName,
    },
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
    v4: Ledger,
    v6: Ledger,
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
        let ledger = |family| {
            let of_family = self.ranges.iter().filter(|range| AddressType::of(range.first) == family);
            let mut ledger = Ledger::default();
            of_family.for_each(|range| ledger.add(range.numbers()));
            ledger
        };
        AddressPool {
            v4: ledger(AddressType::Ipv4),
            v6: ledger(AddressType::Ipv6),
            ranges: self.ranges,
            class: self.class,
            ip_mode: self.ip_mode,
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
        self.ledger(AddressType::of(address)).holder(number(address))
    }

    /// How many addresses are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// The addresses of `service`: what it asks for, what it has, or the first free one of each family it has.
    /// O(log n) in the addresses that are held.
    ///
    /// # Errors
    /// [`PoolError`]; then nothing changed.
    pub fn allocate(&mut self, service: &Service) -> Result<Vec<IpAddr>, PoolError> {
        let wanted = match (service.requested_load_balancer_ip(), service.load_balancer_ip()) {
            (Some(address), _) => vec![self.requested(address, service)?],
            (None, Some(text)) => return Err(PoolError::NotAnAddress(text.to_owned())),
            (None, None) => self.automatic(service),
        };
        if wanted.is_empty() {
            return Err(PoolError::Exhausted(self.describe()));
        }
        for family in [AddressType::Ipv4, AddressType::Ipv6] {
            let keep: BTreeSet<u128> =
                wanted.iter().filter(|it| AddressType::of(**it) == family).map(|it| number(*it)).collect();
            let ledger = self.ledger_mut(family);
            ledger.retain(service.name(), &keep);
            for number in keep {
                // Free or its own already, as was just found.
                drop(ledger.claim(number, service.name()));
            }
        }
        Ok(wanted)
    }

    fn requested(&self, address: IpAddr, service: &Service) -> Result<IpAddr, PoolError> {
        let family = AddressType::of(address);
        if !service.families().contains(&family) {
            return Err(PoolError::OtherFamily(address));
        }
        if !self.ledger(family).contains(number(address)) {
            return Err(PoolError::OutOfPool(address, self.describe()));
        }
        match self.owner(address).filter(|holder| *holder != service.name()) {
            Some(holder) => {
                Err(PoolError::Taken { address, holder: holder.clone(), asker: service.name().clone() })
            }
            None => Ok(address),
        }
    }

    fn automatic(&self, service: &Service) -> Vec<IpAddr> {
        let choose = |family: AddressType| {
            let ledger = self.ledger(family);
            let held = ledger.held_by(service.name()).map(|number| address(family, number));
            let free = || ledger.first_free().map(|number| address(family, number));
            held.or_else(|| self.former(service, family)).or_else(free)
        };
        service.families().into_iter().filter_map(choose).collect()
    }

    /// What the Service had before this program was started again.
    fn former(&self, service: &Service, family: AddressType) -> Option<IpAddr> {
        let had = service.load_balancer_ingress().iter().filter_map(|ingress| ingress.ip());
        had.filter(|address| AddressType::of(*address) == family)
            .find(|address| self.requested(*address, service).is_ok())
    }

    fn ledger(&self, family: AddressType) -> &Ledger {
        match family {
            AddressType::Ipv4 => &self.v4,
            AddressType::Ipv6 => &self.v6,
        }
    }

    fn ledger_mut(&mut self, family: AddressType) -> &mut Ledger {
        match family {
            AddressType::Ipv4 => &mut self.v4,
            AddressType::Ipv6 => &mut self.v6,
        }
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
        self.v4.retain(service, &BTreeSet::new());
        self.v6.retain(service, &BTreeSet::new());
    }
}
