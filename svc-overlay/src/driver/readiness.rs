//! Telling the registry that pods may come to this node: its lease is published and its kernel in step.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::Instant;

use crate::lease::Lease;
use crate::registry::{BoxFuture, Registry, RegistryError, Revision};
use crate::state::{Backoff, Problem};

pub(super) struct Readiness {
    registry: Arc<dyn Registry>,
    /// Of which publication it was told.
    told: Option<Revision>,
    under_way: Option<(Revision, BoxFuture<'static, Result<(), RegistryError>>)>,
    /// Why it could not be told, and when that is tried again.
    refused: Option<(RegistryError, Instant)>,
    backoff: Backoff,
}

impl Readiness {
    pub(super) fn new(registry: Arc<dyn Registry>) -> Self {
        Readiness { registry, told: None, under_way: None, refused: None, backoff: Backoff::default() }
    }

    pub(super) fn problem(&self) -> Option<Problem> {
        self.refused.as_ref().map(|(error, _)| Problem::Registry(error.clone()))
    }

    pub(super) fn is_settled(&self) -> bool {
        self.under_way.is_none() && self.refused.is_none()
    }

    /// Whether it was told of this publication.
    pub(super) fn is_told(&self, published: Option<Revision>) -> bool {
        published.is_some() && self.told == published
    }

    /// When there is something to do, if that is known.
    pub(super) fn due(&self) -> Option<Instant> {
        self.refused.as_ref().map(|(_, again)| *again).filter(|_| self.under_way.is_none())
    }

    /// Begins to tell what was not told yet. A registry that answers at once knows it when this returns.
    pub(super) async fn tell(&mut self, (lease, published): (Lease, Revision)) {
        let waits = self.due().is_some_and(|again| again > Instant::now());
        if self.under_way.is_some() || self.told == Some(published) || waits {
            return;
        }
        let registry = Arc::clone(&self.registry);
        let answer = Box::pin(async move { registry.ready(&lease).await });
        let (_, answer) = self.under_way.insert((published, answer));
        if let Poll::Ready(answer) = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await {
            self.settle(answer);
        }
    }

    /// Waits for the answer of the registry, for ever if nothing was told. Cancel safe.
    pub(super) async fn answered(&mut self) {
        match &mut self.under_way {
            Some((_, answer)) => {
                let answer = answer.as_mut().await;
                self.settle(answer);
            }
            None => std::future::pending().await,
        }
    }

    /// Whoever undoes what was told has to wait for it.
    pub(super) async fn finish(&mut self) {
        if self.under_way.is_some() {
            self.answered().await;
        }
    }

    fn settle(&mut self, answer: Result<(), RegistryError>) {
        let Some((published, _)) = self.under_way.take() else { return };
        match answer {
            Ok(()) => {
                self.backoff.succeeded();
                (self.told, self.refused) = (Some(published), None);
            }
            Err(error) => self.refused = Some((error, Instant::now() + self.backoff.failed())),
        }
    }
}

#[cfg(test)]
mod tests;
