//! Load-balancer addresses: the trait that a cloud, a router or a lab implements.

use std::sync::Arc;

use crate::{LoadBalancerIngress, Node, ObjectName, Service};

/// Gives Services of type LoadBalancer their addresses outside the cluster. Calls must not block for long: one that has
/// to wait for a cloud returns what it has and reports later by
/// [`ControlPlane::balancer_ingress`](crate::ControlPlane::balancer_ingress).
pub trait LoadBalancerProvider {
    /// Whether this provider serves Services of this `loadBalancerClass`. As in Kubernetes, one without a class of its
    /// own serves exactly those that name none.
    fn serves(&self, class: Option<&str>) -> bool {
        class.is_none()
    }

    /// Makes the balancer of `service` what the Service asks for, and says where it is reached. Called again whenever
    /// the Service or the set of nodes changes, and after a failure; the answer to the same question is the same.
    ///
    /// # Errors
    /// Why there is no balancer; the Service lives on without one and this text is reported against it.
    fn ensure(
        &mut self,
        service: &Service,
        nodes: &[Arc<Node>],
    ) -> Result<Vec<LoadBalancerIngress>, Box<dyn std::error::Error + Send + Sync>>;

    /// The Service is gone, or no longer of this type.
    fn release(&mut self, service: &ObjectName);
}
