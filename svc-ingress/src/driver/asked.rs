//! One request as it is known while it is decided and forwarded.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};

use crate::authority::Authority;
use crate::certificate_auth::Judged;
use crate::table::Route;
use crate::variable::Scope;

use super::certificates::Shown;

/// What a listener knows of one client connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Its IP address as text, which every request of the connection is told with.
    pub(super) text: Box<str>,
    pub(super) https: bool,
    /// The router's own port.
    pub(super) port: u16,
    /// What the client has shown in its handshake of TLS.
    pub(super) shown: Option<Shown>,
    /// Where an upgraded connection's tunnel is left for the connection's own task.
    pub(super) tunnel: super::connection::TunnelSlot,
    /// Where informational replies are left for a connection of HTTP/1.1.
    pub(super) hints: super::hints::Hints,
}

/// What a client asked for. Policies look here for who it is and how it came.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) authority: Authority,
    /// Path and query as sent.
    pub(super) target: PathAndQuery,
    /// The client, behind proxies that are trusted.
    pub(super) client: IpAddr,
    /// The client came over TLS.
    pub(super) https: bool,
    /// The port that the client came to.
    pub(super) port: u16,
    /// What the client asked a trusted proxy for, where that says.
    pub(super) forwarded_host: Option<Authority>,
    pub(super) forwarded_for: Option<HeaderValue>,
    /// What the client's certificate comes to, where its host asks for one.
    pub(super) certificate: Option<Arc<Judged>>,
    pub(super) peer: Arc<Peer>,
}

impl Asked {
    /// What variables stand for.
    pub(super) fn scope<'a>(&'a self, parts: &'a Parts, route: &'a Route) -> Scope<'a> {
        Scope {
            authority: &self.authority,
            target: self.target.as_str(),
            method: &parts.method,
            headers: &parts.headers,
            client: self.client,
            https: self.https,
            port: self.port,
            location: route.location(),
        }
    }

    /// What is told of the client's certificate.
    pub(super) fn certificate_fields(&self) -> &[(HeaderName, HeaderValue)] {
        self.certificate.as_ref().map_or(&[], |judged| judged.fields())
    }

    /// The value of `Host` for the backend.
    pub(super) fn host(&self) -> &str {
        self.forwarded_host.as_ref().unwrap_or(&self.authority).as_str()
    }

    /// The client's address as text.
    pub(super) fn client_text(&self) -> Cow<'_, str> {
        if self.client == self.peer.address.ip() {
            return Cow::Borrowed(&self.peer.text);
        }
        Cow::Owned(self.client.to_string())
    }
}
