//! Statements as expressions over registers.

use super::{
    attr::Writer,
    expr,
    program::{self, Register},
    uapi::*,
};
use crate::{
    CmpOp, DynsetOp, Expr, Family, NatFlag, NatKind, NatTarget, RejectWith, Source, Statement, Value,
};

/// Why a statement has no netlink form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsendable(pub(crate) &'static str);

const TOO_LONG: Unsendable =
    Unsendable("the key and data are longer than the 64 bytes of registers: use fewer parts");

pub(crate) const LONG_INTERFACE: Unsendable = Unsendable("the name of an interface has at most 15 bytes");

const R0: Register = Register::FIRST;

/// Writes the expressions of one statement.
pub(crate) fn write(writer: &mut Writer, family: Family, statement: &Statement) -> Result<(), Unsendable> {
    match statement {
        Statement::Match { value, .. } if !value.is_sendable() => return Err(LONG_INTERFACE),
        Statement::Match { expr, op, value } => compare(writer, *expr, *op, value),
        Statement::MatchMasked { expr, mask, op, value } => masked(writer, *expr, *mask, *op, *value),
        Statement::CtState(states) => {
            flags(writer, Expr::CtState, states.iter().fold(0, |bits, state| bits | state.bit()));
        }
        Statement::CtStatus(statuses) => {
            flags(writer, Expr::CtStatus, statuses.iter().fold(0, |bits, status| bits | status.bit()));
        }
        Statement::Fib { address, op, kind } => {
            Expr::Fib(*address).load(writer, R0);
            program::cmp(writer, R0, cmp_op(*op), &kind.number().to_ne_bytes());
        }
        Statement::Nfproto { ipv6 } => {
            Expr::Nfproto.load(writer, R0);
            program::cmp(writer, R0, NFT_CMP_EQ, &[nat_family(*ipv6).number()]);
        }
        Statement::Lookup { key, set, negated } => {
            program::load_key(writer, key, R0).ok_or(TOO_LONG)?;
            program::lookup(writer, set, R0, None, if *negated { NFT_LOOKUP_F_INV } else { 0 });
        }
        Statement::Vmap { key, map } => {
            program::load_key(writer, key, R0).ok_or(TOO_LONG)?;
            program::lookup(writer, map, R0, Some(NFT_REG_VERDICT), 0);
        }
        Statement::SetMark { mask, xor } => set_mark(writer, *mask, *xor),
        Statement::Counter { packets, bytes } => counter(writer, *packets, *bytes),
        Statement::Nat { kind, to, flags } => nat(writer, *kind, to, flags)?,
        Statement::Masquerade { flags } => masquerade(writer, flags),
        Statement::Reject(with) => reject(writer, family, *with),
        Statement::Verdict(verdict) => expr::write(writer, "immediate", |writer| {
            writer.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
            program::verdict(writer, NFTA_IMMEDIATE_DATA, verdict);
        }),
        Statement::Dynset { .. } => dynset(writer, statement)?,
        Statement::Other { .. } => {
            return Err(Unsendable(
                "an expression of unknown meaning cannot be sent: leave such rules alone",
            ));
        }
    }
    Ok(())
}

pub(crate) fn cmp_op(op: CmpOp) -> u32 {
    match op {
        CmpOp::Eq => NFT_CMP_EQ,
        CmpOp::Neq => NFT_CMP_NEQ,
    }
}

fn compare(writer: &mut Writer, expr: Expr, op: CmpOp, value: &Value) {
    expr.load(writer, R0);
    match value {
        Value::Ipv4Net(net) => {
            program::bitwise(writer, R0, &net.netmask().octets(), &[0; 4]);
            program::cmp(writer, R0, cmp_op(op), &net.network().octets());
        }
        Value::Ipv6Net(net) => {
            program::bitwise(writer, R0, &net.netmask().octets(), &[0; 16]);
            program::cmp(writer, R0, cmp_op(op), &net.network().octets());
        }
        Value::IfPrefix(prefix) => {
            program::cmp(writer, R0, cmp_op(op), &prefix.as_bytes()[..prefix.len().min(15)])
        }
        Value::PortRange(..) | Value::Ipv4Range(..) | Value::Ipv6Range(..) => {
            let (first, last) = value.bounds();
            match op {
                CmpOp::Eq => {
                    program::cmp(writer, R0, NFT_CMP_GTE, &first);
                    program::cmp(writer, R0, NFT_CMP_LTE, &last);
                }
                CmpOp::Neq => program::range_neq(writer, R0, &first, &last),
            }
        }
        single => program::cmp(writer, R0, cmp_op(op), &single.bytes()),
    }
}

