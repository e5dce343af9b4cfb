//! Where nodes publish their leases and watch those of the others.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ipnet::IpNet;

use crate::claim::{Claim, Decision};
use crate::lease::Lease;

#[cfg(any(feature = "etcd", feature = "kube"))]
mod named;
mod set;

#[cfg(any(feature = "etcd", feature = "kube"))]
pub(crate) use named::Named;
pub use set::LeaseSet;

/// A boxed future: registries are used as trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A store of leases that every node reads and in which it writes its own.
pub trait Registry: fmt::Debug + Send + Sync {
    /// A lease of the subnets that a node claims: those it holds, or had before, or free ones. Peers do not see the node yet:
    /// that is what [`publish`](Self::publish) is for.
    ///
    /// Fails when nothing is free, or with what the store says.
    fn acquire<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Lease, RegistryError>>;

    /// Publishes a node's lease, or renews it with new data.
    ///
    /// Fails with [`RegistryError::Taken`] when another node holds one of the subnets.
    fn publish(&self, lease: Lease) -> BoxFuture<'_, Result<Published, RegistryError>>;

    /// Says that the node's kernel is in step, so that pods may come to it. Asked after each publication, again until it succeeds.
    /// By default nothing is said.
    fn ready<'a>(&'a self, _lease: &'a Lease) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async { Ok(()) })
    }

    /// Removes a node's own lease; one that another node holds meanwhile stays.
    fn withdraw<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Revision, RegistryError>>;

    /// Follows all leases.
    fn watch(&self) -> Box<dyn Watch>;
}

/// A lease is where its peers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The revision that holds it.
    pub revision: Revision,
    /// After how long it has to be published again, in a store where leases expire.
    pub renew_in: Option<Duration>,
}

impl Published {
    /// Published for ever.
    #[must_use]
    pub const fn new(revision: Revision) -> Self {
        Published { revision, renew_in: None }
    }

    /// Published for some time only.
    #[must_use]
    pub const fn renew_in(mut self, time: Duration) -> Self {
        self.renew_in = Some(time);
        self
    }
}

/// One follower of a [`Registry`].
pub trait Watch: fmt::Debug + Send {
    /// The current leases at once on the first call, then each time that they differ, and once more after a failure that
    /// is over.
    ///
    /// Cancel safe: a change that was not returned is returned by the next call.
    fn changed(&mut self) -> BoxFuture<'_, Result<LeaseSet, RegistryError>>;
}

/// Counts the changes of a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// The revision with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Revision(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a registry refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Another node holds the subnet.
    #[error("subnet {subnet} is leased by {owner}, {node} cannot have it; give {node} another subnet")]
    Taken {
        /// The subnet.
        subnet: IpNet,
        /// Who holds it.
        owner: String,
        /// Who asked.
        node: String,
    },
    /// All subnets are taken.
    #[error(
        "all subnets of {subnets} are leased, node {node} cannot have one; remove a lease or widen the network"
    )]
    Exhausted {
        /// Who asked.
        node: String,
        /// The range.
        subnets: String,
    },
    /// The node asks for what this network does not have.
    #[error("node {node} cannot be given a subnet: {problem}")]
    Claim {
        /// Who asked.
        node: String,
        /// Why not.
        problem: String,
    },
    /// The store holds no network configuration, or one, or a lease, that breaks a rule.
    #[error("lease registry, {place}: {problem}")]
    Config {
        /// Where it stands, or should stand.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The store cannot be reached or answered with an error.
    #[error("lease registry: {0}")]
    Unavailable(String),
}

/// Leases in memory: one handle shared by all nodes of a process.
///
/// ```
/// use svc_overlay::{Lease, Leases};
///
/// let leases = Leases::new();
/// let mac = "2e:57:5f:4d:3f:d4".parse()?;
/// let subnet: ipnet::Ipv4Net = "10.244.2.0/24".parse()?;
/// leases.put(Lease::vxlan("server2", subnet, [172, 20, 10, 2], 1, mac))?;
/// assert_eq!(leases.snapshot().len(), 1);
/// leases.remove("server2");
/// assert!(leases.snapshot().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Leases {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    set: LeaseSet,
    wakers: Vec<Waker>,
}

