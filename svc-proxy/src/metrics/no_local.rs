//! Services that have endpoints, but none here where their policy asks for such.

use crate::Plan;
use crate::plan::{Outcome, PortPlan};

/// Ports of Services whose `internalTrafficPolicy`, and whose `externalTrafficPolicy`, is Local and finds nobody.
pub(super) fn count(plan: &Plan) -> [u64; 2] {
    let ports = plan.services().flat_map(|service| service.ports());
    ports.fold([0, 0], |[internal, external], port| {
        let [no_internal, no_external] = [false, true].map(|is_external| finds_nobody(port, is_external));
        [internal + u64::from(no_internal), external + u64::from(no_external)]
    })
}

/// `Reject` is for Services without any endpoint anywhere.
fn finds_nobody(port: &PortPlan, is_external: bool) -> bool {
    let mut frontends =
        port.frontends_in_force().filter(|frontend| frontend.kind().is_external() == is_external);
    port.local_endpoints().is_empty()
        && frontends
            .any(|frontend| matches!(frontend.outcome(), Outcome::Drop | Outcome::Local | Outcome::BySource))
}
