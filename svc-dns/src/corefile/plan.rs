//! What the blocks mean together.

use std::{fmt, net::IpAddr};

use super::{
    Block, Directive, Directives, ForwardPlan, HostsPlan, Operations, Place, Problems, State,
    access::access,
    blocks::keys,
    cache::cache,
    forward::forward,
    hosts::hosts,
    kubernetes::{Kubernetes, kubernetes},
    rewrite::rewrite,
    rrl::rrl,
    template::template,
    tls::{TlsPlan, tls},
    words::all_zones,
};
use crate::{
    ServerAddress, access::Access, cache::CacheConfig, config::Zone, message::Name, rewrite::Rule,
    template::Template,
};

/// What a Corefile means, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Plan {
    servers: Vec<ServerPlan>,
    problems: Problems,
}

/// Blocks that share their addresses.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    listen: Vec<Listen>,
    zone: Option<Zone>,
    sites: Vec<SitePlan>,
    operations: Operations,
    pub(super) tls: Option<TlsPlan>,
    /// Of its first block.
    place: Option<Place>,
    kubernetes: Vec<Kubernetes>,
}

/// A block.
#[derive(Clone, Debug)]
pub struct SitePlan {
    pub(super) zones: Vec<Name>,
    pub(super) rules: Vec<Rule>,
    pub(super) access: Vec<Access>,
    pub(super) hosts: Option<HostsPlan>,
    pub(super) templates: Vec<Template>,
    /// Where it stands.
    pub(super) autopath: Option<Place>,
    pub(super) minimal_any: bool,
    pub(super) local: bool,
    pub(super) whoami: bool,
    pub(super) cache: Option<CacheConfig>,
    pub(super) forwards: Vec<ForwardPlan>,
    kubernetes: bool,
}

/// Where clients reach a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Listen {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// An address, or the name of an interface whose addresses are meant; `None`: all addresses.
    pub host: Option<Host>,
    /// UDP and TCP.
    pub port: u16,
}

/// What `bind` names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Host {
    /// One address.
    Address(IpAddr),
    /// An address that means something on one link only: `fe80::1%eth0`.
    OnInterface(ServerAddress),
    /// All addresses of an interface.
    Interface(String),
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// UDP and TCP.
    Dns,
    /// TLS (RFC 7858).
    Tls,
    /// HTTPS (RFC 8484).
    Https,
}

impl Scheme {
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls => 853,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Dns => "dns://",
            Scheme::Tls => "tls://",
            Scheme::Https => "https://",
        })?;
        match &self.host {
            None => {}
            Some(Host::Address(IpAddr::V6(v6))) => write!(f, "[{v6}]")?,
            Some(Host::Address(address)) => write!(f, "{address}")?,
            Some(Host::OnInterface(address)) => {
                write!(f, "[{}%{}]", address.socket().ip(), address.interface().unwrap_or_default())?;
            }
            Some(Host::Interface(name)) => f.write_str(name)?,
        }
        write!(f, ":{}", self.port)
    }
}

impl Plan {
    /// A server for each set of addresses.
    #[must_use]
    pub fn servers(&self) -> &[ServerPlan] {
        &self.servers
    }

    /// What is wrong. With errors among them the plan is not what the Corefile says.
    #[must_use]
    pub fn problems(&self) -> &Problems {
        &self.problems
    }
}

impl ServerPlan {
    /// Where clients reach it.
    #[must_use]
    pub fn listen(&self) -> &[Listen] {
        &self.listen
    }

    /// The zones that it answers from objects; `None`: none.
    #[must_use]
    pub fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }

    /// The blocks.
    #[must_use]
    pub fn sites(&self) -> &[SitePlan] {
        &self.sites
    }

    /// Its certificate and key, for clients that speak TLS or HTTPS.
    #[must_use]
    pub fn tls_files(&self) -> Option<&TlsPlan> {
        self.tls.as_ref()
    }

    /// What is about running it.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }
}

impl SitePlan {
    /// Its zones.
    #[must_use]
    pub fn zones(&self) -> &[Name] {
        &self.zones
    }

    /// Its servers.
    #[must_use]
    pub fn forwards(&self) -> &[ForwardPlan] {
        &self.forwards
    }

    /// Its hosts.
    #[must_use]
    pub fn hosts(&self) -> Option<&HostsPlan> {
        self.hosts.as_ref()
    }

    /// Its cache.
    #[must_use]
    pub fn cache(&self) -> Option<&CacheConfig> {
        self.cache.as_ref()
    }

