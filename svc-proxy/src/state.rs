//! What is wanted, what is in the kernel, and when to try again. Pure: takes `now`, returns what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use svc_model::{Delta, ObjectName, Revision, Snapshot};

use crate::{Compiler, Node, Plan, Rejection, iptables, ipvs, nftables};

#[cfg(test)]
mod tests;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a Service stays aside that the kernel refused, unless it changes.
const ASIDE: Duration = Duration::from_secs(300);
/// Looking at the kernel's rules may take this part of the time at most, however often others change theirs.
const SHARE_OF_LOOKING: u32 = 20;

/// Compiled rules of whichever back end, as far as following a plan goes.
pub(crate) trait RuleSet: Clone + fmt::Debug {
    /// What turns some rules into others.
    type Change: fmt::Debug;

    /// Follows a plan whose `services` changed.
    fn update(&mut self, plan: &Plan, services: &BTreeSet<ObjectName>);

    /// The same rules without these Services.
    fn without<'a>(&self, services: impl IntoIterator<Item = &'a ObjectName>) -> Self;

    /// What turns `from`, of the same node and back end, into these rules, where these Services changed.
    fn diff_of(&self, from: &Self, services: &BTreeSet<ObjectName>) -> Self::Change;
}

/// The same for each back end's rules, by methods of the same names.
macro_rules! rule_set {
    ($rules:ty, $change:ty) => {
        impl RuleSet for $rules {
            type Change = $change;

            fn update(&mut self, plan: &Plan, services: &BTreeSet<ObjectName>) {
                self.update(plan, services);
            }

            fn without<'a>(&self, services: impl IntoIterator<Item = &'a ObjectName>) -> Self {
                self.without(services)
            }

            fn diff_of(&self, from: &Self, services: &BTreeSet<ObjectName>) -> Self::Change {
                self.diff_of(from, services)
            }
        }
    };
}

rule_set!(nftables::Rules, svc_nft::Batch);
rule_set!(iptables::Rules, Vec<iptables::Change>);
rule_set!(ipvs::Rules, ipvs::Change);

/// What the driver has to do next.
#[derive(Debug)]
pub(crate) enum Step<R: RuleSet> {
    /// The kernel's state is unknown: list, compare, make it these rules.
    Resync(R),
    /// These rules are in force, unless others changed them: list, compare, make it these.
    Look(R),
    /// Apply this.
    Apply(R::Change),
    /// Nothing before this time, unless something changes.
    Wait(Option<Instant>),
}

/// The state of one proxy in one mode.
#[derive(Debug)]
pub(crate) struct State<B: Compiler<Rules: RuleSet> = nftables::Backend> {
    plan: Plan,
    backend: B,
    rules: B::Rules,
    /// What the kernel holds; `None` after a failure and in the beginning.
    in_force: Option<B::Rules>,
    programmed: Revision,
    /// Services that differ between `rules` and `in_force`.
    changed: BTreeSet<ObjectName>,
    aside: Aside,
    failures: u32,
    retry_at: Option<Instant>,
    /// When to look whether somebody else has changed our rules.
    look_at: Option<Instant>,
    looked: Option<Look>,
    repairs: u64,
}

/// Services that the kernel refused: everything else is in force without them.
#[derive(Debug, Default)]
struct Aside {
    rejections: BTreeMap<ObjectName, Rejection>,
    until: Option<Instant>,
}

/// The last time that the kernel's rules were looked at.
#[derive(Clone, Copy, Debug)]
struct Look {
    end: Instant,
    cost: Duration,
}

