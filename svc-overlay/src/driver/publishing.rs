//! The node's own lease in the registry: published, renewed before it expires, published once more when it is lost.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use crate::lease::{Half, Lease};
use crate::registry::{BoxFuture, LeaseSet, Published, Registry, RegistryError, Revision};
use crate::state::{Backoff, Problem};
use crate::sys::clock;

/// Publishing takes as long as the store does; the kernel is looked after meanwhile.
pub(super) struct Publishing {
    registry: Arc<dyn Registry>,
    clock: Clock,
    /// The lease as the node has it.
    wanted: Option<Lease>,
    /// The lease as the registry has it, and since when.
    published: Option<(Lease, Revision)>,
    /// When it is to be published again, or tried again.
    due: Option<Due>,
    under_way: Option<(Lease, BoxFuture<'static, Result<Published, RegistryError>>)>,
    refused: Option<RegistryError>,
    backoff: Backoff,
}

impl Publishing {
    pub(super) fn new(registry: Arc<dyn Registry>, clock: Clock) -> Self {
        Publishing {
            registry,
            clock,
            wanted: None,
            published: None,
            due: None,
            under_way: None,
            refused: None,
            backoff: Backoff::default(),
        }
    }

    /// The lease as peers see it.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.published.as_ref().map(|(lease, _)| lease)
    }

    /// The same with the revision that holds it, while it is the one that the node has.
    pub(super) fn published(&self) -> Option<(Lease, Revision)> {
        self.published.clone().filter(|(lease, _)| self.wanted.as_ref() == Some(lease))
    }

    pub(super) fn problem(&self) -> Option<Problem> {
        self.refused.clone().map(Problem::Registry)
    }

    /// Whether nothing is to be done at the moment.
    pub(super) fn is_settled(&self) -> bool {
        self.published.is_some() && self.refused.is_none() && !self.is_due()
    }

    /// How long until there is something to do; nothing when that is now, or never.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let due = self.due.as_ref()?;
        due.after.checked_sub(self.clock.since(&due.begun)).filter(|left| !left.is_zero())
    }

    /// Begins to publish what the registry does not have. A registry that answers at once has it when this returns.
    pub(super) async fn publish(&mut self, lease: Lease) {
        self.wanted = Some(lease.clone());
        if self.under_way.is_some() {
            return;
        }
        let current = self.lease() == Some(&lease);
        // A new address, of either kind, does not wait for the time of renewal.
        let changed = !current && self.published.is_some() && self.refused.is_none();
        let begin = if self.due.is_some() { changed || self.is_due() } else { !current };
        if !begin {
            return;
        }
        let (registry, own) = (Arc::clone(&self.registry), lease.clone());
        let answer = Box::pin(async move { registry.publish(own).await });
        let (_, answer) = self.under_way.insert((lease, answer));
        if let Poll::Ready(answer) = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await {
            self.settle(answer);
        }
    }

    /// Waits for the answer of the registry, for ever if nothing was asked. Cancel safe.
    pub(super) async fn answered(&mut self) {
        match &mut self.under_way {
            Some((_, answer)) => {
                let answer = answer.as_mut().await;
                self.settle(answer);
            }
            None => std::future::pending().await,
        }
    }

    fn settle(&mut self, answer: Result<Published, RegistryError>) {
        let Some((lease, _)) = self.under_way.take() else { return };
        match answer {
            Ok(Published { revision, renew_in }) => {
                debug!(%lease, %revision, "published");
                self.published = Some((lease, revision));
                self.refused = None;
                self.due = renew_in.map(|time| self.clock.after(time));
            }
            Err(error) => {
                // What runs goes on, with what is known of the peers; it is tried again.
                self.due = Some(self.clock.after(self.backoff.failed()));
                self.refused = Some(error);
            }
        }
    }

    /// Looks for the own lease among all of them, where it should be by now. `put_back`: the store has gone to an older state.
    pub(super) fn look_for(&mut self, leases: &LeaseSet, put_back: bool) {
        let Some((lease, since)) = &self.published else { return };
        if put_back {
            (self.published, self.due) = (None, None);
            return;
        }
        if leases.revision() < *since {
            return;
        }
        if leases.lease(lease.subnet()).is_some_and(|held| is_same(held, lease)) {
            self.backoff.succeeded();
        } else {
            // It expired while the store could not be reached, or somebody removed it: published once more, or refused. Not
            // again and again without a pause, if somebody removes it each time.
            self.published = None;
            self.due = Some(self.clock.after(self.backoff.failed()));
        }
    }

    /// The store is back after it could not be reached: peers that know us no more need not wait for the next attempt.
    pub(super) fn try_again_now(&mut self) {
        if self.refused.is_some() {
            self.backoff.succeeded();
            self.due = Some(self.clock.after(Duration::ZERO));
        }
    }

    /// Takes the lease, or else this one, out of the registry.
    pub(super) async fn withdraw(&mut self, otherwise: Lease) -> Result<(), RegistryError> {
        // What is under way would come after.
        if self.under_way.is_some() {
            self.answered().await;
        }
        let lease = self.published.take().map_or(otherwise, |(lease, _)| lease);
        self.registry.withdraw(&lease).await.map(drop)
    }

    fn is_due(&self) -> bool {
        self.due.as_ref().is_some_and(|due| self.clock.since(&due.begun) >= due.after)
    }
}

/// Whether a lease in the registry is the own one. Where nodes have names, somebody may have given this one another address for
/// its peers: see the annotation `public-ip-overwrite`.
fn is_same(held: &Lease, own: &Lease) -> bool {
    let same = |(a, b): (&Half, &Half)| {
        let address = a.public_ip == b.public_ip || held.node() == own.node();
        a.subnet == b.subnet && a.vxlan == b.vxlan && address
    };
    held.halves().len() == own.halves().len() && held.halves().iter().zip(own.halves()).all(same)
}

/// How time passes for a lease: as for the store, also while this machine sleeps, and whatever is made of its calendar.
#[derive(Clone)]
pub(super) struct Clock {
    since_boot: Arc<dyn Fn() -> Duration + Send + Sync>,
}

struct Due {
    begun: Begun,
    after: Duration,
}

struct Begun {
    running: Instant,
    boot: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        Clock::of(clock::since_boot)
    }

    /// With another clock in place of that which counts while the machine sleeps.
    pub(super) fn of(since_boot: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Clock { since_boot: Arc::new(since_boot) }
    }

    fn after(&self, after: Duration) -> Due {
        Due { begun: Begun { running: Instant::now(), boot: (self.since_boot)() }, after }
    }

    /// The longer of the two: tokio's clock stands still while the machine sleeps, and runs ahead in tests.
    fn since(&self, begun: &Begun) -> Duration {
        begun.running.elapsed().max((self.since_boot)().saturating_sub(begun.boot))
    }
}

#[cfg(test)]
mod tests;
