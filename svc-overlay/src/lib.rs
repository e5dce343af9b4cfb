//! A pod overlay for nodes in Rust: flannel's VXLAN semantics without its faults, and pod attachment.
//!
//! Each node has a lease: a pod subnet, its address on the underlay and the MAC address of its VXLAN device, in one address
//! family or in both. From its own
//! lease and those of its peers this crate makes the desired state of the node's kernel as a value, compares it with what
//! the kernel holds, and keeps the two equal over rtnetlink. It attaches pods as a CNI plugin would, as calls. It is
//! not a daemon, allocates nothing by itself, runs no programs, and leaves alone whatever it did not make.
//!
//! ```text
//!  Registry (Leases)         pure                                         only here: sockets, files, threads
//!  publish, watch --> LeaseSet --> Plan --diff(Kernel)--> Changes --apply--> Dataplane: System (rtnetlink, nftables)
//!        ^                          ^                                              |      or fake::Fake
//!        |                        Config                                           |
//!        '---------------- Overlay::drive: list, plan, diff, apply, publish <------'  notifications
//!                                   ^
//!                          Pods: attach, detach (Ipam, veth, cni0)
//! ```
//!
//! # Example
//!
//! On a kernel in memory; with [`Overlay::drive`] instead of `drive_on` it is the real one.
//!
//! ```
//! # #[cfg(feature = "driver")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use svc_overlay::{AttachOptions, Lease, Leases, Overlay, PodId, fake::Fake};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let leases = Leases::new();
//! let overlay = Overlay::builder("10.244.0.0/16")
//!     .node("server3")
//!     .subnet("10.244.5.0/24")
//!     .public_ip("172.20.10.3")
//!     .registry(leases.clone())
//!     .build()?;
//! let pods = overlay.pods();
//!
//! let kernel = Fake::new();
//! kernel.add_link("eth0", "172.20.10.3/24".parse()?, 1500);
//! let (handle, run) = overlay.drive_on(kernel.clone());
//! tokio::spawn(run); // on a thread in the node's network namespace
//!
//! let mac = "2e:57:5f:4d:3f:d4".parse()?;
//! let subnet: ipnet::Ipv4Net = "10.244.2.0/24".parse()?;
//! let server2 = Lease::vxlan("server2", subnet, [172, 20, 10, 2], 1, mac);
//! let revision = leases.put(server2)?;
//! handle.programmed(revision).await?; // the kernel holds it
//!
//! let netns = std::fs::File::open("/dev/null")?; // a pod's /proc/PID/ns/net
//! let pod = pods.attach(PodId::new("default", "web-0"), &netns, AttachOptions::new()).await?;
//! assert_eq!((pod.address().to_string(), pod.mtu()), ("10.244.5.2".to_string(), 1450));
//!
//! let log: Vec<_> = kernel.take_log().iter().map(ToString::to_string).collect();
//! assert!(log.contains(&"ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto 120 onlink".to_string()));
//! handle.clean_up().await?; // the host is as before
//! # Ok(())
//! # })
//! # }
//! # #[cfg(not(feature = "driver"))]
//! # fn main() {}
//! ```
//!
//! # What is ours
//!
//! | object | mark |
//! |---|---|
//! | `flannel.<VNI>`, `flannel-v6.<VNI>`, `cni0`, the pods' `veth*` | link alias that begins with `svc-overlay` |
//! | routes, neighbours | protocol number [`PROTOCOL`] |
//! | FDB entries | they are on our device |
//! | rules | nftables tables `ip svc-overlay` and `ip6 svc-overlay` |
//! | sysctls (`net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`, `accept_ra` of our links) | the former value, in the alias of our links |
//!
//! A restarted process finds all of it again, pods' addresses included, and writes nothing that is right. A link or
//! route of somebody else's with a name or destination of ours is an [`Obstacle`]: reported and left alone.
//!
//! # When something goes
//!
//! | what goes | what is done |
//! |---|---|
//! | device, route, neighbour, FDB entry, rule, MTU, MAC address | put back, by notification or the next whole comparison |
//! | the underlay device's address, and it has another one | the node moves there with its subnet and MAC address: [`Overlay::drive`]. The VXLAN device is made anew: changed in place it would go on sending from the former address for as long as the kernel remembers an IPv6 route |
//! | that address, and there is no other | what is programmed stays; [`Status::problems`] names the address, [`Status::is_ready`] is false until it is back |
//! | the registry | what is programmed stays and is mended; when the registry is back, peers whose leases expired meanwhile stay for [`OverlayBuilder::linger`], unless somebody else has their subnet or address |
//! | a peer's lease otherwise | its entries, at once |
//!
//! # Needs
//!
//! | what | needs |
//! |---|---|
//! | [`Plan`], [`Ipam`], [`Leases`], [`fake`] | nothing |
//! | [`Overlay::drive`] | Linux 5.2 or later with `vxlan`, `bridge`, `veth`, `nf_tables` with masquerade; `CAP_NET_ADMIN` in the network namespace |
//! | attaching pods | the same, and `CAP_SYS_ADMIN` in the user namespace for entering the pod's network namespace |
//!
//! A user namespace is enough: no root. Futures that are cancel safe say so; those of
//! `Pods` are not: a request that was made is carried out. MSRV 1.89.
//!
//! What users of flannel report again and again, and which test shows that it does not happen here, stands in
//! [`known_faults`]; what thousands of peers cost, in [`figures`].
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `driver` | yes | [`Overlay::drive`] and the real kernel: tokio and netlink; without it the crate is values and functions |
//! | `etcd` | no | `Etcd`, the leases in etcd under flannel's keys; building it takes the `protoc` program |
//! | `kube` | no | `KubeNodes`, the leases as annotations of Kubernetes' Nodes under flannel's keys |

