use super::*;
use Family::{V4, V6};

fn host() -> Interfaces {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let link = |name: &str, addresses: &[&str]| Interface::new(name, addresses.iter().map(|it| address(it)));
    Interfaces {
        links: vec![
            link("docker0", &["172.17.0.1"]),
            link("eth0", &["192.0.2.7", "192.0.2.8", "2001:db8::7", "fe80::1"]),
            link("eth1", &["172.20.10.2"]),
            link("wg0", &[]),
        ],
        default: [(V4, "eth0".to_owned()), (V6, "eth0".to_owned())].into(),
        sources: [(address("172.20.10.9"), address("172.20.10.2"))].into(),
    }
}

fn choose(query: &InterfaceQuery, families: &[Family]) -> String {
    query.choose(&host(), families).unwrap().to_string()
}

/// Stands for a pattern.
fn begins(with: &'static str) -> InterfaceQuery {
    InterfaceQuery::new().matching(with, move |text| text.starts_with(with))
}

#[test]
fn without_a_word_it_is_that_of_the_default_route() {
    assert_eq!(choose(&InterfaceQuery::new(), &[V4]), "eth0 (192.0.2.7)");
    assert_eq!(choose(&InterfaceQuery::new(), &[V4, V6]), "eth0 (192.0.2.7, 2001:db8::7)");
    let mut split = host();
    split.default.insert(V6, "eth1".to_owned());
    let error = InterfaceQuery::new().choose(&split, &[V4, V6]).unwrap_err().to_string();
    assert!(error.contains("default route is not here with an IPv4 address and an IPv6 address"), "{error}");
}

#[test]
fn by_name_or_by_address_the_first_that_is_there() {
    let iface = |text: &str| InterfaceQuery::new().iface(text);
    assert_eq!(choose(&iface("eth1"), &[V4]), "eth1 (172.20.10.2)");
    assert_eq!(choose(&iface("192.0.2.8"), &[V4]), "eth0 (192.0.2.8)", "this very address");
    assert_eq!(choose(&iface("2001:db8::7"), &[V4, V6]), "eth0 (192.0.2.7, 2001:db8::7)");
    assert_eq!(choose(&iface("ens3").iface("wg0").iface("eth1"), &[V4]), "eth1 (172.20.10.2)");
}

#[test]
fn by_a_pattern_of_addresses_before_one_of_names() {
    assert_eq!(choose(&begins("172."), &[V4]), "docker0 (172.17.0.1)");
    assert_eq!(choose(&begins("172.20."), &[V4]), "eth1 (172.20.10.2)");
    assert_eq!(choose(&begins("eth"), &[V4]), "eth0 (192.0.2.7)");
    assert_eq!(choose(&begins("wg").iface("eth1"), &[V4]), "eth1 (172.20.10.2)");
    assert_eq!(
        choose(&begins("2001:").iface("eth1"), &[V4]),
        "eth1 (172.20.10.2)",
        "of no family that is wanted"
    );
}

#[test]
fn by_whom_it_reaches() {
    let query = InterfaceQuery::new().can_reach([172, 20, 10, 9].into());
    assert_eq!(query.targets().collect::<Vec<_>>(), [IpAddr::from([172, 20, 10, 9])]);
    assert_eq!(choose(&query, &[V4]), "eth1 (172.20.10.2)");
}

#[test]
fn what_is_not_here_is_named_with_what_is() {
    let query = begins("ens").iface("10.9.9.9").can_reach([10, 0, 0, 1].into());
    let error = query.choose(&host(), &[V4]).unwrap_err().to_string();
    let wanted =
        "one that matches ens or 10.9.9.9 or the one that reaches 10.0.0.1 is not here with an IPv4 address";
    assert!(error.contains(wanted) && error.contains("docker0 (172.17.0.1), eth0 (192.0.2.7,"), "{error}");
}
