//! Which Ingresses are ours.

use svc_model::{Ingress, Snapshot};

use crate::config::IngressConfig;

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// Why an Ingress is somebody else's; `None` if it is ours. The field comes before the deprecated annotation.
pub(super) fn ignored(ingress: &Ingress, snapshot: &Snapshot, config: &IngressConfig) -> Option<String> {
    if let Some(class) = ingress.class() {
        return match snapshot.ingress_class(class) {
            Some(found) if found.controller() == config.controller() => None,
            Some(found) => Some(format!("IngressClass {class} belongs to controller {}", found.controller())),
            None => Some(format!("there is no IngressClass {class}")),
        };
    }
    match ingress.annotations().get(CLASS_ANNOTATION) {
        Some(class) if class == config.class() => None,
        Some(class) => Some(format!("annotation {CLASS_ANNOTATION} is `{class}`, not `{}`", config.class())),
        None if config.watches_without_class() => None,
        None => Some("it names no class".to_owned()),
    }
}
