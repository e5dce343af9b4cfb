//! One request from its head to its reply.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::authority::Authority;
use crate::forward::{self, Client, REQUEST_ID};
use crate::hygiene;
use crate::redirect;
use crate::sys::Connect;
use crate::table::{Route, RouteTable};

use super::login::Logins;
use super::reply::{Idle, ReplyBody, redirect as redirect_to, status, unauthorized};
use super::upstream::{Outgoing, send};

/// What a listener knows of one client connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) https: bool,
    /// The router's own port.
    pub(super) port: u16,
    /// Where an upgraded connection's tunnel is left for the connection's own task.
    pub(super) tunnel: super::connection::TunnelSlot,
}

/// What all requests share.
#[derive(Debug)]
pub(super) struct Router<C: Connect> {
    pub(super) table: Arc<ArcSwap<RouteTable>>,
    pub(super) connect: C,
    pub(super) idle: Idle<C::Stream>,
    logins: Logins,
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
        let asked = Asked { authority, target, peer };
        let mut response = self.answer(parts, body, &route, &asked).await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            forward::to_client_switched(response.headers_mut());
        } else {
            forward::to_client(response.headers_mut(), hsts);
        }
        response
    }

    /// In nginx's order: size, slash, denial, redirect, source address, login, backend.
    async fn answer(
        &self,
        parts: Parts,
        body: Incoming,
        route: &Route,
        asked: &Asked,
    ) -> Response<ReplyBody<C::Stream>> {
        let (location, policies, https) = (route.location(), route.policies(), asked.peer.https);
        let limit = if policies.body_size() == 0 { u64::MAX } else { policies.body_size() };
        if body.size_hint().lower() > limit {
            return close(status(StatusCode::PAYLOAD_TOO_LARGE), parts.version);
        }
        if let Some(found) = redirect::to_slash(route, https, &asked.authority, &asked.target) {
            return redirect_to(found);
        }
        if let Some(reason) = location.denied() {
            tracing::debug!(%route, reason, "denied");
            return status(StatusCode::SERVICE_UNAVAILABLE);
        }
        if let Some(found) = redirect::to_https(route, https, &asked.authority, &asked.target) {
            return redirect_to(found);
        }
        if !policies.admits(asked.peer.address.ip()) {
            return status(StatusCode::FORBIDDEN);
        }
        let mut parts = parts;
        if let Some(response) = self.login(&mut parts.headers, route).await {
            return response;
        }
        let outgoing = self.outgoing(parts, body, route, asked, limit);
        send(self, outgoing, route, asked).await
    }

    /// The refusal, unless the client is logged in or need not be.
    async fn login(&self, headers: &mut HeaderMap, route: &Route) -> Option<Response<ReplyBody<C::Stream>>> {
        let auth = route.policies().auth().filter(|_| !redirect::is_acme(route.location()))?;
        // Users that could not be read have denied the location; this is for whoever changes that.
        let Some(users) = route.location().users() else {
            return Some(status(StatusCode::SERVICE_UNAVAILABLE));
        };
        if !self.logins.verify(headers, users).await {
            return Some(unauthorized(auth.realm()));
        }
        headers.remove(AUTHORIZATION);
        None
    }

    fn outgoing(&self, parts: Parts, body: Incoming, route: &Route, asked: &Asked, limit: u64) -> Outgoing {
        let mut parts = parts;
        let upgrade = forward::upgrade(&parts.headers).filter(|_| parts.version == Version::HTTP_11);
        let host = asked.host();
        let client =
            Client::new(asked.peer.address.ip().to_canonical(), asked.peer.https, asked.peer.port, &host);
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

/// What a client asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) authority: Authority,
    /// Path and query as sent.
    pub(super) target: String,
    pub(super) peer: Peer,
}

impl Asked {
    /// The value of `Host` for the backend.
    fn host(&self) -> String {
        let host = self.authority.host();
        self.authority.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

/// What follows on the connection may not be what it seems.
fn close<S>(mut response: Response<ReplyBody<S>>, version: Version) -> Response<ReplyBody<S>> {
    if version < Version::HTTP_2 {
        response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
