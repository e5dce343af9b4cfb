use super::*;
use crate::netconf::NetConf;

fn builder() -> OverlayBuilder {
    OverlayBuilder::new("10.244.0.0/16").node("server2").subnet("10.244.2.0/24").public_ip("172.20.10.2")
}

fn dual() -> OverlayBuilder {
    builder().network("fd00:10:244::/48").subnet("fd00:10:244:2::/64").public_ip("fd00:172:20:10::2")
}

#[test]
fn defaults_are_flannels() {
    let config = builder().config().unwrap();
    assert_eq!((config.vni, config.port, config.device(Family::V4).as_str()), (1, 8472, "flannel.1"));
    assert_eq!((config.bridge(), config.mode(), config.overhead()), ("cni0", Mode::Vxlan, 50));
    assert!(config.masquerade && config.checksum_offload && config.stacks[0].mac.is_unicast());
    assert!(!config.learning && !config.gbp && !config.direct_routing);
}

#[test]
fn a_lease_sets_everything() {
    for builder in [builder(), dual(), dual().mode(Mode::HostGw)] {
        let config = builder.mac("2e:57:5f:4d:3f:d4").config().unwrap();
        let networks = config.stacks.iter().map(|stack| stack.network);
        let start = OverlayBuilder::new("10.244.0.0/16").lease(&config.lease());
        let again = networks.fold(start, |builder, network| builder.network(network)).config().unwrap();
        assert_eq!(again.lease(), config.lease());
    }
}

#[test]
fn both_families_have_a_device_each_and_the_mtu_of_the_smaller() {
    let config = dual().mac("2e:57:5f:4d:3f:d4").config().unwrap();
    assert_eq!(config.stacks.iter().map(Stack::family).collect::<Vec<_>>(), Family::ALL);
    assert_eq!(config.device(Family::V6), "flannel-v6.1");
    assert_eq!(config.overhead(), 70);
    assert_ne!(config.stacks[0].mac, config.stacks[1].mac);
    assert_eq!(config.stacks[0].mac.to_string(), "2e:57:5f:4d:3f:d4", "the first family's");
    assert_eq!(dual().mode(Mode::HostGw).config().unwrap().overhead(), 0);
}

#[test]
fn net_conf_sets_what_it_has() {
    let conf = NetConf::parse(
        r#"{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:10::/48",
            "Backend":{"Type":"vxlan","VNI":7,"Port":4789,"MTU":1400,"GBP":true,"Learning":true,"DirectRouting":true}}"#,
    );
    let builder =
        OverlayBuilder::of_net_conf(&conf.unwrap()).node("a").subnet("10.5.1.0/24").public_ip("192.0.2.1");
    let config = builder.subnet("fd00:10:0:1::/64").public_ip("2001:db8::1").config().unwrap();
    assert_eq!((config.vni, config.port, config.mtu), (7, 4789, Some(1400)));
    assert!(config.gbp && config.learning && config.direct_routing);
    assert_eq!(config.device(Family::V4), "flannel.7");
}

#[test]
fn errors_name_the_setting() {
    let cases = [
        (OverlayBuilder::new("10.244.0.0"), "node"),
        (OverlayBuilder::new("10.244.0.0").node("a"), "network"),
        (OverlayBuilder::new("10.244.0.0/16"), "node"),
        (OverlayBuilder::new("10.244.0.0/16").node("a"), "subnet"),
        (builder().node(""), "node"),
        (builder().subnet("10.245.2.0/24"), "subnet"),
        (builder().subnet("10.244.2.0/31"), "subnet"),
        (builder().subnet("fd00::/64"), "subnet"),
        (builder().subnet("x"), "subnet"),
        (builder().network("fd00:10:244::/48"), "subnet"),
        (builder().network("fd00:10:244::/48").subnet("fd00:10:244:2::/64"), "public_ip"),
        (dual().subnet("fd00:10:244:2::/127"), "subnet"),
        (dual().mtu(1349), "mtu"),
        (builder().public_ip("10.244.2.1"), "public_ip"),
        (builder().public_ip("host"), "public_ip"),
        (builder().local("10.244.2.1"), "local"),
        (builder().local("host"), "local"),
        (builder().mac("01:00:5e:00:00:01"), "mac"),
        (builder().mac("x"), "mac"),
        (builder().vni(0), "vni"),
        (builder().vni(1 << 24), "vni"),
        (builder().port(0), "port"),
        (builder().mtu(100), "mtu"),
        (builder().mtu(70_000), "mtu"),
        (builder().bridge("a-name-of-sixteen"), "bridge"),
        (builder().bridge(""), "bridge"),
    ];
    for (builder, field) in cases {
        let error = builder.config().unwrap_err();
        assert_eq!(error.field(), field, "{error}");
    }
}
