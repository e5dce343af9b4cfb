//! EndpointSlice (discovery.k8s.io/v1): the addresses behind a Service.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{IMPORTED_SERVICE_LABEL, Meta, ObjectName, Protocol, SOURCE_CLUSTER_LABEL};

/// The label that names the Service of a slice.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// `addressType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AddressType {
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
}

impl AddressType {
    /// The type of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { AddressType::Ipv4 } else { AddressType::Ipv6 }
    }

    /// `IPv4` or `IPv6`, as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AddressType::Ipv4 => "IPv4",
            AddressType::Ipv6 => "IPv6",
        }
    }
}

impl std::fmt::Display for AddressType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One port of all endpoints of a slice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointPort {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) port: Option<u16>,
    pub(crate) app_protocol: Option<String>,
}

impl EndpointPort {
    /// A port called `name` (empty: unnamed).
    pub fn new(name: impl Into<String>, protocol: Protocol, port: u16) -> Self {
        Self { name: name.into(), protocol, port: Some(port), app_protocol: None }
    }

    /// The Service port's name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The number on the endpoint; `None` means "all ports" and forwards nothing.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// `appProtocol`.
    #[must_use]
    pub fn app_protocol(&self) -> Option<&str> {
        self.app_protocol.as_deref()
    }
}

/// `targetRef`: the object behind an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRef {
    pub(crate) kind: String,
    pub(crate) name: ObjectName,
    pub(crate) uid: String,
    pub(crate) rest: Option<Box<TargetRest>>,
}

/// What few references say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TargetRest {
    pub(crate) api_version: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) field_path: Option<String>,
}

impl TargetRef {
    /// A pod.
    #[must_use]
    pub fn pod(name: ObjectName, uid: impl Into<String>) -> Self {
        Self { kind: "Pod".to_owned(), name, uid: uid.into(), rest: None }
    }

    /// `Pod`, mostly.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Namespace and name; a Node has no namespace.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The API server's unique id; empty where there is none.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The version of the API that the kind is of, where it is said.
    #[must_use]
    pub fn api_version(&self) -> Option<&str> {
        self.rest.as_ref()?.api_version.as_deref()
    }

    /// The version of the object that is meant, where one is.
    #[must_use]
    pub fn resource_version(&self) -> Option<&str> {
        self.rest.as_ref()?.resource_version.as_deref()
    }

    /// The part of the object that is meant, such as `spec.containers{name}`.
    #[must_use]
    pub fn field_path(&self) -> Option<&str> {
        self.rest.as_ref()?.field_path.as_deref()
    }
}

/// One endpoint: a pod, or an address outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) addresses: Addresses,
    pub(crate) ready: bool,
    pub(crate) serving: bool,
    pub(crate) terminating: bool,
    pub(crate) node_name: Option<Box<str>>,
    pub(crate) zone: Option<Box<str>>,
    pub(crate) target: Option<Box<TargetRef>>,
    pub(crate) zone_hints: Box<[String]>,
    pub(crate) node_hints: Box<[String]>,
    pub(crate) rest: Option<Box<EndpointRest>>,
}

/// What few endpoints say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EndpointRest {
    pub(crate) hostname: Option<Box<str>>,
    pub(crate) deprecated_topology: BTreeMap<String, String>,
}

impl EndpointRest {
    /// Boxed, unless nothing is said.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }

    pub(crate) fn named(hostname: Option<&str>) -> Option<Box<Self>> {
        Self { hostname: hostname.map(Into::into), ..Self::default() }.boxed()
    }
}

/// There are more of these than of anything else.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Endpoint>() <= 112);

/// One address or, though nobody does that, more.
#[derive(Clone, Debug)]
pub(crate) enum Addresses {
    One([IpAddr; 1]),
    Several(Box<[IpAddr]>),
}

impl Addresses {
    pub(crate) fn as_slice(&self) -> &[IpAddr] {
        match self {
            Addresses::One(address) => address,
            Addresses::Several(addresses) => addresses,
        }
    }
}

impl From<IpAddr> for Addresses {
    fn from(address: IpAddr) -> Self {
        Addresses::One([address])
    }
}

impl From<Vec<IpAddr>> for Addresses {
    fn from(addresses: Vec<IpAddr>) -> Self {
        match addresses[..] {
            [address] => address.into(),
            _ => Addresses::Several(addresses.into()),
        }
    }
}

