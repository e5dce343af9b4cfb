//! The loop that keeps a kernel in step with a store.

use std::time::Duration;

use svc_model::store::Watch;
use svc_nft::Batch;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::nftables::{self, Rules};
use crate::state::{State, Step};
use crate::sysctl::settle::{self, Before};
use crate::sysctl::{SysctlPolicy, SysctlReport};
use crate::{CleanUpError, Dataplane, Error, Node, sys};

mod handle;
mod memory;
mod sync;

#[cfg(test)]
mod tests;

use handle::{Command, Reports};
pub use handle::{Handle, Status};

/// How often kernel settings are looked at when nothing changes.
const RECHECK: Duration = Duration::from_secs(5);

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
        let (reports, handle) = handle::pair(commands);
        let driver = move || {
            let state = State::new(&watch.snapshot(), &self.node, &self.backend);
            Driver {
                proxy: self,
                state,
                watch,
                open: true,
                inbox,
                reports,
                before: Before::new(),
                remembered: Before::new(),
            }
        };
        (handle, async move { driver().run().await })
    }
}

#[derive(Debug)]
struct Driver {
    proxy: Proxy,
    state: State,
    watch: Watch,
    /// The store may still change.
    open: bool,
    inbox: mpsc::UnboundedReceiver<Command>,
    reports: Reports,
    /// Settings that were, or are about to be, changed: their values before.
    before: Before,
    /// What of that the kernel remembers.
    remembered: Before,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let wake = self.sync().unwrap_or_else(|| Instant::now() + RECHECK);
            tokio::select! {
                biased;
                command = self.inbox.recv() => match command {
                    None => return,
                    Some(Command::CleanUp(reply)) => {
                        // The caller may have gone; the clean-up is done all the same.
                        let _ = reply.send(self.clean_up());
                        return;
                    }
                },
                change = self.watch.changed(), if self.open => match change {
                    Ok((snapshot, delta)) => self.state.handle_change(&snapshot, &delta),
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
        let (wake, error) = self.sync_rules();
        // No setting is changed before the kernel remembers what it was: whoever cleans up must know.
        let sysctls = settle::check(self.proxy.dataplane.sysctls(), &self.proxy.node, &self.remembered);
        self.reports.publish(&self.state, sysctls, error);
        wake
    }

    fn sync_rules(&mut self) -> (Option<Instant>, Option<Error>) {
        let mut error = None;
        loop {
            let result = match self.state.poll_step(Instant::now().into_std()) {
                Step::Wait(None) if self.before != self.remembered => self.remember(),
                Step::Wait(until) => return (until.map(Instant::from_std), error),
                Step::Apply(batch) => self.apply(&batch),
                Step::Resync(rules) => self.resync(&rules),
            };
            match result {
                Ok(()) => self.state.handle_applied(),
                Err(failure) => {
                    tracing::warn!(%failure, "rules not applied; those in force stay");
                    error = Some(failure);
                    self.state.handle_failed(Instant::now().into_std());
                }
            }
        }
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), Error> {
        Ok(sync::apply(self.proxy.dataplane.nftables(), batch)?)
    }

    fn resync(&mut self, rules: &Rules) -> Result<(), Error> {
        let kernel = self.proxy.dataplane.nftables();
        sync::resync(kernel, &self.proxy.backend, rules, &mut self.before)?;
        self.remembered = self.before.clone();
        Ok(())
    }

    /// Everything else is in force; only the memory of settings lags.
    fn remember(&mut self) -> Result<(), Error> {
        if let Some(table) = self.state.first_table() {
            self.apply(&memory::write(&table, &self.before))?;
        }
        self.remembered = self.before.clone();
        Ok(())
    }

    fn clean_up(&mut self) -> Result<(), CleanUpError> {
        let before = std::mem::take(&mut self.before);
        sync::clean_up(&mut *self.proxy.dataplane, &self.proxy.backend, before)
    }
}
