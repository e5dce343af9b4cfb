//! `kubernetes [ZONES...] { ... }`

use std::time::Duration;

use super::{
    Directive, Place, Problems,
    words::{all_zones, duration, zones_or_all},
};
use crate::{
    config::{PodRecords, Zone, ZoneBuilder},
    message::Name,
};

/// What the directive says.
#[derive(Clone, Debug)]
pub(super) struct Kubernetes {
    pub(super) zones: Vec<Name>,
    multicluster: Vec<Name>,
    fallthrough: Vec<Name>,
    ttl: Duration,
    pods: PodRecords,
    endpoint_pod_names: bool,
    ignore_empty_service: bool,
    zonal: bool,
    namespaces: Option<Vec<String>>,
    labels: Option<String>,
    namespace_labels: Option<String>,
    pub(super) transfer_to: Vec<String>,
    pub(super) place: Place,
}

pub(super) fn kubernetes(directive: &Directive, zones: &[Name], problems: &mut Problems) -> Kubernetes {
    let own = all_zones(directive, &directive.words, problems);
    let mut plan = Kubernetes {
        zones: if own.is_empty() { zones.to_vec() } else { own },
        multicluster: Vec::new(),
        fallthrough: Vec::new(),
        ttl: Duration::from_secs(5),
        pods: PodRecords::Disabled,
        endpoint_pod_names: false,
        ignore_empty_service: false,
        zonal: false,
        namespaces: None,
        labels: None,
        namespace_labels: None,
        transfer_to: Vec::new(),
        place: directive.place.clone(),
    };
    for option in &directive.body {
        plan.option(directive, option, problems);
    }
    plan
}

impl Kubernetes {
    fn option(&mut self, kubernetes: &Directive, option: &Directive, problems: &mut Problems) {
        match option.name.as_str() {
            "ttl" => self.ttl = option.one("number of seconds", duration, problems).unwrap_or(self.ttl),
            "pods" => self.pods = option.one("pod mode", pods, problems).unwrap_or(self.pods),
            "endpoint_pod_names" => self.endpoint_pod_names = true,
            "zonal" => self.zonal = true,
            "ignore" => match option.words.first().map(String::as_str) {
                Some("empty_service" | "emptyservice") => self.ignore_empty_service = true,
                _ => problems.error(&option.place, "kubernetes: ignore takes empty_service"),
            },
            "fallthrough" => self.fallthrough.extend(zones_or_all(option, problems)),
            "namespaces" => self.namespaces = Some(option.words.clone()),
            "labels" => self.labels = Some(option.words.join(" ")),
            "namespace_labels" => self.namespace_labels = Some(option.words.join(" ")),
            "multicluster" => self.multicluster.extend(all_zones(option, &option.words, problems)),
            "transfer" => self.transfer_to.extend(option.words.iter().filter(|word| *word != "to").cloned()),
            "noendpoints" => problems.error(
                &option.place,
                "kubernetes: noendpoints is not supported: endpoints are always answered",
            ),
            "endpoint" | "tls" | "kubeconfig" => problems.warning(
                &option.place,
                format!(
                    "kubernetes: {} is left out: the program is told where objects come from",
                    option.name
                ),
            ),
            "resyncperiod"
            | "startup_timeout"
            | "apiserver_qps"
            | "apiserver_burst"
            | "apiserver_max_inflight" => {
                problems.warning(
                    &option.place,
                    format!("kubernetes: {} is left out: objects are followed as they change", option.name),
                );
            }
            "upstream" if option.words.is_empty() => {}
            "upstream" => problems.error(
                &option.place,
                "kubernetes: upstream with addresses is gone from CoreDNS; write `forward`",
            ),
            _ => kubernetes.unknown_option(option, problems),
        }
    }

    /// The zones, as a value that cannot be wrong.
    pub(super) fn zone(&self, operations: &super::Operations, problems: &mut Problems) -> Option<Zone> {
        let (reverse, forward): (Vec<&Name>, Vec<&Name>) =
            self.zones.iter().partition(|zone| is_reverse(zone));
        let Some((first, others)) = forward.split_first() else {
            problems.error(&self.place, "kubernetes: name the zone of the cluster, such as cluster.local");
            return None;
        };
        let mut builder = Zone::builder(Name::clone(first));
        builder = others.iter().fold(builder, |builder, zone| builder.also(Name::clone(zone)));
        let multicluster = self.multicluster.iter().filter(|zone| forward.contains(zone));
        builder = multicluster.fold(builder, |builder, zone| builder.multicluster(zone.clone()));
        builder = reverse.into_iter().fold(builder, |builder, zone| builder.reverse_zone(zone.clone()));
        let built = self.set(builder, operations).build_with_problems();
        match built {
            Ok((zone, wrong)) => {
                wrong.iter().for_each(|error| problems.error(&self.place, format!("kubernetes: {error}")));
                Some(zone)
            }
            Err(error) => {
                problems.error(&self.place, format!("kubernetes: {error}"));
                None
            }
        }
    }

    fn set(&self, mut builder: ZoneBuilder, operations: &super::Operations) -> ZoneBuilder {
        builder = builder
            .ttl(self.ttl)
            .pods(self.pods)
            .pod_names(operations.needs_pods)
            .endpoint_pod_names(self.endpoint_pod_names)
            .ignore_empty_service(self.ignore_empty_service)
            .zonal(self.zonal)
            .rotate(operations.rotate());
        builder = self.fallthrough.iter().fold(builder, |builder, zone| builder.fallthrough(zone.clone()));
        for network in self.transfer_to.iter().chain(&operations.transfer_to) {
            builder = match network.as_str() {
                "*" => builder.transfer_to("0.0.0.0/0").transfer_to("::/0"),
                text if text.contains('/') => builder.transfer_to(text),
                text => builder.transfer_to(one_address(text).as_str()),
            };
        }
        if let Some(namespaces) = &self.namespaces {
            builder = builder.namespaces(namespaces.iter().cloned());
        }
        if let Some(labels) = &self.labels {
            builder = builder.labels(labels.as_str());
        }
        if let Some(labels) = &self.namespace_labels {
            builder = builder.namespace_labels(labels.as_str());
        }
        match operations.bufsize() {
            Some(bytes) => builder.max_udp_size(bytes),
            None => builder,
        }
    }
}

fn one_address(text: &str) -> String {
    format!("{text}/{}", if text.contains(':') { 128 } else { 32 })
}

fn is_reverse(zone: &Name) -> bool {
    zone.labels().last().is_some_and(|label| label.eq_ignore_ascii_case(b"arpa"))
}

fn pods(word: &str) -> Option<PodRecords> {
    Some(match word {
        "disabled" => PodRecords::Disabled,
        "insecure" => PodRecords::Insecure,
        "verified" => PodRecords::Verified,
        _ => return None,
    })
}
