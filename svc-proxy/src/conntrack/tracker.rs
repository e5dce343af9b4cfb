//! What has to be swept, and when. Pure: takes `now`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use svc_model::ObjectName;

use super::Sweep;
use crate::Plan;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Remembers which Services changed since flows were last swept.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    /// The plan that flows are right for; in the beginning nobody knows.
    swept: Option<Plan>,
    changed: BTreeSet<ObjectName>,
    /// Not only single Services changed.
    everything: bool,
    failures: u32,
    retry_at: Option<Instant>,
}

impl Tracker {
    /// These Services may be another now.
    pub(crate) fn note<'n>(&mut self, services: impl IntoIterator<Item = &'n ObjectName>) {
        self.changed.extend(services.into_iter().cloned());
    }

    /// Any Service may be another now.
    pub(crate) fn note_everything(&mut self) {
        self.everything = true;
    }

    /// What to look for, now that the rules of `plan` are in force.
    pub(crate) fn poll_sweep(&self, plan: &Plan, now: Instant) -> Option<Sweep> {
        let all = self.everything || self.swept.is_none();
        if (!all && self.changed.is_empty()) || self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        let before = self.swept.as_ref();
        if !all {
            return Some(Sweep::new(before, plan, &self.changed));
        }
        let names = before.into_iter().chain([plan]).flat_map(Plan::services).map(|service| service.name());
        Some(Sweep::new(before, plan, names))
    }

    /// Nothing stale is left.
    pub(crate) fn handle_swept(&mut self, plan: &Plan) {
        *self = Self { swept: Some(plan.clone()), ..Self::default() };
    }

    /// Not all could be looked at.
    pub(crate) fn handle_failed(&mut self, now: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.retry_at = Some(now + pause);
    }
}
