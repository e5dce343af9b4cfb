use proptest::prelude::*;

use super::*;
use crate::mac::Mac;

fn entry(third: u8, mac: u8) -> Result<Lease, LeaseError> {
    if third == 0 {
        return Err(LeaseError::Key { key: mac.to_string() });
    }
    let subnet = ipnet::Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
    Ok(Lease::vxlan("n", subnet, [172, 20, 10, third], 1, Mac::new([2, 0, 0, 0, 0, mac])))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Names share subnets, change them, and come to hold what is no lease.
    #[test]
    fn change_by_change_it_is_the_same_as_made_anew(
        steps in prop::collection::vec((0..6_u8, prop::option::of((0..4_u8, 0..3_u8))), 1..40)
    ) {
        let mut named = Named::new(Revision::new(0), []);
        let mut entries = BTreeMap::new();
        let mut before = named.set();
        for (number, (name, value)) in (1..).zip(&steps) {
            let (name, value) = (name.to_string(), value.map(|(third, mac)| entry(third, mac)));
            match &value {
                Some(value) => drop(entries.insert(name.clone(), value.clone())),
                None => drop(entries.remove(&name)),
            }
            named.change(Revision::new(number), &name, value.clone());
            prop_assert!(!named.change(Revision::new(number), &name, value));
            let (set, anew) = (named.set(), Named::new(Revision::new(number), entries.clone()).set());
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), anew.iter().collect::<Vec<_>>());
            prop_assert_eq!(set.unreadable(), anew.unreadable());
            // Whatever differs is told.
            let told = set.changed_since(before.revision()).unwrap();
            for subnet in before.iter().chain(set.iter()).map(Lease::subnet) {
                prop_assert!(before.lease(subnet) == set.lease(subnet) || told.contains(&subnet));
            }
            before = set;
        }
    }
}
