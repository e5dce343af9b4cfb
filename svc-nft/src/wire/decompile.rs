//! Statements from expressions over registers: what `statement` writes, and what the nft program writes for the
//! same meaning, is read back; anything else becomes `Statement::Other`.

use std::{collections::BTreeMap, time::Duration};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    attr::Attrs,
    element, expr,
    program::{self, Register},
    statement::{address_space, reject_code},
    uapi::*,
    userdata,
};
use crate::{
    CmpOp, CtState, CtStatus, DataType, DynsetOp, Expr, Family, FibType, Name, NatFlag, NatKind, NatTarget,
    RejectWith, Rule, Source, Statement, Value,
};

/// The types of the data of a map of this name.
pub(crate) type MapTypes<'a> = &'a dyn Fn(&str) -> Option<Vec<DataType>>;

/// The rule that a message tells of.
pub(crate) fn rule(attrs: Attrs<'_>, family: Family, types: MapTypes<'_>) -> Rule {
    let mut program =
        Program { family, types, registers: BTreeMap::new(), statements: Vec::new(), pending: None };
    for expr in attrs.nested(NFTA_RULE_EXPRESSIONS).into_iter().flatten() {
        let expr = expr.nested();
        let data = expr.nested(NFTA_EXPR_DATA).unwrap_or(Attrs(&[]));
        let name = expr.text(NFTA_EXPR_NAME).unwrap_or("?");
        if program.step(name, data).is_none() {
            program.emit(Statement::Other { name: name.into() });
        }
    }
    let mut rule = Rule::new(program.statements);
    if let Some(handle) = attrs.be64(NFTA_RULE_HANDLE) {
        rule = rule.with_handle(handle);
    }
    match attrs.bytes(NFTA_RULE_USERDATA).and_then(userdata::read_comment) {
        Some(comment) => rule.comment(comment),
        None => rule,
    }
}

/// What a register holds.
#[derive(Clone, Debug)]
enum Content {
    Expr(Expr),
    /// The first bytes of an address.
    Shortened(Expr),
    Masked(Expr, Vec<u8>, Vec<u8>),
    Constant(Vec<u8>),
    Map {
        key: Vec<Expr>,
        map: Name,
    },
}

struct Program<'a> {
    family: Family,
    types: MapTypes<'a>,
    registers: BTreeMap<Register, Content>,
    statements: Vec<Statement>,
    /// The first half of a range: what is compared, and the lower end.
    pending: Option<(Expr, Vec<u8>)>,
}

