//! The tour: what the main job shows, step by step. Every step sets up what it needs, proves its point with real
//! packets and real clients, and takes away what it brought, so that each can run alone.

mod cleanup;
mod cluster_ip;
mod definition;
mod external_ips;
mod external_name;
mod headless;
mod ingress;
mod ingress_auth;
mod ingress_tls;
mod load_balancer;
mod log;
mod names;
mod node_port;
mod overlay;
mod path_mtu;
mod proxy_modes;
mod report;
pub mod undermine;

pub use log::Log;
use undermine::Undermine;

use std::future::Future;
use std::pin::Pin;

use anyhow::Context as _;
use svc_lab::Lab;
use svc_proxy::Backend;

use crate::cluster::Cluster;

/// A future that borrows the tour it belongs to.
pub type Walk<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

/// One step.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Step {
    /// Its number in the tour.
    pub number: u8,
    /// What it shows.
    pub title: &'static str,
    walk: for<'a> fn(&'a mut Tour) -> Walk<'a>,
}

/// What became of a step.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It held.
    Pass,
    /// It did not, and why.
    Fail(anyhow::Error),
    /// This kernel cannot do it, and what it lacks.
    Skipped(Lacking),
}

/// What this kernel would have to have. A step that returns it is passed over, neither held nor failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("this kernel has no {0}")]
pub struct Lacking(pub(crate) String);

/// A step a line: number, title, module.
macro_rules! steps {
    ($($number:literal $title:literal $module:ident)*) => {
        /// The steps that exist, in order.
        pub const STEPS: &[Step] =
            &[$(Step { number: $number, title: $title, walk: |tour| Box::pin($module::walk(tour)) }),*];
    };
}

steps! {
    1 "definition: endpoints follow the pods" definition
    2 "ClusterIP: one address, every endpoint" cluster_ip
    3 "NodePort: edited live, reached on every node" node_port
    4 "LoadBalancer: proxying and passthrough" load_balancer
    5 "ExternalName: an alias that moves" external_name
    6 "headless: a name for every pod" headless
    7 "externalIPs: an outside address on the nodes" external_ips
    8 "DNS: the C library's resolver in a pod" names
    9 "proxy modes: switched live, nftables, iptables and ipvs" proxy_modes
    10 "overlay: VXLAN from node to node" overlay
    11 "Ingress: hosts, paths, rewriting" ingress
    12 "Ingress TLS: certificates by name, replaced live" ingress_tls
    13 "Ingress authentication: htpasswd, edited live" ingress_auth
    15 "clean-up: nothing of ours stays, nothing foreign goes" cleanup
}

/// The step of this number.
#[must_use]
pub fn step(number: u8) -> Option<&'static Step> {
    STEPS.iter().find(|step| step.number == number)
}

/// A cluster being shown.
#[derive(Debug)]
pub struct Tour {
    /// The cluster.
    pub cluster: Cluster,
    /// Where the tour says what it does and sees.
    pub log: Log,
    undermine: Option<Undermine>,
}

impl Tour {
    /// Builds the cluster in a lab.
    ///
    /// # Errors
    /// Something that the tour stands on does not work here; the error says what.
    pub async fn begin(lab: Lab, log: Log) -> anyhow::Result<Self> {
        Self::begin_in(Backend::default(), lab, log).await
    }

    /// The same with proxies in this mode.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn begin_in(backend: Backend, lab: Lab, log: Log) -> anyhow::Result<Self> {
        let cluster = Cluster::start(backend, lab).await?;
        Ok(Self { cluster, log, undermine: None })
    }

    /// Lets `undermine` remove what the next step is about to prove: the step must then fail. For the tour's own test.
    pub fn undermine(&mut self, undermine: Undermine) {
        self.undermine = Some(undermine);
    }

    /// Runs one step and takes away what it brought.
    pub async fn walk(&mut self, step: &Step) -> Verdict {
        self.log.begin(step);
        let walked = (step.walk)(self).await;
        let tidied = self.cluster.tidy().await;
        let verdict = match walked.and(tidied) {
            Ok(()) => Verdict::Pass,
            Err(error) => error.downcast().map_or_else(Verdict::Fail, Verdict::Skipped),
        };
        self.log.end(step, &verdict);
        verdict
    }

    /// Steps call this once, when everything is in place and nothing is proven yet.
    async fn moment_of_proof(&mut self) -> anyhow::Result<()> {
        match self.undermine.take() {
            Some(undermine) => undermine(&mut self.cluster).await.context("nothing could be undermined"),
            None => Ok(()),
        }
    }
}
