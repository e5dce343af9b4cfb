//! What is about running a server: health, metrics, logs, sizes.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{
    Directive, Problems,
    words::{all_zones, duration, listen},
};
use crate::{message::Name, rate::RateLimit};

/// Of the blocks that share addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    health: Option<Health>,
    ready: Option<(Option<IpAddr>, u16)>,
    metrics: Option<(Option<IpAddr>, u16)>,
    errors: bool,
    log: Vec<LogPlan>,
    reload: Option<Duration>,
    bufsize: Option<u16>,
    loadbalance: bool,
    /// Networks whose addresses come first.
    pub(super) preferred: Vec<IpNet>,
    pub(super) rate_limit: Option<RateLimit>,
    detect_loops: bool,
    nsid: Option<Nsid>,
    pub(super) needs_pods: bool,
    pub(super) transfer_to: Vec<String>,
}

/// Where the process says that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// `None`: all addresses.
    pub address: Option<IpAddr>,
    /// TCP.
    pub port: u16,
    /// How long it goes on serving after it was told to stop.
    pub lameduck: Duration,
}

/// What the server is called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nsid {
    /// As the host is.
    Hostname,
    /// So.
    Text(String),
}

/// Which queries are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogPlan {
    /// Of names in these domains: those of the block where nothing is said.
    pub zones: Vec<Name>,
    /// `all`, `success`, `denial`, `error`.
    pub classes: Vec<String>,
}

impl Operations {
    /// `health [ADDRESS] { lameduck DURATION }`
    #[must_use]
    pub fn health(&self) -> Option<Health> {
        self.health
    }

    /// `ready [ADDRESS]`: address and port; no address: all.
    #[must_use]
    pub fn ready(&self) -> Option<(Option<IpAddr>, u16)> {
        self.ready
    }

    /// `prometheus [ADDRESS]`: address and port; no address: all.
    #[must_use]
    pub fn metrics(&self) -> Option<(Option<IpAddr>, u16)> {
        self.metrics
    }

    /// `errors`: failures are logged.
    #[must_use]
    pub fn errors(&self) -> bool {
        self.errors
    }

    /// `log`: queries are logged.
    #[must_use]
    pub fn log(&self) -> &[LogPlan] {
        &self.log
    }

    /// `reload [INTERVAL] [JITTER]`: how often the Corefile is looked at; `None`: it is not followed.
    #[must_use]
    pub fn reload(&self) -> Option<Duration> {
        self.reload
    }

    /// `bufsize [SIZE]`: the largest answer over UDP.
    #[must_use]
    pub fn bufsize(&self) -> Option<u16> {
        self.bufsize
    }

    /// `loadbalance`: answers begin with another address each time.
    #[must_use]
    pub fn rotate(&self) -> bool {
        self.loadbalance
    }

