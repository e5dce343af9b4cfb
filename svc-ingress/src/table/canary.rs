//! Canary Ingresses: they serve nothing of their own, they take requests off locations of others.

use std::sync::Arc;

use svc_model::{ObjectName, PathType, Problem};

use crate::annotation::Canary;

use super::Pool;
use super::compile::{Compiled, CompiledPath};

/// Another pool for a location, and which requests go there.
#[derive(Debug)]
pub struct CanaryPool {
    ingress: ObjectName,
    rules: Canary,
    pool: Arc<Pool>,
}

impl CanaryPool {
    /// The canary Ingress.
    #[must_use]
    pub fn ingress(&self) -> &ObjectName {
        &self.ingress
    }

    /// Which requests it takes.
    #[must_use]
    pub fn rules(&self) -> &Canary {
        &self.rules
    }

    /// Where they go.
    #[must_use]
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

/// The canaries of a host while its locations are made.
pub(super) struct Canaries<'a> {
    paths: Vec<Candidate<'a>>,
}

struct Candidate<'a> {
    member: &'a Compiled,
    path: &'a CompiledPath,
    taken: bool,
}

impl<'a> Canaries<'a> {
    /// Those of a host's canary Ingresses, which come in the order of precedence.
    pub(super) fn new(members: impl Iterator<Item = (&'a Compiled, &'a [CompiledPath])>) -> Self {
        let candidates = members.flat_map(|(member, paths)| {
            paths.iter().map(move |path| Candidate { member, path, taken: false })
        });
        Self { paths: candidates.collect() }
    }

    /// The canary of a location: the first Ingress that has the same path of the same kind, and another pool.
    pub(super) fn take(&mut self, path: &str, path_type: PathType, main: &Pool) -> Option<CanaryPool> {
        let same = |candidate: &&mut Candidate<'_>| {
            candidate.path.path == path
                && candidate.path.path_type == path_type
                && candidate.path.pool.name() != main.name()
        };
        let candidate = self.paths.iter_mut().filter(|candidate| !candidate.taken).find(same)?;
        let rules = candidate.member.policies.canary()?.clone();
        candidate.taken = true;
        Some(CanaryPool {
            ingress: candidate.member.name().clone(),
            rules,
            pool: Arc::clone(&candidate.path.pool),
        })
    }

    /// What is wrong with those that no location took.
    pub(super) fn problems(self) -> impl Iterator<Item = Problem> + use<'a> {
        let left = self.paths.into_iter().filter(|candidate| !candidate.taken);
        left.map(|candidate| {
            let message = "is of a canary, and no other Ingress has it for the same host, with the same pathType, with another Service and without a canary: it is ignored";
            Problem::new(
                &candidate.member.reference(),
                format!("{}.path", candidate.path.field),
                format!("`{}` {message}", candidate.path.path),
            )
        })
    }
}
