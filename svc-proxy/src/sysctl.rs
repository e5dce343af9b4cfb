//! The kernel settings that forwarding needs: checked at each sync, reported, changed only where that is allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use svc_model::AddressType;

use crate::{Error, Node};

#[cfg(test)]
mod tests;

/// Whether the proxy may change kernel settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SysctlPolicy {
    /// Look and report.
    #[default]
    Check,
    /// Set what is not as needed; clean-up restores it.
    Set,
}

/// Reads and writes kernel settings; names are paths below `/proc/sys`.
pub trait Sysctls {
    /// The value, without the final newline; `None` where this kernel has no such setting.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read.
    fn sysctl(&mut self, name: &str) -> io::Result<Option<String>>;

    /// Changes it.
    ///
    /// # Errors
    ///
    /// It is not there or cannot be written.
    fn set_sysctl(&mut self, name: &str, value: &str) -> io::Result<()>;
}

/// What was found of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// As needed.
    Fine,
    /// This kernel has no such setting: bridged traffic passes by the rules until the module br_netfilter is loaded.
    Absent,
    /// Not as needed, and left alone.
    Wrong,
    /// Was not as needed, and has been set.
    Set,
    /// Cannot be read or set.
    Failed(Error),
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    name: &'static str,
    needed_for: &'static str,
    value: Option<String>,
    finding: Finding,
}

impl Checked {
    /// The name, as a path below `/proc/sys`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The value found; it has to be 1.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What that means.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        &self.finding
    }

    /// Traffic may suffer.
    #[must_use]
    pub fn is_problem(&self) -> bool {
        matches!(self.finding, Finding::Wrong | Finding::Failed(_))
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { name, needed_for, value, finding } = self;
        let value = value.as_deref().unwrap_or("nothing");
        match finding {
            Finding::Fine => write!(f, "{name} = {value}"),
            Finding::Absent => write!(f, "{name} is absent: {needed_for} needs it (`modprobe br_netfilter`)"),
            Finding::Wrong => {
                write!(f, "{name} = {value}: {needed_for} needs 1; set it, or allow the proxy to")
            }
            Finding::Set => write!(f, "{name} = 1 (was {value})"),
            Finding::Failed(error) => write!(f, "{error}; {needed_for} needs it to be 1"),
        }
    }
}

/// What was found of all settings. Displays one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SysctlReport {
    entries: Vec<Checked>,
}

impl SysctlReport {
    /// One entry per setting.
    #[must_use]
    pub fn entries(&self) -> &[Checked] {
        &self.entries
    }

    /// Those under which traffic may suffer.
    pub fn problems(&self) -> impl Iterator<Item = &Checked> {
        self.entries.iter().filter(|entry| entry.is_problem())
    }
}

impl fmt::Display for SysctlReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

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
    per_family.flatten().collect()
}