fn masked(writer: &mut Writer, expr: Expr, mask: u32, op: CmpOp, value: u32) {
    expr.load(writer, R0);
    program::bitwise(writer, R0, &mask.to_ne_bytes(), &[0; 4]);
    program::cmp(writer, R0, cmp_op(op), &value.to_ne_bytes());
}

/// Any of the bits is set.
fn flags(writer: &mut Writer, expr: Expr, bits: u32) {
    masked(writer, expr, bits, CmpOp::Neq, 0);
}

fn set_mark(writer: &mut Writer, mask: u32, xor: u32) {
    if mask == 0 {
        program::immediate(writer, R0, &xor.to_ne_bytes());
    } else {
        Expr::Mark.load(writer, R0);
        program::bitwise(writer, R0, &mask.to_ne_bytes(), &xor.to_ne_bytes());
    }
    expr::write(writer, "meta", |writer| {
        writer.be32(NFTA_META_KEY, NFT_META_MARK);
        writer.be32(NFTA_META_SREG, R0.number());
    });
}

fn counter(writer: &mut Writer, packets: u64, bytes: u64) {
    expr::write(writer, "counter", |writer| {
        writer.be64(NFTA_COUNTER_BYTES, bytes);
        writer.be64(NFTA_COUNTER_PACKETS, packets);
    });
}

pub(crate) fn nat_family(ipv6: bool) -> Family {
    if ipv6 { Family::Ip6 } else { Family::Ip }
}

/// How many registers an address takes.
pub(crate) fn address_space(ipv6: bool) -> usize {
    if ipv6 { 4 } else { 1 }
}

fn nat(writer: &mut Writer, kind: NatKind, to: &NatTarget, flags: &[NatFlag]) -> Result<(), Unsendable> {
    let (ipv6, has_port) = match to {
        NatTarget::Address { address, port } => {
            let port = port.map(Value::Port);
            let values: Vec<_> = std::iter::once(Value::from(*address)).chain(port.clone()).collect();
            program::load_values(writer, &values, R0).ok_or(TOO_LONG)?;
            (address.is_ipv6(), port.is_some())
        }
        NatTarget::Map { key, map, ipv6, port } => {
            program::load_key(writer, key, R0).ok_or(TOO_LONG)?;
            program::lookup(writer, map, R0, Some(R0.number()), 0);
            (*ipv6, *port)
        }
    };
    expr::write(writer, "nat", |writer| {
        writer.be32(NFTA_NAT_TYPE, if kind == NatKind::Dnat { NFT_NAT_DNAT } else { NFT_NAT_SNAT });
        writer.be32(NFTA_NAT_FAMILY, u32::from(nat_family(ipv6).number()));
        writer.be32(NFTA_NAT_REG_ADDR_MIN, R0.number());
        if has_port {
            writer.be32(NFTA_NAT_REG_PROTO_MIN, R0.plus(address_space(ipv6)).number());
        }
        if !flags.is_empty() {
            writer.be32(NFTA_NAT_FLAGS, nat_bits(flags));
        }
    });
    Ok(())
}

fn nat_bits(flags: &[NatFlag]) -> u32 {
    flags.iter().fold(0, |bits, flag| {
        bits | match flag {
            NatFlag::Random => NF_NAT_RANGE_PROTO_RANDOM,
            NatFlag::FullyRandom => NF_NAT_RANGE_PROTO_RANDOM_FULLY,
            NatFlag::Persistent => NF_NAT_RANGE_PERSISTENT,
        }
    })
}

