//! A rule: its statements, one after the other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use svc_model::{AddressType, Protocol};
use svc_nft::{
    CmpOp, Data, DynsetOp, Expr, Hook, Key, Name, NatKind, NatTarget, RejectWith, Rule, Source, Statement,
    Value, Verdict,
};

use super::index::PlacedRule;
use super::walk::{Frame, Halt, Walk, unknown};
use crate::packet::Connection;
use crate::trace::memory::Remembered;
use crate::trace::{Outcome, Reply, Step};

/// What a statement comes to.
pub(super) enum Next {
    /// The next statement.
    On,
    /// It does not match: the next rule.
    Stop,
    /// The rule ends here with a verdict.
    Verdict(Verdict),
}

impl Next {
    pub(super) fn on_if(yes: bool) -> Self {
        if yes { Next::On } else { Next::Stop }
    }
}

impl<'a> Walk<'a> {
    /// Runs a rule. What it finds out about who caused it goes into the frame.
    pub(super) fn rule(
        &mut self,
        rule: &'a Arc<PlacedRule>,
        frame: &mut Frame<'a>,
    ) -> Result<Option<Verdict>, Halt> {
        let mut step = None;
        for statement in rule.rule.statements() {
            let acts = acts(statement);
            // A verdict map that has nothing to say did nothing.
            let path_before = self.path.len();
            if acts && step.is_none() {
                step = Some(path_before);
                self.path.push(Step { rule: Arc::clone(rule) as _, object: frame.object.clone() });
            }
            let next = self.statement(statement, rule, frame)?;
            if let Some(at) = step {
                self.path[at].object.clone_from(&frame.object);
            }
            match next {
                Next::On => {}
                Next::Stop => {
                    if acts && step == Some(path_before) {
                        self.path.truncate(path_before);
                    }
                    return Ok(None);
                }
                Next::Verdict(verdict) => return Ok(Some(verdict)),
            }
        }
        Ok(None)
    }

    fn statement(
        &mut self,
        statement: &Statement,
        rule: &PlacedRule,
        frame: &mut Frame<'a>,
    ) -> Result<Next, Halt> {
        match statement {
            Statement::Match { expr: Expr::Numgen(numgen), op, value } => {
                self.draw(*numgen, *op, value).ok_or_else(|| not_understood(rule, statement))
            }
            Statement::Match { expr, op, value } => {
                let read = self.read(*expr, rule)?;
                if read.data_type() != value.data_type() {
                    return Err(unknown(rule, text(rule, statement), "the types differ"));
                }
                Ok(Next::on_if(matches(value, &read) == (*op == CmpOp::Eq)))
            }
            Statement::MatchMasked { expr, mask, op, value } => {
                let (Value::Mark(read) | Value::Integer(read)) = self.read(*expr, rule)? else {
                    return Err(not_understood(rule, statement));
                };
                Ok(Next::on_if((read & mask == *value) == (*op == CmpOp::Eq)))
            }
            Statement::CtState(states) => {
                let bit = self.ct_state().bit();
                Ok(Next::on_if(states.iter().any(|state| state.bit() == bit)))
            }
            Statement::CtStatus(statuses) => {
                let bits = self.ct_status();
                Ok(Next::on_if(statuses.iter().any(|status| status.bit() & bits != 0)))
            }
            Statement::Fib { address, op, kind } => self.fib(*address, *op, *kind, rule, statement),
            Statement::Nfproto { ipv6 } => {
                Ok(Next::on_if((self.packet.family() == AddressType::Ipv6) == *ipv6))
            }
            Statement::Lookup { key, set, negated } => self.lookup(key, set, *negated, rule, frame),
            Statement::Vmap { key, map } => self.vmap(key, map, rule, frame),
            Statement::SetMark { mask, xor } => {
                self.mark = (self.mark & mask) ^ xor;
                Ok(Next::On)
            }
            Statement::Counter { .. } => Ok(Next::On),
            Statement::Nat { kind, to, .. } => self.nat(*kind, to, rule, statement, frame),
            Statement::Masquerade { .. } => self.masquerade(rule, statement, frame),
            Statement::Reject(with) => Err(self.reject(*with, rule, statement, frame)),
            Statement::Verdict(Verdict::Continue) => Ok(Next::On),
            Statement::Verdict(verdict) => Ok(Next::Verdict(verdict.clone())),
            Statement::Dynset { op, set, key, data, timeout } => {
                let element = Wanted { key, data: data.as_ref(), timeout: *timeout };
                self.dynset(*op, set, &element, rule, frame)
            }
            _ => Err(not_understood(rule, statement)),
        }
    }

