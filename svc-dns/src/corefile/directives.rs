//! All directives there are, and what becomes of each.

use std::fmt;

/// What becomes of a directive or option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It does what it does in CoreDNS.
    Supported,
    /// It is left out, with a warning: answers are as they would be.
    LeftOut,
    /// An error: without it answers would be others.
    Refused,
}

/// The directives of CoreDNS, with what is to be said about each.
///
/// ```
/// use svc_dns::corefile::{Directives, State};
///
/// assert_eq!(Directives::state("forward"), Some(State::Supported));
/// assert_eq!(Directives::state("dnssec"), Some(State::Refused));
/// assert_eq!(Directives::state("frobnicate"), None);
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for a table")]
pub struct Directives;

use State::{LeftOut, Refused, Supported};

/// In alphabetical order.
const ALL: &[(&str, State, &str)] = &[
    ("acl", Supported, ""),
    ("any", Supported, ""),
    (
        "auto",
        Refused,
        "zone files are not served; put a name server for them beside this one and `forward` to it",
    ),
    ("autopath", Supported, ""),
    ("azure", Refused, "zones of a cloud are not served; `forward` to its name servers"),
    ("bind", Supported, ""),
    ("bufsize", Supported, ""),
    ("cache", Supported, ""),
    ("cancel", LeftOut, "queries have deadlines of their own"),
    ("chaos", LeftOut, "questions of class CH are refused"),
    ("clouddns", Refused, "zones of a cloud are not served; `forward` to its name servers"),
    ("debug", LeftOut, "a panic ends the process anyway"),
    ("dns64", Refused, "AAAA records are not made up; `forward` to a server that does"),
    ("dnssec", Refused, "answers are not signed"),
    ("dnstap", LeftOut, "there is no dnstap; `log` is there"),
    ("erratic", Refused, "answers are not made wrong on purpose"),
    ("errors", Supported, ""),
    ("etcd", Refused, "records of etcd are not served"),
    ("federation", Refused, "it is gone from Kubernetes; leave it out"),
    (
        "file",
        Refused,
        "zone files are not served; put a name server for them beside this one and `forward` to it",
    ),
    ("forward", Supported, ""),
    ("geoip", LeftOut, "nothing here asks where clients are"),
    ("grpc", Refused, "servers are asked by DNS; write `forward`"),
    ("grpc_server", LeftOut, "there is no gRPC"),
    ("header", Refused, "flags of answers are not changed"),
    ("health", Supported, ""),
    ("hosts", Supported, ""),
    ("https", LeftOut, "settings of HTTP are not changed"),
    ("https3", LeftOut, "settings of HTTP are not changed"),
    ("k8s_external", Refused, "external addresses have no zone of their own here"),
    ("kubernetes", Supported, ""),
    ("loadbalance", Supported, ""),
    ("local", Supported, ""),
    ("log", Supported, ""),
    ("loop", Supported, ""),
    ("metadata", LeftOut, "nothing here needs it"),
    ("minimal", LeftOut, "answers keep their authority and additional records"),
    ("multisocket", LeftOut, "there is a socket for each core anyway"),
    ("nomad", Refused, "records of Nomad are not served"),
    ("nsid", Supported, ""),
    ("on", Refused, "no commands are run"),
    ("pprof", LeftOut, "there is no profile of Go's"),
    ("prometheus", Supported, ""),
    ("proxy", Refused, "it is gone from CoreDNS; write `forward` in its place"),
    ("quic", LeftOut, "there is no DNS over QUIC"),
    ("ready", Supported, ""),
    ("reload", Supported, ""),
    ("rewrite", Supported, ""),
    ("root", Supported, ""),
    ("route53", Refused, "zones of a cloud are not served; `forward` to its name servers"),
    ("rrl", Supported, ""),
    ("secondary", Refused, "zones are not transferred to this server"),
    ("sign", Refused, "answers are not signed"),
    ("template", Supported, ""),
    ("timeouts", LeftOut, "connections have time limits of their own"),
    ("tls", Supported, ""),
    ("trace", LeftOut, "there is no tracing of this kind"),
    ("transfer", Supported, ""),
    ("tsig", Refused, "messages are not signed"),
    ("view", Refused, "all clients see the same"),
    ("whoami", Supported, ""),
];

impl Directives {
    /// All of them by name, with their state and what is said where they are not supported.
    pub fn all() -> impl Iterator<Item = (&'static str, State, &'static str)> {
        ALL.iter().copied()
    }

    /// What becomes of a directive; `None`: there is none of this name.
    #[must_use]
    pub fn state(name: &str) -> Option<State> {
        Self::find(name).map(|(_, state, _)| state)
    }

    pub(super) fn find(name: &str) -> Option<(&'static str, State, &'static str)> {
        ALL.binary_search_by_key(&name, |entry| entry.0).ok().map(|index| ALL[index])
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Supported => "supported",
            LeftOut => "left out, with a warning",
            Refused => "refused, with an error",
        })
    }
}
