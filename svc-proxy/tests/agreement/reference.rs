//! What Services mean, read from the objects: Kubernetes' documentation and `docs/semantics.md`, with no plan and no rules.
//!
//! Slow and plain on purpose: it looks through all Services for every packet, so that it can be read beside the text.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use svc_model::{AddressType, IpMode, ObjectName, Protocol, Service, ServicePort, Snapshot, TrafficPolicy};
use svc_proxy::packet::{Entry, Packet};
use svc_proxy::trace::{Outcome, Reply, Trace};
use svc_proxy::{NodePortAddresses, ProxyMode};

use crate::endpoints::{Choice, choose};
use crate::settings::{
    NODE, POD_INTERFACE, POD_RANGES, Pods, SERVICE_RANGES, Settings, host, ip, net, primary,
};

/// What should become of a packet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) outcome: Outcome,
    /// Where it may go, and whether it is masqueraded then. Each with the same probability.
    pub(crate) endpoints: BTreeMap<SocketAddr, bool>,
    pub(crate) affinity: Option<Duration>,
    /// What the sender is told when it is refused.
    pub(crate) reply: Option<Reply>,
    /// The Service port that it is for.
    pub(crate) object: Option<String>,
}

impl Expected {
    fn only(outcome: Outcome) -> Self {
        Self { outcome, endpoints: BTreeMap::new(), affinity: None, reply: None, object: None }
    }

    /// What is wrong with a trace.
    pub(crate) fn objection(&self, trace: &Trace) -> Option<String> {
        let share = 1.0 / self.endpoints.len().max(1) as f64;
        let traced: BTreeMap<_, _> = trace
            .ways()
            .iter()
            .map(|way| (way.destination(), (way.outcome(), way.is_masqueraded(), way.remembered())))
            .collect();
        let expected: BTreeMap<_, _> = match self.outcome {
            Outcome::Forward => self
                .endpoints
                .iter()
                .map(|(to, masquerade)| (Some(*to), (Outcome::Forward, *masquerade, self.affinity)))
                .collect(),
            outcome => BTreeMap::from([(None, (outcome, false, None))]),
        };
        let fair = trace.ways().iter().all(|way| (way.probability() - share).abs() < 1e-6);
        // A packet that leaves must not ask others for what was asked for here.
        let clean = trace.endpoints().all(|way| way.mark() == 0);
        let told = trace.ways().iter().all(|way| way.reply() == self.reply);
        let named = self.object.is_none() || trace.object() == self.object.as_deref();
        let agrees =
            traced == expected && trace.ways().len() == expected.len() && fair && clean && told && named;
        (!agrees).then(|| format!("expected {self:?}\ntraced {trace}"))
    }
}

/// The kinds of frontends, best claim first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    ClusterIp,
    Balancer,
    ExternalIp,
    NodePort,
}

/// One Service port that a packet may be for.
#[derive(Clone, Copy, Debug)]
struct Match<'a> {
    kind: Kind,
    service: &'a Service,
    port: &'a ServicePort,
}

impl<'a> Match<'a> {
    fn precedence(&self) -> (Kind, &'a ObjectName, &'a str, Protocol) {
        (self.kind, self.service.name(), self.port.name(), self.port.protocol())
    }

    fn object(&self) -> String {
        let service = self.service.name();
        let (namespace, name, port) = (service.namespace(), service.name(), self.port.name());
        if port.is_empty() { format!("{namespace}/{name}") } else { format!("{namespace}/{name}:{port}") }
    }
}

/// A packet, where it comes from, and all there is.
pub(crate) struct Reference<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) settings: &'a Settings,
}

