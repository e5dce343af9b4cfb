use super::*;
use crate::config::OverlayBuilder;
use crate::dataplane::Dataplane;
use crate::fake::Fake;
use crate::kernel::Kernel;
use crate::lease::Backend;
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
        (Lease::vxlan("vni", net("10.244.9.0/24"), [1, 2, 3, 4], 7, Mac::derived(&[])), "VNI is 7"),
        (Lease::parse("10.244.9.0-24", r#"{"PublicIP":"1.2.3.4","BackendType":"ipip"}"#).unwrap(), "ipip"),
    ];
    for (lease, text) in bad {
        let plan = plan([server2(), lease], &kernel);
        let refusals: Vec<_> = plan.refusals().map(ToString::to_string).collect();
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

fn dual() -> Config {
    let builder =
        OverlayBuilder::new("10.244.0.0/16").node("server3").subnet("10.244.5.0/24").public_ip("172.20.10.3");
    let builder = builder.network("fd00:10::/48").subnet("fd00:10:0:5::/64").public_ip("fd00:172::3");
    builder.mac("e6:33:f0:0a:6b:52").mac_of(Family::V6, "e6:33:f0:0a:6b:53").config().unwrap()
}

fn dual_peer() -> Lease {
    let outer: IpAddr = "fd00:172::2".parse().unwrap();
    server2().and(Half::vxlan(net("fd00:10:0:2::/64"), outer, 1, "2e:57:5f:4d:3f:d5".parse().unwrap()))
}

fn underlay() -> Underlay {
    Underlay::new("eth0", 2, 1500).with_addresses([net("172.20.10.3/24"), net("fd00:172::3/64")])
}

fn plan_of(config: &Config, leases: impl IntoIterator<Item = Lease>) -> Plan {
    Plan::new(config, &underlay(), &LeaseSet::new(Revision::new(1), leases))
}

fn lines<T: ToString>(values: impl Iterator<Item = T>) -> Vec<String> {
    values.map(|value| value.to_string()).collect()
}

#[test]
fn each_family_has_its_own_device_with_the_mtu_that_fits() {
    let plan = plan_of(&dual(), [dual_peer()]);
    let devices =
        lines(plan.tunnels().iter().map(|tunnel| format!("{} at {}", tunnel.device, tunnel.address)));
    assert_eq!(
        devices,
        [
            "flannel.1 address e6:33:f0:0a:6b:52 mtu 1450 type vxlan id 1 dev if2 local 172.20.10.3 dstport 8472 \
             nolearning at 10.244.5.0/32",
            "flannel-v6.1 address e6:33:f0:0a:6b:53 mtu 1430 type vxlan id 1 dev if2 local fd00:172::3 dstport 8472 \
             nolearning at fd00:10:0:5::/128",
        ]
    );
    assert_eq!(plan.bridge().mtu, 1430, "pods have one MTU");
    assert_eq!(
        lines(plan.routes()),
        [
            "10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto 120 onlink",
            "fd00:10:0:2::/64 via fd00:10:0:2:: dev flannel-v6.1 proto 120 onlink",
        ]
    );
    assert_eq!(
        (plan.neighbours().count(), plan.fdb().count(), plan.rules().len(), plan.nodes()),
        (2, 2, 2, 1)
    );
}

#[test]
fn what_is_wrong_in_one_family_stops_that_one_only() {
    let thief: IpAddr = "fd00:172::9".parse().unwrap();
    let lease = peer("server9", "10.244.9.0/24", 9, "02:00:00:00:00:09");
    let mac = "02:00:00:00:00:0a".parse().unwrap();
    let bad = [
        Half::vxlan(net("fd00:10:0:5::/64"), thief, 1, mac),
        Half::vxlan(net("fd00:11::/64"), thief, 1, mac),
        Half::vxlan(net("fd00:10:0:9::/64"), [172, 20, 10, 9], 1, mac),
        Half::vxlan(net("fd00:10:0:9::/64"), thief, 2, mac),
    ];
    for half in bad {
        let plan = plan_of(&dual(), [dual_peer(), lease.clone().and(half)]);
        assert_eq!((plan.nodes(), plan.routes().count(), plan.refusals().count()), (2, 3, 1), "{half:?}");
        assert_eq!(plan.refusals().next().unwrap().subnet(), half.subnet);
    }
    let plan = plan_of(&config(), [dual_peer()]);
    assert_eq!(
        (plan.routes().count(), plan.refusals().count()),
        (1, 0),
        "a family that is off is nobody's fault"
    );
}

#[test]
fn a_neighbour_on_the_underlay_is_reached_without_tunnel_where_that_is_wished() {
    let far = peer("far", "10.244.7.0/24", 7, "02:00:00:00:00:07");
    let far = Lease::vxlan("far", far.subnet(), [192, 0, 2, 7], 1, far.vxlan_data().unwrap().vtep_mac);
    let plan = plan_of(&Config { direct_routing: true, ..dual() }, [dual_peer(), far]);
    assert_eq!(
        lines(plan.routes()),
        [
            "10.244.2.0/24 via 172.20.10.2 dev eth0 proto 120",
            "10.244.7.0/24 via 10.244.7.0 dev flannel.1 proto 120 onlink",
            "fd00:10:0:2::/64 via fd00:172::2 dev eth0 proto 120",
        ]
    );
    assert_eq!((plan.neighbours().count(), plan.fdb().count()), (1, 1));
}

#[test]
fn host_gw_routes_and_nothing_else() {
    let lease = |half: Half| Lease::new("server2", Backend::HostGw, half);
    let near = lease(Half::direct(net("10.244.2.0/24"), [172, 20, 10, 2]));
    let plan = plan_of(&Config { mode: Mode::HostGw, ..config() }, [near.clone()]);
    assert_eq!(lines(plan.routes()), ["10.244.2.0/24 via 172.20.10.2 dev eth0 proto 120"]);
    assert_eq!(
        (plan.tunnels().len(), plan.neighbours().count(), plan.fdb().count(), plan.bridge().mtu),
        (0, 0, 0, 1500)
    );
    for (config, lease, part) in [
        (config(), near, "its backend is host-gw, this node's is vxlan"),
        (
            Config { mode: Mode::HostGw, ..config() },
            server2(),
            "its backend is vxlan, this node's is host-gw",
        ),
        (
            Config { mode: Mode::HostGw, ..config() },
            lease(Half::direct(net("10.244.2.0/24"), [192, 0, 2, 2])),
            "192.0.2.2 is not on the network of eth0",
        ),
    ] {
        let plan = plan_of(&config, [lease]);
        let refusals = lines(plan.refusals());
        assert!(matches!(&refusals[..], [refusal] if refusal.contains(part)), "{refusals:?}");
    }
}

#[test]
fn two_overlays_of_one_host_leave_each_others_routes_alone() {
    let mut fake = fake();
    let config = Config { direct_routing: true, ..config() };
    let other = Route::direct(net("10.9.2.0/24"), "172.20.10.2".parse().unwrap(), "eth0");
    fake.add_route(other.clone());
    for _ in 0..2 {
        let kernel = fake.list(&config.scope()).unwrap();
        let changes =
            Plan::new(&config, kernel.underlay.as_ref().unwrap(), &LeaseSet::default()).diff(&kernel);
        assert!(fake.apply(changes.operations()).iter().all(Result::is_ok));
    }
    let kernel = fake.list(&config.scope()).unwrap();
    let plan = Plan::new(&config, kernel.underlay.as_ref().unwrap(), &LeaseSet::default());
    assert!(fake.apply(plan.removal(&kernel).operations()).iter().all(Result::is_ok));
    assert!(fake.list(&config.scope()).unwrap().routes.contains(&other));
}

#[test]
fn checksums_are_asked_about_and_set_only_where_they_are_not_left_to_the_card() {
    let mut fake = fake();
    let config = Config { checksum_offload: false, ..config() };
    let mut log = Vec::new();
    for _ in 0..3 {
        let kernel = fake.list(&config.scope()).unwrap();
        let changes =
            Plan::new(&config, kernel.underlay.as_ref().unwrap(), &LeaseSet::default()).diff(&kernel);
        log.extend(lines(changes.operations().iter()));
        assert!(fake.apply(changes.operations()).iter().all(Result::is_ok));
    }
    let lines = log.iter().filter(|line| line.starts_with("ethtool")).collect::<Vec<_>>();
    assert_eq!(lines, ["ethtool -K flannel.1 tx-checksum-ip-generic off"]);
    assert!(fake.list(&self::config().scope()).unwrap().checksum_offload.is_empty());
}

#[test]
fn a_report_says_which_peer_differs_and_in_what() {
    let mut fake = fake();
    let server4 = peer("server4", "10.244.7.0/24", 4, "02:00:00:00:00:04");
    let leases = [server2(), server4];
    converge(&mut fake, leases.clone());
    let report = |fake: &mut Fake| {
        let kernel = fake.list(&config().scope()).unwrap();
        plan(leases.clone(), &kernel).report(&kernel)
    };
    assert!(report(&mut fake).is_in_step());
    fake.delete_route(net("10.244.7.0/24"));
    let differs = report(&mut fake);
    assert!(!differs.is_in_step());
    assert_eq!(
        differs.to_string(),
        "10.244.2.0/24            server2         172.20.10.2          flannel.1     in step\n\
         10.244.7.0/24            server4         172.20.10.4          flannel.1     differs\n    \
         ip route add 10.244.7.0/24 via 10.244.7.0 dev flannel.1 proto 120 onlink\n"
    );
    fake.delete_link("flannel.1");
    let text = report(&mut fake).to_string();
    assert!(text.contains("this node differs\n    ip link add flannel.1"), "{text}");
    let kernel = fake.list(&config().scope()).unwrap();
    let gone = plan([], &kernel).report(&kernel).to_string();
    assert!(gone.starts_with("this node differs"), "{gone}");
}
