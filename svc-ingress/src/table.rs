//! Ingress objects as one immutable value that answers: where does this request go, and why?
//!
//! ```text
//! Ingress ──compile──> paths, policies, users, certificates   (once per changed Ingress)
//!                         │ grouped by host
//!                         v
//!                      VirtualHost ──> Location ──> Pool of endpoints   (once per changed host)
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync, RedBlackTreeSetSync};
use svc_model::{Delta, Ingress, ObjectName, Problem, Revision, Snapshot};

use crate::authority::Authority;
use crate::certificate_auth::ClientAuth;
use crate::config::{IngressConfig, Mode};
use crate::path::{PathError, normalise};
use crate::tls::Certificate;

mod aliases;
mod canary;
mod certificates;
mod class;
mod client_auth;
mod compile;
mod conflict;
mod location;
mod pool;
mod regex_host;
mod report;
mod route;
mod virtual_host;

#[cfg(test)]
mod backend_tests;
#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

pub use canary::CanaryPool;
pub use conflict::Conflict;
pub use location::{Location, Matching};
pub use pool::{ExternalServer, Pool, PoolState};
pub use regex_host::{RegexCause, RegexHost, RegexPath};
pub use report::Report;
pub(crate) use route::Found;
pub use route::{HostRedirect, Route};

use aliases::{Aliases, Claim};
use certificates::Certificates;
use compile::{Compiled, Dependency};
use virtual_host::VirtualHost;

/// The key of the host that takes requests for any other host.
const ANY_HOST: &str = "";

/// Names of Ingresses, shared between tables like all else in them.
type Names = RedBlackTreeSetSync<ObjectName>;

/// All routes at one revision. Cloning is O(1).
#[derive(Clone, Debug)]
pub struct RouteTable {
    config: Arc<IngressConfig>,
    revision: Revision,
    ingresses: RedBlackTreeMapSync<ObjectName, Arc<Compiled>>,
    hosts: HashTrieMapSync<String, Arc<VirtualHost>>,
    aliases: Aliases,
    members: RedBlackTreeMapSync<String, Names>,
    dependents: RedBlackTreeMapSync<Dependency, Names>,
    certificates: Certificates,
    default: Option<Arc<Location>>,
    default_certificate: Option<Certificate>,
    /// How many hosts ask clients for certificates, and how many are passed through.
    asking: usize,
    passing: usize,
    problems: Vec<Problem>,
}

impl RouteTable {
    /// Builds the table from all objects. Objects that cannot be served as written are in the [`report`](Self::report);
    /// all others are served.
    #[must_use]
    pub fn new(snapshot: &Snapshot, config: &IngressConfig) -> Self {
        let mut table = Self {
            config: Arc::new(config.clone()),
            revision: snapshot.revision(),
            ingresses: RedBlackTreeMapSync::default(),
            hosts: HashTrieMapSync::default(),
            aliases: Aliases::default(),
            members: RedBlackTreeMapSync::default(),
            dependents: RedBlackTreeMapSync::default(),
            certificates: Certificates::default(),
            default: None,
            default_certificate: None,
            asking: 0,
            passing: 0,
            problems: Vec::new(),
        };
        table.set_defaults(snapshot);
        let names = snapshot.ingresses().map(|ingress| ingress.name().clone()).collect();
        table.recompile(snapshot, &names);
        table
    }

    /// The table after a change; the same as a new one. Only Ingresses that changed, or that use a Service or a Secret
    /// that did, are compiled again, and only their hosts rebuilt: O(affected x log n).
    #[must_use]
    pub fn update(&self, snapshot: &Snapshot, delta: &Delta) -> Self {
        if !delta.ingress_classes().is_empty() {
            return Self::new(snapshot, &self.config);
        }
        let mut table = self.clone();
        table.revision = snapshot.revision();
        delta.secrets().iter().for_each(|secret| table.certificates.forget(secret));
        table.set_defaults(snapshot);
        let services = delta.services().iter().map(|name| Dependency::Service(name.clone()));
        let secrets = delta.secrets().iter().map(|name| Dependency::Secret(name.clone()));
        let config_maps = delta.config_maps().iter().map(|name| Dependency::ConfigMap(name.clone()));
        let mut names = delta.ingresses().clone();
        for dependency in services.chain(secrets).chain(config_maps) {
            names.extend(self.dependents.get(&dependency).into_iter().flat_map(Names::iter).cloned());
        }
        table.recompile(snapshot, &names);
        table
    }

