//! Taking over a cluster as it stands, after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ControlPlane;
use super::change::Change;
use crate::allocate::AllocateError;
use crate::endpoint_slices::{MANAGED_BY_LABEL, MANAGER};
use crate::{AddressType, EndpointSlice, Kind, Object, ObjectRef, Outcome, Problem, Service};

impl ControlPlane {
    /// Takes over objects as an earlier control plane left them ([`objects`](ControlPlane::objects), kept as text by
    /// `yaml::write`, say): Services keep their addresses and ports, pods what was reported of them. Derived EndpointSlices
    /// stay as they are, under their names, as far as they are right. What is allocated twice is reported, and the second
    /// Service stays out; what lies outside of the ranges is reported too, and stays. An outside address that two Services have
    /// from the provider is reported and stays with one of them; the other is given another.
    ///
    /// Adopted objects count as declared: the first `replace` removes those that it does not bring, unless
    /// a file cannot be read, which may have brought them.
    pub fn adopt(&mut self, objects: impl IntoIterator<Item = Object>) -> Outcome {
        let mut change = Change::default();
        for object in objects {
            match &object {
                Object::EndpointSlice(slice) if is_derived(slice) => {
                    self.adopt_slice(slice, &mut change);
                    continue;
                }
                Object::Service(service) => {
                    if !self.claim_all(service, &mut change.problems) {
                        continue;
                    }
                    self.settle_balancer(service, &mut change);
                }
                _ => {}
            }
            self.declared.insert(object.reference(), None);
            self.put(object, &mut change);
        }
        self.report_shared_addresses(&mut change);
        self.finish(change)
    }

    /// The provider is asked by name: who comes first keeps the address.
    fn report_shared_addresses(&self, change: &mut Change) {
        let mut holders = BTreeMap::new();
        let served = self.balanced_services().into_iter().filter_map(|name| self.service(&name));
        for service in served {
            for (index, ingress) in service.load_balancer_ingress().iter().enumerate() {
                let Some(address) = ingress.ip() else { continue };
                let holder = holders.entry(address).or_insert_with(|| service.name().clone());
                if holder == service.name() {
                    continue;
                }
                let (holder, asker) = (holder.clone(), service.name().clone());
                let error = AllocateError::Taken { value: address.to_string(), holder, asker };
                let at = ObjectRef::new(Kind::Service, service.name().clone());
                let field = format!("status.loadBalancer.ingress[{index}].ip");
                change.problems.push(Problem::new(&at, field, error.to_string()));
            }
        }
    }

    /// It is changed, or goes, once all pods are known.
    fn adopt_slice(&mut self, slice: &Arc<EndpointSlice>, change: &mut Change) {
        let Some(service) = slice.service() else { return };
        self.derived.entry(service.clone()).or_default().insert(slice.name().clone());
        self.put(Object::EndpointSlice(Arc::clone(slice)), change);
        change.stale_service(service.clone());
    }

    /// Everything that the Service has, or nothing; whether it may stay. What lies outside of the ranges of today was
    /// allocated under those of yesterday: it is reported, and stays.
    fn claim_all(&mut self, service: &Service, problems: &mut Vec<Problem>) -> bool {
        let reference = ObjectRef::new(Kind::Service, service.name().clone());
        let mut stays = true;
        for (field, claim) in self.claim_each(service) {
            let Err(error) = claim else { continue };
            stays &= !matches!(error, AllocateError::Taken { .. });
            problems.push(Problem::new(&reference, field, error.to_string()));
        }
        if !stays {
            match self.service(service.name()) {
                Some(former) => self.retain(&former),
                None => self.release(service.name()),
            }
        }
        stays
    }

    fn claim_each(&mut self, service: &Service) -> Vec<(String, Result<(), AllocateError>)> {
        let mut claims = Vec::new();
        for (index, address) in service.cluster_ips().iter().enumerate() {
            if let Some(addresses) =
                self.cluster_ips.iter_mut().find(|known| known.family() == AddressType::of(*address))
            {
                claims.push((format!("spec.clusterIPs[{index}]"), addresses.claim(*address, service.name())));
            }
        }
        for (index, port) in service.ports().iter().enumerate() {
            if let Some(number) = port.node_port() {
                let field = format!("spec.ports[{index}].nodePort");
                claims.push((field, self.node_ports.claim(number, service.name())));
            }
        }
        if let Some(number) = service.health_check_node_port() {
            let field = "spec.healthCheckNodePort".to_owned();
            claims.push((field, self.node_ports.claim(number, service.name())));
        }
        claims
    }
}

fn is_derived(slice: &EndpointSlice) -> bool {
    slice.meta().labels().get(MANAGED_BY_LABEL).is_some_and(|manager| manager == MANAGER)
}
