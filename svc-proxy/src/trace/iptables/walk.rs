//! A packet on its way through the hooks.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{IndexedChain, Listing, PlacedRule, acts};
use crate::iptables::{CtState, Policy, RejectWith, Rule, TableName, Target, reason_of_chain};
use crate::packet::{Connection, Entry, Packet};
use crate::trace::dice::Dice;
use crate::trace::{Memory, Outcome, Reason, Reply, Step, TraceError, Way};
use svc_model::{AddressType, Protocol};

/// Chains that lead to one another deeper than this lead in a circle.
const DEEPEST: usize = 256;

/// The built-in chains, as they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl Hook {
    fn chain(self) -> &'static str {
        match self {
            Hook::Prerouting => "PREROUTING",
            Hook::Input => "INPUT",
            Hook::Forward => "FORWARD",
            Hook::Output => "OUTPUT",
            Hook::Postrouting => "POSTROUTING",
        }
    }

    /// The tables that have the chain, in the order of their priorities.
    fn tables(self) -> &'static [TableName] {
        use TableName::{Filter, Mangle, Nat};
        match self {
            Hook::Prerouting | Hook::Postrouting => &[Mangle, Nat],
            Hook::Input => &[Mangle, Filter, Nat],
            Hook::Forward => &[Mangle, Filter],
            Hook::Output => &[Mangle, Nat, Filter],
        }
    }

    pub(super) fn translates_destinations(self) -> bool {
        matches!(self, Hook::Prerouting | Hook::Output)
    }
}

/// One packet, its connection, and what has been done to them so far.
pub(super) struct Walk<'a> {
    pub(super) listing: &'a Listing,
    pub(super) packet: &'a Packet,
    pub(super) dice: &'a mut Dice,
    pub(super) hook: Hook,
    pub(super) source: IpAddr,
    pub(super) destination: SocketAddr,
    pub(super) mark: u32,
    pub(super) dnat: Option<SocketAddr>,
    pub(super) snat: bool,
    /// A connection's destination and its source are decided once.
    destination_decided: bool,
    source_decided: bool,
    accepted: bool,
    pub(super) remembered: Option<Duration>,
    reply: Option<Reply>,
    pub(super) memory: Memory,
    path: Vec<Step>,
    reason: Option<Reason>,
}

/// The end of a walk before its last hook.
pub(super) enum Halt {
    Gone(Outcome),
    Unknown(Box<TraceError>),
}

/// In whose name rules are walked.
#[derive(Clone)]
struct Frame {
    table: TableName,
    object: Option<Arc<str>>,
    reason: Option<Reason>,
    depth: usize,
}

/// How a chain was left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Returned,
    Accepted,
}

impl<'a> Walk<'a> {
    pub(super) fn new(listing: &'a Listing, packet: &'a Packet, memory: &Memory, dice: &'a mut Dice) -> Self {
        Self {
            listing,
            packet,
            dice,
            hook: Hook::Prerouting,
            source: packet.source(),
            destination: packet.destination(),
            mark: 0,
            dnat: None,
            snat: false,
            destination_decided: false,
            source_decided: false,
            accepted: false,
            remembered: None,
            reply: None,
            memory: memory.clone(),
            path: Vec::new(),
            reason: None,
        }
    }

    pub(super) fn finish(mut self) -> Result<Way, TraceError> {
        let outcome = match self.travel() {
            Ok(()) if self.dnat.is_some() => Outcome::Forward,
            Ok(()) if self.accepted => Outcome::Accept,
            Ok(()) => Outcome::Untouched,
            Err(Halt::Gone(outcome)) => outcome,
            Err(Halt::Unknown(error)) => return Err(*error),
        };
        let leads_on = outcome == Outcome::Forward;
        Ok(Way {
            probability: self.dice.probability(),
            outcome,
            destination: self.dnat.filter(|_| leads_on),
            masqueraded: self.snat && leads_on,
            remembered: self.remembered.filter(|_| leads_on),
            reply: self.reply,
            mark: self.mark,
            reason: self.reason.filter(|_| matches!(outcome, Outcome::Reject | Outcome::Drop)),
            memory: self.memory,
            path: self.path,
        })
    }

    fn is_v6(&self) -> bool {
        self.packet.family() == AddressType::Ipv6
    }

    /// Through all hooks that the packet passes.
    fn travel(&mut self) -> Result<(), Halt> {
        if self.packet.entry() == Entry::Output {
            self.at(Hook::Output)?;
            self.at(Hook::Postrouting)?;
            // What a host sends to itself comes in again, by the loopback interface.
            if !self.packet.host().is_local(self.destination.ip()) {
                return Ok(());
            }
        }
        self.at(Hook::Prerouting)?;
        if self.packet.host().is_local(self.destination.ip()) {
            return self.at(Hook::Input);
        }
        self.at(Hook::Forward)?;
        self.at(Hook::Postrouting)
    }

    fn at(&mut self, hook: Hook) -> Result<(), Halt> {
        self.hook = hook;
        for &table in hook.tables() {
            if table == TableName::Nat {
                self.translate_as_before();
                if !self.nat_is_due() {
                    continue;
                }
            }
            let listing = self.listing;
            if let Some(chain) = listing.chain(self.is_v6(), table, hook.chain()) {
                self.built_in(table, chain)?;
            }
        }
        self.translate_as_before();
        match hook {
            Hook::Prerouting | Hook::Output => self.destination_decided = true,
            Hook::Input | Hook::Postrouting => self.source_decided = true,
            Hook::Forward => {}
        }
        Ok(())
    }

