//! Leases as annotations of Kubernetes' Nodes, under flannel's own keys: nodes of this crate and of flannel share one network.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use svc_model::kube::{Cluster, PatchError};
use svc_model::{Kind, ObjectName, ObjectRef};
use tokio::time::timeout;

use crate::claim::Claim;
use crate::config::ConfigError;
use crate::family::Family;
use crate::lease::{Backend, Half, Lease};
use crate::registry::{BoxFuture, Published, Registry, RegistryError, Revision, Watch};

mod annotations;
mod condition;
mod follow;
mod watch;

use annotations::Annotations;
use follow::Follower;
use watch::NodesWatch;

/// For the first list, and for an own change to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// A [`Registry`] in Kubernetes, in flannel's form: a Node's `spec.podCIDRs` are its subnets, the rest are annotations.
///
/// | annotation, after `flannel.alpha.coreos.com/` | value |
/// |---|---|
/// | `kube-subnet-manager` | `true`; Nodes without it are no peers |
/// | `backend-type` | `vxlan`, `host-gw` |
/// | `backend-data`, `backend-v6-data` | `{"VNI":1,"VtepMAC":"2e:57:5f:4d:3f:d4"}` of each family |
/// | `public-ip`, `public-ipv6` | the node's addresses on the underlay |
/// | `public-ip-overwrite`, `public-ipv6-overwrite` | by people: published in place of the node's own address |
/// | `node-public-ip`, `node-public-ipv6` | by people: the node's own address |
///
/// Nobody allocates here: the cluster gives each Node its subnets, and a Node has one lease, its own. A subnet outside of the
/// network is refused by name. The MAC address that a Node's annotations tell is the one that [`acquire`](Registry::acquire)
/// returns, so that it outlives a reboot. Annotations never expire. They are written by a merge patch of `nodes/status`, and
/// only when something differs; other people's annotations are left alone.
///
/// Once the node's kernel is in step its condition `NetworkUnavailable` is set to `False` with reason `FlannelIsUp`, as flannel
/// does it, so that pods may come; unless [`KubeNodesBuilder::network_condition`] says otherwise.
///
/// The rights that this takes are in `manifests/rbac.yaml` of this crate: `list` and `watch` of `nodes`, `patch` of
/// `nodes/status`.
///
/// Nodes are followed by a task of the tokio runtime in which the registry is first used; it ends with the last clone and
/// watch. While the API server cannot be reached, what is programmed goes on.
///
/// ```no_run
/// use svc_model::kube::Cluster;
/// use svc_overlay::{Claim, KubeNodes, NetConf, OverlayBuilder, Registry};
///
/// # async fn join() -> Result<(), Box<dyn std::error::Error>> {
/// let nodes = KubeNodes::builder(Cluster::in_cluster()?).build()?;
/// let conf = std::fs::read_to_string("/etc/kube-flannel/net-conf.json")?;
/// let conf = NetConf::parse_without_allocation(&conf)?;
/// let lease = nodes.acquire(&Claim::new("server2", [[172, 20, 10, 2].into()], &conf)).await?;
/// let overlay = OverlayBuilder::of_net_conf(&conf).lease(&lease).registry(nodes).build()?;
/// let (handle, run) = overlay.drive();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct KubeNodes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cluster: Cluster,
    annotations: Annotations,
    network_condition: bool,
    follower: Follower,
}

/// Begun by [`KubeNodes::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct KubeNodesBuilder {
    cluster: Cluster,
    prefix: String,
    network_condition: bool,
}

impl KubeNodesBuilder {
    /// What the annotations begin with (`flannel.alpha.coreos.com`): flannel's `--kube-annotation-prefix`.
    pub fn annotation_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Whether the Node's condition `NetworkUnavailable` is set (true): flannel's `--set-node-network-unavailable`.
    pub fn network_condition(mut self, set: bool) -> Self {
        self.network_condition = set;
        self
    }

    /// Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// The prefix is none.
    pub fn build(self) -> Result<KubeNodes, ConfigError> {
        let annotations = Annotations::new(&self.prefix)?;
        let follower = Follower::new(self.cluster.clone());
        let KubeNodesBuilder { cluster, network_condition, .. } = self;
        Ok(KubeNodes { shared: Arc::new(Shared { cluster, annotations, network_condition, follower }) })
    }
}

impl KubeNodes {
    /// Begins with the cluster.
    pub fn builder(cluster: Cluster) -> KubeNodesBuilder {
        KubeNodesBuilder { cluster, prefix: annotations::PREFIX.to_owned(), network_condition: true }
    }

    async fn acquire(&self, claim: &Claim) -> Result<Lease, RegistryError> {
        let name = claim.node();
        let node = self.shared.node(name).await?;
        let refused = |problem: String| RegistryError::Claim { node: name.to_owned(), problem };
        let annotations = &self.shared.annotations;
        let mut halves = Vec::new();
        for network in claim.conf().networks() {
            let family = Family::of_net(*network);
            let cidr = node.pod_cidrs().iter().copied().find(|cidr| Family::of_net(*cidr) == family);
            let cidr = cidr.ok_or_else(|| {
                refused(format!(
                    "its spec.podCIDRs have no {family} one; the controller manager gives them out"
                ))
            })?;
            if !network.contains(&cidr) {
                let cure = "correct the network configuration, or the cluster CIDR and delete the Node";
                return Err(refused(format!("its podCIDR {cidr} lies outside Network {network}; {cure}")));
            }
            let given = annotations.own_address(&node, family).map_err(|error| refused(error.to_string()))?;
            let address = given.or_else(|| claim.public_ip(family));
            let address = address.ok_or_else(|| refused(format!("the node has no {family} address")))?;
            halves.push(match annotations.vtep_mac(&node, family) {
                Some(mac) => Half::vxlan(cidr, address, claim.conf().vxlan().vni(), mac),
                None => Half::direct(cidr, address),
            });
        }
        let mut halves = halves.into_iter();
        let first = halves.next().ok_or_else(|| refused("the network has no family".to_owned()))?;
        Ok(halves.fold(Lease::new(name, Backend::named("alloc"), first), Lease::and))
    }

