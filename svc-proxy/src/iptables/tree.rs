//! The way to a Service: chains that each ask for a few more bits of an address, or of a port.
//!
//! The tree is a function of the keys alone, whatever order they came in. Nothing of it is kept: a node is computed from the
//! sorted keys when somebody asks for it, in O(log n). Nodes begin at every third bit, counted from the last one, and at no
//! other: so a key that comes or goes changes what lies on the way to it, and nothing elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use rpds::RedBlackTreeMapSync as Map;
use svc_model::{AddressType, ObjectName, Protocol};

use super::base::{CLUSTER_IPS, EXTERNAL, EXTERNAL_NODE_PORTS, FIREWALL, NODE_PORTS, SERVICES};
use super::matching::Negatable;
use super::name;
use super::rule::{Rule, address};
use super::table::{Chain, TableName};

/// Chains with no more keys than this ask for them one after the other.
const LEAF: usize = 8;
/// Bits that a chain asks for: at most eight rules.
const STRIDE: u8 = 3;

/// A chain in which all Services have rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Dispatcher {
    Services,
    NodePorts(Protocol),
    Refused,
    RefusedExternal,
    RefusedNodePorts(Protocol),
    Firewall,
    ClusterIps,
    HealthChecks,
}

/// Where a rule stands: by address, or by port.
pub(crate) type Key = (Dispatcher, u128);

/// The Services that have rules at a key.
pub(crate) type Keys = Map<Key, Vec<ObjectName>>;

/// Keys in order, and what stands at each: kept for changes, or gathered for all chains at once.
pub(crate) trait Sorted: Copy {
    type At;

    /// Those from one to another, both included.
    fn range(self, from: Key, to: Key) -> impl DoubleEndedIterator<Item = (Key, Self::At)>;
}

impl<'a> Sorted for &'a Keys {
    type At = &'a [ObjectName];

    fn range(self, from: Key, to: Key) -> impl DoubleEndedIterator<Item = (Key, Self::At)> {
        Map::range(self, from..=to).map(|(key, services)| (*key, services.as_slice()))
    }
}

impl<'a, T> Sorted for &'a [(Key, &'a [T])] {
    type At = &'a [T];

    fn range(self, from: Key, to: Key) -> impl DoubleEndedIterator<Item = (Key, Self::At)> {
        let rest = &self[self.partition_point(|(key, _)| *key < from)..];
        rest[..rest.partition_point(|(key, _)| *key <= to)].iter().copied()
    }
}

impl Dispatcher {
    pub(crate) fn all() -> impl Iterator<Item = Dispatcher> {
        let ports = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
        [
            Self::Services,
            Self::Refused,
            Self::RefusedExternal,
            Self::Firewall,
            Self::ClusterIps,
            Self::HealthChecks,
        ]
        .into_iter()
        .chain(ports.map(Self::NodePorts))
        .chain(ports.map(Self::RefusedNodePorts))
    }

    /// The chain that it begins in.
    pub(crate) fn root(self) -> (TableName, &'static str) {
        match self {
            Self::Services => (TableName::Nat, SERVICES),
            Self::NodePorts(_) => (TableName::Nat, NODE_PORTS),
            Self::Refused => (TableName::Filter, SERVICES),
            Self::RefusedExternal => (TableName::Filter, EXTERNAL),
            Self::RefusedNodePorts(_) => (TableName::Filter, EXTERNAL_NODE_PORTS),
            Self::Firewall => (TableName::Filter, FIREWALL),
            Self::ClusterIps => (TableName::Filter, CLUSTER_IPS),
            Self::HealthChecks => (TableName::Filter, NODE_PORTS),
        }
    }

    fn port(self) -> Option<Protocol> {
        match self {
            Self::NodePorts(protocol) | Self::RefusedNodePorts(protocol) => Some(protocol),
            Self::HealthChecks => Some(Protocol::Tcp),
            _ => None,
        }
    }

    fn width(self, family: AddressType) -> u8 {
        match (self.port(), family) {
            (Some(_), _) => 16,
            (None, AddressType::Ipv6) => 128,
            (None, _) => 32,
        }
    }
}

/// All keys that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) dispatcher: Dispatcher,
    low: u128,
    length: u8,
}

/// One dispatcher's keys.
pub(crate) struct Tree<K> {
    pub(crate) keys: K,
    pub(crate) family: AddressType,
    pub(crate) flat: bool,
    pub(crate) dispatcher: Dispatcher,
}

impl<K: Sorted> Tree<K> {
    fn width(&self) -> u8 {
        self.dispatcher.width(self.family)
    }

    /// Bits behind the first `length` ones.
    fn rest(&self, length: u8) -> u128 {
        let bits = u32::from(self.width() - length);
        if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
    }

    fn within(&self, low: u128, length: u8) -> impl DoubleEndedIterator<Item = (Key, K::At)> {
        self.keys.range((self.dispatcher, low), (self.dispatcher, low | self.rest(length)))
    }

    /// The last place within `length` bits where a node may begin.
    fn begins(&self, length: u8) -> u8 {
        let first = self.width() % STRIDE;
        if length < first { 0 } else { length - (length - first) % STRIDE }
    }

