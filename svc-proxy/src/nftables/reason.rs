//! What it means that a packet ends at one of our sets or chains.

use super::base::SERVICES_CHECK;
use super::map::Map;
use crate::trace::Reason;

/// Why a packet that this set or map knows goes no further.
pub(crate) fn reason_of_set(name: &str) -> Option<Reason> {
    let is = |map: Map| map.name() == name;
    match () {
        () if is(Map::NoEndpointServices) || is(Map::NoEndpointNodePorts) => Some(Reason::NoEndpoints),
        () if is(Map::FirewallIps) => Some(Reason::SourceRanges),
        () if is(Map::ClusterIps) || is(Map::BoundAddresses) => Some(Reason::NoSuchPort),
        () => None,
    }
}

/// Why a packet that no set knows ends in this chain.
pub(crate) fn reason_of_chain(name: &str) -> Option<Reason> {
    (name == SERVICES_CHECK).then_some(Reason::NoSuchService)
}
