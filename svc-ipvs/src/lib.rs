//! IPVS, the kernel's load balancer in a hash table, as typed values.
//!
//! For programs that keep virtual servers of their own in step with something: a Service proxy, a health checker. It
//! speaks the `IPVS` generic-netlink family directly; no `ipvsadm` program is needed, though what
//! `ipvsadm --save --numeric` would print is what [`Command`] prints.
//!
//! ```text
//!   Service { ServiceId, Scheduler, Flags }, Destination { address, Forwarding, weight }    values
//!      |  Display: ipvsadm -S -n            |  diff
//!      v                                    v
//!    text                               [Command]                                           values
//!                                           |  wire                                         pure
//!                                           v
//!   Dataplane:  apply, services, destinations  <-  netlink messages                         pure
//!      |              |
//!    Socket      fake::Kernel                                                               I/O | memory
//! ```
//!
//! # Example
//!
//! ```
//! use std::net::SocketAddr;
//! use svc_ipvs::{Command, Dataplane, Destination, Listed, Scheduler, Service, ServiceId, diff, fake};
//!
//! let id = ServiceId::tcp(SocketAddr::from(([10, 96, 0, 10], 80)));
//! let wanted = Listed::new(Service::new(id, Scheduler::RR))
//!     .destination(Destination::new(SocketAddr::from(([10, 244, 0, 5], 8080))));
//!
//! let mut kernel = fake::Kernel::new(); // or Socket::open()?
//! let commands = diff(&kernel.list()?, std::slice::from_ref(&wanted));
//! assert_eq!(commands[0].to_string(), "-A -t 10.96.0.10:80 -s rr");
//! assert_eq!(commands[1].to_string(), "-a -t 10.96.0.10:80 -r 10.244.0.5:8080 -m -w 1");
//! assert!(kernel.apply(&commands)?.is_empty(), "nothing was refused");
//! assert_eq!(diff(&kernel.list()?, &[wanted]), []);
//! # Ok::<(), svc_ipvs::Error>(())
//! ```
//!
//! # What the kernel does with it
//!
//! A command is applied by itself: there is no transaction, and what one command refuses the next may still do. A
//! destination that is deleted keeps its connections only as far as `net.ipv4.vs.expire_nodest_conn` lets it; for a
//! graceful end give it [weight](Destination::weight) 0 and delete it once its [`Activity`] is nil. Deleted
//! destinations stay on a list for a while that every new one is compared with: change what differs, never flush and
//! load.
//!
//! Source: `linux/ip_vs.h`, `net/netfilter/ipvs/ip_vs_ctl.c`.

mod command;
mod dataplane;
mod destination;
mod device;
mod diff;
mod error;
pub mod fake;
mod listed;
mod name;
mod service;
mod stats;
#[cfg(feature = "netlink")]
#[allow(clippy::disallowed_types, reason = "the one place of this crate with a socket")]
mod sys;
mod text;
mod wire;

pub use command::Command;
pub use dataplane::Dataplane;
pub use destination::{Destination, Forwarding, Tunnel};
pub use device::{AddressDevice, Addresses, Found};
pub use diff::diff;
pub use error::{Error, Refusal};
pub use listed::{Activity, Listed, ListedDestination};
pub use name::{InvalidName, Scheduler};
pub use service::{Family, Flags, Protocol, Service, ServiceId};
pub use stats::{Info, Stats, Timeouts};
#[cfg(feature = "netlink")]
pub use sys::{AddressSocket, Socket};
pub use wire::{Malformed, parse_destination, parse_service};
