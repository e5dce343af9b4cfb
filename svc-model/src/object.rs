//! What all objects have: a name and a kind.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::{
    ConfigMap, EndpointSlice, Endpoints, Ingress, IngressClass, Meta, Namespace, Node, Pod, Secret, Service,
    ServiceImport,
};

/// Namespace and name, written `namespace/name`; cluster-scoped objects have no namespace and are written `name`.
///
/// A clone is the same piece of memory: names stand in every index over objects.
#[derive(Clone, Eq)]
pub struct ObjectName {
    /// The namespace and the name behind it.
    text: Arc<str>,
    /// Where the name begins.
    name_at: usize,
}

impl ObjectName {
    /// The object `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let mut text: String = namespace.into();
        let name_at = text.len();
        text += &name.into();
        Self { text: text.into(), name_at }
    }

    /// A cluster-scoped object.
    pub fn cluster(name: impl Into<String>) -> Self {
        Self::new("", name)
    }

    /// The namespace; empty for cluster-scoped objects.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.text.split_at(self.name_at).0
    }

    /// The name within its namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.split_at(self.name_at).1
    }

    fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.name_at)
    }
}

impl Default for ObjectName {
    fn default() -> Self {
        Self { text: "".into(), name_at: 0 }
    }
}

impl PartialEq for ObjectName {
    fn eq(&self, other: &Self) -> bool {
        self.name_at == other.name_at && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

/// By namespace, then by name.
impl Ord for ObjectName {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.name_at == other.name_at {
            return self.text.cmp(&other.text);
        }
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for ObjectName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for ObjectName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, name) = self.parts();
        f.debug_struct("ObjectName").field("namespace", &namespace).field("name", &name).finish()
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, name) = self.parts();
        if !namespace.is_empty() {
            write!(f, "{namespace}/")?;
        }
        f.write_str(name)
    }
}

/// `namespace/name` was expected and something else was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an object's name: write `namespace/name`, or `name` for a cluster-scoped object")]
pub struct InvalidObjectName(String);

impl FromStr for ObjectName {
    type Err = InvalidObjectName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = text.split_once('/').unwrap_or(("", text));
        if name.is_empty() || name.contains('/') || (text.contains('/') && namespace.is_empty()) {
            return Err(InvalidObjectName(text.to_owned()));
        }
        Ok(Self::new(namespace, name))
    }
}

impl TryFrom<&str> for ObjectName {
    type Error = InvalidObjectName;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The kinds this project reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// v1 ConfigMap
    ConfigMap,
    /// discovery.k8s.io/v1 EndpointSlice
    EndpointSlice,
    /// v1 Endpoints
    Endpoints,
    /// networking.k8s.io/v1 Ingress
    Ingress,
    /// networking.k8s.io/v1 IngressClass (cluster-scoped)
    IngressClass,
    /// v1 Namespace (cluster-scoped)
    Namespace,
    /// v1 Node (cluster-scoped)
    Node,
    /// v1 Pod
    Pod,
    /// v1 Secret
    Secret,
    /// v1 Service
    Service,
    /// multicluster.x-k8s.io/v1beta1 ServiceImport; v1alpha1, which is the same by another name, is read too
    ServiceImport,
}

impl Kind {
    /// All kinds with their API version.
    pub const ALL: [(Kind, &'static str); 11] = [
        (Kind::ConfigMap, "v1"),
        (Kind::EndpointSlice, "discovery.k8s.io/v1"),
        (Kind::Endpoints, "v1"),
        (Kind::Ingress, "networking.k8s.io/v1"),
        (Kind::IngressClass, "networking.k8s.io/v1"),
        (Kind::Namespace, "v1"),
        (Kind::Node, "v1"),
        (Kind::Pod, "v1"),
        (Kind::Secret, "v1"),
        (Kind::Service, "v1"),
        (Kind::ServiceImport, "multicluster.x-k8s.io/v1beta1"),
    ];

    /// The API version of this kind, such as `networking.k8s.io/v1`.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("v1", |(_, version)| version)
    }

