//! What becomes of a new connection.

use super::{Backend, Selection};
use crate::TrafficPolicy;

/// How a connection reaches a Service port, as far as that decides which endpoints may serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Traffic {
    /// By the ClusterIP, whoever asks: `internalTrafficPolicy`.
    Internal,
    /// By a node port, an externalIP or a load-balancer address: `externalTrafficPolicy`.
    External(Client),
}

/// Who asks, as the node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Client {
    /// A pod of this cluster. A node that cannot tell pods from others takes them for [`Outside`](Self::Outside).
    Pod,
    /// This node itself.
    Node,
    /// Anyone else.
    Outside,
}

/// What becomes of a connection. Whose source address is replaced is no question of endpoints, and not answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict<'a> {
    /// To one of these; never empty.
    Forward(&'a [&'a Backend]),
    /// Refused: no endpoint anywhere can serve.
    Reject,
    /// Dropped: some endpoint could serve, but none on this node, and the policy is Local.
    Drop,
}

impl Selection<'_> {
    /// What becomes of a new connection of this kind. From pods and from the node itself `externalTrafficPolicy: Local`
    /// keeps nothing: they could have used the ClusterIP, and no source address of the outside is to be kept for them.
    ///
    /// Meant for addresses that the port has: of external traffic to a port without any, everything is dropped where
    /// `internalTrafficPolicy` is Local.
    #[must_use]
    pub fn verdict(&self, traffic: Traffic) -> Verdict<'_> {
        let policy = match traffic {
            Traffic::Internal => self.internal,
            Traffic::External(Client::Outside) => self.external,
            Traffic::External(Client::Pod | Client::Node) => TrafficPolicy::Cluster,
        };
        let list = if policy == TrafficPolicy::Local { &self.local } else { &self.cluster };
        match (self.any, list.as_slice()) {
            (false, _) => Verdict::Reject,
            (true, []) => Verdict::Drop,
            (true, endpoints) => Verdict::Forward(endpoints),
        }
    }
}
