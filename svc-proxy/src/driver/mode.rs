//! What the driver knows of a mode: how rules reach a kernel, and what is left of them there.

use std::fmt;
use std::time::SystemTime;

use svc_model::{Delta, Revision, Snapshot};
use tokio::time::Instant;

use crate::metrics::{Counts, Metrics, Sync};
use crate::state::{RuleSet, State, Step};
use crate::sysctl::settle::Before;
use crate::{Compiler, Dataplane, Error, Node, Plan, Rejection};

type RulesOf<M> = <<M as Mode>::Backend as Compiler>::Rules;
/// [`Mode::resync`] or [`Mode::look`].
type Resync<M> = fn(&mut M, &mut dyn Dataplane, &RulesOf<M>, &mut Before) -> Result<Resynced, Error>;

/// One way to a kernel.
pub(super) trait Mode: fmt::Debug + Send + Sized {
    /// What compiles for it.
    type Backend: Compiler<Rules: RuleSet + Send> + Clone + fmt::Debug + Send;

    fn backend(&self) -> &Self::Backend;

    /// Sends a difference.
    fn apply(
        &mut self,
        kernel: &mut dyn Dataplane,
        change: &<RulesOf<Self> as RuleSet>::Change,
    ) -> Result<Applied, Error>;

    /// Lists what is there and changes what is not as it should be; what is right stays in force. What is remembered there of
    /// settings comes into `before`, and all that is in `before` is remembered.
    fn resync(
        &mut self,
        kernel: &mut dyn Dataplane,
        rules: &RulesOf<Self>,
        before: &mut Before,
    ) -> Result<Resynced, Error>;

    /// As [`resync`](Self::resync), where only others' changes that were [noticed](Self::others_changed) are to be undone: these
    /// rules are in force otherwise.
    fn look(
        &mut self,
        kernel: &mut dyn Dataplane,
        rules: &RulesOf<Self>,
        before: &mut Before,
    ) -> Result<Resynced, Error> {
        self.resync(kernel, rules, before)
    }

    /// What rules are compiled for may have changed since the last time. Costs next to nothing.
    fn surroundings_changed(&mut self, _kernel: &mut dyn Dataplane) -> bool {
        false
    }

    /// Looks at what the kernel has that rules are compiled for. Whether that is another than before, and the backend with it.
    fn look_around(&mut self, _kernel: &mut dyn Dataplane) -> Result<bool, Error> {
        Ok(false)
    }

    /// Makes the kernel remember what settings were.
    fn remember(
        &mut self,
        kernel: &mut dyn Dataplane,
        rules: &RulesOf<Self>,
        before: &Before,
    ) -> Result<(), Error>;

    /// How many rules there are, where that is counted.
    fn counts(&self) -> Option<&Counts> {
        None
    }

    /// Somebody else changed rules, perhaps ours, since the last time. Costs next to nothing.
    fn others_changed(&mut self, kernel: &mut dyn Dataplane) -> bool;
}

/// What a mode may have left in a kernel, now or in an earlier life.
pub(super) trait Remains: fmt::Debug {
    /// What it has the kernel remember of settings.
    fn recollect(&mut self, kernel: &mut dyn Dataplane) -> Result<Before, Error>;

    /// Removes all of it; goes on after a failure. Unless it has to be at once, what connections need stays until they end,
    /// which is an error of its own: [`Error::Draining`].
    fn remove(&mut self, kernel: &mut dyn Dataplane, at_once: bool) -> Vec<Error>;
}

/// What became of a difference.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Others were seen to change rules meanwhile.
    pub(super) others: bool,
    /// It was refused for what it says, or for its size: to be looked into rather than tried again.
    pub(super) refused: Option<Error>,
}

/// What a resync found and did.
#[derive(Debug, Default)]
pub(super) struct Resynced {
    /// Services whose rules the kernel refuses; everything else is in force.
    pub(super) rejections: Vec<Rejection>,
    /// Something was not as it should be.
    pub(super) changed: bool,
}

/// Kernel settings that were changed, or are about to be.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Their values before.
    pub(super) before: Before,
    /// What of that the kernel remembers.
    pub(super) remembered: Before,
}

/// What is wanted, brought to a kernel in one mode.
#[derive(Debug)]
pub(super) struct Keeper<M: Mode> {
    state: State<M::Backend>,
    mode: M,
}

/// A [`Keeper`] of whichever mode.
pub(super) trait Keep: fmt::Debug + Send {
    fn plan(&self) -> &Plan;
    fn programmed(&self) -> Revision;
    fn failures(&self) -> u32;
    fn rejections(&self) -> Vec<Rejection>;
    fn repairs(&self) -> u64;
    fn handle_change(&mut self, snapshot: &Snapshot, delta: &Delta);
    fn handle_node(&mut self, snapshot: &Snapshot, node: &Node);

