//! A Kubernetes Ingress router that any Rust program can embed: Ingress, Service, EndpointSlice and Secret objects in, an
//! HTTP/1.1 and HTTP/2 reverse proxy out. It follows the objects without reloading: a change swaps an immutable table, and
//! no connection notices. It reads the annotations of ingress-nginx, and it is no web server, no cache and no service mesh.
//!
//! # A table answers where a request goes, and why
//!
//! ```
//! use svc_ingress::{IngressConfig, RouteTable};
//! use svc_model::{Snapshot, yaml};
//!
//! let (objects, problems) = yaml::read("
//! kind: IngressClass
//! apiVersion: networking.k8s.io/v1
//! metadata: {name: nginx}
//! spec: {controller: k8s.io/ingress-nginx}
//! ---
//! kind: Ingress
//! apiVersion: networking.k8s.io/v1
//! metadata: {name: web, namespace: shop}
//! spec:
//!   ingressClassName: nginx
//!   rules:
//!   - host: shop.example
//!     http: {paths: [{path: /cart, pathType: Prefix, backend: {service: {name: cart, port: {number: 80}}}}]}
//! ---
//! kind: Service
//! apiVersion: v1
//! metadata: {name: cart, namespace: shop}
//! spec: {clusterIP: 10.96.0.7, ports: [{port: 80, targetPort: 8080}]}
//! ---
//! kind: EndpointSlice
//! apiVersion: discovery.k8s.io/v1
//! metadata: {name: cart-1, namespace: shop, labels: {kubernetes.io/service-name: cart}}
//! addressType: IPv4
//! ports: [{name: '', port: 8080}]
//! endpoints: [{addresses: [10.244.2.65]}]
//! ").stored();
//! assert!(problems.is_empty());
//! let snapshot: Snapshot = objects.into_iter().collect();
//!
//! let table = RouteTable::new(&snapshot, &IngressConfig::default());
//! assert!(table.report().is_clean());
//! let route = table.route("shop.example", "/cart/42").expect("the rule's prefix");
//! assert_eq!(route.endpoints(), ["10.244.2.65:8080".parse().unwrap()]);
//! assert_eq!(
//!     route.to_string(),
//!     "Ingress shop/web, shop.example, Prefix /cart -> Service shop/cart:80, endpoints 10.244.2.65:8080"
//! );
//! assert!(table.route("shop.example", "/other").is_none());
//! ```
//!
//! # A server keeps serving whatever the objects say now
#![cfg_attr(feature = "driver", doc = "```")]
#![cfg_attr(not(feature = "driver"), doc = "```text")]
//! use svc_ingress::Server;
//! use svc_model::store::Store;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let store = Store::new();
//! let server = Server::builder().http("127.0.0.1:0").build()?;
//! let (handle, run) = server.drive(store.watch());
//! let running = tokio::spawn(run);
//! println!("listening on {:?}", handle.ready().await?.http());
//! handle.serving(store.snapshot().revision()).await?;
//! drop(handle); // no new connections; requests under way are answered
//! running.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layers
//!
//! ```text
//!            config   annotation   htpasswd   tls         what objects say, parsed once into types
//!                 \       |           |       /
//!                  +---- table (RouteTable) ----+         pure: Snapshot -> hosts, locations, pools; report
//!                             |
//!   hygiene, authority, path, forward, redirect, auth,    pure: what one request and one reply must be
//!   external_auth, certificate_auth, upstream_tls, session,
//!   variable, target, error_page
//!   status                                                pure: what is written back into the status of Ingresses
//!   decision                                              pure: what becomes of a request, as far as its head and its rule say
//!   explain, check                                        pure: why that is so; what becomes of people's Ingresses here
//!   access_log                                            pure: a line for each request, and a channel that loses rather than waits
//!   limit, latency, generations, metrics                  pure: what clients have asked for so far, in bounded memory
//!   upstream, proxy_protocol, client_hello                pure: HTTP/1.1 towards backends, balancers' headers, sans-IO
//!   state                                                 pure: idle connections, takes `now`
//!                             |
//!                          driver                         hyper and rustls towards clients; tasks, timers
//!                             |
//!                        sys | fake                       sockets, or endpoints in memory
//! ```
//!
//! # Needs
//!
//! | | |
//! |---|---|
//! | kernel | Linux, nothing beyond TCP |
//! | capability | `CAP_NET_BIND_SERVICE` for ports below 1024, otherwise none |
//! | network namespace | that of the thread which polls the driver; it may run on a `current_thread` runtime |
//! | features | `driver` (default): the server, on tokio. Without it: the table and the codecs, no tokio |
//! | | `kube`: the status of Ingresses is written to a Kubernetes API |
//! | cancel safety | every `async` method of [`driver::Handle`] may be dropped at any time; dropping the driver's future closes all |
//! | MSRV | 1.89 |
//!
#![cfg_attr(not(feature = "driver"), doc = "[`driver::Handle`]: https://docs.rs/svc-ingress")]

#[cfg(feature = "driver")]
pub mod access_log;
pub mod annotation;
pub mod auth;
pub mod authority;
pub mod backend;
mod calendar;
pub mod certificate_auth;
pub mod check;
pub mod client_hello;
pub mod config;
mod decision;
pub mod error;
pub mod error_page;
pub mod explain;
pub mod external_auth;
pub mod forward;
pub mod generations;
pub mod htpasswd;
pub mod hygiene;
pub mod latency;
pub mod limit;
pub mod metrics;
pub mod path;
pub mod proxy_protocol;
pub mod redirect;
pub mod rewrite;
pub mod session;
pub mod state;
pub mod status;
pub mod table;
pub mod target;
pub mod tls;
pub mod upstream;
pub mod upstream_tls;
pub mod variable;

#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the loop that owns clocks and tasks")]
pub mod driver;
#[cfg(feature = "driver")]
pub mod fake;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the one place with sockets")]
pub mod sys;

#[doc = include_str!("../docs/figures.md")]
pub mod figures {}

#[doc = include_str!("../docs/rows.md")]
pub mod rows {}

pub use config::{IngressConfig, Mode};
#[cfg(feature = "driver")]
pub use driver::{Handle, Server};
pub use table::{Report, Route, RouteTable};
