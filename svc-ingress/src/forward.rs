//! Header fields on their way to a backend and back: what belongs to one connection stays there, what the router says of
//! the client is set anew.

use std::net::IpAddr;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, SERVER,
    SET_COOKIE, STRICT_TRANSPORT_SECURITY, TE, TRAILER, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::authority::Authority;
use crate::config::Clients;

mod to_backend;

#[cfg(test)]
mod tests;

pub use to_backend::{Client, ToBackend};

/// The field that names a request through all programs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Fields that mean something to one connection only (RFC 9110 section 7.6.1), or that only a router may set.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "expect"
            // httpoxy: CGI programs would take it for an environment variable.
            | "proxy"
            | "http2-settings"
    )
}

/// Who a request is from and how it came, as far as that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The client.
    pub address: IpAddr,
    /// Over TLS.
    pub https: bool,
    /// The port that the client came to.
    pub port: u16,
    /// The host that the client asked a trusted proxy for, where that says.
    pub host: Option<Authority>,
    /// `X-Forwarded-For` of a trusted proxy, where the backend is to see all of it.
    pub forwarded_for: Option<HeaderValue>,
}

impl Origin {
    /// The origin of a request with these fields on a connection from `peer` to our `port`. What the fields say counts only
    /// if the peer is a trusted proxy: the client is then the last address of `X-Forwarded-For` that is no trusted proxy
    /// itself, or the first of all.
    #[must_use]
    pub fn of(headers: &HeaderMap, peer: IpAddr, https: bool, port: u16, clients: &Clients) -> Self {
        let peer = peer.to_canonical();
        if !clients.trusts(peer) {
            return Self { address: peer, https, port, host: None, forwarded_for: None };
        }
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let first = |name: &str| text(name)?.split(',').next().map(str::trim);
        let https = match first("x-forwarded-proto").map(str::to_ascii_lowercase).as_deref() {
            Some("https") => true,
            Some("http") => false,
            _ => https,
        };
        Self {
            address: real_address(headers, peer, clients),
            https,
            port: first("x-forwarded-port").and_then(|port| port.parse().ok()).unwrap_or(port),
            host: first("x-forwarded-host").and_then(Authority::parse),
            forwarded_for: if clients.full_forwarded_for() {
                full_forwarded_for(headers, peer)
            } else {
                None
            },
        }
    }
}

/// Walks from the nearest proxy to the client, as nginx does with `real_ip_recursive`.
fn real_address(headers: &HeaderMap, peer: IpAddr, clients: &Clients) -> IpAddr {
    let values: Vec<&str> =
        headers.get_all(&FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok()).collect();
    let mut address = peer;
    for text in values.iter().flat_map(|value| value.split(',')).rev() {
        if !clients.trusts(address) {
            break;
        }
        let Some(before) = parse_address(text.trim()) else { break };
        address = before;
    }
    address
}

/// An address, perhaps with a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

fn full_forwarded_for(headers: &HeaderMap, peer: IpAddr) -> Option<HeaderValue> {
    let mut values: Vec<&str> =
        headers.get_all(&FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok()).collect();
    let peer = peer.to_string();
    values.push(&peer);
    HeaderValue::from_str(&values.join(", ")).ok()
}

/// The token of `Upgrade` if the request asks for another protocol by it.
#[must_use]
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| asked).cloned()
}

/// Turns a client's fields into those for a server that is to say whether the client may pass. Fields by which a client
/// could pose as a proxy are gone.
pub fn to_authority(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    join_cookies(headers);
    remove_if(headers, |name| {
        let text = name.as_str();
        let posing = ["x-forwarded-", "x-original-", "x-auth-request-"];
        is_ambiguous(name)
            || posing.iter().any(|prefix| text.starts_with(prefix))
            || ["x-real-ip", "x-scheme", "x-sent-from", "forwarded"].contains(&text)
    });
}

/// Whether the client takes fields after the body (RFC 9110 section 6.5.1).
#[must_use]
pub fn takes_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// Leaves of the fields after a body those that may stand there: none that frames, routes or authenticates a message
/// (RFC 9110 section 6.5.1).
pub fn keep_trailers(trailers: &mut HeaderMap) {
    remove_hop_by_hop(trailers);
    remove_if(trailers, |name| {
        is_ambiguous(name) || is_kept(name) || [SET_COOKIE, CONTENT_TYPE, CONTENT_ENCODING].contains(name)
    });
}

/// Turns a backend's fields into those for the client. `Trailer` stays: those fields are passed on.
pub fn to_client(headers: &mut HeaderMap, hsts: bool) {
    if headers.keys().any(is_hop_by_hop) {
        let trailer = headers.remove(TRAILER);
        remove_hop_by_hop(headers);
        set(headers, TRAILER, trailer);
    }
    headers.remove(SERVER);
    if hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

/// Turns a backend's 101 into one for the client.
pub fn to_client_switched(headers: &mut HeaderMap) {
    let upgrade = headers.get(UPGRADE).cloned();
    to_client(headers, false);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    set(headers, UPGRADE, upgrade);
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => drop(headers.insert(name, value)),
        None => drop(headers.remove(name)),
    }
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named = tokens(headers, &CONNECTION).filter_map(|token| token.parse::<HeaderName>().ok());
        let named: Vec<HeaderName> = named.filter(|name| !is_kept(name)).collect();
        named.iter().for_each(|name| drop(headers.remove(name)));
    }
    remove_if(headers, is_hop_by_hop);
}

fn remove_if(headers: &mut HeaderMap, odd: impl Fn(&HeaderName) -> bool) {
    if !headers.keys().any(&odd) {
        return;
    }
    let names: Vec<HeaderName> = headers.keys().filter(|name| odd(name)).cloned().collect();
    names.iter().for_each(|name| drop(headers.remove(name)));
}

/// Fields that a client cannot have removed by naming them in `Connection`: what stands behind relies on them.
fn is_kept(name: &HeaderName) -> bool {
    let relied_on = [HOST, AUTHORIZATION, COOKIE, CONTENT_LENGTH, REQUEST_ID];
    relied_on.contains(name) || name.as_str().starts_with("x-forwarded-") || name == "x-real-ip"
}

/// Names with `_` look like those with `-` to CGI programs; the four of client certificates are only the router's.
fn is_ambiguous(name: &HeaderName) -> bool {
    name.as_str().contains('_') || name.as_str().starts_with("ssl-client-")
}

/// HTTP/2 may split `Cookie`; HTTP/1.1 has one (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}
