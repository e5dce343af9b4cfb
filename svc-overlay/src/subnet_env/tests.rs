use super::*;

#[test]
fn is_written_and_read_as_flannel_does() {
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    let env = SubnetEnv::new(
        [net("10.244.0.0/16"), net("fd00:10:244::/48")],
        [net("10.244.2.0/24"), net("fd00:10:244:2::/64")],
        1430,
        true,
    );
    let text = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.2.1/24\nFLANNEL_IPV6_NETWORK=fd00:10:244::/48\n\
                FLANNEL_IPV6_SUBNET=fd00:10:244:2::1/64\nFLANNEL_MTU=1430\nFLANNEL_IPMASQ=true\n";
    assert_eq!(env.to_string(), text);
    assert_eq!(SubnetEnv::parse(text), Ok(env));
}

#[test]
fn what_others_write_into_it_is_passed_over_and_what_cannot_be_is_named() {
    let env = SubnetEnv::parse("# a comment\n\nEXTRA=1\nFLANNEL_SUBNET=10.244.2.1/24\n").unwrap();
    assert_eq!((env.subnets().len(), env.mtu()), (1, 0));
    for (line, key) in [
        ("FLANNEL_SUBNET=x", "FLANNEL_SUBNET"),
        ("FLANNEL_MTU=-1", "FLANNEL_MTU"),
        ("FLANNEL_IPMASQ=yes", "FLANNEL_IPMASQ"),
    ] {
        let error = SubnetEnv::parse(line).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}
