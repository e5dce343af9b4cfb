//! What becomes of a packet: a walk through the rules themselves, on paper.
//!
//! A trace knows the rules and nothing else: those that were compiled, or those that a kernel lists. It does not know the
//! [`Plan`](crate::Plan), so it can tell where the two differ. Where rules draw lots it follows every way, and says how
//! probable each is. What it does not understand is an error that names the expression, never passed over.
//!
//! ```
//! use svc_model::{Snapshot, yaml};
//! use svc_proxy::packet::Packet;
//! use svc_proxy::trace::Outcome;
//! use svc_proxy::{Node, Plan, nftables};
//!
//! let manifests = yaml::read("
//! {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.80, ports: [{port: 80}]}}
//! ---
//! {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
//!  metadata: {name: web-1, labels: {kubernetes.io/service-name: web}},
//!  ports: [{port: 9376}], endpoints: [{addresses: [10.244.2.65]}, {addresses: [10.244.5.104]}]}");
//! let snapshot: Snapshot = manifests.stored().0.into_iter().collect();
//! let node = Node::builder("server2").address("172.20.10.2").cluster_cidr("10.244.0.0/16").build()?;
//! let rules = Plan::new(&snapshot, &node).compile(&nftables::Backend::default());
//!
//! let trace = rules.trace(&"TCP 10.244.2.70 10.96.0.80:80".parse::<Packet>()?)?;
//! assert_eq!(trace.outcome(), Outcome::Forward);
//! assert_eq!(trace.object(), Some("default/web"));
//! let endpoints: Vec<_> = trace.endpoints().map(|way| (way.probability(), way.is_masqueraded())).collect();
//! assert_eq!(endpoints, [(0.5, false), (0.5, false)]);
//!
//! // The same for people: the way it took, and why.
//! let refused = rules.trace(&"TCP 10.244.2.70 10.96.0.80:81".parse::<Packet>()?)?;
//! assert!(refused.to_string().starts_with("TCP 10.244.2.70 10.96.0.80:81: refused"), "{refused}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dice;
mod error;
mod explain;
pub mod iptables;
mod memory;
pub mod nftables;
mod reason;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use error::TraceError;
pub use memory::Memory;
pub use reason::Reason;

use crate::packet::Packet;

/// Rules that packets can be sent through on paper, of whichever back end.
pub trait Ruleset: fmt::Debug {
    /// Where a packet may end, if clients are remembered like this. Every way there is, in no particular order.
    ///
    /// # Errors
    ///
    /// The first thing on the way that is not understood.
    fn ways(&self, packet: &Packet, memory: &Memory) -> Result<Vec<Way>, TraceError>;

    /// What becomes of a packet of a client that nothing remembers, but for what the rules themselves list.
    ///
    /// # Errors
    ///
    /// The first thing on the way that is not understood.
    fn trace(&self, packet: &Packet) -> Result<Trace, TraceError> {
        self.trace_remembering(packet, &Memory::default())
    }

    /// The same, where earlier packets are remembered: see [`Way::memory`].
    ///
    /// # Errors
    ///
    /// The first thing on the way that is not understood.
    fn trace_remembering(&self, packet: &Packet, memory: &Memory) -> Result<Trace, TraceError> {
        Ok(Trace::new(packet, self.ways(packet, memory)?))
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Its destination is translated, and it goes there.
    Forward,
    /// It goes nowhere, and the sender is told.
    Reject,
    /// It goes nowhere.
    Drop,
    /// A rule says that it may pass as it is.
    Accept,
    /// No rule decides.
    Untouched,
}

impl Outcome {
    /// In lower case, in one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Forward => "forward",
            Outcome::Reject => "reject",
            Outcome::Drop => "drop",
            Outcome::Accept => "accept",
            Outcome::Untouched => "untouched",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the sender of a rejected packet is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reply {
    /// A TCP reset: "connection refused".
    Reset,
    /// An ICMP error.
    Unreachable,
}

/// A rule that a packet met and that did something to it.
#[derive(Clone, Debug)]
pub struct Step {
    pub(crate) rule: Arc<dyn RuleAt>,
    pub(crate) object: Option<Arc<str>>,
}

/// A rule at its place, of whichever back end.
pub(crate) trait RuleAt: fmt::Debug + Send + Sync {
    fn table(&self) -> &str;
    fn chain(&self) -> &str;
    fn rule(&self) -> &str;
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object
            && (self.table(), self.chain(), self.rule()) == (other.table(), other.chain(), other.rule())
    }
}

impl Step {
    /// The table, as in `ip svc-proxy`.
    #[must_use]
    pub fn table(&self) -> &str {
        self.rule.table()
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &str {
        self.rule.chain()
    }

    /// The rule, as its tool writes it.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.rule.rule()
    }

    /// The object that caused it to do something: a Service port as `namespace/name:port`. What all Services have in
    /// common is caused by the one that the packet is for; without one, by the node alone.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        self.object.as_deref()
    }
}

