//! One path of one host: what it matches and what happens to its requests.

use std::fmt;
use std::sync::{Arc, OnceLock};

use http::{HeaderName, HeaderValue};
use regex::bytes::Regex;
use svc_model::ObjectName;

use crate::annotation::Policies;
use crate::certificate_auth::ClientAuth;
use crate::config::IngressConfig;
use crate::htpasswd::Htpasswd;
use crate::metrics::Counters;
use crate::upstream_tls::EndpointTls;

use crate::variable::Interpolated;

use super::{CanaryPool, Pool};

/// How a location's path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Matching {
    /// The whole path.
    Exact,
    /// Element by element.
    Prefix,
    /// Byte by byte, as ingress-nginx reads `ImplementationSpecific`.
    Bytes,
    /// As a case-insensitive regular expression from the path's start.
    Regex,
    /// Whatever no other path of the host takes.
    Default,
}

/// What is done with requests that one path of one host takes.
#[derive(Debug)]
pub struct Location {
    pub(super) ingress: Option<ObjectName>,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) matching: Matching,
    pub(super) pattern: Option<Regex>,
    pub(super) policies: Arc<Policies>,
    pub(super) users: Option<Arc<Htpasswd>>,
    pub(super) denied: Option<String>,
    pub(super) pool: Arc<Pool>,
    pub(super) canary: Option<CanaryPool>,
    pub(super) auth_fields: Arc<[(HeaderName, Interpolated)]>,
    pub(super) custom_headers: Arc<[(HeaderName, HeaderValue)]>,
    pub(super) error_backend: Option<Arc<Location>>,
    pub(super) client_auth: Option<Arc<ClientAuth>>,
    pub(super) upstream_tls: Option<EndpointTls>,
    pub(super) tls: bool,
    pub(super) certified: bool,
    /// Where its requests are counted, once there was one.
    pub(super) counters: OnceLock<Arc<Counters>>,
}

impl Location {
    pub(super) fn default_backend(config: &IngressConfig, pool: Arc<Pool>) -> Self {
        Self {
            ingress: None,
            host: String::new(),
            path: "/".to_owned(),
            matching: Matching::Default,
            pattern: None,
            policies: Arc::new(Policies::new(config)),
            users: None,
            denied: None,
            pool,
            canary: None,
            auth_fields: Arc::default(),
            custom_headers: Arc::default(),
            error_backend: None,
            client_auth: None,
            upstream_tls: None,
            tls: false,
            certified: false,
            counters: OnceLock::new(),
        }
    }

    /// The Ingress; `None` for the configuration's default backend.
    #[must_use]
    pub fn ingress(&self) -> Option<&ObjectName> {
        self.ingress.as_ref()
    }

    /// The rule's host, `*.` first for a wildcard, empty for every host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The rule's path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How the path is compared.
    #[must_use]
    pub fn matching(&self) -> Matching {
        self.matching
    }

    /// What the Ingress's annotations ask for.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Who may log in; `None` if nobody is asked.
    #[must_use]
    pub fn users(&self) -> Option<&Arc<Htpasswd>> {
        self.users.as_ref()
    }

    /// Why every request is answered 503.
    #[must_use]
    pub fn denied(&self) -> Option<&str> {
        self.denied.as_deref()
    }

    /// Where requests go.
    #[must_use]
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Another pool, and which requests go there.
    #[must_use]
    pub fn canary(&self) -> Option<&CanaryPool> {
        self.canary.as_ref()
    }

    /// Further fields for the server of `auth-url`, from its ConfigMap.
    #[must_use]
    pub fn auth_fields(&self) -> &[(HeaderName, Interpolated)] {
        &self.auth_fields
    }

    /// `custom-headers`: further fields for replies.
    #[must_use]
    pub fn custom_headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.custom_headers
    }

    /// `default-backend`: where pages for errors come from.
    #[must_use]
    pub fn error_backend(&self) -> Option<&Arc<Location>> {
        self.error_backend.as_ref()
    }

    /// What the host asks of its clients' certificates.
    #[must_use]
    pub fn client_auth(&self) -> Option<&Arc<ClientAuth>> {
        self.client_auth.as_ref()
    }

    /// How endpoints are spoken to over TLS, where annotations say so.
    #[must_use]
    pub fn upstream_tls(&self) -> Option<&EndpointTls> {
        self.upstream_tls.as_ref()
    }

    /// A `spec.tls` entry lists the host.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls
    }

    /// The host has a certificate of its own.
    #[must_use]
    pub fn has_certificate(&self) -> bool {
        self.certified
    }

    /// Where its requests are counted; `find` looks that up for the first one.
    pub fn counters(&self, find: impl FnOnce() -> Arc<Counters>) -> &Arc<Counters> {
        self.counters.get_or_init(find)
    }

    /// A prefix without its final slash: as prefixes `/a` and `/a/` are the same.
    pub(super) fn prefix(&self) -> &str {
        self.path.strip_suffix('/').unwrap_or(&self.path)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.is_empty() { "any host" } else { &self.host };
        match &self.ingress {
            Some(ingress) => write!(f, "Ingress {ingress}, {host}, ")?,
            None => f.write_str("default backend of the configuration, ")?,
        }
        write!(f, "{:?} {} -> {}", self.matching, self.path, self.pool)?;
        if let Some(target) = self.policies.rewrite_target() {
            write!(f, ", rewritten to {}", target.as_str())?;
        }
        if let Some(auth) = self.policies.auth() {
            write!(f, ", basic auth by Secret {}", auth.secret())?;
        }
        if let Some(auth) = self.policies.external_auth() {
            write!(f, ", external auth by {}", auth.authority())?;
        }
        if let Some(auth) = self.client_auth() {
            write!(f, ", certificates of clients by Secret {}", auth.policy().secret())?;
        }
        if let Some(tls) = self.upstream_tls().filter(|tls| tls.policy().verifies()) {
            write!(f, ", endpoints verified as {}", tls.name().to_str())?;
        }
        if self.policies.ssl_passthrough() && self.path == "/" {
            f.write_str(", TLS passed through")?;
        }
        if let Some(canary) = &self.canary {
            write!(f, ", canary Ingress {} -> {}", canary.ingress(), canary.pool())?;
        }
        if let Some(pages) = &self.error_backend {
            write!(f, ", error pages by {}", pages.pool())?;
        }
        match &self.denied {
            Some(reason) => write!(f, ", refused with 503: {reason}"),
            None => Ok(()),
        }
    }
}