    /// `numgen random mod 3 0`
    fn draw(&mut self, numgen: svc_nft::Numgen, op: CmpOp, value: &Value) -> Option<Next> {
        let Value::Integer(wanted) = value else { return None };
        let modulus = modulus(numgen)?;
        let hits = f64::from(u32::from(*wanted < modulus)) / f64::from(modulus);
        let is_it = self.dice.happens(hits);
        Some(Next::on_if(is_it == (op == CmpOp::Eq)))
    }

    fn nat(
        &mut self,
        kind: NatKind,
        to: &NatTarget,
        rule: &PlacedRule,
        statement: &Statement,
        frame: &mut Frame<'a>,
    ) -> Result<Next, Halt> {
        let may = match kind {
            NatKind::Dnat => matches!(self.hook, Hook::Prerouting | Hook::Output),
            NatKind::Snat => matches!(self.hook, Hook::Input | Hook::Postrouting),
            _ => false,
        };
        if !frame.is_nat || !may {
            return Err(unknown(rule, text(rule, statement), "no translation is possible at this place"));
        }
        let Some((address, port)) = self.target(to, rule, frame)? else { return Ok(Next::Stop) };
        if AddressType::of(address) != self.packet.family() {
            return Err(unknown(rule, text(rule, statement), "this is an address of the other family"));
        }
        match kind {
            NatKind::Snat => (self.snat, self.source) = (true, address),
            _ => {
                self.destination = SocketAddr::new(address, port.unwrap_or(self.destination.port()));
                self.dnat = Some(self.destination);
            }
        }
        Ok(Next::Verdict(Verdict::Accept))
    }

    fn target(
        &mut self,
        to: &NatTarget,
        rule: &PlacedRule,
        frame: &mut Frame<'a>,
    ) -> Result<Option<(IpAddr, Option<u16>)>, Halt> {
        match to {
            NatTarget::Address { address, port } => Ok(Some((*address, *port))),
            NatTarget::Map { key, map, .. } => {
                let Some(data) = self.data(key, map, rule, frame)? else { return Ok(None) };
                let target = socket(&data).ok_or_else(|| unknown(rule, map, "its data is no address"))?;
                Ok(Some(target))
            }
            _ => Err(unknown(rule, "dnat", "not understood")),
        }
    }

    fn masquerade(
        &mut self,
        rule: &PlacedRule,
        statement: &Statement,
        frame: &Frame<'a>,
    ) -> Result<Next, Halt> {
        if !frame.is_nat || self.hook != Hook::Postrouting {
            return Err(unknown(rule, text(rule, statement), "no translation is possible at this place"));
        }
        self.snat = true;
        Ok(Next::Verdict(Verdict::Accept))
    }

    /// A reset answers TCP only; others learn nothing.
    fn reject(
        &mut self,
        with: RejectWith,
        rule: &PlacedRule,
        statement: &Statement,
        frame: &Frame<'a>,
    ) -> Halt {
        if self.hook == Hook::Postrouting {
            return unknown(rule, text(rule, statement), "nothing can be rejected at this place");
        }
        self.reply = match (with, self.packet.protocol()) {
            (RejectWith::TcpReset, Protocol::Tcp) => Some(Reply::Reset),
            (RejectWith::TcpReset, _) => None,
            _ => Some(Reply::Unreachable),
        };
        let outcome = if self.reply.is_some() { Outcome::Reject } else { Outcome::Drop };
        self.gone(outcome, frame, rule)
    }

