//! What one core does: it accepts, and its connections to clients and to endpoints stay with it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinSet};

use crate::sys::{Connect, is_of_one_connection};
use crate::tls::Acceptor;

use super::connection;
use super::router::Router;

const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

pub(super) struct Worker<C: Connect> {
    pub(super) http: Vec<std::net::TcpListener>,
    pub(super) https: Vec<std::net::TcpListener>,
    pub(super) tls: Acceptor,
    pub(super) router: Router<C>,
}

impl<C: Connect> Worker<C> {
    /// Accepts until it is to stop, then sees its connections to their ends. Dropping the future closes everything.
    pub(super) async fn serve(self, stop: watch::Receiver<bool>) -> io::Result<()> {
        let router = Arc::new(self.router);
        let plain = self.http.into_iter().map(|listener| (listener, None));
        let secure = self.https.into_iter().map(|listener| (listener, Some(self.tls.clone())));
        let mut listeners = JoinSet::new();
        for (listener, tls) in plain.chain(secure) {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            listeners.spawn(accept(listener, tls, Arc::clone(&router), stop.clone()));
        }
        while listeners.join_next().await.is_some() {}
        Ok(())
    }

    /// Serves in a thread of its own, in the network namespace of this one. It ends as `serve` does, or at once when `alive`
    /// has lost its sender. What is returned completes then.
    pub(super) fn spawn(
        self,
        number: usize,
        stop: watch::Receiver<bool>,
        mut alive: watch::Receiver<()>,
    ) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ended, result) = oneshot::channel();
        std::thread::Builder::new().name(format!("ingress-{number}")).spawn(move || {
            let served = runtime.block_on(async {
                tokio::select! {
                    served = self.serve(stop) => served,
                    () = async { while alive.changed().await.is_ok() {} } => Ok(()),
                }
            });
            drop(runtime);
            let _ = ended.send(served);
        })?;
        Ok(result)
    }
}

async fn accept<C: Connect>(
    listener: TcpListener,
    tls: Option<Acceptor>,
    router: Arc<Router<C>>,
    mut stop: watch::Receiver<bool>,
) {
    let (limit, drain) = {
        let table = router.table.load();
        (table.config().clients().connections(), table.config().clients().drain())
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < limit => match accepted {
                Ok((stream, address)) => {
                    let (tls, router, stop) = (tls.clone(), Arc::clone(&router), stop.clone());
                    connections.spawn(async move {
                        if let Err(error) = connection::serve(stream, address, tls, router, stop).await {
                            tracing::debug!(%address, %error, "connection ended");
                        }
                    });
                }
                Err(error) if is_of_one_connection(&error) => {}
                // Out of descriptors or memory: there will be some again once other connections end.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => ended.unwrap_or_else(note),
            () = connection::stopped(&mut stop) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(drain, drained).await;
}

/// A fault of ours ended one connection; the others go on.
fn note(error: JoinError) {
    if error.is_panic() {
        tracing::error!(%error, "a connection was ended by a fault of the router");
    }
}
