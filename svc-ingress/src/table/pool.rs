//! The endpoints behind one port of a Service.

use std::fmt;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use svc_model::{
    BackendPort, ObjectName, Protocol, Service, ServicePort, ServiceType, Snapshot, TargetPort, topology,
};

use crate::config::ServiceRef;
use crate::session::pool_digest;
use crate::target;

/// The endpoints that serve a backend now, never the Service's virtual IP.
#[derive(Debug)]
pub struct Pool {
    service: ObjectName,
    port: String,
    endpoints: Vec<SocketAddr>,
    state: PoolState,
    external: Option<ExternalServer>,
    turn: AtomicUsize,
    digest: OnceLock<String>,
}

/// Whether a pool can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolState {
    /// It has endpoints.
    Ready,
    /// No endpoint is ready: 503 until one is.
    NoEndpoints,
    /// The Service does not exist: 503.
    NoService,
    /// The Service has no such TCP port: 503.
    NoPort,
    /// The Service is an ExternalName: whose addresses the name has is asked when there is a request.
    ExternalName,
}

/// The server that an ExternalName Service stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalServer {
    name: String,
    port: u16,
}

impl ExternalServer {
    /// The name, or an address.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// It is the router's own machine, as far as the name says.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let name = self.name.strip_suffix('.').unwrap_or(&self.name);
        name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(target::is_local)
    }
}

impl fmt::Display for ExternalServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

impl Pool {
    pub(super) fn new(snapshot: &Snapshot, service: ObjectName, port: &BackendPort) -> Self {
        let text = match port {
            BackendPort::Number(number) => number.to_string(),
            BackendPort::Name(name) => name.clone(),
            _ => String::new(),
        };
        Self::find(snapshot, service, text)
    }

    pub(super) fn of_reference(snapshot: &Snapshot, reference: &ServiceRef) -> Self {
        Self::find(snapshot, reference.service().clone(), reference.port().to_owned())
    }

    /// The same, asked by the Service's own address, if it has one (`service-upstream`).
    pub(super) fn by_service_address(mut self, snapshot: &Snapshot) -> Self {
        let service = snapshot.service(&self.service);
        let address = service.and_then(|service| service.cluster_ips().first());
        let port = service.and_then(|service| service_port(service, &self.port));
        if let (Some(address), Some(port)) = (address, port) {
            self.endpoints = vec![SocketAddr::new(*address, port.port())];
            self.state = PoolState::Ready;
        }
        self
    }

    /// The first TCP port of a Service.
    pub(super) fn of_first_port(snapshot: &Snapshot, service: ObjectName) -> Self {
        let ports = snapshot.service(&service).map(|service| service.ports().to_vec()).unwrap_or_default();
        let first =
            ports.iter().find(|port| port.protocol() == Protocol::Tcp).map(|port| port.port().to_string());
        Self::find(snapshot, service, first.unwrap_or_default())
    }

    fn find(snapshot: &Snapshot, service: ObjectName, port: String) -> Self {
        let mut external = None;
        let (state, endpoints) = match snapshot.service(&service) {
            None => (PoolState::NoService, Vec::new()),
            Some(found) if found.service_type() == ServiceType::ExternalName => {
                external = external_server(found, &port);
                let state = if external.is_some() { PoolState::ExternalName } else { PoolState::NoPort };
                (state, Vec::new())
            }
            Some(found) => match service_port(found, &port) {
                None => (PoolState::NoPort, Vec::new()),
                Some(port) => match topology::serving(snapshot, &service, port) {
                    endpoints if endpoints.is_empty() => (PoolState::NoEndpoints, endpoints),
                    endpoints => (PoolState::Ready, endpoints),
                },
            },
        };
        Self { service, port, endpoints, state, external, turn: AtomicUsize::new(0), digest: OnceLock::new() }
    }