    /// The revision of the objects it was made of.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &IngressConfig {
        &self.config
    }

    /// Where a request for `path` (a query may follow) of `host` (a port may follow) goes. `None` if no rule and no
    /// default backend takes it (404), or host or path are malformed (400).
    #[must_use]
    pub fn route(&self, host: &str, path: &str) -> Option<Route> {
        let authority = Authority::parse(host)?;
        match self.find(authority.host(), path) {
            Ok(Some(Found::Route(route))) => Some(route),
            _ => None,
        }
    }

    /// The redirect that a request for `path` of `host` gets before any rule is looked at; `None` if there is none.
    #[must_use]
    pub fn host_redirect(&self, host: &str, path: &str) -> Option<HostRedirect> {
        match self.find(Authority::parse(host)?.host(), path) {
            Ok(Some(Found::Redirect(redirect))) => Some(redirect),
            _ => None,
        }
    }

    /// The route for a host in the form of [`Authority::host`].
    pub(crate) fn find(&self, host: &str, path: &str) -> Result<Option<Found>, PathError> {
        let normal = normalise(path)?;
        let virtual_host = match self.named(host) {
            Some(Named::Host(virtual_host)) => Some(virtual_host),
            Some(Named::Redirect(host)) => {
                return Ok(Some(Found::Redirect(HostRedirect::Www(host.to_owned()))));
            }
            None => self.host(ANY_HOST),
        };
        if let Some(app_root) = virtual_host.and_then(|host| host.app_root()).filter(|_| *normal == *b"/") {
            return Ok(Some(Found::Redirect(HostRedirect::AppRoot(app_root.to_owned()))));
        }
        let found = virtual_host.and_then(|virtual_host| virtual_host.find(&normal));
        let found = found.or_else(|| self.default.as_ref().map(|location| (location, false)));
        let route = |(location, slash): (&Arc<Location>, bool)| {
            Route::new(Arc::clone(location), slash, &normal, path)
        };
        Ok(found.map(route).map(Found::Route))
    }

    /// The certificate for a name that a client asks for: that of the host, of the wildcard that covers it, or the
    /// default one.
    #[must_use]
    pub fn certificate(&self, server_name: Option<&str>) -> Option<&Certificate> {
        let own = server_name.and_then(|name| {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            let exact = self.hosts.get(&name).and_then(|host| host.certificate());
            let claimed = || self.claimed_certificate(self.aliases.find(&name)?.host(), &name);
            let wild = || self.hosts.get(&wildcard(&name)?)?.certificate();
            let other = || {
                let claim = wildcard(&name).and_then(|wildcard| self.aliases.find(&wildcard));
                let host = claim.map(Claim::host).or_else(|| self.aliases.find_pattern(&name));
                self.claimed_certificate(host?, &name)
            };
            exact.or_else(claimed).or_else(wild).or_else(other)
        });
        own.or(self.default_certificate.as_ref())
    }

    /// What is asked of the certificates of clients that ask for this name in their handshake.
    #[must_use]
    pub fn client_auth(&self, server_name: Option<&str>) -> Option<&Arc<ClientAuth>> {
        if self.asking == 0 {
            return None;
        }
        self.server(server_name)?.client_auth()
    }

    /// What is asked of the certificate of a client whose handshake was for `server_name` and whose request is for `host`, in
    /// the form of [`Authority::host`]. Where either asks for certificates both have to be one: what was shown to one host says
    /// nothing to another.
    ///
    /// # Errors
    ///
    /// The request has come to the wrong place.
    pub fn client_auth_of_request(
        &self,
        server_name: Option<&str>,
        host: &str,
    ) -> Result<Option<&Arc<ClientAuth>>, Misdirected> {
        if self.asking == 0 {
            return Ok(None);
        }
        let (shaken, asked) = (self.server(server_name), self.server(Some(host)));
        let key = |server: Option<&Arc<VirtualHost>>| server.map(Arc::as_ptr);
        let policy = |server: Option<&Arc<VirtualHost>>| {
            server.and_then(|host| host.client_auth()).is_some_and(|auth| auth.asks())
        };
        if key(shaken) != key(asked) && (policy(shaken) || policy(asked)) {
            return Err(Misdirected);
        }
        Ok(asked.and_then(|host| host.client_auth()))
    }

    /// Whether TLS of any host goes to endpoints as it is.
    #[must_use]
    pub fn passes_through(&self) -> bool {
        self.passing > 0
    }

    /// Where TLS for this name goes as it is; `None` where it ends here.
    #[must_use]
    pub fn passthrough(&self, server_name: &str) -> Option<&Arc<Location>> {
        if !self.passes_through() {
            return None;
        }
        self.server(Some(server_name))?.passthrough()
    }

    /// The server of a name as nginx has it: a host, or what is there for all others.
    fn server(&self, name: Option<&str>) -> Option<&Arc<VirtualHost>> {
        let name = name.map(|name| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase());
        match name.and_then(|name| self.named(&name)) {
            Some(Named::Host(host)) => Some(host),
            Some(Named::Redirect(_)) => None,
            None => self.host(ANY_HOST),
        }
    }

    /// Each host that has a certificate of its own, in order.
    pub fn certificates(&self) -> impl Iterator<Item = (&str, &Certificate)> {
        self.members.keys().filter_map(|host| Some((host.as_str(), self.hosts.get(host)?.certificate()?)))
    }

    /// What was refused or ignored, object by object.
    #[must_use]
    pub fn report(&self) -> Report {
        let ingresses = self.ingresses.values().flat_map(|compiled| compiled.problems());
        let hosts = self.in_order().flat_map(|host| host.problems());
        let problems = self.problems.iter().chain(ingresses).cloned().chain(hosts).collect();
        let ignored = self.ingresses.values().filter_map(|compiled| compiled.ignored()).collect();
        Report::new(self.revision, problems, ignored)
    }

    /// Every rule in the order of hosts, one a line: for people, and to compare tables.
    pub fn locations(&self) -> impl Iterator<Item = &Arc<Location>> {
        self.in_order().flat_map(|host| host.locations()).chain(&self.default)
    }

    /// Rules that are left out because an older Ingress has the same host and path.
    pub fn conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.in_order().flat_map(|host| host.conflicts())
    }

    /// Hosts of which one annotation turned all paths into regular expressions: [`Mode::Nginx`] only.
    pub fn regex_hosts(&self) -> impl Iterator<Item = RegexHost> {
        let hosts = self.members.keys().filter(|_| self.config.mode() == Mode::Nginx);
        hosts.filter_map(|host| RegexHost::new(host, &self.members_of(host)))
    }

    /// The fields of an Ingress that name objects which are not there.
    pub(crate) fn absent<'a>(&'a self, ingress: &ObjectName) -> impl Iterator<Item = &'a str> {
        self.ingresses.get(ingress).into_iter().flat_map(|compiled| compiled.absent())
    }

    /// The route to the configuration's default backend.
    #[cfg(feature = "driver")]
    pub(crate) fn default_route(&self) -> Option<Route> {
        self.default.clone().map(Route::to)
    }

    fn in_order(&self) -> impl Iterator<Item = &Arc<VirtualHost>> {
        self.members.keys().filter_map(|host| self.hosts.get(host))
    }

    /// The Ingresses of a host in the order of precedence.
    fn members_of(&self, host: &str) -> Vec<&Compiled> {
        let names = self.members.get(host).into_iter().flat_map(Names::iter);
        let mut members: Vec<&Compiled> =
            names.filter_map(|name| self.ingresses.get(name)).map(|member| &**member).collect();
        members.sort_by(|a, b| a.precedence(b, self.config.mode()));
        members
    }

    /// A host that an Ingress serves.
    fn host(&self, host: &str) -> Option<&Arc<VirtualHost>> {
        self.hosts.get(host).filter(|host| host.is_served())
    }

    /// Who has a name: a host, else an alias, each first by the name itself and then by its wildcard.
    fn named(&self, name: &str) -> Option<Named<'_>> {
        let claimed = |name: &str| match self.aliases.find(name)? {
            Claim::Alias(host) => self.host(host).map(Named::Host),
            Claim::Redirect(host) => Some(Named::Redirect(host)),
        };
        let exact = self.host(name).map(Named::Host).or_else(|| claimed(name));
        let wild = || {
            let wildcard = wildcard(name)?;
            self.host(&wildcard).map(Named::Host).or_else(|| claimed(&wildcard))
        };
        let pattern = || self.host(self.aliases.find_pattern(name)?).map(Named::Host);
        exact.or_else(wild).or_else(pattern)
    }

    /// The certificate of a host for another name, if it is for that too.
    fn claimed_certificate(&self, host: &str, name: &str) -> Option<&Certificate> {
        self.host(host)?.certificate().filter(|certificate| certificate.covers(name))
    }

    fn set_defaults(&mut self, snapshot: &Snapshot) {
        self.problems.clear();
        let config = Arc::clone(&self.config);
        self.default = config.default_backend().map(|backend| {
            let pool = Pool::of_reference(snapshot, backend);
            self.problems
                .extend(pool.problem().map(|message| Problem::unnamed("config", "default_backend", message)));
            Arc::new(Location::default_backend(&config, Arc::new(pool)))
        });
        self.default_certificate = config.default_certificate().and_then(|name| {
            let found = self.certificates.find(snapshot, name);
            found.map_err(|m| self.problems.push(Problem::unnamed("config", "default_certificate", m))).ok()
        });
    }

    fn recompile(&mut self, snapshot: &Snapshot, names: &BTreeSet<ObjectName>) {
        let mut hosts = BTreeSet::new();
        for name in names {
            if let Some(old) = self.ingresses.get(name).cloned() {
                hosts.extend(old.hosts().map(str::to_owned));
                self.unlink(name, &old);
                self.ingresses.remove_mut(name);
            }
            let Some(ingress) = snapshot.ingress(name) else { continue };
            let compiled = Compiled::new(ingress, snapshot, &self.config, &mut self.certificates);
            hosts.extend(compiled.hosts().map(str::to_owned));
            self.link(name, &compiled);
            self.ingresses.insert_mut(name.clone(), Arc::new(compiled));
        }
        hosts.iter().for_each(|host| self.rebuild(host));
    }

    fn link(&mut self, name: &ObjectName, compiled: &Compiled) {
        for host in compiled.hosts() {
            change(&mut self.members, host.to_owned(), |names| names.insert_mut(name.clone()));
        }
        for dependency in compiled.dependencies() {
            change(&mut self.dependents, dependency.clone(), |names| names.insert_mut(name.clone()));
        }
    }

    fn unlink(&mut self, name: &ObjectName, compiled: &Compiled) {
        for host in compiled.hosts() {
            change(&mut self.members, host.to_owned(), |names| {
                names.remove_mut(name);
            });
        }
        for dependency in compiled.dependencies() {
            change(&mut self.dependents, dependency.clone(), |names| {
                names.remove_mut(name);
            });
        }
    }

    fn rebuild(&mut self, host: &str) {
        if let Some(old) = self.hosts.get(host).cloned() {
            self.aliases.remove(host, &old);
            self.asking -= usize::from(old.client_auth().is_some());
            self.passing -= usize::from(old.passthrough().is_some());
        }
        let members = self.members_of(host);
        if members.is_empty() {
            self.hosts.remove_mut(host);
            return;
        }
        let virtual_host = VirtualHost::new(host, &members, &self.config);
        self.aliases.add(host, &virtual_host);
        self.asking += usize::from(virtual_host.client_auth().is_some());
        self.passing += usize::from(virtual_host.passthrough().is_some());
        self.hosts.insert_mut(host.to_owned(), Arc::new(virtual_host));
    }
}

/// A request for one host in a connection that was made to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection was made to another host, and one of the two asks clients for certificates")]
#[non_exhaustive]
pub struct Misdirected;

/// Whether an Ingress is to be served by a table with these settings.
pub(crate) fn is_ours(ingress: &Ingress, snapshot: &Snapshot, config: &IngressConfig) -> bool {
    class::ignored(ingress, snapshot, config).is_none()
}

/// Who has a name.
enum Named<'a> {
    Host(&'a Arc<VirtualHost>),
    /// Its requests are redirected to this host.
    Redirect(&'a str),
}

/// Changes one set of a persistent map of sets; an empty set is no entry.
fn change<K: Ord>(map: &mut RedBlackTreeMapSync<K, Names>, key: K, edit: impl FnOnce(&mut Names)) {
    let mut set = map.get(&key).cloned().unwrap_or_default();
    edit(&mut set);
    if set.is_empty() {
        map.remove_mut(&key);
    } else {
        map.insert_mut(key, set);
    }
}

/// The wildcard that covers a host: its first label replaced.
fn wildcard(host: &str) -> Option<String> {
    let (first, rest) = host.split_once('.')?;
    (!first.is_empty() && !rest.is_empty()).then(|| format!("*.{rest}"))
}
