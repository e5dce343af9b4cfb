use super::*;

#[test]
fn a_route_needs_its_neighbour_and_a_neighbour_its_fdb_entry() {
    let mac = crate::Mac::derived(&["a"]);
    let via: std::net::IpAddr = "10.244.5.0".parse().unwrap();
    let route =
        Operation::AddRoute(Route::onlink("10.244.5.0/24".parse::<IpNet>().unwrap(), via, "flannel.1"));
    let neighbour = Operation::SetNeighbour(Neighbour::permanent(via, mac, "flannel.1"));
    let entry = Operation::SetFdb(FdbEntry::permanent(mac, "172.20.10.3".parse().unwrap(), "flannel.1"));
    assert!(route.needs(&neighbour) && neighbour.needs(&entry));
    assert!(!neighbour.needs(&route) && !entry.needs(&neighbour));
}

#[test]
fn sysctls_print_as_sysctl_8_takes_them() {
    assert_eq!(dotted("net/ipv6/conf/flannel.1/accept_ra"), "net.ipv6.conf.flannel/1.accept_ra");
}
