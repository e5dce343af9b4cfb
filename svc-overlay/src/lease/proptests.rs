use proptest::prelude::*;

use super::*;

fn half(subnet: IpAddr, len: u8, public_ip: IpAddr, backend: &Backend, vni: u32, mac: [u8; 6]) -> Half {
    let subnet = IpNet::new(subnet, len).unwrap();
    match backend {
        Backend::Vxlan => Half::vxlan(subnet, public_ip, vni, Mac::new(mac)),
        _ => Half::direct(subnet, public_ip),
    }
}

fn lease() -> impl Strategy<Value = Lease> {
    let backend =
        prop_oneof![Just(Backend::Vxlan), Just(Backend::HostGw), Just(Backend::Other("ipip".into()))];
    let v4 = (any::<std::net::Ipv4Addr>(), 1..=32_u8, 1..=u32::MAX, any::<[u8; 6]>());
    let v6 = (any::<std::net::Ipv6Addr>(), 0..=128_u8, any::<std::net::Ipv6Addr>(), any::<[u8; 6]>());
    (backend, v4, v6, 0..3_u8, 1..1_u32 << 24).prop_map(|(backend, v4, v6, which, vni)| {
        let public: std::net::Ipv4Addr = v4.2.into();
        let v4 = half(v4.0.into(), v4.1, public.into(), &backend, vni, v4.3);
        let v6 = half(v6.0.into(), v6.1, v6.2.into(), &backend, vni, v6.3);
        match which {
            0 => Lease::new("", backend, v4),
            1 => Lease::new("", backend, v6),
            _ => Lease::new("", backend, v4).and(v6),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_stored_is_read_back(lease in lease()) {
        let read = Lease::parse(&lease.key(), &lease.value()).unwrap();
        prop_assert_eq!(read.with_node(""), lease);
    }

    #[test]
    fn any_text_is_a_lease_or_an_error(key in ".{0,40}", value in ".{0,80}") {
        let _either = Lease::parse(&key, &value);
    }
}
