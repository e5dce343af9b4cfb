//! One Ingress with everything it names looked up: policies, users, certificates, pools.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use svc_model::{
    Ingress, IngressBackend, IngressPath, IngressTls, Kind, ObjectName, ObjectRef, PathType, Problem,
    Snapshot,
};

use crate::annotation::{AnnotationProblem, AuthSecretType, BasicAuth, Policies, annotation_field};
use crate::config::{IngressConfig, Mode};
use crate::htpasswd::Htpasswd;
use crate::tls::Certificate;
use crate::upstream_tls::Credentials;
use crate::variable::Interpolated;

use super::certificates::Certificates;
use super::client_auth::Asked;
use super::{ANY_HOST, Location, Pool, PoolState, class};

/// An object that an Ingress has to be compiled again for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dependency {
    Service(ObjectName),
    Secret(ObjectName),
    ConfigMap(ObjectName),
}

/// One path of a rule.
#[derive(Debug)]
pub(super) struct CompiledPath {
    pub(super) path: String,
    pub(super) path_type: PathType,
    pub(super) pool: Arc<Pool>,
    /// Where in the Ingress it stands, for problems.
    pub(super) field: String,
}

/// What an Ingress says of one host.
#[derive(Debug, Default)]
pub(super) struct CompiledHost {
    pub(super) paths: Vec<CompiledPath>,
    pub(super) tls: bool,
    pub(super) certificate: Option<Certificate>,
}

/// An Ingress, read once.
#[derive(Debug)]
pub(super) struct Compiled {
    name: ObjectName,
    created: Option<String>,
    pub(super) policies: Arc<Policies>,
    pub(super) users: Option<Arc<Htpasswd>>,
    pub(super) auth_fields: Arc<[(HeaderName, Interpolated)]>,
    pub(super) custom_headers: Arc<[(HeaderName, HeaderValue)]>,
    pub(super) error_backend: Option<Arc<Location>>,
    pub(super) client_auth: Asked,
    pub(super) upstream_tls: Option<Credentials>,
    pub(super) denied: Option<String>,
    pub(super) default: Option<Arc<Pool>>,
    hosts: BTreeMap<String, CompiledHost>,
    dependencies: BTreeSet<Dependency>,
    ignored: Option<String>,
    problems: Vec<Problem>,
    /// The fields of problems that another object would cure.
    absent: BTreeSet<String>,
}

impl Compiled {
    pub(super) fn new(
        ingress: &Ingress,
        snapshot: &Snapshot,
        config: &IngressConfig,
        certificates: &mut Certificates,
    ) -> Self {
        let namespace = ingress.name().namespace();
        let (policies, annotations) = Policies::parse(ingress.annotations(), namespace, config);
        let mut compiled = Self {
            name: ingress.name().clone(),
            created: ingress.meta().created().map(str::to_owned),
            denied: policies.denied().map(str::to_owned),
            policies: Arc::new(policies),
            users: None,
            auth_fields: Arc::default(),
            custom_headers: Arc::default(),
            error_backend: None,
            client_auth: Asked::Nothing,
            upstream_tls: None,
            default: None,
            hosts: BTreeMap::new(),
            dependencies: BTreeSet::new(),
            ignored: class::ignored(ingress, snapshot, config),
            problems: Vec::new(),
            absent: BTreeSet::new(),
        };
        if compiled.ignored.is_some() {
            return compiled;
        }
        compiled.add_client_auth(&annotations, snapshot);
        for problem in annotations {
            compiled.report(annotation_field(&problem.key), problem.message);
        }
        compiled.add_rules(ingress, snapshot, config);
        compiled.check_passthrough();
        compiled.add_tls(ingress, snapshot, certificates);
        compiled.add_users(snapshot);
        compiled.add_external_auth(snapshot);
        compiled.add_error_pages(snapshot, config);
        compiled.add_upstream_tls(snapshot);
        compiled.add_custom_headers(snapshot, config);
        compiled
    }

    pub(super) fn name(&self) -> &ObjectName {
        &self.name
    }

