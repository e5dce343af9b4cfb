//! The cluster as a person wants to see it: hosts, Services, frontends, endpoints, names.

use std::path::Path;

use svc_model::dir::ManifestDir;
use svc_model::{Service, Snapshot};

use crate::cluster::Cluster;

/// Errors and warnings of the libraries go to standard error; `RUST_LOG` asks for more.
pub fn diagnostics() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A second call (in a test) changes nothing.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// For each host the command that enters it.
pub fn hosts(cluster: &Cluster) {
    println!("\nHosts, and how to enter them from another terminal:");
    for (name, command) in cluster.nsenter() {
        println!("  {name:<26} {command}");
    }
}

/// The Services of a snapshot with their endpoints and names.
pub fn services(snapshot: &Snapshot) {
    for service in snapshot.services() {
        println!("{}", describe(service));
        for slice in snapshot.slices_of(service.name()) {
            for endpoint in slice.endpoints() {
                let state = if endpoint.ready() { "ready" } else { "not ready" };
                let node = endpoint.node_name().unwrap_or("-");
                println!("    {} on {node}, {state}", endpoint.address());
            }
        }
    }
}

fn describe(service: &Service) -> String {
    let name = service.name();
    let mut text = format!("{name}: {}", service.service_type());
    if service.is_headless() {
        text += ", headless";
    }
    for address in service.cluster_ips() {
        text += &format!(", {address}");
    }
    for address in service.external_ips() {
        text += &format!(", external {address}");
    }
    for ingress in service.load_balancer_ingress() {
        text += &ingress.ip().map(|ip| format!(", balancer {ip}")).unwrap_or_default();
    }
    if let Some(alias) = service.external_name() {
        text += &format!(", alias of {alias}");
    }
    for port in service.ports() {
        text += &format!(", {}/{}", port.port(), port.protocol().as_str());
        text += &port.node_port().map(|port| format!(" (node port {port})")).unwrap_or_default();
    }
    format!("{text}\n    {}.{}.svc.cluster.local", name.name(), name.namespace())
}

/// Puts the manifests of a directory in force, shows what became of them, and follows edits until interrupted.
///
/// # Errors
/// The directory cannot be read.
pub async fn follow(mut cluster: Cluster, directory: &Path) -> anyhow::Result<()> {
    let mut source = ManifestDir::new(directory).readings();
    loop {
        let manifests = tokio::select! {
            manifests = source.next() => manifests,
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        };
        if let Some(warning) = source.warning() {
            eprintln!("warning: {warning}");
        }
        for other in manifests.ignored() {
            eprintln!("warning: {other} does not concern the network and is passed over");
        }
        for problem in cluster.replace_manifests(&manifests).await? {
            eprintln!("error: {problem}");
        }
        for problem in cluster.ingress_problems() {
            eprintln!("error: {problem}");
        }
        println!("\nServices, their endpoints and names:");
        services(&cluster.store.snapshot());
        println!("\nFrontends on server2:");
        println!("{}", cluster.plan("server2")?);
        println!("Follows edits of {} until it is interrupted (Ctrl-C).", directory.display());
    }
}
