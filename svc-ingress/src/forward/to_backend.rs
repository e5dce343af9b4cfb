//! A request's fields on their way to a backend: one pass over the client's, then what the router says of the client.

use http::header::{CONNECTION, COOKIE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::upstream::Fields;

use super::{FORWARDED_FOR, FORWARDED_HOST, REQUEST_ID, is_ambiguous, is_hop_by_hop, is_kept, tokens};

static REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
static FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_SCHEME: HeaderName = HeaderName::from_static("x-forwarded-scheme");
static SCHEME: HeaderName = HeaderName::from_static("x-scheme");
static ORIGINAL_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-original-forwarded-for");
static ORIGINAL_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-original-forwarded-host");

/// What a backend is told of the client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    address: &'a str,
    https: bool,
    port: u16,
    host: &'a str,
    forwarded_for: Option<&'a HeaderValue>,
    certificate: &'a [(HeaderName, HeaderValue)],
}

impl<'a> Client<'a> {
    /// A client at `address` that reached the router at `port` and asked for `host`.
    #[must_use]
    pub fn new(address: &'a str, https: bool, port: u16, host: &'a str) -> Self {
        Self { address, https, port, host, forwarded_for: None, certificate: &[] }
    }

    /// With an `X-Forwarded-For` that names the proxies too.
    #[must_use]
    pub fn with_forwarded_for(mut self, forwarded_for: Option<&'a HeaderValue>) -> Self {
        self.forwarded_for = forwarded_for;
        self
    }

    /// With what is told of its certificate.
    #[must_use]
    pub fn with_certificate(mut self, fields: &'a [(HeaderName, HeaderValue)]) -> Self {
        self.certificate = fields;
        self
    }
}

/// A request's fields as a backend gets them, made while they are written: nothing is copied before.
#[derive(Clone, Copy, Debug)]
pub struct ToBackend<'a> {
    headers: &'a HeaderMap,
    client: Client<'a>,
    upgrade: Option<&'a HeaderValue>,
    request_id: &'a str,
}

impl<'a> ToBackend<'a> {
    /// The fields of a client's request. `upgrade` is the protocol that it asks for, `request_id` its name unless it brings one.
    #[must_use]
    pub fn new(
        headers: &'a HeaderMap,
        client: Client<'a>,
        upgrade: Option<&'a HeaderValue>,
        request_id: &'a str,
    ) -> Self {
        Self { headers, client, upgrade, request_id }
    }

    /// The same as a map.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.headers.len() + 9);
        self.for_each(|name, value| {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                map.append(name.clone(), value);
            }
        });
        map
    }

    fn client_fields(&self, emit: &mut impl FnMut(&HeaderName, &[u8])) {
        let Client { address, https, port, host, forwarded_for, certificate } = self.client;
        let (address, scheme) = (address.as_bytes(), if https { "https" } else { "http" }.as_bytes());
        emit(&REAL_IP, address);
        emit(&FORWARDED_FOR, forwarded_for.map_or(address, HeaderValue::as_bytes));
        emit(&FORWARDED_HOST, host.as_bytes());
        let mut digits = [0; 5];
        emit(&FORWARDED_PORT, decimal(port, &mut digits));
        emit(&FORWARDED_PROTO, scheme);
        emit(&FORWARDED_SCHEME, scheme);
        emit(&SCHEME, scheme);
        certificate.iter().for_each(|(name, value)| emit(name, value.as_bytes()));
    }
}