impl Program<'_> {
    /// A statement is complete; each loads its own registers.
    fn emit(&mut self, statement: Statement) {
        self.statements.push(statement);
        self.registers.clear();
    }

    /// Takes in one expression; nothing if it makes no sense here.
    fn step(&mut self, name: &str, attrs: Attrs<'_>) -> Option<()> {
        if let Some((expr, to)) = Expr::parse(name, attrs) {
            self.registers.insert(to, Content::Expr(expr));
            return Some(());
        }
        if let Some((expr, to)) = expr::parse_shortened(name, attrs) {
            self.registers.insert(to, Content::Shortened(expr));
            return Some(());
        }
        match name {
            "immediate" => self.immediate(attrs),
            "bitwise" => self.bitwise(attrs),
            "byteorder" => self.byteorder(attrs),
            "cmp" => self.cmp(attrs),
            "range" => self.range(attrs),
            "lookup" => self.lookup(attrs),
            "meta" => self.set_mark(attrs),
            "counter" => {
                let (packets, bytes) = (attrs.be64(NFTA_COUNTER_PACKETS)?, attrs.be64(NFTA_COUNTER_BYTES)?);
                self.emit(Statement::Counter { packets, bytes });
                Some(())
            }
            "nat" => self.nat(attrs),
            "masq" => {
                let flags = nat_flags(attrs.be32(NFTA_MASQ_FLAGS).unwrap_or(0));
                self.emit(Statement::Masquerade { flags });
                Some(())
            }
            "reject" => self.reject(attrs),
            "dynset" => self.dynset(attrs),
            _ => None,
        }
    }

    fn register(attrs: Attrs<'_>, kind: u16) -> Option<Register> {
        Register::parse(attrs.be32(kind)?)
    }

    fn immediate(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let data = attrs.nested(NFTA_IMMEDIATE_DATA)?;
        if attrs.be32(NFTA_IMMEDIATE_DREG)? == NFT_REG_VERDICT {
            let verdict = program::parse_verdict(data)?;
            self.emit(Statement::Verdict(verdict));
            return Some(());
        }
        let to = Self::register(attrs, NFTA_IMMEDIATE_DREG)?;
        self.registers.insert(to, Content::Constant(data.bytes(NFTA_DATA_VALUE)?.to_vec()));
        Some(())
    }

    fn bitwise(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let from = Self::register(attrs, NFTA_BITWISE_SREG)?;
        let to = Self::register(attrs, NFTA_BITWISE_DREG)?;
        if attrs.be32(NFTA_BITWISE_OP).unwrap_or(0) != 0 {
            return None;
        }
        let mask = attrs.nested(NFTA_BITWISE_MASK)?.bytes(NFTA_DATA_VALUE)?.to_vec();
        let xor = attrs.nested(NFTA_BITWISE_XOR)?.bytes(NFTA_DATA_VALUE)?.to_vec();
        let Content::Expr(expr) = self.registers.get(&from)? else { return None };
        let content = Content::Masked(*expr, mask, xor);
        self.registers.insert(to, content);
        Some(())
    }

    /// The program turns even single bytes around before it looks them up in intervals; that changes nothing.
    fn byteorder(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let from = Self::register(attrs, NFTA_BYTEORDER_SREG)?;
        let to = Self::register(attrs, NFTA_BYTEORDER_DREG)?;
        let content = self.registers.get(&from)?.clone();
        let single = matches!(content, Content::Expr(expr) if expr.len() == 1);
        single.then(|| {
            self.registers.insert(to, content);
        })
    }

    fn cmp(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let content = self.registers.get(&Self::register(attrs, NFTA_CMP_SREG)?)?.clone();
        let data = attrs.nested(NFTA_CMP_DATA)?.bytes(NFTA_DATA_VALUE)?;
        let op = match (attrs.be32(NFTA_CMP_OP)?, &content) {
            (NFT_CMP_EQ, _) => CmpOp::Eq,
            (NFT_CMP_NEQ, _) => CmpOp::Neq,
            (NFT_CMP_GTE, Content::Expr(expr)) => {
                self.pending = Some((*expr, data.to_vec()));
                return Some(());
            }
            (NFT_CMP_LTE, Content::Expr(expr)) => {
                let (first_expr, first) = self.pending.take().filter(|(first, _)| first == expr)?;
                let value = range(first_expr, &first, data)?;
                self.emit(Statement::Match { expr: first_expr, op: CmpOp::Eq, value });
                return Some(());
            }
            _ => return None,
        };
        let statement = match content {
            Content::Expr(expr) => compare(expr, op, data)?,
            Content::Shortened(expr) => Statement::Match { expr, op, value: shortened(expr, data)? },
            Content::Masked(expr, mask, xor) if xor.iter().all(|byte| *byte == 0) => {
                compare_masked(expr, &mask, op, data)?
            }
            _ => return None,
        };
        self.emit(statement);
        Some(())
    }

    fn range(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let content = self.registers.get(&Self::register(attrs, NFTA_RANGE_SREG)?)?;
        let Content::Expr(expr) = *content else { return None };
        let first = attrs.nested(NFTA_RANGE_FROM_DATA)?.bytes(NFTA_DATA_VALUE)?;
        let last = attrs.nested(NFTA_RANGE_TO_DATA)?.bytes(NFTA_DATA_VALUE)?;
        let op = if attrs.be32(NFTA_RANGE_OP)? == NFT_RANGE_NEQ { CmpOp::Neq } else { CmpOp::Eq };
        let value = range(expr, first, last)?;
        self.emit(Statement::Match { expr, op, value });
        Some(())
    }

    fn lookup(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let key = self.exprs(Self::register(attrs, NFTA_LOOKUP_SREG)?)?;
        let set = Name::from(attrs.text(NFTA_LOOKUP_SET)?);
        let inverted = attrs.be32(NFTA_LOOKUP_FLAGS).unwrap_or(0) & NFT_LOOKUP_F_INV != 0;
        match attrs.be32(NFTA_LOOKUP_DREG) {
            None => self.emit(Statement::Lookup { key, set, negated: inverted }),
            Some(NFT_REG_VERDICT) => self.emit(Statement::Vmap { key, map: set }),
            Some(number) => {
                let to = Register::parse(number)?;
                // The key has been used; what is left of it behind the data is no key of what follows.
                self.registers.clear();
                self.registers.insert(to, Content::Map { key, map: set });
            }
        }
        Some(())
    }

    /// The expressions loaded in a row from this register on.
    fn exprs(&self, from: Register) -> Option<Vec<Expr>> {
        let (mut exprs, mut next) = (Vec::new(), from);
        while let Some(Content::Expr(expr)) = self.registers.get(&next) {
            exprs.push(*expr);
            next = next.plus(expr.space());
        }
        (!exprs.is_empty()).then_some(exprs)
    }

    fn set_mark(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let from = self.registers.get(&Self::register(attrs, NFTA_META_SREG)?)?;
        if attrs.be32(NFTA_META_KEY)? != NFT_META_MARK {
            return None;
        }
        let word = |bytes: &[u8]| Some(u32::from_ne_bytes(bytes.try_into().ok()?));
        let (mask, xor) = match from {
            Content::Constant(value) => (0, word(value)?),
            Content::Masked(Expr::Mark, mask, xor) => (word(mask)?, word(xor)?),
            _ => return None,
        };
        self.emit(Statement::SetMark { mask, xor });
        Some(())
    }

    fn nat(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let at = Self::register(attrs, NFTA_NAT_REG_ADDR_MIN)?;
        let port_at = match attrs.be32(NFTA_NAT_REG_PROTO_MIN) {
            Some(number) => Some(Register::parse(number)?),
            None => None,
        };
        let ipv6 = attrs.be32(NFTA_NAT_FAMILY)? == u32::from(Family::Ip6.number());
        let to = match self.registers.get(&at)? {
            Content::Constant(bytes) => self.nat_address(ipv6, bytes, port_at)?,
            Content::Map { key, map } => {
                if port_at.is_some_and(|port_at| port_at != at.plus(address_space(ipv6))) {
                    return None;
                }
                NatTarget::Map { key: key.clone(), map: map.clone(), ipv6, port: port_at.is_some() }
            }
            _ => return None,
        };
        let kind = match attrs.be32(NFTA_NAT_TYPE)? {
            NFT_NAT_DNAT => NatKind::Dnat,
            NFT_NAT_SNAT => NatKind::Snat,
            _ => return None,
        };
        let flags = nat_flags(attrs.be32(NFTA_NAT_FLAGS).unwrap_or(0));
        self.emit(Statement::Nat { kind, to, flags });
        Some(())
    }

    fn nat_address(&self, ipv6: bool, bytes: &[u8], port_at: Option<Register>) -> Option<NatTarget> {
        let kind = if ipv6 { DataType::Ipv6Addr } else { DataType::Ipv4Addr };
        let address = match element::value(kind, bytes, bytes)? {
            Value::Ipv4(address) => address.into(),
            Value::Ipv6(address) => address.into(),
            _ => return None,
        };
        let port = match port_at {
            None => None,
            Some(at) => {
                let Content::Constant(port) = self.registers.get(&at)? else { return None };
                Some(u16::from_be_bytes(port.get(..2)?.try_into().ok()?))
            }
        };
        Some(NatTarget::Address { address, port })
    }

    fn reject(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let kind = attrs.be32(NFTA_REJECT_TYPE)?;
        let code = attrs.bytes(NFTA_REJECT_ICMP_CODE).and_then(|code| code.first().copied()).unwrap_or(0);
        let all = [
            RejectWith::PortUnreachable,
            RejectWith::HostUnreachable,
            RejectWith::AdminProhibited,
            RejectWith::NoRoute,
            RejectWith::TcpReset,
        ];
        let with = all.into_iter().find(|with| reject_code(self.family, *with) == (kind, code))?;
        self.emit(Statement::Reject(with));
        Some(())
    }

    fn dynset(&mut self, attrs: Attrs<'_>) -> Option<()> {
        let key_at = Self::register(attrs, NFTA_DYNSET_SREG_KEY)?;
        let set = Name::from(attrs.text(NFTA_DYNSET_SET_NAME)?);
        let op = match attrs.be32(NFTA_DYNSET_OP)? {
            0 => DynsetOp::Add,
            1 => DynsetOp::Update,
            _ => DynsetOp::Delete,
        };
        let data = match attrs.be32(NFTA_DYNSET_SREG_DATA) {
            None => None,
            Some(number) => Some(self.source(Register::parse(number)?, key_at, &set)?),
        };
        let key = self.exprs(key_at)?;
        let timeout = attrs.be64(NFTA_DYNSET_TIMEOUT).filter(|ms| *ms > 0).map(Duration::from_millis);
        self.emit(Statement::Dynset { op, set, key, data, timeout });
        Some(())
    }

    fn source(&self, at: Register, key_at: Register, set: &str) -> Option<Source> {
        match self.registers.get(&at)? {
            Content::Map { key, map } => {
                let data = (self.types)(map).or_else(|| guess(key_at.distance(at)?))?;
                Some(Source::Map { key: key.clone(), map: map.clone(), data })
            }
            Content::Constant(_) => self.constants(at, set).map(Source::Values),
            Content::Expr(_) => {
                let (mut exprs, mut next) = (Vec::new(), at);
                while let Some(Content::Expr(expr)) = self.registers.get(&next).filter(|_| next != key_at) {
                    exprs.push(*expr);
                    next = next.plus(expr.space());
                }
                Some(Source::Exprs(exprs))
            }
            Content::Masked(..) | Content::Shortened(_) => None,
        }
    }

    /// Constants in a row, of the types of the set's data; without knowing the set, as their lengths suggest.
    fn constants(&self, at: Register, set: &str) -> Option<Vec<Value>> {
        let (mut values, mut next) = (Vec::new(), at);
        let mut types = (self.types)(set).unwrap_or_default().into_iter();
        while let Some(Content::Constant(bytes)) = self.registers.get(&next) {
            let kind = types.next().or_else(|| guess_by_len(bytes.len()))?;
            values.push(element::value(kind, bytes.get(..kind.len())?, bytes.get(..kind.len())?)?);
            next = next.plus(bytes.len().div_ceil(4));
        }
        Some(values)
    }
}

