use super::*;

#[test]
fn a_pod_id_reads_what_it_prints() {
    let pod = PodId::new("default", "web-0");
    assert_eq!(pod.to_string(), "default/web-0");
    assert_eq!("default/web-0".parse(), Ok(pod));
    assert!("web-0".parse::<PodId>().is_err());
    assert!("default/".parse::<PodId>().is_err());
}

#[test]
fn a_port_is_the_same_each_time_and_fits_an_interface_name() {
    let bridge = Bridge { name: "cni0".into(), mac: Mac::new([2, 0, 0, 0, 0, 1]), mtu: 1450 };
    let addresses: Vec<IpNet> =
        ["10.244.2.65/24", "fd00:10:244:2::41/64"].map(|net| net.parse().unwrap()).into();
    let port =
        |name| Port::new(&PodId::new("default", name), addresses.clone(), &bridge, &AttachOptions::new());
    assert_eq!(port("web-0"), port("web-0"));
    assert_ne!(port("web-0").host_interface, port("web-1").host_interface);
    assert_eq!(port("web-0").host_interface.len(), 12);
    assert_eq!(port("web-0").mac.to_string(), "0a:58:0a:f4:02:41");
    let gateways: Vec<_> = port("web-0").gateways.iter().map(ToString::to_string).collect();
    assert_eq!(gateways, ["10.244.2.1", "fd00:10:244:2::1"]);
}
