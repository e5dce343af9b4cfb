//! Why a request gets the answer that it gets: which Ingress and which rule take it, what they ask of the client, which
//! endpoints serve it. What is decided is decided by the same functions as in the server.
//!
//! ```
//! use http::Request;
//! use svc_ingress::explain::{Explanation, Question};
//! use svc_ingress::{IngressConfig, RouteTable};
//! use svc_model::{Snapshot, yaml};
//!
//! let (objects, _) = yaml::read("
//! kind: Ingress
//! apiVersion: networking.k8s.io/v1
//! metadata:
//!   name: web
//!   namespace: shop
//!   annotations: {nginx.ingress.kubernetes.io/allowlist-source-range: 10.0.0.0/8}
//! spec:
//!   rules: [{host: shop.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
//! ").stored();
//! let snapshot: Snapshot = objects.into_iter().collect();
//! let config = IngressConfig::builder().watch_without_class(true).build()?;
//! let table = RouteTable::new(&snapshot, &config);
//!
//! let request = Request::get("http://shop.example/cart").body(())?;
//! let explained = Explanation::new(&table, &Question::new(&request, "192.0.2.7".parse()?));
//! assert_eq!(
//!     explained.to_string(),
//!     "\
//! rule      Ingress shop/web, shop.example, Prefix / -> Service shop/web:80, which does not exist
//! answer    403: client 192.0.2.7 is not let in by allowlist-source-range or denylist-source-range
//! "
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::net::{IpAddr, SocketAddr};

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use svc_model::ObjectName;

use crate::annotation::VerifyClient;
use crate::auth::Credentials;
use crate::authority::Authority;
use crate::certificate_auth::CertificateRefusal;
use crate::decision::{self, Access, Refusal};
use crate::forward::Origin;
use crate::hygiene;
use crate::redirect;
use crate::session::{self, SessionKey};
use crate::table::{ExternalServer, Found, HostRedirect, Pool, PoolState, Route, RouteTable};
use crate::variable::Scope;

mod text;

#[cfg(test)]
mod tests;

pub use crate::decision::Reason;

/// A request as it reaches the server.
#[derive(Clone, Debug)]
pub struct Question {
    parts: Parts,
    peer: IpAddr,
    https: bool,
    port: u16,
    body: u64,
}

/// What becomes of a request. It prints itself, a line for each thing that matters.
#[derive(Clone, Debug)]
pub struct Explanation {
    client: Option<IpAddr>,
    route: Option<Route>,
    conditions: Vec<Condition>,
    origin: Option<HeaderValue>,
    outcome: Outcome,
}

/// What decides besides the request itself: the outcome holds if it is met.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// The client has not asked for more than `limit-*` allow; otherwise it gets this status.
    Limits(StatusCode),
    /// The server of `auth-url` lets the request pass.
    ExternalAuth(String),
    /// The client has shown a certificate by this Secret, if it has to or has shown one at all.
    Certificate {
        /// The Secret with the authorities.
        secret: ObjectName,
        /// It has to.
        required: bool,
    },
    /// The lot leaves the request to the main Ingress: it gives so many of a total to the canary.
    Lot {
        /// The canary Ingress.
        canary: ObjectName,
        /// How many requests go to the canary,
        weight: u32,
        /// of how many.
        total: u32,
    },
}

/// What the client gets, or who serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is no request that any rule may see.
    Malformed(StatusCode),
    /// No rule takes it, and there is no default backend: 404.
    NoRule,
    /// The client is sent elsewhere.
    Redirect {
        /// By what.
        reason: Reason,
        /// The reply's status.
        status: StatusCode,
        /// Where.
        location: String,
    },
    /// Its body is larger than `proxy-body-size`, in bytes: 413.
    BodyTooLarge(u64),
    /// An annotation that protects the backend cannot be obeyed: 503.
    Denied(String),
    /// A browser asked whether another request may be made: 204.
    Preflight,
    /// `allowlist-source-range` or `denylist-source-range` keeps the client out: 403.
    Forbidden,
    /// The host asks for certificates, which nobody can show over plain HTTP: 400, or 403 for a name that is none.
    NoCertificate(CertificateRefusal),
    /// The user or the password is not in the Secret: 401.
    NoLogin(ObjectName),
    /// TLS for the host goes to one of these endpoints as it is.
    PassedThrough(ObjectName, Vec<SocketAddr>),
    /// There is no endpoint to ask: 503.
    Unserved(PoolState),
    /// One of these endpoints is asked.
    Forwarded(Box<Forwarded>),
}

/// Who serves a request, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarded {
    /// The canary Ingress that took the request.
    pub canary: Option<ObjectName>,
    /// The Service.
    pub service: ObjectName,
    /// Its endpoints, in turn; the one that the client's session is kept with alone.
    pub endpoints: Vec<SocketAddr>,
    /// Where it is an ExternalName: one of this server's addresses is asked instead.
    pub external: Option<ExternalServer>,
    /// The host that the endpoint is asked for.
    pub host: String,
    /// The path and the query that it sees.
    pub target: String,
}