/// The data types of a map that is not known, by the registers its data takes: address, or address and port.
fn guess(space: usize) -> Option<Vec<DataType>> {
    match space {
        1 => Some(vec![DataType::Ipv4Addr]),
        2 => Some(vec![DataType::Ipv4Addr, DataType::InetService]),
        4 => Some(vec![DataType::Ipv6Addr]),
        5 => Some(vec![DataType::Ipv6Addr, DataType::InetService]),
        _ => None,
    }
}

fn guess_by_len(len: usize) -> Option<DataType> {
    match len {
        1 => Some(DataType::InetProto),
        2 => Some(DataType::InetService),
        4 => Some(DataType::Ipv4Addr),
        16 => Some(DataType::Ipv6Addr),
        _ => None,
    }
}

fn range(expr: Expr, first: &[u8], last: &[u8]) -> Option<Value> {
    let kind = expr.data_type()?;
    match kind {
        DataType::InetService => {
            let port = |bytes: &[u8]| Some(u16::from_be_bytes(bytes.try_into().ok()?));
            Some(Value::PortRange(port(first)?, port(last)?))
        }
        DataType::Ipv4Addr => {
            let address = |bytes: &[u8]| Some(<[u8; 4]>::try_from(bytes).ok()?.into());
            Some(Value::Ipv4Range(address(first)?, address(last)?))
        }
        DataType::Ipv6Addr => {
            let address = |bytes: &[u8]| Some(<[u8; 16]>::try_from(bytes).ok()?.into());
            Some(Value::Ipv6Range([address(first)?, address(last)?].into()))
        }
        _ => None,
    }
}

