use super::*;

fn builder() -> OverlayBuilder {
    OverlayBuilder::new("10.244.0.0/16").node("server2").subnet("10.244.2.0/24").public_ip("172.20.10.2")
}

#[test]
fn defaults_are_flannels() {
    let config = builder().config().unwrap();
    assert_eq!((config.vni, config.port, config.device().as_str()), (1, 8472, "flannel.1"));
    assert_eq!(config.bridge(), "cni0");
    assert!(config.masquerade && config.mac.is_unicast());
}

#[test]
fn a_lease_sets_everything() {
    let lease = builder().config().unwrap().lease("2e:57:5f:4d:3f:d4".parse().unwrap());
    let config = OverlayBuilder::new("10.244.0.0/16").lease(&lease).config().unwrap();
    assert_eq!(config.lease(config.mac()), lease);
}

#[test]
fn errors_name_the_setting() {
    let cases = [
        (OverlayBuilder::new("10.244.0.0"), "network"),
        (OverlayBuilder::new("10.244.0.0/16"), "node"),
        (builder().node(""), "node"),
        (builder().subnet("10.245.2.0/24"), "subnet"),
        (builder().subnet("10.244.2.0/31"), "subnet"),
        (builder().subnet("x"), "subnet"),
        (builder().public_ip("10.244.2.1"), "public_ip"),
        (builder().public_ip("host"), "public_ip"),
        (builder().mac("01:00:5e:00:00:01"), "mac"),
        (builder().mac("x"), "mac"),
        (builder().vni(0), "vni"),
        (builder().vni(1 << 24), "vni"),
        (builder().port(0), "port"),
        (builder().mtu(100), "mtu"),
        (builder().bridge("a-name-of-sixteen"), "bridge"),
    ];
    for (builder, field) in cases {
        let error = builder.config().unwrap_err();
        assert_eq!(error.field(), field, "{error}");
    }
}
