//! What several Services use together: chains for a number of endpoints, and elements that two of them may ask for.

use svc_nft::{Chain, Key, Name, Rule, Statement};

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
        let mut chain = Chain::regular(self.name());
        let rules = match self {
            SharedChain::Spread(count) => Map::Endpoints.spread(dialect, &[], count),
            SharedChain::External(count) => marked(dialect, Map::Endpoints, count),
            SharedChain::NodePort(count) => marked(dialect, Map::NodePortEndpoints, count),
            SharedChain::ExternalLocal { cluster, local } => {
                by_source(dialect, (Map::Endpoints, cluster), (Map::LocalEndpoints, local))
            }
            SharedChain::NodePortLocal { cluster, local } => {
                by_source(dialect, (Map::NodePortEndpoints, cluster), (Map::NodePortLocalEndpoints, local))
            }
        };
        rules.into_iter().for_each(|rule| chain.push(rule));
        chain
    }
}

fn marked(dialect: &Dialect, map: Map, count: u32) -> Vec<Rule> {
    let mut rules = vec![Rule::new([dialect.mark()])];
    rules.extend(map.spread(dialect, &[], count));
    rules
}

/// `externalTrafficPolicy: Local`: pods and the node itself may use every endpoint, others those of this node. A
/// packet that leaves the chain untranslated is dropped later.
fn by_source(dialect: &Dialect, cluster: (Map, u32), local: (Map, u32)) -> Vec<Rule> {
    let mut rules = Vec::new();
    if let (map, count @ 1..) = cluster {
        if let Some(pods_only) = dialect.pods_only() {
            rules.extend(map.spread(dialect, &[pods_only], count));
        }
        rules.push([Statement::from_local(), dialect.mark()].into());
        rules.extend(map.spread(dialect, &[Statement::from_local()], count));
    }
    if let (map, count @ 1..) = local {
        rules.extend(map.spread(dialect, &[], count));
    }
    rules
}
