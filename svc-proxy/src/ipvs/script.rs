//! Rules and their differences as lines for the programs that take them, each with the Services that ask for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use svc_ipvs::Command;
use svc_model::ObjectName;

use super::{Change, DEVICE, Rules};

/// A program that takes lines. Displays as it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Program {
    /// Virtual servers and real servers. It reads no comments.
    Ipvsadm,
    /// The device and its addresses.
    Ip,
    /// The rules around virtual servers.
    Nft,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Program::Ipvsadm => "ipvsadm --restore",
            Program::Ip => "ip -batch -",
            Program::Nft => "nft --file -",
        })
    }
}

/// One line of a difference, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CausedLine {
    program: Program,
    line: String,
    services: BTreeSet<ObjectName>,
}

impl CausedLine {
    /// Who takes it.
    #[must_use]
    pub fn program(&self) -> Program {
        self.program
    }

    /// The line.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The Services that ask for it; none for what depends on the node alone.
    #[must_use]
    pub fn services(&self) -> &BTreeSet<ObjectName> {
        &self.services
    }
}

/// Displays with the Services as a comment.
impl fmt::Display for CausedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)?;
        for (index, service) in self.services.iter().enumerate() {
            write!(f, "{} {service}", if index == 0 { "  # Service" } else { "," })?;
        }
        Ok(())
    }
}

impl Change {
    /// The lines for programs other than nft: those of the device's addresses and of virtual servers, in their order.
    fn others(&self) -> impl Iterator<Item = (Program, String)> {
        let addresses = |all: &'_ [IpAddr], verb: &'static str| {
            all.iter().map(move |to| (Program::Ip, address(verb, *to))).collect::<Vec<_>>()
        };
        let commands = |all: &[Command]| {
            all.iter().map(|command| (Program::Ipvsadm, command.to_string())).collect::<Vec<_>>()
        };
        let parts = [
            addresses(&self.bind, "add"),
            commands(&self.come),
            commands(&self.go),
            addresses(&self.unbind, "del"),
        ];
        parts.into_iter().flatten()
    }
}

impl Rules {
    /// As [`diff`](Self::diff), one line for a program at a time, each with the Services that cause it.
    #[must_use]
    pub fn caused_diff(&self, from: &Rules) -> Vec<CausedLine> {
        let mut causes: BTreeMap<String, BTreeSet<ObjectName>> = BTreeMap::new();
        for service in self.services().union(&from.services()) {
            for (_, line) in self.servers_diff(from, &BTreeSet::from([service.clone()])).others() {
                causes.entry(line).or_default().insert(service.clone());
            }
        }
        let glue = self.glue().caused_diff(from.glue()).into_iter().map(|caused| CausedLine {
            program: Program::Nft,
            line: caused.command().to_string(),
            services: caused.services().clone(),
        });
        let all = self.services().union(&from.services()).cloned().collect();
        let others = self.servers_diff(from, &all);
        let others = others.others().map(|(program, line)| {
            let services = causes.get(&line).cloned().unwrap_or_default();
            CausedLine { program, line, services }
        });
        glue.chain(others).collect()
    }
}

/// Under a comment that names its program, the lines for each.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.glue.is_empty() {
            write!(f, "# {}\n{}", Program::Nft, self.glue)?;
        }
        write_lines(f, self.others())
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commands = svc_ipvs::diff(&[], &self.servers());
        write_lines(f, commands.iter().map(|command| (Program::Ipvsadm, command.to_string())))?;
        let mut addresses = self.addresses().map(|to| address("add", to)).peekable();
        if addresses.peek().is_some() {
            let device = [format!("link add {DEVICE} type dummy"), format!("link set {DEVICE} up")];
            write_lines(f, device.into_iter().chain(addresses).map(|line| (Program::Ip, line)))?;
        }
        write!(f, "# {}\n{}", Program::Nft, self.glue())
    }
}

fn write_lines(f: &mut fmt::Formatter<'_>, lines: impl Iterator<Item = (Program, String)>) -> fmt::Result {
    let mut last = None;
    for (program, line) in lines {
        if last.replace(program) != Some(program) {
            writeln!(f, "# {program}")?;
        }
        writeln!(f, "{line}")?;
    }
    Ok(())
}

fn address(verb: &str, address: IpAddr) -> String {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    format!("address {verb} {address}/{bits} dev {DEVICE}")
}
