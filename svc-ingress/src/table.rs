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
use svc_model::{Delta, ObjectName, Problem, Revision, Snapshot};

use crate::authority::Authority;
use crate::config::IngressConfig;
use crate::path::{PathError, normalise};
use crate::tls::Certificate;

mod certificates;
mod class;
mod compile;
mod location;
mod pool;
mod report;
mod route;
mod virtual_host;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

pub use location::{Location, Matching};
pub use pool::{Pool, PoolState};
pub use report::Report;
pub use route::Route;

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
    members: RedBlackTreeMapSync<String, Names>,
    dependents: RedBlackTreeMapSync<Dependency, Names>,
    certificates: Certificates,
    default: Option<Arc<Location>>,
    default_certificate: Option<Certificate>,
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
            members: RedBlackTreeMapSync::default(),
            dependents: RedBlackTreeMapSync::default(),
            certificates: Certificates::default(),
            default: None,
            default_certificate: None,
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
        let mut names = delta.ingresses().clone();
        for dependency in services.chain(secrets) {
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
        self.find(authority.host(), path).ok().flatten()
    }

    /// The route for a host in the form of [`Authority::host`].
    pub(crate) fn find(&self, host: &str, path: &str) -> Result<Option<Route>, PathError> {
        let normal = normalise(path)?;
        let found = match self.virtual_host(host) {
            Some(virtual_host) => virtual_host.find(&normal),
            None => None,
        };
        let found = found.or_else(|| self.default.as_ref().map(|location| (location, false)));
        Ok(found.map(|(location, slash)| Route::new(Arc::clone(location), slash, &normal, path)))
    }

    /// The certificate for a name that a client asks for: that of the host, of the wildcard that covers it, or the
    /// default one.
    #[must_use]
    pub fn certificate(&self, server_name: Option<&str>) -> Option<&Certificate> {
        let own = server_name.and_then(|name| {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            let exact = self.hosts.get(&name).and_then(|host| host.certificate());
            exact.or_else(|| self.hosts.get(&wildcard(&name)?)?.certificate())
        });
        own.or(self.default_certificate.as_ref())
    }

    /// What was refused or ignored, object by object.
    #[must_use]
    pub fn report(&self) -> Report {
        let ingresses = self.ingresses.values().flat_map(|compiled| compiled.problems());
        let hosts =
            self.members.keys().filter_map(|host| self.hosts.get(host)).flat_map(|host| host.problems());
        let problems = self.problems.iter().chain(ingresses).chain(hosts).cloned().collect();
        let ignored = self.ingresses.values().filter_map(|compiled| compiled.ignored()).collect();
        Report::new(self.revision, problems, ignored)
    }

    /// Every rule in the order of hosts, one a line: for people, and to compare tables.
    pub fn locations(&self) -> impl Iterator<Item = &Arc<Location>> {
        let hosts = self.members.keys().filter_map(|host| self.hosts.get(host));
        hosts.flat_map(|host| host.locations()).chain(&self.default)
    }

    fn virtual_host(&self, host: &str) -> Option<&Arc<VirtualHost>> {
        let wild = || self.hosts.get(&wildcard(host)?);
        self.hosts.get(host).or_else(wild).or_else(|| self.hosts.get(ANY_HOST))
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
        let Some(names) = self.members.get(host) else {
            self.hosts.remove_mut(host);
            return;
        };
        let mut members: Vec<_> = names.iter().filter_map(|name| self.ingresses.get(name)).collect();
        members.sort_by(|a, b| a.precedence(b, self.config.mode()));
        let virtual_host = VirtualHost::new(host, &members, &self.config);
        self.hosts.insert_mut(host.to_owned(), Arc::new(virtual_host));
    }
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
