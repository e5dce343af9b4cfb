//! `status.loadBalancer` of Ingresses: where the router is reached, written back for people, DNS controllers and everybody
//! else who looks there.
//!
//! What has to be written is a value, [`changes`]; who writes it is behind a trait, [`PublishStatus`]. Ingresses of other
//! controllers are left alone.
//!
//! # Which process writes
//!
//! Only what differs is written, so several replicas that publish the same addresses do no harm: each writes what it finds
//! missing, and they all write the same. Those whose addresses differ, each its own node's perhaps, would write against one
//! another for ever: there, run the publishing future in one of them only. In Kubernetes that is whoever holds a Lease
//! (`coordination.k8s.io/v1`), as under ingress-nginx: poll the future while the Lease is yours, drop it when it is lost.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;

use svc_model::{IpMode, LoadBalancerIngress, ObjectName, Service, ServiceType, Snapshot};

use crate::config::IngressConfig;
use crate::table::is_ours;

#[cfg(feature = "kube")]
mod kube;
#[cfg(feature = "driver")]
mod store;

#[cfg(test)]
mod tests;

/// Where the router is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published(Source);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Fixed(Vec<LoadBalancerIngress>),
    Service(ObjectName),
}

/// What has to be written into the status of one Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusChange {
    ingress: ObjectName,
    addresses: Vec<LoadBalancerIngress>,
}

/// Somebody who writes the status of Ingresses.
pub trait PublishStatus: Send + Sync {
    /// Makes `status.loadBalancer.ingress` of an Ingress these addresses, and changes nothing else. An Ingress that is no
    /// longer there is no error.
    ///
    /// # Errors
    ///
    /// What went wrong; it is tried again later.
    fn publish(&self, change: &StatusChange) -> impl Future<Output = Result<(), PublishError>> + Send;
}

/// The status of an Ingress could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the status of Ingress {ingress}: {message}")]
pub struct PublishError {
    ingress: ObjectName,
    message: String,
}

impl PublishError {
    /// `message` says what went wrong.
    #[must_use]
    pub fn new(ingress: ObjectName, message: impl Into<String>) -> Self {
        Self { ingress, message: message.into() }
    }
}

impl Published {
    /// At these addresses and host names (`--publish-status-address`).
    pub fn at<'a>(places: impl IntoIterator<Item = &'a str>) -> Self {
        let entry = |place: &str| match place.parse::<IpAddr>() {
            Ok(address) => LoadBalancerIngress::address(address, IpMode::Vip),
            Err(_) => LoadBalancerIngress::named(place),
        };
        Self(Source::Fixed(in_order(places.into_iter().map(entry))))
    }

    /// Wherever this Service is reached (`--publish-service`): by its balancer and its external addresses, else by its
    /// cluster address.
    #[must_use]
    pub fn service(name: ObjectName) -> Self {
        Self(Source::Service(name))
    }

    /// The entries to write; none while the Service is not there or has no address yet.
    #[must_use]
    pub fn addresses(&self, snapshot: &Snapshot) -> Vec<LoadBalancerIngress> {
        match &self.0 {
            Source::Fixed(addresses) => addresses.clone(),
            Source::Service(name) => {
                snapshot.service(name).map_or_else(Vec::new, |service| of_service(service))
            }
        }
    }
}

impl StatusChange {
    /// The Ingress.
    #[must_use]
    pub fn ingress(&self) -> &ObjectName {
        &self.ingress
    }

    /// All entries of `status.loadBalancer.ingress`.
    #[must_use]
    pub fn addresses(&self) -> &[LoadBalancerIngress] {
        &self.addresses
    }
}

/// What has to be written, Ingress by Ingress. Nothing while there is no address to publish: what stands there stays.
#[must_use]
pub fn changes(snapshot: &Snapshot, config: &IngressConfig, published: &Published) -> Vec<StatusChange> {
    let addresses = published.addresses(snapshot);
    if addresses.is_empty() {
        return Vec::new();
    }
    all(snapshot, config, |_| addresses.clone())
}

/// What has to be written once no router serves the Ingresses any more: our addresses go, others stay.
#[must_use]
pub fn withdrawals(snapshot: &Snapshot, config: &IngressConfig, published: &Published) -> Vec<StatusChange> {
    let ours = published.addresses(snapshot);
    let is_ours = |entry: &LoadBalancerIngress| ours.iter().any(|own| place(own) == place(entry));
    all(snapshot, config, |now| now.iter().filter(|entry| !is_ours(entry)).cloned().collect())
}

fn all(
    snapshot: &Snapshot,
    config: &IngressConfig,
    wanted: impl Fn(&[LoadBalancerIngress]) -> Vec<LoadBalancerIngress>,
) -> Vec<StatusChange> {
    let ours = snapshot.ingresses().filter(|ingress| is_ours(ingress, snapshot, config));
    let changed = ours.filter_map(|ingress| {
        let now = ingress.load_balancer();
        let addresses = wanted(now);
        let same = now.len() == addresses.len() && places(now) == places(&addresses);
        (!same).then(|| StatusChange { ingress: ingress.name().clone(), addresses })
    });
    changed.collect()
}

/// As ingress-nginx reads the Service that it publishes.
fn of_service(service: &Service) -> Vec<LoadBalancerIngress> {
    let address = |ip: &IpAddr| LoadBalancerIngress::address(*ip, IpMode::Vip);
    let external = || service.external_ips().iter().map(address);
    let cluster = || service.cluster_ips().iter().take(1).map(address);
    match service.service_type() {
        ServiceType::ExternalName => in_order(service.external_name().map(LoadBalancerIngress::named)),
        ServiceType::LoadBalancer => {
            in_order(service.load_balancer_ingress().iter().cloned().chain(external()))
        }
        ServiceType::NodePort if !service.external_ips().is_empty() => in_order(external()),
        _ => in_order(cluster()),
    }
}

/// What is published of an entry.
fn place(entry: &LoadBalancerIngress) -> (Option<IpAddr>, Option<&str>) {
    (entry.ip(), entry.hostname())
}

fn places(entries: &[LoadBalancerIngress]) -> BTreeSet<(Option<IpAddr>, Option<&str>)> {
    entries.iter().map(place).collect()
}

/// Each place once, in an order that does not depend on how they were given.
fn in_order(entries: impl IntoIterator<Item = LoadBalancerIngress>) -> Vec<LoadBalancerIngress> {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by(|a, b| place(a).cmp(&place(b)));
    entries.dedup_by(|a, b| place(a) == place(b));
    entries
}
