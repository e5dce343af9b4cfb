use super::*;
use crate::driver::Handle;
use crate::driver::tests::{peer, underlay};
use crate::fake::Fake;
use crate::operation::Operation;
use crate::registry::Leases;
use crate::state::Problem;
use crate::{Overlay, OverlayBuilder, Status};

fn builder() -> OverlayBuilder {
    Overlay::builder("10.244.0.0/16").node("server2").subnet("10.244.2.0/24").public_ip("172.20.10.2")
}

fn dual() -> OverlayBuilder {
    builder().network("fd00:10:244::/48").subnet("fd00:10:244:2::/64").public_ip("fd00:172:20:10::2")
}

fn eth0(addresses: &[&str]) -> Underlay {
    Underlay::new("eth0", 1, 1500).with_addresses(addresses.iter().map(|net| net.parse::<IpNet>().unwrap()))
}

/// Where a node goes that was at the first addresses of eth0, now that eth0 has the others, the best first.
struct Move<'a> {
    config: Config,
    query: InterfaceQuery,
    before: &'a [&'a str],
    after: &'a [&'a str],
}

impl Move<'_> {
    /// At once, and after some time.
    fn to(self) -> [Option<String>; 2] {
        let (mut place, now) = (Place::new(self.query), Instant::now());
        place.is_at(&eth0(self.before));
        let addresses = self.after.iter().map(|net| net.parse::<IpNet>().unwrap().addr());
        let other = Interface::new("eth1", ["172.20.10.99".parse().unwrap()]);
        let links = vec![other, Interface::new("eth0", addresses)];
        let sources = [("8.8.8.8".parse().unwrap(), "192.0.2.9".parse().unwrap())].into();
        let host = Interfaces { links, sources, ..Interfaces::default() };
        let mut at = |now| {
            let found = place.successors(&self.config, &eth0(self.after), &host, now)?;
            Some(found.values().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        [at(now), at(now + SETTLES)]
    }
}

fn moved(before: &str, after: &[&str]) -> [Option<String>; 2] {
    Move { config: builder().config().unwrap(), query: InterfaceQuery::new(), before: &[before], after }.to()
}

fn to(address: &str) -> Option<String> {
    Some(address.to_owned())
}

#[test]
fn an_address_of_the_same_network_is_taken_at_once_and_another_one_after_a_while() {
    assert_eq!(moved("172.20.10.2/24", &[]), [None, None], "there is none");
    assert_eq!(moved("172.20.10.2/24", &["172.20.10.12/24"]), [to("172.20.10.12"), to("172.20.10.12")]);
    assert_eq!(moved("172.20.10.2/24", &["192.0.2.9/24"]), [None, to("192.0.2.9")]);
    assert_eq!(
        moved("172.20.10.2/24", &["192.0.2.9/24", "172.20.10.12/24"]),
        [to("172.20.10.12"), to("172.20.10.12")],
        "that of the same network first"
    );
    assert_eq!(
        moved("172.20.10.2/24", &["192.0.2.9/24", "192.0.2.1/24"])[1],
        to("192.0.2.9"),
        "then the best"
    );
    assert_eq!(moved("172.20.10.2/24", &["10.244.7.1/24"]), [None, None], "no pod's address");
    assert_eq!(moved("172.20.10.2/24", &["2001:db8::1/64"]), [None, None], "not of another family");
}

#[test]
fn whoever_chose_the_device_chooses_the_address() {
    let go = |query: InterfaceQuery| {
        let config = builder().config().unwrap();
        let after = &["172.20.10.12/24", "192.0.2.9/24"][..];
        Move { config, query, before: &["172.20.10.2/24"], after }.to()[1].clone()
    };
    assert_eq!(go(InterfaceQuery::new().iface("eth0")), to("172.20.10.12"));
    let pattern =
        |with: &'static str| InterfaceQuery::new().matching(with, move |text| text.starts_with(with));
    assert_eq!(go(pattern("192.")), to("192.0.2.9"));
    assert_eq!(go(pattern("10.")), None);
    assert_eq!(go(pattern("eth")), to("172.20.10.12"), "not eth1");
    assert_eq!(go(InterfaceQuery::new().can_reach("8.8.8.8".parse().unwrap())), to("192.0.2.9"));
    assert_eq!(go(InterfaceQuery::new().iface("172.20.10.2")), None, "this very one was asked for");
}

#[test]
fn of_two_families_the_one_that_is_lost_moves_and_never_one_alone_of_both() {
    let config = || dual().config().unwrap();
    let before = &["172.20.10.2/24", "fd00:172:20:10::2/64"][..];
    let go = |config: Config, after: &[&str]| {
        Move { config, query: InterfaceQuery::new(), before, after }.to()[1].clone()
    };
    assert_eq!(go(config(), &["172.20.10.2/24", "fd00:172:20:10::12/64"]), to("fd00:172:20:10::12"));
    let both = &["172.20.10.12/24", "fd00:172:20:10::12/64"];
    assert_eq!(go(config(), both), to("172.20.10.12 fd00:172:20:10::12"));
    assert_eq!(go(config(), &["172.20.10.12/24"]), None);
    let fixed = dual().local("fd00:172:20:10::2").config().unwrap();
    assert_eq!(go(fixed.clone(), both), None);
    assert_eq!(go(fixed, &["172.20.10.12/24", "fd00:172:20:10::2/64"]), to("172.20.10.12"));
}

#[test]
fn peers_know_a_node_behind_a_router_by_what_they_knew_it_by() {
    let at = BTreeMap::from([(Family::V4, "192.168.7.9".parse().unwrap())]);
    let found = Interface::new("eth0", ["192.168.7.2".parse().unwrap()]);
    let config = builder().interface(&found, InterfaceQuery::new()).config().unwrap();
    assert_eq!(config.stacks()[0].local.to_string(), "192.168.7.2");
    let moved = config.at(&at);
    assert_eq!(moved.lease(), config.lease());
    assert_eq!(moved.scope().locals, ["192.168.7.9".parse::<IpAddr>().unwrap()]);
    let moved = builder().config().unwrap().at(&at);
    assert_eq!(moved.lease().public_ip().to_string(), "192.168.7.9");
}

/// A node on a kernel in memory, ready.
async fn node(leases: &Leases, builder: OverlayBuilder) -> (Fake, Handle) {
    let fake = underlay();
    let overlay = builder.registry(leases.clone()).build().unwrap();
    let (handle, run) = overlay.drive_on(fake.clone());
    tokio::spawn(run);
    handle.until(Status::is_ready).await.unwrap();
    (fake, handle)
}

fn is_missing(status: &Status) -> bool {
    status.problems().iter().any(|problem| matches!(problem, Problem::NoUnderlay(_)))
}

#[tokio::test(start_paused = true)]
async fn a_node_moves_with_its_subnet_and_mac_and_all_peers_come_along() {
    let leases = Leases::new();
    leases.put(peer(5)).unwrap();
    let (fake, handle) = node(&leases, builder()).await;
    let before = handle.status().lease().unwrap().clone();
    let _setting_up = fake.take_log();
    fake.delete_address("eth0", "172.20.10.2".parse().unwrap());
    let status = handle.until(is_missing).await.unwrap();
    assert!(!status.is_ready() && status.peers() == 1, "{status:?}");
    assert_eq!(fake.take_log(), [], "there is nowhere to go");
    fake.add_address("eth0", "172.20.10.12/24".parse().unwrap());
    let status = handle.until(|status| status.is_ready()).await.unwrap();
    let after = status.lease().unwrap();
    assert_eq!(after.public_ip().to_string(), "172.20.10.12");
    assert_eq!((after.subnet(), after.vxlan_data()), (before.subnet(), before.vxlan_data()));
    assert_eq!(leases.snapshot().lease(before.subnet()), Some(after));
    assert_eq!((status.problems(), status.peers()), (&[][..], 1));
    let log: Vec<_> = fake.take_log().iter().map(ToString::to_string).collect();
    assert!(
        log.iter().any(|line| line.starts_with("ip link add") && line.contains("local 172.20.10.12")),
        "{log:?}"
    );
    assert!(log.iter().any(|line| line.starts_with("ip route add 10.244.5.0/24")), "{log:?}");
    // The old one comes back: the node stays where it is.
    fake.add_address("eth0", "172.20.10.2/24".parse().unwrap());
    handle.programmed(leases.remove("n5")).await.unwrap();
    assert_eq!(handle.status().lease().unwrap().public_ip().to_string(), "172.20.10.12");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_gone_for_a_moment_costs_nothing() {
    let leases = Leases::new();
    leases.put(peer(5)).unwrap();
    let (fake, handle) = node(&leases, builder()).await;
    let (revision, _setting_up) = (leases.snapshot().revision(), fake.take_log());
    fake.delete_address("eth0", "172.20.10.2".parse().unwrap());
    handle.until(is_missing).await.unwrap();
    let netns = std::fs::File::open("/dev/null").unwrap();
    let options = crate::AttachOptions::new();
    handle.pods().attach(crate::PodId::new("default", "a"), &netns, options).await.unwrap();
    let _attached = fake.take_log();
    fake.add_address("eth0", "172.20.10.2/24".parse().unwrap());
    handle.until(|status| status.is_ready() && status.problems().is_empty()).await.unwrap();
    assert_eq!((fake.take_log(), leases.snapshot().revision()), (vec![], revision));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_given_is_waited_for() {
    for builder in [builder().local("172.20.10.2"), builder().local("172.20.10.2").underlay("eth0")] {
        let (fake, handle) = node(&Leases::new(), builder).await;
        fake.add_address("eth0", "172.20.10.12/24".parse().unwrap());
        fake.delete_address("eth0", "172.20.10.2".parse().unwrap());
        let status = handle.until(is_missing).await.unwrap();
        assert!(
            status.problems()[0].to_string().contains("the address 172.20.10.2"),
            "{:?}",
            status.problems()
        );
        let moves = handle.until(|status| !is_missing(status));
        assert!(tokio::time::timeout(SETTLES * 100, moves).await.is_err());
        let made = |operation: &Operation| matches!(operation, Operation::AddDevice(..));
        assert_eq!(fake.take_log().iter().filter(|operation| made(operation)).count(), 1);
    }
}
