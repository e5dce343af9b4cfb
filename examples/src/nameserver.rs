//! The `dns` program: what its options mean, and serving until it is interrupted.

mod configured;
mod explain;
mod following;
mod options;
mod rest_client;

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::{join_all, try_join_all};
use svc_dns::corefile::Scheme;
use svc_dns::{Bound, Handle, LogEvents, Pages, Server, ServerAddress, ServerBuilder, Zone};
use svc_model::Kind;
use svc_model::kube::{Kube, KubeHandle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::configured::{Configured, Read};
use self::following::Following;
pub use self::options::{Options, Task};
use crate::source::Source;

/// After this time it serves what has been read, also if that is not all: what is not found is SERVFAIL until then.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between attempts to listen at an address that is in use.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Serves until it is interrupted or told to terminate, or explains an answer.
///
/// # Errors
/// When the options or the Corefile cannot be.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let task = options.task.clone();
    let corefile = options.corefile.as_deref().map(Read::new).transpose()?;
    let Source { store, asked, mut read, run } = source(&options, corefile.as_ref())?;
    let mut following = Following::new(options, store.clone(), corefile);
    let stopped = async {
        let is_read = read.wait_for(|read| *read);
        match (timeout(PATIENCE, is_read).await, &task) {
            (Ok(is_read), _) => drop(is_read.context("the objects were never read")?),
            (Err(_), Some(_)) => bail!("the objects could not be read within 5 s"),
            (Err(_), None) => {
                eprintln!("error: not all objects could be read yet: what is not known is SERVFAIL")
            }
        }
        following.has_objects();
        if let Some(Task::Explain { name, kind, client }) = task {
            return explain::explain(following.configured()?, &store.snapshot(), &name, &kind, &client);
        }
        loop {
            // A change that needs other sockets or another zone begins anew; everything else goes over while serving.
            let configured = following.configured()?;
            if serve(configured, &mut following, &store, asked.as_ref(), read.clone()).await? {
                return anyhow::Ok(());
            }
        }
    };
    tokio::select! {
        () = run => Ok(()),
        stopped = stopped => stopped,
    }
}

fn source(options: &Options, corefile: Option<&Read>) -> anyhow::Result<Source> {
    let kinds = kinds(options, corefile);
    Source::new(options.manifests.as_deref(), options.kubeconfig.as_deref(), |cluster| {
        Kube::new(cluster).kinds(kinds)
    })
}

/// What has to be known of a cluster. Pods are many, ConfigMaps are nobody's business but for the one.
fn kinds(options: &Options, corefile: Option<&Read>) -> Vec<Kind> {
    let mut kinds = vec![Kind::EndpointSlice, Kind::Namespace, Kind::Service];
    kinds.extend(
        corefile.map_or_else(|| options.needs_pods().then_some(Kind::Pod).into_iter().collect(), Read::kinds),
    );
    if options.kube_dns {
        kinds.push(Kind::ConfigMap);
    }
    kinds
}

/// True when it is time to end; false when the configuration needs new servers.
async fn serve(
    configured: Vec<Configured>,
    following: &mut Following,
    store: &svc_model::store::Store,
    asked: Option<&KubeHandle>,
    mut read: watch::Receiver<bool>,
) -> anyhow::Result<bool> {
    let (mut handles, mut serving, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    for one in configured {
        pages.extend_from_slice(&one.operations);
        let (handle, serve) = one.server()?.drive(store.watch());
        handles.push(handle);
        serving.push(serve);
    }
    // Several blocks of a Corefile may name the same address.
    pages.sort();
    pages.dedup();
    let synced = async {
        if read.wait_for(|read| *read).await.is_ok() {
            handles.iter().for_each(Handle::set_synced);
        }
        std::future::pending::<()>().await;
    };
    let ended = async {
        let end = tokio::select! {
            end = interrupted() => end.map(|()| true),
            () = following.changed(&handles) => Ok(false),
        };
        handles.iter().for_each(Handle::stop);
        end
    };
    let beside = async {
        let announced = join_all(handles.iter().map(announce));
        let told = join_all(pages.iter().map(|address| tell(*address, &handles, asked)));
        // In this order: the addresses of servers are told first.
        tokio::join!(biased; announced, told, synced);
    };
    let until_ended = async { tokio::join!(try_join_all(serving), ended) };
    let (served, ended) = tokio::select! {
        both = until_ended => both,
        () = async { beside.await; std::future::pending().await } => unreachable!("it never ends"),
    };
    served?;
    ended
}

/// The first line on standard output has the address. Addresses that come later get a line then.
async fn announce(handle: &Handle) {
    let mut said = Bound::default();
    let mut next = handle.bound().await;
    while let Ok(bound) = next {
        for (before, now, how) in [
            (&said.udp, &bound.udp, "UDP and TCP"),
            (&said.tls, &bound.tls, "TLS"),
            (&said.https, &bound.https, "HTTPS at /dns-query"),
        ] {
            for address in &now[before.len()..] {
                println!("answers at {address}, {how}, until it is interrupted (Ctrl-C)");
            }
        }
        next = handle.bound_more(&bound).await;
        said = bound;
    }
}

/// Health, readiness and metrics of all servers, at one address.
async fn tell(address: ServerAddress, handles: &[Handle], asked: Option<&KubeHandle>) {
    let mut pages = Pages::of(handles);
    if let Some(asked) = asked.cloned() {
        pages = pages.also(move || rest_client::lines(&asked.requests()));
    }
    let mut said = false;
    loop {
        match pages.serve(address) {
            Ok((bound, told)) => {
                let say = async {
                    if join_all(handles.iter().map(Handle::bound)).await.iter().any(Result::is_ok) {
                        println!("health, readiness and metrics at http://{bound}");
                    }
                };
                tokio::join!(told, say);
                return;
            }
            Err(error) if !said => eprintln!("error: {error}; the rest is served, and it is tried again"),
            Err(_) => {}
        }
        said = true;
        sleep(TRY_AGAIN).await;
    }
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
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let server = Server::builder(zone).front(self.front).synced_when_told().keep_trying(true);
        let mut server = server.threads(threads).lameduck(self.lameduck);
        server = self.rate_limit.into_iter().fold(server, ServerBuilder::rate_limit);
        server = self.nsid.into_iter().fold(server, ServerBuilder::nsid);
        if let Some(log) = self.log {
            let (log, events) = log.channel();
            // A thread of its own: who does not read the output keeps no query waiting.
            std::thread::Builder::new().name("log".to_owned()).spawn(move || print(events))?;
            server = server.query_log(log);
        }
        for (scheme, address) in self.listen {
            server = match (scheme, &self.tls) {
                (Scheme::Dns, _) => server.listen(address),
                (Scheme::Tls, Some(tls)) => server.tls(address, tls.clone()),
                (Scheme::Https, Some(tls)) => server.https(address, tls.clone()),
                _ => bail!("{address}: there is no certificate and key; write tls CERT KEY in the Corefile"),
            };
        }
        Ok(server.build()?)
    }
}

/// Prints queries until there are no more; what was lost meanwhile is told with the next one.
fn print(mut events: LogEvents) {
    let mut told = 0;
    while let Some(event) = events.blocking_next() {
        let lost = events.lost();
        if lost > told {
            println!("[WARNING] {} queries are missing here: they were not printed in time", lost - told);
            told = lost;
        }
        println!("[INFO] {event}");
    }
}