    /// The API versions in which objects of this kind are read, the newest first: it is [`api_version`](Self::api_version).
    pub fn api_versions(self) -> impl Iterator<Item = &'static str> {
        let former = (self == Kind::ServiceImport).then_some("multicluster.x-k8s.io/v1alpha1");
        std::iter::once(self.api_version()).chain(former)
    }

    /// Whether objects of this kind live in a namespace.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Kind::IngressClass | Kind::Namespace | Kind::Node)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Kind and name: what identifies an object in a cluster. Written `Service default/web`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ObjectRef {
    /// The kind.
    pub kind: Kind,
    /// Namespace and name.
    pub name: ObjectName,
}

impl ObjectRef {
    /// The object of this kind and name.
    pub fn new(kind: Kind, name: ObjectName) -> Self {
        Self { kind, name }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Any one object, cheap to clone.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Object {
    /// A ConfigMap.
    ConfigMap(Arc<ConfigMap>),
    /// An EndpointSlice.
    EndpointSlice(Arc<EndpointSlice>),
    /// An Endpoints object.
    Endpoints(Arc<Endpoints>),
    /// An Ingress.
    Ingress(Arc<Ingress>),
    /// An IngressClass.
    IngressClass(Arc<IngressClass>),
    /// A Namespace.
    Namespace(Arc<Namespace>),
    /// A Node.
    Node(Arc<Node>),
    /// A Pod.
    Pod(Arc<Pod>),
    /// A Secret.
    Secret(Arc<Secret>),
    /// A Service.
    Service(Arc<Service>),
    /// A ServiceImport.
    ServiceImport(Arc<ServiceImport>),
}

impl Object {
    /// Kind and name.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        ObjectRef::new(self.kind(), self.meta().name().clone())
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Object::ConfigMap(_) => Kind::ConfigMap,
            Object::EndpointSlice(_) => Kind::EndpointSlice,
            Object::Endpoints(_) => Kind::Endpoints,
            Object::Ingress(_) => Kind::Ingress,
            Object::IngressClass(_) => Kind::IngressClass,
            Object::Namespace(_) => Kind::Namespace,
            Object::Node(_) => Kind::Node,
            Object::Pod(_) => Kind::Pod,
            Object::Secret(_) => Kind::Secret,
            Object::Service(_) => Kind::Service,
            Object::ServiceImport(_) => Kind::ServiceImport,
        }
    }

    /// Whether both are the same piece of memory.
    #[cfg(feature = "yaml")]
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        self.kind() == other.kind() && std::ptr::eq(self.meta(), other.meta())
    }

    /// The metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        match self {
            Object::ConfigMap(object) => object.meta(),
            Object::EndpointSlice(object) => object.meta(),
            Object::Endpoints(object) => object.meta(),
            Object::Ingress(object) => object.meta(),
            Object::IngressClass(object) => object.meta(),
            Object::Namespace(object) => object.meta(),
            Object::Node(object) => object.meta(),
            Object::Pod(object) => object.meta(),
            Object::Secret(object) => object.meta(),
            Object::Service(object) => object.meta(),
            Object::ServiceImport(object) => object.meta(),
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl Object {
    /// The same object, its metadata edited.
    pub(crate) fn with_meta(mut self, edit: impl FnOnce(&mut Meta)) -> Self {
        match &mut self {
            Object::ConfigMap(object) => edit(&mut Arc::make_mut(object).meta),
            Object::EndpointSlice(object) => edit(&mut Arc::make_mut(object).meta),
            Object::Endpoints(object) => edit(&mut Arc::make_mut(object).meta),
            Object::Ingress(object) => edit(&mut Arc::make_mut(object).meta),
            Object::IngressClass(object) => edit(&mut Arc::make_mut(object).meta),
            Object::Namespace(object) => edit(&mut Arc::make_mut(object).meta),
            Object::Node(object) => edit(&mut Arc::make_mut(object).meta),
            Object::Pod(object) => edit(&mut Arc::make_mut(object).meta),
            Object::Secret(object) => edit(&mut Arc::make_mut(object).meta),
            Object::Service(object) => edit(&mut Arc::make_mut(object).meta),
            Object::ServiceImport(object) => edit(&mut Arc::make_mut(object).meta),
        }
        self
    }
}

macro_rules! object_from {
    ($($kind:ident),*) => {$(
        impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                Object::$kind(Arc::new(object))
            }
        }
    )*};
}
object_from!(
    ConfigMap,
    EndpointSlice,
    Endpoints,
    Ingress,
    IngressClass,
    Namespace,
    Node,
    Pod,
    Secret,
    Service,
    ServiceImport
);