    /// What is done to queries first.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl fmt::Display for ServerPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listen.iter().try_for_each(|listen| writeln!(f, "{listen}"))?;
        for zone in self.zone.iter().flat_map(Zone::origins) {
            writeln!(f, "  zone {zone}")?;
        }
        for zone in self.zone.iter().flat_map(|zone| zone.reverse_zones()) {
            writeln!(f, "  zone {zone}")?;
        }
        self.sites.iter().try_for_each(|site| write!(f, "{site}"))
    }
}

impl fmt::Display for SitePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("  for")?;
        self.zones.iter().try_for_each(|zone| write!(f, " {zone}"))?;
        f.write_str("\n")?;
        self.rules.iter().try_for_each(|rule| writeln!(f, "    rewrite {rule}"))?;
        self.templates.iter().try_for_each(|template| writeln!(f, "    {template}"))?;
        self.hosts.iter().try_for_each(|hosts| writeln!(f, "    {hosts}"))?;
        let flags = [
            (self.autopath.is_some(), "autopath"),
            (self.minimal_any, "any"),
            (self.local, "local"),
            (self.whoami, "whoami"),
            (self.cache.is_some(), "cache"),
        ];
        for (_, name) in flags.iter().filter(|(on, _)| *on) {
            writeln!(f, "    {name}")?;
        }
        self.forwards.iter().try_for_each(|forward| writeln!(f, "    {forward}"))
    }
}

pub(super) fn plan(blocks: &[Block]) -> Plan {
    let mut plan = Plan { servers: Vec::new(), problems: Problems::default() };
    for block in blocks {
        plan.add(block);
    }
    let Plan { servers, problems } = &mut plan;
    for server in servers {
        server.finish(problems);
    }
    plan.problems.sort();
    plan
}

impl Plan {
    fn add(&mut self, block: &Block) {
        let mut by_address: Vec<(Vec<Listen>, Vec<Name>)> = Vec::new();
        let hosts = bound_to(block, &mut self.problems);
        for key in keys(block, &mut self.problems) {
            let listen = |host: Option<Host>| Listen { scheme: key.scheme, host, port: key.port };
            let listen: Vec<Listen> = match hosts.is_empty() {
                true => vec![listen(None)],
                false => hosts.iter().map(|host| listen(Some(host.clone()))).collect(),
            };
            match by_address.iter_mut().find(|(other, _)| *other == listen) {
                Some((_, zones)) => zones.extend(key.zones),
                None => by_address.push((listen, key.zones)),
            }
        }
        for (index, (listen, zones)) in by_address.into_iter().enumerate() {
            // The same block at other addresses has the same problems: they are told once.
            let mut again = Problems::default();
            let problems = if index == 0 { &mut self.problems } else { &mut again };
            let server = match self.servers.iter_mut().position(|server| server.listen == listen) {
                Some(at) => &mut self.servers[at],
                None => {
                    self.servers.push(ServerPlan::new(listen));
                    let last = self.servers.len() - 1;
                    &mut self.servers[last]
                }
            };
            server.add(block, zones, problems);
        }
    }
}

/// What `bind` says in a block.
fn bound_to(block: &Block, problems: &mut Problems) -> Vec<Host> {
    let mut hosts = Vec::new();
    for directive in block.directives.iter().filter(|directive| directive.name == "bind") {
        for word in &directive.words {
            hosts.push(match (word.parse(), word.parse::<ServerAddress>()) {
                (Ok(address), _) => Host::Address(address),
                (_, Ok(address)) if word.contains('%') => Host::OnInterface(address),
                _ => Host::Interface(word.clone()),
            });
        }
        for option in &directive.body {
            if option.name == "except" {
                problems
                    .error(&option.place, "bind: except is not supported; name the addresses that are meant");
            } else {
                directive.unknown_option(option, problems);
            }
        }
    }
    hosts
}

impl ServerPlan {
    fn new(listen: Vec<Listen>) -> Self {
        Self {
            listen,
            zone: None,
            sites: Vec::new(),
            operations: Operations::default(),
            tls: None,
            place: None,
            kubernetes: Vec::new(),
        }
    }

    fn add(&mut self, block: &Block, zones: Vec<Name>, problems: &mut Problems) {
        for zone in &zones {
            if self.sites.iter().any(|site| site.zones.contains(zone)) {
                problems.error(&block.place, format!("{zone} has a block at these addresses already"));
            }
        }
        let root = block.directives.iter().find(|directive| directive.name == "root");
        let root = root.and_then(|directive| directive.words.first()).map_or("", String::as_str);
        let mut site = SitePlan::new(zones);
        for directive in &block.directives {
            if !self.operations.take(directive, &site.zones, problems)
                && !site.take(directive, root, problems)
            {
                self.take(directive, &site.zones, root, problems);
            }
        }
        self.operations.needs_pods |= site.autopath.is_some();
        self.place.get_or_insert_with(|| block.place.clone());
        self.sites.push(site);
    }

