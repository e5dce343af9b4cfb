//! From what a Corefile means to what answers.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::{
    ForwardPlan, Host, Listen, Problems, ServerPlan, SitePlan, Surroundings, Target,
    forward::{Asking, Choosing},
};
use crate::{
    Autopath, Cache, Forwarder, Front, Policy, Protocol, Route, RouteBuilder, ServerAddress, Site,
    message::Name,
    resolv_conf::ResolvConf,
    sys::{Connections, any_address, interface_addresses, resolve},
};

/// Where the search path of pods on this node goes on.
const RESOLV_CONF: &str = "/etc/resolv.conf";

impl ServerPlan {
    /// Rules and forwarder of this server, with what its files say now. The files are read through `around`.
    ///
    /// # Errors
    /// When a file without which nothing can be done cannot be read, or a setting cannot be. Files that are not there, and lines
    /// in them that say nothing, are warnings beside the front.
    pub fn front(&self, around: &dyn Surroundings) -> Result<(Front, Problems), Problems> {
        let mut problems = Problems::default();
        let mut front = Front::new();
        let mut forwarder = Forwarder::builder().detect_loops(self.operations().detects_loops());
        let (mut forwards, mut rules) = (false, Vec::new());
        for site in self.sites() {
            rules.extend(site.rules_of(&self.operations().preferred, around, &mut problems));
            for route in site.routes(self.operations().rotate(), around, &mut problems) {
                forwards = true;
                forwarder = forwarder.route(route);
            }
        }
        // One without rules still keeps those of a shorter domain from its names.
        if !rules.iter().all(Site::is_idle) {
            front = rules.into_iter().fold(front, Front::site);
        }
        if forwards && !problems.has_errors() {
            match forwarder.build() {
                Ok(forwarder) => front = front.forward(forwarder),
                Err(error) => {
                    let place =
                        self.sites().iter().flat_map(|site| &site.forwards).map(|forward| &forward.place);
                    place.take(1).for_each(|place| problems.error(place, format!("forward: {error}")));
                }
            }
        }
        if problems.has_errors() { Err(problems) } else { Ok((front, problems)) }
    }

    /// The files that the front is made from: hosts files and those with name servers. A new front is due when one changes.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let hosts = self.sites().iter().filter_map(|site| site.hosts()?.file().map(str::to_owned));
        let targets = self.sites().iter().flat_map(SitePlan::forwards).flat_map(ForwardPlan::targets);
        let servers = targets.filter_map(|target| match target {
            Target::File(path) => Some(path.clone()),
            Target::Server(_) | Target::Tls(_) => None,
        });
        let mut files: Vec<String> = hosts.chain(servers).collect();
        files.sort();
        files.dedup();
        files
    }
}

#[cfg(feature = "tls")]
impl ServerPlan {
    /// What this server shows clients that speak TLS or HTTPS, read through `around`; `None`: no such clients.
    ///
    /// # Errors
    /// When a file cannot be read, or is not what it should be.
    pub fn tls(&self, around: &dyn Surroundings) -> Result<Option<crate::Tls>, Problems> {
        let Some(plan) = &self.tls else { return Ok(None) };
        let read = |path: &str| around.read(path).map_err(|why| format!("{path}: {why}"));
        let built = || -> Result<crate::Tls, String> {
            let (chain, key) = (read(&plan.certificate)?, read(&plan.key)?);
            let (chain, key) = (chain.as_bytes(), key.as_bytes());
            let tls = match &plan.clients {
                None => crate::Tls::from_pem(chain, key),
                Some((authorities, optional)) => {
                    let authorities = read(authorities)?;
                    crate::Tls::with_client_authorities(chain, key, authorities.as_bytes(), *optional)
                }
            };
            tls.map_err(|error| error.to_string())
        };
        built().map(Some).map_err(|problem| Problems::of_error(&plan.place, format!("tls: {problem}")))
    }
}

impl SitePlan {
    /// The rules for each of its zones.
    fn rules_of(&self, preferred: &[IpNet], around: &dyn Surroundings, problems: &mut Problems) -> Vec<Site> {
        let hosts = self.hosts.as_ref().map(|hosts| hosts.hosts(around, problems));
        let autopath = self.autopath.as_ref().map(|_| {
            let node = around.read(RESOLV_CONF).map(|text| ResolvConf::parse(&text).0).unwrap_or_default();
            Autopath::new().node_search(node.search().iter().cloned())
        });
        let with_rules = |zone: &Name| {
            let mut site = Site::builder(zone.clone())
                .prefer(preferred.iter().copied())
                .minimal_any(self.minimal_any)
                .local(self.local)
                .whoami(self.whoami);
            site = self.access.iter().fold(site, |site, access| site.access(access.clone()));
            site = self.rules.iter().fold(site, |site, rule| site.rewrite(rule.clone()));
            site = self.templates.iter().fold(site, |site, template| site.template(template.clone()));
            site = hosts.iter().fold(site, |site, hosts| site.hosts(hosts.clone()));
            autopath.iter().fold(site, |site, autopath| site.autopath(autopath.clone())).build().ok()
        };
        self.zones.iter().filter_map(with_rules).collect()
    }

