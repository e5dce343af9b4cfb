//! What those who run the pods report of them.

use std::net::IpAddr;

use super::change::Change;
use super::{ControlPlane, Outcome};
use crate::{Kind, ObjectName, ObjectRef, Pod, Problem};

/// What was reported of a pod; it stands above what the pod's manifest says, and outlives later applies of it.
#[derive(Clone, Debug, Default)]
pub(super) struct PodStatus {
    node: Option<String>,
    ips: Option<Vec<IpAddr>>,
    ready: Option<bool>,
    terminating: bool,
}

impl PodStatus {
    pub(super) fn as_it_is(pod: &Pod) -> Self {
        let ips = (!pod.ips().is_empty()).then(|| pod.ips().to_vec());
        let node = pod.node_name().map(str::to_owned);
        Self { node, ips, ready: Some(pod.ready()), terminating: pod.terminating() }
    }

    fn of(&self, mut pod: Pod) -> Pod {
        if let Some(node) = &self.node {
            pod = pod.bound_to(node.clone());
        }
        if let Some(ips) = &self.ips {
            pod = pod.with_ips(ips.clone());
        }
        if let Some(ready) = self.ready {
            pod = pod.with_ready(ready);
        }
        if self.terminating { pod.deleting() } else { pod }
    }
}

impl ControlPlane {
    /// The pod, whose manifest names no node, was given to one: what a scheduler's Binding says.
    pub fn pod_bound(&mut self, pod: &ObjectName, node: &str) -> Outcome {
        self.report(pod, |status| status.node = Some(node.to_owned()))
    }

    /// The pod was attached to the network with these addresses, primary first, and is ready. Without addresses it
    /// was detached.
    pub fn pod_network(&mut self, pod: &ObjectName, ips: &[IpAddr]) -> Outcome {
        self.report(pod, |status| {
            status.ips = Some(ips.to_vec());
            status.ready = None;
        })
    }

    /// The pod passes its readiness checks, or fails them.
    pub fn pod_ready(&mut self, pod: &ObjectName, ready: bool) -> Outcome {
        self.report(pod, |status| status.ready = Some(ready))
    }

    /// The pod is on its way out: it serves on, but gets no new connections as long as others are ready. Once it has
    /// ended, [`delete`](ControlPlane::delete) it.
    pub fn pod_terminating(&mut self, pod: &ObjectName) -> Outcome {
        self.report(pod, |status| status.terminating = true)
    }

    fn report(&mut self, name: &ObjectName, update: impl FnOnce(&mut PodStatus)) -> Outcome {
        let mut change = Change::default();
        let Some(pod) = self.pod(name).map(|pod| Pod::clone(pod)) else {
            let reference = ObjectRef::new(Kind::Pod, name.clone());
            change.problems.push(Problem::new(&reference, "", "does not exist: apply its manifest first"));
            return change.into_outcome();
        };
        let status = self.pod_status.entry(name.clone()).or_default();
        update(status);
        let pod = status.of(pod);
        self.put(pod.into(), &mut change);
        self.finish(change)
    }

    /// The pod of a manifest, with what is known of it.
    pub(super) fn with_status(&self, pod: &Pod) -> Pod {
        match self.pod_status.get(pod.name()) {
            Some(status) => status.of(pod.clone()),
            None => pod.clone(),
        }
    }
}
