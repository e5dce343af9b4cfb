//! The `dns` program: what its options mean, and serving until it is interrupted.

mod configured;
mod following;
mod options;

use anyhow::Context as _;
use svc_dns::{Handle, Server, Zone};
use svc_model::store::Store;
use tokio::signal::unix::{SignalKind, signal};

pub use self::options::Options;
use self::{configured::Configured, following::Following};
use crate::manifests;

/// Serves until it is interrupted or told to terminate.
///
/// # Errors
/// When the options or the Corefile cannot be, or an address cannot be bound.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let (store, is_read, follow) = manifests::follow_stored(&options.manifests);
    let mut following = Following::new(options)?;
    let stopped = async {
        is_read.await.context("the directory was never read")?;
        loop {
            // A change that needs other sockets or another zone begins anew; everything else goes over while serving.
            let configured = following.configured()?;
            if serve(configured, &mut following, &store).await? {
                return anyhow::Ok(());
            }
        }
    };
    tokio::select! {
        () = follow => Ok(()),
        stopped = stopped => stopped,
    }
}

/// True when it is time to end; false when the configuration needs new servers.
async fn serve(
    configured: Vec<Configured>,
    following: &mut Following,
    store: &Store,
) -> anyhow::Result<bool> {
    let mut handles = Vec::new();
    let mut serving = Vec::new();
    for one in configured {
        let (handle, serve) = one.server()?.drive(store.watch());
        handles.push(handle);
        serving.push(serve);
    }
    let served = futures_util::future::try_join_all(serving);
    let ended = async {
        for handle in &handles {
            announce(handle).await?;
        }
        let end = tokio::select! {
            end = interrupted() => end.map(|()| true),
            () = following.changed(&handles) => Ok(false),
        };
        handles.iter().for_each(Handle::stop);
        end
    };
    let (served, ended) = tokio::join!(served, ended);
    served?;
    ended
}

/// The first line on standard output has the address.
async fn announce(handle: &Handle) -> anyhow::Result<()> {
    let bound = handle.bound().await?;
    for address in bound.udp {
        println!("answers at {address}, UDP and TCP, until it is interrupted (Ctrl-C)");
    }
    for address in bound.operations {
        println!("health, readiness and metrics at http://{address}");
    }
    Ok(())
}

async fn interrupted() -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        _ = terminated.recv() => Ok(()),
    }
}

/// What answers names of no cluster: nobody can ask for this one (RFC 6761 section 6.4).
fn no_zone() -> anyhow::Result<Zone> {
    Ok(Zone::builder("none.invalid").build()?)
}

impl Configured {
    fn server(self) -> anyhow::Result<Server> {
        let zone = self.zone.map_or_else(no_zone, Ok)?;
        // The directory has been read: what is not there does not exist.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let server =
            Server::builder(zone).front(self.front).synced(true).threads(threads).lameduck(self.lameduck);
        let server = self.operations.into_iter().fold(server, |server, at| server.operations(at));
        Ok(self.listen.into_iter().fold(server, |server, at| server.listen(at)).build()?)
    }
}
