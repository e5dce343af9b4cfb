//! What is asked of the API server: which collections, by which requests, and which rights that takes.

use std::fmt;

use crate::{Kind, ObjectName};

/// A collection of objects that is listed and watched: all of a kind, or one Secret by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Resource {
    kind: Kind,
    only: Option<ObjectName>,
}

impl Resource {
    pub(super) fn all(kind: Kind) -> Self {
        Self { kind, only: None }
    }

    /// One object. It is asked for by `metadata.name`, which a rule with `resourceNames` allows.
    pub(super) fn named(kind: Kind, name: ObjectName) -> Self {
        Self { kind, only: Some(name) }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The group as RBAC writes it; empty for the core group.
    pub(super) fn group(&self) -> &'static str {
        self.kind.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    /// The resource as RBAC and paths write it.
    pub(super) fn plural(&self) -> &'static str {
        match self.kind {
            Kind::ConfigMap => "configmaps",
            Kind::EndpointSlice => "endpointslices",
            Kind::Endpoints => "endpoints",
            Kind::Ingress => "ingresses",
            Kind::IngressClass => "ingressclasses",
            Kind::Namespace => "namespaces",
            Kind::Node => "nodes",
            Kind::Pod => "pods",
            Kind::Secret => "secrets",
            Kind::Service => "services",
        }
    }

    /// One page of the list; without a resource version, so that it is the newest.
    pub(super) fn list(&self, limit: usize, next: Option<&str>) -> String {
        let next = next.map(|token| format!("&continue={}", escaped(token))).unwrap_or_default();
        format!("{}limit={limit}{next}", self.path())
    }

    /// What comes after a resource version. The server ends the stream after `seconds`.
    pub(super) fn watch(&self, version: &str, seconds: u64) -> String {
        let version = escaped(version);
        let path = self.path();
        format!("{path}watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}")
    }

    fn path(&self) -> String {
        let version = self.kind.api_version();
        let root = if version.contains('/') { "apis" } else { "api" };
        let plural = self.plural();
        match &self.only {
            None => format!("/{root}/{version}/{plural}?"),
            Some(name) => {
                let (namespace, name) = (escaped(name.namespace()), escaped(name.name()));
                let selector = format!("fieldSelector=metadata.name%3D{name}&");
                format!("/{root}/{version}/namespaces/{namespace}/{plural}?{selector}")
            }
        }
    }

    /// The rule that lets a client do this.
    pub(super) fn rule(&self) -> String {
        let (group, plural) = (self.group(), self.plural());
        let names = match &self.only {
            Some(name) => format!(", resourceNames: [{}]", name.name()),
            None => String::new(),
        };
        format!("{{apiGroups: [\"{group}\"], resources: [{plural}]{names}, verbs: [list, watch]}}")
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.only {
            Some(name) => write!(f, "{} {name}", self.kind),
            None => f.write_str(self.plural()),
        }
    }
}

/// For a query: everything but the unreserved characters of RFC 3986 section 2.3 as `%XX`.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte))
            }
            _ => escaped += &format!("%{byte:02X}"),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_as_the_api_documents_them() {
        let slices = Resource::all(Kind::EndpointSlice);
        assert_eq!(slices.list(500, None), "/apis/discovery.k8s.io/v1/endpointslices?limit=500");
        let next = Resource::all(Kind::Pod).list(2, Some("a=b/c"));
        assert_eq!(next, "/api/v1/pods?limit=2&continue=a%3Db%2Fc");
        let tls = Resource::named(Kind::Secret, ObjectName::new("shop", "tls"));
        let start = "/api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Dtls";
        assert_eq!(tls.list(1, None), format!("{start}&limit=1"));
        let watch = format!("{start}&watch=1&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300");
        assert_eq!(tls.watch("7", 300), watch);
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        let odd = Resource::named(Kind::Secret, ObjectName::new("../x?y", "a&watch=0"));
        let start = "/api/v1/namespaces/..%2Fx%3Fy/secrets?fieldSelector=metadata.name%3Da%26watch%3D0";
        assert_eq!(odd.list(1, None), format!("{start}&limit=1"));
    }
}
