//! The loop that keeps a kernel in step with a store.

use std::time::{Duration, SystemTime};

use svc_model::store::Watch;
use svc_nft::Batch;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::conntrack::tracker::Tracker;
use crate::metrics::{Metrics, Sync};
use crate::nftables::{self, Rules};
use crate::state::{State, Step};
use crate::sysctl::settle::{self, Before};
use crate::sysctl::{SysctlPolicy, SysctlReport};
use crate::{CleanUpError, Dataplane, Error, Node, sys};

mod handle;
mod memory;
mod piecemeal;
mod sweep;
mod sync;

#[cfg(test)]
mod tests;

use handle::{Command, Reports};
pub use handle::{Handle, Status};

/// How often the kernel's settings, and the generation of its rules, are looked at when nothing changes: a few system
/// calls.
const RECHECK: Duration = Duration::from_secs(1);
/// How often a change is sent anew because others change rules at the same time, before it is sent regardless of them.
const ATTEMPTS: usize = 10;

/// How rules reach the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// nftables over netlink.
    #[default]
    Nftables,
}

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
    backend: nftables::Backend,
    sysctls: SysctlPolicy,
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
    pub fn backend(self, backend: Backend) -> Self {
        match backend {
            Backend::Nftables => self,
        }
    }

    /// Name of the nftables tables: `svc-proxy` unless set.
    pub fn table(mut self, name: impl Into<svc_nft::Name>) -> Self {
        self.proxy.backend = self.proxy.backend.table(name);
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
                backend: nftables::Backend::default(),
                sysctls: SysctlPolicy::Check,
                dataplane: Box::new(sys::Kernel::new()),
            },
        }
    }

    /// Looks at the kernel settings that forwarding needs, in the network namespace of this thread; changes none.
    pub fn check(&mut self) -> SysctlReport {
        settle::check(self.dataplane.sysctls(), &self.node, &Before::new())
    }

    /// Removes what a proxy of this configuration left in the network namespace of this thread, and puts back the
    /// kernel settings it changed. For a running proxy use [`Handle::clean_up`].
    ///
    /// # Errors
    ///
    /// What could not be removed; everything else is.
    pub fn clean_up(mut self) -> Result<(), CleanUpError> {
        sync::clean_up(&mut *self.dataplane, &self.backend, Before::new())
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
            let state = State::new(&watch.snapshot(), &self.node, &self.backend);
            Driver {
                proxy: self,
                state,
                tracker: Tracker::default(),
                metrics,
                watch,
                open: true,
                inbox,
                reports,
                before: Before::new(),
                remembered: Before::new(),
                generation: None,
            }
        };
        (handle, async move { driver().run().await })
    }
}

