//! Following the store.

use std::{sync::Arc, time::SystemTime};

use svc_model::store::Watch;

use super::{Shared, Synced, handle::Progress, programming::durations};
use crate::{responder::Responder, sys::unix_seconds};

/// Goes over to each new snapshot and says so; never ends.
pub(super) async fn follow(mut watch: Watch, shared: &Shared, progress: &Progress, synced: Synced) {
    let mut told = progress.told_synced();
    let mut open = true;
    let mut before = watch.snapshot();
    loop {
        let mut next = tokio::select! {
            changed = watch.changed(), if open => match changed {
                Ok((snapshot, delta)) => {
                    let mut next = Responder::clone(&shared.responder.load());
                    next.update(&snapshot, &delta, unix_seconds());
                    // The first list is no change.
                    if next.is_synced() {
                        let took = durations(&before, &snapshot, &delta, SystemTime::now());
                        took.into_iter().for_each(|took| shared.metrics.programmed(took));
                    }
                    before = snapshot;
                    next
                }
                Err(_) => {
                    tracing::debug!("the store is gone; its last state is served from now on");
                    open = false;
                    continue;
                }
            },
            Ok(()) = told.changed() => Responder::clone(&shared.responder.load()),
            else => return std::future::pending().await,
        };
        if synced != Synced::WhenTold || *told.borrow() {
            next = next.synced(true);
        }
        let next = Arc::new(next);
        shared.responder.store(Arc::clone(&next));
        progress.serving(&next);
    }
}
