//! What single words mean.

use std::{net::IpAddr, time::Duration};

use super::{Directive, Problems};
use crate::{
    ServerAddress,
    config::reverse_zones_of,
    message::{Name, Rcode, RecordType},
};

/// Seconds, or numbers with units as Go writes them: `30`, `1h30m`, `0.5s`, `300ms`.
pub(super) fn duration(word: &str) -> Option<Duration> {
    if let Ok(seconds) = word.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let mut total = 0.0;
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    (!word.is_empty()).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

/// A domain, or the reverse zones of a network.
pub(super) fn zones(word: &str) -> Result<Vec<Name>, String> {
    if word.contains('/') {
        return match word.parse() {
            Ok(network) => Ok(reverse_zones_of(network)),
            Err(_) => Err(format!("{word:?} is no network")),
        };
    }
    word.parse().map(|name| vec![name]).map_err(|error: crate::message::NameError| error.to_string())
}

/// All the words as domains; what is none is told.
pub(super) fn all_zones(directive: &Directive, words: &[String], problems: &mut Problems) -> Vec<Name> {
    let mut all = Vec::new();
    for word in words {
        match zones(word) {
            Ok(zones) => all.extend(zones),
            Err(problem) => problems.error(&directive.place, format!("{}: {problem}", directive.name)),
        }
    }
    all
}

/// The domains that follow an option such as `fallthrough`; none: all.
pub(super) fn zones_or_all(directive: &Directive, problems: &mut Problems) -> Vec<Name> {
    match directive.words.is_empty() {
        true => vec![Name::root()],
        false => all_zones(directive, &directive.words, problems),
    }
}

pub(super) fn rcodes(directive: &Directive, problems: &mut Problems) -> Vec<Rcode> {
    let mut all = Vec::new();
    for word in &directive.words {
        match Rcode::from_text(word) {
            Some(rcode) => all.push(rcode),
            None => {
                problems.error(&directive.place, format!("{}: {word:?} is no response code", directive.name))
            }
        }
    }
    all
}

/// A type; `Some(None)`: all of them.
pub(super) fn kind(word: &str) -> Option<Option<RecordType>> {
    if word.eq_ignore_ascii_case("ANY") { Some(None) } else { RecordType::from_text(word).map(Some) }
}

/// `10.0.0.1`, `10.0.0.1:53`, `[::1]:53`, with or without `dns://`.
pub(super) fn server(word: &str) -> Option<ServerAddress> {
    word.strip_prefix("dns://").unwrap_or(word).parse().ok()
}

/// `:8080` or `127.0.0.1:8080`: the address may be missing.
pub(super) fn listen(word: &str) -> Option<(Option<IpAddr>, u16)> {
    let (host, port) = word.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host == "localhost" {
        let local = (!host.is_empty()).then(|| [127, 0, 0, 1].into());
        return Some((local, port));
    }
    Some((Some(host.parse().ok()?), port))
}

impl Directive {
    /// The only word, read as something.
    pub(super) fn one<T>(
        &self,
        what: &str,
        read: impl Fn(&str) -> Option<T>,
        problems: &mut Problems,
    ) -> Option<T> {
        match self.words.as_slice() {
            [word] => {
                let value = read(word);
                if value.is_none() {
                    problems.error(&self.place, format!("{}: {word:?} is no {what}", self.name));
                }
                value
            }
            _ => {
                problems.error(&self.place, format!("{} takes one {what}", self.name));
                None
            }
        }
    }

    /// Tells words and lines that there should not be.
    pub(super) fn nothing_behind(&self, problems: &mut Problems) {
        if !self.words.is_empty() || !self.body.is_empty() {
            problems.error(&self.place, format!("{} takes no arguments", self.name));
        }
    }

    /// Tells an option that this directive does not have.
    pub(super) fn unknown_option(&self, option: &Self, problems: &mut Problems) {
        problems.error(&option.place, format!("{}: option {:?} is not known", self.name, option.name));
    }
}
