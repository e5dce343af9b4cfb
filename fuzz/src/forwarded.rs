//! Requests as backends get them.

use std::net::IpAddr;

use bytes::BytesMut;
use hyper::http::{HeaderMap, HeaderName, HeaderValue, Method};
use svc_ingress::config::Clients;
use svc_ingress::forward::{Client, Origin, ToBackend, upgrade};
use svc_ingress::session::SessionKey;
use svc_ingress::upstream::{RequestFraming, RequestHead};
use svc_ingress::variable::cookies;

const CLIENT: &str = "192.0.2.7";
const FIELDS: usize = 64;

/// Forwards a request: its target on the first line, then a field a line.
///
/// # Panics
/// If a backend would read anything but one head, or fields that only the router may set from the client.
pub fn check(text: &str) {
    let mut lines = text.lines();
    let target = lines.next().unwrap_or_default();
    let headers: HeaderMap = lines.take(FIELDS).filter_map(field).collect();
    let peer: IpAddr = CLIENT.parse().expect("an address");
    let proxies = Clients::default().with_trusted("192.0.2.0/24".parse().expect("a network"));
    let _believed = Origin::of(&headers, peer, false, 80, &proxies);
    for (_, value) in cookies(&headers) {
        let _any = SessionKey::parse(value);
    }

    let (client, upgrade) = (Client::new(CLIENT, false, 80, "shop.example"), upgrade(&headers));
    let fields = ToBackend::new(&headers, client, upgrade.as_ref(), "0123");
    let mut head = BytesMut::new();
    RequestHead::new(&Method::GET, target, "shop.example", RequestFraming::Length(5))
        .emit(&fields, &mut head);
    let lines: Vec<&[u8]> = head[..].split(|byte| *byte == b'\n').collect();
    assert!(head.ends_with(b"\r\n\r\n"));
    // The last two are the empty line and what is behind it.
    let (fields, end) = lines.split_at(lines.len() - 2);
    assert!(end[0] == b"\r" && fields.iter().all(|line| line.len() > 1 && line.ends_with(b"\r")));
    let named = |name: &str| {
        let is = |line: &&&[u8]| {
            line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        };
        fields[1..].iter().filter(is).count()
    };
    for (name, times) in
        [("host:", 1), ("content-length:", 1), ("transfer-encoding:", 0), ("te:", 0), ("proxy:", 0)]
    {
        assert_eq!(named(name), times, "{name} in {head:?}");
    }
    for name in ["x-real-ip:", "x-forwarded-for:"] {
        assert_eq!((named(name), named(&format!("{name} {CLIENT}\r"))), (1, 1), "{name} in {head:?}");
    }
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(' ')?;
    Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?))
}
