//! Whether a rule matches.

use super::PlacedRule;
use super::walk::{Halt, Walk, is_foreign, unknown};
use crate::iptables::Match;
use crate::packet::Entry;

impl Walk<'_> {
    pub(super) fn matches(&mut self, placed: &PlacedRule) -> Result<bool, Halt> {
        let rule = &placed.rule;
        if is_foreign(rule) {
            return Err(unknown(placed, rule.to_string().trim(), "not understood"));
        }
        let (source, destination) = (self.source, self.destination.ip());
        if rule.source.is_some_and(|test| !test.holds(test.value.contains(source)))
            || rule.destination.is_some_and(|test| !test.holds(test.value.contains(destination)))
            || rule.protocol.is_some_and(|protocol| protocol != self.packet.protocol())
        {
            return Ok(false);
        }
        if let Some(test) = &rule.input
            && !test.holds(self.comes_by(&test.value))
        {
            return Ok(false);
        }
        Ok(rule.matches.iter().all(|extension| self.extension(extension)))
    }

    /// What the host itself sends comes by no interface.
    fn comes_by(&self, name: &str) -> bool {
        let sent = self.packet.entry() == Entry::Output;
        let input = self.packet.input_interface().filter(|_| !sent).unwrap_or_default();
        match name.strip_suffix('+') {
            Some(prefix) => input.starts_with(prefix),
            None => input == name,
        }
    }

    fn extension(&mut self, extension: &Match) -> bool {
        match extension {
            Match::Comment(_) => true,
            Match::Port(protocol, ports) => {
                let port = self.destination.port();
                *protocol == self.packet.protocol()
                    && ports.is_none_or(|(low, high)| (low..=high).contains(&port))
            }
            Match::SourceType(test) => test.holds(self.packet.host().is_local(self.source)),
            Match::DestinationType(test) => test.holds(self.packet.host().is_local(self.destination.ip())),
            Match::CtState(test) => test.holds(test.value.iter().any(|state| self.has_state(*state))),
            Match::Mark(test) => test.holds(self.mark & test.value.1 == test.value.0),
            Match::Random(share) => self.dice.happens(f64::from(*share) / f64::from(1_u32 << 31)),
            Match::Set(name) => self.memory.is_in_ipset(name, self.source),
        }
    }
}
