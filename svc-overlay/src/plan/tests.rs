use super::*;
use crate::config::OverlayBuilder;
use crate::dataplane::Dataplane;
use crate::fake::Fake;
use crate::kernel::Kernel;
use crate::operation::Operation;

fn config() -> Config {
    OverlayBuilder::new("10.244.0.0/16")
        .node("server3")
        .subnet("10.244.5.0/24")
        .public_ip("172.20.10.3")
        .mac("e6:33:f0:0a:6b:52")
        .config()
        .unwrap()
}

fn peer(node: &str, subnet: &str, last: u8, mac: &str) -> Lease {
    Lease::vxlan(node, net(subnet), [172, 20, 10, last], 1, mac.parse().unwrap())
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn server2() -> Lease {
    peer("server2", "10.244.2.0/24", 2, "2e:57:5f:4d:3f:d4")
}

fn fake() -> Fake {
    let fake = Fake::new();
    fake.add_link("eth0", "172.20.10.3/24".parse().unwrap(), 1500);
    fake
}

fn plan(leases: impl IntoIterator<Item = Lease>, kernel: &Kernel) -> Plan {
    Plan::new(&config(), kernel.underlay.as_ref().unwrap(), &LeaseSet::new(Revision::new(1), leases))
}

/// Plans and applies until nothing is left to do; what was done.
fn converge(fake: &mut Fake, leases: impl IntoIterator<Item = Lease> + Clone) -> Vec<String> {
    let _before = fake.take_log();
    for _ in 0..3 {
        let kernel = fake.list(&config().scope()).unwrap();
        let changes = plan(leases.clone(), &kernel).diff(&kernel);
        for result in fake.apply(changes.operations()) {
            result.unwrap();
        }
    }
    fake.take_log().iter().map(ToString::to_string).collect()
}

#[test]
fn a_new_node_is_programmed_in_order_as_the_tools_would() {
    let log = converge(&mut fake(), [server2()]);
    let rules = log.iter().position(|line| line.starts_with("nft")).unwrap();
    let mut lines = log.clone();
    lines.remove(rules);
    assert_eq!(
        lines,
        [
            "ip link add flannel.1 address e6:33:f0:0a:6b:52 mtu 1450 type vxlan id 1 dev if1 local 172.20.10.3 \
             dstport 8472 nolearning alias \"svc-overlay net/ipv4/ip_forward=0\" up",
            "ip address add 10.244.5.0/32 dev flannel.1",
            "bridge fdb replace 2e:57:5f:4d:3f:d4 dev flannel.1 dst 172.20.10.2 self permanent",
            "ip neigh replace 10.244.2.0 lladdr 2e:57:5f:4d:3f:d4 dev flannel.1 nud permanent proto 120",
            "ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto 120 onlink",
            "sysctl -w net.ipv4.ip_forward=1",
            "sysctl -w net.ipv6.conf.flannel/1.accept_ra=0",
        ]
    );
}

#[test]
fn what_is_there_is_not_written_again() {
    let mut fake = fake();
    converge(&mut fake, [server2()]);
    assert_eq!(converge(&mut fake, [server2()]), [""; 0]);
}

#[test]
fn a_peer_that_leaves_loses_its_route_first() {
    let mut fake = fake();
    converge(&mut fake, [server2()]);
    assert_eq!(
        converge(&mut fake, []),
        [
            "ip route delete 10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto 120 onlink",
            "ip neigh delete 10.244.2.0 dev flannel.1",
            "bridge fdb delete 2e:57:5f:4d:3f:d4 dev flannel.1 self",
        ]
    );
}

#[test]
fn a_peer_with_another_mac_leaves_no_stale_entry_and_keeps_its_route() {
    let mut fake = fake();
    converge(&mut fake, [server2()]);
    assert_eq!(
        converge(&mut fake, [server2().with_vtep_mac("2e:57:5f:4d:3f:d5".parse().unwrap())]),
        [
            "bridge fdb replace 2e:57:5f:4d:3f:d5 dev flannel.1 dst 172.20.10.2 self permanent",
            "ip neigh replace 10.244.2.0 lladdr 2e:57:5f:4d:3f:d5 dev flannel.1 nud permanent proto 120",
            "bridge fdb delete 2e:57:5f:4d:3f:d4 dev flannel.1 self",
        ]
    );
}

#[test]
fn a_peer_with_another_address_is_one_replaced_entry() {
    let mut fake = fake();
    converge(&mut fake, [server2()]);
    let moved = peer("server2", "10.244.2.0/24", 22, "2e:57:5f:4d:3f:d4");
    assert_eq!(
        converge(&mut fake, [moved]),
        ["bridge fdb replace 2e:57:5f:4d:3f:d4 dev flannel.1 dst 172.20.10.22 self permanent"]
    );
}

#[test]
fn a_changed_setting_is_applied_live_and_a_changed_tunnel_by_a_new_device() {
    let mut fake = fake();
    converge(&mut fake, [server2()]);
    let kernel = fake.list(&config().scope()).unwrap();
    let mut plan = plan([server2()], &kernel);
    plan.tunnels[0].device.mtu = 1400;
    let text = plan.diff(&kernel).to_string();
    assert_eq!(text, "ip link set flannel.1 address e6:33:f0:0a:6b:52 mtu 1400 up type vxlan nolearning\n");
    plan.tunnels[0].device.port = 4789;
    let operations = plan.diff(&kernel).operations().to_vec();
    assert!(
        matches!(operations[..2], [Operation::DeleteLink(_), Operation::AddDevice(..)]),
        "{operations:?}"
    );
    assert!(operations.iter().any(|operation| matches!(operation, Operation::AddRoute(_))));
}

#[test]
fn a_deleted_device_comes_back_with_all_peers() {
    let mut fake = fake();
    converge(&mut fake, [server2()]);
    fake.delete_link("flannel.1");
    assert!(
        converge(&mut fake, [server2()]).iter().any(|line| line.starts_with("ip route add 10.244.2.0/24"))
    );
    fake.set_down("flannel.1");
    assert!(
        converge(&mut fake, [server2()]).iter().any(|line| line.starts_with("ip route add 10.244.2.0/24"))
    );
}

#[test]
fn bad_leases_are_refused_and_the_others_go_on() {
    let kernel = fake().list(&config().scope()).unwrap();
    let other = "02:00:00:00:00:01";
    let bad = [
        (peer("thief", "10.244.5.0/24", 9, other), "overlaps this node's own"),
        (peer("thief", "10.244.5.128/25", 9, other), "overlaps this node's own"),
        (peer("wide", "10.244.0.0/16", 9, other), "overlaps this node's own"),
        (peer("far", "10.9.0.0/24", 9, other), "outside the network"),
        (peer("half", "10.244.2.128/25", 9, other), "overlaps 10.244.2.0/24 of server2"),
        (peer("self", "10.244.9.0/24", 3, other), "this node's own"),
        (peer("twin", "10.244.9.0/24", 9, "2e:57:5f:4d:3f:d4"), "also that of server2"),
        (peer("mirror", "10.244.9.0/24", 9, "e6:33:f0:0a:6b:52"), "this node's own"),
        (peer("cast", "10.244.9.0/24", 9, "01:00:5e:00:00:01"), "not a unicast"),
        (
            Lease::vxlan("vni", net("10.244.9.0/24"), [1, 2, 3, 4], 7, Mac::derived(&[])),
            "VNI is 7",
        ),
        (Lease::parse("10.244.9.0-24", r#"{"PublicIP":"1.2.3.4","BackendType":"ipip"}"#).unwrap(), "ipip"),
    ];
    for (lease, text) in bad {
        let plan = plan([server2(), lease], &kernel);
        let refusals: Vec<_> = plan.refusals().iter().map(ToString::to_string).collect();
        assert_eq!(plan.routes().count(), 1, "{refusals:?}");
        assert!(matches!(&refusals[..], [refusal] if refusal.contains(text)), "{text}: {refusals:?}");
    }
}

#[test]
fn a_foreign_device_or_route_is_left_alone_and_named() {
    let mut fake = fake();
    let foreign = Route {
        onlink: false,
        protocol: 4,
        ..Route::onlink("10.244.2.0/24".parse::<IpNet>().unwrap(), "172.20.10.1".parse().unwrap(), "eth0")
    };
    fake.add_route(foreign.clone());
    let log = converge(&mut fake, [server2()]);
    assert!(!log.iter().any(|line| line.starts_with("ip route")), "{log:?}");
    let kernel = fake.list(&config().scope()).unwrap();
    assert_eq!(plan([server2()], &kernel).obstacles(&kernel), [Obstacle::ForeignRoute(foreign)]);
    fake.delete_link("flannel.1");
    fake.add_link("flannel.1", "10.0.0.1/24".parse().unwrap(), 1450);
    assert_eq!(converge(&mut fake, [server2()]), [""; 0]);
    let kernel = fake.list(&config().scope()).unwrap();
    let obstacles = plan([server2()], &kernel).obstacles(&kernel);
    assert!(obstacles.contains(&Obstacle::ForeignLink("flannel.1".into())));
    assert!(!plan([], &kernel).removal(&kernel).to_string().contains("link delete"));
}

#[test]
fn removal_takes_what_is_ours_and_puts_the_sysctl_back() {
    let mut fake = fake();
    let before = fake.list(&config().scope()).unwrap();
    converge(&mut fake, [server2()]);
    let kernel = fake.list(&config().scope()).unwrap();
    let plan = plan([server2()], &kernel);
    for result in fake.apply(plan.diff_bridge(&kernel).operations()) {
        result.unwrap();
    }
    let kernel = fake.list(&config().scope()).unwrap();
    for result in fake.apply(plan.removal(&kernel).operations()) {
        result.unwrap();
    }
    assert_eq!(fake.list(&config().scope()).unwrap(), before);
}

#[test]
fn the_mtu_follows_the_underlay_and_the_smaller_setting() {
    let underlay = Underlay::new("eth0", 2, 1400);
    let leases = LeaseSet::default();
    let mtu = |config: &Config| Plan::new(config, &underlay, &leases).tunnels()[0].device.mtu;
    assert_eq!(mtu(&config()), 1350);
    assert_eq!(mtu(&Config { mtu: Some(1300), ..config() }), 1250);
    assert_eq!(mtu(&Config { mtu: Some(9000), ..config() }), 1350);
}
