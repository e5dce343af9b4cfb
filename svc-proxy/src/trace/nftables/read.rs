//! Reading the packet, its connection and the host.

use std::net::IpAddr;

use svc_nft::{CmpOp, CtStatus, Expr, FibAddress, FibType, Hook, L4Proto, Statement, Value};

use super::index::PlacedRule;
use super::rule::{Next, modulus, text};
use super::walk::{Halt, Walk, unknown};
use crate::packet::{Connection, Entry};

impl<'a> Walk<'a> {
    pub(super) fn read_all(&mut self, exprs: &[Expr], rule: &PlacedRule) -> Result<Vec<Value>, Halt> {
        exprs.iter().map(|expr| self.read(*expr, rule)).collect()
    }

    pub(super) fn read(&mut self, expr: Expr, rule: &PlacedRule) -> Result<Value, Halt> {
        let original = self.packet.destination();
        let value = match (expr, self.source, self.destination.ip()) {
            (Expr::IpSaddr, source @ IpAddr::V4(_), _) => source.into(),
            (Expr::IpDaddr, _, destination @ IpAddr::V4(_)) => destination.into(),
            (Expr::Ip6Saddr, source @ IpAddr::V6(_), _) => source.into(),
            (Expr::Ip6Daddr, _, destination @ IpAddr::V6(_)) => destination.into(),
            (Expr::CtOriginalIpDaddr, IpAddr::V4(_), _) | (Expr::CtOriginalIp6Daddr, IpAddr::V6(_), _) => {
                original.ip().into()
            }
            (Expr::CtOriginalDport, ..) => Value::Port(original.port()),
            (Expr::ThDport, ..) => Value::Port(self.destination.port()),
            (Expr::ThSport, ..) => {
                let port = self.packet.source_port().filter(|_| !self.snat);
                Value::Port(port.ok_or_else(|| unknown(rule, expr, "the packet's source port is not known"))?)
            }
            (Expr::L4Proto, ..) => L4Proto::new(self.packet.protocol().number()).into(),
            (Expr::Mark, ..) => Value::Mark(self.mark),
            // No statement sets it.
            (Expr::CtMark, ..) if self.packet.known() == Connection::New => Value::Mark(0),
            (Expr::Iifname, ..) => self.input(rule)?,
            (Expr::Numgen(numgen), ..) => {
                let modulus = modulus(numgen).ok_or_else(|| unknown(rule, expr, "not understood"))?;
                Value::Integer(self.dice.roll(modulus))
            }
            _ => return Err(unknown(rule, expr, "a trace cannot tell this of the packet")),
        };
        Ok(value)
    }

    /// What the host itself sends came in by no interface; the kernel reads an empty name.
    fn input(&self, rule: &PlacedRule) -> Result<Value, Halt> {
        let sent = self.packet.entry() == Entry::Output;
        let name = match (self.hook, self.packet.input_interface()) {
            (Hook::Output | Hook::Postrouting, _) if sent => "",
            _ if sent => "lo",
            (_, Some(name)) => name,
            (_, None) => {
                return Err(unknown(
                    rule,
                    "iifname",
                    "the interface that the packet comes in by is not known",
                ));
            }
        };
        Ok(Value::IfName(name.into()))
    }

    pub(super) fn ct_status(&self) -> u32 {
        let mut bits = 0;
        if matches!(self.packet.known(), Connection::Established { .. }) {
            bits |= CtStatus::SeenReply.bit() | CtStatus::Assured.bit() | CtStatus::Confirmed.bit();
        }
        if self.dnat.is_some() && !self.balanced {
            bits |= CtStatus::Dnat.bit();
        }
        if self.snat {
            bits |= CtStatus::Snat.bit();
        }
        bits
    }

    /// The routing table of a host of which only its own addresses are known.
    pub(super) fn fib(
        &self,
        address: FibAddress,
        op: CmpOp,
        kind: FibType,
        rule: &PlacedRule,
        statement: &Statement,
    ) -> Result<Next, Halt> {
        let asked = match address {
            FibAddress::Saddr => self.source,
            FibAddress::Daddr => self.destination.ip(),
            _ => return Err(unknown(rule, text(rule, statement), "a trace knows no interfaces' addresses")),
        };
        let found = if self.is_local(asked) {
            FibType::Local
        } else if asked.is_multicast() {
            FibType::Multicast
        } else if matches!(kind, FibType::Local | FibType::Multicast) {
            FibType::Unicast
        } else {
            return Err(unknown(rule, text(rule, statement), "a trace knows no routes"));
        };
        Ok(Next::on_if((found == kind) == (op == CmpOp::Eq)))
    }
}