    pub(super) fn reference(&self) -> ObjectRef {
        ObjectRef::new(Kind::Ingress, self.name.clone())
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    pub(super) fn host(&self, host: &str) -> Option<&CompiledHost> {
        self.hosts.get(host)
    }

    pub(super) fn dependencies(&self) -> &BTreeSet<Dependency> {
        &self.dependencies
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The fields that name objects which are not there.
    pub(super) fn absent(&self) -> impl Iterator<Item = &str> {
        self.absent.iter().map(String::as_str)
    }

    pub(super) fn ignored(&self) -> Option<(ObjectName, String)> {
        self.ignored.clone().map(|why| (self.name.clone(), why))
    }

    /// The older Ingress first; ingress-nginx orders those of the same second by their names, descending.
    pub(super) fn precedence(&self, other: &Self, mode: Mode) -> Ordering {
        let age = |compiled: &Self| (compiled.created.is_none(), compiled.created.clone());
        let name = self.name.to_string().cmp(&other.name.to_string());
        let name = if mode == Mode::Nginx { name.reverse() } else { name };
        age(self).cmp(&age(other)).then(name)
    }

    fn report(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(&self.reference(), field, message));
    }

    fn add_rules(&mut self, ingress: &Ingress, snapshot: &Snapshot, config: &IngressConfig) {
        let default = ingress.default_backend();
        self.default =
            default.and_then(|backend| self.pool(backend, snapshot, config, "spec.defaultBackend"));
        if ingress.rules().is_empty() {
            self.hosts.entry(ANY_HOST.to_owned()).or_default();
        }
        for (index, rule) in ingress.rules().iter().enumerate() {
            let host = rule.host().unwrap_or(ANY_HOST);
            if !host.is_empty() && !is_host(host) {
                let message =
                    format!("`{host}` is no DNS name, perhaps with `*.` before it: the rule is left out");
                self.report(format!("spec.rules[{index}].host"), message);
                continue;
            }
            self.hosts.entry(host.to_owned()).or_default();
            for (number, path) in rule.paths().iter().enumerate() {
                let field = format!("spec.rules[{index}].http.paths[{number}]");
                let Some(compiled) = self.path(path, snapshot, config, field) else { continue };
                self.hosts.entry(host.to_owned()).or_default().paths.push(compiled);
            }
        }
    }

    /// TLS is passed through by a host's name, and to one Service: that of its path `/`.
    fn check_passthrough(&mut self) {
        if !self.policies.ssl_passthrough() {
            return;
        }
        let lacks = |(host, compiled): (&String, &CompiledHost)| {
            host.is_empty() || !compiled.paths.iter().any(|path| path.path == "/")
        };
        if self.hosts.iter().any(lacks) {
            self.deny("ssl-passthrough", "needs a path `/` in each rule, and a host".to_owned());
        }
    }

    fn path(
        &mut self,
        path: &IngressPath,
        snapshot: &Snapshot,
        config: &IngressConfig,
        field: String,
    ) -> Option<CompiledPath> {
        if let Some(message) = path_problem(path, config.mode()) {
            self.report(format!("{field}.path"), format!("`{}` {message}", path.path()));
            return None;
        }
        let pool = self.pool(path.backend(), snapshot, config, &format!("{field}.backend"))?;
        Some(CompiledPath { path: path.path().to_owned(), path_type: path.path_type(), pool, field })
    }

    fn pool(
        &mut self,
        backend: &IngressBackend,
        snapshot: &Snapshot,
        config: &IngressConfig,
        field: &str,
    ) -> Option<Arc<Pool>> {
        let IngressBackend::Service { name, port } = backend else {
            self.report(format!("{field}.resource"), "is not supported: name a Service");
            return None;
        };
        let service = ObjectName::new(self.name.namespace(), name.as_str());
        self.dependencies.insert(Dependency::Service(service.clone()));
        let pool = Pool::new(snapshot, service, port);
        let pool = if self.policies.service_upstream() { pool.by_service_address(snapshot) } else { pool };
        if let Some(message) = pool.problem() {
            let field = format!("{field}.service");
            if pool.state() == PoolState::NoService {
                self.absent.insert(field.clone());
            }
            self.report(field, message);
        } else if let Some(server) = pool.external().filter(|server| server.is_local())
            && !config.allows_local_targets()
        {
            let message = format!(
                "Service {} stands for {server}, the router's own machine: its requests are answered 503",
                pool.service()
            );
            self.report(format!("{field}.service"), message);
        }
        Some(Arc::new(pool))
    }

    fn add_tls(&mut self, ingress: &Ingress, snapshot: &Snapshot, certificates: &mut Certificates) {
        let mut found = Vec::new();
        for (index, tls) in ingress.tls().iter().enumerate() {
            let Some(secret) = tls.secret_name() else { continue };
            let secret = ObjectName::new(self.name.namespace(), secret);
            self.dependencies.insert(Dependency::Secret(secret.clone()));
            match certificates.find(snapshot, &secret) {
                Ok(certificate) => found.push((index, certificate)),
                Err(message) => {
                    let field = format!("spec.tls[{index}].secretName");
                    if snapshot.secret(&secret).is_none() {
                        self.absent.insert(field.clone());
                    }
                    self.report(field, message);
                }
            }
        }
        let mut problems = Vec::new();
        for (host, compiled) in &mut self.hosts {
            let lists = |tls: &IngressTls| tls.hosts().iter().any(|listed| listed.eq_ignore_ascii_case(host));
            let entry = ingress.tls().iter().position(lists);
            compiled.tls = entry.is_some();
            let named =
                found.iter().find(|(index, _)| Some(*index) == entry).map(|(_, certificate)| certificate);
            if let (Some(index), Some(certificate)) = (entry, named)
                && !certificate.covers(host)
            {
                problems.push((
                    format!("spec.tls[{index}].secretName"),
                    format!("its certificate is not for {host}"),
                ));
            }
            let covering = found.iter().map(|(_, certificate)| certificate).find(|c| c.covers(host));
            compiled.certificate = named.filter(|c| c.covers(host)).or(covering).cloned();
            compiled.tls |= compiled.certificate.is_some();
        }
        problems.into_iter().for_each(|(field, message)| self.report(field, message));
    }

    fn add_external_auth(&mut self, snapshot: &Snapshot) {
        let policies = Arc::clone(&self.policies);
        let Some(auth) = policies.external_auth() else { return };
        if auth.follows_host() && self.hosts.contains_key(ANY_HOST) {
            let message = "names the server by the client's host, and a rule takes every host: clients would choose who lets them in";
            self.deny("auth-url", message.to_owned());
        }
        let Some(name) = auth.set_headers() else { return };
        self.dependencies.insert(Dependency::ConfigMap(name.clone()));
        match fields(name, snapshot) {
            Ok(fields) => self.auth_fields = fields.into(),
            Err(message) => {
                if snapshot.config_map(name).is_none() {
                    self.absent.insert(annotation_field("auth-proxy-set-headers"));
                }
                self.deny("auth-proxy-set-headers", message);
            }
        }
    }

    fn add_client_auth(&mut self, annotations: &[AnnotationProblem], snapshot: &Snapshot) {
        let policies = Arc::clone(&self.policies);
        let policy = policies.certificate_auth();
        self.client_auth = Asked::new(policy, annotations, snapshot);
        let Some(secret) = policy.map(|policy| policy.secret()) else { return };
        self.dependencies.insert(Dependency::Secret(secret.clone()));
        if let Asked::Unclear(message) = self.client_auth.clone() {
            if snapshot.secret(secret).is_none() {
                self.absent.insert(annotation_field("auth-tls-secret"));
            }
            self.deny("auth-tls-secret", message);
        }
    }

    fn add_upstream_tls(&mut self, snapshot: &Snapshot) {
        let policies = Arc::clone(&self.policies);
        let Some(policy) = policies.upstream_tls() else { return };
        let Some(name) = policy.secret() else {
            self.upstream_tls = Some(Credentials::default());
            return;
        };
        self.dependencies.insert(Dependency::Secret(name.clone()));
        let found = snapshot.secret(name).ok_or_else(|| {
            self.absent.insert(annotation_field("proxy-ssl-secret"));
            format!("Secret {name} does not exist: create it with `ca.crt`, or with `tls.crt` and `tls.key`")
        });
        let read = |secret| Credentials::from_secret(secret, policy.verifies());
        match found.and_then(|secret| read(secret).map_err(|error| format!("Secret {name} {error}"))) {
            Ok(credentials) => self.upstream_tls = Some(credentials),
            Err(message) => self.deny("proxy-ssl-secret", message),
        }
    }

    fn add_custom_headers(&mut self, snapshot: &Snapshot, config: &IngressConfig) {
        let policies = Arc::clone(&self.policies);
        let Some(name) = policies.custom_headers() else { return };
        self.dependencies.insert(Dependency::ConfigMap(name.clone()));
        let field = annotation_field("custom-headers");
        let Some(map) = snapshot.config_map(name) else {
            self.absent.insert(field.clone());
            return self.report(field, format!("ConfigMap {name} does not exist: it is ignored"));
        };
        let mut headers = Vec::new();
        for (key, value) in map.data() {
            match custom_header(key, value, config) {
                Ok(header) => headers.push(header),
                Err(message) => {
                    let message = format!("ConfigMap {name} entry `{key}` {message}: it is left out");
                    self.report(field.as_str(), message);
                }
            }
        }
        self.custom_headers = headers.into();
    }

    fn add_error_pages(&mut self, snapshot: &Snapshot, config: &IngressConfig) {
        let policies = Arc::clone(&self.policies);
        let Some(service) = policies.error_pages().and_then(|pages| pages.backend()) else { return };
        self.dependencies.insert(Dependency::Service(service.clone()));
        let pool = Pool::of_first_port(snapshot, service.clone());
        if let Some(message) = pool.problem() {
            let field = annotation_field("default-backend");
            if pool.state() == PoolState::NoService {
                self.absent.insert(field.clone());
            }
            self.report(field, message);
        }
        self.error_backend = Some(Arc::new(Location::default_backend(config, Arc::new(pool))));
    }

    /// Answers every request 503, and says why.
    fn deny(&mut self, key: &str, message: String) {
        self.report(
            annotation_field(key),
            format!("{message}; the requests of this Ingress are answered 503"),
        );
        self.denied.get_or_insert(message);
    }

    fn add_users(&mut self, snapshot: &Snapshot) {
        let policies = Arc::clone(&self.policies);
        let Some(auth) = policies.auth() else { return };
        self.dependencies.insert(Dependency::Secret(auth.secret().clone()));
        let field = annotation_field("auth-secret");
        match users(auth, snapshot) {
            Ok((users, problems)) => {
                self.users = Some(Arc::new(users));
                problems.into_iter().for_each(|message| self.report(field.as_str(), message));
            }
            Err(message) => {
                if snapshot.secret(auth.secret()).is_none() {
                    self.absent.insert(field);
                }
                self.deny("auth-secret", message);
            }
        }
    }
}

/// The fields of a ConfigMap, or what is wrong with it.
fn fields(name: &ObjectName, snapshot: &Snapshot) -> Result<Vec<(HeaderName, Interpolated)>, String> {
    let Some(map) = snapshot.config_map(name) else {
        return Err(format!(
            "ConfigMap {name} does not exist: create it with a field's name and value in each entry"
        ));
    };
    let field = |(name, value): (&String, &String)| {
        let parsed = name.parse().map_err(|_| "is no field's name".to_owned());
        Ok((parsed?, Interpolated::parse_value(value)?))
    };
    let named = |entry: (&String, &String)| {
        field(entry).map_err(|message: String| format!("ConfigMap {name} entry `{}` {message}", entry.0))
    };
    map.data().iter().map(named).collect()
}

/// A field that the configuration allows to be set.
fn custom_header(
    name: &str,
    value: &str,
    config: &IngressConfig,
) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name: HeaderName = name.parse().map_err(|_| "is no field's name")?;
    if !config.allowed_response_headers().contains(&name) {
        return Err("is none of the fields that the configuration allows (`allow_response_header`)");
    }
    Ok((name, value.parse().map_err(|_| "has a value that cannot stand in a field")?))
}

