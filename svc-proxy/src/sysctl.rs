//! The kernel settings that forwarding needs: checked at each sync, reported, changed only where that is allowed.

use std::fmt;
use std::io;

use crate::Error;

#[cfg(feature = "driver")]
pub(crate) mod settle;

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

/// The value that a setting has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "only a driver checks settings"))]
pub(crate) enum Wanted {
    /// This and nothing else.
    Is(u64),
    /// This, or more: nobody's larger value is lowered.
    AtLeast(u64),
}

impl Wanted {
    pub(crate) fn value(self) -> u64 {
        match self {
            Wanted::Is(value) | Wanted::AtLeast(value) => value,
        }
    }

    #[cfg(feature = "driver")]
    pub(crate) fn is_met_by(self, value: &str) -> bool {
        match self {
            Wanted::Is(wanted) => value.parse() == Ok(wanted),
            Wanted::AtLeast(least) => value.parse().is_ok_and(|value: u64| value >= least),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Is(value) => write!(f, "{value}"),
            Wanted::AtLeast(least) => write!(f, "at least {least}"),
        }
    }
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    name: &'static str,
    wanted: Wanted,
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

    /// The value found; [`needed`](Self::needed) is what it has to be.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// The least value that will do.
    #[must_use]
    pub fn needed(&self) -> u64 {
        self.wanted.value()
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
        let Checked { name, wanted, needed_for, value, finding } = self;
        let value = value.as_deref().unwrap_or("nothing");
        match finding {
            Finding::Fine => write!(f, "{name} = {value}"),
            Finding::Absent => {
                let module = match name {
                    name if name.starts_with("net/bridge") => "br_netfilter",
                    name if name.starts_with("net/ipv4/vs") => "ip_vs",
                    _ => "nf_conntrack",
                };
                write!(f, "{name} is absent: {needed_for} needs it (`modprobe {module}`)")
            }
            Finding::Wrong => {
                write!(f, "{name} = {value}: {needed_for} needs {wanted}; set it, or allow the proxy to")
            }
            Finding::Set => write!(f, "{name} = {} (was {value})", wanted.value()),
            Finding::Failed(error) => write!(f, "{error}; {needed_for} needs it to be {wanted}"),
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
