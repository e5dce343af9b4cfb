//! `nginx.ingress.kubernetes.io/*`: each annotation parsed once into a type. Nothing here is ever text in a template.
//!
#![doc = include_str!("../docs/annotations.md")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use svc_model::ObjectName;

use crate::backend::{BackendProtocol, NextUpstream};
use crate::config::{IngressConfig, Mode};
use crate::rewrite::RewriteTarget;
use crate::variable::Interpolated;

mod affinity;
mod alias;
mod basic_auth;
mod canary;
mod catalog;
mod certificate_auth;
mod cors;
mod error_pages;
mod external_auth;
mod instead;
mod limits;
mod mirror;
mod parse;
mod rate;
mod reader;
mod redirects;
mod reply_rewrites;
mod snippet;
mod upstream_hash;
mod upstream_tls;
mod url;
mod value;

#[cfg(test)]
mod catalog_tests;
#[cfg(test)]
mod tests;

pub use affinity::{Affinity, AffinityMode, SameSite};
pub use alias::Alias;
pub use basic_auth::{AuthSecretType, BasicAuth};
pub use canary::Canary;
pub use catalog::{CATALOG, Entry, Support, protects, support};
pub use certificate_auth::{CertificateAuth, VerifyClient};
pub use cors::Cors;
pub use error_pages::ErrorPages;
pub use external_auth::{AuthCache, ExternalAuth};
pub use instead::instead;
pub use limits::Limits;
pub use mirror::Mirror;
pub use rate::Rate;
pub use redirects::Redirects;
pub use reply_rewrites::ReplyRewrites;
pub(crate) use snippet::SNIPPETS;
pub use snippet::{directives, instead_of_directive};
pub use upstream_hash::UpstreamHash;
pub use upstream_tls::UpstreamTls;

use parse::upstream_vhost;
use reader::Reader;

/// The prefix of all annotations that are read.
pub const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// What the annotations of one Ingress ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    pub(crate) ssl_redirect: bool,
    pub(crate) force_ssl_redirect: bool,
    pub(crate) preserve_trailing_slash: bool,
    pub(crate) use_regex: bool,
    pub(crate) rewrite_target: Option<RewriteTarget>,
    pub(crate) auth: Option<BasicAuth>,
    pub(crate) allow: Vec<IpNet>,
    pub(crate) deny: Vec<IpNet>,
    pub(crate) satisfy_any: bool,
    pub(crate) limits: Option<Box<Limits>>,
    pub(crate) body_size: u64,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) send_timeout: Duration,
    pub(crate) protocol: BackendProtocol,
    pub(crate) next_upstream: NextUpstream,
    pub(crate) cors: Option<Box<Cors>>,
    pub(crate) redirects: Option<Box<Redirects>>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) upstream_vhost: Option<Interpolated>,
    pub(crate) canary: Option<Box<Canary>>,
    pub(crate) affinity: Option<Box<Affinity>>,
    pub(crate) external_auth: Option<Box<ExternalAuth>>,
    pub(crate) certificate_auth: Option<Box<CertificateAuth>>,
    pub(crate) upstream_hash: Option<Box<UpstreamHash>>,
    pub(crate) upstream_tls: Option<Box<UpstreamTls>>,
    pub(crate) error_pages: Option<Box<ErrorPages>>,
    pub(crate) reply_rewrites: Option<Box<ReplyRewrites>>,
    pub(crate) custom_headers: Option<ObjectName>,
    pub(crate) mirror: Option<Box<Mirror>>,
    pub(crate) rate: Option<Rate>,
    pub(crate) latency: bool,
    pub(crate) relative_redirects: bool,
    pub(crate) port_in_redirects: bool,
    pub(crate) service_upstream: bool,
    pub(crate) ssl_passthrough: bool,
    pub(crate) forwarded_prefix: Option<HeaderValue>,
    pub(crate) access_log: bool,
    pub(crate) denied: Option<String>,
}

/// An annotation that is not obeyed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnotationProblem {
    /// The annotation's name without the prefix.
    pub key: String,
    /// What is wrong with its value, and what follows.
    pub message: String,
}