impl Reference<'_> {
    pub(crate) fn of(&self, packet: &Packet) -> Expected {
        if self.is_stray(packet) {
            return Expected::only(Outcome::Drop);
        }
        let family = packet.family();
        let mut matches: Vec<_> =
            self.ours(family).flat_map(|service| self.matches(service, packet)).collect();
        matches.sort_by_key(Match::precedence);
        let expected = match matches.first() {
            Some(best) => Expected { object: Some(best.object()), ..self.served(best, packet) },
            None => self.refused_elsewhere(packet).unwrap_or_else(|| self.unserved(packet, family)),
        };
        Expected { reply: self.reply(expected.outcome, packet.protocol()), ..expected }
    }

    /// With node ports on 127.0.0.1, what others send there must not get in.
    fn is_stray(&self, packet: &Packet) -> bool {
        self.localhost_node_ports()
            && packet.family() == AddressType::Ipv4
            && packet.destination().ip().is_loopback()
            && !packet.source().is_loopback()
    }

    fn localhost_node_ports(&self) -> bool {
        self.settings.localhost_node_ports && !self.settings.compat.no_localhost_node_ports
    }

    /// The Services that have a part in a family.
    fn ours(&self, family: AddressType) -> impl Iterator<Item = &Service> {
        self.snapshot.services().map(AsRef::as_ref).filter(move |service| {
            let labels = service.meta().labels();
            !labels.contains_key("service.kubernetes.io/service-proxy-name")
                && service.cluster_ips().iter().any(|address| AddressType::of(*address) == family)
        })
    }

    fn matches<'a>(&self, service: &'a Service, packet: &Packet) -> Vec<Match<'a>> {
        let (to, number) = (packet.destination().ip(), packet.destination().port());
        let cluster_ip = service.cluster_ips().iter().find(|ip| AddressType::of(**ip) == packet.family());
        let mut found = Vec::new();
        for port in service.ports().iter().filter(|port| port.protocol() == packet.protocol()) {
            let mut add = |kind, yes: bool| {
                if yes {
                    found.push(Match { kind, service, port })
                }
            };
            add(Kind::ClusterIp, port.port() == number && cluster_ip == Some(&to));
            add(Kind::Balancer, port.port() == number && balancer_addresses(service).any(|ip| ip == to));
            add(Kind::ExternalIp, port.port() == number && service.external_ips().contains(&to));
            add(Kind::NodePort, port.node_port() == Some(number) && self.serves_node_ports(to));
        }
        found
    }

    /// A node port at an address of the node that serves none: with
    /// [`reject_node_ports_on_all_addresses`](svc_proxy::Compat::reject_node_ports_on_all_addresses), what outside clients
    /// would meet is met there too, unless that is an endpoint.
    fn refused_elsewhere(&self, packet: &Packet) -> Option<Expected> {
        let (to, family) = (packet.destination(), packet.family());
        if !self.settings.compat.reject_node_ports_on_all_addresses || !host().is_local(to.ip()) {
            return None;
        }
        let has =
            |port: &&ServicePort| port.protocol() == packet.protocol() && port.node_port() == Some(to.port());
        let ports = |service| Service::ports(service).iter().filter(has).map(move |port| (service, port));
        let (service, port) = self
            .ours(family)
            .flat_map(ports)
            .min_by_key(|(service, port)| Match { kind: Kind::NodePort, service, port }.precedence())?;
        let choice = choose(self.snapshot, service, port, family);
        let object = Some(Match { kind: Kind::NodePort, service, port }.object());
        let serves = match service.external_traffic_policy() {
            TrafficPolicy::Local => &choice.local,
            _ => &choice.cluster,
        };
        match choice.any {
            false => Some(Expected { object, ..Expected::only(Outcome::Reject) }),
            true if serves.is_empty() => Some(Expected { object, ..Expected::only(Outcome::Drop) }),
            true => None,
        }
    }

    fn serves_node_ports(&self, to: IpAddr) -> bool {
        let everywhere = self.settings.compat.node_ports_on_all_addresses;
        let local = host().is_local(to) && !to.is_loopback();
        match &self.settings.node_ports {
            _ if to.is_loopback() => to.is_ipv4() && self.localhost_node_ports(),
            Some(NodePortAddresses::All) => local,
            None if everywhere => local,
            Some(NodePortAddresses::Cidrs(ranges)) => local && ranges.iter().any(|range| range.contains(&to)),
            _ => to == primary(AddressType::of(to)),
        }
    }

    fn served(&self, frontend: &Match<'_>, packet: &Packet) -> Expected {
        let Match { kind, service, port } = *frontend;
        let mut choice = choose(self.snapshot, service, port, packet.family());
        if choice.local.is_empty() && self.settings.compat.local_falls_back {
            choice.local.clone_from(&choice.cluster);
        }
        let blocked = kind == Kind::Balancer && !self.admits(service, packet.source(), packet.family());
        if blocked && (choice.any || !self.settings.compat.reject_blocked_without_endpoints) {
            return Expected::only(Outcome::Drop);
        }
        if !choice.any {
            return Expected::only(Outcome::Reject);
        }
        let (endpoints, masquerade) = self.chosen(kind, service, &choice, packet);
        let masquerade = masquerade || (kind != Kind::NodePort && self.answers_elsewhere(packet));
        if endpoints.is_empty() {
            return Expected::only(Outcome::Drop);
        }
        let hairpin = |to: &SocketAddr| to.ip() == packet.source();
        Expected {
            outcome: Outcome::Forward,
            endpoints: endpoints.iter().map(|to| (*to, masquerade || hairpin(to))).collect(),
            affinity: service.session_affinity(),
            reply: None,
            object: None,
        }
    }

    /// The table of policies: which endpoints, and whether with the node's address.
    fn chosen<'a>(
        &self,
        kind: Kind,
        service: &Service,
        choice: &'a Choice,
        packet: &Packet,
    ) -> (&'a [SocketAddr], bool) {
        let pod = self.is_pod(packet);
        if kind == Kind::ClusterIp {
            let knows_pods = self.settings.pods != Pods::Unknown;
            let masquerade = self.settings.masquerade_all || (knows_pods && pod != Some(true));
            return match service.internal_traffic_policy() {
                TrafficPolicy::Local => (&choice.local, masquerade),
                _ => (&choice.cluster, masquerade),
            };
        }
        let for_all = self.settings.compat.local_without_short_circuit;
        match (service.external_traffic_policy(), pod) {
            (TrafficPolicy::Local, _) if for_all => (&choice.local, false),
            (TrafficPolicy::Local, Some(true)) => (&choice.cluster, false),
            (TrafficPolicy::Local, _) if self.is_nodes(packet.source()) => (&choice.cluster, true),
            (TrafficPolicy::Local, _) => (&choice.local, false),
            _ => (&choice.cluster, true),
        }
    }

    /// Whether the sender is a pod, where that is known.
    fn is_pod(&self, packet: &Packet) -> Option<bool> {
        match self.settings.pods {
            Pods::Unknown => None,
            Pods::ByRange => Some(POD_RANGES.iter().any(|range| net(range).contains(&packet.source()))),
            Pods::ByInterface | Pods::ByInterfacePrefix => {
                Some(packet.entry() == Entry::Prerouting && packet.input_interface() == Some(POD_INTERFACE))
            }
        }
    }

    fn admits(&self, service: &Service, source: IpAddr, family: AddressType) -> bool {
        if !service.restricts_sources() {
            return true;
        }
        let ranges = service.source_ranges().iter();
        let ours: Vec<_> = ranges.filter(|range| AddressType::of(range.addr()) == family).collect();
        if ours.iter().any(|range| range.prefix_len() == 0) {
            return true;
        }
        if ours.is_empty() {
            return self.settings.compat.open_source_ranges;
        }
        let has = |address: IpAddr| ours.iter().any(|range| range.contains(&address));
        has(source) || (has(primary(family)) && balancer_addresses(service).any(|vip| vip == source))
    }

    fn is_nodes(&self, address: IpAddr) -> bool {
        host().is_local(address) || (self.settings.mode == ProxyMode::Ipvs && self.is_bound(address))
    }

    /// What the node sends from an address that every node has would be answered to any of them.
    fn answers_elsewhere(&self, packet: &Packet) -> bool {
        let own = packet.entry() == Entry::Output && !host().is_local(packet.source());
        own && self.is_nodes(packet.source())
    }

    /// IPVS makes a Service's addresses the node's own: their other ports must not lead to what listens there.
    fn is_bound(&self, to: IpAddr) -> bool {
        self.ours(AddressType::of(to)).any(|service| {
            let balancers = balancer_addresses(service);
            let all = balancers.chain(service.external_ips().iter().copied());
            all.chain(service.cluster_ips().iter().copied()).any(|address| address == to)
        })
    }

    fn reply(&self, outcome: Outcome, protocol: Protocol) -> Option<Reply> {
        let by_reset = protocol == Protocol::Tcp && !self.settings.compat.reject_by_icmp;
        let reply = if by_reset { Reply::Reset } else { Reply::Unreachable };
        (outcome == Outcome::Reject).then_some(reply)
    }

    /// A load balancer asks the node itself, in whichever family it reaches it.
    fn is_health_check(&self, packet: &Packet) -> bool {
        let to = packet.destination();
        let asks = |service: &Service| {
            service.external_traffic_policy() == TrafficPolicy::Local
                && service.health_check_node_port() == Some(to.port())
        };
        let mut ours =
            [AddressType::Ipv4, AddressType::Ipv6].into_iter().flat_map(|family| self.ours(family));
        packet.protocol() == Protocol::Tcp && host().is_local(to.ip()) && ours.any(asks)
    }

    /// Nobody has this address and port.
    fn unserved(&self, packet: &Packet, family: AddressType) -> Expected {
        let to = packet.destination().ip();
        let compat = &self.settings.compat;
        if compat.accept_health_checks && self.is_health_check(packet) {
            return Expected::only(Outcome::Accept);
        }
        if self.ours(family).any(|service| service.cluster_ips().contains(&to)) && !compat.pass_wrong_ports {
            return Expected::only(Outcome::Reject);
        }
        if self.settings.mode == ProxyMode::Ipvs && !host().is_local(to) && self.is_bound(to) {
            return Expected::only(Outcome::Reject);
        }
        let in_range = SERVICE_RANGES.iter().any(|range| net(range).contains(&to));
        if self.settings.service_ranges && in_range && !compat.pass_unallocated {
            return Expected::only(Outcome::Drop);
        }
        Expected::only(Outcome::Untouched)
    }
}

fn balancer_addresses(service: &Service) -> impl Iterator<Item = IpAddr> {
    let entries = service.load_balancer_ingress().iter();
    entries.filter(|entry| entry.ip_mode() != IpMode::Proxy).filter_map(|entry| entry.ip())
}

/// The node's zone.
pub(crate) fn zone(snapshot: &Snapshot) -> Option<&str> {
    snapshot.node(NODE).and_then(|node| node.zone())
}

/// The addresses that packets are sent to which no Service has.
pub(crate) fn nobody() -> [IpAddr; 5] {
    ["10.96.0.250", "fd00:10:96::fa", "203.0.113.80", "2001:db8:ffff::80", "127.0.0.1"].map(ip)
}
