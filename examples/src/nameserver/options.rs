//! The options, and what they mean without a Corefile.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use svc_dns::{
    Autopath, Cache, CacheConfig, Compat, Forwarder, ForwarderBuilder, Front, Hosts, PodRecords,
    ServerAddress, Site, Zone,
};

use super::configured::Configured;

/// Answers DNS for the Services in a directory of Kubernetes manifests, follows its edits, and forwards other names.
///
/// Try it: `dns --manifests DIR`, and `dig @127.0.0.1 -p 5300 web.default.svc.cluster.local` elsewhere.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// The directory; it is followed as it is edited. Objects are read as a cluster stores them: nothing is allocated.
    #[arg(long, value_name = "DIR")]
    pub manifests: PathBuf,
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
    /// Tell health, readiness and metrics over HTTP here: /health, /ready, /metrics.
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<String>,
    /// Do what this Corefile says; of the options only --manifests, --listen and --metrics count then.
    #[arg(long, value_name = "FILE")]
    pub corefile: Option<PathBuf>,
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

fn stub(text: &str) -> Result<(String, String), String> {
    let (domain, server) = text.split_once('=').ok_or("it has no `=`; write corp.example=10.1.0.53")?;
    Ok((domain.to_owned(), server.to_owned()))
}

impl Options {
    /// The addresses of `--listen`.
    pub(super) fn addresses(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let parse = |text: &String| Ok(text.parse::<ServerAddress>()?.socket());
        self.listen.iter().map(parse).collect()
    }

    /// The address of `--metrics`.
    pub(super) fn operations(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let parse = |text: &String| Ok(text.parse::<ServerAddress>()?.socket());
        self.metrics.iter().map(parse).collect()
    }

    /// What to serve, with a forwarder that is there already if it is.
    pub(super) fn configured(&self, forwarder: Option<Forwarder>) -> anyhow::Result<Configured> {
        let mut listen = self.addresses()?;
        if listen.is_empty() {
            listen.push(([127, 0, 0, 1], 5300).into());
        }
        let front = self.front(forwarder)?;
        let (zone, operations) = (Some(self.zones()?), self.operations()?);
        Ok(Configured { listen, zone, front, operations, lameduck: Duration::ZERO })
    }

    fn zones(&self) -> anyhow::Result<Zone> {
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

    fn front(&self, forwarder: Option<Forwarder>) -> anyhow::Result<Front> {
        let mut site = Site::builder(".");
        if let Some(hosts) = self.read_hosts() {
            site = site.hosts(hosts);
        }
        if self.autopath {
            site = site.autopath(Autopath::new());
        }
        let rules = self.hosts.is_some() || self.autopath;
        let front = if rules { Front::new().site(site.build()?) } else { Front::new() };
        match forwarder {
            Some(forwarder) => Ok(front.forward(forwarder)),
            None if self.upstream.is_empty() && self.stub.is_empty() => Ok(front),
            None => Ok(front.forward(self.forwarder()?)),
        }
    }

    fn forwarder(&self) -> anyhow::Result<Forwarder> {
        let forwarder = Forwarder::builder().cache(Cache::new(CacheConfig::default())).detect_loops(true);
        let upstream = |all: ForwarderBuilder, server: &String| all.upstream(server.as_str());
        let forwarder = self.upstream.iter().fold(forwarder, upstream);
        let stub = |all: ForwarderBuilder, (domain, server): &(String, String)| {
            all.stub(domain.as_str(), [server.as_str()])
        };
        Ok(self.stub.iter().fold(forwarder, stub).build()?)
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
