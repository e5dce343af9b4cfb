//! Following the leases without listing the kernel: what changed of them is made, and nothing else is looked at.
//!
//! That needs a kernel which is known to hold the plan. It is after a whole comparison that found nothing to do, until the
//! kernel reports a change that was not made here. What goes unreported, the whole comparison finds that comes all the same.

use super::reconcile::{Outcome, of_peers};
use super::run::Driver;
use crate::dataplane::Dataplane;
use crate::kernel::Underlay;
use crate::plan::Plan;
use crate::registry::LeaseSet;
use crate::state::Problem;

/// What the kernel holds, as far as is known.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) plan: Plan,
    pub(super) underlay: Underlay,
    /// Those of the plan.
    pub(super) leases: LeaseSet,
    /// What could not be done, and need not.
    pub(super) problems: Vec<Problem>,
}

impl<D: Dataplane> Driver<D> {
    /// Makes what changed of the leases. False when that is not enough to be in step: then everything has to be compared.
    pub(super) async fn advance(&mut self) -> bool {
        let (Some(leases), Some(held)) = (self.leases.clone(), self.held.take()) else { return false };
        if !self.publishing.is_settled() || !self.readiness.is_settled() {
            return false;
        }
        let Held { plan, underlay, leases: before, problems } = held;
        let Some((plan, changes)) = plan.update(&self.config, &underlay, &before, &leases) else {
            return false;
        };
        let mut outcome = Outcome { problems, done: 0 };
        let failed = self.make_all(changes.operations(), &mut outcome).await;
        let Outcome { problems, done } = outcome;
        let in_step = failed.is_empty();
        self.status.send_if_modified(|status| {
            let before = status.clone();
            status.operations += done;
            if in_step {
                status.programmed = Some(plan.revision());
                status.peers = plan.nodes();
                status.lingering = self.lingering.len();
                status.problems = problems.iter().cloned().chain(of_peers(&leases, &plan)).collect();
            }
            *status != before
        });
        if in_step {
            self.held = Some(Held { plan, underlay, leases, problems });
        }
        in_step
    }
}

#[cfg(test)]
mod tests;
