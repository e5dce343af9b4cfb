use super::*;

fn ipam() -> Ipam {
    Ipam::new("10.244.2.0/29".parse().unwrap())
}

fn pod(name: &str) -> PodId {
    PodId::new("default", name)
}

fn ip(last: u8) -> IpAddr {
    [10, 244, 2, last].into()
}

#[test]
fn hands_out_round_robin_and_skips_network_gateway_and_broadcast() {
    let mut ipam = ipam();
    for (name, last) in [("a", 2), ("b", 3), ("c", 4)] {
        assert_eq!(ipam.acquire(&pod(name), None), Ok(ip(last)));
    }
    ipam.release(&pod("a"));
    for (name, last) in [("d", 5), ("e", 6), ("f", 2)] {
        assert_eq!(ipam.acquire(&pod(name), None), Ok(ip(last)));
    }
    let error = ipam.acquire(&pod("g"), None).unwrap_err();
    assert!(error.to_string().contains("all 5 addresses of 10.244.2.0/29"), "{error}");
}

#[test]
fn honours_a_request_and_names_both_owners_of_a_conflict() {
    let mut ipam = ipam();
    assert_eq!(ipam.acquire(&pod("a"), Some(ip(5))), Ok(ip(5)));
    let error = ipam.acquire(&pod("b"), Some(ip(5))).unwrap_err().to_string();
    assert!(error.contains("default/a") && error.contains("default/b"), "{error}");
    for last in [0, 1, 7, 8] {
        assert!(matches!(ipam.acquire(&pod("b"), Some(ip(last))), Err(IpamError::NotAssignable { .. })));
    }
    assert!(ipam.acquire(&pod("b"), Some("fd00::2".parse().unwrap())).is_err());
    assert_eq!(ipam.acquire(&pod("b"), None), Ok(ip(2)));
}

#[test]
fn a_pod_has_one_address_and_gives_it_back() {
    let mut ipam = ipam();
    ipam.acquire(&pod("a"), None).unwrap();
    assert!(matches!(ipam.acquire(&pod("a"), None), Err(IpamError::Attached { .. })));
    assert_eq!(ipam.release(&pod("a")), Some(ip(2)));
    assert_eq!(ipam.release(&pod("a")), None);
}

#[test]
fn state_survives_serialisation() {
    let mut ipam = ipam();
    ipam.acquire(&pod("a"), None).unwrap();
    let text = serde_json::to_string(&ipam).unwrap();
    assert_eq!(serde_json::from_str::<Ipam>(&text).unwrap(), ipam);
}

#[test]
fn an_ipv6_subnet_is_no_special_case() {
    let mut ipam = Ipam::new("fd00:10:244:2::/64".parse().unwrap());
    assert_eq!(ipam.gateway().to_string(), "fd00:10:244:2::1");
    assert_eq!(ipam.acquire(&pod("a"), None).unwrap().to_string(), "fd00:10:244:2::2");
    let last: IpAddr = "fd00:10:244:2:ffff:ffff:ffff:fffe".parse().unwrap();
    assert_eq!(ipam.acquire(&pod("b"), Some(last)), Ok(last));
    assert_eq!(ipam.acquire(&pod("c"), None).unwrap().to_string(), "fd00:10:244:2::3");
}

#[test]
fn addresses_of_pods_that_live_no_more_are_collected() {
    let mut ipam = ipam();
    for name in ["a", "b", "c"] {
        ipam.acquire(&pod(name), None).unwrap();
    }
    let collected = ipam.collect_garbage(|live| *live == pod("b"));
    assert_eq!(collected.into_iter().collect::<Vec<_>>(), [(ip(2), pod("a")), (ip(4), pod("c"))]);
    assert_eq!((ipam.owner(ip(3)), ipam.iter().count()), (Some(&pod("b")), 1));
}
