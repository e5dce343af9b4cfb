use super::*;
use crate::kernel::{FdbEntry, Neighbour, Route};

#[test]
fn waits_double_up_to_a_limit_and_begin_anew_after_a_success() {
    let mut backoff = Backoff::default();
    let waits: Vec<_> = (0..9).map(|_| backoff.failed().as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    backoff.succeeded();
    assert_eq!(backoff.failed(), FIRST_RETRY);
}

#[test]
fn only_what_needs_a_failed_operation_is_left_out() {
    let mac = Mac::derived(&["a"]);
    let via: std::net::IpAddr = "10.244.5.0".parse().unwrap();
    let to = |net: &str| {
        Operation::AddRoute(Route::onlink(net.parse::<ipnet::IpNet>().unwrap(), via, "flannel.1"))
    };
    let entry = Operation::SetFdb(FdbEntry::permanent(mac, "172.20.10.3".parse().unwrap(), "flannel.1"));
    let neighbour = Operation::SetNeighbour(Neighbour::permanent(via, mac, "flannel.1"));
    let sysctl = Operation::SetSysctl { key: "net/ipv4/ip_forward".into(), value: "1".into() };
    let (run, blocked) = runnable(&[neighbour.clone(), sysctl.clone()], &[entry]);
    assert_eq!((run, blocked), (vec![sysctl], vec![neighbour.clone()]));
    let (run, blocked) = runnable(&[to("10.244.5.0/24")], &[neighbour]);
    assert_eq!((run.len(), blocked.len()), (0, 1));
}
