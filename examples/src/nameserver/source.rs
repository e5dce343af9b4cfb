//! Where objects come from: a directory or a cluster.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use anyhow::{Context as _, bail};
use svc_model::Kind;
use svc_model::kube::{Cluster, Kube};
use svc_model::store::Store;
use tokio::sync::watch;

use super::options::Options;
use crate::manifests;

/// A source of objects.
pub(super) struct Source {
    pub(super) store: Store,
    /// True when all there is has been read once.
    pub(super) read: watch::Receiver<bool>,
    /// Keeps the store in step; to be polled.
    pub(super) run: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Source {
    /// # Errors
    /// When neither is given, or the kubeconfig cannot be read.
    pub(super) fn new(options: &Options, kinds: Vec<Kind>) -> anyhow::Result<Self> {
        match (&options.manifests, &options.kubeconfig) {
            (Some(directory), _) => Ok(Self::directory(directory)),
            (None, Some(file)) => Self::cluster(file, kinds),
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
        Self { store, read, run }
    }

    fn cluster(file: &Path, kinds: Vec<Kind>) -> anyhow::Result<Self> {
        let cluster = Cluster::from_kubeconfig(file).with_context(|| file.display().to_string())?;
        let store = Store::new();
        let (mut handle, follow) = Kube::new(cluster).kinds(kinds).follow(store.clone());
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
            tokio::join!(follow, report);
        });
        Ok(Self { store, read, run })
    }
}
