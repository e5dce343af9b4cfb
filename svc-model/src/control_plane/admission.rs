//! One manifest after the other: validated, completed, allocated, and in force, or refused as a whole.

use std::net::IpAddr;

use super::ControlPlane;
use super::change::Change;
use crate::allocate::AllocateError;
use crate::defaults::{families, has_node_ports, needs_health_check};
use crate::ingress::CLASS_ANNOTATION;
use crate::wire::{self, Manifest};
use crate::{
    AddressType, IngressClass, Kind, Object, ObjectName, ObjectRef, Problem, Service, ServiceType, defaults,
    prepare, read, validate,
};

/// Why a manifest is not in force.
struct Refusal {
    problems: Vec<Problem>,
    /// Another manifest of the same batch may free what this one asks for.
    may_pass_later: bool,
}

impl Refusal {
    fn allocation(reference: &ObjectRef, field: String, error: &AllocateError) -> Self {
        Self { problems: vec![Problem::new(reference, field, error.to_string())], may_pass_later: true }
    }
}

impl From<crate::Problems> for Refusal {
    fn from(problems: crate::Problems) -> Self {
        Self { problems: problems.into_vec(), may_pass_later: false }
    }
}

type Sourced<'a> = (Option<&'a str>, &'a Manifest);

impl ControlPlane {
    /// Admits a batch. Values that are asked for by name are taken before any is chosen freely, and who asks for what
    /// another one of the batch is giving up is tried again after it.
    pub(super) fn admit(&mut self, mut batch: Vec<Sourced<'_>>, change: &mut Change) {
        batch
            .sort_by_key(|(_, manifest)| (manifest.kind() != Kind::IngressClass, !asks_for_values(manifest)));
        loop {
            let before = batch.len();
            let mut refused = Vec::new();
            let mut waiting = Vec::new();
            for (source, manifest) in batch {
                match self.admit_one(manifest, change) {
                    Ok(()) => {}
                    Err(refusal) if refusal.may_pass_later => {
                        refused.push((source, refusal));
                        waiting.push((source, manifest));
                    }
                    Err(refusal) => change.report(source, refusal.problems),
                }
            }
            if waiting.is_empty() || waiting.len() == before {
                for (source, refusal) in refused {
                    change.report(source, refusal.problems);
                }
                return;
            }
            batch = waiting;
        }
    }

    fn admit_one(&mut self, manifest: &Manifest, change: &mut Change) -> Result<(), Refusal> {
        let reference = manifest.reference();
        if self.manifests.get(&reference) == Some(manifest) {
            if reference.kind == Kind::Pod {
                self.skipped_again(&reference.name, change);
            }
            if reference.kind == Kind::Service && self.unserved.remove(&reference.name) {
                change.unbalanced.insert(reference.name);
            }
            return Ok(());
        }
        let object = match manifest {
            Manifest::Service(wire) => Some(self.admit_service(wire, &reference)?.into()),
            other => self.admit_plain(other, &reference)?,
        };
        if let Some(Object::Service(service)) = &object {
            self.settle_balancer(service, change);
        }
        if let Some(object) = object {
            self.put(object, change);
        }
        self.manifests.insert(reference, manifest.clone());
        Ok(())
    }

    /// `None` where the network has no use for it.
    fn admit_plain(&self, manifest: &Manifest, reference: &ObjectRef) -> Result<Option<Object>, Refusal> {
        let old = self.objects.get(reference);
        let mut manifest = manifest.clone();
        prepare::manifest(&mut manifest, old);
        if let (Manifest::Pod(pod), Some(Object::Pod(old))) = (&mut manifest, old)
            && pod.spec.node_name.as_deref().is_none_or(str::is_empty)
        {
            // It was bound; who applies the manifest again does not mean to take it off its node.
            pod.spec.node_name = old.node_name().map(str::to_owned);
        }
        defaults::manifest(&mut manifest, &[]);
        if let Manifest::Ingress(ingress) = &mut manifest {
            self.give_class(ingress, reference);
        }
        validate::check(&manifest, &self.ranges, old)?;
        if self.is_derived(reference) {
            let message = "is derived from a Service's selector: choose another name";
            return Err(Refusal {
                problems: vec![Problem::new(reference, "metadata.name", message)],
                may_pass_later: false,
            });
        }
        Ok(read::stored(&manifest)?)
    }