/// What the API server would not take, or under nginx its controller: such a rule is left out.
fn path_problem(path: &IngressPath, mode: Mode) -> Option<String> {
    let text = path.path();
    if !text.starts_with('/') {
        return Some("has to begin with `/`".to_owned());
    }
    if path.path_type() == PathType::ImplementationSpecific {
        return None;
    }
    let banned = ["//", "/./", "/../", "%2f", "%2F"].into_iter().find(|part| text.contains(part));
    if let Some(part) = banned.or_else(|| ["/..", "/."].into_iter().find(|part| text.ends_with(part))) {
        return Some(format!("may not hold `{part}` there: no request's path does"));
    }
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    (mode == Mode::Nginx && !plain)
        .then(|| "may hold only letters, digits and `/._-`: use pathType ImplementationSpecific".to_owned())
}

/// A name of lower-case labels (RFC 1123), perhaps with `*.` before it; no address.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(byte)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_prefix("*.").unwrap_or(text);
    name.len() <= 253 && name.split('.').all(label) && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// The users of a Secret with what is wrong with single lines, or why there are none.
fn users(auth: &BasicAuth, snapshot: &Snapshot) -> Result<(Htpasswd, Vec<String>), String> {
    let name = auth.secret();
    let Some(secret) = snapshot.secret(name) else {
        return Err(format!("Secret {name} does not exist: create it with an htpasswd file under `auth`"));
    };
    let (users, problems) = match auth.secret_type() {
        AuthSecretType::File => {
            let file = secret.data("auth").ok_or_else(|| format!("Secret {name} has no key `auth`"))?;
            Htpasswd::parse(file)
        }
        AuthSecretType::Map => {
            Htpasswd::from_map(secret.keys().filter_map(|user| Some((user, secret.data(user)?))))
        }
    };
    if users.is_empty() {
        return Err(format!(
            "Secret {name} has no user with a hash of a known form: write one with `htpasswd -B`"
        ));
    }
    Ok((users, problems.into_iter().map(|problem| format!("Secret {name} {problem}")).collect()))
}