impl Policies {
    /// What holds without annotations.
    #[must_use]
    pub fn new(config: &IngressConfig) -> Self {
        Self {
            ssl_redirect: config.mode() == Mode::Nginx,
            force_ssl_redirect: false,
            preserve_trailing_slash: false,
            use_regex: false,
            rewrite_target: None,
            auth: None,
            allow: Vec::new(),
            deny: Vec::new(),
            satisfy_any: false,
            limits: None,
            body_size: config.body_size(),
            connect_timeout: config.connect_timeout(),
            read_timeout: config.read_timeout(),
            send_timeout: config.send_timeout(),
            protocol: BackendProtocol::Http,
            next_upstream: NextUpstream::default(),
            cors: None,
            redirects: None,
            aliases: Vec::new(),
            upstream_vhost: None,
            canary: None,
            affinity: None,
            external_auth: None,
            certificate_auth: None,
            upstream_hash: None,
            upstream_tls: None,
            error_pages: None,
            reply_rewrites: None,
            custom_headers: None,
            mirror: None,
            rate: None,
            latency: false,
            relative_redirects: false,
            port_in_redirects: false,
            service_upstream: false,
            ssl_passthrough: false,
            forwarded_prefix: None,
            access_log: true,
            denied: None,
        }
    }

    /// Plain HTTP is redirected where the host has TLS.
    #[must_use]
    pub fn ssl_redirect(&self) -> bool {
        self.ssl_redirect
    }

    /// Plain HTTP is redirected in any case.
    #[must_use]
    pub fn force_ssl_redirect(&self) -> bool {
        self.force_ssl_redirect
    }

    /// Paths are regular expressions.
    #[must_use]
    pub fn use_regex(&self) -> bool {
        self.use_regex
    }

    /// What the backend sees instead of the path.
    #[must_use]
    pub fn rewrite_target(&self) -> Option<&RewriteTarget> {
        self.rewrite_target.as_ref()
    }

    /// Basic authentication.
    #[must_use]
    pub fn auth(&self) -> Option<&BasicAuth> {
        self.auth.as_ref()
    }

    /// The largest request body in bytes; 0 for no limit.
    #[must_use]
    pub fn body_size(&self) -> u64 {
        self.body_size
    }

    /// How long a connection to an endpoint may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The longest pause between two reads from an endpoint.
    #[must_use]
    pub fn read_timeout(&self) -> Duration {
        self.read_timeout
    }

    /// The longest pause between two writes to an endpoint.
    #[must_use]
    pub fn send_timeout(&self) -> Duration {
        self.send_timeout
    }

    /// What the endpoints speak.
    #[must_use]
    pub fn protocol(&self) -> BackendProtocol {
        self.protocol
    }

    /// When another endpoint is asked.
    #[must_use]
    pub fn next_upstream(&self) -> &NextUpstream {
        &self.next_upstream
    }

    /// Why every request is answered 503: an annotation that protects the backend cannot be obeyed.
    #[must_use]
    pub fn denied(&self) -> Option<&str> {
        self.denied.as_deref()
    }

