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

/// A setting, and what it is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) wanted: Wanted,
    pub(crate) needed_for: &'static str,
}

impl Setting {
    pub(crate) fn on(name: &'static str, needed_for: &'static str) -> Self {
        Self { name, wanted: Wanted::Is(1), needed_for }
    }
}

/// Notes in `before` what has to be changed. The first value counts: what somebody set later is not what we found.
pub(crate) fn note(sysctls: &mut dyn Sysctls, node: &Node, mode: &[Setting], before: &mut Before) {
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
pub(crate) fn check(
    sysctls: &mut dyn Sysctls,
    node: &Node,
    mode: &[Setting],
    may_set: &Before,
) -> SysctlReport {
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
pub(crate) fn set_all(sysctls: &mut dyn Sysctls, mode: &[Setting], may_set: &Before) {
    for Setting { name, wanted, .. } in mode.iter().filter(|setting| may_set.contains_key(setting.name)) {
        let is_met =
            sysctls.sysctl(name).is_ok_and(|value| value.is_some_and(|value| wanted.is_met_by(&value)));
        if !is_met {
            set(sysctls, name, *wanted);
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

/// `mode`: what that needs beside what all do.
fn needed(node: &Node, mode: &[Setting]) -> Vec<Setting> {
    let neighbours = "a pod whose Service leads to its neighbour on the bridge";
    let others = "forwarding to other hosts and pods";
    let on = |(name, needed_for)| Setting::on(name, needed_for);
    let per_family = node.families().into_iter().map(|family| match family {
        AddressType::Ipv6 => {
            [("net/ipv6/conf/all/forwarding", others), ("net/bridge/bridge-nf-call-ip6tables", neighbours)]
        }
        _ => [("net/ipv4/ip_forward", others), ("net/bridge/bridge-nf-call-iptables", neighbours)],
    });
    let localhost = node.localhost_node_ports() && node.families().contains(&AddressType::Ipv4);
    let localhost = localhost.then_some(("net/ipv4/conf/all/route_localnet", "node ports on 127.0.0.1"));
    let tracking = node.conntrack_at_least().iter().map(|&(name, least)| Setting {
        name,
        wanted: Wanted::AtLeast(least),
        needed_for: "the configuration of connection tracking",
    });
    let usual = per_family.flatten().chain(localhost).map(on);
    usual.chain(mode.iter().copied()).chain(tracking).collect()
}
