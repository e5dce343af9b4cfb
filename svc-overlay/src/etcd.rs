//! Leases in etcd, under flannel's own keys and values: nodes of this crate and of flannel share one network.

use std::fmt;
use std::sync::Arc;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};

use crate::claim::{Claim, Decision};
use crate::config::ConfigError;
use crate::lease::Lease;
use crate::netconf::NetConf;
use crate::registry::{BoxFuture, LeaseSet, Published, Registry, RegistryError, Revision, Watch};

mod builder;
mod store;
mod watch;

pub use builder::EtcdBuilder;
use store::{Entry, Store};
use watch::EtcdWatch;

/// How often an acquisition begins again when other nodes were faster, as flannel.
const ATTEMPTS: u64 = 10;

/// A [`Registry`] in etcd 3.4 or later, in flannel's form.
///
/// | key | value |
/// |---|---|
/// | `<prefix>/config` | the network's configuration, written by whoever runs the cluster: [`NetConf`] |
/// | `<prefix>/subnets/10.5.52.0-24` | [`Lease::value`], with an etcd lease of 24 hours |
/// | `<prefix>/subnets/10.5.52.0-24&fd00:5:34::-64` | the same with both families |
///
/// A key without an etcd lease is a reservation: it stays whatever happens, also when its node publishes or withdraws.
/// Leases are taken and renewed by transactions: a key that is another node's meanwhile is [`RegistryError::Taken`],
/// never overwritten. A node that gets another address on the underlay keeps its key while its process lives; one that is started
/// anew at another address is another node, as flannel's is, until its former lease expires. Where flannel would give two
/// nodes one IPv4 subnet with two IPv6 ones, this registry does not.
///
/// Connections are made when they are needed, in a tokio runtime with I/O and time. While etcd cannot be reached, what
/// is programmed goes on; a watch comes back where it was, and reads everything again if etcd has forgotten where that is.
/// What is published is found expired then, and published once more unless another node has taken the subnet.
///
/// ```no_run
/// use svc_overlay::{Claim, Etcd, Overlay, OverlayBuilder, Registry};
///
/// # async fn join() -> Result<(), Box<dyn std::error::Error>> {
/// let etcd = Etcd::builder(["http://127.0.0.1:2379"]).build()?;
/// let conf = etcd.net_conf().await?;
/// let lease = etcd.acquire(&Claim::new("server2", [[172, 20, 10, 2].into()], &conf)).await?;
/// let overlay = OverlayBuilder::of_net_conf(&conf).lease(&lease).registry(etcd).build()?;
/// let (handle, run) = overlay.drive();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Etcd {
    store: Arc<Store>,
}

impl Etcd {
    /// Begins with the servers, such as `http://10.0.0.1:2379`; any of them will do.
    pub fn builder<E>(endpoints: impl IntoIterator<Item = E>) -> EtcdBuilder
    where
        E: Into<String>,
    {
        EtcdBuilder::new(endpoints.into_iter().map(Into::into).collect())
    }

    /// The network's configuration, from `<prefix>/config`.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Config`] when it is missing or breaks a rule; [`RegistryError::Unavailable`].
    pub async fn net_conf(&self) -> Result<NetConf, RegistryError> {
        let place = self.store.config_key();
        let missing = "missing; write flannel's net-conf there, such as {\"Network\": \"10.244.0.0/16\"}";
        let refused = |problem: String| RegistryError::Config { place: format!("etcd key {place}"), problem };
        let text = self.store.config().await?.ok_or_else(|| refused(missing.to_owned()))?;
        NetConf::parse(&String::from_utf8_lossy(&text)).map_err(|error| refused(error.to_string()))
    }

    async fn acquire(&self, claim: &Claim) -> Result<Lease, RegistryError> {
        for attempt in 0..ATTEMPTS {
            let (entries, revision) = self.store.entries().await?;
            match claim.decide(&lease_set(&entries, revision), attempt)? {
                Decision::Keep(lease) => return Ok(lease.with_node(claim.node())),
                Decision::Drop(lease) => {
                    if let Some(entry) = entries.iter().find(|entry| entry.name == lease.key()) {
                        self.store.remove(entry).await?;
                    }
                }
                Decision::Take(lease) => {
                    if self.take(&lease).await?.is_some() {
                        return Ok(lease);
                    }
                }
            }
        }
        let problem = format!("other nodes were faster {ATTEMPTS} times; try again");
        Err(RegistryError::Claim { node: claim.node().to_owned(), problem })
    }