fn compare(expr: Expr, op: CmpOp, data: &[u8]) -> Option<Statement> {
    match expr {
        Expr::Nfproto if op == CmpOp::Eq => {
            Some(Statement::Nfproto { ipv6: *data.first()? == Family::Ip6.number() })
        }
        Expr::Fib(address) => {
            let number = u32::from_ne_bytes(data.try_into().ok()?);
            let kind = FibType::ALL.into_iter().find(|kind| kind.number() == number)?;
            Some(Statement::Fib { address, op, kind })
        }
        Expr::Iifname | Expr::Oifname if data.len() < 16 && !data.contains(&0) => {
            let prefix = std::str::from_utf8(data).ok()?;
            Some(Statement::Match { expr, op, value: Value::IfPrefix(prefix.into()) })
        }
        _ => Some(Statement::Match { expr, op, value: element::value(expr.data_type()?, data, data)? }),
    }
}

fn compare_masked(expr: Expr, mask: &[u8], op: CmpOp, data: &[u8]) -> Option<Statement> {
    let word = |bytes: &[u8]| Some(u32::from_ne_bytes(bytes.try_into().ok()?));
    match expr {
        Expr::CtState | Expr::CtStatus => {
            if op != CmpOp::Neq || word(data)? != 0 {
                return None;
            }
            ct_flags(expr, word(mask)?)
        }
        Expr::Mark | Expr::CtMark => {
            Some(Statement::MatchMasked { expr, mask: word(mask)?, op, value: word(data)? })
        }
        Expr::IpSaddr | Expr::IpDaddr | Expr::Ip6Saddr | Expr::Ip6Daddr => {
            Some(Statement::Match { expr, op, value: network(mask, data)? })
        }
        _ => None,
    }
}

