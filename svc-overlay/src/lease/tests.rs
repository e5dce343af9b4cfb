use serde_json::{Value, json};

use super::*;

fn lease() -> Lease {
    let mac = "2e:57:5f:4d:3f:d4".parse().unwrap();
    Lease::vxlan("server2", "10.244.2.0/24".parse::<IpNet>().unwrap(), [172, 20, 10, 2], 1, mac)
}

fn dual() -> Lease {
    let subnet: IpNet = "fd00:10:244:2::/64".parse().unwrap();
    let public_ip: IpAddr = "fd00:172:20:10::2".parse().unwrap();
    lease().and(Half::vxlan(subnet, public_ip, 1, "e6:33:f0:0a:6b:52".parse().unwrap()))
}

fn value(lease: &Lease) -> Value {
    serde_json::from_str(&lease.value()).unwrap()
}

#[test]
fn is_stored_as_flannel_does() {
    assert_eq!(lease().key(), "10.244.2.0-24");
    let expected = json!({
        "PublicIP": "172.20.10.2", "PublicIPv6": null, "BackendType": "vxlan",
        "BackendData": {"VNI": 1, "VtepMAC": "2e:57:5f:4d:3f:d4"},
    });
    assert_eq!(value(&lease()), expected);
}

#[test]
fn a_dual_stack_lease_has_a_key_and_data_of_both_families() {
    assert_eq!(dual().key(), "10.244.2.0-24&fd00:10:244:2::-64");
    let expected = json!({
        "PublicIP": "172.20.10.2", "PublicIPv6": "fd00:172:20:10::2", "BackendType": "vxlan",
        "BackendData": {"VNI": 1, "VtepMAC": "2e:57:5f:4d:3f:d4"},
        "BackendV6Data": {"VNI": 1, "VtepMAC": "e6:33:f0:0a:6b:52"},
    });
    assert_eq!(value(&dual()), expected);
    assert_eq!(
        dual().to_string(),
        "10.244.2.0/24 and fd00:10:244:2::/64 of server2 at 172.20.10.2 (vni 1, 2e:57:5f:4d:3f:d4) and \
         fd00:172:20:10::2 (vni 1, e6:33:f0:0a:6b:52)"
    );
}

#[test]
fn a_lease_of_ipv6_alone_has_flannels_empty_ipv4_subnet_in_its_key() {
    let half = *dual().half(Family::V6).unwrap();
    let lease = Lease::new("server2", Backend::Vxlan, half);
    assert_eq!(lease.key(), "0.0.0.0-0&fd00:10:244:2::-64");
    assert_eq!(value(&lease)["PublicIP"], "0.0.0.0");
    assert_eq!(Lease::parse(&lease.key(), &lease.value()).unwrap().halves(), [half]);
}

#[test]
fn an_unreadable_lease_names_its_key_and_field() {
    let cases = [
        ("10.244.2.0-24", r#"{"BackendType":"vxlan"}"#, "PublicIP"),
        ("10.244.2.0-24", r#"{"PublicIP":"172.20.10","BackendType":"vxlan"}"#, "invalid IPv4 address"),
        ("10.244.2.0-24", r#"{"PublicIP":"0.0.0.0","BackendType":"vxlan"}"#, "PublicIP is missing"),
        ("10.244.2.0-24", r#"{"PublicIP":"1.2.3.4","BackendType":"vxlan"}"#, "BackendData: missing"),
        (
            "10.244.2.0-24",
            r#"{"PublicIP":"1.2.3.4","BackendType":"vxlan","BackendData":{"VtepMAC":"x"}}"#,
            "not an Ethernet address",
        ),
        (
            "10.244.2.0-24&fd00::-64",
            r#"{"PublicIP":"1.2.3.4","BackendType":"vxlan","BackendData":{"VtepMAC":"02:00:00:00:00:01"}}"#,
            "PublicIPv6 is missing, but it has the subnet fd00::/64",
        ),
    ];
    for (key, value, part) in cases {
        let error = Lease::parse(key, value).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains(part), "{error}");
    }
    for key in [
        "10.244.2.0/24",
        "10.244.2.0-33",
        "10.244.2.0",
        "",
        "10.244.2.0-24&",
        "10.244.2.0-24&fd00::-129",
        "0.0.0.0-0",
    ] {
        assert!(matches!(Lease::parse(key, "{}"), Err(LeaseError::Key { .. })), "{key}");
    }
}

#[test]
fn another_backend_is_kept_by_name() {
    let read = Lease::parse("10.244.3.0-24", r#"{"PublicIP":"1.2.3.4","BackendType":"wireguard"}"#).unwrap();
    assert_eq!(read.backend(), &Backend::Other("wireguard".into()));
    assert_eq!(read.to_string(), "10.244.3.0/24 of 1.2.3.4 at 1.2.3.4 (wireguard)");
    let read = Lease::parse("10.244.3.0-24", r#"{"PublicIP":"1.2.3.4","BackendType":"host-gw"}"#).unwrap();
    assert_eq!(read.backend(), &Backend::HostGw);
}
