//! What one server is made of.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use svc_dns::corefile::{
    Corefile, Nsid, Operations, Plan, Problems, Scheme, ServerPlan, Surroundings, System,
};
use svc_dns::{Front, QueryLog, RateLimit, ServerAddress, Tls, Zone};
use svc_model::Kind;

use super::options::Options;

/// What one server is made of.
pub(super) struct Configured {
    pub(super) listen: Vec<(Scheme, ServerAddress)>,
    /// `None`: it only forwards.
    pub(super) zone: Option<Zone>,
    pub(super) front: Front,
    /// For clients that speak TLS or HTTPS.
    pub(super) tls: Option<Tls>,
    /// Where health, readiness and metrics are told.
    pub(super) operations: Vec<ServerAddress>,
    pub(super) lameduck: Duration,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) log: Option<QueryLog>,
    /// What it is called.
    pub(super) nsid: Option<Vec<u8>>,
}

impl Configured {
    /// With what the Corefile says about running it.
    fn operated(mut self, operations: &Operations) -> Self {
        let all = IpAddr::from([0; 4]);
        let health = operations.health().map(|health| (health.address, health.port));
        for (address, port) in [health, operations.ready(), operations.metrics()].into_iter().flatten() {
            self.operations.push(SocketAddr::new(address.unwrap_or(all), port).into());
        }
        self.rate_limit = operations.rate_limit().cloned();
        self.log = operations.query_log();
        self.nsid = operations.nsid().map(named);
        self.lameduck = operations.health().map_or(Duration::ZERO, |health| health.lameduck);
        self
    }
}

/// A Corefile and what it means.
pub(super) struct Read {
    pub(super) corefile: Corefile,
    pub(super) plan: Plan,
    around: System,
}

impl Read {
    /// # Errors
    /// When it cannot be read, or something in it would change answers if it were left out. All problems are on standard error
    /// then.
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let around = System::beside(path);
        let name = path.display().to_string();
        let file = path.file_name().and_then(|name| name.to_str()).context("the Corefile needs a name")?;
        let text = around.read(file).map_err(|why| anyhow::anyhow!("{name}: {why}"))?;
        let parsed = Corefile::parse(&name, &text, &around);
        let corefile = parsed.map_err(|problems| refuse(&problems))?;
        let plan = corefile.plan();
        if plan.problems().has_errors() {
            return Err(refuse(plan.problems()));
        }
        Ok(Self { corefile, plan, around })
    }

    /// What has to be known beyond Services, their endpoints and namespaces.
    pub(super) fn kinds(&self) -> BTreeSet<Kind> {
        let zones = || self.plan.servers().iter().filter_map(ServerPlan::zone);
        let pods = zones().any(Zone::knows_pods).then_some(Kind::Pod);
        pods.into_iter().chain(zones().any(Zone::knows_imports).then_some(Kind::ServiceImport)).collect()
    }

    /// The rules and forwarders of its servers, with what their files say now.
    pub(super) fn fronts(&self) -> anyhow::Result<Vec<Front>> {
        let mut fronts = Vec::new();
        for server in self.plan.servers() {
            let (front, problems) = server.front(&self.around).map_err(|problems| refuse(&problems))?;
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            fronts.push(front);
        }
        Ok(fronts)
    }

    /// What the files say that the fronts are made from.
    pub(super) fn texts(&self) -> Vec<Result<String, String>> {
        let files = self.plan.servers().iter().flat_map(ServerPlan::files);
        files.map(|path| self.around.read(&path)).collect()
    }

    /// What a running server cannot change: its addresses, its zone, what is beside it.
    pub(super) fn frame(&self) -> Vec<String> {
        let frame = |server: &ServerPlan| {
            format!("{:?} {:?} {:?}", server.listen(), server.zone(), server.operations())
        };
        self.plan.servers().iter().map(frame).collect()
    }

    /// All there is to serve.
    pub(super) fn configured(&self, options: &Options) -> anyhow::Result<Vec<Configured>> {
        let given: Vec<_> = options.addresses()?.into_iter().map(|address| (Scheme::Dns, address)).collect();
        let servers = self.plan.servers();
        ensure!(
            given.is_empty() || servers.len() == 1,
            "--listen: the Corefile has servers at {} sets of addresses; leave --listen out",
            servers.len()
        );
        let mut all = Vec::new();
        for (server, front) in servers.iter().zip(self.fronts()?) {
            let mut listen = given.clone();
            for at in server.listen().iter().filter(|_| given.is_empty()) {
                let addresses = at.addresses().with_context(|| format!("bind {at}"))?;
                listen.extend(addresses.into_iter().map(|address| (at.scheme, address.into())));
            }
            let tls = server.tls(&self.around).map_err(|problems| refuse(&problems))?;
            let (zone, operations) = (server.zone().cloned(), options.operations()?);
            let one = Configured {
                listen,
                zone,
                front,
                tls,
                operations,
                lameduck: Duration::ZERO,
                rate_limit: None,
                log: None,
                nsid: None,
            };
            all.push(one.operated(server.operations()));
        }
        Ok(all)
    }
}

/// The host's name where the Corefile has none.
fn named(nsid: &Nsid) -> Vec<u8> {
    match nsid {
        Nsid::Text(text) => text.clone().into_bytes(),
        _ => {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            name.trim_end().to_owned().into_bytes()
        }
    }
}

fn refuse(problems: &Problems) -> anyhow::Error {
    anyhow::anyhow!("the Corefile is not served as it is:\n{problems}")
}
