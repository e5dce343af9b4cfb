//! Which Secrets the Ingresses of a snapshot refer to.

use std::collections::BTreeSet;

use crate::{Ingress, ObjectName, Snapshot};

/// The Secrets of `spec.tls`, and of annotations such as `nginx.ingress.kubernetes.io/auth-secret`, whose value is `name`
/// or `namespace/name`.
pub(super) fn secrets(snapshot: &Snapshot) -> BTreeSet<ObjectName> {
    snapshot.ingresses().flat_map(|ingress| of(ingress)).collect()
}

fn of(ingress: &Ingress) -> impl Iterator<Item = ObjectName> {
    let namespace = ingress.name().namespace();
    let tls = ingress.tls().iter().filter_map(|tls| tls.secret_name());
    let annotated = ingress.annotations().iter().filter(|(key, _)| key.ends_with("-secret"));
    let names = tls.chain(annotated.map(|(_, value)| value.as_str()));
    names.filter(|name| !name.is_empty()).map(move |name| match name.split_once('/') {
        Some((namespace, name)) => ObjectName::new(namespace, name),
        None => ObjectName::new(namespace, name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_and_passwords() {
        let snapshot: Snapshot = crate::yaml::read(
            "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: a
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/auth-secret: users
    nginx.ingress.kubernetes.io/auth-tls-secret: ops/ca
    nginx.ingress.kubernetes.io/auth-secret-type: auth-map
spec:
  tls: [{secretName: cert}, {hosts: [x.example]}]
",
        )
        .stored()
        .0
        .into_iter()
        .collect();
        let names: Vec<_> = secrets(&snapshot).iter().map(ObjectName::to_string).collect();
        assert_eq!(names, ["ops/ca", "shop/cert", "shop/users"]);
    }
}
