//! One request from its head to its reply: checked, routed, decided, forwarded.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::forward::{self, Client, REQUEST_ID};
use crate::hygiene;
use crate::sys::Connect;
use crate::table::{Route, RouteTable};

use super::asked::{Asked, Peer};
use super::login::Logins;
use super::policy;
use super::reply::{Idle, ReplyBody, status};
use super::upstream::{Outgoing, send};

/// What all requests share.
#[derive(Debug)]
pub(super) struct Router<C: Connect> {
    pub(super) table: Arc<ArcSwap<RouteTable>>,
    pub(super) connect: C,
    pub(super) idle: Idle<C::Stream>,
    pub(super) logins: Logins,
    request_ids: RandomState,
    requests: AtomicU64,
}

impl<C: Connect> Router<C> {
    pub(super) fn new(table: Arc<ArcSwap<RouteTable>>, connect: C, logins: Logins) -> Self {
        let (idle, requests) = (Idle::default(), AtomicU64::new(0));
        Self { table, connect, idle, logins, request_ids: RandomState::new(), requests }
    }

    /// Answers a request; what goes wrong is an answer too.
    pub(super) async fn handle(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Response<ReplyBody<C::Stream>> {
        let (parts, body) = request.into_parts();
        let version = parts.version;
        let authority = match hygiene::check(&parts) {
            Ok(authority) => authority,
            Err(code) => return close(status(code), version),
        };
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let route = match self.table.load().find(authority.host(), &target) {
            Ok(Some(route)) => route,
            Ok(None) => return status(StatusCode::NOT_FOUND),
            Err(_) => return close(status(StatusCode::BAD_REQUEST), version),
        };
        let hsts = peer.https && route.location().has_certificate() && self.table.load().config().hsts();
        let client = peer.address.ip().to_canonical();
        let asked = Asked { authority, target, client, https: peer.https, port: peer.port, peer };
        let mut response = self.answer(parts, body, &route, &asked).await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            forward::to_client_switched(response.headers_mut());
        } else {
            forward::to_client(response.headers_mut(), hsts);
        }
        response
    }

    async fn answer(
        &self,
        mut parts: Parts,
        body: Incoming,
        route: &Route,
        asked: &Asked,
    ) -> Response<ReplyBody<C::Stream>> {
        let limit = route.policies().body_size();
        let limit = if limit == 0 { u64::MAX } else { limit };
        if body.size_hint().lower() > limit {
            return close(status(StatusCode::PAYLOAD_TOO_LARGE), parts.version);
        }
        match policy::decide(self, &mut parts, route, asked).await {
            Err(mut reply) => {
                policy::finish(None, route, asked, None, &mut reply);
                reply
            }
            Ok(permit) => {
                let outgoing = self.outgoing(parts, body, route, asked, limit);
                let (mut reply, endpoint) = send(self, outgoing, route, &permit, asked).await;
                policy::finish(Some(&permit), route, asked, endpoint, &mut reply);
                reply
            }
        }
    }

    fn outgoing(&self, parts: Parts, body: Incoming, route: &Route, asked: &Asked, limit: u64) -> Outgoing {
        let mut parts = parts;
        let upgrade = forward::upgrade(&parts.headers).filter(|_| parts.version == Version::HTTP_11);
        let host = asked.host();
        let client = Client::new(asked.client, asked.https, asked.port, &host);
        forward::to_backend(&mut parts.headers, client, upgrade.clone());
        if !parts.headers.contains_key(&REQUEST_ID) {
            parts.headers.insert(REQUEST_ID, self.request_id());
        }
        let target = route.target().unwrap_or(&asked.target).to_owned();
        Outgoing::new(parts, body, target, host, upgrade.is_some(), limit)
    }

    /// 32 hexadecimal digits that nobody can guess from others.
    fn request_id(&self) -> HeaderValue {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let (high, low) = (self.request_ids.hash_one((number, 0)), self.request_ids.hash_one((number, 1)));
        HeaderValue::from_str(&format!("{high:016x}{low:016x}")).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// What follows on the connection may not be what it seems.
fn close<S>(mut response: Response<ReplyBody<S>>, version: Version) -> Response<ReplyBody<S>> {
    if version < Version::HTTP_2 {
        response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
