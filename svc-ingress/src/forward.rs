//! Header fields on their way to a backend and back: what belongs to one connection stays there, what the router says of
//! the client is set anew.

use std::net::IpAddr;

use http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SERVER,
    STRICT_TRANSPORT_SECURITY, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

#[cfg(test)]
mod tests;

/// The field that names a request through all programs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Fields that mean something to one connection only (RFC 9110 section 7.6.1), or that only a router may set.
const HOP_BY_HOP: [HeaderName; 12] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
    // httpoxy: CGI programs would take it for an environment variable.
    HeaderName::from_static("proxy"),
    HeaderName::from_static("http2-settings"),
];

/// What a backend is told of the client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    address: IpAddr,
    https: bool,
    port: u16,
    host: &'a str,
}

impl<'a> Client<'a> {
    /// A client at `address` that reached the router at `port` and asked for `host`.
    #[must_use]
    pub fn new(address: IpAddr, https: bool, port: u16, host: &'a str) -> Self {
        Self { address, https, port, host }
    }
}

/// The token of `Upgrade` if the request asks for another protocol by it.
#[must_use]
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| asked).cloned()
}

/// Turns a client's fields into those for a backend.
pub fn to_backend(headers: &mut HeaderMap, client: Client<'_>, upgrade: Option<HeaderValue>) {
    remove_hop_by_hop(headers);
    remove_ambiguous(headers);
    join_cookies(headers);
    let sent_for = headers.remove(FORWARDED_FOR);
    let sent_host = headers.remove(FORWARDED_HOST);
    let scheme = HeaderValue::from_static(if client.https { "https" } else { "http" });
    let address = HeaderValue::from_str(&client.address.to_string()).ok();
    let host = HeaderValue::from_str(client.host).ok();
    let fields = [
        ("x-real-ip", address.clone()),
        ("x-forwarded-for", address),
        ("x-forwarded-host", host),
        ("x-forwarded-port", Some(HeaderValue::from(client.port))),
        ("x-forwarded-proto", Some(scheme.clone())),
        ("x-forwarded-scheme", Some(scheme.clone())),
        ("x-scheme", Some(scheme)),
        ("x-original-forwarded-for", sent_for),
        ("x-original-forwarded-host", sent_host),
    ];
    for (name, value) in fields {
        set(headers, HeaderName::from_static(name), value);
    }
    if upgrade.is_some() {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        set(headers, UPGRADE, upgrade);
    }
}

/// Turns a backend's fields into those for the client.
pub fn to_client(headers: &mut HeaderMap, hsts: bool) {
    remove_hop_by_hop(headers);
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
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
}

/// Fields that a client cannot have removed by naming them in `Connection`: what stands behind relies on them.
fn is_kept(name: &HeaderName) -> bool {
    let relied_on = [HOST, AUTHORIZATION, COOKIE, http::header::CONTENT_LENGTH, REQUEST_ID];
    relied_on.contains(name) || name.as_str().starts_with("x-forwarded-") || name == "x-real-ip"
}

/// Names with `_` look like those with `-` to CGI programs; the four of client certificates are only the router's.
fn remove_ambiguous(headers: &mut HeaderMap) {
    let odd = |name: &&HeaderName| name.as_str().contains('_') || name.as_str().starts_with("ssl-client-");
    let odd: Vec<HeaderName> = headers.keys().filter(odd).cloned().collect();
    odd.iter().for_each(|name| drop(headers.remove(name)));
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
