//! A packet on its way through the hooks.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use svc_nft::{Hook, Name, Rule, Statement, Verdict};

use super::Tables;
use super::index::{IndexedChain, IndexedTable, PlacedRule};
use crate::packet::{Connection, Entry, Packet};
use crate::trace::dice::Dice;
use crate::trace::{Memory, Outcome, Reason, Reply, Step, TraceError, Way};

/// Chains that lead to one another deeper than this lead in a circle: the kernel allows 16.
const DEEPEST: usize = 64;

/// One packet, its connection, and what has been done to them so far.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) tables: &'a Tables,
    pub(super) packet: &'a Packet,
    pub(super) dice: &'a mut Dice,
    pub(super) hook: Hook,
    pub(super) source: IpAddr,
    pub(super) destination: SocketAddr,
    pub(super) mark: u32,
    pub(super) dnat: Option<SocketAddr>,
    pub(super) snat: bool,
    /// It was IPVS that translated the destination.
    pub(super) balanced: bool,
    /// A connection's destination and its source are decided once.
    destination_decided: bool,
    source_decided: bool,
    accepted: bool,
    pub(super) remembered: Option<Duration>,
    pub(super) reply: Option<Reply>,
    pub(super) memory: Memory,
    pub(super) path: Vec<Step>,
    pub(super) reason: Option<Reason>,
}

/// The end of a walk before its last hook.
#[derive(Debug)]
pub(super) enum Halt {
    /// Here the packet ends.
    Gone(Outcome),
    /// Here nobody knows.
    Unknown(Box<TraceError>),
}

/// In whose name rules are walked, and at which place of the table.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    pub(super) table: &'a IndexedTable,
    pub(super) is_nat: bool,
    pub(super) object: Option<Arc<str>>,
    pub(super) reason: Option<Reason>,
    pub(super) depth: usize,
}

/// How a hook was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// To the next one.
    On,
    /// IPVS sent the packet to a real server elsewhere.
    Led,
}

