//! What those who run the pods report of them; it stays with the pod whatever becomes of its manifest.

use std::net::IpAddr;

use super::change::Change;
use super::{ControlPlane, Outcome};
use crate::{Kind, ObjectName, ObjectRef, Pod, Problem};

impl ControlPlane {
    /// The pod, whose manifest names no node, was given to one: what a scheduler's Binding says.
    pub fn pod_bound(&mut self, pod: &ObjectName, node: &str) -> Outcome {
        self.report(pod, |pod| pod.bound_to(node))
    }

    /// The pod was attached to the network with these addresses, primary first, and is ready. Without addresses it
    /// was detached.
    pub fn pod_network(&mut self, pod: &ObjectName, ips: &[IpAddr]) -> Outcome {
        self.report(pod, |pod| pod.with_ips(ips.to_vec()))
    }

    /// The pod passes its readiness checks, or fails them.
    pub fn pod_ready(&mut self, pod: &ObjectName, ready: bool) -> Outcome {
        self.report(pod, |pod| pod.with_ready(ready))
    }

    /// The pod is on its way out: it serves on, but gets no new connections as long as others are ready. Once it has
    /// ended, [`delete`](ControlPlane::delete) it.
    pub fn pod_terminating(&mut self, pod: &ObjectName) -> Outcome {
        self.report(pod, Pod::deleting)
    }

    fn report(&mut self, name: &ObjectName, update: impl FnOnce(Pod) -> Pod) -> Outcome {
        let mut change = Change::default();
        match self.pod(name).map(|pod| Pod::clone(pod)) {
            Some(pod) => self.put(update(pod).into(), &mut change),
            None => {
                let reference = ObjectRef::new(Kind::Pod, name.clone());
                change.problems.push(Problem::new(
                    &reference,
                    "",
                    "does not exist: apply its manifest first",
                ));
            }
        }
        self.finish(change)
    }
}
