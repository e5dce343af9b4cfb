//! Following the store.

use std::{future, sync::Arc};

use svc_model::store::Watch;

use super::{Shared, handle::Progress};
use crate::{responder::Responder, sys::unix_seconds};

/// Goes over to each new snapshot and says so; never ends.
pub(super) async fn follow(mut watch: Watch, shared: &Shared, progress: &Progress) {
    while let Ok((snapshot, delta)) = watch.changed().await {
        let mut next = Responder::clone(&shared.responder.load()).synced(true);
        next.update(&snapshot, &delta, unix_seconds());
        let next = Arc::new(next);
        shared.responder.store(Arc::clone(&next));
        progress.serving(&next);
    }
    tracing::debug!("the store is gone; its last state is served from now on");
    future::pending().await
}