    /// A route for each zone and each `forward` that can concern it.
    fn routes(&self, rotate: bool, around: &dyn Surroundings, problems: &mut Problems) -> Vec<RouteBuilder> {
        let cache = self.cache.clone().map(|config| Cache::new(config.rotating(rotate)));
        let mut routes = Vec::new();
        for plan in &self.forwards {
            let servers = plan.servers(around, problems);
            let tls = match servers.iter().any(|(_, over_tls)| *over_tls) {
                true => plan.over_tls(around, problems),
                false => None,
            };
            let network = || Connections::new(plan.expire, plan.max_idle);
            for zone in &self.zones {
                for from in plan.from.iter().filter_map(|from| narrower(zone, from)) {
                    let route = plan.route(from, &servers, tls.as_ref()).network(network()).of_site(zone);
                    routes.push(cache.iter().fold(route, |route, cache| route.cache(cache.clone())));
                }
            }
        }
        // A block without servers refuses what it does not know; it does not ask those of another block.
        let refusing = self.zones.iter().filter(|_| self.forwards.is_empty());
        routes.extend(refusing.map(|zone| Route::builder(zone.clone()).of_site(zone)));
        routes
    }
}

/// The domain that is within the other.
fn narrower(zone: &Name, from: &Name) -> Option<Name> {
    match () {
        () if from.is_within(zone) => Some(from.clone()),
        () if zone.is_within(from) => Some(zone.clone()),
        () => None,
    }
}

impl ForwardPlan {
    fn servers(&self, around: &dyn Surroundings, problems: &mut Problems) -> Vec<(ServerAddress, bool)> {
        let mut servers = Vec::new();
        for target in &self.to {
            match target {
                Target::Server(address) => servers.push((*address, false)),
                Target::Tls(address) => servers.push(((*address).into(), true)),
                Target::File(path) => match around.read(path) {
                    Ok(text) => {
                        let (conf, wrong) = ResolvConf::parse(&text);
                        for problem in wrong {
                            problems.warning(&self.place, format!("forward: {path}: {problem}"));
                        }
                        if conf.servers().is_empty() {
                            problems.error(&self.place, format!("forward: {path} names no server"));
                        }
                        servers.extend(conf.servers().iter().map(|server| (*server, false)));
                    }
                    Err(why) => problems.error(&self.place, format!("forward: {path}: {why}")),
                },
            }
        }
        servers
    }

    fn route(&self, domain: Name, servers: &[(ServerAddress, bool)], tls: Option<&OverTls>) -> RouteBuilder {
        let (interval, name, recursion) = self.probe.clone();
        let route = Route::builder(domain)
            .policy(match self.policy {
                Choosing::Random => Policy::Random,
                Choosing::RoundRobin => Policy::RoundRobin,
                Choosing::Sequential => Policy::Sequential,
            })
            .protocol(match self.protocol {
                Asking::AsAsked => Protocol::AsAsked,
                Asking::PreferUdp => Protocol::PreferUdp,
                Asking::Tcp => Protocol::Tcp,
            })
            .max_fails(self.max_fails)
            .max_concurrent(self.max_concurrent)
            .probe(interval, name, recursion)
            .failfast(self.failfast)
            .failover(self.failover.iter().copied())
            .next(self.next.iter().copied())
            .next_on_nodata(self.next_on_nodata);
        let route = self.except.iter().fold(route, RouteBuilder::except);
        servers.iter().fold(route, |route, (server, over_tls)| match tls.filter(|_| *over_tls) {
            #[cfg(feature = "tls")]
            Some(tls) => route.server_by(*server, std::sync::Arc::clone(tls)),
            _ => route.server(*server),
        })
    }

    /// The way to servers over TLS; nothing, and a problem, where there is none.
    #[cfg(feature = "tls")]
    fn over_tls(&self, around: &dyn Surroundings, problems: &mut Problems) -> Option<OverTls> {
        let built = self.tls_client(around).map_err(|problem| {
            problems.error(&self.place, format!("forward: tls: {problem}"));
        });
        let network = Connections::new(self.expire, self.max_idle).over_tls(&built.ok()?);
        Some(std::sync::Arc::new(network))
    }

    #[cfg(feature = "tls")]
    fn tls_client(&self, around: &dyn Surroundings) -> Result<crate::TlsClient, String> {
        let read = |path: &str| around.read(path).map_err(|why| format!("{path}: {why}"));
        let authorities = match &self.tls.authorities {
            Some(path) => read(path)?,
            None => {
                let of_system = SYSTEM_AUTHORITIES.iter().find_map(|path| around.read(path).ok());
                of_system.ok_or("this system has no list of authorities; name one: tls CA")?
            }
        };
        let mut client = crate::TlsClient::builder().authorities(authorities.as_bytes());
        if let Some(name) = &self.tls.server_name {
            client = client.server_name(name);
        }
        if let Some((certificate, key)) = &self.tls.identity {
            client = client.identity(read(certificate)?.as_bytes(), read(key)?.as_bytes());
        }
        client.build().map_err(|error| error.to_string())
    }

    #[cfg(not(feature = "tls"))]
    fn over_tls(&self, _around: &dyn Surroundings, problems: &mut Problems) -> Option<OverTls> {
        problems.error(&self.place, "forward: tls:// needs svc-dns with its feature `tls`");
        None
    }
}

/// The way to servers within TLS.
#[cfg(feature = "tls")]
type OverTls = std::sync::Arc<dyn crate::Exchange>;
#[cfg(not(feature = "tls"))]
type OverTls = std::convert::Infallible;

/// Where distributions keep the authorities that everybody believes.
#[cfg(feature = "tls")]
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

impl Listen {
    /// The addresses to listen on: those of the interface where one is named, all of the host where nothing is.
    ///
    /// # Errors
    /// When the interfaces cannot be listed, or there is none of this name with an address.
    pub fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok(match &self.host {
            Some(Host::Address(address)) => vec![SocketAddr::new(*address, self.port)],
            Some(Host::OnInterface(address)) => {
                let mut address = resolve(*address)?;
                address.set_port(self.port);
                vec![address]
            }
            Some(Host::Interface(name)) => interface_addresses(name, self.port)?,
            None => vec![SocketAddr::new(any_address(), self.port)],
        })
    }
}
