//! Registers, and writing statements as a program of expressions.

use super::{attr::Writer, expr, uapi::*};
use crate::{Expr, Value, Verdict};

/// One of the sixteen 32 bit registers; longer values take several in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Register(usize);

impl Register {
    pub(crate) const FIRST: Self = Self(0);

    /// The register `space` further on.
    pub(crate) fn plus(self, space: usize) -> Self {
        Self(self.0 + space)
    }

    /// How far this one is from another.
    pub(crate) fn distance(self, from: Self) -> Option<usize> {
        self.0.checked_sub(from.0)
    }

    /// Whether there is a register of this number.
    pub(crate) fn exists(self) -> bool {
        self.0 < NFT_REG32_COUNT
    }

    /// The kernel's number.
    pub(crate) fn number(self) -> u32 {
        NFT_REG32_00 + u32::try_from(self.0).unwrap_or(u32::MAX - NFT_REG32_00)
    }

    /// The kernel tells a register that begins a 128 bit one by the number of that.
    pub(crate) fn parse(number: u32) -> Option<Self> {
        let index = match number {
            NFT_REG_1..=NFT_REG_4 => (number - NFT_REG_1) * 4,
            _ => number.checked_sub(NFT_REG32_00)?,
        };
        let register = Self(usize::try_from(index).ok()?);
        register.exists().then_some(register)
    }
}

/// Loads the parts of a key into registers in a row from `to` on; gives the register after them, or nothing if
/// there are not enough registers.
pub(crate) fn load_key(writer: &mut Writer, key: &[Expr], to: Register) -> Option<Register> {
    let mut next = to;
    for expr in key {
        let after = next.plus(expr.space());
        after.distance(Register::FIRST).filter(|used| *used <= NFT_REG32_COUNT)?;
        expr.load(writer, next);
        next = after;
    }
    Some(next)
}

/// Loads constants into registers in a row from `to` on.
pub(crate) fn load_values(writer: &mut Writer, values: &[Value], to: Register) -> Option<Register> {
    let mut next = to;
    for value in values {
        let bytes = value.bytes();
        let after = next.plus(bytes.len().div_ceil(4));
        after.distance(Register::FIRST).filter(|used| *used <= NFT_REG32_COUNT)?;
        immediate(writer, next, &bytes);
        next = after;
    }
    Some(next)
}

pub(crate) fn immediate(writer: &mut Writer, to: Register, bytes: &[u8]) {
    expr::write(writer, "immediate", |writer| {
        writer.be32(NFTA_IMMEDIATE_DREG, to.number());
        data(writer, NFTA_IMMEDIATE_DATA, bytes);
    });
}

/// `NFTA_DATA_VALUE` within an attribute of this kind.
pub(crate) fn data(writer: &mut Writer, kind: u16, bytes: &[u8]) {
    writer.nested(kind, |writer| writer.attr(NFTA_DATA_VALUE, bytes));
}

/// `NFTA_DATA_VALUE` of several constants, each padded to a register's four bytes; a single one is not.
pub(crate) fn values(writer: &mut Writer, kind: u16, values: &[Value]) {
    if let [single] = values {
        return data(writer, kind, &single.bytes());
    }
    writer.nested(kind, |writer| {
        writer.padded(NFTA_DATA_VALUE, values.iter().map(Value::bytes));
    });
}

/// `NFTA_DATA_VERDICT` within an attribute of this kind.
pub(crate) fn verdict(writer: &mut Writer, kind: u16, verdict: &Verdict) {
    let code = match verdict {
        Verdict::Accept => NF_ACCEPT,
        Verdict::Drop => NF_DROP,
        Verdict::Continue => NFT_CONTINUE,
        Verdict::Return => NFT_RETURN,
        Verdict::Jump(_) => NFT_JUMP,
        Verdict::Goto(_) => NFT_GOTO,
    };
    writer.nested(kind, |writer| {
        writer.nested(NFTA_DATA_VERDICT, |writer| {
            writer.attr(NFTA_VERDICT_CODE, &code.to_be_bytes());
            if let Some(chain) = verdict.chain() {
                writer.text(NFTA_VERDICT_CHAIN, chain);
            }
        });
    });
}

/// The verdict in a data attribute.
pub(crate) fn parse_verdict(data: super::attr::Attrs<'_>) -> Option<Verdict> {
    let verdict = data.nested(NFTA_DATA_VERDICT)?;
    let code = i32::from_be_bytes(verdict.bytes(NFTA_VERDICT_CODE)?.try_into().ok()?);
    Some(match code {
        NF_ACCEPT => Verdict::Accept,
        NF_DROP => Verdict::Drop,
        NFT_CONTINUE => Verdict::Continue,
        NFT_RETURN => Verdict::Return,
        NFT_JUMP => Verdict::jump(verdict.text(NFTA_VERDICT_CHAIN)?),
        NFT_GOTO => Verdict::goto(verdict.text(NFTA_VERDICT_CHAIN)?),
        _ => return None,
    })
}

pub(crate) fn cmp(writer: &mut Writer, from: Register, op: u32, bytes: &[u8]) {
    expr::write(writer, "cmp", |writer| {
        writer.be32(NFTA_CMP_SREG, from.number());
        writer.be32(NFTA_CMP_OP, op);
        data(writer, NFTA_CMP_DATA, bytes);
    });
}

pub(crate) fn range_neq(writer: &mut Writer, from: Register, first: &[u8], last: &[u8]) {
    expr::write(writer, "range", |writer| {
        writer.be32(NFTA_RANGE_SREG, from.number());
        writer.be32(NFTA_RANGE_OP, NFT_RANGE_NEQ);
        data(writer, NFTA_RANGE_FROM_DATA, first);
        data(writer, NFTA_RANGE_TO_DATA, last);
    });
}

/// `register = (register & mask) ^ xor`
pub(crate) fn bitwise(writer: &mut Writer, register: Register, mask: &[u8], xor: &[u8]) {
    expr::write(writer, "bitwise", |writer| {
        writer.be32(NFTA_BITWISE_SREG, register.number());
        writer.be32(NFTA_BITWISE_DREG, register.number());
        writer.be32(NFTA_BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(0));
        data(writer, NFTA_BITWISE_MASK, mask);
        data(writer, NFTA_BITWISE_XOR, xor);
    });
}

/// Looks up the key that begins at `from`; `to` gets the map's data. For verdict maps, `to` is none and `verdict` set.
pub(crate) fn lookup(writer: &mut Writer, set: &str, from: Register, to: Option<u32>, flags: u32) {
    expr::write(writer, "lookup", |writer| {
        writer.text(NFTA_LOOKUP_SET, set);
        writer.be32(NFTA_LOOKUP_SREG, from.number());
        if let Some(to) = to {
            writer.be32(NFTA_LOOKUP_DREG, to);
        }
        if flags != 0 {
            writer.be32(NFTA_LOOKUP_FLAGS, flags);
        }
    });
}
