//! Bringing the settings to what is needed, and back.

use std::collections::BTreeMap;
use std::io;

use svc_model::AddressType;

use super::{Checked, Finding, SysctlReport, Sysctls, Wanted};
use crate::{Error, Node};

#[cfg(test)]
mod tests;

/// What settings were before the proxy changed them.
pub(crate) type Before = BTreeMap<String, String>;

/// Clients that IPVS remembers at an endpoint without weight are led anew.
pub(crate) const EXPIRE_QUIESCENT: &str = "net/ipv4/vs/expire_quiescent_template";

/// What a mode needs beside what all do: settings that have to be on, and what each is good for.
pub(crate) type Needs = &'static [(&'static str, &'static str)];

/// Notes in `before` what has to be changed. The first value counts: what somebody set later is not what we found.
pub(crate) fn note(sysctls: &mut dyn Sysctls, node: &Node, mode: Needs, before: &mut Before) {
    for Setting { name, wanted, .. } in needed(node, mode) {
        match sysctls.sysctl(name) {
            Ok(Some(value)) if !wanted.is_met_by(&value) => {
                before.entry(name.to_owned()).or_insert(value);
            }
            _ => {}
        }
    }
}

/// Looks at every setting this node needs, and sets those that `may_set` has a value to go back to.
pub(crate) fn check(sysctls: &mut dyn Sysctls, node: &Node, mode: Needs, may_set: &Before) -> SysctlReport {
    let entries = needed(node, mode).into_iter().map(|Setting { name, wanted, needed_for }| {
        let value = sysctls.sysctl(name);
        let finding = match &value {
            Err(error) => Finding::Failed(failure(name, "read", error)),
            Ok(None) => Finding::Absent,
            Ok(Some(value)) if wanted.is_met_by(value) => Finding::Fine,
            Ok(Some(_)) if may_set.contains_key(name) => set(sysctls, name, wanted),
            Ok(Some(_)) => Finding::Wrong,
        };
        Checked { name, wanted, needed_for, value: value.ok().flatten(), finding }
    });
    SysctlReport { entries: entries.collect() }
}

/// Sets what a mode needs beside what all do, where `may_set` has a value to go back to. What that finds is reported by the
/// next [`check`].
pub(crate) fn switch_on(sysctls: &mut dyn Sysctls, mode: Needs, may_set: &Before) {
    for (name, _) in mode.iter().filter(|(name, _)| may_set.contains_key(*name)) {
        let is_on = sysctls.sysctl(name).is_ok_and(|value| value.as_deref() == Some("1"));
        if !is_on {
            set(sysctls, name, Wanted::On);
        }
    }
}

fn set(sysctls: &mut dyn Sysctls, name: &str, wanted: Wanted) -> Finding {
    match sysctls.set_sysctl(name, &wanted.value().to_string()) {
        Ok(()) => Finding::Set,
        Err(error) => Finding::Failed(failure(name, "write", &error)),
    }
}

/// Puts back what was before; settings that are gone with their bridge or module need nothing.
pub(crate) fn restore(sysctls: &mut dyn Sysctls, before: &Before) -> Vec<Error> {
    let mut errors = Vec::new();
    for (name, value) in before {
        // What could not be set needs not be put back either.
        if sysctls.sysctl(name).is_ok_and(|now| now.as_ref() == Some(value)) {
            continue;
        }
        match sysctls.set_sysctl(name, value) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                errors.push(failure(name, "write", &error))
            }
            _ => {}
        }
    }
    errors
}

fn failure(name: &str, operation: &'static str, error: &io::Error) -> Error {
    Error::Sysctl { name: name.to_owned(), operation, errno: error.raw_os_error().unwrap_or(0) }
}

/// A setting, and what it is good for.
struct Setting {
    name: &'static str,
    wanted: Wanted,
    needed_for: &'static str,
}

fn needed(node: &Node, mode: Needs) -> Vec<Setting> {
    let neighbours = "a pod whose Service leads to its neighbour on the bridge";
    let others = "forwarding to other hosts and pods";
    let on = |(name, needed_for)| Setting { name, wanted: Wanted::On, needed_for };
    let per_family = node.families().into_iter().map(|family| match family {
        AddressType::Ipv6 => {
            [("net/ipv6/conf/all/forwarding", others), ("net/bridge/bridge-nf-call-ip6tables", neighbours)]
        }
        _ => [("net/ipv4/ip_forward", others), ("net/bridge/bridge-nf-call-iptables", neighbours)],
    });
    let localhost = node.localhost_node_ports() && node.families().contains(&AddressType::Ipv4);
    let localhost = localhost.then_some(("net/ipv4/conf/all/route_localnet", "node ports on 127.0.0.1"));
    let expires = |&(name, _): &(&str, &str)| name == EXPIRE_QUIESCENT;
    let mode = mode.iter().filter(|need| !(node.compat().affinity_outlives_endpoints && expires(need)));
    let tracking = node.conntrack_at_least().iter().map(|&(name, least)| Setting {
        name,
        wanted: Wanted::AtLeast(least),
        needed_for: "the configuration of connection tracking",
    });
    per_family.flatten().chain(localhost).chain(mode.copied()).map(on).chain(tracking).collect()
}
