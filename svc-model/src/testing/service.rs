//! Services of every kind.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use proptest::prelude::*;

use super::world::{World, labels, meta, slot_name};
use crate::service::{
    Exposure, Headless, LoadBalancer, Spec, TOPOLOGY_AWARE_HINTS, TOPOLOGY_MODE, Traffic, Unused,
    VirtualService,
};
use crate::topology::PROXY_NAME_LABEL;
use crate::{
    AddressType, IpFamilyPolicy, IpMode, LoadBalancerIngress, Meta, Protocol, Selector, Service,
    ServiceImport, ServiceImportPort, ServiceImportType, ServicePort, ServiceType, TargetPort,
    TrafficDistribution, TrafficPolicy,
};

/// Name, protocol, port: the ports a Service may have.
pub(super) const PORTS: [(&str, Protocol, u16); 6] = [
    ("http", Protocol::Tcp, 80),
    ("https", Protocol::Tcp, 443),
    ("dns", Protocol::Udp, 53),
    ("dns-tcp", Protocol::Tcp, 53),
    ("stream", Protocol::Sctp, 9000),
    ("alt", Protocol::Tcp, 8080),
];

pub(super) fn service(world: World) -> impl Strategy<Value = Service> {
    world.slot().prop_flat_map(|slot| {
        let spec = prop_oneof![
            6 => virtual_service(slot).prop_map(|spec| Spec::Virtual(Box::new(spec))).boxed(),
            1 => (families(), family_policy()).prop_map(|(families, policy)| {
                let family_policy = Some(agreeing(policy, families.len()));
                Spec::Headless(Headless { families, family_policy })
            }),
            1 => prop::sample::select(&["example.com", "www.example.org"][..]).prop_map(|it| Spec::ExternalName(it.to_owned())),
        ];
        let marks = (service_labels(), topology_mode(), unused());
        (spec, traffic(slot), ports(), labels(), marks, any::<bool>()).prop_map(
            move |(spec, traffic, ports, selector, (labels, annotations, unused), publish_not_ready_addresses)| {
                finished(slot, Service {
                    meta: Meta { labels, annotations, ..meta(slot_name(slot)) },
                    selector: Selector::new(selector),
                    ports,
                    publish_not_ready_addresses,
                    traffic,
                    spec,
                    conditions: Box::default(),
                    unused: Some(Box::new(unused)),
                })
            },
        )
    })
}

/// A ServiceImport by the name of a Service.
pub(super) fn service_import(world: World) -> impl Strategy<Value = ServiceImport> {
    let ports = prop::sample::subsequence(&PORTS[..], 0..=3);
    (world.slot(), any::<bool>(), families(), ports, labels()).prop_map(
        |(slot, headless, families, ports, labels)| {
            let port = |(name, protocol, port): &(&str, Protocol, u16)| ServiceImportPort {
                name: (*name).to_owned(),
                protocol: *protocol,
                port: *port,
                app_protocol: None,
            };
            let address = |family| match family {
                AddressType::Ipv4 => Ipv4Addr::new(10, 42, 0, slot).into(),
                AddressType::Ipv6 => Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, slot.into()).into(),
            };
            ServiceImport {
                meta: Meta { labels, ..meta(slot_name(slot)) },
                import_type: if headless {
                    ServiceImportType::Headless
                } else {
                    ServiceImportType::ClusterSetIp
                },
                ips: families.into_iter().filter(|_| !headless).map(address).collect(),
                ports: ports.iter().map(port).collect(),
            }
        },
    )
}

/// Now and then the Service is another proxy's.
fn service_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    (labels(), prop::bool::weighted(0.05)).prop_map(|(mut labels, foreign)| {
        labels.extend(foreign.then(|| (PROXY_NAME_LABEL.to_owned(), "other".to_owned())));
        labels
    })
}

/// The annotation by either of its names, or by both.
fn topology_mode() -> impl Strategy<Value = BTreeMap<String, String>> {
    let names = prop::sample::subsequence(vec![TOPOLOGY_MODE, TOPOLOGY_AWARE_HINTS], 1..=2);
    let annotated = (names, prop::sample::select(&["Auto", "Disabled"][..]))
        .prop_map(|(names, mode)| names.into_iter().map(|name| (name.to_owned(), mode.to_owned())).collect());
    prop_oneof![4 => Just(BTreeMap::new()), 1 => annotated]
}

/// Now and then words of another type were left behind.
fn unused() -> impl Strategy<Value = Unused> {
    let words = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.5));
    words.prop_map(|(name, address, ports)| Unused {
        external_name: name.then(|| "old.example".into()),
        load_balancer_ip: address.then(|| "192.0.2.9".into()),
        node_ports: ports.then_some(30_000).into_iter().collect(),
    })
}

