//! Cluster DNS for the Services of a directory of manifests.
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::path::PathBuf;

use clap::Parser;
use examples::{manifests, show};
use ipnet::IpNet;
use svc_dns::{Forwarder, Handle, Server, Zone};

/// Answers DNS for the Services in a directory of Kubernetes manifests, follows its edits, and forwards other names.
///
/// Try it: `dns --manifests DIR`, and `dig @127.0.0.1 -p 5300 web.default.svc.cluster.local` elsewhere.
#[derive(Debug, Parser)]
struct Options {
    /// The directory; it is followed as it is edited.
    #[arg(long, value_name = "DIR")]
    manifests: PathBuf,
    /// Listen here, UDP and TCP; may be given several times.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5300")]
    listen: Vec<String>,
    /// The cluster's zone.
    #[arg(long, default_value = "cluster.local")]
    zone: String,
    /// Where ClusterIPs come from; their names are answered too (PTR).
    #[arg(long, value_name = "CIDR", default_value = "10.96.0.0/12")]
    service_cidr: IpNet,
    /// Forward names outside the zone to this server; may be given several times. Without one they are refused.
    #[arg(long, value_name = "ADDRESS")]
    upstream: Vec<String>,
    /// Forward names in DOMAIN to SERVER; may be given several times.
    #[arg(long, value_name = "DOMAIN=SERVER", value_parser = stub)]
    stub: Vec<(String, String)>,
}

fn stub(text: &str) -> Result<(String, String), String> {
    let (domain, server) = text.split_once('=').ok_or("it has no `=`; write corp.example=10.1.0.53")?;
    Ok((domain.to_owned(), server.to_owned()))
}

impl Options {
    fn server(&self) -> anyhow::Result<Server> {
        let zone = Zone::builder(self.zone.as_str()).reverse(self.service_cidr).build()?;
        let server = self.listen.iter().fold(Server::builder(zone), |server, at| server.listen(at.as_str()));
        if self.upstream.is_empty() && self.stub.is_empty() {
            return Ok(server.build()?);
        }
        let upstream = |all: svc_dns::ForwarderBuilder, server: &String| all.upstream(server.as_str());
        let forwarder = self.upstream.iter().fold(Forwarder::builder(), upstream);
        let stubs = self
            .stub
            .iter()
            .fold(forwarder, |all, (domain, server)| all.stub(domain.as_str(), [server.as_str()]));
        Ok(server.forward(stubs.build()?).build()?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    show::diagnostics();
    let options = Options::parse();
    let (store, follow) = manifests::follow(&options.manifests, options.service_cidr);
    let (handle, serve) = options.server()?.drive(store.watch());
    let (served, stopped) = tokio::join!(serve, until_interrupted(handle, follow));
    served?;
    stopped
}

/// Holds the handle for as long as the server shall serve.
async fn until_interrupted(handle: Handle, follow: impl Future<Output = ()>) -> anyhow::Result<()> {
    for address in handle.bound().await?.udp {
        println!("answers at {address}, UDP and TCP, until it is interrupted (Ctrl-C)");
    }
    tokio::select! {
        () = follow => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}