/// How a chain was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// At its end, or by `return`: the caller goes on.
    Returned,
    /// This base chain is done with the packet.
    Accepted,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tables: &'a Tables, packet: &'a Packet, memory: &Memory, dice: &'a mut Dice) -> Self {
        Self {
            tables,
            packet,
            dice,
            hook: Hook::Prerouting,
            source: packet.source(),
            destination: packet.destination(),
            mark: 0,
            dnat: None,
            snat: false,
            balanced: false,
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
            masqueraded: self.snat,
            remembered: self.remembered.filter(|_| leads_on),
            reply: self.reply,
            mark: self.mark,
            reason: self.reason.filter(|_| matches!(outcome, Outcome::Reject | Outcome::Drop)),
            memory: self.memory,
            path: self.path,
        })
    }

    /// Through all hooks that the packet passes.
    fn travel(&mut self) -> Result<(), Halt> {
        match self.packet.entry() {
            Entry::Prerouting => self.arrive(),
            Entry::Output => {
                if self.at(Hook::Output)? == Passed::Led {
                    return self.leave();
                }
                self.at(Hook::Postrouting)?;
                // What a host sends to itself comes in again, by the loopback interface.
                if self.is_local(self.destination.ip()) { self.arrive() } else { Ok(()) }
            }
        }
    }

    fn arrive(&mut self) -> Result<(), Halt> {
        self.at(Hook::Prerouting)?;
        if !self.is_local(self.destination.ip()) {
            self.at(Hook::Forward)?;
            return self.at(Hook::Postrouting).map(drop);
        }
        if self.at(Hook::Input)? == Passed::Led { self.leave() } else { Ok(()) }
    }

    /// IPVS sends a packet on as if the host itself had.
    fn leave(&mut self) -> Result<(), Halt> {
        self.at(Hook::Output)?;
        self.at(Hook::Postrouting).map(drop)
    }

    pub(super) fn is_local(&self, address: IpAddr) -> bool {
        self.packet.host().is_local(address) || self.tables.servers.has_address(address)
    }

    fn at(&mut self, hook: Hook) -> Result<Passed, Halt> {
        self.hook = hook;
        let tables = self.tables;
        let mut asked = self.balanced;
        let mut ipvs = |walk: &mut Self, reached: i32| {
            let due = super::ipvs::priority(hook).is_some_and(|priority| priority <= reached) && !asked;
            asked |= due;
            // What is for a real server on the host itself goes on where it is.
            Ok(due && walk.balance()? && !walk.is_local(walk.destination.ip()))
        };
        for base in tables.at(hook, self.packet.family()) {
            if ipvs(self, base.priority)? {
                return Ok(Passed::Led);
            }
            if base.is_after_nat() {
                self.translate_as_before();
            }
            if base.is_nat && !self.nat_is_due() {
                continue;
            }
            let table = &tables.tables[base.table];
            self.base_chain(table, &table.chains[base.chain])?;
        }
        self.translate_as_before();
        if ipvs(self, i32::MAX)? {
            return Ok(Passed::Led);
        }
        self.decide();
        Ok(Passed::On)
    }

    /// The kernel asks for a translation once for each end of a connection, at its first packet.
    fn nat_is_due(&self) -> bool {
        let (decided, done) = match self.hook {
            Hook::Prerouting | Hook::Output => (self.destination_decided, self.dnat.is_some()),
            _ => (self.source_decided, self.snat),
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

    fn decide(&mut self) {
        match self.hook {
            Hook::Prerouting | Hook::Output => self.destination_decided = true,
            Hook::Postrouting | Hook::Input => self.source_decided = true,
            _ => {}
        }
    }

    fn base_chain(&mut self, table: &'a IndexedTable, chain: &'a IndexedChain) -> Result<(), Halt> {
        let frame = Frame { table, is_nat: chain.is_nat(), object: None, reason: None, depth: 0 };
        let left = self.chain(chain, &frame)?;
        if left == Left::Returned && chain.drops_by_policy() {
            self.path.push(policy(table, chain));
            return Err(Halt::Gone(Outcome::Drop));
        }
        Ok(())
    }

    fn chain(&mut self, chain: &'a IndexedChain, frame: &Frame<'a>) -> Result<Left, Halt> {
        for rule in &chain.rules {
            let mut frame = frame.clone();
            let Some(verdict) = self.rule(rule, &mut frame)? else { continue };
            match &verdict {
                Verdict::Accept => {
                    self.accepted |= !frame.is_nat;
                    return Ok(Left::Accepted);
                }
                Verdict::Return => return Ok(Left::Returned),
                Verdict::Goto(name) => return self.enter(name, rule, frame),
                Verdict::Jump(name) => match self.enter(name, rule, frame)? {
                    Left::Accepted => return Ok(Left::Accepted),
                    Left::Returned => {}
                },
                _ => return Err(self.gone(Outcome::Drop, &frame, rule)),
            }
        }
        Ok(Left::Returned)
    }

    fn enter(&mut self, name: &Name, rule: &PlacedRule, mut frame: Frame<'a>) -> Result<Left, Halt> {
        frame.depth += 1;
        let Some(chain) = frame.table.chain(name) else {
            return Err(unknown(rule, name, "there is no chain of this name"));
        };
        if frame.depth > DEEPEST {
            return Err(unknown(rule, name, "the chains lead in a circle"));
        }
        self.chain(chain, &frame)
    }

    pub(super) fn gone(&mut self, outcome: Outcome, frame: &Frame<'a>, rule: &PlacedRule) -> Halt {
        if frame.table.is_ours {
            let by_chain = || crate::nftables::reason_of_chain(&rule.chain);
            self.reason = frame.reason.or_else(by_chain).map(|reason| reason.of(outcome));
        }
        Halt::Gone(outcome)
    }
}

/// An error at a rule.
pub(super) fn unknown(rule: &PlacedRule, expression: impl ToString, cause: impl Into<String>) -> Halt {
    Halt::Unknown(Box::new(TraceError {
        table: rule.table.1.clone(),
        chain: rule.chain.to_string(),
        rule: rule.number,
        expression: expression.to_string(),
        cause: cause.into(),
    }))
}

/// A chain's policy, as the rule it stands for.
fn policy(table: &IndexedTable, chain: &IndexedChain) -> Step {
    let rule = PlacedRule {
        table: Arc::new((table.id.clone(), table.id.to_string())),
        chain: chain.name.clone(),
        number: chain.rules.len() + 1,
        rule: Rule::new([Statement::drop()]).comment("policy"),
        text: OnceLock::new(),
    };
    Step { rule: Arc::new(rule), object: None }
}
