//! The status of Ingresses in a Kubernetes API.

use serde_json::{Value, json};
use svc_model::kube::Cluster;
use svc_model::{Kind, LoadBalancerIngress, ObjectRef};

use super::{PublishError, PublishStatus, StatusChange};

/// A merge patch of the subresource `status`, for which `manifests/rbac.yaml` of this crate has the right.
impl PublishStatus for Cluster {
    async fn publish(&self, change: &StatusChange) -> Result<(), PublishError> {
        let ingress = ObjectRef::new(Kind::Ingress, change.ingress().clone());
        match self.merge_patch(&ingress, Some("status"), &patch(change.addresses()).to_string()).await {
            Err(error) if !error.is_not_found() => {
                Err(PublishError::new(change.ingress().clone(), error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

fn patch(addresses: &[LoadBalancerIngress]) -> Value {
    let entry = |entry: &LoadBalancerIngress| match (entry.ip(), entry.hostname()) {
        (Some(ip), _) => json!({"ip": ip}),
        (None, name) => json!({"hostname": name}),
    };
    json!({"status": {"loadBalancer": {"ingress": addresses.iter().map(entry).collect::<Vec<_>>()}}})
}