impl PartialEq for Addresses {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Addresses {}

impl Endpoint {
    /// A ready endpoint at `address`.
    #[must_use]
    pub fn ready_at(address: IpAddr) -> Self {
        Self {
            addresses: address.into(),
            ready: true,
            serving: true,
            terminating: false,
            node_name: None,
            zone: None,
            target: None,
            zone_hints: Box::default(),
            node_hints: Box::default(),
            rest: None,
        }
    }

    /// The same endpoint on a node.
    #[must_use]
    pub fn on_node(mut self, node: impl Into<String>) -> Self {
        self.node_name = Some(node.into().into());
        self
    }

    /// The first address: the only one that proxies and DNS use.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.addresses()[0]
    }

    /// All addresses; at least one.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        self.addresses.as_slice()
    }

    /// `conditions.ready`; missing means true.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.ready
    }

    /// `conditions.serving`; missing means true.
    #[must_use]
    pub fn serving(&self) -> bool {
        self.serving
    }

    /// `conditions.terminating`; missing means false.
    #[must_use]
    pub fn terminating(&self) -> bool {
        self.terminating
    }

    /// The label under which DNS knows this endpoint.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.rest.as_ref()?.hostname.as_deref()
    }

    /// The node it runs on.
    #[must_use]
    pub fn node_name(&self) -> Option<&str> {
        self.node_name.as_deref()
    }

    /// The zone it runs in.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// The pod.
    #[must_use]
    pub fn target(&self) -> Option<&ObjectName> {
        self.target_ref().filter(|target| target.kind == "Pod").map(TargetRef::name)
    }

    /// `targetRef`, which may also be of another kind than Pod.
    #[must_use]
    pub fn target_ref(&self) -> Option<&TargetRef> {
        self.target.as_deref()
    }

    /// `hints.forZones`.
    #[must_use]
    pub fn zone_hints(&self) -> &[String] {
        &self.zone_hints
    }

    /// `hints.forNodes`.
    #[must_use]
    pub fn node_hints(&self) -> &[String] {
        &self.node_hints
    }

    /// `deprecatedTopology`, which clients of v1beta1 wrote: labels of the node. Kept, and used for nothing.
    #[must_use]
    pub fn deprecated_topology(&self) -> Option<&BTreeMap<String, String>> {
        self.rest.as_ref().map(|rest| &rest.deprecated_topology).filter(|labels| !labels.is_empty())
    }
}

/// Up to 1 000 endpoints that share their ports and their address family.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSlice {
    pub(crate) meta: Meta,
    pub(crate) service: Option<ObjectName>,
    pub(crate) address_type: AddressType,
    pub(crate) ports: Vec<EndpointPort>,
    pub(crate) endpoints: Vec<Endpoint>,
}

impl EndpointSlice {
    /// A slice of `service` named `name`, in the Service's namespace.
    pub fn of_service(
        service: &ObjectName,
        name: impl Into<String>,
        address_type: AddressType,
        ports: Vec<EndpointPort>,
        endpoints: Vec<Endpoint>,
    ) -> Self {
        let mut meta = Meta { name: ObjectName::new(service.namespace(), name), ..Meta::default() };
        meta.labels.insert(SERVICE_NAME_LABEL.to_owned(), service.name().to_owned());
        Self { meta, service: Some(service.clone()), address_type, ports, endpoints }
    }

    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Namespace and name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        self.meta.name()
    }

    /// The Service, by label `kubernetes.io/service-name`; `None` belongs to nobody.
    #[must_use]
    pub fn service(&self) -> Option<&ObjectName> {
        self.service.as_ref()
    }

    /// The ServiceImport, by label `multicluster.kubernetes.io/service-name`.
    #[must_use]
    pub fn imported_service(&self) -> Option<ObjectName> {
        let name = self.meta.labels().get(IMPORTED_SERVICE_LABEL)?;
        Some(ObjectName::new(self.name().namespace(), name))
    }

    /// The cluster that its endpoints are in, by label `multicluster.kubernetes.io/source-cluster`.
    #[must_use]
    pub fn source_cluster(&self) -> Option<&str> {
        self.meta.labels().get(SOURCE_CLUSTER_LABEL).map(String::as_str)
    }

    /// The family of the addresses.
    #[must_use]
    pub fn address_type(&self) -> AddressType {
        self.address_type
    }

    /// The ports that every endpoint of this slice has.
    #[must_use]
    pub fn ports(&self) -> &[EndpointPort] {
        &self.ports
    }

    /// The endpoints.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }
}