impl<B: Compiler<Rules: RuleSet> + Clone> State<B> {
    pub(crate) fn new(plan: Plan, backend: &B) -> Self {
        let rules = backend.compile(&plan);
        Self {
            plan,
            backend: backend.clone(),
            rules,
            in_force: None,
            programmed: Revision::default(),
            changed: BTreeSet::new(),
            aside: Aside::default(),
            failures: 0,
            retry_at: None,
            look_at: None,
            looked: None,
            repairs: 0,
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn rules(&self) -> &B::Rules {
        &self.rules
    }

    /// The last revision that the kernel held entirely, but for what it refuses.
    pub(crate) fn programmed(&self) -> Revision {
        self.programmed
    }

    /// How many attempts failed since the last one that did not.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// What the kernel refuses.
    pub(crate) fn rejections(&self) -> impl Iterator<Item = &Rejection> {
        self.aside.rejections.values()
    }

    /// How often what others did to our rules was undone.
    pub(crate) fn repairs(&self) -> u64 {
        self.repairs
    }

    pub(crate) fn handle_change(&mut self, snapshot: &Snapshot, delta: &Delta) {
        let mut changed = self.plan.update(snapshot, delta);
        self.rules.update(&self.plan, &changed);
        changed.iter().for_each(|name| drop(self.aside.rejections.remove(name)));
        self.changed.append(&mut changed);
    }

    /// The node has other settings from now on.
    pub(crate) fn handle_node(&mut self, snapshot: &Snapshot, node: &Node) {
        self.plan = Plan::new(snapshot, node);
        self.rules = self.backend.compile(&self.plan);
        self.aside = Aside::default();
        self.handle_refused();
    }

    /// Rules are compiled for something else from now on.
    pub(crate) fn handle_backend(&mut self, backend: &B) {
        self.backend = backend.clone();
        self.rules = self.backend.compile(&self.plan);
        self.handle_refused();
    }

    pub(crate) fn poll_step(&mut self, now: Instant) -> Step<B::Rules> {
        if self.retry_at.is_some_and(|at| now < at) {
            return Step::Wait(self.retry_at);
        }
        if self.aside.until.is_some_and(|until| now >= until) {
            self.changed.extend(std::mem::take(&mut self.aside).rejections.into_keys());
        }
        let look = self.look_at.is_some_and(|at| now >= at);
        let Some(in_force) = self.in_force.as_ref() else {
            return Step::Resync(self.wanted());
        };
        if self.changed.is_empty() && look {
            return Step::Look(self.wanted());
        }
        if self.changed.is_empty() {
            // A revision that changes nothing here is in the kernel already.
            self.programmed = self.plan.revision();
            return Step::Wait(self.look_at.into_iter().chain(self.aside.until).min());
        }
        Step::Apply(self.wanted().diff_of(in_force, &self.changed))
    }

    /// The kernel took what the last step asked for.
    pub(crate) fn handle_applied(&mut self) {
        self.in_force = Some(self.wanted());
        self.programmed = self.plan.revision();
        self.changed.clear();
        self.failures = 0;
        self.retry_at = None;
    }

    /// The kernel holds what the last resync wanted, but for these Services.
    /// `changed`: not everything was as it should be.
    pub(crate) fn handle_resynced(
        &mut self,
        rejections: Vec<Rejection>,
        changed: bool,
        (start, end): (Instant, Instant),
    ) {
        if changed && self.look_at.is_some() && self.in_force.is_some() && self.changed.is_empty() {
            self.repairs += 1;
            tracing::warn!("somebody changed our rules: they are as they should be again");
        }
        if !rejections.is_empty() {
            self.aside.until = Some(end + ASIDE);
        }
        let named = rejections.into_iter().map(|rejection| (rejection.service().clone(), rejection));
        self.aside.rejections.extend(named);
        self.looked = Some(Look { end, cost: end.saturating_duration_since(start) });
        self.look_at = None;
        self.handle_applied();
    }

    /// Somebody else changed rules, perhaps ours: that has to be looked at, but not all the time.
    pub(crate) fn handle_foreign_change(&mut self, now: Instant) {
        let earliest = self.looked.map(|look| look.end + look.cost * SHARE_OF_LOOKING);
        self.look_at.get_or_insert(earliest.map_or(now, |earliest| earliest.max(now)));
    }

    /// The kernel refused a difference, so it is not as we think, or something in it is wrong: look at once.
    pub(crate) fn handle_refused(&mut self) {
        self.in_force = None;
        self.retry_at = None;
    }

    /// The kernel did not take it: what was in force is still, but that is better looked at than remembered.
    pub(crate) fn handle_failed(&mut self, now: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.retry_at = Some(now + pause);
        self.in_force = None;
    }

    /// The rules without the Services that the kernel refuses.
    fn wanted(&self) -> B::Rules {
        self.rules.without(self.aside.rejections.keys())
    }
}
