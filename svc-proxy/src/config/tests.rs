use super::*;

fn node() -> NodeBuilder {
    Node::builder("server2").address("172.20.10.2")
}

#[test]
fn detector_follows_the_ranges_given() {
    let rows = [
        (node(), None),
        (node().pod_cidr("10.244.2.0/24"), Some("10.244.2.0/24")),
        (node().pod_cidr("10.244.2.0/24").cluster_cidr("10.244.0.0/16"), Some("10.244.0.0/16")),
        (node().cluster_cidr("fd00::/48"), None),
        (node().cluster_cidr("fd00::/48").cluster_cidr("10.1.0.0/16"), Some("10.1.0.0/16")),
    ];
    for (builder, expected) in rows {
        let expected = expected.map(|cidr| PodSource::Cidr(cidr.parse().unwrap()));
        assert_eq!(builder.build().unwrap().pod_source(AddressType::Ipv4), expected);
    }
}

#[test]
fn interface_detectors_serve_both_families() {
    let node = node().detector(Detector::InterfacePrefix("veth".into())).build().unwrap();
    for family in [AddressType::Ipv4, AddressType::Ipv6] {
        assert_eq!(node.pod_source(family), Some(PodSource::InterfacePrefix("veth".into())));
    }
}

#[test]
fn impossible_settings_are_named() {
    let rows = [
        (Node::builder("").address("10.0.0.1").build(), "no name"),
        (Node::builder("a").build(), "node a has no address"),
        (Node::builder("a").address("ten").build(), "address: `ten`"),
        (Node::builder("a").address("0.0.0.0").build(), "0.0.0.0 cannot be"),
        (node().pod_cidr("10.0.0.0/40").build(), "pod_cidr: `10.0.0.0/40`"),
        (node().masquerade_bit(32).build(), "masquerade_bit: 32"),
        (node().detector(Detector::ClusterCidr).build(), "cluster_cidr"),
        (node().detector(Detector::NodeCidr).build(), "pod_cidr"),
        (node().detector(Detector::Interface(String::new())).build(), "interface's name"),
    ];
    for (result, expected) in rows {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn families_are_those_of_the_addresses() {
    assert_eq!(node().build().unwrap().families(), [AddressType::Ipv4]);
    let both = node().address("fd00::2").build().unwrap();
    assert_eq!(both.families(), [AddressType::Ipv4, AddressType::Ipv6]);
    assert_eq!(both.primary_address(AddressType::Ipv6), Some("fd00::2".parse().unwrap()));
}

#[test]
fn settings_follow_kube_proxy_where_asked_to() {
    let with = |mode| node().compat(Compat::upstream(mode)).localhost_node_ports(true).build().unwrap();
    let ours = node().localhost_node_ports(true).build().unwrap();
    assert_eq!(
        (ours.node_port_addresses(), ours.localhost_node_ports()),
        (&NodePortAddresses::Primary, true)
    );
    assert!(!node().build().unwrap().localhost_node_ports());
    let rows = [
        (ProxyMode::Iptables, NodePortAddresses::All, true),
        (ProxyMode::Ipvs, NodePortAddresses::All, false),
        (ProxyMode::Nftables, NodePortAddresses::Primary, false),
    ];
    for (mode, addresses, localhost) in rows {
        let node = with(mode);
        assert_eq!(
            (node.node_port_addresses(), node.localhost_node_ports()),
            (&addresses, localhost),
            "{mode:?}"
        );
    }
}

/// The table of `docs/semantics.md`: a question a row, what each mode does, what is done here, and the setting.
#[test]
fn upstreams_side_is_that_of_the_table() {
    let rows = include_str!("../../docs/semantics.md").lines().filter(|line| line.ends_with("` |"));
    let rows: Vec<Vec<_>> = rows.map(|line| line.split('|').map(str::trim).collect()).collect();
    let settings = |compat: &Compat| -> Vec<(String, bool)> {
        let text = format!("{compat:?}").replace("Compat { ", "").replace(" }", "");
        let pairs = text.split(", ").map(|pair| pair.split_once(": ").unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value == "true")).collect()
    };
    assert!(settings(&Compat::default()).iter().all(|(_, is_set)| !is_set));
    for (mode, column) in [(ProxyMode::Iptables, 2), (ProxyMode::Nftables, 3), (ProxyMode::Ipvs, 4)] {
        let expected = rows.iter().map(|row| {
            let setting = row[7].trim_matches('`').to_owned();
            let differs = match &*setting {
                // Who remembers more than we do is not followed.
                "affinity_of_100_clients" => row[column].starts_with("100 "),
                _ => row[column] != row[5],
            };
            (setting, differs)
        });
        let mut expected = expected.collect::<Vec<_>>();
        let mut found = settings(&Compat::upstream(mode));
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{mode}");
    }
}

#[test]
fn chosen_families_are_served_without_an_address() {
    let families = [AddressType::Ipv4, AddressType::Ipv6];
    assert_eq!(Node::builder("n").families(families).build().unwrap().families(), families);
    let node = Node::builder("n").address("172.20.10.2").families([AddressType::Ipv6]).build().unwrap();
    assert_eq!(node.families(), [AddressType::Ipv6]);
}