    fn take(&mut self, directive: &Directive, zones: &[Name], root: &str, problems: &mut Problems) {
        match directive.name.as_str() {
            "rrl" if self.operations.rate_limit.is_some() => {
                problems.error(&directive.place, "rrl stands here for the second time");
            }
            "rrl" => self.operations.rate_limit = rrl(directive, zones, problems),
            "tls" => self.tls = tls(directive, root, problems).or(self.tls.take()),
            "kubernetes" => self.kubernetes.push(kubernetes(directive, zones, problems)),
            "transfer" => self.transfer(directive, problems),
            "bind" | "root" => {}
            name => match Directives::find(name) {
                None => problems.error(&directive.place, format!("directive {name:?} is not known")),
                Some((_, State::LeftOut, why)) => {
                    problems.warning(&directive.place, format!("directive {name:?} is left out: {why}"));
                }
                Some((_, _, why)) => {
                    problems.error(&directive.place, format!("directive {name:?} is not supported: {why}"));
                }
            },
        }
    }

    /// `transfer [ZONE...] { to ADDRESS... }`
    fn transfer(&mut self, directive: &Directive, problems: &mut Problems) {
        all_zones(directive, &directive.words, problems);
        for option in &directive.body {
            match option.name.as_str() {
                "to" => self.operations.transfer_to.extend(option.words.iter().cloned()),
                _ => directive.unknown_option(option, problems),
            }
        }
    }

    /// What can be told only when all blocks are known.
    fn finish(&mut self, problems: &mut Problems) {
        let within_tls = self.listen.iter().find(|listen| listen.scheme != Scheme::Dns);
        if let (Some(listen), Some(place), None) = (within_tls, &self.place, &self.tls) {
            problems.error(place, format!("{listen} needs a certificate and its key: tls CERT KEY"));
        }
        let Some((first, others)) = self.kubernetes.split_first() else {
            if let Some(place) = self.sites.iter().find_map(|site| site.autopath.as_ref()) {
                problems.error(place, "autopath @kubernetes needs the kubernetes directive");
            }
            return;
        };
        for other in others {
            problems.error(
                &other.place,
                "kubernetes stands here for the second time: name all zones in one of them",
            );
        }
        self.zone = first.zone(&self.operations, problems);
        for zone in first.zones.iter().filter(|zone| !self.is_answered(zone)) {
            let text = format!("kubernetes: the names in {zone} belong to a server block without it");
            problems.error(&first.place, text);
        }
    }

    /// Whether the block that a zone's names belong to, that with the longest zone, is the one with the directive.
    fn is_answered(&self, zone: &Name) -> bool {
        let longest = |site: &&SitePlan| {
            let own = site.zones.iter().filter(|own| zone.is_within(own));
            own.map(|own| own.wire().len()).max()
        };
        let responsible = self.sites.iter().filter(|site| longest(site).is_some()).max_by_key(longest);
        responsible.is_none_or(|site| site.kubernetes)
    }
}

impl SitePlan {
    fn new(zones: Vec<Name>) -> Self {
        Self {
            zones: zones.iter().map(Name::to_lowercase).collect(),
            rules: Vec::new(),
            access: Vec::new(),
            hosts: None,
            templates: Vec::new(),
            autopath: None,
            minimal_any: false,
            local: false,
            whoami: false,
            cache: None,
            forwards: Vec::new(),
            kubernetes: false,
        }
    }

    /// True if the directive is about what is answered.
    fn take(&mut self, directive: &Directive, root: &str, problems: &mut Problems) -> bool {
        match directive.name.as_str() {
            "acl" => self.access.push(access(directive, &self.zones, problems)),
            "any" => self.minimal_any = true,
            "autopath" => self.set_autopath(directive, problems),
            "cache" if self.cache.is_some() => {
                problems.error(&directive.place, "cache stands in this block for the second time");
            }
            "cache" => self.cache = cache(directive, problems),
            "forward" => self.forwards.extend(forward(directive, root, problems)),
            "hosts" => self.hosts = Some(hosts(directive, &self.zones, root, problems)),
            "local" => self.local = true,
            "rewrite" => self.rules.extend(rewrite(directive, problems)),
            "template" => self.templates.extend(template(directive, &self.zones, problems)),
            "whoami" => self.whoami = true,
            "kubernetes" => {
                self.kubernetes = true;
                return false;
            }
            _ => return false,
        }
        true
    }

    /// `autopath [ZONE...] RESOLV-CONF`
    fn set_autopath(&mut self, directive: &Directive, problems: &mut Problems) {
        match directive.words.last().map(String::as_str) {
            Some("@kubernetes") => self.autopath = Some(directive.place.clone()),
            _ => problems
                .error(&directive.place, "autopath takes @kubernetes: other search paths are not walked"),
        }
    }
}