    /// `rrl`: how many answers of a kind a network gets.
    #[must_use]
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.rate_limit.as_ref()
    }

    /// The log that `log` asks for; `None`: none.
    #[cfg(feature = "driver")]
    #[must_use]
    pub fn query_log(&self) -> Option<crate::QueryLog> {
        use crate::{LogClass, QueryLog};
        let classes = |plan: &LogPlan| {
            let class = |word: &String| match word.as_str() {
                "success" => vec![LogClass::Success],
                "denial" => vec![LogClass::Denial],
                "error" => vec![LogClass::Error],
                _ => vec![LogClass::Success, LogClass::Denial, LogClass::Error],
            };
            plan.classes.iter().flat_map(class).collect::<Vec<_>>()
        };
        let rule = |log: QueryLog, plan: &LogPlan| log.rule(&plan.zones, classes(plan));
        (!self.log.is_empty()).then(|| self.log.iter().fold(QueryLog::new(), rule))
    }

    /// `nsid [TEXT]`: what clients are told that ask which server this is.
    #[must_use]
    pub fn nsid(&self) -> Option<&Nsid> {
        self.nsid.as_ref()
    }

    /// `loop`: loops are looked for.
    #[must_use]
    pub fn detects_loops(&self) -> bool {
        self.detect_loops
    }

    /// True if the directive is one of these.
    pub(super) fn take(&mut self, directive: &Directive, zones: &[Name], problems: &mut Problems) -> bool {
        match directive.name.as_str() {
            "health" => self.health = Some(health(directive, problems)),
            "ready" => self.ready = Some(address(directive, (None, 8181), problems)),
            "prometheus" => {
                let local = Some([127, 0, 0, 1].into());
                self.metrics = Some(address(directive, (local, 9153), problems));
            }
            "errors" => self.set_errors(directive, problems),
            "log" => self.log.push(log(directive, zones, problems)),
            "reload" => self.set_reload(directive, problems),
            "bufsize" => self.set_bufsize(directive, problems),
            "loadbalance" => self.set_loadbalance(directive, problems),
            "nsid" => {
                let text = directive.words.join(" ");
                self.nsid = Some(if text.is_empty() { Nsid::Hostname } else { Nsid::Text(text) });
                directive.body.iter().for_each(|option| directive.unknown_option(option, problems));
            }
            "loop" => {
                directive.nothing_behind(problems);
                self.detect_loops = true;
            }
            _ => return false,
        }
        true
    }

    fn set_errors(&mut self, directive: &Directive, problems: &mut Problems) {
        self.errors = true;
        for option in &directive.body {
            match option.name.as_str() {
                "consolidate" | "stacktrace" => problems.warning(
                    &option.place,
                    format!("errors: {} is left out: each failure has a line", option.name),
                ),
                _ => directive.unknown_option(option, problems),
            }
        }
    }

    fn set_reload(&mut self, directive: &Directive, problems: &mut Problems) {
        let interval = directive.words.first().map_or(Some(Duration::from_secs(30)), |word| duration(word));
        match interval {
            Some(interval) => self.reload = Some(interval.max(Duration::from_secs(2))),
            None => problems.error(&directive.place, "reload takes [INTERVAL] [JITTER], 2s or more"),
        }
    }

    fn set_bufsize(&mut self, directive: &Directive, problems: &mut Problems) {
        let size = directive.words.first().map_or(Ok(1232), |word| word.parse());
        match size {
            Ok(size) if (512..=4096).contains(&size) => self.bufsize = Some(size),
            _ => problems.error(&directive.place, "bufsize takes 512 to 4096 bytes"),
        }
    }

    fn set_loadbalance(&mut self, directive: &Directive, problems: &mut Problems) {
        self.loadbalance = true;
        match directive.words.first().map(String::as_str) {
            None | Some("round_robin" | "random") => {}
            Some("weighted") => problems.error(
                &directive.place,
                "loadbalance: weighted is not supported: answers begin with each address equally often",
            ),
            Some(_) => problems.error(&directive.place, "loadbalance takes round_robin"),
        }
        for option in &directive.body {
            if option.name == "prefer" {
                self.set_preferred(option, problems);
            } else {
                directive.unknown_option(option, problems);
            }
        }
    }

    fn set_preferred(&mut self, option: &Directive, problems: &mut Problems) {
        if option.words.is_empty() {
            problems.error(&option.place, "loadbalance: prefer takes networks, such as 10.0.0.0/8");
        }
        for word in &option.words {
            match word.parse() {
                Ok(network) => self.preferred.push(network),
                Err(_) => problems.error(
                    &option.place,
                    format!("loadbalance: prefer: {word:?} is no network such as 10.0.0.0/8"),
                ),
            }
        }
    }
}

fn address(
    directive: &Directive,
    default: (Option<IpAddr>, u16),
    problems: &mut Problems,
) -> (Option<IpAddr>, u16) {
    // `ready` may say `monitor continuously`: that is what it does.
    for option in directive.body.iter().filter(|option| option.name != "monitor") {
        directive.unknown_option(option, problems);
    }
    match directive.words.first().map(|word| (word, listen(word))) {
        None => default,
        Some((_, Some(address))) => address,
        Some((word, None)) => {
            let text = format!("{}: {word:?} is no address; write :PORT or ADDRESS:PORT", directive.name);
            problems.error(&directive.place, text);
            default
        }
    }
}

fn health(directive: &Directive, problems: &mut Problems) -> Health {
    let mut lameduck = Duration::ZERO;
    let without = Directive { body: Vec::new(), ..directive.clone() };
    for option in &directive.body {
        match option.name.as_str() {
            "lameduck" => lameduck = option.one("duration", duration, problems).unwrap_or_default(),
            _ => directive.unknown_option(option, problems),
        }
    }
    let (address, port) = address(&without, (None, 8080), problems);
    Health { address, port, lameduck }
}

/// `log [NAMES...] [FORMAT] { class CLASSES... }`
fn log(directive: &Directive, zones: &[Name], problems: &mut Problems) -> LogPlan {
    let mut names = Vec::new();
    let mut plan = LogPlan { zones: Vec::new(), classes: vec!["all".to_owned()] };
    for word in &directive.words {
        if matches!(word.as_str(), "common" | "{common}") {
            continue;
        }
        if word.contains('{') || word == "combined" {
            problems.warning(&directive.place, "log: the format is left out: lines are as common has them");
        } else {
            names.push(word.clone());
        }
    }
    let own = all_zones(directive, &names, problems);
    plan.zones = if own.is_empty() { zones.to_vec() } else { own };
    for option in &directive.body {
        let known = |word: &String| matches!(word.as_str(), "all" | "success" | "denial" | "error");
        match option.name.as_str() {
            "class" if option.words.iter().all(known) => plan.classes.clone_from(&option.words),
            "class" => problems.error(&option.place, "log: class takes all, success, denial or error"),
            _ => directive.unknown_option(option, problems),
        }
    }
    plan
}
