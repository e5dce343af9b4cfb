//! The status of Ingresses is kept in step, in a store and by whoever writes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use svc_model::ObjectName;

use super::*;
use crate::driver::publish_status;
use crate::status::{PublishError, PublishStatus, Published, StatusChange};

/// Waits until an Ingress has this address.
async fn reached(store: &Store, name: &str, address: &str) {
    let mut watch = store.watch();
    let name = ObjectName::new("shop", name);
    loop {
        let snapshot = watch.snapshot();
        let found =
            snapshot.ingress(&name).map(|ingress| ingress.load_balancer().to_vec()).unwrap_or_default();
        if found.iter().any(|entry| entry.ip() == Some(address.parse().unwrap())) {
            assert_eq!(found.len(), 1);
            return;
        }
        watch.changed().await.unwrap();
    }
}

/// Runs a test beside a publisher over a store.
fn beside<W: PublishStatus, F: Future<Output = ()>>(
    published: Published,
    writer: impl FnOnce(Store) -> W,
    test: impl FnOnce(Store) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::new();
        store.apply(objects(&format!("{CLASS}{}", ingress("web.example", "", ""))));
        let publisher =
            publish_status(store.watch(), IngressConfig::default(), published, writer(store.clone()));
        tokio::select! {
            never = publisher => match never {},
            () = test(store) => {}
        }
    });
}

#[test]
fn a_store_gets_the_status_of_new_ingresses_and_of_those_that_somebody_else_changed() {
    beside(
        Published::at(["192.0.2.1"]),
        |store| store,
        async |store| {
            reached(&store, "web", "192.0.2.1").await;
            store.apply(objects(&ingress("more.example", "", "")));
            reached(&store, "more", "192.0.2.1").await;
            store.apply(objects(&ingress("web.example", "a: b", "")));
            reached(&store, "web", "192.0.2.1").await;
            let web = store.snapshot().ingress(&ObjectName::new("shop", "web")).cloned().unwrap();
            assert_eq!(web.annotations().len(), 1, "nothing else is changed");
        },
    );
}

#[test]
fn the_address_of_a_service_is_followed() {
    let edge = |address: &str| {
        format!(
            "{{kind: Service, apiVersion: v1, metadata: {{name: edge, namespace: ops}}, spec: {{clusterIP: {address}, ports: [{{port: 80}}]}}}}"
        )
    };
    let published = Published::service(ObjectName::new("ops", "edge"));
    beside(
        published,
        |store| store,
        async |store| {
            for address in ["10.96.0.1", "10.96.0.2"] {
                store.apply(objects(&edge(address)));
                reached(&store, "web", address).await;
            }
        },
    );
}

/// Fails at first.
struct Failing {
    store: Store,
    left: Arc<AtomicUsize>,
}

impl PublishStatus for Failing {
    async fn publish(&self, change: &StatusChange) -> Result<(), PublishError> {
        if self.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Err(PublishError::new(change.ingress().clone(), "not yet"));
        }
        self.store.publish(change).await
    }
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let left = Arc::new(AtomicUsize::new(1));
    let writer = |store| Failing { store, left: Arc::clone(&left) };
    beside(Published::at(["192.0.2.1"]), writer, async |store| reached(&store, "web", "192.0.2.1").await);
    assert_eq!(left.load(Ordering::Relaxed), usize::MAX, "twice: once in vain, once not");
}
