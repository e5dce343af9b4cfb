//! What is asked of the API server: which collections, by which requests, and which rights that takes.

use std::fmt;

use crate::{Kind, ObjectName, ObjectRef};

/// A collection of objects that is listed and watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Resource {
    kind: Kind,
    scope: Scope,
}

/// Which objects of the kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    All,
    Namespace(String),
    Only(ObjectName),
}

impl Resource {
    pub(super) fn all(kind: Kind) -> Self {
        Self { kind, scope: Scope::All }
    }

    /// Those of one namespace, which a Role there allows.
    pub(super) fn of_namespace(kind: Kind, namespace: &str) -> Self {
        Self { kind, scope: Scope::Namespace(namespace.to_owned()) }
    }

    /// One object. It is asked for by `metadata.name`, which a rule with `resourceNames` allows.
    pub(super) fn named(kind: Kind, name: ObjectName) -> Self {
        Self { kind, scope: Scope::Only(name) }
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
            Kind::ServiceImport => "serviceimports",
        }
    }

    /// One page of the list, in a version of the API; without a resource version, so that it is the newest.
    pub(super) fn list(&self, api: &str, limit: usize, next: Option<&str>) -> String {
        let next = next.map(|token| format!("&continue={}", escaped(token))).unwrap_or_default();
        format!("{}limit={limit}{next}", self.path(api))
    }

    /// What comes after a resource version. The server ends the stream after `seconds`.
    pub(super) fn watch(&self, api: &str, version: &str, seconds: u64) -> String {
        let version = escaped(version);
        let path = self.path(api);
        format!("{path}watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}")
    }

    /// One object, or a subresource of it, by its own path.
    pub(super) fn object(reference: &ObjectRef, subresource: Option<&str>) -> String {
        let name = &reference.name;
        let collection = match name.namespace() {
            "" => Self::all(reference.kind),
            namespace => Self::of_namespace(reference.kind, namespace),
        };
        let path = collection.path(reference.kind.api_version());
        let subresource = subresource.map(|part| format!("/{}", escaped(part))).unwrap_or_default();
        format!("{}/{}{subresource}", path.trim_end_matches('?'), escaped(name.name()))
    }

    fn path(&self, api: &str) -> String {
        let root = if api.contains('/') { "apis" } else { "api" };
        let plural = self.plural();
        let (namespace, selector) = match &self.scope {
            Scope::All => ("", String::new()),
            Scope::Namespace(namespace) => (namespace.as_str(), String::new()),
            Scope::Only(name) => {
                (name.namespace(), format!("fieldSelector=metadata.name%3D{}&", escaped(name.name())))
            }
        };
        let place = match namespace {
            "" => String::new(),
            namespace => format!("namespaces/{}/", escaped(namespace)),
        };
        format!("/{root}/{api}/{place}{plural}?{selector}")
    }

    /// The rule that lets a client do this, and where it has to stand.
    pub(super) fn rule(&self) -> String {
        let (group, plural) = (self.group(), self.plural());
        let (role, names) = match &self.scope {
            Scope::All => ("a ClusterRole".to_owned(), String::new()),
            Scope::Namespace(namespace) => (format!("a Role of namespace {namespace}"), String::new()),
            Scope::Only(name) => ("a Role".to_owned(), format!(", resourceNames: [{}]", name.name())),
        };
        format!(
            "{role} needs the rule {{apiGroups: [\"{group}\"], resources: [{plural}]{names}, verbs: [list, watch]}}"
        )
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Scope::All => f.write_str(self.plural()),
            Scope::Namespace(namespace) => write!(f, "{} of namespace {namespace}", self.plural()),
            Scope::Only(name) => write!(f, "{} {name}", self.kind),
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
        assert_eq!(
            slices.list("discovery.k8s.io/v1", 500, None),
            "/apis/discovery.k8s.io/v1/endpointslices?limit=500"
        );
        let next = Resource::all(Kind::Pod).list("v1", 2, Some("a=b/c"));
        assert_eq!(next, "/api/v1/pods?limit=2&continue=a%3Db%2Fc");
        let ours = Resource::of_namespace(Kind::Ingress, "shop");
        assert_eq!(
            ours.list("networking.k8s.io/v1", 2, None),
            "/apis/networking.k8s.io/v1/namespaces/shop/ingresses?limit=2"
        );
        let shop = Resource::named(Kind::Namespace, ObjectName::cluster("shop"));
        assert_eq!(shop.list("v1", 2, None), "/api/v1/namespaces?fieldSelector=metadata.name%3Dshop&limit=2");
        let tls = Resource::named(Kind::Secret, ObjectName::new("shop", "tls"));
        let start = "/api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Dtls";
        assert_eq!(tls.list("v1", 1, None), format!("{start}&limit=1"));
        let watch = format!("{start}&watch=1&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300");
        assert_eq!(tls.watch("v1", "7", 300), watch);
    }

    #[test]
    fn objects_by_their_paths() {
        let node = ObjectRef::new(Kind::Node, ObjectName::cluster("server2"));
        assert_eq!(Resource::object(&node, Some("status")), "/api/v1/nodes/server2/status");
        let web = ObjectRef::new(Kind::Ingress, ObjectName::new("shop", "../web"));
        let path = "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/..%2Fweb";
        assert_eq!(Resource::object(&web, None), path);
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        let odd = Resource::named(Kind::Secret, ObjectName::new("../x?y", "a&watch=0"));
        let start = "/api/v1/namespaces/..%2Fx%3Fy/secrets?fieldSelector=metadata.name%3Da%26watch%3D0";
        assert_eq!(odd.list("v1", 1, None), format!("{start}&limit=1"));
    }
}
