//! An Ingress router for the objects of a directory of manifests.
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::path::PathBuf;

use clap::Parser;
use examples::{manifests, show};

use svc_ingress::{Handle, IngressConfig, Server};
use svc_model::allocate::ServiceCidr;

/// Serves the Ingresses in a directory of Kubernetes manifests and follows its edits.
///
/// Requests go straight to the endpoints of the Services, so run it where those can be reached. Try it:
/// `ingress --manifests DIR`, and `curl --connect-to ::127.0.0.1:8080 http://shop.example/` elsewhere.
#[derive(Debug, Parser)]
struct Options {
    /// The directory; it is followed as it is edited.
    #[arg(long, value_name = "DIR")]
    manifests: PathBuf,
    /// Listen here for HTTP; may be given several times.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: Vec<String>,
    /// Listen here for HTTPS; may be given several times.
    #[arg(long, value_name = "ADDRESS")]
    https: Vec<String>,
    /// The class that is ours in the annotation `kubernetes.io/ingress.class`.
    #[arg(long, default_value = "nginx")]
    class: String,
    /// Serve only Ingresses that name a class.
    #[arg(long)]
    only_with_class: bool,
    /// Where requests go that no rule matches.
    #[arg(long, value_name = "NAMESPACE/SERVICE:PORT")]
    default_backend: Option<String>,
    /// The Secret whose certificate is shown to clients that ask for a name without one.
    #[arg(long, value_name = "NAMESPACE/SECRET")]
    default_certificate: Option<String>,
    /// Where ClusterIPs come from.
    #[arg(long, value_name = "CIDR", default_value = "10.96.0.0/12")]
    service_cidr: ServiceCidr,
}

impl Options {
    fn config(&self) -> anyhow::Result<IngressConfig> {
        let mut config =
            IngressConfig::builder().class(&self.class).watch_without_class(!self.only_with_class);
        if let Some(backend) = &self.default_backend {
            config = config.default_backend(backend);
        }
        if let Some(secret) = &self.default_certificate {
            config = config.default_certificate(secret);
        }
        Ok(config.build()?)
    }

    fn server(&self) -> anyhow::Result<Server> {
        let server = Server::builder().config(self.config()?);
        let server = self.http.iter().fold(server, |server, at| server.http(at.as_str()));
        Ok(self.https.iter().fold(server, |server, at| server.https(at.as_str())).build()?)
    }
}

#[tokio::main]
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
    let bound = handle.ready().await?;
    bound
        .http()
        .iter()
        .for_each(|address| println!("serves http://{address} until it is interrupted (Ctrl-C)"));
    bound
        .https()
        .iter()
        .for_each(|address| println!("serves https://{address} until it is interrupted (Ctrl-C)"));
    tokio::select! {
        () = follow => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}
