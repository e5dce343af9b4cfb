//! One request from its head to its reply: checked, routed, decided, forwarded.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::authority::Authority;
use crate::config::IngressConfig;
use crate::decision;
use crate::forward::{self, Client, Origin, REQUEST_ID};
use crate::hygiene;
use crate::latency::Latencies;
use crate::limit::Limiter;
use crate::redirect;
use crate::sys::Connect;
use crate::table::{Found, HostRedirect, Route, RouteTable};
use crate::tls::Connectors;

use super::asked::{Asked, Peer};
use super::auth_request::Answers;
use super::login::Logins;
use super::measured::{Measured, Record};
use super::mirror::{self, Mirrors};
use super::names::Names;
use super::observed::{Observed, Watchers};
use super::pages::labels;
use super::policy::{self, Additions};
use super::reply::{ReplyBody, close, redirect as redirect_to, refuse, status};
use super::upstream::{Outgoing, RequestId, Senders, Shared, Told, in_place, send};

/// What all requests of a worker share. Tables, logins and whatever else is known belong to all workers; connections to
/// endpoints are each worker's own, so that no thread waits for another.
#[derive(Debug)]
pub(super) struct Router<C: Connect> {
    pub(super) table: Arc<ArcSwap<RouteTable>>,
    pub(super) connect: C,
    pub(super) connectors: Connectors,
    pub(super) kept: Shared<C::Stream>,
    pub(super) senders: Senders,
    pub(super) logins: Logins,
    pub(super) limiter: Arc<Limiter>,
    pub(super) answers: Answers,
    latencies: Arc<Mutex<Latencies>>,
    pub(super) names: Names,
    pub(super) mirrors: Mirrors,
    /// What the limiter's time counts from.
    pub(super) started: Instant,
    watchers: Watchers,
    request_ids: RandomState,
    requests: AtomicU64,
}

impl<C: Connect> Router<C> {
    pub(super) fn new(
        table: Arc<ArcSwap<RouteTable>>,
        connect: C,
        connectors: Connectors,
        logins: Logins,
        watchers: Watchers,
    ) -> Self {
        Self {
            table,
            connect,
            connectors,
            kept: Shared::default(),
            senders: Senders::default(),
            logins,
            limiter: Arc::default(),
            answers: Answers::default(),
            latencies: Arc::default(),
            names: Names::default(),
            mirrors: Mirrors::default(),
            started: Instant::now(),
            watchers,
            request_ids: RandomState::new(),
            requests: AtomicU64::new(0),
        }
    }

    /// A router for another worker.
    pub(super) fn fork(&self, number: usize) -> Self {
        let table = Arc::clone(&self.table);
        let (connect, connectors) = (self.connect.clone(), self.connectors.clone());
        let forked = Self::new(table, connect, connectors, self.logins.clone(), self.watchers.fork(number));
        Self {
            limiter: Arc::clone(&self.limiter),
            answers: self.answers.clone(),
            latencies: Arc::clone(&self.latencies),
            names: self.names.clone(),
            started: self.started,
            ..forked
        }
    }

    /// Answers a request; what goes wrong is an answer too.
    pub(super) async fn handle(
        &self,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> Response<Measured<ReplyBody<C::Stream>>> {
        let mut observed = Observed::begin(&self.watchers, &request, &peer);
        let reply = self.reply(request, peer, &mut observed).await;
        observed.replied(reply)
    }

    async fn reply(
        &self,
        request: Request<Incoming>,
        peer: Arc<Peer>,
        observed: &mut Observed,
    ) -> Response<ReplyBody<C::Stream>> {
        let (mut parts, body) = request.into_parts();
        let version = parts.version;
        let authority = match hygiene::check(&parts) {
            Ok(authority) => authority,
            Err(code) => return close(status(code), version),
        };
        let target = parts.uri.path_and_query().cloned();
        let target = target.unwrap_or(PathAndQuery::from_static("/"));
        let table = self.table.load_full();
        let certificate =
            match peer.shown.as_ref().map(|shown| shown.judge(&table, authority.host(), version)) {
                Some(Err(reply)) => return *reply,
                Some(Ok(judged)) => judged,
                None => None,
            };
        let route = match table.find(authority.host(), target.as_str()) {
            Ok(Some(Found::Route(route))) => route,
            Ok(Some(Found::Redirect(found))) => {
                let asked = asked(table.config(), &parts.headers, authority, target, peer);
                return redirect_to(redirect_host(&found, &asked));
            }
            Ok(None) => return status(StatusCode::NOT_FOUND),
            Err(_) => return close(status(StatusCode::BAD_REQUEST), version),
        };
        observed.record = self.watchers.counting.as_ref().map(|(metrics, worker)| {
            let location = route.location();
            let counters = location.counters(|| metrics.counters(&labels(location)));
            Record::new(Arc::clone(counters), *worker, &parts.method, observed.received.clone())
        });
        let mut asked = asked(table.config(), &parts.headers, authority, target, peer);
        asked.certificate = certificate;
        let hsts = asked.https && route.location().has_certificate() && table.config().hsts();
        drop(table);
        if let Some(logged) = &mut observed.logged {
            logged.routed(&route, &asked);
        }
        let mut response = self.answer(&mut parts, body, &route, &asked, observed).await;
        self.kept.put_fields(std::mem::take(&mut parts.headers));
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            forward::to_client_switched(response.headers_mut());
        } else {
            forward::to_client(response.headers_mut(), hsts);
        }
        response
    }

