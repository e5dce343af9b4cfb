//! A plan as rules of one back end or another.

use std::fmt;

use svc_proxy::trace::{Ruleset, iptables::Listing, nftables::Tables};
use svc_proxy::{Plan, iptables, ipvs, nftables};

use super::difference::Line;
use super::options::{Backend, Proxy};

/// Rules. Displays in their tool's own syntax.
#[derive(Debug)]
pub enum Compiled {
    /// For `nft -f`.
    Nftables(nftables::Rules),
    /// For `iptables-restore` and `ip6tables-restore`.
    Iptables(iptables::Rules),
    /// For `ipvsadm --restore`, `ip -batch` and `nft -f`.
    Ipvs(ipvs::Rules),
}

impl Compiled {
    /// By the back end that was asked for.
    #[must_use]
    pub fn new(plan: &Plan, proxy: &Proxy) -> Self {
        match proxy.backend {
            Backend::Nftables => Self::Nftables(plan.compile(&nftables::Backend::default())),
            Backend::Iptables => Self::Iptables(plan.compile(&iptables::Backend::default().flat(proxy.flat))),
            Backend::Ipvs => {
                let addresses = plan.node().addresses().iter().copied();
                Self::Ipvs(plan.compile(&ipvs::Backend::new(addresses).scheduler(proxy.scheduler)))
            }
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
            (Self::Ipvs(to), Self::Ipvs(from)) => by_program(&to.caused_diff(from)),
            _ => Vec::new(),
        }
    }

    /// What packets meet.
    #[must_use]
    pub fn ruleset(&self) -> Box<dyn Ruleset> {
        match self {
            Self::Nftables(rules) => Box::new(Tables::new(rules.tables())),
            Self::Iptables(rules) => Box::new(Listing::new(rules.tables())),
            Self::Ipvs(rules) => Box::new(rules.on_paper()),
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

/// Lines that follow one another for one program, under its name.
fn by_program(lines: &[ipvs::CausedLine]) -> Vec<Line> {
    let of_one = lines.chunk_by(|one, next| one.program() == next.program());
    of_one
        .flat_map(|lines| {
            let head = lines.first().map(|line| Line::frame(format!("# {}", line.program())));
            head.into_iter()
                .chain(lines.iter().map(|line| Line::caused(line.line(), line.services().clone())))
        })
        .collect()
}

impl fmt::Display for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nftables(rules) => rules.fmt(f),
            Self::Ipvs(rules) => rules.fmt(f),
            Self::Iptables(rules) => {
                for tables in rules.tables() {
                    write!(f, "# {}-restore\n{tables}", tables.program())?;
                }
                Ok(())
            }
        }
    }
}