    /// The kernel asks for a translation once for each end of a connection, at its first packet.
    fn nat_is_due(&self) -> bool {
        let (decided, done) = match self.hook.translates_destinations() {
            true => (self.destination_decided, self.dnat.is_some()),
            false => (self.source_decided, self.snat),
        };
        matches!(self.packet.known(), Connection::New | Connection::Related) && !decided && !done
    }

    /// Later packets of a connection are translated like the first.
    fn translate_as_before(&mut self) {
        let Connection::Established { dnat, snat } = self.packet.known() else { return };
        match (self.hook, dnat) {
            (Hook::Prerouting | Hook::Output, Some(to)) => (self.dnat, self.destination) = (Some(to), to),
            (Hook::Input | Hook::Postrouting, _) => self.snat |= snat,
            _ => {}
        }
    }

    fn built_in(&mut self, table: TableName, chain: &'a IndexedChain) -> Result<(), Halt> {
        let frame = Frame { table, object: None, reason: None, depth: 0 };
        match self.chain(chain, &frame)? {
            Left::Returned if chain.policy == Some(Policy::Drop) => Err(Halt::Gone(Outcome::Drop)),
            _ => Ok(()),
        }
    }

    fn chain(&mut self, chain: &'a IndexedChain, frame: &Frame) -> Result<Left, Halt> {
        for placed in &chain.rules {
            if !self.matches(placed)? {
                continue;
            }
            let mut frame = frame.clone();
            frame.object = placed.object.clone().or(frame.object);
            if acts(placed.rule.target_ref()) {
                self.path.push(Step { rule: Arc::clone(placed) as _, object: frame.object.clone() });
            }
            let Some(target) = placed.rule.target_ref() else { continue };
            match target {
                Target::Return => return Ok(Left::Returned),
                Target::Jump(name) => match self.enter(name, placed, frame)? {
                    Left::Accepted => return Ok(Left::Accepted),
                    Left::Returned => {}
                },
                Target::Goto(name) => return self.enter(name, placed, frame),
                other => {
                    if self.act(other, placed, &frame)? == Left::Accepted {
                        return Ok(Left::Accepted);
                    }
                }
            }
        }
        Ok(Left::Returned)
    }

    fn enter(&mut self, name: &str, placed: &PlacedRule, mut frame: Frame) -> Result<Left, Halt> {
        frame.depth += 1;
        frame.reason = reason_of_chain(frame.table, name).or(frame.reason);
        let listing = self.listing;
        let Some(chain) = listing.chain(self.is_v6(), frame.table, name) else {
            return Err(unknown(placed, name, "there is no chain of this name"));
        };
        if frame.depth > DEEPEST {
            return Err(unknown(placed, name, "the chains lead in a circle"));
        }
        let before = self.path.len();
        let left = self.chain(chain, &frame)?;
        // A chain in which nothing happened is not worth telling.
        if left == Left::Returned && self.path.len() == before {
            self.path.pop();
        }
        Ok(left)
    }

    /// Does what a target says; [`Left::Returned`]: the next rule.
    fn act(&mut self, target: &Target, placed: &PlacedRule, frame: &Frame) -> Result<Left, Halt> {
        let in_nat = frame.table == TableName::Nat;
        match target {
            Target::Accept => {
                self.accepted |= !in_nat;
                Ok(Left::Accepted)
            }
            Target::Mark { value, mask } => {
                self.mark = (self.mark & !mask) ^ value;
                Ok(Left::Returned)
            }
            Target::Remember { set, seconds } => {
                self.memory.add_to_ipset(set, self.source);
                self.remembered = Some(Duration::from_secs(*seconds));
                Ok(Left::Returned)
            }
            Target::Dnat(to) if in_nat && self.hook.translates_destinations() => {
                (self.dnat, self.destination) = (Some(*to), *to);
                Ok(Left::Accepted)
            }
            Target::Masquerade if in_nat && self.hook == Hook::Postrouting => {
                self.snat = true;
                Ok(Left::Accepted)
            }
            Target::Reject(with) if !in_nat => {
                let by_reset = *with == RejectWith::TcpReset;
                if by_reset && self.packet.protocol() != Protocol::Tcp {
                    return Err(unknown(placed, "tcp-reset", "this is no TCP"));
                }
                self.reply = Some(if by_reset { Reply::Reset } else { Reply::Unreachable });
                Err(self.gone(Outcome::Reject, frame))
            }
            Target::Drop if !in_nat => Err(self.gone(Outcome::Drop, frame)),
            _ => Err(unknown(placed, placed.rule.to_string().trim(), "not possible at this place")),
        }
    }

    fn gone(&mut self, outcome: Outcome, frame: &Frame) -> Halt {
        self.reason = frame.reason.map(|reason| reason.of(outcome));
        Halt::Gone(outcome)
    }

    pub(super) fn has_state(&self, state: CtState) -> bool {
        match (state, self.packet.known()) {
            (CtState::New, Connection::New)
            | (CtState::Established, Connection::Established { .. })
            | (CtState::Related, Connection::Related)
            | (CtState::Invalid, Connection::Invalid)
            | (CtState::Untracked, Connection::Untracked) => true,
            (CtState::Dnat, _) => self.dnat.is_some(),
            (CtState::Snat, _) => self.snat,
            _ => false,
        }
    }
}

/// An error at a rule.
pub(super) fn unknown(placed: &PlacedRule, expression: &str, cause: &str) -> Halt {
    Halt::Unknown(Box::new(TraceError {
        table: placed.table.1.clone(),
        chain: placed.chain.clone(),
        rule: placed.number,
        expression: expression.to_owned(),
        cause: cause.to_owned(),
    }))
}

/// So that a rule's form is looked at in one place.
pub(super) fn is_foreign(rule: &Rule) -> bool {
    rule.foreign.is_some()
}
