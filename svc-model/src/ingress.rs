//! Ingress and IngressClass (networking.k8s.io/v1).

use std::collections::BTreeMap;

use crate::{LoadBalancerIngress, Meta, ObjectName};

/// The annotation that named the class before there was a field for it.
pub(crate) const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// `pathType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PathType {
    /// The whole path, case-sensitive.
    Exact,
    /// Element by element from the left.
    Prefix,
    /// As the controller likes.
    ImplementationSpecific,
}

/// The port of a backend's Service: by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BackendPort {
    /// The Service port's number.
    Number(u16),
    /// The Service port's name.
    Name(String),
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IngressBackend {
    /// A Service in the Ingress's namespace.
    Service {
        /// Its name.
        name: String,
        /// Its port.
        port: BackendPort,
    },
    /// An object of another kind.
    Resource {
        /// The group of its API; none is core.
        api_group: Option<String>,
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
}

/// One path of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressPath {
    pub(crate) path: String,
    pub(crate) path_type: PathType,
    pub(crate) backend: IngressBackend,
}

impl IngressPath {
    /// The path; `/` where the manifest leaves it empty.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How it is compared.
    #[must_use]
    pub fn path_type(&self) -> PathType {
        self.path_type
    }

    /// Where it leads.
    #[must_use]
    pub fn backend(&self) -> &IngressBackend {
        &self.backend
    }
}

/// One rule: a host and its paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressRule {
    pub(crate) host: Option<String>,
    /// Never empty where there is one.
    pub(crate) paths: Vec<IngressPath>,
}

impl IngressRule {
    /// The host, lower case, `*.` first for a wildcard; `None` matches every host.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The paths; without any, the host's requests go to the default backend.
    #[must_use]
    pub fn paths(&self) -> &[IngressPath] {
        &self.paths
    }
}

/// One entry of `spec.tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressTls {
    pub(crate) hosts: Vec<String>,
    pub(crate) secret_name: Option<String>,
}

impl IngressTls {
    /// The hosts, lower case.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The Secret in the Ingress's namespace.
    #[must_use]
    pub fn secret_name(&self) -> Option<&str> {
        self.secret_name.as_deref()
    }
}

/// An Ingress that passed validation.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingress {
    pub(crate) meta: Meta,
    pub(crate) class: Option<String>,
    pub(crate) default_backend: Option<IngressBackend>,
    pub(crate) tls: Vec<IngressTls>,
    pub(crate) rules: Vec<IngressRule>,
    pub(crate) load_balancer: Vec<LoadBalancerIngress>,
}

impl Ingress {
    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Namespace and name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        self.meta.name()
    }

    /// Annotations.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        self.meta.annotations()
    }

    /// `spec.ingressClassName`.
    #[must_use]
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// `spec.defaultBackend`.
    #[must_use]
    pub fn default_backend(&self) -> Option<&IngressBackend> {
        self.default_backend.as_ref()
    }

    /// `spec.tls`.
    #[must_use]
    pub fn tls(&self) -> &[IngressTls] {
        &self.tls
    }

    /// `spec.rules`.
    #[must_use]
    pub fn rules(&self) -> &[IngressRule] {
        &self.rules
    }

    /// `status.loadBalancer.ingress`: where the controller is reached (without an `ipMode`, which Ingress does not have).
    #[must_use]
    pub fn load_balancer(&self) -> &[LoadBalancerIngress] {
        &self.load_balancer
    }

    /// The same Ingress with another `status.loadBalancer.ingress`.
    #[must_use]
    pub fn with_load_balancer(&self, load_balancer: Vec<LoadBalancerIngress>) -> Self {
        Self { load_balancer, ..self.clone() }
    }
}

/// `spec.parameters` of a class: an object with settings for its controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressClassParameters {
    pub(crate) api_group: Option<String>,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
}

impl IngressClassParameters {
    /// The group of its API; none is core.
    #[must_use]
    pub fn api_group(&self) -> Option<&str> {
        self.api_group.as_deref()
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace (scope `Namespace`); `None` is scope `Cluster`.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }
}

/// Which controller serves a class of Ingresses.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressClass {
    pub(crate) meta: Meta,
    pub(crate) controller: String,
    pub(crate) parameters: Option<IngressClassParameters>,
}

impl IngressClass {
    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The class's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.meta.name().name()
    }

    /// `spec.controller`, such as `k8s.io/ingress-nginx`.
    #[must_use]
    pub fn controller(&self) -> &str {
        &self.controller
    }

    /// `spec.parameters`.
    #[must_use]
    pub fn parameters(&self) -> Option<&IngressClassParameters> {
        self.parameters.as_ref()
    }

    /// Annotation `ingressclass.kubernetes.io/is-default-class` is `true`.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.meta
            .annotations()
            .get("ingressclass.kubernetes.io/is-default-class")
            .is_some_and(|v| v == "true")
    }
}