    /// Looks whether somebody else changed rules.
    fn notice_others(&mut self, kernel: &mut dyn Dataplane);

    /// Brings the rules up to what is wanted now. Returns when to try again, and why it has to.
    fn sync(
        &mut self,
        kernel: &mut dyn Dataplane,
        settings: &mut Settings,
        metrics: &Metrics,
    ) -> (Option<Instant>, Option<Error>);
}

impl<M: Mode> Keeper<M> {
    pub(super) fn new(plan: Plan, mode: M) -> Self {
        Self { state: State::new(plan, mode.backend()), mode }
    }

    /// Sends a difference; whether it was taken. Refused for what it says, it is looked into rather than tried again.
    fn apply(
        &mut self,
        kernel: &mut dyn Dataplane,
        change: &<RulesOf<M> as RuleSet>::Change,
    ) -> Result<bool, Error> {
        let applied = self.mode.apply(kernel, change)?;
        if applied.others {
            self.state.handle_foreign_change(Instant::now().into_std());
        }
        let Some(error) = applied.refused else {
            self.state.handle_applied();
            return Ok(true);
        };
        tracing::warn!(%error, "a change was refused: the kernel's rules are listed");
        self.state.handle_refused();
        Ok(false)
    }

    fn resync(
        &mut self,
        kernel: &mut dyn Dataplane,
        rules: &RulesOf<M>,
        settings: &mut Settings,
        by: Resync<M>,
    ) -> Result<bool, Error> {
        let start = Instant::now().into_std();
        if self.mode.look_around(kernel)? {
            self.state.handle_backend(self.mode.backend());
            return Ok(true);
        }
        let resynced = by(&mut self.mode, kernel, rules, &mut settings.before)?;
        for rejection in &resynced.rejections {
            tracing::warn!("{rejection}");
        }
        settings.remembered = settings.before.clone();
        let took = (start, Instant::now().into_std());
        self.state.handle_resynced(resynced.rejections, resynced.changed, took);
        Ok(true)
    }

    /// Everything else is in force; only the memory of settings lags.
    fn remember(&mut self, kernel: &mut dyn Dataplane, settings: &mut Settings) -> Result<bool, Error> {
        self.mode.remember(kernel, self.state.rules(), &settings.before)?;
        settings.remembered = settings.before.clone();
        Ok(true)
    }
}

impl<M: Mode> Keep for Keeper<M> {
    fn plan(&self) -> &Plan {
        self.state.plan()
    }

    fn programmed(&self) -> Revision {
        self.state.programmed()
    }

    fn failures(&self) -> u32 {
        self.state.failures()
    }

    fn rejections(&self) -> Vec<Rejection> {
        self.state.rejections().cloned().collect()
    }

    fn repairs(&self) -> u64 {
        self.state.repairs()
    }

    fn handle_change(&mut self, snapshot: &Snapshot, delta: &Delta) {
        self.state.handle_change(snapshot, delta);
    }

    fn handle_node(&mut self, snapshot: &Snapshot, node: &Node) {
        self.state.handle_node(snapshot, node);
    }

    fn notice_others(&mut self, kernel: &mut dyn Dataplane) {
        if self.mode.surroundings_changed(kernel) {
            match self.mode.look_around(kernel) {
                Ok(false) => {}
                Ok(true) => self.state.handle_backend(self.mode.backend()),
                // It is looked at again then, and what fails then is told.
                Err(_) => self.state.handle_refused(),
            }
        }
        if self.mode.others_changed(kernel) {
            self.state.handle_foreign_change(Instant::now().into_std());
        }
    }

    fn sync(
        &mut self,
        kernel: &mut dyn Dataplane,
        settings: &mut Settings,
        metrics: &Metrics,
    ) -> (Option<Instant>, Option<Error>) {
        let mut error = None;
        loop {
            let start = Instant::now();
            let (sync, result) = match self.state.poll_step(start.into_std()) {
                Step::Wait(_) if settings.before != settings.remembered && self.state.failures() == 0 => {
                    (Sync::Partial, self.remember(kernel, settings))
                }
                Step::Wait(until) => return (until.map(Instant::from_std), error),
                Step::Apply(change) => (Sync::Partial, self.apply(kernel, &change)),
                Step::Resync(rules) => (Sync::Full, self.resync(kernel, &rules, settings, M::resync)),
                Step::Look(rules) => (Sync::Full, self.resync(kernel, &rules, settings, M::look)),
            };
            let taken = matches!(result, Ok(true));
            metrics.synced(sync, start.elapsed(), taken, SystemTime::now());
            self.mode.counts().into_iter().for_each(|counts| metrics.counted(counts.clone()));
            if let Err(failure) = result {
                tracing::warn!(%failure, "rules not applied; those in force stay");
                error = Some(failure);
                self.state.handle_failed(Instant::now().into_std());
            }
        }
    }
}
