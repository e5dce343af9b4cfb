//! A directory of Kubernetes manifests as a program's source of objects.

use std::future::Future;
use std::path::Path;

use svc_model::ControlPlane;
use svc_model::allocate::ServiceCidr;
use svc_model::dir::ManifestDir;
use svc_model::store::Store;
use tokio::sync::oneshot;

/// A store that holds what a directory holds, and is in step with it while the future is polled; that says on standard
/// error what is wrong there.
pub fn follow(directory: &Path, service_cidr: ServiceCidr) -> (Store, impl Future<Output = ()> + Send) {
    let store = Store::new();
    let mut control = ControlPlane::builder().service_cidr(service_cidr).build();
    let source = ManifestDir::new(directory);
    // Whoever serves from the store has something to serve from the start.
    control.replace(&source.read()).commit(&store);
    let (mut reports, run) = source.follow(control, store.clone());
    let report = async move {
        while let Some(problems) = reports.changed().await {
            problems.iter().for_each(|problem| eprintln!("error: {problem}"));
        }
    };
    let run = async move {
        tokio::join!(run, report);
    };
    (store, run)
}

/// The same, with objects as a cluster has stored them: nothing is allocated, nothing is filled in. The receiver hears when the
/// first reading is in the store.
pub fn follow_stored(
    directory: &Path,
) -> (Store, oneshot::Receiver<()>, impl Future<Output = ()> + Send + use<>) {
    let store = Store::new();
    let (mut reports, run) = ManifestDir::new(directory).follow_stored(store.clone());
    let (read, is_read) = oneshot::channel();
    let report = async move {
        let mut read = Some(read);
        while let Some(problems) = reports.changed().await {
            problems.iter().for_each(|problem| eprintln!("error: {problem}"));
            // Nobody may wait for it.
            read.take().map(|read| read.send(()));
        }
    };
    let run = async move {
        tokio::join!(run, report);
    };
    (store, is_read, run)
}