#[derive(Debug)]
struct Driver {
    proxy: Proxy,
    state: State,
    /// Flows that the rules would have decided otherwise.
    tracker: Tracker,
    metrics: Metrics,
    watch: Watch,
    /// The store may still change.
    open: bool,
    inbox: mpsc::UnboundedReceiver<Command>,
    reports: Reports,
    /// Settings that were, or are about to be, changed: their values before.
    before: Before,
    /// What of that the kernel remembers.
    remembered: Before,
    /// The generation of the kernel's rules as of our last batch.
    generation: Option<u32>,
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
                        self.state.handle_node(&self.watch.snapshot(), &node);
                        self.tracker.note_everything();
                        self.proxy.node = *node;
                    }
                    Some(Command::CleanUp(reply)) => {
                        // The caller may have gone; the clean-up is done all the same.
                        let _ = reply.send(self.clean_up());
                        return;
                    }
                },
                change = self.watch.changed(), if self.open => match change {
                    Ok((snapshot, delta)) => {
                        self.state.handle_change(&snapshot, &delta);
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
        let node = &self.proxy.node;
        if self.proxy.sysctls == SysctlPolicy::Set {
            settle::note(self.proxy.dataplane.sysctls(), node, &mut self.before);
        }
        self.notice_others();
        let (wake, error) = self.sync_rules();
        self.sweep();
        // No setting is changed before the kernel remembers what it was: whoever cleans up must know.
        let sysctls = settle::check(self.proxy.dataplane.sysctls(), &self.proxy.node, &self.remembered);
        self.reports.publish(&self.state, sysctls, error);
        wake
    }

    /// A generation that is not ours: somebody changed rules, perhaps ours.
    fn notice_others(&mut self) {
        // A kernel that does not answer will not take a batch either, and that is reported.
        let Ok(generation) = self.proxy.dataplane.nftables().generation() else { return };
        if self.generation.is_some_and(|ours| ours != generation) {
            self.generation = Some(generation);
            self.state.handle_foreign_change(Instant::now().into_std());
        }
    }

    /// Forgets the flows that the rules in force would have decided otherwise: a flow that begins before the rules are in
    /// force would be as wrong as the one it replaces.
    fn sweep(&mut self) {
        let plan = self.state.plan();
        if self.state.failures() > 0 || self.state.programmed() != plan.revision() {
            return;
        }
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

    fn sync_rules(&mut self) -> (Option<Instant>, Option<Error>) {
        let mut error = None;
        loop {
            let start = Instant::now();
            let (sync, result) = match self.state.poll_step(start.into_std()) {
                Step::Wait(_) if self.before != self.remembered && self.state.failures() == 0 => {
                    (Sync::Partial, self.remember())
                }
                Step::Wait(until) => return (until.map(Instant::from_std), error),
                Step::Apply(batch) => (Sync::Partial, self.apply(&batch)),
                Step::Resync(rules) => (Sync::Full, self.resync(&rules)),
            };
            self.metrics.synced(sync, start.elapsed(), result.is_ok(), SystemTime::now());
            if let Err(failure) = result {
                tracing::warn!(%failure, "rules not applied; those in force stay");
                error = Some(failure);
                self.state.handle_failed(Instant::now().into_std());
            }
        }
    }

    /// Sends a difference. Refused for what it says, it is looked into rather than tried again.
    fn apply(&mut self, batch: &Batch) -> Result<(), Error> {
        match self.send(batch) {
            Ok(()) => self.state.handle_applied(),
            Err(error) if error.is_transient() || error.is_permission_denied() => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "a change was refused: the kernel's rules are listed");
                self.state.handle_refused();
            }
        }
        Ok(())
    }

    /// A change is sent for the generation that our last batch led to, so that others are noticed.
    fn send(&mut self, batch: &Batch) -> Result<(), svc_nft::Error> {
        let kernel = self.proxy.dataplane.nftables();
        if batch.is_empty() {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            let generation = match self.generation {
                Some(generation) => generation,
                None => kernel.generation()?,
            };
            match sync::apply_at(kernel, generation, batch) {
                Err(error) if error.is_stale() => {
                    self.state.handle_foreign_change(Instant::now().into_std());
                    self.generation = None;
                }
                result => {
                    self.generation = Some(result?);
                    return Ok(());
                }
            }
        }
        kernel.apply(batch)
    }

    fn resync(&mut self, rules: &Rules) -> Result<(), Error> {
        let start = Instant::now().into_std();
        let kernel = self.proxy.dataplane.nftables();
        let resynced = sync::resync(kernel, &self.proxy.backend, rules, &mut self.before)?;
        for rejection in &resynced.rejections {
            tracing::warn!("{rejection}");
        }
        self.generation = Some(resynced.generation);
        self.remembered = self.before.clone();
        let took = (start, Instant::now().into_std());
        self.state.handle_resynced(resynced.rejections, resynced.changed, took);
        Ok(())
    }

    /// Everything else is in force; only the memory of settings lags.
    fn remember(&mut self) -> Result<(), Error> {
        if let Some(table) = self.state.first_table() {
            self.send(&memory::write(&table, &self.before))?;
        }
        self.remembered = self.before.clone();
        Ok(())
    }

    fn clean_up(&mut self) -> Result<(), CleanUpError> {
        let before = std::mem::take(&mut self.before);
        sync::clean_up(&mut *self.proxy.dataplane, &self.proxy.backend, before)
    }
}
