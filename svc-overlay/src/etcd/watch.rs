//! Following the leases: all of them first, then what changes, and all of them again when the history is gone.

use etcd_client::{Event, EventType, WatchResponse, WatchStream};

use super::*;
use crate::registry::Named;

pub(super) struct EtcdWatch {
    store: Arc<Store>,
    /// What is known, and up to which revision.
    known: Option<(Named, i64)>,
    stream: Option<WatchStream>,
    /// A failure was told: what is known is told once more when the server is back.
    failed: bool,
}

impl fmt::Debug for EtcdWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let revision = self.known.as_ref().map(|(_, revision)| revision);
        f.debug_struct("EtcdWatch")
            .field("store", &self.store)
            .field("revision", &revision)
            .finish_non_exhaustive()
    }
}

impl Watch for EtcdWatch {
    fn changed(&mut self) -> BoxFuture<'_, Result<LeaseSet, RegistryError>> {
        Box::pin(async move {
            let result = self.next().await;
            self.failed = result.is_err();
            result
        })
    }
}

impl EtcdWatch {
    pub(super) fn new(store: Arc<Store>) -> Self {
        EtcdWatch { store, known: None, stream: None, failed: false }
    }

    /// Each step is kept before the next one waits: whoever drops the future loses nothing.
    async fn next(&mut self) -> Result<LeaseSet, RegistryError> {
        loop {
            let Some((leases, revision)) = &mut self.known else {
                let (entries, revision) = self.store.entries().await?;
                let entries = entries.into_iter().map(|entry| (entry.name.clone(), entry.lease()));
                let leases = Named::new(number(revision), entries);
                return Ok(self.known.insert((leases, revision)).0.set());
            };
            let Some(stream) = &mut self.stream else {
                self.stream = Some(self.store.follow(*revision + 1).await?);
                continue;
            };
            match stream.message().await {
                Ok(Some(message)) if message.canceled() => {
                    self.stream = None;
                    if message.compact_revision() == 0 {
                        // A token that the server does not know any more, for one.
                        let problem = format!("the watch was cancelled: {}", message.cancel_reason());
                        self.store.disconnect().await;
                        return Err(self.store.unavailable(&problem));
                    }
                    self.known = None;
                }
                Ok(Some(message)) => {
                    let changed = take(&self.store, leases, revision, &message);
                    if changed || (self.failed && message.created()) {
                        return Ok(leases.set());
                    }
                }
                Ok(None) => {
                    self.stream = None;
                    return Err(self.store.unavailable("the server has ended the watch"));
                }
                Err(error) => {
                    self.stream = None;
                    return Err(self.store.failed(&error));
                }
            }
        }
    }
}

/// Whether anything happened.
fn take(store: &Store, leases: &mut Named, revision: &mut i64, message: &WatchResponse) -> bool {
    for event in message.events() {
        let Some(pair) = event.kv() else { continue };
        *revision = pair.mod_revision().max(*revision);
        let Some(entry) = store.entry_of(pair) else { continue };
        let value = (Event::event_type(event) == EventType::Put).then(|| entry.lease());
        leases.change(number(*revision), &entry.name, value);
    }
    !message.events().is_empty()
}
