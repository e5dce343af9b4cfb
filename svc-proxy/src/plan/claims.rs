//! Who has which frontend, when several Services ask for the same one.

use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use svc_model::ObjectName;

use super::frontend::{FrontendKey, FrontendKind, ServicePortName};
use super::service::ServicePlan;

/// All claims, by what is claimed. The best claim wins: by kind, then by name; so the result does not depend on the
/// order in which Services came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    claims: Map<FrontendKey, Vec<Claim>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    kind: FrontendKind,
    name: Arc<ServicePortName>,
}

impl Claims {
    pub(crate) fn add(&mut self, plan: &ServicePlan) {
        for (key, kind, name) in plan.claims() {
            let mut claims = self.claims.get(&key).cloned().unwrap_or_default();
            claims.reserve_exact(1);
            claims.push(Claim { kind, name: Arc::clone(name) });
            claims.sort();
            self.claims.insert_mut(key, claims);
        }
    }

    pub(crate) fn remove(&mut self, plan: &ServicePlan) {
        for (key, kind, name) in plan.claims() {
            let Some(mut claims) = self.claims.get(&key).cloned() else { continue };
            if let Some(at) = claims.iter().position(|claim| claim.kind == kind && claim.name == *name) {
                claims.remove(at);
            }
            if claims.is_empty() {
                self.claims.remove_mut(&key);
            } else {
                self.claims.insert_mut(key, claims);
            }
        }
    }

    /// The Services that compete with `plan` for anything.
    pub(crate) fn rivals(&self, plan: &ServicePlan, into: &mut BTreeSet<ObjectName>) {
        for (key, ..) in plan.claims() {
            let claims = self.claims.get(&key).into_iter().flatten();
            into.extend(claims.map(|claim| claim.name.service().clone()));
        }
    }

    /// Who has it.
    pub(crate) fn owner(&self, key: FrontendKey) -> Option<&ServicePortName> {
        self.claims.get(&key)?.first().map(|claim| claim.name.as_ref())
    }

    /// The winner, unless it is this claim.
    pub(crate) fn taken_by(
        &self,
        key: FrontendKey,
        kind: FrontendKind,
        name: &Arc<ServicePortName>,
    ) -> Option<Arc<ServicePortName>> {
        let winner = self.claims.get(&key)?.first()?;
        (winner.kind != kind || winner.name != *name).then(|| Arc::clone(&winner.name))
    }
}
