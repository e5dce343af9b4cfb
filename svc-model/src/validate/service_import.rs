//! ServiceImport (multicluster.x-k8s.io/v1beta1): what the schema of its CustomResourceDefinition asks for.

use crate::problem::Findings;
use crate::wire::ServiceImport;

pub(super) fn check(wire: &ServiceImport, findings: &mut Findings<'_>) {
    let ips = wire.spec.ips.iter().flatten().count();
    findings
        .require(ips <= 2, "spec.ips", || format!("{ips} addresses are more than the 2 that there may be"));
    findings.require(wire.spec.ports.is_some(), "spec.ports", || "is required; it may be empty".to_owned());
}
