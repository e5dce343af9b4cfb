//! Which subnets a node asks for, and which it gets: flannel's rules, decided on the leases as they are.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::family::Family;
use crate::lease::{Backend, Half, Lease};
use crate::netconf::NetConf;
use crate::registry::{LeaseSet, RegistryError};

/// A node's request for a subnet of each family of the network.
///
/// ```
/// use svc_overlay::{Claim, Leases, NetConf, Registry};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let conf = NetConf::parse(r#"{"Network": "10.244.0.0/16"}"#)?;
/// let leases = Leases::new();
/// let claim = Claim::new("server2", [[172, 20, 10, 2].into()], &conf);
/// let lease = leases.acquire(&claim).await?;
/// assert!(conf.networks()[0].contains(&lease.subnet()));
/// assert_eq!(leases.acquire(&claim).await?, lease, "the same again");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    node: String,
    public_ips: Vec<IpAddr>,
    conf: NetConf,
    previous: Vec<IpNet>,
    seed: u64,
}

/// What is to be done to satisfy a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The node holds a lease that fits.
    Keep(Lease),
    /// The node holds a lease that does not fit the network any more: it has to go first.
    Drop(Lease),
    /// These subnets are free.
    Take(Lease),
}

impl Claim {
    /// The claim of `node`, known on the underlay by `public_ips`: one of each family that the network has.
    #[must_use]
    pub fn new(
        node: impl Into<String>,
        public_ips: impl IntoIterator<Item = IpAddr>,
        conf: &NetConf,
    ) -> Self {
        let node = node.into();
        let seed = crate::mac::fnv1a(&[&node]);
        Claim {
            node,
            public_ips: public_ips.into_iter().collect(),
            conf: conf.clone(),
            previous: Vec::new(),
            seed,
        }
    }

    /// The subnets that the node had before, as `subnet.env` remembers them: it gets them again if they are free.
    #[must_use]
    pub fn previous(mut self, subnets: impl IntoIterator<Item = IpNet>) -> Self {
        self.previous = subnets.into_iter().collect();
        self
    }

    /// What the choice among free subnets depends on. Default: the node's name.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The network.
    #[must_use]
    pub fn conf(&self) -> &NetConf {
        &self.conf
    }

    /// The node's address on the underlay, of a family.
    #[must_use]
    pub fn public_ip(&self, family: Family) -> Option<IpAddr> {
        self.public_ips.iter().copied().find(|address| Family::of(*address) == family)
    }

    /// What to do, with these leases. `attempt` counts the times that somebody else was faster: each makes another choice.
    pub(crate) fn decide(&self, leases: &LeaseSet, attempt: u64) -> Result<Decision, RegistryError> {
        let own = leases.iter().find(|lease| self.is_mine(lease));
        match own {
            Some(own) if self.fits(own) => return Ok(Decision::Keep(own.clone())),
            Some(own) => return Ok(Decision::Drop(own.clone())),
            None => {}
        }
        let halves = self.conf.networks().iter().map(|network| self.choose(*network, leases, attempt));
        let mut halves = halves.collect::<Result<Vec<_>, _>>()?.into_iter();
        let first = halves.next().ok_or_else(|| self.unusable("the network has no family"))?;
        // Peers pass over leases of the backend "alloc": nobody sends here before there is a device.
        let lease = Lease::new(&self.node, Backend::named("alloc"), first);
        Ok(Decision::Take(halves.fold(lease, Lease::and)))
    }

    /// flannel keeps no node names: the address of the first family says whose a lease is.
    pub(crate) fn is_mine(&self, lease: &Lease) -> bool {
        lease.node() == self.node || self.public_ips.contains(&lease.public_ip())
    }

    fn fits(&self, lease: &Lease) -> bool {
        let fits = |half: &Half| {
            self.conf.subnets(half.family()).is_some_and(|subnets| subnets.contains(half.subnet))
                && self.public_ips.contains(&half.public_ip)
        };
        lease.halves().len() == self.conf.networks().len() && lease.halves().iter().all(fits)
    }

    fn choose(&self, network: IpNet, leases: &LeaseSet, attempt: u64) -> Result<Half, RegistryError> {
        let family = Family::of_net(network);
        let subnets = self.conf.subnets(family);
        let subnets = subnets.ok_or_else(|| self.unusable("its subnets are given out by somebody else"))?;
        let public_ip = self
            .public_ip(family)
            .ok_or_else(|| self.unusable(&format!("the node has no {family} address")))?;
        let taken = leases.iter().filter_map(|lease| lease.half(family)).map(|half| half.subnet);
        let previous = self.previous.iter().copied().find(|net| Family::of_net(*net) == family);
        // Who was overtaken once should not run for the same subnet again.
        let random = self.seed.wrapping_add(attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let subnet = subnets.choose(taken, previous.filter(|_| attempt == 0), random);
        let full = || RegistryError::Exhausted { node: self.node.clone(), subnets: subnets.to_string() };
        Ok(Half::direct(subnet.ok_or_else(full)?, public_ip))
    }

    fn unusable(&self, problem: &str) -> RegistryError {
        RegistryError::Claim { node: self.node.clone(), problem: problem.to_owned() }
    }
}

#[cfg(test)]
mod tests;
