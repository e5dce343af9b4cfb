//! Settings that no node can have.

use std::net::IpAddr;

/// A [`Node`](crate::Node) that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// No name.
    #[error("the node has no name: give the one that EndpointSlices use as nodeName")]
    Unnamed,
    /// No address.
    #[error("node {node} has no address: add its primary one with `.address(..)`")]
    NoAddress {
        /// The node.
        node: String,
    },
    /// Text that is not what its field needs.
    #[error("{field}: `{value}` cannot be read: write an address as 172.20.10.2, a range as 10.244.0.0/16")]
    Unreadable {
        /// The setting.
        field: &'static str,
        /// What was given.
        value: String,
    },
    /// An address that no node has.
    #[error("address: {address} cannot be a node's address: give one that its network knows")]
    NotAnAddressOfANode {
        /// What was given.
        address: IpAddr,
    },
    /// A bit that the 32-bit packet mark does not have.
    #[error("masquerade_bit: {bit} is not in 0-31")]
    MasqueradeBit {
        /// What was given.
        bit: u8,
    },
    /// A detector that lacks its range.
    #[error("detector {detector} needs a range: add one with `.{field}(..)` or choose another detector")]
    DetectorWithoutRange {
        /// The detector.
        detector: &'static str,
        /// The setting to add.
        field: &'static str,
    },
    /// A name that no interface can have.
    #[error("detector: `{name}` cannot be an interface's name: 1 to 15 bytes")]
    InterfaceName {
        /// What was given.
        name: String,
    },
}
