//! The options, and what they mean without a Corefile.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use svc_dns::corefile::Scheme;
use svc_dns::{
    Autopath, Cache, CacheConfig, Compat, Forwarder, ForwarderBuilder, Front, Hosts, KubeDns, LogClass,
    PodRecords, QueryLog, RateLimit, ServerAddress, Site, Zone,
};

use super::configured::Configured;

/// Answers DNS for the Services in a directory of Kubernetes manifests or in a cluster, follows its changes, and forwards other
/// names.
///
/// Try it: `dns --manifests DIR`, and `dig @127.0.0.1 -p 5300 web.default.svc.cluster.local` elsewhere.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Something else than serving.
    #[command(subcommand)]
    pub task: Option<Task>,
    /// The directory; it is followed as it is edited. Objects are read as a cluster stores them: nothing is allocated.
    #[arg(long, value_name = "DIR")]
    pub manifests: Option<PathBuf>,
    /// Take the objects of the cluster that this kubeconfig leads to.
    #[arg(long, value_name = "FILE", conflicts_with = "manifests")]
    pub kubeconfig: Option<PathBuf>,
    /// Listen here, UDP and TCP; may be given several times. 127.0.0.1:5300, or what the Corefile says.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// The cluster's zone; may be given several times.
    #[arg(long, default_value = "cluster.local")]
    pub zone: Vec<String>,
    /// Also answer the names of the addresses in this network (PTR); may be given several times.
    #[arg(long, value_name = "CIDR")]
    pub reverse: Vec<String>,
    /// Seconds that records may be kept.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub ttl: u32,
    /// What names of pods give.
    #[arg(long, value_enum, default_value_t = Pods::Disabled)]
    pub pods: Pods,
    /// Forward names outside the zone to this server; may be given several times. Without one they are refused.
    #[arg(long, value_name = "ADDRESS")]
    pub upstream: Vec<String>,
    /// Forward names in DOMAIN to SERVER; may be given several times.
    #[arg(long, value_name = "DOMAIN=SERVER", value_parser = stub)]
    pub stub: Vec<(String, String)>,
    /// Answer the names in this hosts file; it is followed as it is edited.
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// Say NXDOMAIN for ClusterIP Services without ready endpoints.
    #[arg(long)]
    pub ignore_empty_service: bool,
    /// Walk the search path of pods for them.
    #[arg(long)]
    pub autopath: bool,
    /// Let clients in this network transfer the zones; may be given several times.
    #[arg(long, value_name = "CIDR")]
    pub allow_transfer: Vec<String>,
    /// Take CoreDNS's side where it differs from the RFCs.
    #[arg(long, value_enum)]
    pub compat: Option<Side>,
    /// Tell of queries on standard output, in CoreDNS's form: those with records, those without, or those that fail; may be given
    /// several times.
    #[arg(long, value_enum, value_name = "CLASS", num_args = 0..=1, default_missing_value = "all")]
    pub log: Vec<Logged>,
    /// Tell of one of so many of those queries.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub log_sample: u32,
    /// Give a network (IPv4 /24, IPv6 /56) at most so many answers of a kind in a second over UDP.
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Tell health, readiness and metrics over HTTP here: /health, /ready, /metrics.
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<String>,
    /// Also take stub domains and upstream servers from the ConfigMap `kube-dns` in `kube-system`, as kube-dns did.
    #[arg(long)]
    pub kube_dns: bool,
    /// Do what this Corefile says; of the options only --manifests, --kubeconfig, --listen and --metrics count then.
    #[arg(long, value_name = "FILE")]
    pub corefile: Option<PathBuf>,
}

/// What can be done with the zones besides serving them.
#[derive(Clone, Debug, Subcommand)]
#[non_exhaustive]
pub enum Task {
    /// Say which object gives which record to a question, or why there is none.
    Explain {
        /// The name asked for.
        name: String,
        /// The type asked for.
        #[arg(default_value = "A")]
        kind: String,
        /// Who asks: an address, with or without a port.
        #[arg(default_value = "127.0.0.1")]
        client: String,
    },
}

/// What answers say.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[non_exhaustive]
pub enum Logged {
    /// Anything.
    All,
    /// Records.
    Success,
    /// No such name or record.
    Denial,
    /// Another code.
    Error,
}

/// Modes of pod records.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[non_exhaustive]
pub enum Pods {
    /// They do not exist.
    Disabled,
    /// The address in the name, whoever has it.
    Insecure,
    /// The address in the name if a pod has it.
    Verified,
}

/// Whose side.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[non_exhaustive]
pub enum Side {
    /// Of the RFCs.
    Rfc,
    /// Of CoreDNS.
    Coredns,
}

/// The forwarder of a front.
pub(super) enum Forwarding {
    /// The one that there is, with its cache and what it knows of its servers.
    As(Option<Forwarder>),
    /// Another one.
    Anew(KubeDns),
}

fn stub(text: &str) -> Result<(String, String), String> {
    let (domain, server) = text.split_once('=').ok_or("it has no `=`; write corp.example=10.1.0.53")?;
    Ok((domain.to_owned(), server.to_owned()))
}