    async fn answer(
        &self,
        parts: &mut Parts,
        body: Incoming,
        route: &Route,
        asked: &Asked,
        observed: &mut Observed,
    ) -> Response<ReplyBody<C::Stream>> {
        let limit = decision::body_limit(route);
        if body.size_hint().lower() > limit {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, Some(body), parts.version);
        }
        let mut additions = Additions::default();
        match policy::decide(self, parts, route, asked, &mut additions).await {
            Err(reply) => policy::finish(None, additions, route, asked, None, reply),
            Ok(permit) => {
                let address = asked.client_text();
                let client = Client::new(&address, asked.https, asked.port, asked.host());
                let client = client
                    .with_forwarded_for(asked.forwarded_for.as_ref())
                    .with_certificate(asked.certificate_fields());
                let told = Told { client, request_id: self.new_request_id(), hints: &asked.peer.hints };
                if let Some(logged) = &mut observed.logged {
                    let id = HeaderValue::from_str(told.request_id.as_str()).ok();
                    logged.permitted(parts.headers.get(REQUEST_ID).cloned().or(id), permit.takes_canary());
                }
                let target = route.target().unwrap_or(asked.target.as_str());
                let host = decision::backend_host(route, asked.scope(parts, route), asked.host());
                let received = observed.received.clone();
                let mut outgoing = Outgoing::new(parts, body, target, &host, told, limit, received);
                if let Some(mirror) = route.policies().mirror() {
                    mirror::begin(self, mirror, route, asked, &mut outgoing);
                }
                let sent = send(self, &mut outgoing, route, &permit, asked, &mut observed.logged);
                let (reply, endpoint) = sent.await;
                if let Some(record) = &mut observed.record {
                    record.connected(outgoing.connected());
                }
                let reply = if route.policies().error_pages().is_some() {
                    let reply = (reply, endpoint.is_some());
                    // In a box, so that the future of every other request is not as large as this one.
                    Box::pin(in_place(self, route, &permit, parts, asked, reply)).await
                } else {
                    reply
                };
                policy::finish(Some(permit), additions, route, asked, endpoint, reply)
            }
        }
    }

    /// The endpoint that has answered faster lately, of two.
    pub(super) fn faster(&self, endpoints: &[SocketAddr], tried: &[SocketAddr]) -> Option<SocketAddr> {
        let (lot, now) = (self.random(), self.started.elapsed());
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).choose(endpoints, tried, lot, now)
    }

    /// An endpoint has answered, or failed, in this time.
    pub(super) fn answered(&self, endpoint: SocketAddr, took: Duration) {
        let now = self.started.elapsed();
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).observe(endpoint, took, now);
    }

    /// One that nobody can guess from others.
    fn new_request_id(&self) -> RequestId {
        RequestId::new(self.random(), self.random())
    }

    /// The same, as the value of a field.
    pub(super) fn request_id(&self) -> HeaderValue {
        let id = self.new_request_id();
        HeaderValue::from_str(id.as_str()).unwrap_or(HeaderValue::from_static("-"))
    }

    /// A number that nobody can guess from others.
    pub(super) fn random(&self) -> u64 {
        self.request_ids.hash_one(self.requests.fetch_add(1, Ordering::Relaxed))
    }
}

fn asked(
    config: &IngressConfig,
    headers: &HeaderMap,
    authority: Authority,
    target: PathAndQuery,
    peer: Arc<Peer>,
) -> Asked {
    let origin = Origin::of(headers, peer.address.ip(), peer.https, peer.port, config.clients());
    Asked {
        authority,
        target,
        client: origin.address,
        https: origin.https,
        port: origin.port,
        forwarded_host: origin.host,
        forwarded_for: origin.forwarded_for,
        certificate: None,
        peer,
    }
}

fn redirect_host(found: &HostRedirect, asked: &Asked) -> (StatusCode, String) {
    match found {
        HostRedirect::AppRoot(path) => redirect::to_app_root(asked.https, &asked.authority, path),
        HostRedirect::Www(host) => redirect::to_www(asked.https, asked.port, host, asked.target.as_str()),
    }
}