    /// Publishes, and waits until the change has come back: from then on every set of leases has it.
    async fn publish(&self, lease: &Lease) -> Result<Revision, RegistryError> {
        let node = self.shared.node(lease.node()).await?;
        let missing = lease.halves().iter().find(|half| !node.pod_cidrs().contains(&half.subnet));
        if let Some(half) = missing {
            let cidrs = node.pod_cidrs().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(RegistryError::Config {
                place: format!("Node {}", lease.node()),
                problem: format!("its spec.podCIDRs are [{cidrs}], not {}; start the node anew", half.subnet),
            });
        }
        self.write(lease.node(), |annotations, node| annotations.of_lease(lease, node)).await
    }

    /// Says once that the network is up. What others say of it later stays.
    async fn ready(&self, lease: &Lease) -> Result<(), RegistryError> {
        let node = self.shared.node(lease.node()).await?;
        if !self.shared.network_condition || condition::is_up(&node) {
            return Ok(());
        }
        self.set_condition(lease.node(), &condition::up(SystemTime::now())).await?;
        self.shared.seen(lease.node(), condition::is_up).await.map(drop)
    }

    async fn set_condition(&self, name: &str, patch: &str) -> Result<(), RegistryError> {
        let object = ObjectRef::new(Kind::Node, ObjectName::cluster(name));
        let patched = self.shared.cluster.strategic_merge_patch(&object, Some("status"), patch).await;
        patched.map_err(|error| failed(name, &error))
    }

    /// The annotations that are ours go, and the condition; the MAC address is remembered by nobody then.
    async fn withdraw(&self, lease: &Lease) -> Result<Revision, RegistryError> {
        let node = self.shared.node(lease.node()).await?;
        if self.shared.network_condition && condition::is_there(&node) {
            self.set_condition(lease.node(), &condition::gone()).await?;
        }
        self.write(lease.node(), |annotations, _| annotations.none()).await
    }

    async fn write(
        &self,
        name: &str,
        wanted: impl Fn(&Annotations, &svc_model::Node) -> annotations::Wanted,
    ) -> Result<Revision, RegistryError> {
        let Shared { cluster, annotations, .. } = &*self.shared;
        let node = self.shared.node(name).await?;
        if let Some(patch) = wanted(annotations, &node).patch(&node) {
            let object = ObjectRef::new(Kind::Node, ObjectName::cluster(name));
            let patched = cluster.merge_patch(&object, Some("status"), &patch).await;
            patched.map_err(|error| failed(name, &error))?;
        }
        // A Node that is gone meanwhile has no annotations.
        let seen = |node: &svc_model::Node| wanted(annotations, node).patch(node).is_none();
        self.shared.seen(name, seen).await
    }
}

impl Shared {
    /// The Node as it was seen last.
    async fn node(&self, name: &str) -> Result<Arc<svc_model::Node>, RegistryError> {
        self.follower.ready(PATIENCE).await?;
        let node = self.follower.snapshot().node(name).cloned();
        let absent = || RegistryError::Config {
            place: format!("Node {name}"),
            problem: "there is none of this name; name the node as Kubernetes does".to_owned(),
        };
        node.ok_or_else(absent)
    }

    /// Waits until a Node is seen so, or gone.
    async fn seen(
        &self,
        name: &str,
        wanted: impl Fn(&svc_model::Node) -> bool,
    ) -> Result<Revision, RegistryError> {
        let mut watch = self.follower.watch();
        let arrived = async {
            loop {
                let snapshot = self.follower.snapshot();
                if snapshot.node(name).is_none_or(|node| wanted(node)) {
                    return Revision::new(snapshot.revision().number());
                }
                if watch.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let late = |_| RegistryError::Unavailable(format!("Node {name}: what was written is not seen"));
        timeout(PATIENCE, arrived).await.map_err(late)
    }
}

impl Registry for KubeNodes {
    fn acquire<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Lease, RegistryError>> {
        Box::pin(KubeNodes::acquire(self, claim))
    }

    fn publish(&self, lease: Lease) -> BoxFuture<'_, Result<Published, RegistryError>> {
        Box::pin(async move { KubeNodes::publish(self, &lease).await.map(Published::new) })
    }

    fn ready<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(KubeNodes::ready(self, lease))
    }

    fn withdraw<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Revision, RegistryError>> {
        Box::pin(KubeNodes::withdraw(self, lease))
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(NodesWatch::new(Arc::clone(&self.shared)))
    }
}

fn failed(name: &str, error: &PatchError) -> RegistryError {
    match error.is_transient() || error.is_permission_denied() {
        true => RegistryError::Unavailable(error.to_string()),
        false => RegistryError::Config { place: format!("Node {name}"), problem: error.to_string() },
    }
}