impl Options {
    /// Whether the addresses of pods have to be known.
    pub(super) fn needs_pods(&self) -> bool {
        self.autopath || matches!(self.pods, Pods::Verified)
    }

    /// The addresses of `--listen`.
    pub(super) fn addresses(&self) -> anyhow::Result<Vec<ServerAddress>> {
        let parse = |text: &String| Ok(text.parse()?);
        self.listen.iter().map(parse).collect()
    }

    /// The address of `--metrics`.
    pub(super) fn operations(&self) -> anyhow::Result<Vec<ServerAddress>> {
        let parse = |text: &String| Ok(text.parse()?);
        self.metrics.iter().map(parse).collect()
    }

    /// What to serve, with a forwarder that is there already if it is.
    pub(super) fn configured(&self, forwarder: Forwarding) -> anyhow::Result<Configured> {
        let mut listen = self.addresses()?;
        if listen.is_empty() {
            listen.push(SocketAddr::from(([127, 0, 0, 1], 5300)).into());
        }
        let front = self.front(forwarder)?;
        Ok(Configured {
            listen: listen.into_iter().map(|address| (Scheme::Dns, address)).collect(),
            zone: Some(self.zones()?),
            front,
            tls: None,
            operations: self.operations()?,
            lameduck: Duration::ZERO,
            rate_limit: self.rate_limit.map(|limit| RateLimit::per_second(limit).build()).transpose()?,
            log: self.query_log(),
            nsid: None,
        })
    }

    fn query_log(&self) -> Option<QueryLog> {
        let class = |logged: &Logged| match logged {
            Logged::All => vec![],
            Logged::Success => vec![LogClass::Success],
            Logged::Denial => vec![LogClass::Denial],
            Logged::Error => vec![LogClass::Error],
        };
        let rule = |log: QueryLog, logged: &Logged| log.rule([], class(logged));
        let rules = || self.log.iter().fold(QueryLog::new().sample(self.log_sample), rule);
        (!self.log.is_empty()).then(rules)
    }

    pub(super) fn zones(&self) -> anyhow::Result<Zone> {
        let (first, others) = self.zone.split_first().context("--zone: name the zone")?;
        let mut zone = Zone::builder(first.as_str())
            .ttl(Duration::from_secs(self.ttl.into()))
            .pods(match self.pods {
                Pods::Disabled => PodRecords::Disabled,
                Pods::Insecure => PodRecords::Insecure,
                Pods::Verified => PodRecords::Verified,
            })
            .pod_names(self.autopath)
            .ignore_empty_service(self.ignore_empty_service);
        zone = others.iter().fold(zone, |zone, name| zone.also(name.as_str()));
        zone = self.reverse.iter().fold(zone, |zone, network| zone.reverse(network.as_str()));
        zone = self.allow_transfer.iter().fold(zone, |zone, network| zone.transfer_to(network.as_str()));
        if let Some(Side::Coredns) = self.compat {
            zone = zone.compat(Compat::CoreDns);
        }
        // One bad zone or network keeps no other from being served.
        let (zone, problems) = zone.build_with_problems()?;
        problems.iter().for_each(|problem| eprintln!("error: {problem}"));
        Ok(zone)
    }

    fn front(&self, forwarding: Forwarding) -> anyhow::Result<Front> {
        let mut site = Site::builder(".");
        if let Some(hosts) = self.read_hosts() {
            site = site.hosts(hosts);
        }
        if self.autopath {
            site = site.autopath(Autopath::new());
        }
        let rules = self.hosts.is_some() || self.autopath;
        let front = if rules { Front::new().site(site.build()?) } else { Front::new() };
        let forwarder = match forwarding {
            Forwarding::As(forwarder) => forwarder,
            Forwarding::Anew(kube_dns) => self.forwarder(&kube_dns)?,
        };
        Ok(forwarder.into_iter().fold(front, Front::forward))
    }

    /// Nothing is forwarded unless somebody says where to.
    fn forwarder(&self, kube_dns: &KubeDns) -> anyhow::Result<Option<Forwarder>> {
        let given = !self.upstream.is_empty() || !self.stub.is_empty();
        if !given && kube_dns.stubs().is_empty() && kube_dns.upstreams().is_empty() {
            return Ok(None);
        }
        let forwarder = kube_dns.forwarder().cache(Cache::new(CacheConfig::default())).detect_loops(true);
        let upstream = |all: ForwarderBuilder, server: &String| all.upstream(server.as_str());
        let forwarder = self.upstream.iter().fold(forwarder, upstream);
        let stub = |all: ForwarderBuilder, (domain, server): &(String, String)| {
            all.stub(domain.as_str(), [server.as_str()])
        };
        Ok(Some(self.stub.iter().fold(forwarder, stub).build()?))
    }

    /// A hosts file that is not there yet has no names.
    fn read_hosts(&self) -> Option<Hosts> {
        let path = self.hosts.as_ref()?;
        let text = fs::read_to_string(path).unwrap_or_else(|error| {
            eprintln!("error: {}: {error}", path.display());
            String::new()
        });
        let (hosts, problems) = Hosts::parse(&text);
        problems.iter().for_each(|problem| eprintln!("error: {}: {problem}", path.display()));
        Some(hosts)
    }
}
