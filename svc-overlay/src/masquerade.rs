//! Rules for packets that leave the overlay, and for those that are forwarded: flannel's, in its iptables order.

use std::fmt;

use ipnet::IpNet;
use svc_nft::{Chain, ChainType, Expr, Hook, Priority, Statement, Table, TableId};

use crate::family::Family;

/// The name of our nftables tables, in the families `ip` and `ip6`.
pub const TABLE: &str = "svc-overlay";

/// The mark of packets that a Service proxy masquerades; they must not be masqueraded twice.
const PROXY_MARK: u32 = 0x4000;

/// Our nftables table as a value; prints as `nft list table` does.
///
/// ```
/// let rules = svc_overlay::Rules::new("10.244.0.0/16".parse()?, "10.244.2.0/24".parse()?);
/// assert!(rules.to_string().contains("masquerade"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Table);

impl Rules {
    /// The rules of a node with pod subnet `subnet` in the overlay `network` of the same family.
    #[must_use]
    pub fn new(network: IpNet, subnet: IpNet) -> Self {
        let table = Table::with_id(table_id(Family::of_net(network), TABLE));
        Rules(table.chain(postrouting(network, subnet)).chain(forward(network)))
    }

    /// The table's family and name.
    #[must_use]
    pub fn table(&self) -> &TableId {
        self.0.id()
    }

    #[cfg(feature = "driver")]
    pub(crate) fn nft(&self) -> &Table {
        &self.0
    }

    #[cfg(feature = "driver")]
    pub(crate) fn found(table: Table) -> Self {
        Rules(table)
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which table it is.
pub(crate) fn table_id(family: Family, name: &str) -> TableId {
    match family {
        Family::V4 => TableId::new(svc_nft::Family::Ip, name),
        Family::V6 => TableId::new(svc_nft::Family::Ip6, name),
    }
}

fn postrouting(network: IpNet, subnet: IpNet) -> Chain {
    let source = source(network);
    let destination = destination(network);
    let from = |net: IpNet| Statement::eq(source, net);
    let to = |net: IpNet| Statement::eq(destination, net);
    let not_from = |net: IpNet| Statement::ne(source, net);
    let masquerade = Statement::masquerade_fully_random;
    Chain::base("postrouting", ChainType::Nat, Hook::Postrouting, Priority::SRCNAT)
        // The Service proxy masquerades these already.
        .rule([Statement::mark_is(PROXY_MARK, PROXY_MARK), Statement::return_()])
        // Between pods nothing is changed.
        .rule([from(subnet), to(network), Statement::return_()])
        .rule([from(network), to(subnet), Statement::return_()])
        // What comes in for a local pod keeps its client's address.
        .rule([not_from(network), to(subnet), Statement::return_()])
        // Pods towards the outside; nobody outside knows a way back to them.
        .rule([from(network), Statement::ne(destination, multicast(network)), masquerade()])
        // From outside by way of this node to a pod of another: its answer has to come back here.
        .rule([not_from(network), to(network), masquerade()])
}

/// Docker, for one, sets the policy of iptables' FORWARD chain to drop; that chain is iptables' own, and an accept here
/// does not overrule it.
fn forward(network: IpNet) -> Chain {
    Chain::base("forward", ChainType::Filter, Hook::Forward, Priority::FILTER)
        .rule([Statement::eq(source(network), network), Statement::accept()])
        .rule([Statement::eq(destination(network), network), Statement::accept()])
}

fn source(network: IpNet) -> Expr {
    match Family::of_net(network) {
        Family::V4 => Expr::IpSaddr,
        Family::V6 => Expr::Ip6Saddr,
    }
}

fn destination(network: IpNet) -> Expr {
    match Family::of_net(network) {
        Family::V4 => Expr::IpDaddr,
        Family::V6 => Expr::Ip6Daddr,
    }
}

/// 224.0.0.0/4 or ff00::/8.
fn multicast(network: IpNet) -> IpNet {
    match Family::of_net(network) {
        Family::V4 => ipnet::Ipv4Net::new_assert([224, 0, 0, 0].into(), 4).into(),
        Family::V6 => ipnet::Ipv6Net::new_assert([0xff00, 0, 0, 0, 0, 0, 0, 0].into(), 8).into(),
    }
}

#[cfg(test)]
mod tests;
