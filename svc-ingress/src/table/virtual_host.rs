//! All locations of one host, merged from its Ingresses.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use svc_model::{PathType, Problem};

use crate::annotation::{Alias, Redirects};
use crate::certificate_auth::ClientAuth;
use crate::config::{IngressConfig, Mode};
use crate::rewrite::pattern;
use crate::tls::Certificate;
use crate::upstream_tls::EndpointTls;

use super::canary::Canaries;
use super::client_auth::Asked;
use super::compile::{Compiled, CompiledPath};
use super::{Conflict, Location, Matching, Pool, client_auth};

/// One host. Look-up costs O(path's elements x log) plus the host's regular expressions and byte prefixes.
#[derive(Debug, Default)]
pub(super) struct VirtualHost {
    exact: BTreeMap<Vec<u8>, Arc<Location>>,
    prefixes: BTreeMap<Vec<u8>, Arc<Location>>,
    /// Longest first.
    bytes: Vec<Arc<Location>>,
    /// In the order to try them in: nginx's longest text first.
    patterns: Vec<Arc<Location>>,
    fallback: Option<Arc<Location>>,
    certificate: Option<Certificate>,
    /// `/x` is redirected to a stored `/x/`.
    slashes: bool,
    problems: Vec<Problem>,
    conflicts: Vec<Conflict>,
    /// An Ingress that is no canary has the host.
    served: bool,
    aliases: Vec<Alias>,
    www: bool,
    app_root: Option<String>,
    client_auth: Option<Arc<ClientAuth>>,
    passthrough: Option<Arc<Location>>,
}

