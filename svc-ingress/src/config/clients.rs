//! How clients are met: what is believed of what they say, and how much of the router one of them may hold.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// Settings of the side that faces clients; the defaults are those of ingress-nginx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    proxy_protocol: bool,
    trusted: Vec<IpNet>,
    full_forwarded_for: bool,
    session_tickets: bool,
    keep_alive: Duration,
    keep_alive_requests: u32,
    body_timeout: Duration,
    connections: usize,
    drain: Duration,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            proxy_protocol: false,
            trusted: Vec::new(),
            full_forwarded_for: false,
            session_tickets: false,
            keep_alive: Duration::from_secs(75),
            keep_alive_requests: 1000,
            body_timeout: Duration::from_secs(60),
            connections: 16_384,
            drain: Duration::from_secs(30),
        }
    }
}

impl Clients {
    /// Whether every connection has to begin with a PROXY protocol header.
    #[must_use]
    pub fn proxy_protocol(&self) -> bool {
        self.proxy_protocol
    }

    /// Requires a PROXY protocol header, version 1 or 2, on every connection; one without it is dropped.
    #[must_use]
    pub fn with_proxy_protocol(mut self, required: bool) -> Self {
        self.proxy_protocol = required;
        self
    }

    /// Whether the `X-Forwarded-*` fields of a connection from this address are believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|network| network.contains(&peer))
    }

    /// Believes the `X-Forwarded-*` fields of proxies in this network too (`use-forwarded-headers`). Clients that can
    /// connect from it can say to be anybody.
    #[must_use]
    pub fn with_trusted(mut self, network: IpNet) -> Self {
        self.trusted.push(network);
        self
    }

    /// Whether a backend is told of all proxies rather than of the client only.
    #[must_use]
    pub fn full_forwarded_for(&self) -> bool {
        self.full_forwarded_for
    }

    /// Appends the peer to a trusted `X-Forwarded-For` rather than replacing it (`compute-full-forwarded-for`).
    #[must_use]
    pub fn with_full_forwarded_for(mut self, full: bool) -> Self {
        self.full_forwarded_for = full;
        self
    }

    /// Whether TLS sessions can be resumed.
    #[must_use]
    pub fn session_tickets(&self) -> bool {
        self.session_tickets
    }

    /// Sends session tickets (`ssl-session-tickets`). One is good for the name that it was given for only, and with the keys
    /// of this process only; there is no early data.
    #[must_use]
    pub fn with_session_tickets(mut self, tickets: bool) -> Self {
        self.session_tickets = tickets;
        self
    }

    /// How long a connection without a request stays open.
    #[must_use]
    pub fn keep_alive(&self) -> Duration {
        self.keep_alive
    }

    /// How long a connection without a request stays open (`keep-alive`); one of HTTP/1.1 no longer than a request's head may
    /// take.
    #[must_use]
    pub fn with_keep_alive(mut self, idle: Duration) -> Self {
        self.keep_alive = idle;
        self
    }

    /// How many requests a connection carries.
    #[must_use]
    pub fn keep_alive_requests(&self) -> u32 {
        self.keep_alive_requests
    }

    /// How many requests a connection carries before it is closed in good order (`keep-alive-requests`); 0 for no limit.
    #[must_use]
    pub fn with_keep_alive_requests(mut self, requests: u32) -> Self {
        self.keep_alive_requests = if requests == 0 { u32::MAX } else { requests };
        self
    }

    /// The longest pause in a request's body, and in taking a reply.
    #[must_use]
    pub fn body_timeout(&self) -> Duration {
        self.body_timeout
    }

    /// The longest pause in a request's body (`client-body-timeout`), and in taking a reply.
    #[must_use]
    pub fn with_body_timeout(mut self, pause: Duration) -> Self {
        self.body_timeout = pause;
        self
    }

    /// How many connections a worker has at one time.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// How many connections each listener of a worker has at one time (`max-worker-connections`); further ones wait in the
    /// kernel's queue.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long requests and tunnels may go on after the server is to stop.
    #[must_use]
    pub fn drain(&self) -> Duration {
        self.drain
    }

    /// How long requests and tunnels may go on after the server is to stop (`worker-shutdown-timeout`).
    #[must_use]
    pub fn with_drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }
}
