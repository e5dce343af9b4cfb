//! What the embedder sets.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use svc_model::ObjectName;

use crate::annotation::{self, AnnotationProblem, ExternalAuth};
use crate::error::ConfigError;

mod clients;

#[cfg(test)]
mod tests;

pub use clients::Clients;

/// How paths are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// As the Kubernetes API and its conformance tests have it.
    Strict,
    /// As ingress-nginx does: a regular expression or a rewrite on one path turns every path of its host into a
    /// case-insensitive regular expression, `/x` is redirected to a stored `/x/`, and hosts with TLS redirect plain HTTP.
    #[default]
    Nginx,
}

/// A port of a Service, written `namespace/service:port`; the port is a number or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRef {
    service: ObjectName,
    port: String,
}

impl ServiceRef {
    /// The Service.
    #[must_use]
    pub fn service(&self) -> &ObjectName {
        &self.service
    }

    /// The port's number or name.
    #[must_use]
    pub fn port(&self) -> &str {
        &self.port
    }
}

impl FromStr for ServiceRef {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || ConfigError::DefaultBackend { text: text.to_owned() };
        let (service, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let service: ObjectName = service.parse().map_err(|_| invalid())?;
        if service.namespace().is_empty() || port.is_empty() {
            return Err(invalid());
        }
        Ok(Self { service, port: port.to_owned() })
    }
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.port)
    }
}

/// Settings of the route table and of the server; made by [`IngressConfig::builder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressConfig {
    mode: Mode,
    class: String,
    controller: String,
    watch_without_class: bool,
    default_backend: Option<ServiceRef>,
    default_certificate: Option<ObjectName>,
    hsts: bool,
    cross_namespace: bool,
    one_namespace_per_host: bool,
    local_targets: bool,
    response_headers: Vec<HeaderName>,
    global_auth: Option<Arc<ExternalAuth>>,
    passthrough: bool,
    passthrough_proxy_header: bool,
    body_size: u64,
    limit_status: StatusCode,
    connect_timeout: Duration,
    read_timeout: Duration,
    send_timeout: Duration,
    header_timeout: Duration,
    clients: Clients,
}

impl Default for IngressConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            class: "nginx".to_owned(),
            controller: "k8s.io/ingress-nginx".to_owned(),
            watch_without_class: false,
            default_backend: None,
            default_certificate: None,
            hsts: true,
            cross_namespace: false,
            one_namespace_per_host: false,
            local_targets: false,
            response_headers: Vec::new(),
            global_auth: None,
            passthrough: false,
            passthrough_proxy_header: false,
            body_size: 1024 * 1024,
            limit_status: StatusCode::SERVICE_UNAVAILABLE,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(60),
            clients: Clients::default(),
        }
    }
}

impl IngressConfig {
    /// Begins from the defaults, which are those of ingress-nginx.
    #[must_use]
    pub fn builder() -> IngressConfigBuilder {
        IngressConfigBuilder {
            config: Self::default(),
            default_backend: None,
            default_certificate: None,
            global_auth: BTreeMap::new(),
        }
    }

