//! All annotations of an Ingress, each read into its type.

use std::collections::BTreeMap;

use crate::authority::Authority;
use crate::config::IngressConfig;
use crate::rewrite::RewriteTarget;
use crate::variable::{Interpolated, Variable};

use super::reader::Reader;
use super::{
    Affinity, Alias, AnnotationProblem, BasicAuth, Canary, CertificateAuth, Cors, ErrorPages, ExternalAuth,
    Limits, Mirror, Policies, Rate, Redirects, ReplyRewrites, UpstreamHash, UpstreamTls, value,
};

impl Policies {
    /// Reads the annotations of an Ingress in `namespace`. Whatever cannot be obeyed is returned beside the policies;
    /// where it protects the backend, the policies deny every request.
    ///
    /// ```
    /// use svc_ingress::IngressConfig;
    /// use svc_ingress::annotation::{PREFIX, Policies};
    ///
    /// let annotations = [("limit-rps", "5"), ("auth-type", "digest")];
    /// let annotations = annotations.map(|(key, value)| (format!("{PREFIX}{key}"), value.to_owned())).into();
    /// let (policies, problems) = Policies::parse(&annotations, "shop", &IngressConfig::default());
    /// assert_eq!(policies.limits().map(|limits| limits.per_second()), Some(5));
    /// assert_eq!(problems[0].key, "auth-type");
    /// assert!(policies.denied().is_some(), "authentication fails closed");
    /// ```
    #[must_use]
    pub fn parse(
        annotations: &BTreeMap<String, String>,
        namespace: &str,
        config: &IngressConfig,
    ) -> (Self, Vec<AnnotationProblem>) {
        let mut policies = Self::new(config);
        let mut reader = Reader::new(annotations, namespace, config);
        if reader.is_empty() && config.global_auth().is_none() {
            return (policies, Vec::new());
        }
        reader.refuse_unknown();
        policies.read_paths(&mut reader);
        policies.read_backend(&mut reader);
        policies.read_access(&mut reader);
        let (problems, denied) = reader.finish();
        policies.denied = denied;
        (policies, problems)
    }

    fn read_paths(&mut self, reader: &mut Reader<'_>) {
        set(&mut self.ssl_redirect, reader.read("ssl-redirect", value::boolean));
        set(&mut self.force_ssl_redirect, reader.read("force-ssl-redirect", value::boolean));
        set(&mut self.preserve_trailing_slash, reader.read("preserve-trailing-slash", value::boolean));
        set(&mut self.use_regex, reader.read("use-regex", value::boolean));
        self.rewrite_target = reader.read("rewrite-target", |text| {
            RewriteTarget::parse(text).ok_or_else(|| "is not a path such as `/` or `/$2`".to_owned())
        });
        set(&mut self.relative_redirects, reader.read("relative-redirects", value::boolean));
        set(&mut self.port_in_redirects, reader.read("use-port-in-redirects", value::boolean));
        self.redirects = Redirects::read(reader).map(Box::new);
        set(&mut self.aliases, reader.read("server-alias", Alias::parse_list));
    }

    fn read_backend(&mut self, reader: &mut Reader<'_>) {
        set(&mut self.body_size, reader.read("proxy-body-size", value::size));
        set(&mut self.connect_timeout, reader.read("proxy-connect-timeout", value::seconds));
        set(&mut self.read_timeout, reader.read("proxy-read-timeout", value::seconds));
        set(&mut self.send_timeout, reader.read("proxy-send-timeout", value::seconds));
        set(&mut self.protocol, reader.read("backend-protocol", str::parse));
        let mut next = std::mem::take(&mut self.next_upstream);
        if let Some(causes) = reader.read("proxy-next-upstream", str::parse) {
            next = next.with_causes(causes);
        }
        if let Some(tries) = reader.read("proxy-next-upstream-tries", value::tries) {
            next = next.with_tries(tries);
        }
        if let Some(timeout) = reader.read("proxy-next-upstream-timeout", value::seconds_or_none) {
            next = next.with_timeout(timeout);
        }
        self.next_upstream = next;
        self.upstream_vhost = reader.read("upstream-vhost", upstream_vhost);
        self.canary = Canary::read(reader).map(Box::new);
        self.affinity = Affinity::read(reader).map(Box::new);
        set(&mut self.service_upstream, reader.read("service-upstream", value::boolean));
        self.reply_rewrites = ReplyRewrites::read(reader).map(Box::new);
        let (namespace, others) = (reader.namespace(), reader.config().allows_cross_namespace());
        self.custom_headers =
            reader.read("custom-headers", |text| value::object("ConfigMap", text, namespace, others));
        self.mirror = Mirror::read(reader).map(Box::new);
        self.rate = Rate::read(reader);
        set(&mut self.latency, reader.read("load-balance", value::by_latency));
        set(&mut self.ssl_passthrough, reader.read("ssl-passthrough", value::boolean));
        if self.ssl_passthrough && !reader.config().passes_through() {
            reader
                .refuse("ssl-passthrough", "is not enabled: `ssl_passthrough` of the configuration does it");
            self.ssl_passthrough = false;
        }
        self.forwarded_prefix = reader.read("x-forwarded-prefix", value::prefix);
        self.upstream_hash = UpstreamHash::read(reader).map(Box::new);
        self.upstream_tls = UpstreamTls::read(reader).map(Box::new);
        self.error_pages = ErrorPages::read(reader).map(Box::new);
        set(&mut self.access_log, reader.read("enable-access-log", value::boolean));
    }

    fn read_access(&mut self, reader: &mut Reader<'_>) {
        let allow = reader.read_either(["allowlist-source-range", "whitelist-source-range"], value::networks);
        set(&mut self.allow, allow);
        set(&mut self.deny, reader.read("denylist-source-range", value::networks));
        set(&mut self.satisfy_any, reader.read("satisfy", value::satisfy));
        self.auth = BasicAuth::read(reader);
        self.external_auth = ExternalAuth::read(reader).map(Box::new);
        let global = reader.read("enable-global-auth", value::boolean).unwrap_or(true);
        if self.external_auth.is_none() && global {
            self.external_auth = reader.config().global_auth().cloned().map(Box::new);
        }
        self.certificate_auth = CertificateAuth::read(reader).map(Box::new);
        self.limits = Limits::read(reader).map(Box::new);
        self.cors = Cors::read(reader).map(Box::new);
    }
}

/// A host, perhaps with a port, in which variables may stand that no client chooses but `$host`.
pub(super) fn upstream_vhost(text: &str) -> Result<Interpolated, String> {
    let host = Interpolated::parse(text)?;
    let plain = host.variables().next().is_some() || Authority::parse(text).is_some();
    let safe = host.variables().all(Variable::is_of_host);
    if plain && safe { Ok(host) } else { Err("is not a host such as `web.shop.svc`".to_owned()) }
}

/// Keeps what is there where an annotation says nothing.
fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
