//! A difference command by command, each with the Services that ask for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use svc_model::ObjectName;
use svc_nft::{Batch, Command, Element, Object, Verb};

use super::Rules;

/// One command of a difference, and why. Displays as a line for `nft -f`, with the Services as a comment.
#[derive(Clone, Debug, PartialEq)]
pub struct CausedCommand {
    command: Command,
    services: BTreeSet<ObjectName>,
}

impl CausedCommand {
    /// What to do: to one chain, one rule, one set or one element.
    #[must_use]
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// The Services that ask for it; none for what depends on the node alone.
    #[must_use]
    pub fn services(&self) -> &BTreeSet<ObjectName> {
        &self.services
    }
}

impl fmt::Display for CausedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.command)?;
        for (index, service) in self.services.iter().enumerate() {
            write!(f, "{} {service}", if index == 0 { "  # Service" } else { "," })?;
        }
        Ok(())
    }
}

impl Rules {
    /// As [`diff`](Self::diff), one object of the kernel at a time, each with the Services that cause it.
    #[must_use]
    pub fn caused_diff(&self, from: &Rules) -> Vec<CausedCommand> {
        let mut causes: BTreeMap<String, BTreeSet<ObjectName>> = BTreeMap::new();
        for service in self.services().union(&from.services()) {
            let alone = self.diff_of(from, &BTreeSet::from([service.clone()]));
            for command in singly(&alone) {
                causes.entry(command.to_string()).or_default().insert(service.clone());
            }
        }
        let caused = |command: Command| {
            let services = causes.get(&command.to_string()).cloned().unwrap_or_default();
            CausedCommand { command, services }
        };
        singly(&self.diff(from)).map(caused).collect()
    }
}

/// The commands of a batch, with one element each.
fn singly(batch: &Batch) -> impl Iterator<Item = Command> {
    let mut commands = Vec::new();
    for command in batch.commands() {
        let Object::Elements(elements) = &command.object else {
            commands.push(command.clone());
            continue;
        };
        let one = |element: Element| {
            let mut alone = Batch::new();
            match command.verb {
                Verb::Delete => {
                    alone.delete_elements(&command.table, elements.set(), [element.key().clone()])
                }
                _ => alone.add_elements(&command.table, elements.set(), [element]),
            };
            alone.commands().to_vec()
        };
        commands.extend(elements.iter().flat_map(one));
    }
    commands.into_iter()
}
