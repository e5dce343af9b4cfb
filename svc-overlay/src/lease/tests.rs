use super::*;

fn lease() -> Lease {
    let mac = "2e:57:5f:4d:3f:d4".parse().unwrap();
    Lease::vxlan("server2", "10.244.2.0/24".parse().unwrap(), Ipv4Addr::new(172, 20, 10, 2), 1, mac)
}

#[test]
fn is_stored_as_flannel_does() {
    assert_eq!(lease().key(), "10.244.2.0-24");
    let value: serde_json::Value = serde_json::from_str(&lease().value()).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "PublicIP": "172.20.10.2", "PublicIPv6": null, "BackendType": "vxlan",
            "BackendData": {"VNI": 1, "VtepMAC": "2e:57:5f:4d:3f:d4"},
        })
    );
}

#[test]
fn what_is_stored_is_read_back() {
    let read = Lease::parse(&lease().key(), &lease().value()).unwrap();
    assert_eq!(read.with_node("server2"), lease());
}

#[test]
fn a_dual_stack_key_is_read_by_its_ipv4_half() {
    let read = Lease::parse("10.244.2.0-24&fd00:10:244:2::-64", &lease().value()).unwrap();
    assert_eq!(read.subnet(), lease().subnet());
}

#[test]
fn an_unreadable_lease_names_its_key_and_field() {
    let error = Lease::parse("10.244.2.0-24", r#"{"BackendType":"vxlan"}"#).unwrap_err().to_string();
    assert!(error.contains("10.244.2.0-24") && error.contains("PublicIP"), "{error}");
    let error = Lease::parse(
        "10.244.2.0-24",
        r#"{"PublicIP":"1.2.3.4","BackendType":"vxlan","BackendData":{"VtepMAC":"x"}}"#,
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("not an Ethernet address"), "{error}");
    assert!(matches!(Lease::parse("10.244.2.0/24", "{}"), Err(LeaseError::Key { .. })));
    assert!(matches!(Lease::parse("10.244.2.0-33", "{}"), Err(LeaseError::Key { .. })));
}

#[test]
fn another_backend_is_kept_by_name() {
    let read = Lease::parse("10.244.3.0-24", r#"{"PublicIP":"1.2.3.4","BackendType":"wireguard"}"#).unwrap();
    assert_eq!(read.backend(), &Backend::Other("wireguard".into()));
}
