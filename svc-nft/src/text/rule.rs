//! The text of a rule.

use std::fmt::{self, Write};

use super::{duration_text, join};
use crate::{
    CmpOp, DynsetOp, Expr, Family, L4Proto, NatFlag, NatKind, NatTarget, RejectWith, Rule, Source, Statement,
    Value,
};

impl Rule {
    /// The rule as nft prints it in a table of this family.
    #[must_use]
    pub fn text(&self, family: Family) -> RuleText<'_> {
        RuleText { rule: self, family }
    }
}

/// A rule that prints itself; see [`Rule::text`].
#[derive(Clone, Copy, Debug)]
pub struct RuleText<'a> {
    rule: &'a Rule,
    family: Family,
}

impl fmt::Display for RuleText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statements = self.rule.statements();
        let mut known = Known { family: self.family, proto: None };
        let mut between = "";
        for (index, statement) in statements.iter().enumerate() {
            known.learn(statement);
            if implied(statement, &statements[index + 1..]) {
                continue;
            }
            f.write_str(between)?;
            known.write(f, statement)?;
            between = " ";
        }
        match self.rule.comment_text() {
            Some(comment) => write!(f, "{between}comment \"{comment}\""),
            None => Ok(()),
        }
    }
}

/// nft leaves out a match of the protocol that a later expression implies: `tcp dport 80`, not
/// `meta l4proto tcp th dport 80`. But not if something is done in between, such as counting, for that would then
/// seem to be done to other packets too.
fn implied(statement: &Statement, rest: &[Statement]) -> bool {
    let rest = rest.split(|other| same_layer(statement, other)).next().unwrap_or_default();
    let reach = rest.iter().position(|other| !only_matches(other)).map_or(rest.len(), |first| first + 1);
    let mut later = rest[..reach].iter().flat_map(reads);
    match statement {
        Statement::Match { expr: Expr::L4Proto, op: CmpOp::Eq, .. } => later.any(is_transport),
        Statement::Nfproto { ipv6 } => later.any(|expr| is_network(expr, *ipv6)),
        _ => false,
    }
}

fn only_matches(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Match { .. }
            | Statement::MatchMasked { .. }
            | Statement::CtState(_)
            | Statement::CtStatus(_)
            | Statement::Fib { .. }
            | Statement::Nfproto { .. }
            | Statement::Lookup { .. }
            | Statement::Vmap { .. }
    )
}

fn same_layer(a: &Statement, b: &Statement) -> bool {
    match (a, b) {
        (Statement::Nfproto { .. }, Statement::Nfproto { .. }) => true,
        (Statement::Match { expr: a, .. }, Statement::Match { expr: b, .. }) => {
            *a == Expr::L4Proto && *b == Expr::L4Proto
        }
        _ => false,
    }
}

fn is_transport(expr: Expr) -> bool {
    matches!(expr, Expr::ThSport | Expr::ThDport)
}

fn is_network(expr: Expr, ipv6: bool) -> bool {
    match expr {
        Expr::IpSaddr | Expr::IpDaddr => !ipv6,
        Expr::Ip6Saddr | Expr::Ip6Daddr => ipv6,
        _ => false,
    }
}

/// The expressions a statement reads, in order.
fn reads(statement: &Statement) -> impl Iterator<Item = Expr> {
    let (first, second): (&[Expr], &[Expr]) = match statement {
        Statement::Match { expr, .. } | Statement::MatchMasked { expr, .. } => {
            (std::slice::from_ref(expr), &[])
        }
        Statement::Lookup { key, .. } | Statement::Vmap { key, .. } => (key, &[]),
        Statement::Nat { to: NatTarget::Map { key, .. }, .. } => (key, &[]),
        Statement::Dynset { key, data, .. } => match data {
            Some(Source::Exprs(exprs) | Source::Map { key: exprs, .. }) => (key, exprs),
            _ => (key, &[]),
        },
        _ => (&[], &[]),
    };
    first.iter().chain(second).copied()
}

fn proto_name(proto: L4Proto) -> Option<&'static str> {
    match proto {
        L4Proto::TCP => Some("tcp"),
        L4Proto::UDP => Some("udp"),
        L4Proto::SCTP => Some("sctp"),
        _ => None,
    }
}

/// What the statements so far say about the packet.
struct Known {
    family: Family,
    proto: Option<&'static str>,
}

impl Known {
    fn learn(&mut self, statement: &Statement) {
        if let Statement::Match { expr: Expr::L4Proto, op: CmpOp::Eq, value: Value::Proto(proto) } = statement
        {
            self.proto = proto_name(*proto);
        }
    }

    fn expr(&self, expr: Expr) -> String {
        match (expr, self.proto) {
            (Expr::ThSport, Some(proto)) => format!("{proto} sport"),
            (Expr::ThDport, Some(proto)) => format!("{proto} dport"),
            _ => expr.to_string(),
        }
    }

    fn key(&self, key: &[Expr]) -> String {
        let parts: Vec<_> = key.iter().map(|expr| self.expr(*expr)).collect();
        parts.join(" . ")
    }

