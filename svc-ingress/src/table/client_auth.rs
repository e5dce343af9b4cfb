//! Certificates that the clients of a host have to show: the oldest Ingress decides.

use std::sync::Arc;

use svc_model::{ObjectName, Problem, Snapshot};

use crate::annotation::{AnnotationProblem, CertificateAuth, annotation_field};
use crate::certificate_auth::ClientAuth;
use crate::tls::Authorities;

use super::compile::Compiled;

const KEY: &str = "auth-tls-secret";

/// What an Ingress asks of its clients' certificates: nothing, something, or something that cannot be obeyed.
#[derive(Clone, Debug, Default)]
pub(super) enum Asked {
    #[default]
    Nothing,
    Certificates(Arc<ClientAuth>),
    Unclear(String),
}

impl Asked {
    /// Reads the Secret of a policy; `problems` are those of the Ingress's annotations.
    pub(super) fn new(
        policy: Option<&CertificateAuth>,
        problems: &[AnnotationProblem],
        snapshot: &Snapshot,
    ) -> Self {
        if let Some(problem) = problems.iter().find(|problem| problem.key.starts_with("auth-tls-")) {
            return Self::Unclear(format!("{} {}", problem.key, problem.message));
        }
        let Some(policy) = policy else { return Self::Nothing };
        match authorities(policy.secret(), snapshot) {
            Ok(authorities) => Self::Certificates(Arc::new(ClientAuth::new(policy.clone(), authorities))),
            Err(message) => Self::Unclear(message),
        }
    }
}

/// The authorities of a Secret, or what is wrong with it and what to do.
pub(super) fn authorities(name: &ObjectName, snapshot: &Snapshot) -> Result<Authorities, String> {
    let Some(secret) = snapshot.secret(name) else {
        return Err(format!("Secret {name} does not exist: create it with the authorities in `ca.crt`"));
    };
    Authorities::from_secret(secret).map_err(|error| format!("Secret {name} {error}"))
}

/// What holds for a host whose Ingresses come in the order of precedence, and whose wishes are not obeyed.
pub(super) fn of_host(host: &str, members: &[&Compiled]) -> (Asked, Vec<Problem>) {
    let mut asking = members.iter().filter(|member| !matches!(member.client_auth, Asked::Nothing));
    let Some(first) = asking.next() else { return (Asked::Nothing, Vec::new()) };
    let differs = |other: &&&Compiled| match (&first.client_auth, &other.client_auth) {
        (Asked::Certificates(first), Asked::Certificates(other)) => first != other,
        _ => true,
    };
    let problem = |other: &&Compiled| {
        let message = format!(
            "is ignored for {}: its older Ingress {} says which certificates clients show",
            if host.is_empty() { "all other hosts" } else { host },
            first.name()
        );
        Problem::new(&other.reference(), annotation_field(KEY), message)
    };
    (first.client_auth.clone(), asking.filter(differs).map(problem).collect())
}