impl Question {
    /// A request over plain HTTP to port 80, with the host in its URL or in its fields, from `peer`: a client, or a proxy
    /// before the server.
    #[must_use]
    pub fn new<B>(request: &Request<B>, peer: IpAddr) -> Self {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = request.method().clone();
        parts.uri = request.uri().clone();
        parts.version = http::Version::HTTP_2;
        parts.headers = request.headers().clone();
        Self { parts, peer, https: false, port: 80, body: 0 }
    }

    /// It comes over TLS, to port 443.
    #[must_use]
    pub fn over_tls(mut self) -> Self {
        (self.https, self.port) = (true, 443);
        self
    }

    /// It comes to this port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Its body has so many bytes.
    #[must_use]
    pub fn body(mut self, bytes: u64) -> Self {
        self.body = bytes;
        self
    }
}

impl Explanation {
    /// Decides a request by a table.
    #[must_use]
    pub fn new(table: &RouteTable, question: &Question) -> Self {
        let mut explained = Self {
            client: None,
            route: None,
            conditions: Vec::new(),
            origin: None,
            outcome: Outcome::NoRule,
        };
        explained.outcome = match explained.decide(table, question) {
            Ok(forwarded) => Outcome::Forwarded(Box::new(forwarded)),
            Err(outcome) => outcome,
        };
        explained
    }

    /// The client, behind proxies that are trusted; `None` for a malformed request.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// The rule that takes the request; `None` if none does, or if it is not looked for.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        self.route.as_ref()
    }

    /// What decides besides the request itself.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// What becomes of it.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The origin whose pages may read the reply.
    #[must_use]
    pub fn allowed_origin(&self) -> Option<&HeaderValue> {
        self.origin.as_ref()
    }

    /// The order is the server's.
    fn decide(&mut self, table: &RouteTable, question: &Question) -> Result<Forwarded, Outcome> {
        let parts = &question.parts;
        let authority = hygiene::check(parts).map_err(Outcome::Malformed)?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let clients = table.config().clients();
        let origin = Origin::of(&parts.headers, question.peer, question.https, question.port, clients);
        self.client = Some(origin.address);
        let route = match table.find(authority.host(), target) {
            Ok(Some(Found::Route(route))) => self.route.insert(route).clone(),
            Ok(Some(Found::Redirect(found))) => {
                return Err(host_redirect(&found, &origin, &authority, target));
            }
            Ok(None) => return Err(Outcome::NoRule),
            Err(_) => return Err(Outcome::Malformed(StatusCode::BAD_REQUEST)),
        };
        if let Some(passed) = table.passthrough(authority.host()).filter(|_| question.https) {
            let pool = passed.pool();
            return Err(Outcome::PassedThrough(pool.service().clone(), pool.endpoints().to_vec()));
        }
        let limit = decision::body_limit(&route);
        if question.body > limit {
            return Err(Outcome::BodyTooLarge(limit));
        }
        let scope = Scope {
            authority: &authority,
            target,
            method: &parts.method,
            headers: &parts.headers,
            client: origin.address,
            https: origin.https,
            port: origin.port,
            location: route.location(),
        };
        self.ask_certificate(&route, question.https);
        decision::first(&route, scope, &mut self.origin)?;
        if let Some(refusal) = decision::without_certificate(route.location()).filter(|_| !question.https) {
            return Err(Outcome::NoCertificate(refusal));
        }
        let canary = self.takes_canary(&route, scope);
        self.admit(table, &route, scope)?;
        let host = origin.host.as_ref().unwrap_or(&authority).as_str();
        forward(&route, scope, canary, host)
    }

    fn ask_certificate(&mut self, route: &Route, https: bool) {
        let auth = route.location().client_auth().filter(|auth| https && auth.asks());
        self.conditions.extend(auth.map(|auth| Condition::Certificate {
            secret: auth.policy().secret().clone(),
            required: auth.policy().verify() == VerifyClient::On,
        }));
    }

    fn takes_canary(&mut self, route: &Route, scope: Scope<'_>) -> bool {
        let affinity = route.policies().affinity();
        let session = affinity.and_then(|affinity| decision::session_cookie(affinity, scope.headers));
        let mut drawn = false;
        // The lot's highest number: more often than any other, it leaves the request where it is.
        let draw = |total: u64| {
            drawn = true;
            total.saturating_sub(1)
        };
        let taken = decision::takes_canary(route, scope.headers, session.and_then(SessionKey::parse), draw);
        if let Some(canary) = route.location().canary().filter(|_| drawn && !taken) {
            let (weight, total) = (canary.rules().weight(), canary.rules().weight_total());
            if weight > 0 {
                self.conditions.push(Condition::Lot { canary: canary.ingress().clone(), weight, total });
            }
        }
        taken
    }

    /// Limits, source addresses, logins.
    fn admit(&mut self, table: &RouteTable, route: &Route, scope: Scope<'_>) -> Result<(), Outcome> {
        let policies = route.policies();
        if policies.limits().is_some_and(|limits| !limits.exempts(scope.client)) {
            self.conditions.push(Condition::Limits(table.config().limit_status()));
        }
        match decision::access(route, scope.client) {
            Access::Forbidden => return Err(Outcome::Forbidden),
            Access::Open => return Ok(()),
            Access::Login => {}
        }
        let any = policies.satisfies_by_any();
        if let Some(auth) = policies.auth() {
            let credentials = scope.headers.get(AUTHORIZATION).and_then(Credentials::parse);
            let known = credentials.zip(route.location().users());
            let known = known.is_some_and(|(login, users)| users.verify(login.user(), login.password()));
            if known && any {
                return Ok(());
            }
            if !(known || any && policies.external_auth().is_some()) {
                return Err(Outcome::NoLogin(auth.secret().clone()));
            }
        }
        if let Some(auth) = policies.external_auth() {
            let scheme = if auth.is_https() { "https" } else { "http" };
            let (server, target) = (auth.authority().fill(scope), auth.target().fill(scope));
            self.conditions.push(Condition::ExternalAuth(format!("{scheme}://{server}{target}")));
        }
        Ok(())
    }
}