/// One way through the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    pub(crate) probability: f64,
    pub(crate) outcome: Outcome,
    pub(crate) destination: Option<SocketAddr>,
    pub(crate) masqueraded: bool,
    pub(crate) remembered: Option<Duration>,
    pub(crate) reply: Option<Reply>,
    pub(crate) mark: u32,
    pub(crate) reason: Option<Reason>,
    pub(crate) memory: Memory,
    pub(crate) path: Vec<Step>,
}

impl Way {
    /// How probable it is; those of a trace add up to 1.
    #[must_use]
    pub fn probability(&self) -> f64 {
        self.probability
    }

    /// Where it ends.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The translated destination.
    #[must_use]
    pub fn destination(&self) -> Option<SocketAddr> {
        self.destination
    }

    /// The packet leaves with an address of this host as its source.
    #[must_use]
    pub fn is_masqueraded(&self) -> bool {
        self.masqueraded
    }

    /// For how long the client is remembered at this destination; [`Duration::MAX`]: for good.
    #[must_use]
    pub fn remembered(&self) -> Option<Duration> {
        self.remembered
    }

    /// What the sender is told, where the packet is rejected.
    #[must_use]
    pub fn reply(&self) -> Option<Reply> {
        self.reply
    }

    /// The packet's mark in the end.
    #[must_use]
    pub fn mark(&self) -> u32 {
        self.mark
    }

    /// What the rules remember afterwards.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The rules on this way, in order.
    #[must_use]
    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// Whether the two lead to the same place in the same manner.
    fn is_like(&self, other: &Way) -> bool {
        self.outcome == other.outcome
            && self.destination == other.destination
            && self.masqueraded == other.masqueraded
            && (self.remembered, self.reply, self.mark) == (other.remembered, other.reply, other.mark)
    }
}

/// What becomes of one packet, and by which rules. Displays as an explanation for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    packet: Packet,
    ways: Vec<Way>,
    path: Vec<Step>,
}

impl Trace {
    fn new(packet: &Packet, all: Vec<Way>) -> Self {
        let mut path = Vec::new();
        let mut ways: Vec<Way> = Vec::new();
        for way in all {
            walk_along(&mut path, &way.path);
            match ways.iter_mut().find(|known| known.is_like(&way)) {
                Some(known) => known.probability += way.probability,
                None => ways.push(way),
            }
        }
        ways.sort_by_key(|way| (way.outcome, way.destination, way.masqueraded));
        ways.iter_mut().for_each(|way| way.probability = rounded(way.probability));
        let mut trace = Self { packet: packet.clone(), ways, path };
        trace.attribute_the_common();
        trace
    }

    /// The packet.
    #[must_use]
    pub fn packet(&self) -> &Packet {
        &self.packet
    }

    /// What becomes of it: [`Outcome::Forward`] if any way leads on, else where it most probably ends.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.likeliest().map_or(Outcome::Untouched, |way| way.outcome)
    }

    /// Every different end it may have; by outcome, then by destination.
    #[must_use]
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// The ways that lead to an endpoint, by address.
    pub fn endpoints(&self) -> impl Iterator<Item = &Way> {
        self.ways.iter().filter(|way| way.outcome == Outcome::Forward)
    }

    /// Each rule that did something on any of the ways, in order.
    #[must_use]
    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// The Service port that the packet is for, as `namespace/name:port`.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        self.path.iter().rev().find_map(Step::object)
    }

    /// Why it goes nowhere, where the rules are of this crate.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.likeliest()?.reason
    }

    fn likeliest(&self) -> Option<&Way> {
        let by_probability = |a: &&Way, b: &&Way| a.probability.total_cmp(&b.probability);
        self.endpoints().max_by(by_probability).or_else(|| self.ways.iter().max_by(by_probability))
    }

    /// What served every Service on the way served this packet's.
    fn attribute_the_common(&mut self) {
        let Some(object) = self.path.iter().rev().find_map(|step| step.object.clone()) else { return };
        self.path.iter_mut().for_each(|step| {
            step.object.get_or_insert_with(|| Arc::clone(&object));
        });
    }
}

/// Adds the steps that are new, before the known ones that follow them.
fn walk_along(path: &mut Vec<Step>, more: &[Step]) {
    let (mut new, mut behind) = (Vec::new(), 0);
    for step in more {
        let later = path[behind..].iter().position(|known| Arc::ptr_eq(&known.rule, &step.rule));
        match later {
            Some(distance) => {
                let at = behind + distance;
                behind = at + new.len() + 1;
                path.splice(at..at, new.drain(..));
            }
            None if path[..behind].iter().any(|known| Arc::ptr_eq(&known.rule, &step.rule)) => {}
            None => new.push(step.clone()),
        }
    }
    path.append(&mut new);
}

/// Sums of thirds are thirds.
fn rounded(probability: f64) -> f64 {
    const DIGITS: f64 = 1e12;
    (probability * DIGITS).round() / DIGITS
}