/// Gives node ports to the types that have them, and none to the others; the policies follow the type, and
/// so does what it does not use. DNS over UDP and TCP is one door.
pub(super) fn finished(slot: u8, mut service: Service) -> Service {
    agree(&mut service);
    let wanted = service.allocates_node_ports();
    let mut numbers = Vec::new();
    for port in &mut service.ports {
        let index = PORTS.iter().position(|known| (known.1, known.2) == (port.protocol, port.port));
        let door = index.map_or(9, |index| if PORTS[index].2 == 53 { 2 } else { index });
        let number = 30_000 + u16::from(slot) * 10 + u16::try_from(door).unwrap_or(9);
        port.node_port = wanted.then_some(number);
        numbers.push(i64::from(number));
    }
    let kind = service.service_type();
    let alias = kind == ServiceType::ExternalName;
    service.unused = service.unused.and_then(|unused| {
        let ported = alias && !unused.node_ports.is_empty();
        let kept = Unused {
            external_name: unused.external_name.filter(|_| !alias),
            load_balancer_ip: unused.load_balancer_ip.filter(|_| kind != ServiceType::LoadBalancer),
            node_ports: if ported { numbers.into() } else { Box::default() },
        };
        kept.boxed()
    });
    service
}

/// The Service as another type: it keeps its virtual addresses, or gets those of its number.
pub(super) fn retyped(slot: u8, service: &Service, to: ServiceType) -> Service {
    let exposure = match to {
        ServiceType::NodePort => Exposure::NodePort,
        ServiceType::LoadBalancer => Exposure::LoadBalancer(Box::new(LoadBalancer {
            ingress: vec![LoadBalancerIngress::address(outside_address(203, slot), IpMode::Vip)],
            health_check_node_port: Some(32_000 + u16::from(slot)),
            allocates_node_ports: true,
            ..LoadBalancer::default()
        })),
        _ => Exposure::ClusterIp,
    };
    let spec = match &service.spec {
        _ if to == ServiceType::ExternalName => Spec::ExternalName("example.com".to_owned()),
        Spec::Virtual(spec) => Spec::Virtual(Box::new(VirtualService { exposure, ..(**spec).clone() })),
        _ => Spec::Virtual(Box::new(VirtualService {
            cluster_ips: vec![cluster_ip(AddressType::Ipv4, slot, 0)],
            family_policy: IpFamilyPolicy::SingleStack,
            exposure,
        })),
    };
    let mut service = Service { spec, ..service.clone() };
    service.traffic.external_policy.get_or_insert(TrafficPolicy::Local);
    finished(slot, service)
}

fn ports() -> impl Strategy<Value = Vec<ServicePort>> {
    let target = prop_oneof![
        prop::sample::select(&[8080_u16, 9376, 53][..]).prop_map(TargetPort::Number),
        Just(TargetPort::Name("serve".to_owned())),
    ];
    let chosen = prop::sample::subsequence(&PORTS[..], 1..=3);
    (chosen, prop::collection::vec(target, 3), any::<bool>()).prop_map(|(chosen, targets, named)| {
        let unnamed = chosen.len() == 1 && !named;
        let port =
            |((name, protocol, port), target_port): (&(&str, Protocol, u16), TargetPort)| ServicePort {
                name: if unnamed { String::new() } else { (*name).to_owned() },
                protocol: *protocol,
                port: *port,
                target_port,
                node_port: None,
                app_protocol: (*name == "http").then(|| "kubernetes.io/h2c".to_owned()),
            };
        chosen.iter().zip(targets).map(port).collect()
    })
}

fn virtual_service(slot: u8) -> impl Strategy<Value = VirtualService> {
    let exposure = prop_oneof![
        3 => Just(Exposure::ClusterIp),
        2 => Just(Exposure::NodePort),
        2 => load_balancer(slot).prop_map(|balancer| Exposure::LoadBalancer(Box::new(balancer))),
    ];
    (exposure, cluster_ips(slot), family_policy()).prop_map(|(exposure, cluster_ips, policy)| {
        VirtualService { family_policy: agreeing(policy, cluster_ips.len()), cluster_ips, exposure }
    })
}

/// One family is never required to be two, and two are never single.
fn agreeing(policy: IpFamilyPolicy, families: usize) -> IpFamilyPolicy {
    match (policy, families) {
        (IpFamilyPolicy::SingleStack, 2) => IpFamilyPolicy::RequireDualStack,
        (IpFamilyPolicy::RequireDualStack, 1) => IpFamilyPolicy::SingleStack,
        _ => policy,
    }
}

fn family_policy() -> impl Strategy<Value = IpFamilyPolicy> {
    use IpFamilyPolicy::{PreferDualStack, RequireDualStack, SingleStack};
    prop::sample::select(&[SingleStack, PreferDualStack, RequireDualStack][..])
}

