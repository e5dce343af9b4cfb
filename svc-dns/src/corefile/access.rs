//! `acl [ZONES...] { ACTION [type QTYPE...] [net SOURCE...] }`

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Directive, Problems,
    words::{all_zones, kind},
};
use crate::{
    access::{Access, Action},
    message::{Name, RecordType},
};

pub(super) fn access(directive: &Directive, zones: &[Name], problems: &mut Problems) -> Access {
    let own = all_zones(directive, &directive.words, problems);
    let mut access = Access::new().zones(if own.is_empty() { zones } else { &own });
    for option in &directive.body {
        let action = match option.name.as_str() {
            "allow" => Action::Allow,
            "block" => Action::Refuse,
            "filter" => Action::Empty,
            "drop" => Action::Drop,
            _ => {
                directive.unknown_option(option, problems);
                continue;
            }
        };
        let (kinds, networks) = conditions(option, problems);
        access = access.rule(action, kinds, networks);
    }
    access
}

/// Types and networks; none: all.
fn conditions(option: &Directive, problems: &mut Problems) -> (Vec<RecordType>, Vec<IpNet>) {
    let (mut kinds, mut networks) = (Vec::new(), Vec::new());
    let mut of = "";
    for word in &option.words {
        match (of, word.as_str()) {
            (_, "type" | "net") => of = word,
            (_, "*") => {}
            ("type", word) => match kind(word) {
                Some(kind) => kinds.extend(kind),
                None => problems.error(&option.place, format!("acl: {word:?} is no type")),
            },
            ("net", word) => match network(word) {
                Some(network) => networks.push(network),
                None => problems.error(&option.place, format!("acl: {word:?} is no network")),
            },
            _ => problems.error(&option.place, format!("acl: {word:?}: write type or net in front of it")),
        }
    }
    (kinds, networks)
}

fn network(word: &str) -> Option<IpNet> {
    word.parse().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
}
