//! The full node stack on one machine: overlay, pods' proxy, cluster DNS and Ingress over one directory of manifests.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use examples::kube_proxy::ConfigFile;
use examples::stack::{NodeStack, StackConfig};
use examples::{leases, show};
use ipnet::Ipv4Net;
use svc_dns::{Forwarder, Zone};
use svc_model::ControlPlane;
use svc_model::dir::{DirHandle, ManifestDir};
use svc_model::store::Store;
use svc_overlay::Leases;
use svc_proxy::Backend;
use svc_proxy::iptables::Variant;
use svc_proxy::kube_proxy::Change;

/// Runs what a Kubernetes node needs for Services, in the network namespace it is started in (needs CAP_NET_ADMIN).
///
/// One directory of YAML is the cluster: Services get addresses, endpoints follow the pods' labels, rules go to the
/// kernel, names to DNS, Ingresses to the router. Names and routes are announced once the kernel forwards to them.
/// At the end, on Ctrl-C, everything is taken away again; `--leave` lets traffic go on for the next start to adopt.
#[derive(Debug, Parser)]
struct Options {
    /// This node's name, as pods name it in spec.nodeName.
    #[arg(long)]
    name: String,
    /// This node's address, where other nodes send its packets.
    #[arg(long)]
    address: Ipv4Addr,
    /// The link with that address.
    #[arg(long, default_value = "eth0")]
    underlay: String,
    /// The subnet of this node's pods.
    #[arg(long, value_name = "CIDR")]
    pod_cidr: Ipv4Net,
    /// All pods.
    #[arg(long, value_name = "CIDR", default_value = "10.244.0.0/16")]
    cluster_cidr: Ipv4Net,
    /// All Services.
    #[arg(long, value_name = "CIDR", default_value = "10.96.0.0/12")]
    service_cidr: Ipv4Net,
    /// The directory of manifests; it is followed as it is edited.
    #[arg(long, value_name = "DIR")]
    manifests: PathBuf,
    /// The other nodes' leases, a JSON object in flannel's form: {"10.244.5.0-24": {"PublicIP": .., "BackendData": ..}}
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// Where DNS listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5300")]
    dns: String,
    /// Where DNS forwards other names; may be given several times.
    #[arg(long, value_name = "ADDRESS")]
    upstream: Vec<String>,
    /// Where the Ingress router listens for HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: String,
    /// Where it listens for HTTPS.
    #[arg(long, value_name = "ADDRESS")]
    https: Option<String>,
    /// kube-proxy's configuration (KubeProxyConfiguration); it is followed as it is edited.
    #[arg(long, value_name = "FILE")]
    proxy_config: Option<PathBuf>,
    /// How the proxy's rules reach the kernel; by default as its configuration says, if there is one, else nftables. With
    /// a configuration that is followed, this is where it starts.
    #[arg(long, value_enum)]
    backend: Option<Mode>,
    /// Which tables the mode iptables programs; by default those that a plain iptables-restore does.
    #[arg(long, value_enum)]
    iptables_variant: Option<Tables>,
    /// Where the proxy answers /healthz and /livez; by default where its configuration says, if there is one.
    #[arg(long, value_name = "ADDRESS")]
    healthz: Option<SocketAddr>,
    /// Where it answers /metrics; by default where its configuration says, if there is one.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Leave everything in the kernel at the end.
    #[arg(long)]
    leave: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Mode {
    Nftables,
    Iptables,
    Ipvs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Tables {
    Legacy,
    Nft,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    show::diagnostics();
    let options = Options::parse();
    // The cluster: a directory of manifests, and the control plane that gives its objects addresses and endpoints.
    let store = Store::new();
    let control = ControlPlane::builder().service_cidr(options.service_cidr.into()).build();
    let (objects, follow) = ManifestDir::new(&options.manifests).follow(control, store.clone());
    // The kernel: overlay and proxy.
    let proxy_config = options.proxy_config.as_deref().map(ConfigFile::read).transpose()?;
    let config = options.stack(proxy_config.as_ref());
    let (stack, carry) = NodeStack::new(&config, options.leases()?, store.watch())?;
    // What announces stands behind the gate of what programs.
    let (dns, names) = options.dns()?.drive(store.watch().behind(stack.proxy.revisions()));
    let (router, routes) = options.ingress()?.drive(store.watch().behind(stack.proxy.revisions()));
    let run = async {
        let serving = async {
            tokio::try_join!(async { names.await.context("DNS") }, async { routes.await.context("Ingress") })
        };
        tokio::pin!(serving);
        let ended = tokio::select! {
            served = &mut serving => served.map(drop),
            interrupted = tokio::signal::ctrl_c() => interrupted.context("waiting for Ctrl-C"),
            () = report(&objects, &stack) => Ok(()),
            () = follow_config(proxy_config, config, &stack) => Ok(()),
            ended = announce(&options.name, &store, &objects, (&dns, &router)) => ended,
        };
        // Requests under way are answered before the rules go.
        drop((objects, dns, router));
        let drained = if ended.is_ok() { serving.await.map(drop) } else { Ok(()) };
        if options.leave {
            drop(stack);
            return ended.and(drained);
        }
        ended.and(drained).and(stack.clean_up().await)
    };
    let (ended, (), ()) = tokio::join!(run, follow, carry);
    ended
}

/// Says when everything is in step for the first time; ends only with a part that has stopped.
async fn announce(
    name: &str,
    store: &Store,
    objects: &DirHandle,
    (dns, router): (&svc_dns::Handle, &svc_ingress::Handle),
) -> anyhow::Result<()> {
    // The first reading of the directory.
    objects.clone().changed().await;
    let revision = store.snapshot().revision();
    dns.serving(revision).await?;
    router.serving(revision).await?;
    println!("{name} is in step with its manifests; runs until it is interrupted (Ctrl-C)");
    std::future::pending().await
}

/// Says what is wrong whenever that changes; ends when a part has ended.
async fn report(objects: &DirHandle, stack: &NodeStack) {
    let mut objects = objects.clone();
    let mut proxy = stack.proxy.statuses();
    let mut health = stack.health.statuses();
    let mut overlay = Vec::new();
    loop {
        let known = overlay.clone();
        tokio::select! {
            status = stack.overlay.until(move |status| status.problems() != known) => {
                let Ok(status) = status else { return };
                overlay = status.problems().to_vec();
                overlay.iter().for_each(|problem| eprintln!("error: {problem}"));
            }
            problems = objects.changed() => match problems {
                Some(problems) => problems.iter().for_each(|problem| eprintln!("error: {problem}")),
                None => return,
            },
            changed = health.changed() => {
                if changed.is_err() {
                    return;
                }
                let status = health.borrow_and_update();
                status.problems().iter().for_each(|problem| eprintln!("error: {problem}; tried again"));
            }
            changed = proxy.changed() => {
                if changed.is_err() {
                    return;
                }
                let status = proxy.borrow_and_update();
                status.problems().iter().for_each(|problem| eprintln!("error: {problem}"));
                status.error().into_iter().for_each(|error| eprintln!("error: {error}"));
                status.conntrack_error().into_iter().for_each(|error| eprintln!("error: {error}"));
            }
        }
    }
}

/// Goes over to what the file says as it is edited; never ends.
async fn follow_config(file: Option<ConfigFile>, mut config: StackConfig, stack: &NodeStack) {
    let Some(mut file) = file else { return std::future::pending().await };
    loop {
        let before = file.changed().await;
        for change in before.changes(file.configuration()) {
            if matches!(change, Change::Servers | Change::Hostname) {
                eprintln!("warning: {change:?} takes effect with the next start");
            }
        }
        let ipvs = stack.proxy.reconfigure_ipvs(file.configuration().ipvs().backend()).await;
        let switched = match ipvs {
            Ok(()) => stack.proxy.switch(file.backend()).await,
            failed => failed,
        };
        if let Err(error) = switched {
            eprintln!("error: what was in force goes on: {error}");
            continue;
        }
        config.kube_proxy = Some(file.configuration().clone());
        match config.proxy_node() {
            Ok(node) => {
                stack.proxy.reconfigure(node.clone());
                stack.health.reconfigure(node);
                println!(
                    "goes on with what the proxy's configuration says now, in mode {}",
                    stack.proxy.status().backend()
                );
            }
            Err(error) => eprintln!("error: what was in force goes on: {error:#}"),
        }
    }
}

impl Options {
    fn stack(&self, file: Option<&ConfigFile>) -> StackConfig {
        let said = file.map(ConfigFile::configuration);
        StackConfig {
            backend: match self.backend {
                Some(Mode::Nftables) => Backend::Nftables,
                Some(Mode::Iptables) => Backend::Iptables,
                Some(Mode::Ipvs) => Backend::Ipvs,
                None => file.map(ConfigFile::backend).unwrap_or_default(),
            },
            variant: self.iptables_variant.map(|variant| match variant {
                Tables::Legacy => Variant::Legacy,
                Tables::Nft => Variant::Nft,
            }),
            kube_proxy: said.cloned(),
            healthz: self.healthz.or_else(|| said?.healthz_address()),
            metrics: self.metrics.or_else(|| said?.metrics_address()),
            name: self.name.clone(),
            address: self.address,
            pod_cidr: self.pod_cidr,
            cluster_cidr: self.cluster_cidr,
            service_cidr: self.service_cidr,
            vtep_mac: None,
            underlay: self.underlay.clone(),
        }
    }

    fn leases(&self) -> anyhow::Result<Leases> {
        self.peers.as_deref().map_or_else(|| Ok(Leases::new()), leases::read)
    }

    fn dns(&self) -> anyhow::Result<svc_dns::Server> {
        let zone = Zone::builder("cluster.local")
            .ttl(Duration::from_secs(5))
            .reverse(ipnet::IpNet::from(self.service_cidr))
            .reverse(ipnet::IpNet::from(self.cluster_cidr));
        let server = svc_dns::Server::builder(zone.build()?).listen(self.dns.as_str());
        if self.upstream.is_empty() {
            return Ok(server.build()?);
        }
        let upstream = |all: svc_dns::ForwarderBuilder, server: &String| all.upstream(server.as_str());
        Ok(server.forward(self.upstream.iter().fold(Forwarder::builder(), upstream).build()?).build()?)
    }

    fn ingress(&self) -> anyhow::Result<svc_ingress::Server> {
        let server = svc_ingress::Server::builder().http(self.http.as_str());
        let https = self.https.as_deref();
        Ok(https.into_iter().fold(server, |server, address| server.https(address)).build()?)
    }
}