#[doc = include_str!("../docs/figures.md")]
pub mod figures {}
#[doc = include_str!("../docs/known-faults.md")]
pub mod known_faults {}

mod claim;
mod config;
mod dataplane;
#[cfg(feature = "driver")]
#[allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the loop has a clock, its tests have files"
)]
mod driver;
mod error;
#[cfg(feature = "etcd")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "requests to etcd, and their time")]
mod etcd;
pub mod fake;
mod family;
mod interface;
mod ipam;
mod kernel;
#[cfg(feature = "kube")]
#[allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "requests to Kubernetes, and their time"
)]
mod kube;
mod lease;
mod mac;
mod mark;
mod masquerade;
mod netconf;
mod operation;
mod plan;
mod pod;
mod registry;
#[cfg(feature = "driver")]
mod state;
mod subnet_env;
mod subnets;
#[cfg(feature = "driver")]
#[allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the only place with sockets, files and threads"
)]
mod sys;

pub use claim::Claim;
pub use config::{
    AddressArg, Config, ConfigError, DEFAULT_PORT, DEFAULT_VNI, NetworkArg, OverlayBuilder, Stack,
};
pub use dataplane::Dataplane;
#[cfg(feature = "driver")]
pub use driver::{Handle, Overlay, Pods};
pub use error::{CleanUpError, Error, PodError, Stopped};
#[cfg(feature = "etcd")]
pub use etcd::{Etcd, EtcdBuilder};
pub use family::Family;
pub use interface::{Interface, InterfaceError, InterfaceQuery, Interfaces};
pub use ipam::{Ipam, IpamError};
pub use kernel::{
    Bridge, Device, FdbEntry, Found, Kernel, Neighbour, PROTOCOL, PodPort, Route, Scope, Underlay,
};
#[cfg(feature = "kube")]
pub use kube::{KubeNodes, KubeNodesBuilder};
pub use lease::{Backend, Half, Lease, LeaseError, VxlanData};
pub use mac::{Mac, ParseMacError};
pub use mark::Mark;
pub use masquerade::{Rules, TABLE};
pub use netconf::{Mode, NetConf, NetConfError, VxlanConf};
pub use operation::{Changes, Operation};
pub use plan::{Obstacle, Peer, Plan, Refusal, RefusalReason, Report, Tunnel, sysctls_before};
pub use pod::{AttachOptions, Attachment, ParsePodIdError, PodId, Port};
pub use registry::{BoxFuture, LeaseSet, Leases, Published, Registry, RegistryError, Revision, Watch};
#[cfg(feature = "driver")]
pub use state::{Problem, Status};
pub use subnet_env::{SUBNET_ENV, SubnetEnv, SubnetEnvError};
pub use subnets::{Subnets, SubnetsError};
#[cfg(feature = "driver")]
pub use sys::System;
