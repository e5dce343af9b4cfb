//! The loop that keeps a kernel in step with a store.

use std::time::{Duration, SystemTime};

use svc_model::store::Watch;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::conntrack::tracker::Tracker;
use crate::iptables::Variant;
use crate::metrics::Metrics;
use crate::sysctl::settle::{self, Before, Setting};
use crate::sysctl::{SysctlPolicy, SysctlReport};
use crate::{CleanUpError, Dataplane, Error, Node, sys};

mod handle;
mod iptables;
mod ipvs;
mod mode;
mod modes;
mod nftables;
mod sweep;

#[cfg(test)]
mod tests;

use handle::{Change, Command, Reports};
pub use handle::{Handle, Status};
use mode::{Keep, Settings};
pub use modes::Backend;
use modes::Modes;

/// How often the kernel's settings, and the generation of its rules, are looked at when nothing changes: a few system
/// calls.
const RECHECK: Duration = Duration::from_secs(1);
/// When what another mode left is tried to be removed again.
const RETRY: Duration = Duration::from_secs(30);

/// Keeps the rules of one node in step with a store.
///
/// ```no_run
/// use svc_model::store::Store;
/// use svc_proxy::{Backend, Node, Proxy, SysctlPolicy};
///
/// # async fn example(store: Store) -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("server2").address("172.20.10.2").cluster_cidr("10.244.0.0/16").build()?;
/// let proxy = Proxy::builder(node).backend(Backend::Nftables).sysctls(SysctlPolicy::Set).build();
/// let (handle, run) = proxy.drive(store.watch());
/// tokio::spawn(run);
/// handle.programmed(store.snapshot().revision()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    node: Node,
    modes: Modes,
    sysctls: SysctlPolicy,
    min_sync_period: Duration,
    dataplane: Box<dyn Dataplane + Send>,
}

/// Collects a [`Proxy`].
#[derive(Debug)]
#[must_use]
pub struct ProxyBuilder {
    proxy: Proxy,
}

impl ProxyBuilder {
    /// How rules reach the kernel.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.proxy.modes.backend = backend;
        self
    }

    /// Name of the nftables tables: `svc-proxy` unless set.
    pub fn table(mut self, name: impl Into<svc_nft::Name>) -> Self {
        self.proxy.modes.nftables = self.proxy.modes.nftables.table(name);
        self
    }

    /// The layout of chains in the mode iptables.
    pub fn iptables(mut self, backend: crate::iptables::Backend) -> Self {
        self.proxy.modes.iptables = backend;
        self
    }

    /// Which tables the mode iptables programs: unless set, those that a plain `iptables-restore` does.
    pub fn variant(mut self, variant: Variant) -> Self {
        self.proxy.modes.variant = Some(variant);
        self
    }

    /// How long rules that were changed rest at least before they are changed again; meanwhile changes are collected. Not at all
    /// unless set.
    pub fn min_sync_period(mut self, period: Duration) -> Self {
        self.proxy.min_sync_period = period;
        self
    }

    /// All that can be set of the mode ipvs.
    pub fn ipvs(mut self, backend: crate::ipvs::Backend) -> Self {
        self.proxy.modes.ipvs = backend;
        self
    }

    /// Whether what another proxy left is taken over: `KUBE-…` chains without our marker in the mode iptables, the device and
    /// virtual servers without it in the mode ipvs. They are refused unless set.
    pub fn adopt(mut self, adopt: bool) -> Self {
        self.proxy.modes.adopt = adopt;
        self
    }

    /// Whether kernel settings may be changed; they are only looked at unless set.
    pub fn sysctls(mut self, policy: SysctlPolicy) -> Self {
        self.proxy.sysctls = policy;
        self
    }

    /// The kernel to drive: the running one unless set.
    pub fn dataplane(mut self, dataplane: impl Dataplane + Send + 'static) -> Self {
        self.proxy.dataplane = Box::new(dataplane);
        self
    }

    /// The proxy. Nothing is opened yet.
    #[must_use]
    pub fn build(self) -> Proxy {
        self.proxy
    }
}

impl Proxy {
    /// A proxy for `node`.
    pub fn builder(node: Node) -> ProxyBuilder {
        ProxyBuilder {
            proxy: Proxy {
                node,
                modes: Modes::default(),
                sysctls: SysctlPolicy::Check,
                min_sync_period: Duration::ZERO,
                dataplane: Box::new(sys::Kernel::new()),
            },
        }
    }

    /// Looks at the kernel settings that forwarding needs, in the network namespace of this thread; changes none.
    pub fn check(&mut self) -> SysctlReport {
        let needs = self.modes.needs(&self.node);
        settle::check(self.dataplane.sysctls(), &self.node, &needs, &Before::new())
    }