impl VirtualHost {
    /// Merges the Ingresses of a host, which come in the order of precedence.
    pub(super) fn new(host: &str, members: &[&Compiled], config: &IngressConfig) -> Self {
        let (members, strangers) = owned(host, members, config);
        let members = members.into_iter().filter_map(|member| Some((member, member.host(host)?)));
        let (canaries, members): (Vec<_>, Vec<_>) =
            members.partition(|(member, _)| member.policies.canary().is_some());
        let candidates = canaries.iter().map(|(member, compiled)| (*member, compiled.paths.as_slice()));
        let mut candidates = Canaries::new(candidates);
        let redirects = || members.iter().filter_map(|(member, _)| member.policies.redirects());
        let aliases = members.iter().map(|(member, _)| member.policies.aliases());
        let compiled: Vec<&Compiled> = members.iter().map(|(member, _)| *member).collect();
        let (client_auth, problems) = client_auth::of_host(host, &compiled);
        let (client_auth, denied) = match client_auth {
            Asked::Nothing => (None, None),
            Asked::Certificates(client_auth) => (Some(client_auth), None),
            // Nobody knows whom the others of the host may answer, either.
            Asked::Unclear(message) => (None, Some(message)),
        };
        let nginx = config.mode() == Mode::Nginx;
        let mut merged = Self {
            certificate: members.iter().find_map(|(_, compiled)| compiled.certificate.clone()),
            slashes: nginx,
            served: !members.is_empty(),
            aliases: aliases.into_iter().find(|aliases| !aliases.is_empty()).unwrap_or_default().to_vec(),
            www: !host.is_empty() && !host.starts_with('*') && redirects().any(Redirects::www),
            app_root: redirects().find_map(|redirects| Some(redirects.app_root()?.to_owned())),
            client_auth,
            problems,
            ..Self::default()
        };
        let site = Site {
            host,
            tls: members.iter().any(|(_, compiled)| compiled.tls),
            certified: merged.certificate.is_some(),
            regex: nginx && members.iter().any(|(member, compiled)| is_regex(member, &compiled.paths)),
            nginx,
            client_auth: merged.client_auth.clone(),
            denied,
        };
        for (member, compiled) in &members {
            compiled.paths.iter().for_each(|path| merged.add(&site, member, path, &mut candidates));
        }
        let default = members.iter().find_map(|(member, _)| Some((member, member.default.as_ref()?)));
        merged.fallback =
            default.map(|(member, pool)| Arc::new(site.location(member, "/", Matching::Default, pool)));
        let passes = |location: &&Arc<Location>| {
            location.policies.ssl_passthrough() && location.path == "/" && location.denied.is_none()
        };
        let passthrough = merged.locations().find(passes).cloned();
        merged.passthrough = passthrough;
        merged.problems.extend(candidates.problems());
        merged.problems.extend(strangers);
        merged.bytes.sort_by_key(|location| std::cmp::Reverse(location.path.len()));
        merged.patterns.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| b.path.cmp(&a.path)));
        merged
    }

    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// An Ingress that is no canary has the host.
    pub(super) fn is_served(&self) -> bool {
        self.served
    }

    pub(super) fn aliases(&self) -> &[Alias] {
        &self.aliases
    }

    /// The host with `www.`, or without it, is redirected here.
    pub(super) fn www(&self) -> bool {
        self.www
    }

    /// Where `/` is redirected to.
    pub(super) fn app_root(&self) -> Option<&str> {
        self.app_root.as_deref()
    }

    /// Where TLS goes as it is.
    pub(super) fn passthrough(&self) -> Option<&Arc<Location>> {
        self.passthrough.as_ref()
    }

    /// What the host asks of its clients' certificates.
    pub(super) fn client_auth(&self) -> Option<&Arc<ClientAuth>> {
        self.client_auth.as_ref()
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        self.conflicts.iter().map(Conflict::problem).chain(self.problems.iter().cloned())
    }

    /// Rules that others have taken the requests of.
    pub(super) fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    pub(super) fn locations(&self) -> impl Iterator<Item = &Arc<Location>> {
        let plain = self.exact.values().chain(self.prefixes.values());
        plain.chain(&self.bytes).chain(&self.patterns).chain(&self.fallback)
    }

    /// The location of a normalised path; `true` beside it if the path lacks the location's final slash.
    pub(super) fn find(&self, path: &[u8]) -> Option<(&Arc<Location>, bool)> {
        let regex = || {
            let matches =
                |l: &&Arc<Location>| l.pattern.as_ref().is_some_and(|pattern| pattern.is_match(path));
            self.patterns.iter().find(matches).map(|location| (location, false))
        };
        let exact = self.exact.get(path).map(|location| (location, false));
        exact
            .or_else(regex)
            .or_else(|| self.find_prefix(path))
            .or_else(|| Some((self.fallback.as_ref()?, false)))
    }

    fn find_prefix(&self, path: &[u8]) -> Option<(&Arc<Location>, bool)> {
        let by_bytes = self.bytes.iter().find(|location| path.starts_with(location.path.as_bytes()));
        let by_element =
            self.element_prefix(path).map(|location| (location, self.lacks_slash(location, path)));
        let slash = || self.exact_slash(path).map(|location| (location, true));
        match (by_bytes, by_element) {
            (Some(bytes), Some((element, _))) if bytes.path.len() > element.path.len() => {
                Some((bytes, false))
            }
            (_, Some(found)) if found.0.prefix().len() == path.len() => Some(found),
            (by_bytes, found) => slash().or(found).or(by_bytes.map(|location| (location, false))),
        }
    }

    /// The longest prefix of whole elements.
    fn element_prefix(&self, path: &[u8]) -> Option<&Arc<Location>> {
        let mut prefix = path.strip_suffix(b"/").unwrap_or(path);
        loop {
            if let Some(location) = self.prefixes.get(prefix) {
                return Some(location);
            }
            let slash = prefix.iter().rposition(|byte| *byte == b'/')?;
            prefix = &prefix[..slash];
        }
    }

    fn lacks_slash(&self, location: &Location, path: &[u8]) -> bool {
        self.slashes
            && location.path.len() > 1
            && location.path.ends_with('/')
            && location.prefix().as_bytes() == path
    }

    /// An Exact or byte location `/x/` for a request `/x`.
    fn exact_slash(&self, path: &[u8]) -> Option<&Arc<Location>> {
        // Nothing is made for hosts that have no such location.
        if !self.slashes || (self.exact.is_empty() && self.bytes.is_empty()) {
            return None;
        }
        let wanted = [path, b"/"].concat();
        let bytes = || self.bytes.iter().find(|location| location.path.as_bytes() == wanted);
        self.exact.get(&wanted).or_else(bytes)
    }

    fn add(&mut self, site: &Site<'_>, member: &Compiled, path: &CompiledPath, canaries: &mut Canaries<'_>) {
        let matching = site.matching(member, path);
        let mut location = site.location(member, &path.path, matching, &path.pool);
        if matching == Matching::Regex || is_rewritten(member, path) {
            match pattern(&path.path) {
                Ok(pattern) => location.pattern = Some(pattern),
                Err(message) => {
                    let message = format!("`{}` {message}", path.path);
                    return self.problems.push(Problem::new(
                        &member.reference(),
                        format!("{}.path", path.field),
                        message,
                    ));
                }
            }
        }
        let owner = self.same_place(&location).and_then(|other| other.ingress.clone());
        match owner {
            Some(winner) => self.conflicts.push(Conflict {
                host: site.host.to_owned(),
                path: path.path.clone(),
                matching,
                winner,
                loser: member.name().clone(),
                field: path.field.clone(),
            }),
            None => {
                location.canary = canaries.take(&path.path, path.path_type, &path.pool);
                self.insert(Arc::new(location));
            }
        }
    }

    /// The location with the same path and kind: of two, one would never be reached.
    fn same_place(&self, new: &Location) -> Option<&Arc<Location>> {
        let same = |other: &&Arc<Location>| other.path == new.path;
        match new.matching {
            Matching::Exact => self.exact.get(new.path.as_bytes()),
            Matching::Prefix => self.prefixes.get(new.prefix().as_bytes()),
            Matching::Bytes => self.bytes.iter().find(same),
            Matching::Regex => self.patterns.iter().find(same),
            Matching::Default => self.fallback.as_ref(),
        }
    }

    fn insert(&mut self, location: Arc<Location>) {
        match location.matching {
            Matching::Exact => drop(self.exact.insert(location.path.clone().into_bytes(), location)),
            Matching::Prefix => drop(self.prefixes.insert(location.prefix().as_bytes().to_vec(), location)),
            Matching::Bytes => self.bytes.push(location),
            Matching::Regex => self.patterns.push(location),
            Matching::Default => self.fallback = Some(location),
        }
    }
}