fn masquerade(writer: &mut Writer, flags: &[NatFlag]) {
    expr::write(writer, "masq", |writer| {
        if !flags.is_empty() {
            writer.be32(NFTA_MASQ_FLAGS, nat_bits(flags));
        }
    });
}

/// Type and code of a reject in a table of this family.
pub(crate) fn reject_code(family: Family, with: RejectWith) -> (u32, u8) {
    use RejectWith as R;
    match (family, with) {
        (_, R::TcpReset) => (NFT_REJECT_TCP_RST, 0),
        (Family::Ip | Family::Ip6, R::NoRoute) => (NFT_REJECT_ICMP_UNREACH, 0),
        (Family::Ip, R::HostUnreachable) => (NFT_REJECT_ICMP_UNREACH, 1),
        (Family::Ip, R::PortUnreachable) => (NFT_REJECT_ICMP_UNREACH, 3),
        (Family::Ip, R::AdminProhibited) => (NFT_REJECT_ICMP_UNREACH, 13),
        (Family::Ip6, R::AdminProhibited) => (NFT_REJECT_ICMP_UNREACH, 1),
        (Family::Ip6, R::HostUnreachable) => (NFT_REJECT_ICMP_UNREACH, 3),
        (Family::Ip6, R::PortUnreachable) => (NFT_REJECT_ICMP_UNREACH, 4),
        (_, R::NoRoute) => (NFT_REJECT_ICMPX_UNREACH, 0),
        (_, R::PortUnreachable) => (NFT_REJECT_ICMPX_UNREACH, 1),
        (_, R::HostUnreachable) => (NFT_REJECT_ICMPX_UNREACH, 2),
        (_, R::AdminProhibited) => (NFT_REJECT_ICMPX_UNREACH, 3),
    }
}

fn reject(writer: &mut Writer, family: Family, with: RejectWith) {
    let (kind, code) = reject_code(family, with);
    expr::write(writer, "reject", |writer| {
        writer.be32(NFTA_REJECT_TYPE, kind);
        writer.attr(NFTA_REJECT_ICMP_CODE, &[code]);
    });
}

/// The data goes into the first registers and the key behind it: with IPv6, a map's key needs what its data leaves free.
fn dynset(writer: &mut Writer, statement: &Statement) -> Result<(), Unsendable> {
    let Statement::Dynset { op, set, key, data, timeout } = statement else { return Ok(()) };
    let key_at = match data {
        None => R0,
        Some(source) => load_source(writer, source).ok_or(TOO_LONG)?,
    };
    program::load_key(writer, key, key_at).ok_or(TOO_LONG)?;
    expr::write(writer, "dynset", |writer| {
        writer.text(NFTA_DYNSET_SET_NAME, set);
        writer.be32(NFTA_DYNSET_OP, dynset_op(*op));
        writer.be32(NFTA_DYNSET_SREG_KEY, key_at.number());
        if data.is_some() {
            writer.be32(NFTA_DYNSET_SREG_DATA, R0.number());
        }
        if let Some(timeout) = timeout {
            writer.be64(NFTA_DYNSET_TIMEOUT, super::set::milliseconds(*timeout));
        }
    });
    Ok(())
}

/// Loads data from the first register on; gives the register behind it.
fn load_source(writer: &mut Writer, source: &Source) -> Option<Register> {
    match source {
        Source::Values(values) => program::load_values(writer, values, R0),
        Source::Exprs(exprs) => program::load_key(writer, exprs, R0),
        Source::Map { key, map, data } => {
            program::load_key(writer, key, R0)?;
            program::lookup(writer, map, R0, Some(R0.number()), 0);
            let space: usize = data.iter().map(|part| part.len().div_ceil(4)).sum();
            Some(R0.plus(space)).filter(|after| after.exists())
        }
    }
}

fn dynset_op(op: DynsetOp) -> u32 {
    match op {
        DynsetOp::Add => 0,
        DynsetOp::Update => 1,
        DynsetOp::Delete => 2,
    }
}
