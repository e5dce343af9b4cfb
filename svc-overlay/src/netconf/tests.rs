use super::*;

fn conf(text: &str) -> NetConf {
    NetConf::parse(text).unwrap()
}

fn first_and_len(conf: &NetConf, family: Family) -> (String, u8) {
    let subnets = conf.subnets(family).unwrap();
    (subnets.iter().next().unwrap().to_string(), subnets.len())
}

#[test]
fn defaults_are_flannels() {
    let big = conf(r#"{"network": "10.0.0.0/8"}"#);
    assert_eq!((big.mode(), *big.vxlan(), big.nftables()), (Mode::Vxlan, VxlanConf::default(), false));
    assert_eq!(first_and_len(&big, Family::V4), ("10.0.1.0/24".into(), 24));
    assert_eq!((big.network(Family::V6), big.subnets(Family::V6)), (None, None));
    let small = conf(r#"{"Network": "10.1.2.0/28", "Comment": 1, "Backend": null}"#);
    assert_eq!(first_and_len(&small, Family::V4), ("10.1.2.4/30".into(), 30));
}

#[test]
fn settings_are_taken() {
    let conf = conf(
        r#"{"Network":"10.5.0.0/16","SubnetLen":28,"SubnetMin":"10.5.1.16","SubnetMax":"10.5.1.32","EnableNFTables":true,
            "Backend":{"Type":"VXLAN","vni":7,"Port":4789,"MTU":9000,"GBP":true,"Learning":true,"DirectRouting":true}}"#,
    );
    let subnets: Vec<_> = conf.subnets(Family::V4).unwrap().iter().map(|net| net.to_string()).collect();
    assert_eq!(subnets, ["10.5.1.16/28", "10.5.1.32/28"]);
    let vxlan = conf.vxlan();
    assert_eq!((vxlan.vni(), vxlan.port(), vxlan.mtu()), (7, 4789, Some(9000)));
    assert!(conf.nftables() && vxlan.gbp() && vxlan.learning() && vxlan.direct_routing());
}

#[test]
fn zero_means_the_default() {
    let conf =
        conf(r#"{"Network":"10.5.0.0/16","SubnetLen":0,"Backend":{"Type":"","VNI":0,"Port":0,"MTU":0}}"#);
    assert_eq!((first_and_len(&conf, Family::V4).1, *conf.vxlan()), (24, VxlanConf::default()));
}

#[test]
fn both_families() {
    let conf = conf(
        r#"{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:10::/48","IPv6SubnetMin":"fd00:10:0:10::",
            "Backend":{"Type":"host-gw"}}"#,
    );
    assert_eq!(conf.mode(), Mode::HostGw);
    assert_eq!(conf.networks().len(), 2);
    assert_eq!(first_and_len(&conf, Family::V6), ("fd00:10:0:10::/64".into(), 64));
    let only =
        NetConf::parse(r#"{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:10::/48"}"#).unwrap();
    assert_eq!(only.networks(), ["fd00:10::/48".parse().unwrap()]);
}

#[test]
fn where_nobody_allocates_a_network_may_be_as_small_as_a_node() {
    let text = r#"{"Network":"10.5.1.0/30","SubnetLen":99}"#;
    assert!(NetConf::parse(text).is_err());
    let conf = NetConf::parse_without_allocation(text).unwrap();
    assert_eq!((conf.networks().len(), conf.subnets(Family::V4)), (1, None));
}

#[test]
fn a_broken_rule_is_named_with_its_key() {
    let cases = [
        ("[]", "net-conf: "),
        ("{", "net-conf: "),
        ("{}", "Network: missing"),
        (r#"{"Network":"10.0.0.0"}"#, "Network: \"10.0.0.0\" is not of the form 10.244.0.0/16"),
        (r#"{"Network":"fd00::/48"}"#, "Network"),
        (r#"{"Network":"10.0.0.0/29"}"#, "Network: 10.0.0.0/29 is too small"),
        (r#"{"Network":"10.0.0.0/16","SubnetLen":17}"#, "SubnetLen: 17 is not in 18-30"),
        (r#"{"Network":"10.0.0.0/16","SubnetLen":31}"#, "SubnetLen"),
        (r#"{"Network":"10.0.0.0/16","SubnetLen":300}"#, "SubnetLen: 300 is greater than 128"),
        (r#"{"Network":"10.0.0.0/16","SubnetLen":"24"}"#, "SubnetLen: \"24\" is not a whole number"),
        (r#"{"Network":"10.0.0.0/16","SubnetLen":-1}"#, "SubnetLen"),
        (r#"{"Network":"10.0.0.0/16","SubnetMin":"10.1.0.0"}"#, "SubnetMin: 10.1.0.0 lies outside"),
        (
            r#"{"Network":"10.0.0.0/16","SubnetMax":"10.0.1.1"}"#,
            "SubnetMax: 10.0.1.1 is not the first address",
        ),
        (
            r#"{"Network":"10.0.0.0/16","SubnetMin":"10.0.9.0","SubnetMax":"10.0.1.0"}"#,
            "SubnetMin: 10.0.9.0 lies behind",
        ),
        (r#"{"Network":"10.0.0.0/16","SubnetMin":"fd00::"}"#, "SubnetMin"),
        (r#"{"Network":"10.0.0.0/16","Backend":{"Type":"udp"}}"#, "Backend.Type: \"udp\" is not supported"),
        (r#"{"Network":"10.0.0.0/16","Backend":{"Type":1}}"#, "Backend.Type"),
        (r#"{"Network":"10.0.0.0/16","Backend":{"VNI":16777216}}"#, "Backend.VNI"),
        (r#"{"Network":"10.0.0.0/16","Backend":{"Port":70000}}"#, "Backend.Port"),
        (r#"{"Network":"10.0.0.0/16","Backend":{"MTU":70000}}"#, "Backend.MTU"),
        (r#"{"Network":"10.0.0.0/16","Backend":{"Learning":"yes"}}"#, "Backend.Learning"),
        (r#"{"Network":"10.0.0.0/16","Backend":"vxlan"}"#, "Backend"),
        (r#"{"Network":"10.0.0.0/16","EnableIPv6":true}"#, "IPv6Network: missing"),
        (r#"{"Network":"10.0.0.0/16","EnableIPv6":1}"#, "EnableIPv6"),
        (r#"{"EnableIPv4":false}"#, "EnableIPv4: false"),
        (
            r#"{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/125"}"#,
            "IPv6Network: fd00::/125 is too small",
        ),
        (
            r#"{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/48","IPv6SubnetLen":48}"#,
            "IPv6SubnetLen: 48 is not in 50-126",
        ),
        (
            r#"{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/48","IPv6SubnetMax":"fd01::"}"#,
            "IPv6SubnetMax: fd01:: lies outside",
        ),
    ];
    for (text, part) in cases {
        let error = NetConf::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}