    /// How paths are read.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The value of the annotation `kubernetes.io/ingress.class` that is ours.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.class
    }

    /// The `spec.controller` of the IngressClasses that are ours.
    #[must_use]
    pub fn controller(&self) -> &str {
        &self.controller
    }

    /// Whether Ingresses that name no class are served.
    #[must_use]
    pub fn watches_without_class(&self) -> bool {
        self.watch_without_class
    }

    /// Where requests go that no rule matches; without one they are answered 404.
    #[must_use]
    pub fn default_backend(&self) -> Option<&ServiceRef> {
        self.default_backend.as_ref()
    }

    /// The TLS Secret for names that no Ingress has a certificate for; without one their handshakes are refused.
    #[must_use]
    pub fn default_certificate(&self) -> Option<&ObjectName> {
        self.default_certificate.as_ref()
    }

    /// Whether `Strict-Transport-Security` is sent on HTTPS replies of hosts with a certificate.
    #[must_use]
    pub fn hsts(&self) -> bool {
        self.hsts
    }

    /// Whether annotations may name Secrets of other namespaces.
    #[must_use]
    pub fn allows_cross_namespace(&self) -> bool {
        self.cross_namespace
    }

    /// Whether a host belongs to the namespace of its oldest Ingress.
    #[must_use]
    pub fn has_one_namespace_per_host(&self) -> bool {
        self.one_namespace_per_host
    }

    /// Whether annotations and `ExternalName` Services may name targets on this host.
    #[must_use]
    pub fn allows_local_targets(&self) -> bool {
        self.local_targets
    }

    /// The fields that `custom-headers` may set.
    #[must_use]
    pub fn allowed_response_headers(&self) -> &[HeaderName] {
        &self.response_headers
    }

    /// Who decides which requests may pass, of Ingresses that do not say so themselves.
    #[must_use]
    pub fn global_auth(&self) -> Option<&ExternalAuth> {
        self.global_auth.as_deref()
    }

    /// Whether the annotation `ssl-passthrough` is obeyed.
    #[must_use]
    pub fn passes_through(&self) -> bool {
        self.passthrough
    }

    /// Whether endpoints of passed connections get a PROXY protocol header first.
    #[must_use]
    pub fn passthrough_proxy_header(&self) -> bool {
        self.passthrough_proxy_header
    }

    /// The largest request body in bytes; 0 for no limit.
    #[must_use]
    pub fn body_size(&self) -> u64 {
        self.body_size
    }

    /// What a client is told that asks for more than `limit-*` annotations allow.
    #[must_use]
    pub fn limit_status(&self) -> StatusCode {
        self.limit_status
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

    /// How long a client may take for a request's head, and for a TLS handshake.
    #[must_use]
    pub fn header_timeout(&self) -> Duration {
        self.header_timeout
    }

    /// How clients are met.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }
}

/// Builds an [`IngressConfig`].
#[derive(Clone, Debug)]
pub struct IngressConfigBuilder {
    config: IngressConfig,
    default_backend: Option<String>,
    default_certificate: Option<String>,
    global_auth: BTreeMap<String, String>,
}

