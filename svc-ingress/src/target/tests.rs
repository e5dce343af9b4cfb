use super::is_local;

#[test]
fn the_router_s_own_machine_is_no_target() {
    let local = [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "169.254.169.254",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "::ffff:127.0.0.1",
    ];
    let others = ["10.0.0.1", "192.168.1.1", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1"];
    assert!(local.iter().all(|address| is_local(address.parse().unwrap())));
    assert!(!others.iter().any(|address| is_local(address.parse().unwrap())));
}