    /// Where the nodes below this one begin.
    fn below(&self, node: Node) -> u8 {
        let first = self.width() % STRIDE;
        let next = if node.length < first { first } else { node.length + STRIDE };
        next.min(self.width())
    }

    /// All keys of `low` and the bits behind its first ones, as tight as they allow.
    fn tight(&self, low: u128, length: u8) -> Option<Node> {
        let (first, last) = (self.within(low, length).next()?.0.1, self.within(low, length).next_back()?.0.1);
        let differ = u8::try_from(128 - (first ^ last).leading_zeros()).unwrap_or(128);
        let length = self.begins(self.width() - differ.min(self.width()));
        Some(Node { dispatcher: self.dispatcher, low: first & !self.rest(length), length })
    }

    fn root(&self) -> Option<Node> {
        self.tight(0, 0)
    }

    fn is_leaf(&self, node: Node) -> bool {
        self.flat || self.within(node.low, node.length).take(LEAF + 1).count() <= LEAF
    }

    /// The nodes below, in order.
    fn children(&self, node: Node) -> Vec<Node> {
        if self.is_leaf(node) {
            return Vec::new();
        }
        let length = self.below(node);
        let step = self.rest(length).wrapping_add(1);
        let slots = (0..1_u128 << (length - node.length)).map(|slot| node.low | slot.wrapping_mul(step));
        slots.filter_map(|low| self.tight(low, length)).collect()
    }

    /// What stands in the chain of a node: rules of Services, or jumps. `rules` adds those of Services at a key.
    pub(crate) fn rules(&self, node: Node, rules: &mut impl FnMut(Key, K::At, &mut Vec<Rule>)) -> Vec<Rule> {
        let children = self.children(node);
        if children.is_empty() {
            return self.leaf(node, rules);
        }
        children.into_iter().map(|child| self.jump(child, self.name(child))).collect()
    }

    fn leaf(&self, node: Node, rules: &mut impl FnMut(Key, K::At, &mut Vec<Rule>)) -> Vec<Rule> {
        let mut all = Vec::new();
        self.within(node.low, node.length).for_each(|(key, at)| rules(key, at, &mut all));
        // Several ports of a Service ask for the same.
        all.dedup();
        all
    }

    /// What stands in the chain that the tree begins in.
    pub(crate) fn root_rules(&self, rules: &mut impl FnMut(Key, K::At, &mut Vec<Rule>)) -> Vec<Rule> {
        self.root().map(|root| self.rules(root, rules)).unwrap_or_default()
    }

    /// The same, while all other chains of the tree are shown.
    pub(crate) fn show(
        &self,
        rules: &mut impl FnMut(Key, K::At, &mut Vec<Rule>),
        show: &mut impl FnMut(Arc<str>, Chain),
    ) -> Vec<Rule> {
        self.root().map(|root| self.show_below(root, rules, show)).unwrap_or_default()
    }

    fn show_below(
        &self,
        node: Node,
        rules: &mut impl FnMut(Key, K::At, &mut Vec<Rule>),
        show: &mut impl FnMut(Arc<str>, Chain),
    ) -> Vec<Rule> {
        let children = self.children(node);
        if children.is_empty() {
            return self.leaf(node, rules);
        }
        let mut jumps = Vec::with_capacity(children.len());
        for child in children {
            let name = self.name(child);
            let below = self.show_below(child, rules, show);
            jumps.push(self.jump(child, Arc::clone(&name)));
            show(name, Chain::new(below));
        }
        jumps
    }

    fn jump(&self, node: Node, name: Arc<str>) -> Rule {
        let rule = Rule::new(self.family);
        let rule = match self.dispatcher.port() {
            Some(protocol) => {
                let port = |bits: u128| u16::try_from(bits).unwrap_or(u16::MAX);
                rule.port(protocol, port(node.low), port(node.low | self.rest(node.length)))
            }
            None => {
                let net = IpNet::new(address(self.family, node.low), node.length);
                rule.destination(Negatable::is(net.unwrap_or_default().into()))
            }
        };
        rule.jump(name)
    }

    pub(crate) fn name(&self, node: Node) -> Arc<str> {
        name::of("DST", &format!("{:?} {:x}/{}", node.dispatcher, node.low, node.length))
    }

    /// All nodes but the root that may have come, gone or changed with a key: those on the way to it, and those beside
    /// them.
    pub(crate) fn around(&self, key: u128) -> BTreeSet<Node> {
        let mut all = BTreeSet::new();
        let mut at = self.root();
        while let Some(node) = at {
            let children = self.children(node);
            let length = self.below(node);
            let is_below = self.covers(node, key);
            at = children
                .iter()
                .copied()
                .find(|child| is_below && (child.low ^ key) & !self.rest(length) == 0);
            all.extend(children);
        }
        all
    }

    fn covers(&self, node: Node, key: u128) -> bool {
        (node.low ^ key) & !self.rest(node.length) == 0
    }

    /// Whether there is this node, other than the root.
    pub(crate) fn has(&self, node: Node) -> bool {
        let mut at = self.root();
        while let Some(above) = at {
            let children = self.children(above);
            if children.contains(&node) {
                return true;
            }
            at = children.into_iter().find(|child| self.covers(*child, node.low));
        }
        false
    }
}

/// By name.
pub(crate) type Causes = BTreeMap<(TableName, Arc<str>), BTreeSet<ObjectName>>;
