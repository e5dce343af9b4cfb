//! `ingress explain URL`: what becomes of one request.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use svc_ingress::explain::{Explanation, Question};
use svc_ingress::{IngressConfig, RouteTable};
use svc_model::Snapshot;

use crate::source::Source;

use super::Routing;

/// Says which Ingress, rule, Service and endpoints serve a request, and why it is refused if it is.
///
/// Nothing is sent, and nobody is asked: where `auth-url` or a limit decides, that is said as a condition. Ends with 1 if the
/// request is refused.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// What is asked for, such as `https://shop.example/cart?id=1`.
    pub url: Uri,
    /// The directory of manifests that is served.
    #[arg(long, value_name = "DIR")]
    pub manifests: Option<PathBuf>,
    /// The cluster that is served, by its kubeconfig.
    #[arg(long, value_name = "FILE", conflicts_with = "manifests")]
    pub kubeconfig: Option<PathBuf>,
    /// The request's method.
    #[arg(long, short = 'X', default_value = "GET")]
    pub method: Method,
    /// A field of the request; may be given several times.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = field)]
    pub header: Vec<(HeaderName, HeaderValue)>,
    /// Where the connection comes from.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub client: IpAddr,
    /// The size of the request's body.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub body: u64,
    /// How Ingresses are read.
    #[command(flatten)]
    pub routing: Routing,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let config = options.routing.config()?;
    let question = options.question()?;
    let table = RouteTable::new(&options.snapshot(&config).await?, &config);
    let explained = Explanation::new(&table, &question);
    print!("{explained}");
    let report = table.report();
    match explained.route().and_then(|route| route.ingress()) {
        Some(ingress) => {
            let object = format!("Ingress {ingress}");
            let problems = report.problems().iter().filter(|problem| problem.object() == object);
            problems.for_each(|problem| println!("{:<9} {problem}", "note"));
        }
        None => report.ignored().iter().for_each(|(ingress, why)| {
            println!("{:<9} Ingress {ingress} is not served: {why}", "note");
        }),
    }
    let refused = explained.outcome().status().is_some_and(|status| status.as_u16() >= 400);
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Options {
    fn question(&self) -> anyhow::Result<Question> {
        if self.url.host().is_none() {
            bail!("{} is no URL such as http://shop.example/cart", self.url);
        }
        let mut request = Request::builder().method(&self.method).uri(&self.url).body(())?;
        for (name, value) in &self.header {
            request.headers_mut().append(name, value.clone());
        }
        let question = Question::new(&request, self.client).body(self.body);
        let secure = self.url.scheme() == Some(&Scheme::HTTPS);
        let question = if secure { question.over_tls() } else { question };
        Ok(self.url.port_u16().into_iter().fold(question, Question::port))
    }

    async fn snapshot(&self, config: &IngressConfig) -> anyhow::Result<Snapshot> {
        let Source { store, asked: _, mut read, run } =
            super::source(self.manifests.as_deref(), self.kubeconfig.as_deref(), config)?;
        tokio::select! {
            () = run => bail!("the objects were never read"),
            read = read.wait_for(|read| *read) => drop(read.context("the objects were never read")?),
        }
        Ok(store.snapshot())
    }
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("is not NAME: VALUE")?;
    let name = name.trim().parse().map_err(|_| "has no field's name before the colon")?;
    let value = value.trim().parse().map_err(|_| "has no field's value behind the colon")?;
    Ok((name, value))
}
