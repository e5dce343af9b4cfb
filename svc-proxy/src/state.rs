//! What is wanted, what is in the kernel, and when to try again. Pure: takes `now`, returns what to do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use svc_model::{Delta, ObjectName, Revision, Snapshot};
use svc_nft::{Batch, TableId};

use crate::nftables::{Backend, Rules};
use crate::{Compiler, Node, Plan};

#[cfg(test)]
mod tests;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the driver has to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// The kernel's state is unknown: list, compare, make it these rules.
    Resync(Rules),
    /// Apply this.
    Apply(Batch),
    /// Nothing before this time, unless something changes.
    Wait(Option<Instant>),
}

/// The state of one proxy.
#[derive(Debug)]
pub(crate) struct State {
    plan: Plan,
    rules: Rules,
    /// What the kernel holds; `None` after a failure and in the beginning.
    in_force: Option<Rules>,
    programmed: Revision,
    /// Services that differ between `rules` and `in_force`.
    changed: BTreeSet<ObjectName>,
    failures: u32,
    retry_at: Option<Instant>,
}

impl State {
    pub(crate) fn new(snapshot: &Snapshot, node: &Node, backend: &Backend) -> Self {
        let plan = Plan::new(snapshot, node);
        let rules = backend.compile(&plan);
        Self {
            plan,
            rules,
            in_force: None,
            programmed: Revision::default(),
            changed: BTreeSet::new(),
            failures: 0,
            retry_at: None,
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn first_table(&self) -> Option<TableId> {
        self.rules.table_ids().into_iter().next()
    }

    /// The last revision that the kernel held entirely.
    pub(crate) fn programmed(&self) -> Revision {
        self.programmed
    }

    /// How many attempts failed since the last one that did not.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn handle_change(&mut self, snapshot: &Snapshot, delta: &Delta) {
        let mut changed = self.plan.update(snapshot, delta);
        self.rules.update(&self.plan, &changed);
        self.changed.append(&mut changed);
    }

    pub(crate) fn poll_step(&mut self, now: Instant) -> Step {
        if self.retry_at.is_some_and(|at| now < at) {
            return Step::Wait(self.retry_at);
        }
        let Some(in_force) = &self.in_force else { return Step::Resync(self.rules.clone()) };
        if self.changed.is_empty() {
            // A revision that changes nothing here is in the kernel already.
            self.programmed = self.plan.revision();
            return Step::Wait(None);
        }
        Step::Apply(self.rules.diff_of(in_force, &self.changed))
    }

    /// The kernel took what the last step asked for.
    pub(crate) fn handle_applied(&mut self) {
        self.in_force = Some(self.rules.clone());
        self.programmed = self.plan.revision();
        self.changed.clear();
        self.failures = 0;
        self.retry_at = None;
    }

    /// The kernel did not take it: what was in force is still, but that is better looked at than remembered.
    pub(crate) fn handle_failed(&mut self, now: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.retry_at = Some(now + pause);
        self.in_force = None;
    }
}
