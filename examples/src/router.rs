//! The `ingress` program: what its options mean, and serving until it is interrupted.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use futures_util::future::join_all;
use svc_ingress::access_log::LogSender;
use svc_ingress::driver::{ServerBuilder, publish_status};
use svc_ingress::error::ServeError;
use svc_ingress::status::Published;
use svc_ingress::{Handle, IngressConfig, Server};
use svc_model::dir::MountedSecret;
use svc_model::kube::{Cluster, Kube};
use svc_model::store::Store;
use svc_model::{Kind, ObjectName};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::source::Source;

mod access_log;
mod check;
mod explain;
mod routing;

pub use access_log::LogFormat;
pub use check::{Format, Options as CheckOptions};
pub use explain::Options as ExplainOptions;
pub use routing::{PathMode, Routing};

/// Serves the Ingresses in a directory of Kubernetes manifests or in a cluster, and follows their changes.
///
/// Requests go straight to the endpoints of the Services, so run it where those can be reached. Try it:
/// `ingress --manifests DIR`, and `curl --connect-to ::127.0.0.1:8080 http://shop.example/` elsewhere.
#[derive(Clone, Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    /// What else to do than serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The directory; it is followed as it is edited. Objects are read as a cluster stores them: endpoints come from
    /// `EndpointSlice` objects.
    #[arg(long, value_name = "DIR")]
    pub manifests: Option<PathBuf>,
    /// Take the objects of the cluster that this kubeconfig leads to.
    #[arg(long, value_name = "FILE", conflicts_with = "manifests")]
    pub kubeconfig: Option<PathBuf>,
    /// Take a Secret from the directory that it is mounted in, and follow it there; may be given several times.
    #[arg(long, value_name = "NS/NAME=DIR", value_parser = mounted)]
    pub mounted_secret: Vec<MountedSecret>,
    /// Listen here for HTTP; may be given several times. 127.0.0.1:8080 if it listens nowhere else.
    #[arg(long, value_name = "ADDR")]
    pub http: Vec<String>,
    /// Listen here for HTTPS; may be given several times.
    #[arg(long, value_name = "ADDR")]
    pub https: Vec<String>,
    /// How Ingresses are read.
    #[command(flatten)]
    pub routing: Routing,
    /// Write a line for each request to this file, or to standard output if it is `-`. A file is appended to.
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// How the lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Nginx, requires = "access_log")]
    pub access_log_format: LogFormat,
    /// Log one request of so many.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "access_log")]
    pub access_log_sample: u32,
    /// Write this into the status of every Ingress that is served: an address or a host name; may be given several times.
    #[arg(long, value_name = "ADDRESS", requires = "kubeconfig", conflicts_with = "publish_service")]
    pub publish_status_address: Vec<String>,
    /// Write into the status of every Ingress that is served where this Service is reached. Where the replicas of a router have
    /// different addresses, one of them may be told to.
    #[arg(long, value_name = "NS/SVC", requires = "kubeconfig")]
    pub publish_service: Option<ObjectName>,
    /// Serve with so many threads; one for each core unless given.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Tell how requests went here, over HTTP: /metrics under the names of ingress-nginx, and /healthz.
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
}

/// What else to do than serve.
#[derive(Clone, Debug, Subcommand)]
#[expect(missing_docs, reason = "each has the words of its options")]
pub enum Command {
    Check(check::Options),
    Explain(explain::Options),
}

impl Options {
    /// Writes the status of Ingresses, if it is to.
    fn status(
        &self,
        config: &IngressConfig,
        store: &Store,
    ) -> anyhow::Result<impl Future<Output = Infallible> + use<>> {
        let published = match (&self.publish_service, &self.publish_status_address[..]) {
            (Some(service), _) => Some(Published::service(service.clone())),
            (None, []) => None,
            (None, places) => Some(Published::at(places.iter().map(String::as_str))),
        };
        let cluster =
            self.kubeconfig.as_deref().filter(|_| published.is_some()).map(Cluster::from_kubeconfig);
        let (cluster, config, watch) = (cluster.transpose()?, config.clone(), store.watch());
        Ok(async move {
            if let (Some(published), Some(cluster)) = (published, cluster) {
                publish_status(watch, config, published, cluster).await;
            }
            std::future::pending().await
        })
    }