impl From<Refusal<'_>> for Outcome {
    fn from(refusal: Refusal<'_>) -> Self {
        match refusal {
            Refusal::Redirect(reason, status, location) => Self::Redirect { reason, status, location },
            Refusal::Denied(reason) => Self::Denied(reason.to_owned()),
            Refusal::Preflight => Self::Preflight,
        }
    }
}

impl Outcome {
    /// What the client gets; `None` where an endpoint says that.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        let status = match self {
            Self::Malformed(status) | Self::Redirect { status, .. } => *status,
            Self::NoRule => StatusCode::NOT_FOUND,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Denied(_) | Self::Unserved(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Preflight => StatusCode::NO_CONTENT,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NoCertificate(refusal) => refusal.status(),
            Self::NoLogin(_) => StatusCode::UNAUTHORIZED,
            Self::Forwarded(_) | Self::PassedThrough(..) => return None,
        };
        Some(status)
    }
}

fn host_redirect(found: &HostRedirect, origin: &Origin, authority: &Authority, target: &str) -> Outcome {
    let (reason, (status, location)) = match found {
        HostRedirect::AppRoot(path) => {
            (Reason::AppRoot, redirect::to_app_root(origin.https, authority, path))
        }
        HostRedirect::Www(host) => (Reason::Www, redirect::to_www(origin.https, origin.port, host, target)),
    };
    Outcome::Redirect { reason, status, location }
}

fn forward(route: &Route, scope: Scope<'_>, canary: bool, host: &str) -> Result<Forwarded, Outcome> {
    let canary = route.location().canary().filter(|_| canary);
    let pool: &Pool = canary.map_or_else(|| route.location().pool(), |canary| canary.pool());
    if !pool.can_serve() {
        return page(route, host).ok_or(Outcome::Unserved(pool.state()));
    }
    let affinity = route.policies().affinity();
    let affinity = affinity.filter(|_| !canary.is_some_and(|canary| canary.rules().ignores_affinity()));
    let kept = affinity.and_then(|affinity| {
        let key = SessionKey::parse(decision::session_cookie(affinity, scope.headers)?)?;
        session::endpoint_of(pool, affinity.mode(), key.key)
    });
    Ok(Forwarded {
        canary: canary.map(|canary| canary.ingress().clone()),
        service: pool.service().clone(),
        endpoints: kept.map_or_else(|| sharing(route, scope, pool), |endpoint| vec![endpoint]),
        external: pool.external().cloned(),
        host: decision::backend_host(route, scope, host).into_owned(),
        target: route.target().unwrap_or(scope.target).to_owned(),
    })
}

/// The endpoints that share requests like this one.
fn sharing(route: &Route, scope: Scope<'_>, pool: &Pool) -> Vec<SocketAddr> {
    match route.policies().upstream_hash() {
        Some(hash) => session::by_key(pool, &hash.by().fill(scope), hash.endpoints()),
        None => pool.endpoints().to_vec(),
    }
}

/// Where `default-backend` serves instead of a Service without endpoints.
fn page(route: &Route, host: &str) -> Option<Forwarded> {
    let pool = route.location().error_backend()?.pool();
    (!pool.endpoints().is_empty()).then(|| Forwarded {
        canary: None,
        service: pool.service().clone(),
        endpoints: pool.endpoints().to_vec(),
        external: None,
        host: host.to_owned(),
        target: "/".to_owned(),
    })
}
