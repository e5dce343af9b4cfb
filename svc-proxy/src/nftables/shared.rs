//! What several Services use together: chains for a number of endpoints, and elements that two of them may ask for.

use svc_nft::{Chain, Key, Name, Statement};

use super::dialect::Dialect;
use super::map::Map;

/// Something that exists as long as any Service uses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shared {
    Chain(SharedChain),
    Element(Map, Key),
}

/// A chain that depends on nothing but how many endpoints there are to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SharedChain {
    /// ClusterIPs.
    Spread(u32),
    /// Addresses for clients outside.
    External(u32),
    /// The same with policy Local.
    ExternalLocal { cluster: u32, local: u32 },
    /// Node ports.
    NodePort(u32),
    /// The same with policy Local.
    NodePortLocal { cluster: u32, local: u32 },
}

impl SharedChain {
    pub(crate) fn name(self) -> Name {
        match self {
            SharedChain::Spread(count) => format!("spread-{count}"),
            SharedChain::External(count) => format!("external-{count}"),
            SharedChain::ExternalLocal { cluster, local } => format!("external-local-{cluster}-{local}"),
            SharedChain::NodePort(count) => format!("nodeport-{count}"),
            SharedChain::NodePortLocal { cluster, local } => format!("nodeport-local-{cluster}-{local}"),
        }
        .into()
    }

    pub(crate) fn chain(self, dialect: &Dialect) -> Chain {
        let chain = Chain::regular(self.name());
        match self {
            SharedChain::Spread(count) => chain.rule([Map::Endpoints.spread(dialect, count)]),
            SharedChain::External(count) => {
                chain.rule([dialect.mark()]).rule([Map::Endpoints.spread(dialect, count)])
            }
            SharedChain::NodePort(count) => {
                chain.rule([dialect.mark()]).rule([Map::NodePortEndpoints.spread(dialect, count)])
            }
            SharedChain::ExternalLocal { cluster, local } => {
                by_source(chain, dialect, (Map::Endpoints, cluster), (Map::LocalEndpoints, local))
            }
            SharedChain::NodePortLocal { cluster, local } => {
                let local = (Map::NodePortLocalEndpoints, local);
                by_source(chain, dialect, (Map::NodePortEndpoints, cluster), local)
            }
        }
    }
}

/// `externalTrafficPolicy: Local`: pods and the node itself may use every endpoint, others those of this node. A
/// packet that leaves the chain untranslated is dropped later.
fn by_source(mut chain: Chain, dialect: &Dialect, cluster: (Map, u32), local: (Map, u32)) -> Chain {
    if let (map, count @ 1..) = cluster {
        if let Some(from_pod) = dialect.pods_only() {
            chain.push([from_pod, map.spread(dialect, count)]);
        }
        chain.push([Statement::from_local(), dialect.mark()]);
        chain.push([Statement::from_local(), map.spread(dialect, count)]);
    }
    if let (map, count @ 1..) = local {
        chain.push([map.spread(dialect, count)]);
    }
    chain
}