    /// Removes what a proxy of this configuration left in the network namespace of this thread, in whichever mode, and puts
    /// back the kernel settings it changed. For a running proxy use [`Handle::clean_up`].
    ///
    /// # Errors
    ///
    /// What could not be removed; everything else is.
    pub fn clean_up(mut self) -> Result<(), CleanUpError> {
        clean_up(&mut *self.dataplane, &self.modes, Before::new())
    }

    /// Follows a store: returns a handle and the loop, which the caller spawns or awaits.
    ///
    /// The loop works in the network namespace of the thread that polls it first, so it has to stay there: spawn it
    /// on a current-thread runtime or poll it from one thread. Applying a change blocks that thread for the kernel's
    /// time: microseconds for a change, tens of milliseconds for ten thousand Services at the start.
    ///
    /// What was in force stays so when something fails; the loop reports it and tries again. It ends when the handle
    /// is dropped, leaving the rules as they are, or after [`Handle::clean_up`]. Dropping the future is safe at any
    /// time: batches are atomic.
    pub fn drive(self, watch: Watch) -> (Handle, impl Future<Output = ()> + Send) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let metrics = Metrics::new(SystemTime::now());
        let (reports, handle) = handle::pair(commands, metrics.clone());
        let driver = move || {
            let keeper = self.modes.start(&watch.snapshot(), &self.node);
            Driver {
                proxy: self,
                keeper,
                tracker: Tracker::default(),
                metrics,
                watch,
                open: true,
                inbox,
                reports,
                settings: Settings::default(),
                recollected: false,
                others: Some(Instant::now()),
                rests: None,
            }
        };
        (handle, async move { driver().run().await })
    }
}

