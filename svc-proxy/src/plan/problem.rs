//! What a Service asks for and does not get.

use std::sync::Arc;

use super::frontend::{Frontend, FrontendKey, FrontendKind, ServicePortName};
use super::service::PortPlan;

/// A frontend that is not in force, and why. Everything else of its Service is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Service {service}: {field} {key} is in use by {owner}: choose another address or port")]
pub struct Problem {
    service: Arc<ServicePortName>,
    field: &'static str,
    key: FrontendKey,
    owner: Arc<ServicePortName>,
}

impl Problem {
    pub(crate) fn of(port: &PortPlan, frontend: &Frontend) -> Option<Self> {
        let owner = frontend.taken_by.as_ref()?;
        // A Service may name its load-balancer address in externalIPs too.
        (owner != port.shared_name()).then(|| Self {
            service: Arc::clone(port.shared_name()),
            field: field_of(frontend.kind()),
            key: frontend.key(),
            owner: Arc::clone(owner),
        })
    }

    /// The Service port that goes without.
    #[must_use]
    pub fn service(&self) -> &ServicePortName {
        &self.service
    }

    /// What it asked for.
    #[must_use]
    pub fn frontend(&self) -> FrontendKey {
        self.key
    }

    /// The Service port that has it.
    #[must_use]
    pub fn owner(&self) -> &ServicePortName {
        &self.owner
    }
}

fn field_of(kind: FrontendKind) -> &'static str {
    match kind {
        FrontendKind::ClusterIp => "spec.clusterIPs",
        FrontendKind::LoadBalancer => "status.loadBalancer.ingress",
        FrontendKind::ExternalIp => "spec.externalIPs",
        FrontendKind::NodePort => "spec.ports[].nodePort",
    }
}
