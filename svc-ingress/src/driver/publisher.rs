//! Keeps the status of Ingresses in step with where the router is reached.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use svc_model::store::Watch;
use svc_model::{Ingress, ObjectName, Snapshot};
use tokio::time::sleep;

use crate::config::IngressConfig;
use crate::status::{PublishStatus, Published, StatusChange, changes};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// Writes the status of every Ingress that is ours, now and after each change; never ends, and may be dropped at any time.
/// What cannot be written is tried again, after a second first and after a minute at last. See [`status`](crate::status) for
/// which process should.
pub async fn publish_status(
    mut watch: Watch,
    config: IngressConfig,
    published: Published,
    writer: impl PublishStatus,
) -> Infallible {
    let mut written = Written::default();
    let mut pause = FIRST_PAUSE;
    loop {
        let snapshot = watch.snapshot();
        written.retain(&snapshot);
        let mut failed = false;
        for change in changes(&snapshot, &config, &published) {
            if written.contains(&change) {
                continue;
            }
            match writer.publish(&change).await {
                Ok(()) => written.insert(&snapshot, change),
                Err(error) => {
                    tracing::warn!(%error, "it is tried again");
                    failed = true;
                }
            }
        }
        let retry = async {
            if !failed {
                return pending().await;
            }
            sleep(pause).await;
        };
        tokio::select! {
            // Without a store there is nothing new; what failed is tried again all the same.
            () = async { if watch.changed().await.is_err() { pending().await } } => {}
            () = retry => {}
        }
        pause = if failed { (pause * 2).min(LAST_PAUSE) } else { FIRST_PAUSE };
    }
}

/// What was written and is not seen yet, with the Ingress as it was then. Whatever changes an Ingress makes it looked at again.
#[derive(Default)]
struct Written(BTreeMap<ObjectName, (Arc<Ingress>, StatusChange)>);

impl Written {
    fn retain(&mut self, snapshot: &Snapshot) {
        self.0.retain(|name, (before, _)| snapshot.ingress(name).is_some_and(|now| Arc::ptr_eq(now, before)));
    }

    fn contains(&self, change: &StatusChange) -> bool {
        self.0.get(change.ingress()).is_some_and(|(_, written)| written == change)
    }

    fn insert(&mut self, snapshot: &Snapshot, change: StatusChange) {
        if let Some(ingress) = snapshot.ingress(change.ingress()) {
            self.0.insert(change.ingress().clone(), (Arc::clone(ingress), change));
        }
    }
}
