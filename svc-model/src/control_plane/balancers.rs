//! Services of type LoadBalancer and the one who serves them.

use super::change::Change;
use super::{ControlPlane, Outcome};
use crate::{Kind, LoadBalancerIngress, ObjectName, ObjectRef, Problem, Service, ServiceType};

impl ControlPlane {
    /// The load balancer of a Service is reached here: for providers that answer later, or run elsewhere.
    pub fn balancer_ingress(&mut self, service: &ObjectName, ingress: &[LoadBalancerIngress]) -> Outcome {
        let mut change = Change::default();
        match self.service(service).filter(|service| service.service_type() == ServiceType::LoadBalancer) {
            Some(known) => self.put(known.with_ingress(ingress.to_vec()).into(), &mut change),
            None => {
                let reference = ObjectRef::new(Kind::Service, service.clone());
                change.problems.push(Problem::new(&reference, "spec.type", "is not LoadBalancer"));
            }
        }
        self.finish(change)
    }

    /// Asks the provider for every Service that needs it. One that gets nothing keeps what it had.
    pub(super) fn ask_balancers(&mut self, change: &mut Change) {
        if self.balancer.is_none() || change.unbalanced.is_empty() {
            return;
        }
        let nodes: Vec<_> = self.nodes().cloned().collect();
        for name in std::mem::take(&mut change.unbalanced) {
            let Some(service) = self.service(&name).filter(|service| self.is_served(service)) else {
                continue;
            };
            let Some(balancer) = &mut self.balancer else { continue };
            match balancer.ensure(&service, &nodes) {
                Ok(ingress) => {
                    self.unserved.remove(&name);
                    self.put(service.with_ingress(ingress).into(), change);
                }
                // Who still waits was reported when it began to wait.
                Err(error) if self.unserved.insert(name.clone()) => {
                    let reference = ObjectRef::new(Kind::Service, name);
                    change.problems.push(Problem::new(&reference, "status.loadBalancer", error.to_string()));
                }
                Err(_) => {}
            }
        }
    }

    /// The Service came, or changed: the provider has to look at it, or to give back what it holds for it.
    pub(super) fn settle_balancer(&mut self, service: &Service, change: &mut Change) {
        if self.is_served(service) {
            self.unserved.remove(service.name());
            self.served.insert(service.name().clone());
            change.unbalanced.insert(service.name().clone());
        } else {
            self.release_balancer(service.name(), change);
        }
    }

    /// The Service is gone or of another type: others may now have what it had.
    pub(super) fn release_balancer(&mut self, service: &ObjectName, change: &mut Change) {
        self.unserved.remove(service);
        if !self.served.remove(service) {
            return;
        }
        if let Some(balancer) = &mut self.balancer {
            balancer.release(service);
            change.unbalanced.extend(self.unserved.iter().cloned());
        }
    }

    pub(super) fn is_served(&self, service: &Service) -> bool {
        service.service_type() == ServiceType::LoadBalancer
            && self.balancer.as_ref().is_some_and(|balancer| balancer.serves(service.load_balancer_class()))
    }

    /// O(Services that have a balancer).
    pub(super) fn balanced_services(&self) -> Vec<ObjectName> {
        self.served.iter().cloned().collect()
    }
}
