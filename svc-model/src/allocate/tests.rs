//! Tables of the allocators.

use std::net::IpAddr;

use super::*;
use crate::{IpMode, Service};

fn owner(name: &str) -> ObjectName {
    ObjectName::new("default", name)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn static_bands() {
    let of_prefix = |bits: u32| cluster_ip::static_band(1 << bits);
    for (prefix, expected) in [(32, 0), (30, 0), (28, 0), (27, 16), (22, 64), (8, 256)] {
        assert_eq!(of_prefix(32 - prefix), expected, "/{prefix}");
    }
    for (prefix, expected) in [(124, 0), (122, 16), (118, 64), (12, 256)] {
        assert_eq!(of_prefix(128 - prefix), expected, "v6 /{prefix}");
    }
    for (size, expected) in [(16, 0), (17, 16), (2768, 86), (10_000, 128)] {
        assert_eq!(node_port::static_band(size), expected, "{size} ports");
    }
}

#[test]
fn network_and_broadcast_are_not_handed_out() {
    let v4 = ClusterIps::new("10.0.0.0/29".parse().unwrap(), 1);
    assert!(!v4.contains(ip("10.0.0.0")) && !v4.contains(ip("10.0.0.7")) && !v4.contains(ip("10.0.0.8")));
    assert!(v4.contains(ip("10.0.0.1")) && v4.contains(ip("10.0.0.6")));
    let v6 = ClusterIps::new("fd00::/125".parse().unwrap(), 1);
    assert!(!v6.contains(ip("fd00::")) && v6.contains(ip("fd00::7")), "IPv6 has no broadcast address");
}

#[test]
fn the_static_band_comes_last() {
    let mut addresses = ClusterIps::new("10.0.0.0/27".parse().unwrap(), 7);
    let all: Vec<_> =
        (0..30).map(|index| addresses.allocate(&owner(&format!("s{index}"))).unwrap()).collect();
    assert!(all[..15].iter().all(|address| *address >= ip("10.0.0.16")), "{all:?}");
    assert!(all[15..].iter().all(|address| *address < ip("10.0.0.16")), "{all:?}");
    assert_eq!(
        addresses.allocate(&owner("late")).unwrap_err().to_string(),
        "nothing is free in 10.0.0.0/27: delete a Service, or widen the range"
    );
    addresses.release(&owner("s3"));
    assert_eq!(addresses.allocate(&owner("late")), Ok(all[3]));
}

#[test]
fn the_static_band_of_node_ports_comes_last_and_may_be_asked_for() {
    let mut ports = NodePorts::new(30_000..=32_767, 3);
    ports.claim(30_007, &owner("by-hand")).unwrap();
    let all: Vec<_> = (0..2767).map(|index| ports.allocate(&owner(&format!("s{index}"))).unwrap()).collect();
    let dynamic = 2768 - 86;
    assert!(all[..dynamic].iter().all(|port| *port >= 30_086), "the upper part first");
    assert!(all[dynamic..].iter().all(|port| *port < 30_086));
    assert!(ports.allocate(&owner("late")).is_err());
}

#[test]
fn a_conflict_names_the_holder() {
    let mut addresses = ClusterIps::new("10.0.0.0/24".parse().unwrap(), 1);
    addresses.claim(ip("10.0.0.10"), &owner("dns")).unwrap();
    addresses.claim(ip("10.0.0.10"), &owner("dns")).unwrap();
    let error = addresses.claim(ip("10.0.0.10"), &owner("web")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "10.0.0.10 is already allocated to Service default/dns and cannot go to Service default/web"
    );
    let error = addresses.claim(ip("10.0.1.10"), &owner("web")).unwrap_err();
    assert_eq!(error.to_string(), "10.0.1.10 is not in 10.0.0.0/24");
    let mut ports = NodePorts::new(30_000..=32_767, 1);
    ports.claim(30_080, &owner("dns")).unwrap();
    assert_eq!(
        ports.claim(30_080, &owner("web")).unwrap_err().to_string(),
        "30080 is already allocated to Service default/dns and cannot go to Service default/web"
    );
    assert_eq!(ports.claim(80, &owner("web")).unwrap_err().to_string(), "80 is not in 30000-32767");
    assert_eq!(ports.owner(30_080), Some(&owner("dns")));
}

#[test]
fn the_smallest_ranges() {
    for (cidr, count) in [("10.0.0.1/32", 1), ("10.0.0.0/31", 1), ("10.0.0.0/30", 2), ("fd00::/128", 1)] {
        let mut addresses = ClusterIps::new(cidr.parse().unwrap(), 1);
        let given = (0..4).filter(|index| addresses.allocate(&owner(&format!("s{index}"))).is_ok()).count();
        assert_eq!(given, count, "{cidr}");
    }
    let mut ports = NodePorts::new(30_000..=30_000, 1);
    assert_eq!(ports.allocate(&owner("a")), Ok(30_000));
    assert!(ports.allocate(&owner("b")).is_err());
}

fn service(name: &str, requested: Option<&str>, cluster_ips: &[&str]) -> Service {
    let requested = requested.map_or(String::new(), |ip| format!(", loadBalancerIP: '{ip}'"));
    let text = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, \
         spec: {{type: LoadBalancer, clusterIPs: {cluster_ips:?}, ports: [{{port: 80}}]{requested}}}}}"
    );
    match crate::yaml::read(&text).stored().0.remove(0) {
        crate::Object::Service(service) => Service::clone(&service),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pool_gives_what_is_asked_for() {
    let ranges = ["172.20.10.70-172.20.10.71", "2001:db8::/127"];
    let pool = ranges.iter().fold(AddressPool::builder(), |pool, range| pool.range(range.parse().unwrap()));
    let mut pool = pool.build();
    let v4 = |name| service(name, None, &["10.96.0.1"]);
    assert_eq!(pool.allocate(&v4("a")), Ok(vec![ip("172.20.10.70")]));
    assert_eq!(pool.allocate(&v4("a")), Ok(vec![ip("172.20.10.70")]), "the same again");
    assert_eq!(
        pool.allocate(&service("dual", None, &["10.96.0.2", "fd00::2"])),
        Ok(vec![ip("172.20.10.71"), ip("2001:db8::")])
    );
    assert_eq!(
        pool.allocate(&v4("b")).unwrap_err(),
        PoolError::Exhausted("172.20.10.70-172.20.10.71, 2001:db8::-2001:db8::1".to_owned())
    );
    let error = pool.allocate(&service("b", Some("172.20.10.70"), &["10.96.0.1"])).unwrap_err();
    assert_eq!(
        error,
        PoolError::Taken { address: ip("172.20.10.70"), holder: owner("a"), asker: owner("b") },
        "not shared"
    );
    let error = pool.allocate(&service("b", Some("2001:db8::1"), &["10.96.0.1"])).unwrap_err();
    assert_eq!(error, PoolError::OtherFamily(ip("2001:db8::1")));
    let error = pool.allocate(&service("b", Some("my-address"), &["10.96.0.1"])).unwrap_err();
    assert_eq!(error, PoolError::NotAnAddress("my-address".to_owned()));
    let error = pool.allocate(&service("b", Some("192.0.2.1"), &["10.96.0.1"])).unwrap_err();
    assert!(matches!(error, PoolError::OutOfPool(..)), "{error}");
    pool.release(&owner("a"));
    assert_eq!(
        pool.allocate(&service("b", Some("172.20.10.70"), &["10.96.0.1"])),
        Ok(vec![ip("172.20.10.70")])
    );
    assert_eq!(pool.owner(ip("172.20.10.70")), Some(&owner("b")));
}

#[test]
fn a_service_that_asks_for_another_address_gives_the_former_back() {
    let mut pool =
        AddressPool::builder().range("172.20.10.0/30".parse().unwrap()).ip_mode(IpMode::Proxy).build();
    let ingress = pool.ensure(&service("a", None, &["10.96.0.1"]), &[]).unwrap();
    assert_eq!((ingress[0].ip(), ingress[0].ip_mode()), (Some(ip("172.20.10.0")), IpMode::Proxy));
    pool.allocate(&service("a", Some("172.20.10.2"), &["10.96.0.1"])).unwrap();
    assert_eq!(pool.owner(ip("172.20.10.0")), None);
}

#[test]
fn classes() {
    let plain = AddressPool::builder().build();
    assert!(plain.serves(None) && !plain.serves(Some("a/b")));
    let classed = AddressPool::builder().class("a/b").build();
    assert!(!classed.serves(None) && classed.serves(Some("a/b")) && !classed.serves(Some("c/d")));
}

#[test]
fn address_ranges() {
    for (text, shown) in [
        ("192.0.2.1-192.0.2.9", Some("192.0.2.1-192.0.2.9")),
        ("192.0.2.1", Some("192.0.2.1")),
        ("192.0.2.0/30", Some("192.0.2.0-192.0.2.3")),
        ("192.0.2.9-192.0.2.1", None),
        ("192.0.2.1-fd00::1", None),
        ("pool", None),
    ] {
        assert_eq!(
            text.parse::<AddressRange>().ok().map(|range| range.to_string()).as_deref(),
            shown,
            "{text}"
        );
    }
}