    /// Whether `denylist-source-range` and `whitelist-source-range` let the client through.
    #[must_use]
    pub fn admits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let listed = |list: &[IpNet]| list.iter().any(|net| net.contains(&client));
        !listed(&self.deny) && (self.allow.is_empty() || listed(&self.allow))
    }

    /// The client's address is enough to be let in, whoever it is: it is listed, and `satisfy` is `any`.
    #[must_use]
    pub fn admits_without_login(&self, client: IpAddr) -> bool {
        self.satisfy_any && !self.allow.is_empty() && self.admits(client)
    }

    /// `satisfy: any`: one of address and logins is enough.
    #[must_use]
    pub fn satisfies_by_any(&self) -> bool {
        self.satisfy_any
    }

    /// What one client may ask for.
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.limits.as_deref()
    }

    /// What is said to pages of other origins.
    #[must_use]
    pub fn cors(&self) -> Option<&Cors> {
        self.cors.as_deref()
    }

    /// Where requests are sent instead of to a backend.
    #[must_use]
    pub fn redirects(&self) -> Option<&Redirects> {
        self.redirects.as_deref()
    }

    /// `server-alias`: further names of the Ingress's hosts.
    #[must_use]
    pub fn aliases(&self) -> &[Alias] {
        &self.aliases
    }

    /// `upstream-vhost`: the host that the backend is asked for.
    #[must_use]
    pub fn upstream_vhost(&self) -> Option<&Interpolated> {
        self.upstream_vhost.as_ref()
    }

    /// Which requests the Ingress takes off another one; `None` if it is no canary.
    #[must_use]
    pub fn canary(&self) -> Option<&Canary> {
        self.canary.as_deref()
    }

    /// How a client stays with one endpoint.
    #[must_use]
    pub fn affinity(&self) -> Option<&Affinity> {
        self.affinity.as_deref()
    }

    /// Which other server decides who may pass.
    #[must_use]
    pub fn external_auth(&self) -> Option<&ExternalAuth> {
        self.external_auth.as_deref()
    }

    /// Which certificates clients have to show.
    #[must_use]
    pub fn certificate_auth(&self) -> Option<&CertificateAuth> {
        self.certificate_auth.as_deref()
    }

    /// Which requests go to the same endpoint.
    #[must_use]
    pub fn upstream_hash(&self) -> Option<&UpstreamHash> {
        self.upstream_hash.as_deref()
    }

    /// How endpoints are spoken to over TLS.
    #[must_use]
    pub fn upstream_tls(&self) -> Option<&UpstreamTls> {
        self.upstream_tls.as_deref()
    }

    /// Which errors have a page of another Service.
    #[must_use]
    pub fn error_pages(&self) -> Option<&ErrorPages> {
        self.error_pages.as_deref()
    }

    /// The Service's own address is asked rather than its endpoints.
    #[must_use]
    pub fn service_upstream(&self) -> bool {
        self.service_upstream
    }

    /// What is changed in the fields of endpoints' replies.
    #[must_use]
    pub fn reply_rewrites(&self) -> Option<&ReplyRewrites> {
        self.reply_rewrites.as_deref()
    }

    /// The ConfigMap of further fields for replies.
    #[must_use]
    pub fn custom_headers(&self) -> Option<&ObjectName> {
        self.custom_headers.as_ref()
    }

    /// Who gets copies of requests.
    #[must_use]
    pub fn mirror(&self) -> Option<&Mirror> {
        self.mirror.as_deref()
    }

    /// How fast a reply goes to its client.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// Of two endpoints the one is asked that has answered faster lately.
    #[must_use]
    pub fn balances_by_latency(&self) -> bool {
        self.latency
    }

    /// TLS goes to the endpoints as it is.
    #[must_use]
    pub fn ssl_passthrough(&self) -> bool {
        self.ssl_passthrough
    }

    /// `X-Forwarded-Prefix` for the backend where the path is rewritten.
    #[must_use]
    pub fn forwarded_prefix(&self) -> Option<&HeaderValue> {
        self.forwarded_prefix.as_ref()
    }

    /// Its requests are in the access log, if there is one.
    #[must_use]
    pub fn access_log(&self) -> bool {
        self.access_log
    }
}

/// External authentication by settings that are named like annotations, without their prefix; the first problem otherwise.
pub(crate) fn external_auth(
    settings: &BTreeMap<String, String>,
    config: &IngressConfig,
) -> Result<Option<ExternalAuth>, AnnotationProblem> {
    let named = settings.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect();
    let mut reader = Reader::new(&named, "", config);
    reader.refuse_unknown();
    let auth = ExternalAuth::read(&mut reader);
    match reader.finish().0.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(auth),
    }
}

/// Where an annotation, by its name without the prefix, stands in an Ingress.
pub(crate) fn annotation_field(key: &str) -> String {
    format!("metadata.annotations[{PREFIX}{key}]")
}
