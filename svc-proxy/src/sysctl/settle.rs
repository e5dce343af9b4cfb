//! Bringing the settings to what is needed, and back.

use std::collections::BTreeMap;
use std::io;

use svc_model::AddressType;

use super::{Checked, Finding, SysctlReport, Sysctls};
use crate::{Error, Node};

#[cfg(test)]
mod tests;

/// What settings were before the proxy changed them.
pub(crate) type Before = BTreeMap<String, String>;

/// Notes in `before` what has to be changed. The first value counts: what somebody set later is not what we found.
pub(crate) fn note(sysctls: &mut dyn Sysctls, node: &Node, before: &mut Before) {
    for (name, _) in needed(node) {
        match sysctls.sysctl(name) {
            Ok(Some(value)) if value != "1" => drop(before.entry(name.to_owned()).or_insert(value)),
            _ => {}
        }
    }
}

/// Looks at every setting this node needs, and sets those that `may_set` has a value to go back to.
pub(crate) fn check(sysctls: &mut dyn Sysctls, node: &Node, may_set: &Before) -> SysctlReport {
    let entries = needed(node).into_iter().map(|(name, needed_for)| {
        let value = sysctls.sysctl(name);
        let finding = match &value {
            Err(error) => Finding::Failed(failure(name, "read", error)),
            Ok(None) => Finding::Absent,
            Ok(Some(value)) if value == "1" => Finding::Fine,
            Ok(Some(_)) if may_set.contains_key(name) => set(sysctls, name),
            Ok(Some(_)) => Finding::Wrong,
        };
        Checked { name, needed_for, value: value.ok().flatten(), finding }
    });
    SysctlReport { entries: entries.collect() }
}

fn set(sysctls: &mut dyn Sysctls, name: &str) -> Finding {
    match sysctls.set_sysctl(name, "1") {
        Ok(()) => Finding::Set,
        Err(error) => Finding::Failed(failure(name, "write", &error)),
    }
}

/// Puts back what was before; settings that are gone with their bridge or module need nothing.
pub(crate) fn restore(sysctls: &mut dyn Sysctls, before: &Before) -> Vec<Error> {
    let mut errors = Vec::new();
    for (name, value) in before {
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

fn needed(node: &Node) -> Vec<(&'static str, &'static str)> {
    let neighbours = "a pod whose Service leads to its neighbour on the bridge";
    let others = "forwarding to other hosts and pods";
    let per_family = node.families().into_iter().map(|family| match family {
        AddressType::Ipv6 => {
            [("net/ipv6/conf/all/forwarding", others), ("net/bridge/bridge-nf-call-ip6tables", neighbours)]
        }
        _ => [("net/ipv4/ip_forward", others), ("net/bridge/bridge-nf-call-iptables", neighbours)],
    });
    let localhost = node.localhost_node_ports() && node.families().contains(&AddressType::Ipv4);
    let localhost = localhost.then_some(("net/ipv4/conf/all/route_localnet", "node ports on 127.0.0.1"));
    per_family.flatten().chain(localhost).collect()
}