    /// The pool of an ExternalName Service with the addresses that its name has now; `turn` says which of them is the first.
    #[cfg(feature = "driver")]
    pub(crate) fn at(&self, addresses: Vec<SocketAddr>, turn: usize) -> Self {
        let state = if addresses.is_empty() { PoolState::NoEndpoints } else { PoolState::Ready };
        Self {
            service: self.service.clone(),
            port: self.port.clone(),
            endpoints: addresses,
            state,
            external: None,
            turn: AtomicUsize::new(turn),
            digest: OnceLock::new(),
        }
    }

    /// The server that an ExternalName Service stands for.
    #[must_use]
    pub fn external(&self) -> Option<&ExternalServer> {
        self.external.as_ref()
    }

    /// There is somebody to ask.
    #[must_use]
    pub fn can_serve(&self) -> bool {
        !self.endpoints.is_empty() || self.external.is_some()
    }

    /// The Service.
    #[must_use]
    pub fn service(&self) -> &ObjectName {
        &self.service
    }

    /// The name that ingress-nginx gives it: namespace, Service and port.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.service.namespace(), self.service.name(), self.port)
    }

    /// What stands for it in session cookies.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| pool_digest(&self.name()))
    }

    /// The Service port, as the Ingress names it.
    #[must_use]
    pub fn port(&self) -> &str {
        &self.port
    }

    /// Addresses of ready endpoints; of draining ones if none is ready.
    #[must_use]
    pub fn endpoints(&self) -> &[SocketAddr] {
        &self.endpoints
    }

    /// Whether it can serve.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.state
    }

    /// The endpoints in the order to try them in; every call begins with the next one.
    pub fn in_turn(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.endpoints.len().max(1);
        let (before, from) = self.endpoints.split_at(first);
        from.iter().chain(before).copied()
    }

    /// What is wrong with the reference, if an edit has to cure it. A Service without endpoints is not wrong.
    pub(super) fn problem(&self) -> Option<String> {
        let Self { service, port, .. } = self;
        match self.state {
            PoolState::Ready | PoolState::NoEndpoints | PoolState::ExternalName => None,
            PoolState::NoService => {
                Some(format!("Service {service} does not exist: its requests are answered 503"))
            }
            PoolState::NoPort => {
                Some(format!("Service {service} has no TCP port {port}: its requests are answered 503"))
            }
        }
    }
}

/// The name of an ExternalName Service with a port: one of its own, or any number.
fn external_server(service: &Service, wanted: &str) -> Option<ExternalServer> {
    let own = service_port(service, wanted).map(ServicePort::port);
    let port = own.or_else(|| wanted.parse().ok().filter(|port| *port > 0))?;
    Some(ExternalServer { name: service.external_name()?.to_owned(), port })
}

/// A port by number or name; ingress-nginx takes a target port too.
fn service_port<'a>(service: &'a Service, wanted: &str) -> Option<&'a ServicePort> {
    let tcp = || service.ports().iter().filter(|port| port.protocol() == Protocol::Tcp);
    let number: Option<u16> = wanted.parse().ok();
    let is_target = |port: &&ServicePort| match port.target_port() {
        TargetPort::Number(target) => Some(*target) == number,
        TargetPort::Name(target) => target == wanted,
        _ => false,
    };
    let own = match number {
        Some(number) => tcp().find(|port| port.port() == number),
        None => tcp().find(|port| port.name() == wanted),
    };
    own.or_else(|| tcp().find(is_target))
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service {}:{}, ", self.service, self.port)?;
        match self.state {
            PoolState::Ready => {
                let endpoints: Vec<_> = self.endpoints.iter().map(SocketAddr::to_string).collect();
                write!(f, "endpoints {}", endpoints.join(" "))
            }
            PoolState::NoEndpoints => f.write_str("no ready endpoint"),
            PoolState::NoService => f.write_str("which does not exist"),
            PoolState::NoPort => f.write_str("which has no such port"),
            PoolState::ExternalName => match &self.external {
                Some(server) => write!(f, "ExternalName {server}"),
                None => f.write_str("an ExternalName"),
            },
        }
    }
}
