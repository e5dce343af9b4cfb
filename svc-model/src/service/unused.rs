//! What a Service says that its type does not use.

use crate::{Service, ServiceType};

/// An API server takes these from everybody and gives them back: they count once the type changes. Nothing here is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unused {
    /// Of any type but ExternalName.
    pub(crate) external_name: Option<Box<str>>,
    /// Of any type but LoadBalancer.
    pub(crate) load_balancer_ip: Option<Box<str>>,
    /// Of an ExternalName: one number a port, 0 where there is none; empty where no port has one.
    pub(crate) node_ports: Box<[i64]>,
}

impl Unused {
    /// Boxed, unless nothing is said.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl Service {
    /// `spec.externalName`, used or not.
    pub(crate) fn written_external_name(&self) -> Option<&str> {
        self.external_name().or_else(|| self.unused.as_ref()?.external_name.as_deref())
    }

    /// `spec.loadBalancerIP`, used or not.
    pub(crate) fn written_load_balancer_ip(&self) -> Option<&str> {
        self.load_balancer_ip().or_else(|| self.unused.as_ref()?.load_balancer_ip.as_deref())
    }

    /// `nodePort` of a port by its index, used or not.
    pub(crate) fn written_node_port(&self, index: usize) -> Option<i64> {
        match self.service_type() {
            ServiceType::ExternalName => {
                self.unused.as_ref()?.node_ports.get(index).copied().filter(|number| *number != 0)
            }
            _ => self.ports.get(index)?.node_port().map(i64::from),
        }
    }
}