    fn write(&self, f: &mut impl Write, statement: &Statement) -> fmt::Result {
        match statement {
            Statement::Match { expr, op, value } => write!(f, "{} {}{value}", self.expr(*expr), op_text(*op)),
            Statement::MatchMasked { expr, mask: u32::MAX, op, value } => {
                write!(f, "{expr} {}0x{value:08x}", op_text(*op))
            }
            Statement::MatchMasked { expr, mask, op, value } => {
                let op = if *op == CmpOp::Eq { "==" } else { "!=" };
                write!(f, "{expr} & 0x{mask:08x} {op} 0x{value:08x}")
            }
            Statement::CtState(states) => write_flags(f, "ct state", states),
            Statement::CtStatus(statuses) => write_flags(f, "ct status", statuses),
            Statement::Fib { address, op, kind } => write!(f, "fib {address} type {}{kind}", op_text(*op)),
            Statement::Nfproto { ipv6 } => write!(f, "meta nfproto {}", if *ipv6 { "ipv6" } else { "ipv4" }),
            Statement::Lookup { key, set, negated } => {
                write!(f, "{} {}@{set}", self.key(key), if *negated { "!= " } else { "" })
            }
            Statement::Vmap { key, map } => write!(f, "{} vmap @{map}", self.key(key)),
            Statement::SetMark { mask, xor } => write_mark(f, *mask, *xor),
            Statement::Counter { packets, bytes } => write!(f, "counter packets {packets} bytes {bytes}"),
            Statement::Nat { kind, to, flags } => self.write_nat(f, *kind, to, flags),
            Statement::Masquerade { flags } => write!(f, "masquerade{}", nat_flags(flags)),
            Statement::Reject(with) => self.write_reject(f, *with),
            Statement::Verdict(verdict) => write!(f, "{verdict}"),
            Statement::Dynset { op, set, key, data, timeout } => {
                write!(f, "{} @{set} {{ {}", dynset_op(*op), self.key(key))?;
                if let Some(timeout) = timeout {
                    write!(f, " timeout {}", duration_text(*timeout))?;
                }
                self.write_source(f, data.as_ref())?;
                f.write_str(" }")
            }
            Statement::Other { name } => write!(f, "# {name}"),
        }
    }

    fn write_source(&self, f: &mut impl Write, source: Option<&Source>) -> fmt::Result {
        match source {
            None => Ok(()),
            Some(Source::Values(values)) => {
                f.write_str(" : ")?;
                join(f, values, " . ")
            }
            Some(Source::Exprs(exprs)) => write!(f, " : {}", self.key(exprs)),
            Some(Source::Map { key, map, .. }) => write!(f, " : {} map @{map}", self.key(key)),
        }
    }

    fn write_nat(&self, f: &mut impl Write, kind: NatKind, to: &NatTarget, flags: &[NatFlag]) -> fmt::Result {
        f.write_str(if kind == NatKind::Dnat { "dnat" } else { "snat" })?;
        let inet = self.family == Family::Inet;
        match to {
            NatTarget::Address { address, port } => {
                if inet {
                    f.write_str(if address.is_ipv6() { " ip6" } else { " ip" })?;
                }
                match port {
                    Some(port) => write!(f, " to {}", std::net::SocketAddr::new(*address, *port))?,
                    None => write!(f, " to {address}")?,
                }
            }
            NatTarget::Map { key, map, ipv6, port } => {
                if inet || *port {
                    f.write_str(if *ipv6 { " ip6" } else { " ip" })?;
                }
                write!(f, " to {} map @{map}", self.key(key))?;
            }
        }
        f.write_str(&nat_flags(flags))
    }

    fn write_reject(&self, f: &mut impl Write, with: RejectWith) -> fmt::Result {
        let code = match (self.family, with) {
            (_, RejectWith::PortUnreachable) => return f.write_str("reject"),
            (_, RejectWith::TcpReset) => return f.write_str("reject with tcp reset"),
            (Family::Ip, RejectWith::HostUnreachable) => "icmp host-unreachable",
            (Family::Ip, RejectWith::AdminProhibited) => "icmp admin-prohibited",
            (Family::Ip, RejectWith::NoRoute) => "icmp net-unreachable",
            (Family::Ip6, RejectWith::HostUnreachable) => "icmpv6 addr-unreachable",
            (Family::Ip6, RejectWith::AdminProhibited) => "icmpv6 admin-prohibited",
            (Family::Ip6, RejectWith::NoRoute) => "icmpv6 no-route",
            (_, RejectWith::HostUnreachable) => "icmpx host-unreachable",
            (_, RejectWith::AdminProhibited) => "icmpx admin-prohibited",
            (_, RejectWith::NoRoute) => "icmpx no-route",
        };
        write!(f, "reject with {code}")
    }
}

fn op_text(op: CmpOp) -> &'static str {
    match op {
        CmpOp::Eq => "",
        CmpOp::Neq => "!= ",
    }
}

fn write_flags<T: fmt::Display>(f: &mut impl Write, what: &str, flags: &[T]) -> fmt::Result {
    write!(f, "{what} ")?;
    join(f, flags, ",")
}

/// nft tells `(mark & mask) ^ xor` by what is kept, what is toggled and what is set.
fn write_mark(f: &mut impl Write, mask: u32, xor: u32) -> fmt::Result {
    if mask == 0 {
        return write!(f, "meta mark set 0x{xor:08x}");
    }
    let (set, toggled) = (xor & !mask, xor & mask);
    f.write_str("meta mark set meta mark")?;
    for (operator, bits, void) in [('&', mask | set, u32::MAX), ('^', toggled, 0), ('|', set, 0)] {
        if bits != void {
            write!(f, " {operator} 0x{bits:08x}")?;
        }
    }
    Ok(())
}

fn nat_flags(flags: &[NatFlag]) -> String {
    let words: Vec<_> = flags
        .iter()
        .map(|flag| match flag {
            NatFlag::Random => "random",
            NatFlag::FullyRandom => "fully-random",
            NatFlag::Persistent => "persistent",
        })
        .collect();
    if words.is_empty() { String::new() } else { format!(" {}", words.join(",")) }
}

fn dynset_op(op: DynsetOp) -> &'static str {
    match op {
        DynsetOp::Add => "add",
        DynsetOp::Update => "update",
        DynsetOp::Delete => "delete",
    }
}
