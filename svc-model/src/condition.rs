//! `status.conditions`: what controllers found.

use crate::meta::Bookkeeping;

/// One of `status.conditions` of a Service (meta/v1 Condition), a Pod or a Node.
///
/// Conditions are equal if they say the same; when somebody looked last (`lastProbeTime`, `lastHeartbeatTime`) is kept
/// and passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    pub(crate) condition_type: String,
    pub(crate) status: String,
    pub(crate) observed_generation: Option<i64>,
    pub(crate) last_transition_time: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) looked: Bookkeeping<Looked>,
}

/// When somebody looked last, as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looked {
    pub(crate) heartbeat: Option<String>,
    pub(crate) probe: Option<String>,
}

/// The type of the condition that decides whether a Pod or a Node is ready.
pub(crate) const READY: &str = "Ready";
/// That of the condition by which a Node says that its pods cannot be reached.
#[cfg(feature = "kube")]
pub(crate) const NETWORK_UNAVAILABLE: &str = "NetworkUnavailable";

impl Condition {
    /// What it is about, such as `LoadBalancerPortsError`.
    #[must_use]
    pub fn condition_type(&self) -> &str {
        &self.condition_type
    }

    /// `True`, `False` or `Unknown`.
    #[must_use]
    pub fn status(&self) -> &str {
        &self.status
    }

    /// `metadata.generation` of the object that was looked at.
    #[must_use]
    pub fn observed_generation(&self) -> Option<i64> {
        self.observed_generation
    }

    /// When the status changed last, as written (RFC 3339).
    #[must_use]
    pub fn last_transition_time(&self) -> Option<&str> {
        self.last_transition_time.as_deref()
    }

    /// Why, as a word.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Why, as a sentence.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// When a Node's agent said so last, as written (RFC 3339).
    #[must_use]
    pub fn last_heartbeat_time(&self) -> Option<&str> {
        self.looked.0.heartbeat.as_deref()
    }

    /// When a Pod was probed last, as written (RFC 3339).
    #[must_use]
    pub fn last_probe_time(&self) -> Option<&str> {
        self.looked.0.probe.as_deref()
    }

    pub(crate) fn ready(ready: bool) -> Self {
        let status = if ready { "True" } else { "False" };
        Self { condition_type: READY.to_owned(), status: status.to_owned(), ..Self::default() }
    }

    /// What the condition Ready says, if it is there.
    pub(crate) fn find_ready(conditions: &[Self]) -> Option<bool> {
        let ready = conditions.iter().find(|condition| condition.condition_type == READY)?;
        Some(ready.status == "True")
    }
}
