//! External authentication: asks the server, or remembers what it said.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use rustls_pki_types::ServerName;
use sha2::{Digest as _, Sha256};

use crate::annotation::ExternalAuth;
use crate::authority::Authority;
use crate::external_auth::{self, Verdict};
use crate::generations::Generations;
use crate::sys::Connect;
use crate::table::Route;
use crate::variable::Scope;

use super::names::bare;
use super::router::Router;
use super::upstream::{Fetch, fetch};

/// Answers kept at one time; each has at most 4 KiB of fields.
const MAX_ANSWERS: usize = 4096;
/// Addresses of one server that are tried.
const MAX_TRIES: usize = 3;

/// What was answered, and until when that is good, by the digest of a key.
type Known = Generations<[u8; 32], (Verdict, Instant)>;

/// Answers that are good for more than one request, for all workers.
#[derive(Clone, Debug)]
pub(super) struct Answers(Arc<Mutex<Known>>);

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Generations::new(MAX_ANSWERS))))
    }
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: [u8; 32]) -> Option<Verdict> {
        self.lock()
            .get_mut(key)
            .filter(|(_, until)| Instant::now() < *until)
            .map(|(verdict, _)| verdict.clone())
    }
}

/// What the server of a route says of a request. Whatever goes wrong lets nobody pass.
pub(super) async fn ask<C: Connect>(
    router: &Router<C>,
    route: &Route,
    auth: &ExternalAuth,
    scope: Scope<'_>,
    (id, certificate): (HeaderValue, &[(HeaderName, HeaderValue)]),
) -> Verdict {
    let Some(server) = Authority::parse(&auth.authority().fill(scope)) else {
        tracing::debug!(%route, "auth-url names no server for this request");
        return Verdict::unknown();
    };
    let target = auth.target().fill(scope);
    let key = auth.cache().map(|cache| cache_key(route, &server, &target, &cache.key().fill(scope)));
    if let Some(verdict) = key.and_then(|key| router.answers.find(key)) {
        return verdict;
    }
    let mut fields = external_auth::request_fields(auth, scope, route.location().auth_fields());
    external_auth::name_request(&mut fields, id);
    fields.extend(certificate.iter().cloned());
    let verdict = match request(router, route, auth, (&server, &target), fields).await {
        Ok((status, fields)) => Verdict::of(auth, status, &fields),
        Err(error) => {
            tracing::warn!(%route, server = server.host(), error, "external authentication cannot be asked");
            Verdict::unknown()
        }
    };
    let duration = auth.cache().and_then(|cache| cache.duration(verdict.status().as_u16()));
    if let (Some(key), Some(duration)) = (key.filter(|_| verdict.is_keepable()), duration) {
        router.answers.lock().insert(key, (verdict.clone(), Instant::now() + duration));
    }
    verdict
}

/// Answers are kept for one rule, one server and one value of the key. What the key holds, a password perhaps, cannot be
/// read from its digest.
fn cache_key(route: &Route, server: &Authority, target: &str, value: &str) -> [u8; 32] {
    let ingress = route.ingress().map(ToString::to_string).unwrap_or_default();
    let (host, path) = (route.location().host(), route.location().path());
    let server = server.to_string();
    let mut digest = Sha256::new();
    for part in [ingress.as_str(), host, path, server.as_str(), target, value] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().into()
}

async fn request<C: Connect>(
    router: &Router<C>,
    route: &Route,
    auth: &ExternalAuth,
    (server, target): (&Authority, &str),
    fields: HeaderMap,
) -> Result<(StatusCode, HeaderMap), String> {
    let port = server.port().unwrap_or(if auth.is_https() { 443 } else { 80 });
    let local = router.table.load().config().allows_local_targets();
    let addresses = router.names.allowed(server.host(), port, local).await?;
    let name = bare(server.host()).to_owned();
    let tls = if auth.is_https() {
        Some(ServerName::try_from(name).map_err(|_| "its name cannot be asked for over TLS".to_owned())?)
    } else {
        None
    };
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.headers) = (external_auth::request_method(auth), fields);
    let mut last = "its name has no address".to_owned();
    for address in addresses.into_iter().take(MAX_TRIES) {
        let request = Fetch { parts: parts.clone(), target, host: server.host(), address, tls: tls.clone() };
        match fetch(router, request, route.policies()).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => last = failure.to_string(),
        }
    }
    Err(last)
}
