use super::*;
use crate::config::OverlayBuilder;
use crate::registry::Revision;

const TIME: Duration = Duration::from_secs(120);

fn config() -> Config {
    let builder = OverlayBuilder::new("10.244.0.0/16").node("server2").subnet("10.244.2.0/24");
    builder.public_ip("172.20.10.2").config().unwrap()
}

fn lease(third: u8, address: u8, mac: &str) -> Lease {
    let subnet = ipnet::Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
    Lease::vxlan(format!("n{third}"), subnet, [172, 20, 10, address], 1, Mac::derived(&[mac]))
}

fn peer(third: u8) -> Lease {
    lease(third, third, &format!("n{third}"))
}

fn set(revision: u64, leases: impl IntoIterator<Item = Lease>) -> LeaseSet {
    LeaseSet::new(Revision::new(revision), leases)
}

fn thirds(set: &LeaseSet) -> Vec<String> {
    set.iter().map(|lease| lease.node().to_owned()).collect()
}

/// A registry that was lost sight of with `known`, and holds `leases` when it is back.
fn back(known: &LeaseSet, leases: LeaseSet) -> (Lingering, LeaseSet, Instant) {
    let (mut lingering, now) = (Lingering::new(TIME), Instant::now());
    lingering.begin(now);
    let set = lingering.with(Some(known), leases, &config(), now);
    (lingering, set, now)
}

#[test]
fn leases_that_go_go_at_once_but_after_an_outage() {
    let (known, now) = (set(1, [peer(5), peer(7)]), Instant::now());
    let mut left = known.clone();
    left.remove(Revision::new(2), peer(5).subnet());
    let mut lingering = Lingering::new(TIME);
    assert_eq!(lingering.with(Some(&known), left.clone(), &config(), now), left);
    for leases in [left, set(2, [peer(7)])] {
        let (mut lingering, mut kept, now) = back(&known, leases.clone());
        assert_eq!((thirds(&kept), lingering.len()), (vec!["n5".to_owned(), "n7".to_owned()], 1));
        assert_eq!(kept.revision(), Revision::new(2));
        assert_eq!(lingering.due(), Some(now + TIME));
        lingering.end(&mut kept, now + TIME / 2);
        assert_eq!(kept.len(), 2);
        lingering.end(&mut kept, now + TIME);
        assert_eq!((thirds(&kept), lingering.due()), (thirds(&leases), None));
    }
}

#[test]
fn who_is_back_is_a_peer_as_before_and_may_leave() {
    let known = set(1, [peer(5), peer(7)]);
    let (mut lingering, kept, now) = back(&known, set(2, []));
    let mut leases = set(2, []);
    leases.put(Revision::new(3), peer(5));
    let kept = lingering.with(Some(&kept), leases.clone(), &config(), now);
    assert_eq!((kept.len(), lingering.len()), (2, 1));
    assert_eq!(
        kept.changed_since(Revision::new(2)).map(|changed| changed.len()),
        Some(1),
        "one after the other"
    );
    leases.remove(Revision::new(4), peer(5).subnet());
    let later = now + TIME;
    let kept = lingering.with(Some(&kept), leases, &config(), later);
    assert_eq!(thirds(&kept), ["n7"], "the outage is long over");
    assert_eq!(kept.changed_since(Revision::new(3)).map(|changed| changed.len()), Some(1));
}

#[test]
fn whoever_has_a_part_of_it_now_is_not_stood_in_the_way_of() {
    let wide = || {
        let subnet: IpNet = "10.244.4.0/22".parse().unwrap();
        Lease::vxlan("wide", subnet, [172, 20, 10, 99], 1, Mac::derived(&["wide"]))
    };
    for other in [wide(), lease(9, 5, "other"), lease(9, 99, "n5")] {
        let (lingering, kept, _) = back(&set(1, [peer(5)]), set(2, [other.clone()]));
        assert_eq!((thirds(&kept), lingering.len()), (vec![other.node().to_owned()], 0), "{other}");
        // Or it comes later.
        let (mut lingering, kept, now) = back(&set(1, [peer(5)]), set(2, []));
        let mut leases = set(2, []);
        leases.put(Revision::new(3), other.clone());
        let kept = lingering.with(Some(&kept), leases, &config(), now);
        assert_eq!(thirds(&kept), [other.node()]);
        let changed = kept.changed_since(Revision::new(2)).unwrap();
        assert!(changed.contains(&peer(5).subnet()), "who follows the changes knows of it: {changed:?}");
    }
    let own = lease(2, 2, "server2");
    let (lingering, kept, _) = back(&set(1, [own]), set(2, []));
    assert_eq!((kept.len(), lingering.len()), (0, 0), "the own lease is published, not kept");
}

#[test]
fn an_outage_after_the_other_lengthens_it() {
    let (mut lingering, mut kept, now) = back(&set(1, [peer(5)]), set(2, []));
    lingering.begin(now + TIME / 2);
    lingering.end(&mut kept, now + TIME);
    assert_eq!((kept.len(), lingering.due()), (1, Some(now + TIME + TIME / 2)));
}

#[test]
fn without_time_nothing_lingers() {
    let (mut lingering, now) = (Lingering::new(Duration::ZERO), Instant::now());
    lingering.begin(now);
    assert!(lingering.with(Some(&set(1, [peer(5)])), set(2, []), &config(), now).is_empty());
}