impl Leases {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Leases::default()
    }

    /// Publishes or renews a lease; the revision that holds it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Taken`] when another node holds the subnet.
    pub fn put(&self, lease: Lease) -> Result<Revision, RegistryError> {
        let mut inner = self.lock();
        match inner.set.lease(lease.subnet()) {
            Some(held) if *held == lease => return Ok(inner.set.revision()),
            Some(held) if held.node() != lease.node() => return Err(taken(held, &lease)),
            _ => {}
        }
        Ok(inner.change(|set, revision| set.put(revision, lease)))
    }

    /// The lease that a node's claim comes to, held for it from now on.
    ///
    /// # Errors
    ///
    /// When no subnet is free, or the claim does not fit the network.
    pub fn claim(&self, claim: &Claim) -> Result<Lease, RegistryError> {
        let mut inner = self.lock();
        loop {
            match claim.decide(&inner.set, 0)? {
                Decision::Keep(lease) => return Ok(lease),
                Decision::Drop(lease) => inner.change(|set, revision| set.remove(revision, lease.subnet())),
                Decision::Take(lease) => {
                    inner.change(|set, revision| set.put(revision, lease.clone()));
                    return Ok(lease);
                }
            };
        }
    }

    /// Removes all leases of a node; the revision without them.
    pub fn remove(&self, node: &str) -> Revision {
        let mut inner = self.lock();
        let of_node = inner.set.iter().filter(|lease| lease.node() == node);
        let subnets: Vec<_> = of_node.map(Lease::subnet).collect();
        if subnets.is_empty() {
            return inner.set.revision();
        }
        inner.change(|set, revision| subnets.into_iter().for_each(|subnet| set.remove(revision, subnet)))
    }

    /// The leases as they are now.
    #[must_use]
    pub fn snapshot(&self) -> LeaseSet {
        self.lock().set.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic of another holder cannot leave the set half changed: it is replaced as a whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn taken(held: &Lease, lease: &Lease) -> RegistryError {
    RegistryError::Taken {
        subnet: lease.subnet(),
        owner: held.node().to_owned(),
        node: lease.node().to_owned(),
    }
}

impl Inner {
    fn change(&mut self, edit: impl FnOnce(&mut LeaseSet, Revision)) -> Revision {
        let revision = Revision(self.set.revision().0 + 1);
        edit(&mut self.set, revision);
        self.wakers.drain(..).for_each(Waker::wake);
        revision
    }
}

impl Registry for Leases {
    fn acquire<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Lease, RegistryError>> {
        Box::pin(async move { self.claim(claim) })
    }

    fn publish(&self, lease: Lease) -> BoxFuture<'_, Result<Published, RegistryError>> {
        let result = self.put(lease).map(Published::new);
        Box::pin(async move { result })
    }

    fn withdraw<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Revision, RegistryError>> {
        let revision = self.remove(lease.node());
        Box::pin(async move { Ok(revision) })
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(LeasesWatch { leases: self.clone(), seen: None })
    }
}

#[derive(Debug)]
struct LeasesWatch {
    leases: Leases,
    seen: Option<Revision>,
}

impl Watch for LeasesWatch {
    fn changed(&mut self) -> BoxFuture<'_, Result<LeaseSet, RegistryError>> {
        Box::pin(poll_fn(|context| self.poll_changed(context).map(Ok)))
    }
}

impl LeasesWatch {
    fn poll_changed(&mut self, context: &mut Context<'_>) -> Poll<LeaseSet> {
        let mut inner = self.leases.lock();
        if self.seen == Some(inner.set.revision()) {
            inner.wakers.retain(|waker| !waker.will_wake(context.waker()));
            inner.wakers.push(context.waker().clone());
            return Poll::Pending;
        }
        self.seen = Some(inner.set.revision());
        Poll::Ready(inner.set.clone())
    }
}

#[cfg(test)]
mod tests;
