//! DNS answers for Kubernetes Services, for any Rust program: a sans-IO responder, a server around it, forwarding of what is
//! outside the zone. It follows the [DNS specification] of Kubernetes (schema 1.1.0).
//!
//! It is an authority for a cluster's zones and its reverse zones, and a forwarder with a cache for everything else. It is no
//! recursive resolver, does not sign, and asks upstream servers by UDP, TCP and TLS.
//!
//! ```text
//!            Snapshot, Delta                           queries
//!                  |                                      |
//!   Zone ----> [ index ] <---- [ zone ] <---- [ responder ] ----> Answer | Forward | Transfer | Drop     pure
//!   (config)   records of      what a name          |      \
//!              each Service    means            [ message ] [ forward ]
//!  ------------------------------------------------------------------------------------------------------------------
//!   Watch ---> [ driver ]  UDP, TCP, one future --> [ front ] --> [ forwarder ]  upstreams, health    feature `driver`
//!                  |                        rules, hosts, cache      |
//!               [ sys ]  sockets, the time               [ sys ]                                   (or `fake`)
//! ```
//!
//! # The responder
//!
//! Bytes in, bytes out, from an immutable value; a clone is cheap, and a change costs what changed, not what there is.
//!
//! ```
//! use svc_dns::{Client, Outcome, Responder, Zone, message::{Query, RecordType, Reply}};
//! use svc_model::{Snapshot, yaml};
//!
//! let manifests = yaml::read("
//!   apiVersion: v1
//!   kind: Service
//!   metadata: {name: web, namespace: shop}
//!   spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{port: 80}]}
//! ");
//! let snapshot: Snapshot = manifests.stored().0.into_iter().collect();
//! let zone = Zone::builder("cluster.local").reverse("10.96.0.0/12").build()?;
//! let responder = Responder::new(zone, &snapshot);
//!
//! let query = Query::emit(4711, &"web.shop.svc.cluster.local".parse()?, RecordType::A);
//! let mut answer = Vec::new();
//! let outcome = responder.respond(&query, Client::udp("10.244.1.7:40000".parse()?), &mut answer);
//! assert!(matches!(outcome, Outcome::Answer));
//! let records = Reply::parse(&answer)?.answer_records()?;
//! assert_eq!(records[0].to_string(), "web.shop.svc.cluster.local. 5 IN A 10.96.0.1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The server
//!
#![cfg_attr(feature = "driver", doc = "```")]
#![cfg_attr(not(feature = "driver"), doc = "```text")]
//! use svc_dns::{Forwarder, Server, Zone};
//! use svc_model::store::Store;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let store = Store::new();
//! let forwarder = Forwarder::builder().upstream("172.20.10.53").stub("corp.example", ["10.1.0.53"]).build()?;
//! let server = Server::builder(Zone::builder("cluster.local").build()?)
//!     .listen("127.0.0.1:0") // UDP and TCP on one port
//!     .forward(forwarder)
//!     .build()?;
//! let (handle, run) = server.drive(store.watch());
//! let embedder = async move {
//!     let bound = handle.bound().await?;
//!     assert_eq!(bound.udp, bound.tcp);
//!     handle.serving(store.snapshot().revision()).await
//!     // The handle goes, the server stops.
//! };
//! let (served, followed) = tokio::join!(run, embedder);
//! served?;
//! followed?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing is spawned, unless threads are [asked for](ServerBuilder::threads): the future that `Server::drive` gives is the server. Its sockets are made when it is first polled, in
//! the network namespace of the polling thread.
//!
//! # Where the specification leaves a choice
//!
//! [`Compat`] lists where CoreDNS and the RFCs differ; the RFCs' side is taken unless told otherwise. Beyond that:
//!
//! - An alias whose target in the zones has no record of the type is left out: NODATA. SRV takes no alias.
//! - Additional records that do not fit are left out; TC is set for answers only (RFC 2181 section 9). Over TCP an answer that no
//!   message can hold is a part that fits, another part the next time, and is [counted](Responder::trimmed).
//! - The serial moves with what clients can see, by one at least: no two states of a zone share one.
//! - A transfer holds what [`Transfer`] says, each record once, however many EndpointSlices have it.
//!
//! # Needs
//!
//! | | |
//! |---|---|
//! | kernel, modules | nothing beyond UDP and TCP |
//! | capabilities | `CAP_NET_BIND_SERVICE` for ports below 1024 |
//! | features | `driver` (default): server and forwarder, on tokio. Without it neither tokio nor sockets. `tls`: DNS over TLS with clients and upstream servers, on rustls and aws-lc-rs. `https`: DNS over HTTPS with clients, on hyper |
//! | cancel safety | every `async fn` here may be dropped at any await; a dropped server future closes its sockets |
//! | MSRV | 1.89 |
//!
//! [DNS specification]: https://github.com/kubernetes/dns/blob/master/docs/specification.md

#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
mod access;
mod address;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
mod autopath;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
mod cache;
mod config;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
pub mod corefile;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
mod domains;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the loop around sockets and clocks")]
mod driver;
mod error;
mod explain;
#[cfg(feature = "driver")]
pub mod fake;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
pub mod forward;
#[cfg(feature = "driver")]
mod forwarder;
#[cfg(feature = "driver")]
mod front;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
mod hosts;
#[cfg(feature = "https")]
mod https;
mod index;
#[cfg(feature = "driver")]
mod kube_dns;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
pub mod message;
#[cfg(feature = "driver")]
mod metrics;
#[cfg(feature = "driver")]
mod options;
#[cfg(feature = "driver")]
mod query_log;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
mod rate;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
mod resolv_conf;
mod responder;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
pub mod rewrite;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the place for sockets and clocks")]
mod sys;
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the server uses it"))]
pub mod template;
#[cfg(feature = "tls")]
mod tls;
mod zone;

#[doc = include_str!("../docs/figures.md")]
pub mod figures {}

#[doc = include_str!("../docs/rows.md")]
pub mod rows {}

pub use access::{Access, Action};
pub use address::ServerAddress;
pub use autopath::Autopath;
pub use cache::{Cache, CacheConfig, CacheConfigBuilder, CacheStats, Prefetch, Stale, StaleMode, StoreStats};
pub use config::{Cidr, Compat, LabelExpression, PodRecords, Zone, ZoneBuilder};
#[cfg(feature = "driver")]
pub use driver::{Bound, Handle, Pages, Server, ServerBuilder, Stats, Status};
pub use error::{ConfigError, ServerError};
pub use explain::{Explained, Explanation, Source};
pub use forward::Forward;
#[cfg(feature = "driver")]
pub use forwarder::{
    Exchange, Exchanged, ForwardStats, Forwarder, ForwarderBuilder, Histogram, Policy, Protocol, Route,
    RouteBuilder, UpstreamStats,
};
#[cfg(feature = "driver")]
pub use front::{Front, Site, SiteBuilder};
pub use hosts::{Hosts, HostsProblem};
#[cfg(feature = "driver")]
pub use kube_dns::KubeDns;
#[cfg(feature = "driver")]
pub use query_log::{LogClass, LogEvent, LogEvents, LogSender, QueryLog};
pub use rate::RateLimit;
pub use resolv_conf::{ResolvConf, ResolvConfProblem};
pub use responder::{Client, Outcome, Responder, Transfer, Transport};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsClient, TlsClientBuilder};
