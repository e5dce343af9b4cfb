//! A look before ingress-nginx is replaced: what becomes of people's Ingresses here, object by object, and what to change.
//!
//! ```
//! use svc_ingress::IngressConfig;
//! use svc_ingress::check::Check;
//! use svc_model::{Snapshot, yaml};
//!
//! let (objects, _) = yaml::read("
//! kind: Ingress
//! apiVersion: networking.k8s.io/v1
//! metadata:
//!   name: web
//!   namespace: shop
//!   annotations:
//!     nginx.ingress.kubernetes.io/limit-rps: '5'
//!     nginx.ingress.kubernetes.io/configuration-snippet: return 301 https://example.com;
//! spec:
//!   rules: [{host: shop.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
//! ").stored();
//! let snapshot: Snapshot = objects.into_iter().collect();
//! let config = IngressConfig::builder().watch_without_class(true).build()?;
//!
//! let check = Check::new(&snapshot, &config);
//! assert!(!check.is_clean());
//! assert_eq!(
//!     check.ingresses()[0].to_string(),
//!     "Ingress shop/web: shop.example
//!   refused      configuration-snippet is never obeyed: it is configuration text; it is ignored
//!                instead of return: `permanent-redirect` or `temporal-redirect`
//!   honoured     limit-rps
//!   absent       spec.rules[0].http.paths[0].backend.service: Service shop/web does not exist: its requests are answered 503
//! "
//! );
//! # Ok::<(), svc_ingress::error::ConfigError>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;

use svc_model::{Kind, ObjectRef, Problem, Snapshot};

use crate::config::IngressConfig;
use crate::table::{Conflict, RegexHost, RouteTable};

mod annotation;
mod ingress;
mod text;

#[cfg(test)]
mod tests;

pub use annotation::{CheckedAnnotation, Instead, Verdict};
pub use ingress::CheckedIngress;

/// What becomes of all Ingresses of a snapshot. Its text is for people; it ends with a line of counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    ingresses: Vec<CheckedIngress>,
    regex_hosts: Vec<RegexHost>,
    conflicts: Vec<Conflict>,
}

impl Check {
    /// Looks at every Ingress as a server with these settings would.
    #[must_use]
    pub fn new(snapshot: &Snapshot, config: &IngressConfig) -> Self {
        let table = RouteTable::new(snapshot, config);
        let report = table.report();
        let mut problems: BTreeMap<&str, Vec<&Problem>> = BTreeMap::new();
        report
            .problems()
            .iter()
            .for_each(|problem| problems.entry(problem.object()).or_default().push(problem));
        let checked = |ingress: &std::sync::Arc<svc_model::Ingress>| {
            let name = ingress.name();
            let ignored = report.ignored().iter().find(|(other, _)| other == name);
            let reference = ObjectRef::new(Kind::Ingress, name.clone()).to_string();
            let problems = problems.get(reference.as_str()).map_or(&[][..], Vec::as_slice);
            let absent = table.absent(name).collect();
            CheckedIngress::new(ingress, ignored.map(|(_, why)| why.clone()), problems, &absent)
        };
        Self {
            ingresses: snapshot.ingresses().map(checked).collect(),
            regex_hosts: table.regex_hosts().collect(),
            conflicts: table.conflicts().cloned().collect(),
        }
    }

    /// All Ingresses, in the order of their names.
    #[must_use]
    pub fn ingresses(&self) -> &[CheckedIngress] {
        &self.ingresses
    }

    /// Hosts of which one annotation turned all paths into regular expressions. They are served as ingress-nginx serves
    /// them; whoever leaves it for something else has to know.
    #[must_use]
    pub fn regex_hosts(&self) -> &[RegexHost] {
        &self.regex_hosts
    }

    /// Rules that are left out because an older Ingress has the same host and path. Ingress-nginx leaves out the same.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Whether everything is obeyed as it is written. Hosts of regular expressions are, and objects that are absent may be
    /// somewhere else.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.conflicts.is_empty() && self.ingresses.iter().all(CheckedIngress::is_clean)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}
