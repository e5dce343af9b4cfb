//! Taking over a cluster as it stands, after a restart.

use super::ControlPlane;
use super::change::Change;
use super::pods::PodStatus;
use crate::allocate::AllocateError;
use crate::endpoint_slices::{MANAGED_BY_LABEL, MANAGER};
use crate::{AddressType, Object, Outcome, Problem, Service};

impl ControlPlane {
    /// Takes over objects as an earlier control plane left them ([`objects`](ControlPlane::objects), kept as text by
    /// `yaml::write`, say): Services keep their addresses and ports, pods what was reported of them. Derived EndpointSlices
    /// are derived anew. What is allocated twice is reported, and the second Service stays out.
    ///
    /// Adopted objects count as declared: the first `replace` removes those that it does not bring, unless
    /// a file cannot be read, which may have brought them.
    pub fn adopt(&mut self, objects: impl IntoIterator<Item = Object>) -> Outcome {
        let mut change = Change::default();
        for object in objects.into_iter().filter(|object| !is_derived(object)) {
            match &object {
                Object::Service(service) => {
                    if let Err(problem) = self.claim_all(service) {
                        change.problems.push(problem);
                        continue;
                    }
                    self.settle_balancer(service, &mut change);
                }
                Object::Pod(pod) => {
                    self.pod_status.insert(pod.name().clone(), PodStatus::as_it_is(pod));
                }
                _ => {}
            }
            self.declared.insert(object.reference(), None);
            self.put(object, &mut change);
        }
        self.finish(change)
    }

    /// Everything that the Service has, or nothing.
    fn claim_all(&mut self, service: &Service) -> Result<(), Problem> {
        let claimed = self.claim_each(service);
        if claimed.is_err() {
            match self.service(service.name()) {
                Some(former) => self.retain(&former),
                None => self.release(service.name()),
            }
        }
        claimed.map_err(|(field, error)| {
            Problem::new(&Object::from(service.clone()).reference(), field, error.to_string())
        })
    }

    fn claim_each(&mut self, service: &Service) -> Result<(), (String, AllocateError)> {
        for (index, address) in service.cluster_ips().iter().enumerate() {
            let of_family =
                |known: &&mut crate::allocate::ClusterIps| known.family() == AddressType::of(*address);
            if let Some(addresses) = self.cluster_ips.iter_mut().find(of_family) {
                let claimed = addresses.claim(*address, service.name());
                claimed.map_err(|error| (format!("spec.clusterIPs[{index}]"), error))?;
            }
        }
        for (index, port) in service.ports().iter().enumerate() {
            if let Some(number) = port.node_port() {
                let claimed = self.node_ports.claim(number, service.name());
                claimed.map_err(|error| (format!("spec.ports[{index}].nodePort"), error))?;
            }
        }
        match service.health_check_node_port() {
            Some(number) => {
                let claimed = self.node_ports.claim(number, service.name());
                claimed.map_err(|error| ("spec.healthCheckNodePort".to_owned(), error))
            }
            None => Ok(()),
        }
    }
}

fn is_derived(object: &Object) -> bool {
    matches!(object, Object::EndpointSlice(_))
        && object.meta().labels().get(MANAGED_BY_LABEL).is_some_and(|manager| manager == MANAGER)
}
