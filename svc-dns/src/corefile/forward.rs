//! `forward FROM TO... { ... }`

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    Directive, Place, Problems,
    hosts::under,
    tls::TlsForward,
    words::{all_zones, duration, rcodes, server, zones},
};
use crate::{
    ServerAddress,
    message::{Name, Rcode},
};

/// Servers for a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardPlan {
    pub(super) from: Vec<Name>,
    pub(super) to: Vec<Target>,
    pub(super) except: Vec<Name>,
    pub(super) protocol: Asking,
    pub(super) policy: Choosing,
    pub(super) max_fails: u32,
    pub(super) probe: (Duration, Name, bool),
    pub(super) max_concurrent: usize,
    pub(super) failfast: bool,
    pub(super) failover: Vec<Rcode>,
    pub(super) next: Vec<Rcode>,
    pub(super) next_on_nodata: bool,
    pub(super) expire: Duration,
    pub(super) max_idle: usize,
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nobody is asked over TLS"))]
    pub(super) tls: TlsForward,
    pub(super) place: Place,
}

/// Where questions go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A server.
    Server(ServerAddress),
    /// A server that is asked over TLS.
    Tls(SocketAddr),
    /// The name servers in a file such as `/etc/resolv.conf`.
    File(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    AsAsked,
    PreferUdp,
    Tcp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choosing {
    Random,
    RoundRobin,
    Sequential,
}

impl ForwardPlan {
    /// Where questions go.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.to
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => address.fmt(f),
            Self::Tls(address) => write!(f, "tls://{address}"),
            Self::File(path) => f.write_str(path),
        }
    }
}

impl fmt::Display for ForwardPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("forward")?;
        self.from.iter().try_for_each(|name| write!(f, " {name}"))?;
        f.write_str(" to")?;
        self.to.iter().try_for_each(|target| write!(f, " {target}"))
    }
}

pub(super) fn forward(directive: &Directive, root: &str, problems: &mut Problems) -> Option<ForwardPlan> {
    let [from, to @ ..] = directive.words.as_slice() else {
        problems.error(&directive.place, "forward takes FROM TO...");
        return None;
    };
    let from = zones(from).map_err(|problem| problems.error(&directive.place, format!("forward: {problem}")));
    if to.is_empty() {
        problems.error(&directive.place, "forward: name at least one server, or /etc/resolv.conf");
    }
    let mut plan = ForwardPlan {
        from: from.ok()?,
        to: to.iter().filter_map(|word| target(word, directive, root, problems)).collect(),
        except: Vec::new(),
        protocol: Asking::AsAsked,
        policy: Choosing::Random,
        max_fails: 2,
        probe: (Duration::from_millis(500), Name::root(), true),
        // CoreDNS has no limit then; ours is there to hold memory.
        max_concurrent: 10_000,
        failfast: false,
        failover: Vec::new(),
        next: Vec::new(),
        next_on_nodata: false,
        expire: Duration::from_secs(10),
        max_idle: 64,
        tls: TlsForward::default(),
        place: directive.place.clone(),
    };
    for option in &directive.body {
        plan.option(directive, option, root, problems);
    }
    Some(plan)
}

fn target(word: &str, directive: &Directive, root: &str, problems: &mut Problems) -> Option<Target> {
    if let Some(server) = server(word) {
        return Some(Target::Server(server));
    }
    let why = match word.split_once("://") {
        Some(("tls", server)) => match over_tls(server) {
            Some(address) => return Some(Target::Tls(address)),
            None => "write tls:// and an address; names of servers are not looked up",
        },
        Some(("https", _)) => {
            "servers are not asked over HTTPS; name one that answers plain DNS or DNS over TLS"
        }
        Some(_) => "its protocol is not known",
        None if word.contains('/') => return Some(Target::File(under(root, word))),
        None => {
            "it is neither an address nor a file; names of servers are not looked up, write their addresses"
        }
    };
    problems.error(&directive.place, format!("forward: {word:?}: {why}"));
    None
}

/// An address, port 853 where none is written.
fn over_tls(word: &str) -> Option<SocketAddr> {
    const PORT: u16 = 853;
    let bare = || word.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT));
    word.parse().ok().or_else(bare)
}

impl ForwardPlan {
    fn option(&mut self, forward: &Directive, option: &Directive, root: &str, problems: &mut Problems) {
        let number = |word: &str| word.parse::<usize>().ok();
        match option.name.as_str() {
            "except" => self.except.extend(all_zones(option, &option.words, problems)),
            // Forcing wins over preferring, in whatever order they stand.
            "force_tcp" => self.protocol = Asking::Tcp,
            "prefer_udp" if self.protocol == Asking::AsAsked => self.protocol = Asking::PreferUdp,
            "prefer_udp" => {}
            "expire" => self.expire = option.one("duration", duration, problems).unwrap_or(self.expire),
            "max_idle_conns" => match option.one("number", number, problems) {
                Some(0) | None => {}
                Some(connections) => self.max_idle = connections,
            },
            "max_fails" => {
                self.max_fails =
                    option.one("number", |word| word.parse().ok(), problems).unwrap_or(self.max_fails);
            }
            "max_concurrent" => match option.one("number", number, problems) {
                Some(0) | None => {}
                Some(questions) => self.max_concurrent = questions,
            },
            "policy" => self.policy = option.one("policy", policy, problems).unwrap_or(self.policy),
            "health_check" => self.health_check(option, problems),
            "failover" => self.failover = rcodes(option, problems),
            "next" => self.next = rcodes(option, problems),
            "next_on_nodata" => self.next_on_nodata = true,
            "failfast_all_unhealthy_upstreams" => self.failfast = true,
            "max_connect_attempts" => problems.warning(
                &option.place,
                "forward: max_connect_attempts is left out: each server is asked twice at most anyway",
            ),
            "tls" => self.tls.files(option, root, problems),
            "tls_servername" => {
                let name = |word: &str| word.parse::<Name>().ok().map(|_| word.to_owned());
                self.tls.server_name = option.one("name", name, problems);
            }
            "doh_method" => {
                problems.error(&option.place, "forward: doh_method: servers are not asked over HTTPS");
            }
            "resolver" => problems.error(
                &option.place,
                "forward: resolver: names of servers are not looked up; write their addresses",
            ),
            _ => forward.unknown_option(option, problems),
        }
    }

    /// `DURATION [no_rec] [domain FQDN]`
    fn health_check(&mut self, option: &Directive, problems: &mut Problems) {
        let mut words = option.words.iter().map(String::as_str);
        let mut wrong = match words.next().and_then(duration) {
            Some(interval) => {
                self.probe.0 = interval.max(Duration::from_millis(10));
                false
            }
            None => true,
        };
        while let Some(word) = words.next() {
            match word {
                "no_rec" => self.probe.2 = false,
                "domain" => match words.next().and_then(|name| name.parse().ok()) {
                    Some(name) => self.probe.1 = name,
                    None => wrong = true,
                },
                _ => wrong = true,
            }
        }
        if wrong {
            problems.error(&option.place, "forward: health_check takes DURATION [no_rec] [domain FQDN]");
        }
    }
}

fn policy(word: &str) -> Option<Choosing> {
    Some(match word {
        "random" => Choosing::Random,
        "round_robin" => Choosing::RoundRobin,
        "sequential" => Choosing::Sequential,
        _ => return None,
    })
}
