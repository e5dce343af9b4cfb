//! Why there is no record.

use std::net::IpAddr;

use svc_model::Snapshot;

use super::{
    Verdict,
    reading::{Front, Named, Reading},
    subject::Subject,
};
use crate::{
    PodRecords, Responder,
    index::host_label,
    message::{Name, QuestionName, Rcode, RecordType},
};

/// Looks for what stands in the way.
pub(super) struct Reasons<'e> {
    pub(super) responder: &'e Responder,
    pub(super) snapshot: &'e Snapshot,
    pub(super) kind: RecordType,
    pub(super) outcome: Verdict,
}

/// So many of a list are told.
const TOLD: usize = 8;

impl Reasons<'_> {
    pub(super) fn of(&self, reading: &Reading) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.snapshot.revision() != self.responder.revision() {
            let (objects, answer) = (self.snapshot.revision(), self.responder.revision());
            reasons.push(format!("the objects named here are those of {objects}, the answer is of {answer}"));
        }
        if !self.responder.is_synced() {
            reasons.push(
                "not everything is known yet: what is not found is SERVFAIL, never NXDOMAIN".to_owned(),
            );
        }
        reasons.extend(self.find(reading));
        reasons
    }

    fn find(&self, reading: &Reading) -> Vec<String> {
        match reading {
            Reading::Foreign => vec![self.foreign()],
            Reading::Service(name, front) => self.service(name, front),
            Reading::Namespace(name) => self.namespace(name).into_iter().collect(),
            Reading::Pod(namespace, address) => self.pod(namespace, *address).into_iter().collect(),
            Reading::Address(address) => self.address(*address).into_iter().collect(),
            Reading::Network if self.is_negative() => vec!["no address that begins so has a name".to_owned()],
            Reading::Network => vec!["names exist below it (RFC 8020)".to_owned()],
            Reading::Nothing => vec![
                "names are [ENDPOINT | _PORT._PROTOCOL.]SERVICE.NAMESPACE.svc, or ADDRESS-WITH-DASHES.NAMESPACE.pod, in front of \
                 the zone"
                    .to_owned(),
            ],
            Reading::Fixed(_) | Reading::Apex(_) => Vec::new(),
        }
    }

    fn foreign(&self) -> String {
        let zone = self.responder.zone();
        let zones: Vec<String> = zone.origins().chain(zone.reverse_zones()).map(Name::to_string).collect();
        let then = match self.outcome {
            Verdict::Forwarded => "it is forwarded",
            _ => "nothing is forwarded here",
        };
        format!("the zones are {}: {then}", list(&zones))
    }

    /// A namespace that hides what is in it.
    fn namespace(&self, name: &str) -> Option<String> {
        if !self.snapshot.has_namespace(name) {
            return Some(format!("there is no namespace {name}"));
        }
        let hidden = !self.responder.has_namespace(name);
        hidden.then(|| format!("namespace {name} is left out by the server's configuration"))
    }

    fn service(&self, named: &Named, front: &Front) -> Vec<String> {
        if let Some(reason) = self.namespace(named.name.namespace()) {
            return vec![reason];
        }
        let Some(service) = Subject::of(self.snapshot, named) else {
            return vec![format!("there is no {named}")];
        };
        if !self.responder.zone().exposed().service(service.labels()) {
            return vec![format!("{service} is left out by its labels, as the server is configured")];
        }
        if let Some(target) = service.external_name() {
            return self.external(service, target, front);
        }
        let mut reasons = self.readiness(service);
        reasons.extend(self.front(service, front));
        reasons.extend(self.families(service, front));
        reasons
    }

    fn external(&self, service: Subject<'_>, target: &str, front: &Front) -> Vec<String> {
        if target.trim_end_matches('.').parse::<IpAddr>().is_ok() {
            return vec![format!("{service}: spec.externalName {target} is an address, which is no alias")];
        }
        if *front != Front::Nothing {
            return vec![format!("{service} is an ExternalName: nothing is below it")];
        }
        if self.kind == RecordType::SRV {
            return vec![format!("{service} is an ExternalName: SRV takes no alias")];
        }
        let Ok(target) = target.parse::<Name>() else { return Vec::new() };
        match Reading::of(self.responder.zone(), &QuestionName::from(&target)) {
            Reading::Foreign if self.outcome == Verdict::Forwarded => {
                vec![format!("{target} is in none of the zones: an upstream server is asked for it")]
            }
            Reading::Foreign => {
                vec![format!("{target} is in none of the zones, and nothing is forwarded here")]
            }
            // Another alias is a question of its own.
            Reading::Service(next, _) if self.is_external(&next) => {
                vec![format!("the alias goes on with {target}")]
            }
            reading => self.find(&reading),
        }
    }

    fn is_external(&self, name: &Named) -> bool {
        Subject::of(self.snapshot, name).is_some_and(|service| service.external_name().is_some())
    }

    /// Endpoints that are left out as they are not ready.
    fn readiness(&self, service: Subject<'_>) -> Vec<String> {
        let slices = service.slices(self.snapshot).into_iter();
        let endpoints: Vec<bool> =
            slices.flat_map(|slice| slice.endpoints().iter().map(|endpoint| endpoint.ready())).collect();
        let ready = endpoints.iter().filter(|ready| **ready).count();
        let hides = service.is_headless() || self.responder.zone().ignore_empty_service();
        let told = match (ready, endpoints.len() - ready) {
            (0, 0) if hides => format!("{service} has no endpoints"),
            (0, _) if hides => format!("{service} has no endpoint that is ready"),
            (_, left_out) if left_out > 0 && service.is_headless() => {
                format!("endpoints of {service} that are not ready are left out: {left_out}")
            }
            _ => return Vec::new(),
        };
        vec![told]
    }

    fn front(&self, service: Subject<'_>, front: &Front) -> Option<String> {
        match front {
            Front::Nothing => None,
            Front::TooLong => Some(format!("at most two labels stand in front of {service}")),
            Front::Port(port, protocol) => self.port(service, port, protocol),
            Front::Endpoint(_) if matches!(service, Subject::Import(_)) => self
                .is_negative()
                .then(|| format!("endpoints of {service} are named ENDPOINT.CLUSTER, if it is headless")),
            Front::Endpoint(label) => self.endpoint(service, label),
            Front::Remote(..) if !service.is_headless() => {
                self.is_negative().then(|| format!("{service} is not headless: its endpoints have no names"))
            }
            Front::Remote(label, cluster) => {
                let clusters = service.slices(self.snapshot).into_iter().filter_map(|it| it.source_cluster());
                let mut known: Vec<String> = clusters.map(str::to_owned).collect();
                known.sort();
                known.dedup();
                let missing =
                    format!("no endpoint {label} in cluster {cluster}: its clusters are {}", list(&known));
                self.is_negative().then(|| format!("{service} has {missing}"))
            }
            Front::TopologyZone(..) if !service.is_headless() => {
                Some(format!("{service} is not headless: it has no names of topology zones"))
            }
            Front::TopologyZone(zone, _) => {
                let here = |endpoint: &svc_model::Endpoint| {
                    endpoint.ready() && endpoint.zone().is_some_and(|own| own.eq_ignore_ascii_case(zone))
                };
                let mut slices = service.slices(self.snapshot).into_iter();
                let none = !slices.any(|slice| slice.endpoints().iter().any(here));
                none.then(|| format!("{service} has no ready endpoint in topology zone {zone}"))
            }
        }
    }

    fn port(&self, service: Subject<'_>, port: &str, protocol: &str) -> Option<String> {
        let of_service = service.ports().into_iter().map(|(name, protocol, _)| (name, protocol));
        let slices = service.slices(self.snapshot).into_iter();
        let of_slices =
            slices.flat_map(|slice| slice.ports()).map(|port| (port.name(), port.protocol().as_str()));
        let mut ports: Vec<_> =
            if service.is_headless() { of_slices.collect() } else { of_service.collect() };
        ports.sort_unstable();
        ports.dedup();
        let same = |&(name, proto): &(&str, &str)| name.eq_ignore_ascii_case(port) && proto == protocol;
        if ports.iter().any(same) {
            return None;
        }
        let known: Vec<String> = ports.iter().map(|(name, protocol)| format!("{name}/{protocol}")).collect();
        Some(format!("{service} has no such port: its ports are {}", list(&known)))
    }

    fn endpoint(&self, service: Subject<'_>, label: &str) -> Option<String> {
        let mut known = Vec::new();
        for endpoint in service.slices(self.snapshot).into_iter().flat_map(|slice| slice.endpoints()) {
            let ready = if endpoint.ready() { "" } else { " (not ready)" };
            let label = |&address: &IpAddr| host_label(self.responder.zone(), endpoint, address) + ready;
            known.extend(endpoint.addresses().iter().map(label));
        }
        known.sort();
        known.dedup();
        let missing = !known.iter().any(|known| known.eq_ignore_ascii_case(label));
        missing
            .then(|| format!("{service} has no ready endpoint {label}: its endpoints are {}", list(&known)))
    }

    /// Why an address of the other family, or another type, is not there.
    fn families(&self, service: Subject<'_>, front: &Front) -> Option<String> {
        let no_data = matches!(self.outcome, Verdict::Answered { rcode: Rcode::NOERROR, .. });
        let wanted = match self.kind {
            RecordType::A => IpAddr::is_ipv4,
            RecordType::AAAA => IpAddr::is_ipv6,
            RecordType::SRV => return None,
            kind => return no_data.then(|| format!("Services have no {kind} records")),
        };
        let of_endpoints = || {
            let slices = service.slices(self.snapshot).into_iter();
            slices.flat_map(|slice| slice.endpoints()).any(|endpoint| endpoint.addresses().iter().any(wanted))
        };
        let own = service.addresses().iter().any(wanted);
        let at_endpoints = service.is_headless() || !matches!(front, Front::Nothing | Front::Port(..));
        let present = if at_endpoints { of_endpoints() } else { own };
        let family = if self.kind == RecordType::A { "IPv4" } else { "IPv6" };
        (no_data && !present).then(|| format!("{service} has no {family} address"))
    }

    fn pod(&self, namespace: &str, address: IpAddr) -> Option<String> {
        if self.responder.zone().pods() == PodRecords::Disabled {
            return Some("pod records are disabled".to_owned());
        }
        let verified = self.responder.zone().pods() == PodRecords::Verified;
        let unknown = verified && !self.responder.is_pod_in(namespace, address);
        let missing = || format!("no pod that runs in namespace {namespace} has the address {address}");
        self.namespace(namespace).or_else(|| unknown.then(missing))
    }

    fn address(&self, address: IpAddr) -> Option<String> {
        let negative = self.is_negative();
        negative.then(|| format!("no Service has {address}, none has a ready endpoint there"))
    }

    fn is_negative(&self) -> bool {
        !matches!(self.outcome, Verdict::Answered { rcode: Rcode::NOERROR, .. })
    }
}

/// The first of them, and how many more there are.
fn list(all: &[String]) -> String {
    let more = all.len().saturating_sub(TOLD);
    let front = all[..all.len() - more].join(", ");
    match (all.len(), more) {
        (0, _) => "none".to_owned(),
        (_, 0) => front,
        (_, more) => format!("{front} and {more} more"),
    }
}