#[derive(Debug)]
struct Driver {
    proxy: Proxy,
    keeper: Box<dyn Keep>,
    /// Flows that the rules would have decided otherwise.
    tracker: Tracker,
    metrics: Metrics,
    watch: Watch,
    /// The store may still change.
    open: bool,
    inbox: mpsc::UnboundedReceiver<Command>,
    reports: Reports,
    settings: Settings,
    /// What other modes had the kernel remember is in `settings`.
    recollected: bool,
    /// When to look whether other modes left something, if it is not known that they did not.
    others: Option<Instant>,
    /// Until when the rules rest.
    rests: Option<Instant>,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let recheck = Instant::now() + RECHECK;
            let wake = self.sync().unwrap_or(recheck).min(recheck);
            let before = self.watch.snapshot();
            tokio::select! {
                biased;
                command = self.inbox.recv() => match command {
                    None => return,
                    Some(Command::Node(node)) => {
                        self.keeper.handle_node(&self.watch.snapshot(), &node);
                        self.tracker.note_everything();
                        self.proxy.node = *node;
                    }
                    Some(Command::Modes(change, reply)) => {
                        // The caller may have gone; the switch is made all the same.
                        let switched = self.go_over(change);
                        self.rests = None;
                        self.sync();
                        let _ = reply.send(switched);
                    }
                    Some(Command::CleanUp(reply)) => {
                        // The caller may have gone; the clean-up is done all the same.
                        let _ = reply.send(self.clean_up());
                        return;
                    }
                },
                change = self.watch.changed(), if self.open => match change {
                    Ok((snapshot, delta)) => {
                        self.keeper.handle_change(&snapshot, &delta);
                        self.tracker.note(delta.services());
                        self.metrics.changed(&before, &snapshot, &delta, SystemTime::now());
                    }
                    Err(_closed) => self.open = false,
                },
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// Brings the kernel up to what is wanted now. Returns when to try again.
    fn sync(&mut self) -> Option<Instant> {
        if self.rests.is_some_and(|until| Instant::now() < until) {
            return self.rests;
        }
        let kernel = &mut *self.proxy.dataplane;
        if !std::mem::replace(&mut self.recollected, true) {
            self.metrics.begun(self.proxy.modes.backend);
            self.settings.before = self.proxy.modes.recollect(kernel);
        }
        let needs = self.proxy.modes.needs(&self.proxy.node);
        self.note_settings(&needs);
        let kernel = &mut *self.proxy.dataplane;
        self.keeper.notice_others(kernel);
        let has_changes = self.keeper.programmed() != self.keeper.plan().revision();
        let (wake, error) = self.keeper.sync(kernel, &mut self.settings, &self.metrics);
        self.rests = has_changes.then(|| Instant::now() + self.proxy.min_sync_period);
        self.metrics.planned(self.keeper.plan());
        self.remove_other_modes();
        self.sweep();
        // No setting is changed before the kernel remembers what it was: whoever cleans up must know.
        let sysctls = self.proxy.dataplane.sysctls();
        let needs = self.proxy.modes.needs(&self.proxy.node);
        let sysctls = settle::check(sysctls, &self.proxy.node, &needs, &self.settings.remembered);
        self.reports.publish(self.proxy.modes.backend, &*self.keeper, sysctls, error);
        wake
    }

    /// Notes what a mode will have changed.
    fn note_settings(&mut self, needs: &[Setting]) {
        if self.proxy.sysctls == SysctlPolicy::Set {
            let sysctls = self.proxy.dataplane.sysctls();
            settle::note(sysctls, &self.proxy.node, needs, &mut self.settings.before);
        }
    }

    /// Everything wanted is in force.
    fn is_in_force(&self) -> bool {
        self.keeper.failures() == 0 && self.keeper.programmed() == self.keeper.plan().revision()
    }

    /// Removes what other modes left, once this one does their work.
    fn remove_other_modes(&mut self) {
        let now = Instant::now();
        if !self.is_in_force() || self.others.is_none_or(|at| now < at) {
            return;
        }
        let errors = self.proxy.modes.remove_others(&mut *self.proxy.dataplane, false);
        let (drains, fails): (Vec<_>, Vec<_>) =
            errors.iter().partition(|error| matches!(error, Error::Draining { .. }));
        fails.iter().for_each(|error| tracing::warn!(%error, "what another mode left is there still"));
        self.metrics.cleanup_failed(fails.len());
        let pause = if drains.is_empty() { RETRY } else { RECHECK };
        self.others = (!errors.is_empty()).then(|| now + pause);
        self.reports.removed(errors);
    }

    /// The new mode's rules are put in force before the former's are removed: in between both are there and mean the same, and
    /// the kernel translates no connection twice. Where the new ones cannot be, everything is as it was.
    fn go_over(&mut self, change: Change) -> Result<(), Error> {
        let former = self.proxy.modes.clone();
        let modes = match change {
            Change::Backend(backend) => Modes { backend, ..former.clone() },
            Change::Ipvs(ipvs) => Modes { ipvs: *ipvs, ..former.clone() },
        };
        let is_same = modes.backend == former.backend;
        if is_same && (modes.backend != Backend::Ipvs || modes.ipvs == former.ipvs) {
            self.proxy.modes = modes;
            return Ok(());
        }
        self.metrics.begun(modes.backend);
        let mut keeper = modes.keep(self.keeper.plan().clone());
        self.note_settings(&modes.needs(&self.proxy.node));
        let kernel = &mut *self.proxy.dataplane;
        let (_, error) = keeper.sync(kernel, &mut self.settings, &self.metrics);
        if let Some(error) = error {
            self.metrics.begun(former.backend);
            if is_same {
                // Whatever is there of the new settings is made as it was.
                self.keeper = former.keep(self.keeper.plan().clone());
                return Err(error);
            }
            // A part of it may be there.
            let left = modes.remove(kernel);
            left.iter().filter(|left| **left != error && !left.is_foreign()).for_each(
                |left| tracing::warn!(%left, "a part of the mode that was not switched to is there still"),
            );
            return Err(error);
        }
        (self.keeper, self.proxy.modes, self.others) = (keeper, modes, Some(Instant::now()));
        self.remove_other_modes();
        Ok(())
    }

    /// Forgets the flows that the rules in force would have decided otherwise: a flow that begins before the rules are in
    /// force would be as wrong as the one it replaces.
    fn sweep(&mut self) {
        if !self.is_in_force() {
            return;
        }
        let plan = self.keeper.plan();
        self.metrics.programmed(SystemTime::now());
        let start = Instant::now();
        let Some(sweep) = self.tracker.poll_sweep(plan, start.into_std()) else { return };
        match sweep::forget(&mut *self.proxy.dataplane, sweep) {
            Ok(forgotten) => {
                self.tracker.handle_swept(plan);
                self.metrics.swept(start.elapsed(), forgotten);
                self.reports.swept(forgotten, None);
            }
            Err(error) => {
                tracing::warn!(%error, "clients may stay with UDP endpoints that are gone; tried again");
                self.tracker.handle_failed(Instant::now().into_std());
                self.reports.swept(0, Some(Error::Conntrack(error)));
            }
        }
    }

    fn clean_up(&mut self) -> Result<(), CleanUpError> {
        let before = std::mem::take(&mut self.settings.before);
        clean_up(&mut *self.proxy.dataplane, &self.proxy.modes, before)
    }
}

/// Removes what any mode left and restores settings; goes on after a failure.
fn clean_up(kernel: &mut dyn Dataplane, modes: &Modes, mut before: Before) -> Result<(), CleanUpError> {
    before.extend(modes.recollect(kernel));
    let mut errors = modes.remove(kernel);
    errors.extend(modes.remove_others(kernel, true));
    errors.extend(settle::restore(kernel.sysctls(), &before));
    CleanUpError::unless_empty(errors)
}
