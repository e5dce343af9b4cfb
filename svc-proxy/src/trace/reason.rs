//! Why a packet goes nowhere.

use std::fmt;

use super::Outcome;

/// Why the rules of this crate refuse or drop a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The Service has no endpoint.
    NoEndpoints,
    /// It has endpoints, but a traffic policy `Local` and none on this node.
    NoLocalEndpoints,
    /// The client is in none of its `loadBalancerSourceRanges`.
    SourceRanges,
    /// The address is a Service's, the port is not one of the Service's.
    NoSuchPort,
    /// The address is in a range of ClusterIPs, and no Service has it.
    NoSuchService,
}

impl Reason {
    /// The reason, seeing what came of it: who has endpoints elsewhere does not refuse.
    pub(crate) fn of(self, outcome: Outcome) -> Self {
        match (self, outcome) {
            (Reason::NoEndpoints, Outcome::Drop) => Reason::NoLocalEndpoints,
            _ => self,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NoEndpoints => "the Service has no endpoint that could serve",
            Reason::NoLocalEndpoints => {
                "the Service's traffic policy is Local and none of its endpoints is on this node"
            }
            Reason::SourceRanges => "the client is in none of the Service's loadBalancerSourceRanges",
            Reason::NoSuchPort => "the address is a Service's, but the Service has no such port",
            Reason::NoSuchService => "the address is one for ClusterIPs, but no Service has it",
        })
    }
}