    /// A new Ingress that names no class is of the default one, and stays so (admission plugin DefaultIngressClass).
    fn give_class(&self, ingress: &mut wire::Ingress, reference: &ObjectRef) {
        if names_class(ingress) {
            return;
        }
        ingress.spec.ingress_class_name = match (self.objects.get(reference), self.manifests.get(reference)) {
            (Some(Object::Ingress(old)), Some(Manifest::Ingress(written))) if !names_class(written) => {
                old.class().map(str::to_owned)
            }
            (Some(_), _) => None,
            (None, _) => self.default_class(),
        };
    }

    /// The youngest of the classes that say so; of the same age the first by name. O(classes).
    fn default_class(&self) -> Option<String> {
        let all = self.objects.range(ObjectRef::new(Kind::IngressClass, ObjectName::default())..);
        let classes = all.map_while(|(_, object)| match object {
            Object::IngressClass(class) => Some(class),
            _ => None,
        });
        let created = |class: &IngressClass| class.meta().created().map(str::to_owned);
        let youngest = classes
            .filter(|class| class.is_default())
            .max_by(|a, b| created(a).cmp(&created(b)).then_with(|| b.name().cmp(a.name())));
        youngest.map(|class| class.name().to_owned())
    }

    /// A slice that stands there and was in no manifest.
    fn is_derived(&self, reference: &ObjectRef) -> bool {
        match self.objects.get(reference) {
            Some(Object::EndpointSlice(slice)) => slice
                .service()
                .and_then(|service| self.derived.get(service))
                .is_some_and(|names| names.contains(&reference.name)),
            _ => false,
        }
    }

    /// Nothing is held by a Service that is refused but what it held before.
    fn admit_service(&mut self, wire: &wire::Service, at: &ObjectRef) -> Result<Service, Refusal> {
        let old = self.service(&at.name);
        let completed = self.complete(wire, at, old.as_deref());
        match &completed {
            Ok(service) => self.retain(service),
            Err(_) => match &old {
                Some(old) => self.retain(old),
                None => self.release(&at.name),
            },
        }
        completed
    }

    fn complete(
        &mut self,
        wire: &wire::Service,
        at: &ObjectRef,
        old: Option<&Service>,
    ) -> Result<Service, Refusal> {
        let mut wire = validate::service(wire, at, &self.ranges, old)?;
        let service_type = read::service_type(wire.spec.service_type.as_deref()).unwrap_or_default();
        if service_type != ServiceType::ExternalName && !wire.spec.is_headless() {
            self.allocate_addresses(&mut wire.spec, at, old)?;
        }
        if has_node_ports(service_type) {
            self.allocate_node_ports(&mut wire.spec, at, old)?;
        }
        if needs_health_check(&wire.spec, service_type) {
            self.allocate_health_check(&mut wire.spec, at, old)?;
        }
        match read::object(&Manifest::Service(Box::new(wire)))? {
            Object::Service(service) => Ok(Service::clone(&service)),
            other => Err(Refusal {
                problems: vec![Problem::new(&other.reference(), "kind", "is not Service")],
                may_pass_later: false,
            }),
        }
    }

    fn allocate_addresses(
        &mut self,
        spec: &mut wire::ServiceSpec,
        at: &ObjectRef,
        old: Option<&Service>,
    ) -> Result<(), Refusal> {
        let written: Vec<IpAddr> =
            spec.all_cluster_ips().iter().filter_map(|ip| read::address(ip).ok()).collect();
        let before = old.map_or(&[][..], Service::cluster_ips);
        let families = families::named(spec);
        let mut all = Vec::with_capacity(families.len());
        for (index, family) in families.into_iter().enumerate() {
            let wanted = written.iter().copied().find(|address| AddressType::of(*address) == family);
            let known = self.cluster_ips.iter_mut().find(|known| known.family() == family);
            let given = match (known, wanted) {
                (Some(addresses), Some(address)) => {
                    unless_held(addresses.claim(address, &at.name), before.contains(&address))
                        .map(|()| address)
                }
                (Some(addresses), None) => addresses.allocate(&at.name),
                // Of a family that the cluster no longer has.
                (None, Some(address)) => Ok(address),
                (None, None) => continue,
            };
            let field =
                || if index == 0 { "spec.clusterIP".to_owned() } else { format!("spec.clusterIPs[{index}]") };
            all.push(given.map_err(|error| Refusal::allocation(at, field(), &error))?.to_string());
        }
        spec.cluster_ip = all.first().cloned();
        spec.cluster_ips = Some(all);
        Ok(())
    }

