//! How Ingresses are read: the options that serving, checking and explaining share.

use clap::{Args, ValueEnum};
use http::HeaderName;
use ipnet::IpNet;
use svc_ingress::config::Clients;
use svc_ingress::{IngressConfig, Mode};

/// The settings of the route table.
#[derive(Clone, Debug, Args)]
pub struct Routing {
    /// How paths are read: as the Kubernetes API has it, or as ingress-nginx does.
    #[arg(long, value_enum, default_value_t = PathMode::Nginx)]
    pub mode: PathMode,
    /// The class that is ours in the annotation `kubernetes.io/ingress.class`.
    #[arg(long, value_name = "NAME", default_value = "nginx")]
    pub class: String,
    /// The `spec.controller` of the classes that are ours.
    #[arg(long, value_name = "NAME", default_value = "k8s.io/ingress-nginx")]
    pub controller: String,
    /// Serve Ingresses that name no class, too.
    #[arg(long)]
    pub watch_without_class: bool,
    /// Where requests go that no rule matches.
    #[arg(long, value_name = "NS/SVC:PORT")]
    pub default_backend: Option<String>,
    /// The Secret whose certificate is shown to clients that ask for a name without one.
    #[arg(long, value_name = "NS/SECRET")]
    pub default_cert: Option<String>,
    /// Believe the `X-Forwarded-*` fields of proxies in this network; may be given several times.
    #[arg(long, value_name = "CIDR")]
    pub use_forwarded_headers: Vec<IpNet>,
    /// Expect a PROXY protocol header, version 1 or 2, at the beginning of every connection.
    #[arg(long)]
    pub use_proxy_protocol: bool,
    /// Let annotations and `ExternalName` Services name targets on this host.
    #[arg(long)]
    pub allow_local_targets: bool,
    /// Obey the annotation `ssl-passthrough`: TLS goes to endpoints as it is.
    #[arg(long)]
    pub enable_ssl_passthrough: bool,
    /// Ask this server about the requests of all Ingresses that name none themselves.
    #[arg(long, value_name = "URL")]
    pub global_auth_url: Option<String>,
    /// Let `custom-headers` set this field of replies; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub allow_response_header: Vec<HeaderName>,
    /// Let annotations name Secrets of other namespaces.
    #[arg(long)]
    pub allow_cross_namespace: bool,
    /// Leave each host to the namespace of its oldest Ingress.
    #[arg(long)]
    pub one_namespace_per_host: bool,
}

/// How paths are read.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PathMode {
    /// As the Kubernetes API and its conformance tests have it.
    Strict,
    /// As ingress-nginx does.
    Nginx,
}

impl Routing {
    /// The settings as the library has them.
    pub(super) fn config(&self) -> anyhow::Result<IngressConfig> {
        let clients = Clients::default().with_proxy_protocol(self.use_proxy_protocol);
        let clients = self.use_forwarded_headers.iter().fold(clients, |all, proxy| all.with_trusted(*proxy));
        let mode = match self.mode {
            PathMode::Strict => Mode::Strict,
            PathMode::Nginx => Mode::Nginx,
        };
        let mut config = IngressConfig::builder()
            .mode(mode)
            .class(&self.class)
            .controller(&self.controller)
            .watch_without_class(self.watch_without_class)
            .allow_local_targets(self.allow_local_targets)
            .ssl_passthrough(self.enable_ssl_passthrough)
            .allow_cross_namespace(self.allow_cross_namespace)
            .one_namespace_per_host(self.one_namespace_per_host)
            .clients(clients);
        if let Some(backend) = &self.default_backend {
            config = config.default_backend(backend);
        }
        if let Some(url) = &self.global_auth_url {
            config = config.global_auth([("auth-url", url)]);
        }
        for name in &self.allow_response_header {
            config = config.allow_response_header(name.clone());
        }
        if let Some(secret) = &self.default_cert {
            config = config.default_certificate(secret);
        }
        Ok(config.build()?)
    }
}
