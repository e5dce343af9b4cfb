//! `hosts [FILE [ZONES...]] { [INLINE] ttl no_reverse reload fallthrough }`

use std::{fmt, net::IpAddr, time::Duration};

use super::{
    Directive, Place, Problems, Surroundings,
    words::{all_zones, duration, zones_or_all},
};
use crate::{Hosts, message::Name};

/// Hosts, and the file that more of them come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsPlan {
    file: Option<String>,
    reload: Duration,
    /// With all settings.
    inline: Hosts,
    place: Place,
}

impl HostsPlan {
    /// The file; followed as it changes.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// How often the file is looked at; zero: once.
    #[must_use]
    pub fn reload(&self) -> Duration {
        self.reload
    }

    /// The hosts, with what the file says now. A file that is not there leaves what stands in the Corefile.
    pub(super) fn hosts(&self, around: &dyn Surroundings, problems: &mut Problems) -> Hosts {
        let Some(path) = &self.file else { return self.inline.clone() };
        match around.read(path) {
            Ok(text) => {
                let (hosts, wrong) = Hosts::parse(&text);
                for problem in wrong {
                    problems.warning(&self.place, format!("hosts: {path}: {problem}"));
                }
                self.inline.clone().with(&hosts)
            }
            Err(why) => {
                problems.warning(&self.place, format!("hosts: {path}: {why}"));
                self.inline.clone()
            }
        }
    }
}

impl fmt::Display for HostsPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hosts {}", self.file.as_deref().unwrap_or("(inline)"))?;
        if self.inline.is_empty() { Ok(()) } else { write!(f, " and {} names inline", self.inline.len()) }
    }
}

pub(super) fn hosts(directive: &Directive, zones: &[Name], root: &str, problems: &mut Problems) -> HostsPlan {
    let (file, own_zones) = match directive.words.split_first() {
        Some((file, zones)) => (Some(under(root, file)), all_zones(directive, zones, problems)),
        None => (None, Vec::new()),
    };
    let zones = if own_zones.is_empty() { zones } else { &own_zones };
    let mut plan = HostsPlan {
        file,
        reload: Duration::from_secs(5),
        inline: Hosts::default().zones(zones).fallthrough([]),
        place: directive.place.clone(),
    };
    for option in &directive.body {
        plan.option(directive, option, problems);
    }
    if plan.file.is_none() && plan.inline.is_empty() {
        plan.file = Some("/etc/hosts".to_owned());
    }
    plan
}

impl HostsPlan {
    fn option(&mut self, hosts: &Directive, option: &Directive, problems: &mut Problems) {
        let inline = std::mem::take(&mut self.inline);
        self.inline = match option.name.as_str() {
            "fallthrough" => inline.fallthrough(&zones_or_all(option, problems)),
            "no_reverse" => inline.reverse(false),
            "ttl" => match option.one("number of seconds", duration, problems) {
                Some(ttl) => inline.ttl(ttl),
                None => inline,
            },
            "reload" => {
                self.reload = option.one("duration", duration, problems).unwrap_or(self.reload);
                inline
            }
            address if address.split('%').next().is_some_and(|text| text.parse::<IpAddr>().is_ok()) => {
                let mut inline = inline;
                let line = format!("{address} {}", option.words.join(" "));
                if let Err(problem) = inline.add_line(&line) {
                    problems.error(&option.place, format!("hosts: {problem}"));
                }
                inline
            }
            _ => {
                hosts.unknown_option(option, problems);
                inline
            }
        };
    }
}

/// A path, under the directory that `root` names unless it is absolute.
pub(super) fn under(root: &str, path: &str) -> String {
    if path.starts_with('/') || root.is_empty() {
        return path.to_owned();
    }
    format!("{}/{path}", root.trim_end_matches('/'))
}
