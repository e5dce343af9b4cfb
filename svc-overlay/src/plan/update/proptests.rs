use proptest::prelude::*;

use super::*;
use crate::config::OverlayBuilder;
use crate::dataplane::Dataplane;
use crate::fake::Fake;
use crate::registry::Revision;

/// What happens to one lease: gone, or there with these subnets, address and MAC addresses.
#[derive(Clone, Debug)]
struct Step {
    key: u8,
    lease: Option<Data>,
}

/// Subnet, address, MAC address; of IPv6 subnet and MAC address.
type Data = (Shape, u8, u8, Option<(u8, u8)>);

/// Which subnet: of its own, a wide one that holds others, a narrow one within another, the node's own, one outside.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Own(u8),
    Wide,
    Narrow(u8),
    Ours,
    Outside,
}

fn step() -> impl Strategy<Value = Step> {
    let shape = prop_oneof![
        8 => (0..6_u8).prop_map(Shape::Own),
        1 => Just(Shape::Wide),
        1 => (0..6_u8).prop_map(Shape::Narrow),
        1 => Just(Shape::Ours),
        1 => Just(Shape::Outside),
    ];
    let v6 = prop::option::of((0..4_u8, 0..8_u8));
    let lease = prop::option::weighted(0.8, (shape, 0..8_u8, 0..8_u8, v6));
    (0..8_u8, lease).prop_map(|(key, lease)| Step { key, lease })
}

fn subnet(shape: Shape) -> IpNet {
    let text = match shape {
        Shape::Own(number) => format!("10.244.{number}.0/24"),
        Shape::Wide => "10.244.0.0/22".to_owned(),
        Shape::Narrow(number) => format!("10.244.{number}.64/26"),
        Shape::Ours => "10.244.9.0/24".to_owned(),
        Shape::Outside => "10.9.0.0/24".to_owned(),
    };
    text.parse().unwrap()
}

fn lease(step: &Step) -> Option<Lease> {
    let (shape, address, mac, v6) = step.lease?;
    let mac_of = |number: u8| Mac::new([2, 0, 0, 0, 0, number]);
    // Some are on the underlay's own network.
    let lease =
        Lease::vxlan(format!("n{}", step.key), subnet(shape), [172, 20, 10, 196 + address], 1, mac_of(mac));
    Some(match v6 {
        Some((number, six)) => {
            let outer: IpAddr = format!("fd00:172::{address:x}").parse().unwrap();
            let net: IpNet = format!("fd00:10:0:{number}::/64").parse().unwrap();
            lease.and(Half::vxlan(net, outer, 1, mac_of(six)))
        }
        None => lease,
    })
}

fn config(direct: bool) -> Config {
    let builder = OverlayBuilder::new("10.244.0.0/16").node("own").subnet("10.244.9.0/24");
    let builder = builder.network("fd00:10::/48").subnet("fd00:10:0:9::/64").public_ip("fd00:172::200");
    builder.public_ip("172.20.10.200").direct_routing(direct).config().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Leases that nest, share MAC addresses, move, change families, and are the node's own; several change at once.
    #[test]
    fn change_by_change_it_is_the_plan_made_anew(
        direct: bool,
        steps in prop::collection::vec(prop::collection::vec(step(), 1..3), 1..30),
    ) {
        let config = config(direct);
        let mut fake = Fake::new();
        fake.add_link("eth0", "172.20.10.200/30".parse().unwrap(), 1500);
        fake.add_address("eth0", "fd00:172::200/120".parse().unwrap());
        let underlay = fake.list(&config.scope()).unwrap().underlay.unwrap();
        let mut set = LeaseSet::new(Revision::new(0), []);
        let mut plan = Plan::new(&config, &underlay, &set);
        let mut subnets = BTreeMap::new();
        for (number, batch) in (1..).zip(&steps) {
            let before = set.clone();
            for step in batch {
                let revision = Revision::new(number);
                if let Some(old) = subnets.remove(&step.key) {
                    set.remove(revision, old);
                }
                if let Some(lease) = lease(step) {
                    subnets.retain(|_, subnet| *subnet != lease.subnet());
                    subnets.insert(step.key, lease.subnet());
                    set.put(revision, lease);
                }
            }
            let anew = Plan::new(&config, &underlay, &set);
            for _ in 0..3 {
                let kernel = fake.list(&config.scope()).unwrap();
                for result in fake.apply(plan.diff(&kernel).operations()) {
                    prop_assert!(result.is_ok(), "{result:?}");
                }
            }
            let kernel = fake.list(&config.scope()).unwrap();
            match plan.update(&config, &underlay, &before, &set) {
                Some((update, changes)) => {
                    prop_assert_eq!(changes, anew.diff(&kernel));
                    prop_assert_eq!(&update, &anew);
                    plan = update;
                }
                None => plan = anew,
            }
        }
    }
}
