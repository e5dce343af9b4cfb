use super::*;

fn conf(text: &str) -> NetConf {
    NetConf::parse(text).unwrap()
}

#[test]
fn defaults_are_flannels() {
    let big = conf(r#"{"network": "10.0.0.0/8"}"#);
    assert_eq!((big.subnet_len, big.vni, big.port, big.mtu), (24, 1, 8472, None));
    assert_eq!(
        (big.subnet_min.to_string(), big.subnet_max.to_string()),
        ("10.0.1.0".into(), "10.255.255.0".into())
    );
    let small = conf(r#"{"Network": "10.1.2.0/28", "Comment": 1}"#);
    assert_eq!(small.subnet_len, 30);
    assert_eq!(small.subnets().count(), 3);
}

#[test]
fn settings_are_taken() {
    let conf = conf(
        r#"{"Network":"10.5.0.0/16","SubnetLen":28,"SubnetMin":"10.5.1.16","SubnetMax":"10.5.1.32",
            "Backend":{"Type":"vxlan","VNI":7,"Port":4789,"MTU":9000}}"#,
    );
    let subnets: Vec<_> = conf.subnets().map(|net| net.to_string()).collect();
    assert_eq!(subnets, ["10.5.1.16/28", "10.5.1.32/28"]);
    assert_eq!((conf.vni(), conf.port(), conf.mtu()), (7, 4789, Some(9000)));
}

#[test]
fn a_broken_rule_is_named_with_its_key() {
    let cases = [
        ("[]", "net-conf: "),
        ("{}", "Network: missing"),
        (r#"{"Network":"10.0.0.0"}"#, "Network"),
        (r#"{"Network":"10.0.0.0/29"}"#, "Network"),
        (r#"{"Network":"10.0.0.0/16","SubnetLen":17}"#, "SubnetLen: 17 is not in 18-30"),
        (r#"{"Network":"10.0.0.0/16","SubnetLen":31}"#, "SubnetLen"),
        (r#"{"Network":"10.0.0.0/16","SubnetLen":"24"}"#, "SubnetLen"),
        (r#"{"Network":"10.0.0.0/16","SubnetMin":"10.1.0.0"}"#, "SubnetMin"),
        (r#"{"Network":"10.0.0.0/16","SubnetMax":"10.0.1.1"}"#, "SubnetMax"),
        (r#"{"Network":"10.0.0.0/16","SubnetMin":"10.0.9.0","SubnetMax":"10.0.1.0"}"#, "SubnetMin"),
        (r#"{"Network":"10.0.0.0/16","Backend":{"Type":"udp"}}"#, "Backend.Type"),
        (r#"{"Network":"10.0.0.0/16","Backend":{"VNI":16777216}}"#, "Backend.VNI"),
        (r#"{"Network":"10.0.0.0/16","Backend":{"Port":70000}}"#, "Backend.Port"),
        (r#"{"Network":"10.0.0.0/16","Backend":"vxlan"}"#, "Backend"),
        (r#"{"Network":"10.0.0.0/16","EnableIPv6":true}"#, "EnableIPv6"),
    ];
    for (text, part) in cases {
        let error = NetConf::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}