    /// The revision that holds the new lease, unless somebody else has one of its subnets.
    async fn take(&self, lease: &Lease) -> Result<Option<i64>, RegistryError> {
        let Some(revision) = self.store.create(lease).await? else { return Ok(None) };
        if lease.halves().len() == 1 {
            return Ok(Some(revision));
        }
        // No transaction can ask for the second half of a key. Of two that were made, the later one goes.
        let (entries, _) = self.store.entries().await?;
        let name = lease.key();
        let earlier = |entry: &&Entry| entry.name != name && entry.created < revision;
        let collides = entries
            .iter()
            .filter(earlier)
            .filter_map(|entry| entry.lease().ok())
            .any(|e| overlaps(&e, lease));
        if !collides {
            return Ok(Some(revision));
        }
        if let Some(ours) = entries.iter().find(|entry| entry.name == name && entry.created == revision) {
            self.store.remove(ours).await?;
        }
        Ok(None)
    }

    async fn publish(&self, lease: Lease) -> Result<Published, RegistryError> {
        for _ in 0..ATTEMPTS {
            let entry = self.store.entry(&lease.key()).await?;
            if let Some(entry) = &entry {
                self.own(entry, &lease)?;
            }
            self.store.begins(&lease);
            let revision = match &entry {
                None => self.take(&lease).await?,
                Some(entry) => self.store.replace(entry, &lease).await?,
            };
            let Some(revision) = revision else {
                self.name_the_owner(&lease).await?;
                continue;
            };
            self.store.is_done(&lease);
            let published = Published::new(number(revision));
            let forever = entry.is_some_and(|entry| entry.is_reservation());
            return Ok(if forever { published } else { published.renew_in(self.store.renew_in()) });
        }
        Err(RegistryError::Unavailable(format!("the key of {lease} changes all the time; try again")))
    }

    async fn withdraw(&self, lease: &Lease) -> Result<Revision, RegistryError> {
        for _ in 0..ATTEMPTS {
            let (entry, seen) = self.store.entry_at(&lease.key()).await?;
            let Some(entry) = entry.filter(|entry| self.own(entry, lease).is_ok()) else {
                return Ok(number(seen));
            };
            let done = match entry.is_reservation() {
                // It stays reserved, and nobody sends there any more.
                true => self.store.replace(&entry, &lease.clone().unpublished()).await?,
                false => self.store.remove(&entry).await?,
            };
            if let Some(revision) = done {
                return Ok(number(revision));
            }
        }
        Err(RegistryError::Unavailable(format!("the key of {lease} changes all the time; try again")))
    }

    /// Whether the key is this node's: flannel knows nodes by their addresses. One that has moved since is known by what it had
    /// published before.
    fn own(&self, entry: &Entry, lease: &Lease) -> Result<(), RegistryError> {
        let place = self.store.lease_key(&entry.name);
        let held = entry.lease().map_err(|error| RegistryError::Config {
            place: format!("etcd key {place}"),
            problem: format!("{error}; repair or delete it"),
        })?;
        let own = held.public_ip() == lease.public_ip() || self.store.has_written(&held, lease.node());
        if own { Ok(()) } else { Err(taken(&held, lease)) }
    }

    /// Fails when another node holds one of the subnets, under whatever key.
    async fn name_the_owner(&self, lease: &Lease) -> Result<(), RegistryError> {
        let (entries, _) = self.store.entries().await?;
        let others = entries.iter().filter(|entry| entry.name != lease.key());
        match others.filter_map(|entry| entry.lease().ok()).find(|other| overlaps(other, lease)) {
            Some(held) => Err(taken(&held, lease)),
            None => Ok(()),
        }
    }
}

impl Registry for Etcd {
    fn acquire<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Lease, RegistryError>> {
        Box::pin(Etcd::acquire(self, claim))
    }

    fn publish(&self, lease: Lease) -> BoxFuture<'_, Result<Published, RegistryError>> {
        Box::pin(Etcd::publish(self, lease))
    }

    fn withdraw<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Revision, RegistryError>> {
        Box::pin(Etcd::withdraw(self, lease))
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(EtcdWatch::new(Arc::clone(&self.store)))
    }
}

fn taken(held: &Lease, lease: &Lease) -> RegistryError {
    RegistryError::Taken {
        subnet: lease.subnet(),
        owner: held.node().to_owned(),
        node: lease.node().to_owned(),
    }
}

fn overlaps(a: &Lease, b: &Lease) -> bool {
    let meet = |a: &ipnet::IpNet, b: &ipnet::IpNet| a.contains(b) || b.contains(a);
    a.halves().iter().any(|half| b.halves().iter().any(|other| meet(&half.subnet, &other.subnet)))
}

/// etcd counts in signed numbers that are never negative.
fn number(revision: i64) -> Revision {
    Revision::new(revision.unsigned_abs())
}

fn lease_set(entries: &[Entry], revision: i64) -> LeaseSet {
    LeaseSet::new(number(revision), entries.iter().filter_map(|entry| entry.lease().ok()))
}