impl Fields for ToBackend<'_> {
    fn for_each(&self, mut emit: impl FnMut(&HeaderName, &[u8])) {
        let connection = names_fields(self.headers);
        let mut seen = Seen::default();
        for (name, value) in self.headers {
            match Fate::of(name) {
                Fate::Dropped => {}
                Fate::Kept => emit(name, value.as_bytes()),
                Fate::Passed if connection && is_named(self.headers, name) => {}
                Fate::Passed => emit(name, value.as_bytes()),
                Fate::Cookie => {
                    // HTTP/2 may split it; HTTP/1.1 has one (RFC 9113 section 8.2.3).
                    if !std::mem::replace(&mut seen.cookie, true) {
                        emit_joined(&COOKIE, self.headers, name, b"; ", &mut emit);
                    }
                }
                Fate::ForwardedFor => {
                    if !std::mem::replace(&mut seen.forwarded_for, true) {
                        emit_joined(&ORIGINAL_FORWARDED_FOR, self.headers, name, b", ", &mut emit);
                    }
                }
                Fate::ForwardedHost => {
                    if !std::mem::replace(&mut seen.forwarded_host, true) {
                        emit_joined(&ORIGINAL_FORWARDED_HOST, self.headers, name, b", ", &mut emit);
                    }
                }
                // One name, and an empty one is none.
                Fate::RequestId => {
                    if !value.is_empty() && !std::mem::replace(&mut seen.request_id, true) {
                        emit(name, value.as_bytes());
                    }
                }
            }
        }
        self.client_fields(&mut emit);
        if !seen.request_id {
            emit(&REQUEST_ID, self.request_id.as_bytes());
        }
        if let Some(upgrade) = self.upgrade {
            emit(&CONNECTION, b"upgrade");
            emit(&UPGRADE, upgrade.as_bytes());
        }
    }
}

/// What there was already of what comes once.
#[derive(Default)]
struct Seen {
    cookie: bool,
    forwarded_for: bool,
    forwarded_host: bool,
    request_id: bool,
}

/// What becomes of a client's field.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Dropped,
    /// Passed on unless `Connection` names it.
    Passed,
    /// Passed on whatever `Connection` says.
    Kept,
    Cookie,
    ForwardedFor,
    ForwardedHost,
    RequestId,
}

impl Fate {
    fn of(name: &HeaderName) -> Self {
        match name.as_str() {
            "cookie" => Self::Cookie,
            "x-forwarded-for" => Self::ForwardedFor,
            "x-forwarded-host" => Self::ForwardedHost,
            "x-request-id" => Self::RequestId,
            // The router says these itself.
            "x-real-ip"
            | "x-forwarded-port"
            | "x-forwarded-proto"
            | "x-forwarded-scheme"
            | "x-scheme"
            | "x-original-forwarded-for"
            | "x-original-forwarded-host" => Self::Dropped,
            _ if is_hop_by_hop(name) || is_ambiguous(name) => Self::Dropped,
            _ if is_kept(name) => Self::Kept,
            _ => Self::Passed,
        }
    }
}

/// Whether `Connection` may name other fields.
fn names_fields(headers: &HeaderMap) -> bool {
    let known = |token: &str| {
        let known = ["", "close", "keep-alive", "upgrade"];
        known.iter().any(|known| token.eq_ignore_ascii_case(known))
    };
    headers.contains_key(CONNECTION) && !tokens(headers, &CONNECTION).all(known)
}

fn is_named(headers: &HeaderMap, name: &HeaderName) -> bool {
    tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(name.as_str()))
}

/// All values of a field as one, under another name perhaps.
fn emit_joined(
    name: &HeaderName,
    headers: &HeaderMap,
    of: &HeaderName,
    separator: &[u8],
    emit: &mut impl FnMut(&HeaderName, &[u8]),
) {
    let mut values = headers.get_all(of).iter().map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (Some(first), Some(second)) => {
            let all: Vec<&[u8]> = [first, second].into_iter().chain(values).collect();
            emit(name, &all.join(separator));
        }
        (first, _) => emit(name, first.unwrap_or_default()),
    }
}

fn decimal(number: u16, digits: &mut [u8; 5]) -> &[u8] {
    let (mut rest, mut at) = (number, digits.len());
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        (rest, at) = (rest / 10, at - 1);
        if rest == 0 {
            break;
        }
    }
    &digits[at..]
}
