//! Whose the chains are that tables hold.

use crate::iptables::{MARKER, Rule, TableName, Tables};

/// Only a kubelet makes it.
const KUBELETS_CANARY: &str = "KUBE-KUBELET-CANARY";
/// kubelets make it too, with the same rule.
const LOOPBACK: &str = "KUBE-FIREWALL";

/// The chains of proxies that tables hold.
#[derive(Debug)]
pub(super) struct Listed {
    /// Ours, or to be adopted.
    pub(super) ours: Tables,
    /// The first chain of a proxy, where no marker says that it is ours.
    pub(super) foreign: Option<(TableName, String)>,
    /// There is a kubelet, which looks after [`LOOPBACK`].
    pub(super) kubelets: bool,
}

pub(super) fn of(listing: &Tables) -> Listed {
    let mut ours = listing.owned();
    let kubelets = TableName::ALL.iter().any(|table| listing.chain(*table, KUBELETS_CANARY).is_some());
    if kubelets {
        leave_to_kubelet(&mut ours);
    }
    let is_proxys = |name: &str| name.starts_with("KUBE-") && name != LOOPBACK;
    let mut chains = ours.chains().map(|(place, _)| place).filter(|(_, name)| is_proxys(name));
    let foreign = if is_marked(listing) { None } else { chains.next() };
    let foreign = foreign.map(|(table, chain)| (table, chain.to_owned()));
    drop(chains);
    Listed { foreign, kubelets, ours }
}

/// One marker is enough: somebody may have flushed a table.
pub(super) fn is_marked(listing: &Tables) -> bool {
    TableName::ALL.iter().any(|table| listing.chain(*table, MARKER).is_some())
}

/// Takes the kubelet's chain out, and the rules that lead there.
pub(super) fn leave_to_kubelet(tables: &mut Tables) {
    tables.remove(TableName::Filter, LOOPBACK);
    let leads_there = |rule: &Rule| rule.leads_to() == Some(LOOPBACK);
    for built_in in ["INPUT", "OUTPUT"] {
        let Some(mut chain) = tables.remove(TableName::Filter, built_in) else { continue };
        chain.retain(|rule| !leads_there(rule));
        if !chain.rules().is_empty() {
            tables.insert(TableName::Filter, built_in, chain);
        }
    }
}
