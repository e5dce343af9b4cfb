//! The sets and maps of a table: a fixed number of them, whatever the number of Services.

use svc_model::Protocol;
use svc_nft::{DataType, Expr, KeyType, L4Proto, Rule, Set, Statement, Value};

use super::dialect::Dialect;
use crate::plan::{Destination, Endpoint, FrontendKey};

/// A set or map of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Map {
    /// ClusterIPs in use, with or without endpoints.
    ClusterIps,
    /// Endpoints that talk to themselves through a Service: (source, destination, protocol, port).
    Hairpins,
    /// Frontends with an address -> what to do.
    ServiceIps,
    /// Node ports -> what to do.
    ServiceNodePorts,
    /// Frontends that nobody can serve -> refuse or drop.
    NoEndpointServices,
    /// The same for node ports.
    NoEndpointNodePorts,
    /// Load-balancer addresses -> who may use them.
    FirewallIps,
    /// Health check ports; only where they are accepted.
    HealthChecks,
    /// Frontends with an address that IPVS serves.
    IpvsServices,
    /// Addresses that are the node's own for IPVS alone.
    BoundAddresses,
    /// (frontend, number) -> endpoint.
    Endpoints,
    /// The same, of this node, for policy Local.
    LocalEndpoints,
    /// (node port, number) -> endpoint.
    NodePortEndpoints,
    /// The same, of this node, for policy Local.
    NodePortLocalEndpoints,
}

impl Map {
    const ALL: [Map; 14] = [
        Map::ClusterIps,
        Map::Hairpins,
        Map::ServiceIps,
        Map::ServiceNodePorts,
        Map::NoEndpointServices,
        Map::NoEndpointNodePorts,
        Map::FirewallIps,
        Map::HealthChecks,
        Map::IpvsServices,
        Map::BoundAddresses,
        Map::Endpoints,
        Map::LocalEndpoints,
        Map::NodePortEndpoints,
        Map::NodePortLocalEndpoints,
    ];

    /// Those that a table of this dialect has, in their order.
    pub(crate) fn all(dialect: &Dialect) -> impl Iterator<Item = Map> {
        let (accept, ipvs) = (dialect.compat.accept_health_checks, dialect.has_ipvs());
        Map::ALL.into_iter().filter(move |map| match map {
            Map::HealthChecks => accept,
            Map::IpvsServices | Map::BoundAddresses => ipvs,
            Map::LocalEndpoints => !ipvs,
            _ => true,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Map::ClusterIps => "cluster-ips",
            Map::Hairpins => "hairpin-connections",
            Map::ServiceIps => "service-ips",
            Map::ServiceNodePorts => "service-nodeports",
            Map::NoEndpointServices => "no-endpoint-services",
            Map::NoEndpointNodePorts => "no-endpoint-nodeports",
            Map::FirewallIps => "firewall-ips",
            Map::HealthChecks => "health-checks",
            Map::IpvsServices => "ipvs-services",
            Map::BoundAddresses => "bound-addresses",
            Map::Endpoints => "endpoints",
            Map::LocalEndpoints => "local-endpoints",
            Map::NodePortEndpoints => "nodeport-endpoints",
            Map::NodePortLocalEndpoints => "nodeport-local-endpoints",
        }
    }

    /// The set as it is declared.
    pub(crate) fn declaration(self, dialect: &Dialect) -> Set {
        let address = dialect.address_type();
        let service = [address, DataType::InetProto, DataType::InetService];
        let node_port = [DataType::InetProto, DataType::InetService];
        match self {
            Map::ClusterIps | Map::BoundAddresses => Set::new(self.name(), address),
            Map::IpvsServices => Set::new(self.name(), service),
            Map::HealthChecks => Set::new(self.name(), DataType::InetService),
            Map::Hairpins => {
                Set::new(self.name(), [address, address, DataType::InetProto, DataType::InetService])
            }
            Map::ServiceIps | Map::NoEndpointServices | Map::FirewallIps => Set::vmap(self.name(), service),
            Map::ServiceNodePorts | Map::NoEndpointNodePorts => Set::vmap(self.name(), node_port),
            Map::Endpoints | Map::LocalEndpoints | Map::NodePortEndpoints | Map::NodePortLocalEndpoints => {
                // Any modulus declares an integer key; one declaration serves every number of endpoints.
                let data = KeyType::Typeof(vec![dialect.daddr(), Expr::ThDport]);
                Set::map(self.name(), KeyType::Typeof(self.endpoint_key(dialect, 2)), data)
            }
        }
    }

    /// Rules that lead packets for which `condition` holds to one of `count` endpoints, each with the same
    /// probability.
    ///
    /// The kernel looks at the current generation of a map anew in each look-up, so the last endpoint may vanish between
    /// the choice of the chain and the look-up of the number: then there is still the first one.
    pub(crate) fn spread(self, dialect: &Dialect, condition: &[Statement], count: u32) -> Vec<Rule> {
        let choices = match count {
            0 => vec![],
            1 => vec![1],
            _ => vec![count, 1],
        };
        let choose =
            |count| Statement::dnat_map(self.endpoint_key(dialect, count), self.name(), dialect.is_v6());
        choices.into_iter().map(|count| Rule::new(condition.iter().cloned()).then(choose(count))).collect()
    }

    fn endpoint_key(self, dialect: &Dialect, count: u32) -> Vec<Expr> {
        let mut key = vec![Expr::L4Proto, Expr::ThDport, Expr::numgen_random(count)];
        if matches!(self, Map::Endpoints | Map::LocalEndpoints) {
            key.insert(0, dialect.daddr());
        }
        key
    }
}

/// A frontend as the parts of a map's key: without an address for node ports.
pub(crate) fn frontend_parts(key: FrontendKey) -> impl Iterator<Item = Value> {
    let address = match key.destination {
        Destination::Address(address) => Some(address.into()),
        Destination::NodePort(_) => None,
    };
    address.into_iter().chain([proto(key.protocol).into(), Value::Port(key.port)])
}

/// An endpoint as map data.
pub(crate) fn endpoint_data(endpoint: Endpoint) -> [Value; 2] {
    [endpoint.address().ip().into(), Value::Port(endpoint.address().port())]
}

pub(crate) fn proto(protocol: Protocol) -> L4Proto {
    L4Proto::new(protocol.number())
}
