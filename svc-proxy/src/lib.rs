//! Kubernetes Services compiled to kernel rules: plan, diff, apply.
//!
//! What kube-proxy does, as a library: connections to a Service's addresses (ClusterIP, node port, externalIP,
//! load-balancer address) reach one of its endpoints. It needs no cluster and no foreign program. It is not a pod
//! network: routes, devices and pods' addresses are somebody else's.
//!
//! ```text
//!  svc_model::Snapshot, Delta          what Services and endpoints there are
//!        |
//!      Plan            pure            frontends and what becomes of connections to them; prints as a table
//!        |
//!  nftables::Rules     pure            tables as values; print as `nft list ruleset`, `iptables-save`; differ by a
//!  iptables::Rules      |              batch, by chains; trace(packet): what becomes of it, and which Service is why
//!  ipvs::Rules          |              virtual servers, addresses, and nftables around them
//!        |
//!      Proxy           async           watch -> plan -> diff -> apply -> report the revision in force
//!        |
//!    Dataplane         I/O             sys::Kernel (netlink, iptables-restore, /proc/sys) or fake::Kernel
//! ```
//!
//! # From objects to rules, without touching anything
//!
//! ```
//! use svc_model::{Snapshot, yaml};
//! use svc_proxy::{Node, Plan, nftables};
//!
//! let manifests = yaml::read("
//! {apiVersion: v1, kind: Service, metadata: {name: web, namespace: default},
//!  spec: {clusterIP: 10.96.0.80, ports: [{port: 80, targetPort: 9376}]}}
//! ---
//! {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
//!  metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}},
//!  ports: [{port: 9376}], endpoints: [{addresses: [10.244.2.65], nodeName: server2}]}");
//! let snapshot: Snapshot = manifests.stored().0.into_iter().collect();
//! let node = Node::builder("server2").address("172.20.10.2").cluster_cidr("10.244.0.0/16").build()?;
//!
//! let plan = Plan::new(&snapshot, &node);
//! assert!(plan.to_string().contains("TCP 10.96.0.80:80  Cluster  unless pod  10.244.2.65:9376 (here)"));
//!
//! let rules = plan.compile(&nftables::Backend::default());
//! assert!(rules.to_string().contains("10.96.0.80 . tcp . 80 . 0 : 10.244.2.65 . 9376"));
//!
//! let nothing = Plan::new(&Snapshot::default(), &node).compile(&nftables::Backend::default());
//! println!("{}", rules.diff(&nothing)); // the dry run: what would be sent
//! # Ok::<(), svc_proxy::NodeError>(())
//! ```
//!
//! # Keeping a kernel in step
//!
//! Here the kernel is one in memory; leave `dataplane` out for the one that runs.
//!
//! ```
//! # #[cfg(feature = "driver")] {
//! use svc_model::{store::Store, yaml};
//! use svc_proxy::{Node, Proxy, fake};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let node = Node::builder("server2").address("172.20.10.2").build()?;
//! let store = Store::new();
//! let (handle, run) = Proxy::builder(node).dataplane(fake::Kernel::new()).build().drive(store.watch());
//! tokio::spawn(run);
//!
//! let manifests = yaml::read("
//! {apiVersion: v1, kind: Service, metadata: {name: web, namespace: default},
//!  spec: {clusterIP: 10.96.0.80, ports: [{port: 80}]}}");
//! let revision = store.apply(manifests.stored().0);
//! handle.programmed(revision).await?; // from here on the kernel knows the Service
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it needs
//!
//! | need | for | without |
//! |--|--|--|
//! | Linux 5.13, nf_tables, nf_nat, nf_conntrack | everything | [`Error::Nftables`] says what the kernel refused |
//! | `iptables-restore`, `iptables-save` 1.6.2 and their sisters for IPv6; ip_tables or nf_tables with xt_ matches | [`Backend::Iptables`] alone | [`Error::Iptables`] |
//! | ip_set_hash_ip, xt_set | session affinity in [`Backend::Iptables`] | Services that ask for it are set aside ([`Rejection`]) |
//! | nf_conntrack_netlink | UDP clients whose endpoint vanishes | [`Status::conntrack_error`] |
//! | `CAP_NET_ADMIN` in the network namespace (a user namespace of one's own will do) | everything | [`Error::is_permission_denied`] |
//! | `net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding` = 1 | other hosts and pods | reported; set with [`SysctlPolicy::Set`] |
//! | br_netfilter, `net.bridge.bridge-nf-call-iptables` (`-ip6tables`) = 1 | a pod whose Service leads to a neighbour on its bridge | reported; set with [`SysctlPolicy::Set`] |
//! | hairpin mode on a pod's bridge port | a pod whose Service leads to itself | such connections time out |
//! | a route to the ClusterIPs (a default route will do) | the node's own connections to them | "network unreachable" |
//!
//! Everything in the kernel is in tables of our name and with our comment, in the mode iptables in chains `KUBE-…` beside a
//! chain that says whose they are, and in sets `SVC-PROXY-…`; nothing else is touched. Updates are atomic
//! (in the mode iptables table by table) and change only what differs; connections that are up stay up. The kernel is asked for its rules at the start, after a
//! failure, and when the generation of its rules says that somebody else changed some; never for a change of a Service.
//! One Service that the kernel refuses keeps no other one out ([`Rejection`]). Where the send buffer is too small for all
//! (`net.core.wmem_max` in a user namespace), Services go in several batches, each atomic. UDP clients of endpoints
//! that vanish, or that were there before the Service, are led anew ([`conntrack`]).
//!
//! [`semantics`] says what connections to Services mean where kube-proxy's back ends disagree; [`Compat`] takes their
//! side.
//!
//! Features: `driver` (default) adds [`Proxy`] and [`sys`]; without it there is no tokio and no I/O. `health` adds the HTTP
//! servers of `healthCheckNodePort`, `/healthz`, `/livez` and `/metrics`, and with them hyper. `config-file` reads
//! `KubeProxyConfiguration` ([`kube_proxy`]).
//! Futures: all of [`Handle`] is cancel safe; the loop may be dropped at any time. MSRV: 1.89.

#[cfg(feature = "driver")]
mod civil;
mod config;
pub mod conntrack;
mod dataplane;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the driver has a clock")]
mod driver;
mod error;
pub mod fake;
#[cfg(feature = "health")]
pub mod health;
pub mod iptables;
pub mod ipvs;
#[cfg(feature = "config-file")]
pub mod kube_proxy;
#[cfg(feature = "driver")]
pub mod metrics;
pub mod nftables;
pub mod packet;
pub mod plan;
#[cfg(feature = "driver")]
mod state;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "sockets and files live here")]
pub mod sys;
pub mod sysctl;
pub mod trace;

#[doc = include_str!("../docs/semantics.md")]
pub mod semantics {}

#[doc = include_str!("../docs/figures.md")]
pub mod figures {}

pub use config::{Compat, Detector, Node, NodeBuilder, NodeError, NodePortAddresses, PodSource, ProxyMode};
pub use dataplane::Dataplane;
#[cfg(feature = "driver")]
pub use driver::{Backend, Handle, Proxy, ProxyBuilder, Status};
pub use error::{CleanUpError, Error, Rejection};
pub use plan::{Compiler, Plan};
pub use sysctl::SysctlPolicy;