    /// Ports of one number share a node port: DNS over TCP and UDP is one door.
    fn allocate_node_ports(
        &mut self,
        spec: &mut wire::ServiceSpec,
        at: &ObjectRef,
        old: Option<&Service>,
    ) -> Result<(), Refusal> {
        let before =
            |port| old.iter().flat_map(|old| old.ports()).any(|known| known.node_port() == Some(port));
        let automatic = spec.allocate_load_balancer_node_ports.unwrap_or(true);
        let mut ports = spec.ports.take().unwrap_or_default();
        for index in 0..ports.len() {
            let field = || format!("spec.ports[{index}].nodePort");
            let refusal = |error| Refusal::allocation(at, field(), &error);
            match ports[index].node_port.filter(|port| *port != 0).and_then(|port| u16::try_from(port).ok()) {
                Some(port) => {
                    unless_held(self.node_ports.claim(port, &at.name), before(port)).map_err(refusal)?;
                }
                None if automatic => {
                    let shared = twin(&ports, index);
                    let port = shared.map_or_else(|| self.node_ports.allocate(&at.name).map(i64::from), Ok);
                    ports[index].node_port = Some(port.map_err(refusal)?);
                }
                None => {}
            }
        }
        spec.ports = Some(ports);
        Ok(())
    }

    fn allocate_health_check(
        &mut self,
        spec: &mut wire::ServiceSpec,
        at: &ObjectRef,
        old: Option<&Service>,
    ) -> Result<(), Refusal> {
        let before = old.and_then(Service::health_check_node_port);
        let written = spec.health_check_node_port.and_then(|port| u16::try_from(port).ok());
        let given = match written.filter(|port| *port != 0) {
            Some(port) => {
                unless_held(self.node_ports.claim(port, &at.name), before == Some(port)).map(|()| port)
            }
            None => self.node_ports.allocate(&at.name),
        };
        let field = "spec.healthCheckNodePort".to_owned();
        let port = given.map_err(|error| Refusal::allocation(at, field, &error))?;
        spec.health_check_node_port = Some(port.into());
        Ok(())
    }

    /// Takes back what the Service no longer has.
    pub(super) fn retain(&mut self, service: &Service) {
        for addresses in &mut self.cluster_ips {
            addresses.retain(service.name(), &of_family(service.cluster_ips(), addresses.family()));
        }
        let ports = service.ports().iter().filter_map(|port| port.node_port());
        let ports: Vec<_> = ports.chain(service.health_check_node_port()).collect();
        self.node_ports.retain(service.name(), &ports);
    }

    pub(super) fn release(&mut self, service: &ObjectName) {
        self.cluster_ips.iter_mut().for_each(|addresses| addresses.release(service));
        self.node_ports.release(service);
    }
}

/// What a Service has from ranges of former days stays with it.
fn unless_held(claim: Result<(), AllocateError>, held: bool) -> Result<(), AllocateError> {
    match claim {
        Err(AllocateError::OutOfRange { .. }) if held => Ok(()),
        claim => claim,
    }
}

fn of_family(addresses: &[IpAddr], family: AddressType) -> Vec<IpAddr> {
    addresses.iter().copied().filter(|address| AddressType::of(*address) == family).collect()
}

/// The node port of another port with the same number and another protocol.
fn twin(ports: &[wire::ServicePort], index: usize) -> Option<i64> {
    let port = &ports[index];
    let protocol = |port: &wire::ServicePort| read::protocol(port.protocol.as_deref()).unwrap_or_default();
    let same = |other: &&wire::ServicePort| {
        other.port == port.port && protocol(other) != protocol(port) && other.node_port.unwrap_or(0) != 0
    };
    ports.iter().find(same)?.node_port.filter(|number| {
        !ports.iter().any(|other| other.node_port == Some(*number) && protocol(other) == protocol(port))
    })
}

fn names_class(ingress: &wire::Ingress) -> bool {
    let annotations = ingress.metadata.annotations.as_ref();
    ingress.spec.ingress_class_name.is_some()
        || annotations.is_some_and(|all| all.contains_key(CLASS_ANNOTATION))
}

fn asks_for_values(manifest: &Manifest) -> bool {
    match manifest {
        Manifest::Service(service) => {
            !service.spec.all_cluster_ips().is_empty()
                || service.spec.health_check_node_port.is_some()
                || service.spec.load_balancer_ip.is_some()
                || service.spec.ports.iter().flatten().any(|port| port.node_port.is_some())
        }
        _ => true,
    }
}
