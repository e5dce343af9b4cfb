//! Which objects a record comes from.

use std::net::IpAddr;

use svc_model::{Endpoint, EndpointSlice, Kind, ObjectRef, Snapshot};

use super::{
    Source,
    reading::{Front, Named, Reading},
    subject::Subject,
};
use crate::{
    PodRecords, Responder,
    index::host_label,
    message::{Name, QuestionName, Record, RecordType},
};

/// The objects, in order.
pub(super) fn of(responder: &Responder, snapshot: &Snapshot, record: &Record) -> Vec<Source> {
    let finder = Sources { responder, snapshot };
    let mut sources = match record.kind {
        RecordType::A | RecordType::AAAA => {
            record.address().map(|address| finder.of_address(&record.name, address))
        }
        RecordType::SRV => finder.of_location(record),
        RecordType::CNAME => Some(finder.of_alias(&record.name)),
        RecordType::PTR => record.target().map(|target| finder.of_pointer(&record.name, &target)),
        RecordType::NS => record.target().map(|target| finder.of_name_server(&target)),
        RecordType::SOA => Some(vec![Source::configuration("the zone itself")]),
        RecordType::TXT => Some(vec![Source::configuration("the naming schema")]),
        _ => None,
    }
    .unwrap_or_default();
    sources.sort();
    sources.dedup();
    sources
}

struct Sources<'e> {
    responder: &'e Responder,
    snapshot: &'e Snapshot,
}

impl Sources<'_> {
    fn of_address(&self, owner: &Name, address: IpAddr) -> Vec<Source> {
        match self.read(owner) {
            Reading::Service(name, front) => self.of_service_address(&name, &front, address),
            Reading::Pod(namespace, _) => self.of_pod(&namespace, address),
            Reading::Fixed(_) => {
                vec![Source::configuration("the server's addresses, or the Services that select them")]
            }
            _ => Vec::new(),
        }
    }

    fn of_service_address(&self, name: &Named, front: &Front, address: IpAddr) -> Vec<Source> {
        let Some(service) = Subject::of(self.snapshot, name) else { return Vec::new() };
        let own = matches!(front, Front::Nothing | Front::Port(..));
        let ips = service.addresses().iter().enumerate().filter(|(_, ip)| own && **ip == address);
        let virtual_ips = ips.map(|(at, _)| service.address_source(at));
        virtual_ips.chain(self.of_endpoints(service, front, |found| *found == address)).collect()
    }

    /// The ready endpoints that a name stands for and that have an address like this.
    fn of_endpoints(
        &self,
        service: Subject<'_>,
        front: &Front,
        wanted: impl Fn(&IpAddr) -> bool,
    ) -> Vec<Source> {
        let mut sources = Vec::new();
        for slice in service.slices(self.snapshot) {
            for (at, endpoint) in
                slice.endpoints().iter().enumerate().filter(|(_, endpoint)| endpoint.ready())
            {
                let meant =
                    |address: &&IpAddr| wanted(address) && self.means(front, slice, endpoint, **address);
                if endpoint.addresses().iter().any(|address| meant(&address)) {
                    sources.push(from_endpoint(slice, at, endpoint));
                }
            }
        }
        sources
    }

    fn means(&self, front: &Front, slice: &EndpointSlice, endpoint: &Endpoint, address: IpAddr) -> bool {
        let label = host_label(self.responder.zone(), endpoint, address);
        let in_cluster =
            |name: &str| slice.source_cluster().is_some_and(|cluster| cluster.eq_ignore_ascii_case(name));
        match front {
            Front::Endpoint(name) => label.eq_ignore_ascii_case(name),
            Front::Remote(name, cluster) => label.eq_ignore_ascii_case(name) && in_cluster(cluster),
            _ => true,
        }
    }

    fn of_pod(&self, namespace: &str, address: IpAddr) -> Vec<Source> {
        if self.responder.zone().pods() != PodRecords::Verified {
            return vec![Source::configuration("the name itself: pod records are insecure")];
        }
        let pods = self.snapshot.pods().filter(|pod| pod.name().namespace() == namespace);
        let having = pods.filter(|pod| pod.ips().contains(&address));
        having
            .map(|pod| Source::object(ObjectRef::new(Kind::Pod, pod.name().clone()), "status.podIPs"))
            .collect()
    }

    /// The port of the Service, or that of the slices whose endpoints the target stands for.
    fn of_location(&self, record: &Record) -> Option<Vec<Source>> {
        let [_, _, number] = record.location()?;
        let Reading::Service(name, front) = self.read(&record.target()?) else { return None };
        let service = Subject::of(self.snapshot, &name)?;
        if front == Front::Nothing && !service.is_headless() {
            let ports = service.ports().into_iter().enumerate().filter(|(_, (.., port))| *port == number);
            return Some(ports.map(|(at, _)| service.source(format!("spec.ports[{at}]"))).collect());
        }
        Some(self.of_endpoints(service, &front, |_| true))
    }

    fn of_alias(&self, owner: &Name) -> Vec<Source> {
        let Reading::Service(name, _) = self.read(owner) else { return Vec::new() };
        let service = Subject::of(self.snapshot, &name);
        service.map(|service| service.source("spec.externalName")).into_iter().collect()
    }

    fn of_pointer(&self, owner: &Name, target: &Name) -> Vec<Source> {
        match (self.read(owner), self.read(target)) {
            (Reading::Address(address), Reading::Service(name, front)) => {
                self.of_service_address(&name, &front, address)
            }
            _ => Vec::new(),
        }
    }

    fn of_name_server(&self, target: &Name) -> Vec<Source> {
        let ours = |address: &IpAddr| self.responder.zone().addresses().contains(address);
        match self.read(target) {
            Reading::Service(name, front) => {
                let service = Subject::of(self.snapshot, &name);
                service.map(|service| self.of_endpoints(service, &front, ours)).unwrap_or_default()
            }
            _ => vec![Source::configuration("no Service selects an address of the server")],
        }
    }

    fn read(&self, name: &Name) -> Reading {
        Reading::of(self.responder.zone(), &QuestionName::from(name))
    }
}

fn from_endpoint(slice: &EndpointSlice, at: usize, endpoint: &Endpoint) -> Source {
    let pod = endpoint.target().map(|pod| format!(" (Pod {pod})")).unwrap_or_default();
    Source::object(ObjectRef::new(Kind::EndpointSlice, slice.name().clone()), format!("endpoints[{at}]{pod}"))
}