    fn dynset(
        &mut self,
        op: DynsetOp,
        set: &Name,
        wanted: &Wanted<'_>,
        rule: &PlacedRule,
        frame: &mut Frame<'a>,
    ) -> Result<Next, Halt> {
        let indexed =
            frame.table.set(set).ok_or_else(|| unknown(rule, set, "there is no set of this name"))?;
        if !indexed.is_dynamic {
            return Err(unknown(rule, set, "rules cannot change this set: it is not dynamic"));
        }
        let key = self.key(wanted.key, indexed, rule)?;
        let known = self.recall(indexed, &key, frame);
        let data = match (known, wanted.data) {
            (Some(data), _) => data,
            (None, None) => None,
            (None, Some(source)) => {
                let Some(data) = self.source_data(source, rule, frame)? else { return Ok(Next::Stop) };
                Some(data)
            }
        };
        let what = match op {
            DynsetOp::Delete => None,
            _ => {
                self.remembered = Some(wanted.timeout.or(indexed.timeout).unwrap_or(Duration::MAX));
                Some(Remembered { data })
            }
        };
        self.memory.note(&frame.table.id, set, Key::new(key), what);
        Ok(Next::On)
    }

    fn source_data(
        &mut self,
        source: &Source,
        rule: &PlacedRule,
        frame: &mut Frame<'a>,
    ) -> Result<Option<Data>, Halt> {
        match source {
            Source::Values(values) => Ok(Some(Data::Values(values.clone().into()))),
            Source::Exprs(exprs) => Ok(Some(Data::Values(self.read_all(exprs, rule)?.into()))),
            Source::Map { key, map, .. } => self.data(key, map, rule, frame),
            _ => Err(unknown(rule, "update", "not understood")),
        }
    }

    fn ct_state(&self) -> svc_nft::CtState {
        use svc_nft::CtState;
        match self.packet.known() {
            Connection::New => CtState::New,
            Connection::Established { .. } => CtState::Established,
            Connection::Related => CtState::Related,
            Connection::Invalid => CtState::Invalid,
            Connection::Untracked => CtState::Untracked,
        }
    }
}

/// The element that a dynset wants.
struct Wanted<'a> {
    key: &'a [Expr],
    data: Option<&'a Source>,
    timeout: Option<Duration>,
}

/// It does something, rather than look.
fn acts(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Vmap { .. }
            | Statement::SetMark { .. }
            | Statement::Nat { .. }
            | Statement::Masquerade { .. }
            | Statement::Reject(_)
            | Statement::Verdict(_)
            | Statement::Dynset { .. }
    )
}

/// The beginning of an interface's name is no range of bytes.
fn matches(wanted: &Value, read: &Value) -> bool {
    match (wanted, read) {
        (Value::IfPrefix(prefix), Value::IfName(name)) => name.starts_with(prefix.as_str()),
        _ => wanted.contains(read),
    }
}

fn socket(data: &Data) -> Option<(IpAddr, Option<u16>)> {
    let Data::Values(values) = data else { return None };
    let address = match values.first()? {
        Value::Ipv4(address) => IpAddr::V4(*address),
        Value::Ipv6(address) => IpAddr::V6(*address),
        _ => return None,
    };
    match values.get(1) {
        None => Some((address, None)),
        Some(Value::Port(port)) => Some((address, Some(*port))),
        Some(_) => None,
    }
}

pub(super) fn modulus(numgen: svc_nft::Numgen) -> Option<u32> {
    match numgen {
        svc_nft::Numgen::Random { modulus } | svc_nft::Numgen::Inc { modulus } => Some(modulus.max(1)),
        _ => None,
    }
}

pub(super) fn text(rule: &PlacedRule, statement: &Statement) -> String {
    Rule::new([statement.clone()]).text(rule.table.0.family()).to_string()
}

fn not_understood(rule: &PlacedRule, statement: &Statement) -> Halt {
    unknown(rule, text(rule, statement), "a trace does not understand this")
}