fn ct_flags(expr: Expr, mask: u32) -> Option<Statement> {
    let (statement, known) = if expr == Expr::CtState {
        let states: Vec<_> = CtState::ALL.into_iter().filter(|state| mask & state.bit() != 0).collect();
        let known = states.iter().fold(0, |bits, state| bits | state.bit());
        (Statement::CtState(states), known)
    } else {
        let statuses: Vec<_> = CtStatus::ALL.into_iter().filter(|status| mask & status.bit() != 0).collect();
        let known = statuses.iter().fold(0, |bits, status| bits | status.bit());
        (Statement::CtStatus(statuses), known)
    };
    (known == mask).then_some(statement)
}

/// The network whose addresses begin with these bytes.
fn shortened(expr: Expr, data: &[u8]) -> Option<Value> {
    let mut mask = vec![0xff; data.len()];
    let mut address = data.to_vec();
    mask.resize(expr.len(), 0);
    address.resize(expr.len(), 0);
    network(&mask, &address)
}

fn network(mask: &[u8], address: &[u8]) -> Option<Value> {
    let net = match mask.len() {
        4 => {
            let mask = <[u8; 4]>::try_from(mask).ok()?;
            let address = <[u8; 4]>::try_from(address).ok()?;
            IpNet::V4(Ipv4Net::with_netmask(address.into(), mask.into()).ok()?)
        }
        _ => {
            let mask = <[u8; 16]>::try_from(mask).ok()?;
            let address = <[u8; 16]>::try_from(address).ok()?;
            IpNet::V6(Ipv6Net::with_netmask(address.into(), mask.into()).ok()?)
        }
    };
    Some(match net {
        IpNet::V4(net) => Value::Ipv4Net(net),
        IpNet::V6(net) => Value::Ipv6Net(net),
    })
}

/// In the order the program prints them.
fn nat_flags(bits: u32) -> Vec<NatFlag> {
    let all = [
        (NF_NAT_RANGE_PROTO_RANDOM, NatFlag::Random),
        (NF_NAT_RANGE_PROTO_RANDOM_FULLY, NatFlag::FullyRandom),
        (NF_NAT_RANGE_PERSISTENT, NatFlag::Persistent),
    ];
    all.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, flag)| flag).collect()
}