    fn server(&self, config: IngressConfig, log: Option<LogSender>) -> anyhow::Result<Server> {
        let http = match (&self.http[..], &self.https[..]) {
            ([], []) => vec!["127.0.0.1:8080".to_owned()],
            (http, _) => http.to_vec(),
        };
        let workers = self.workers.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let server = Server::builder().config(config).workers(workers);
        let server = self.metrics.iter().fold(server, |server, at| server.metrics(at.as_str()));
        let server = http.into_iter().fold(server, |server, at| server.http(at));
        let server = log.into_iter().fold(server, ServerBuilder::access_log);
        Ok(self.https.iter().fold(server, |server, at| server.https(at.as_str())).build()?)
    }
}

/// Where the objects of an Ingress router come from.
fn source(
    manifests: Option<&Path>,
    kubeconfig: Option<&Path>,
    config: &IngressConfig,
) -> anyhow::Result<Source> {
    let kinds = [
        Kind::EndpointSlice,
        Kind::Ingress,
        Kind::IngressClass,
        Kind::Namespace,
        Kind::Secret,
        Kind::Service,
    ];
    let follow =
        |cluster: Cluster| Kube::new(cluster).kinds(kinds).secrets(config.default_certificate().cloned());
    Source::new(manifests, kubeconfig, follow)
}

/// Does what the options say.
///
/// # Errors
/// When the options cannot be, or an address cannot be had.
pub async fn run(mut options: Options) -> anyhow::Result<ExitCode> {
    match options.command.take() {
        Some(Command::Check(options)) => check::run(&options),
        Some(Command::Explain(options)) => explain::run(options).await,
        None => serve(options).await.map(|()| ExitCode::SUCCESS),
    }
}

/// Serves until it is interrupted or told to terminate.
async fn serve(options: Options) -> anyhow::Result<()> {
    let config = options.routing.config()?;
    let log = options.access_log.as_deref();
    let log = log.map(|file| access_log::open(file, options.access_log_format, options.access_log_sample));
    let log = log.transpose()?;
    let server = options.server(config.clone(), log.as_ref().map(|log| log.sender.clone()))?;
    let Source { store, asked: _, mut read, run } =
        source(options.manifests.as_deref(), options.kubeconfig.as_deref(), &config)?;
    let serve = async {
        // What is not read yet would be answered 404.
        read.wait_for(|read| *read).await.context("the objects were never read")?;
        let (handle, serve) = server.drive(store.watch());
        let (served, stopped) = tokio::join!(in_a_thread(serve)?, until_interrupted(handle));
        served.context("the serving thread has ended")??;
        stopped
    };
    let status = options.status(&config, &store)?;
    let mounted = join_all(options.mounted_secret.into_iter().map(|secret| follow(secret, store.clone())));
    let ended = tokio::select! {
        () = run => Ok(()),
        served = serve => served,
        never = async { mounted.await; std::future::pending::<Infallible>().await } => match never {},
        never = status => match never {},
    };
    if let Some(log) = log {
        log.finish();
    }
    ended
}

async fn follow(secret: MountedSecret, store: Store) {
    let (name, path) = (secret.name().clone(), secret.path().display().to_string());
    secret.follow(store, |error| eprintln!("error: Secret {name} mounted at {path}: {error}")).await;
}

fn mounted(text: &str) -> Result<MountedSecret, String> {
    let (name, path) = text.split_once('=').ok_or("is not NAMESPACE/NAME=DIRECTORY")?;
    match name.parse::<ObjectName>() {
        Ok(name) if !name.namespace().is_empty() && !path.is_empty() => Ok(MountedSecret::new(name, path)),
        _ => Err("is not NAMESPACE/NAME=DIRECTORY".to_owned()),
    }
}

type Served = Result<(), ServeError>;

/// Reading objects keeps no request waiting: these are served in other threads.
fn in_a_thread(
    serve: impl Future<Output = Served> + Send + 'static,
) -> anyhow::Result<oneshot::Receiver<Served>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (told, served) = oneshot::channel();
    let serve = async move { drop(told.send(serve.await)) };
    std::thread::Builder::new().name("ingress-0".to_owned()).spawn(move || runtime.block_on(serve))?;
    Ok(served)
}

/// Holds the handle for as long as the server shall serve.
async fn until_interrupted(handle: Handle) -> anyhow::Result<()> {
    let Ok(bound) = handle.ready().await else { return Ok(()) };
    bound.http().iter().for_each(|address| println!("serves http at {address}"));
    bound.https().iter().for_each(|address| println!("serves https at {address}"));
    bound.metrics().iter().for_each(|address| println!("serves metrics at {address}"));
    let mut terminated = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        _ = terminated.recv() => Ok(()),
    }
}
