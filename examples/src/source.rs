//! Where objects come from: a directory or a cluster.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use anyhow::{Context as _, bail};
use svc_model::kube::{Cluster, Kube, KubeHandle};
use svc_model::store::Store;
use tokio::sync::watch;

use crate::manifests;

/// A source of objects.
pub(crate) struct Source {
    pub(crate) store: Store,
    /// What was asked of the cluster; nothing where there is none.
    pub(crate) asked: Option<KubeHandle>,
    /// True when all there is has been read once.
    pub(crate) read: watch::Receiver<bool>,
    /// Keeps the store in step; to be polled.
    pub(crate) run: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Source {
    /// A directory of manifests, or what `cluster` makes of the cluster that a kubeconfig leads to.
    ///
    /// # Errors
    /// When neither is given, or the kubeconfig cannot be read.
    pub(crate) fn new(
        manifests: Option<&Path>,
        kubeconfig: Option<&Path>,
        follow: impl FnOnce(Cluster) -> Kube,
    ) -> anyhow::Result<Self> {
        match (manifests, kubeconfig) {
            (Some(directory), _) => Ok(Self::directory(directory)),
            (None, Some(file)) => Self::cluster(file, follow),
            (None, None) => {
                bail!(
                    "say where Services are: --manifests DIR for a directory, --kubeconfig FILE for a cluster"
                )
            }
        }
    }

    fn directory(directory: &Path) -> Self {
        let (store, is_read, run) = manifests::follow_stored(directory);
        let (told, read) = watch::channel(false);
        let tell = async move {
            if is_read.await.is_ok() {
                told.send_replace(true);
            }
            // Whoever waits for it may come later.
            told.closed().await;
        };
        let run = Box::pin(async {
            tokio::join!(run, tell);
        });
        Self { store, asked: None, read, run }
    }

    fn cluster(file: &Path, follow: impl FnOnce(Cluster) -> Kube) -> anyhow::Result<Self> {
        let cluster = Cluster::from_kubeconfig(file).with_context(|| file.display().to_string())?;
        let store = Store::new();
        let (mut handle, following) = follow(cluster).follow(store.clone());
        let asked = Some(handle.clone());
        let (told, read) = watch::channel(false);
        let report = async move {
            loop {
                let Some(problems) = handle.changed().await else { return };
                problems.iter().for_each(|problem| eprintln!("error: {problem}"));
                if handle.is_ready() && !*told.borrow() {
                    told.send_replace(true);
                }
            }
        };
        let run = Box::pin(async {
            tokio::join!(following, report);
        });
        Ok(Self { store, asked, read, run })
    }
}
