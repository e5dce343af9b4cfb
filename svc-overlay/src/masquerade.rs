//! Rules for packets that leave the overlay, and for those that are forwarded: flannel's, in its iptables order.

use std::fmt;

use ipnet::{IpNet, Ipv4Net};
use svc_nft::{Chain, ChainType, Expr, Family, Hook, Priority, Statement, Table};

/// The name of our nftables table, in the `ip` family.
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
    /// The rules of a node with pod subnet `subnet` in the overlay `network`.
    #[must_use]
    pub fn new(network: Ipv4Net, subnet: Ipv4Net) -> Self {
        let table = Table::new(Family::Ip, TABLE);
        Rules(table.chain(postrouting(network, subnet)).chain(forward(network)))
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        self.0.id().name()
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
#[cfg(feature = "driver")]
pub(crate) fn table_id(name: &str) -> svc_nft::TableId {
    svc_nft::TableId::new(Family::Ip, name)
}

fn postrouting(network: Ipv4Net, subnet: Ipv4Net) -> Chain {
    let from = |net: Ipv4Net| Statement::eq(Expr::IpSaddr, IpNet::V4(net));
    let to = |net: Ipv4Net| Statement::eq(Expr::IpDaddr, IpNet::V4(net));
    let not_from = |net: Ipv4Net| Statement::ne(Expr::IpSaddr, IpNet::V4(net));
    let masquerade = Statement::masquerade_fully_random;
    let multicast = Ipv4Net::new_assert(std::net::Ipv4Addr::new(224, 0, 0, 0), 4);
    Chain::base("postrouting", ChainType::Nat, Hook::Postrouting, Priority::SRCNAT)
        // The Service proxy masquerades these already.
        .rule([Statement::mark_is(PROXY_MARK, PROXY_MARK), Statement::return_()])
        // Between pods nothing is changed.
        .rule([from(subnet), to(network), Statement::return_()])
        .rule([from(network), to(subnet), Statement::return_()])
        // What comes in for a local pod keeps its client's address.
        .rule([not_from(network), to(subnet), Statement::return_()])
        // Pods towards the outside; nobody outside knows a way back to them.
        .rule([from(network), Statement::ne(Expr::IpDaddr, IpNet::V4(multicast)), masquerade()])
        // From outside by way of this node to a pod of another: its answer has to come back here.
        .rule([not_from(network), to(network), masquerade()])
}

/// Docker, for one, sets the policy of iptables' FORWARD chain to drop; that chain is iptables' own, and an accept here
/// does not overrule it.
fn forward(network: Ipv4Net) -> Chain {
    Chain::base("forward", ChainType::Filter, Hook::Forward, Priority::FILTER)
        .rule([Statement::eq(Expr::IpSaddr, IpNet::V4(network)), Statement::accept()])
        .rule([Statement::eq(Expr::IpDaddr, IpNet::V4(network)), Statement::accept()])
}

#[cfg(test)]
mod tests;