impl IngressConfigBuilder {
    /// How paths are read.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.config.mode = mode;
        self
    }

    /// The value of the annotation `kubernetes.io/ingress.class` that is ours; `nginx` unless set.
    #[must_use]
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.config.class = class.into();
        self
    }

    /// The `spec.controller` of the IngressClasses that are ours (`--controller-class`); `k8s.io/ingress-nginx` unless set.
    #[must_use]
    pub fn controller(mut self, controller: impl Into<String>) -> Self {
        self.config.controller = controller.into();
        self
    }

    /// Serves Ingresses that name no class.
    #[must_use]
    pub fn watch_without_class(mut self, watch: bool) -> Self {
        self.config.watch_without_class = watch;
        self
    }

    /// Where requests go that no rule matches: `namespace/service:port`.
    #[must_use]
    pub fn default_backend(mut self, backend: impl Into<String>) -> Self {
        self.default_backend = Some(backend.into());
        self
    }

    /// The TLS Secret, `namespace/name`, for names that no Ingress has a certificate for.
    #[must_use]
    pub fn default_certificate(mut self, secret: impl Into<String>) -> Self {
        self.default_certificate = Some(secret.into());
        self
    }

    /// Whether `Strict-Transport-Security` is sent.
    #[must_use]
    pub fn hsts(mut self, hsts: bool) -> Self {
        self.config.hsts = hsts;
        self
    }

    /// Lets annotations name Secrets of other namespaces.
    #[must_use]
    pub fn allow_cross_namespace(mut self, allow: bool) -> Self {
        self.config.cross_namespace = allow;
        self
    }

    /// Leaves a host to the namespace of its oldest Ingress: rules for it in other namespaces are reported and left out. Otherwise,
    /// as under ingress-nginx, whoever may write an Ingress anywhere can add paths to any host. Rules without a host are nobody's.
    #[must_use]
    pub fn one_namespace_per_host(mut self, one: bool) -> Self {
        self.config.one_namespace_per_host = one;
        self
    }

    /// Lets annotations and `ExternalName` Services name targets on this host: whoever may write such an object then reaches
    /// what listens on loopback only.
    #[must_use]
    pub fn allow_local_targets(mut self, allow: bool) -> Self {
        self.config.local_targets = allow;
        self
    }

    /// Asks a server about the requests of all Ingresses that name none themselves (`global-auth-url` and its family). Settings
    /// are named like the annotations: `auth-url`, `auth-method`, `auth-signin` and so on.
    #[must_use]
    pub fn global_auth<K: Into<String>, V: Into<String>>(
        mut self,
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.global_auth = settings.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self
    }

    /// Lets `custom-headers` set this field of replies (`global-allowed-response-headers`); may be called several times.
    #[must_use]
    pub fn allow_response_header(mut self, name: HeaderName) -> Self {
        self.config.response_headers.push(name);
        self
    }

    /// Obeys the annotation `ssl-passthrough` (`--enable-ssl-passthrough`): connections of TLS go to endpoints as they are, and
    /// nothing but the name in their handshake decides which.
    #[must_use]
    pub fn ssl_passthrough(mut self, passes: bool) -> Self {
        self.config.passthrough = passes;
        self
    }

    /// Tells endpoints of passed connections who the client is, by a header of the PROXY protocol, version 1.
    #[must_use]
    pub fn passthrough_with_proxy_header(mut self, tells: bool) -> Self {
        self.config.passthrough_proxy_header = tells;
        self
    }

    /// The largest request body in bytes where no annotation says otherwise; 0 for no limit.
    #[must_use]
    pub fn body_size(mut self, bytes: u64) -> Self {
        self.config.body_size = bytes;
        self
    }

    /// What a client is told that asks for more than `limit-*` annotations allow (`limit-req-status-code`,
    /// `limit-conn-status-code`); 503 unless set.
    #[must_use]
    pub fn limit_status(mut self, status: StatusCode) -> Self {
        self.config.limit_status = status;
        self
    }

    /// How long a connection to an endpoint may take.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// The longest pause between two reads from an endpoint.
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.config.read_timeout = timeout;
        self
    }

    /// The longest pause between two writes to an endpoint.
    #[must_use]
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.config.send_timeout = timeout;
        self
    }

    /// How long a client may take for a request's head, and for a TLS handshake.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.config.header_timeout = timeout;
        self
    }

    /// How clients are met.
    #[must_use]
    pub fn clients(mut self, clients: Clients) -> Self {
        self.config.clients = clients;
        self
    }

    /// Checks and finishes.
    ///
    /// # Errors
    ///
    /// A backend or Secret that is not written as it has to be, or a timeout of zero.
    pub fn build(self) -> Result<IngressConfig, ConfigError> {
        let mut config = self.config;
        config.default_backend = self.default_backend.map(|text| text.parse()).transpose()?;
        config.default_certificate = self.default_certificate.map(secret_name).transpose()?;
        let auth = annotation::external_auth(&self.global_auth, &config);
        let wrong = |problem: AnnotationProblem| ConfigError::GlobalAuth {
            key: problem.key,
            message: problem.message,
        };
        config.global_auth = auth.map_err(wrong)?.map(Arc::new);
        let timeouts = [
            ("connect_timeout", config.connect_timeout),
            ("read_timeout", config.read_timeout),
            ("send_timeout", config.send_timeout),
            ("header_timeout", config.header_timeout),
            ("keep_alive", config.clients.keep_alive()),
            ("body_timeout", config.clients.body_timeout()),
        ];
        match timeouts.into_iter().find(|(_, timeout)| timeout.is_zero()) {
            Some((field, _)) => Err(ConfigError::ZeroTimeout { field }),
            None => Ok(config),
        }
    }
}

fn secret_name(text: String) -> Result<ObjectName, ConfigError> {
    match text.parse::<ObjectName>() {
        Ok(name) if !name.namespace().is_empty() => Ok(name),
        _ => Err(ConfigError::DefaultCertificate { text }),
    }
}
