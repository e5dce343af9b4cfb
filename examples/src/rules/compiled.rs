//! A plan as rules of one back end or the other.

use std::fmt;

use svc_proxy::trace::{Ruleset, iptables::Listing, nftables::Tables};
use svc_proxy::{Plan, iptables, nftables};

use super::difference::Line;
use super::options::{Backend, Proxy};

/// Rules. Displays in their tool's own syntax.
#[derive(Debug)]
pub enum Compiled {
    /// For `nft -f`.
    Nftables(nftables::Rules),
    /// For `iptables-restore` and `ip6tables-restore`.
    Iptables(iptables::Rules),
}

impl Compiled {
    /// By the back end that was asked for.
    #[must_use]
    pub fn new(plan: &Plan, proxy: &Proxy) -> Self {
        match proxy.backend {
            Backend::Nftables => Self::Nftables(plan.compile(&nftables::Backend::default())),
            Backend::Iptables => Self::Iptables(plan.compile(&iptables::Backend::default().flat(proxy.flat))),
        }
    }

    /// What turns `from`, of the same back end, into these.
    #[must_use]
    pub fn difference(&self, from: &Self) -> Vec<Line> {
        match (self, from) {
            (Self::Nftables(to), Self::Nftables(from)) => {
                let commands = to.caused_diff(from);
                let line = |caused: nftables::CausedCommand| {
                    Line::caused(caused.command(), caused.services().clone())
                };
                commands.into_iter().map(line).collect()
            }
            (Self::Iptables(to), Self::Iptables(from)) => to.diff(from).iter().flat_map(change).collect(),
            _ => Vec::new(),
        }
    }

    /// What packets meet.
    #[must_use]
    pub fn ruleset(&self) -> Box<dyn Ruleset> {
        match self {
            Self::Nftables(rules) => Box::new(Tables::new(rules.tables())),
            Self::Iptables(rules) => Box::new(Listing::new(rules.tables())),
        }
    }
}

/// Which program takes it, and its input.
fn change(change: &iptables::Change) -> Vec<Line> {
    if change.is_empty() {
        return Vec::new();
    }
    let lines = change.lines().map(|caused| match caused.line() {
        frame if frame == "COMMIT" || frame.starts_with('*') => Line::frame(frame),
        line => Line::caused(line, caused.services().clone()),
    });
    let head = Line::frame(format!("# {}-restore --noflush", change.program()));
    std::iter::once(head).chain(lines).collect()
}

impl fmt::Display for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nftables(rules) => rules.fmt(f),
            Self::Iptables(rules) => {
                for tables in rules.tables() {
                    write!(f, "# {}-restore\n{tables}", tables.program())?;
                }
                Ok(())
            }
        }
    }
}