fn traffic(slot: u8) -> impl Strategy<Value = Traffic> {
    let affinity = prop_oneof![2 => Just(None), 1 => Just(Some(10_800)), 1 => Just(Some(60))];
    let distribution = prop_oneof![
        3 => Just(None),
        1 => Just(Some(TrafficDistribution::PreferClose)),
        1 => Just(Some(TrafficDistribution::PreferSameZone)),
        1 => Just(Some(TrafficDistribution::PreferSameNode)),
    ];
    (outside(198, slot), policy(), policy(), affinity, distribution).prop_map(
        |(external_ips, internal, external, affinity, distribution)| Traffic {
            external_ips,
            internal_policy: Some(internal),
            external_policy: Some(external),
            session_affinity: affinity.map(Duration::from_secs),
            distribution,
        },
    )
}

/// The external policy exists only where there is an outside; the health check only with policy Local.
fn agree(service: &mut Service) {
    let is_outside = match &service.spec {
        Spec::Virtual(spec) => {
            !matches!(spec.exposure, Exposure::ClusterIp) || !service.traffic.external_ips.is_empty()
        }
        Spec::Headless(_) => !service.traffic.external_ips.is_empty(),
        Spec::ExternalName(_) => false,
    };
    service.traffic.external_policy = service.traffic.external_policy.filter(|_| is_outside);
    if let Spec::Virtual(spec) = &mut service.spec
        && let Exposure::LoadBalancer(balancer) = &mut spec.exposure
        && service.traffic.external_policy != Some(TrafficPolicy::Local)
    {
        balancer.health_check_node_port = None;
    }
}

fn policy() -> impl Strategy<Value = TrafficPolicy> {
    prop_oneof![2 => Just(TrafficPolicy::Cluster), 1 => Just(TrafficPolicy::Local)]
}

fn families() -> impl Strategy<Value = Vec<AddressType>> {
    use AddressType::{Ipv4, Ipv6};
    prop::sample::select(vec![vec![Ipv4], vec![Ipv6], vec![Ipv4, Ipv6], vec![Ipv6, Ipv4]])
}

/// Two addresses of each family belong to each Service, so that it can also change its address.
fn cluster_ips(slot: u8) -> impl Strategy<Value = Vec<IpAddr>> {
    (families(), 0..2_u8).prop_map(move |(families, which)| {
        families.into_iter().map(|family| cluster_ip(family, slot, which)).collect()
    })
}

fn cluster_ip(family: AddressType, slot: u8, which: u8) -> IpAddr {
    let host = 10 + slot * 2 + which;
    match family {
        AddressType::Ipv4 => IpAddr::V4(Ipv4Addr::new(10, 96, 0, host)),
        AddressType::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, host.into())),
    }
}

/// Up to two outside addresses of this Service, and now and then one that others have too.
fn outside(net: u8, slot: u8) -> impl Strategy<Value = Vec<IpAddr>> {
    let own = vec![
        outside_address(net, slot),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, net.into(), 0, 0, 0, 0, (10 + slot).into())),
    ];
    let own = prop::sample::subsequence(own, 0..=2);
    let contested = prop_oneof![
        8 => Just(None),
        1 => Just(Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))),
        1 => Just(Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)))),
    ];
    let some = (own, contested).prop_map(|(own, contested)| own.into_iter().chain(contested).collect());
    prop_oneof![2 => Just(Vec::new()), 1 => some]
}

pub(super) fn outside_address(net: u8, slot: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(net, 51, 100, 10 + slot))
}

fn load_balancer(slot: u8) -> impl Strategy<Value = LoadBalancer> {
    let ip_mode = prop_oneof![3 => Just(IpMode::Vip), 1 => Just(IpMode::Proxy)];
    let ip_modes = prop::collection::vec(ip_mode, 3);
    let named = prop::option::weighted(0.2, Just(LoadBalancerIngress::named("lb.example")));
    let flags = (prop::bool::weighted(0.8), any::<bool>());
    (outside(203, slot), ip_modes, named, source_ranges(), flags).prop_map(
        move |(addresses, ip_modes, named, source_ranges, (allocates_node_ports, classed))| LoadBalancer {
            class: classed.then(|| "example.com/lab".to_owned()),
            requested: addresses.first().map(ToString::to_string),
            ingress: addresses
                .into_iter()
                .zip(ip_modes)
                .map(|(ip, mode)| LoadBalancerIngress::address(ip, mode))
                .chain(named)
                .collect(),
            source_ranges,
            unreadable_source_ranges: Vec::new(),
            health_check_node_port: Some(32_000 + u16::from(slot)),
            allocates_node_ports,
        },
    )
}

fn source_ranges() -> impl Strategy<Value = Vec<IpNet>> {
    let all = ["172.20.10.0/24", "10.244.0.0/16", "2001:db8::/32", "0.0.0.0/0", "::/0"];
    let all: Vec<IpNet> = all.iter().filter_map(|text| text.parse().ok()).collect();
    prop_oneof![2 => Just(Vec::new()), 1 => prop::sample::subsequence(all, 0..=3)]
}