/// The Ingresses whose rules for a host count, and what is said of the others.
fn owned<'a>(
    host: &str,
    members: &[&'a Compiled],
    config: &IngressConfig,
) -> (Vec<&'a Compiled>, Vec<Problem>) {
    let owner = members.first().filter(|_| config.has_one_namespace_per_host() && !host.is_empty());
    let Some(owner) = owner.map(|oldest| oldest.name()) else { return (members.to_vec(), Vec::new()) };
    let (members, strangers): (Vec<_>, Vec<_>) =
        members.iter().copied().partition(|member| member.name().namespace() == owner.namespace());
    let message = format!(
        "{host} belongs to namespace {}, by Ingress {owner}: its rule is left out",
        owner.namespace()
    );
    let problem = |member: &Compiled| Problem::new(&member.reference(), "spec.rules", message.clone());
    (members, strangers.into_iter().map(problem).collect())
}

/// What all locations of a host share.
struct Site<'a> {
    host: &'a str,
    tls: bool,
    certified: bool,
    /// All paths are regular expressions.
    regex: bool,
    nginx: bool,
    client_auth: Option<Arc<ClientAuth>>,
    denied: Option<String>,
}

impl Site<'_> {
    fn matching(&self, member: &Compiled, path: &CompiledPath) -> Matching {
        match path.path_type {
            _ if self.regex => Matching::Regex,
            PathType::Exact => Matching::Exact,
            PathType::Prefix => Matching::Prefix,
            _ if member.policies.use_regex() || is_rewritten(member, path) => Matching::Regex,
            _ if self.nginx => Matching::Bytes,
            _ => Matching::Prefix,
        }
    }

    fn location(&self, member: &Compiled, path: &str, matching: Matching, pool: &Arc<Pool>) -> Location {
        Location {
            ingress: Some(member.name().clone()),
            host: self.host.to_owned(),
            path: path.to_owned(),
            matching,
            pattern: None,
            policies: Arc::clone(&member.policies),
            users: member.users.clone(),
            denied: member.denied.clone().or_else(|| self.denied.clone()),
            client_auth: self.client_auth.clone(),
            upstream_tls: upstream_tls(member, pool),
            pool: Arc::clone(pool),
            canary: None,
            auth_fields: Arc::clone(&member.auth_fields),
            custom_headers: Arc::clone(&member.custom_headers),
            error_backend: member.error_backend.clone(),
            tls: self.tls,
            certified: self.certified,
            counters: OnceLock::new(),
        }
    }
}

fn upstream_tls(member: &Compiled, pool: &Pool) -> Option<EndpointTls> {
    let policy = member.policies.upstream_tls().filter(|_| member.policies.protocol().is_secure())?;
    Some(EndpointTls::new(policy.clone(), member.upstream_tls.clone()?, pool.service()))
}

fn is_regex(member: &Compiled, paths: &[CompiledPath]) -> bool {
    member.policies.use_regex() || paths.iter().any(|path| is_rewritten(member, path))
}

pub(super) fn is_rewritten(member: &Compiled, path: &CompiledPath) -> bool {
    member.policies.rewrite_target().is_some_and(|target| target.as_str() != path.path)
}
