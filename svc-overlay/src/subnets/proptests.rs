use proptest::prelude::*;

use super::*;
use crate::family::overlap;

fn small() -> impl Strategy<Value = IpNet> {
    (0..=255_u8, 24..=32_u8).prop_map(|(last, len)| IpNet::new([10, 0, 0, last].into(), len).unwrap().trunc())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Against trying one subnet after the other.
    #[test]
    fn what_is_chosen_is_free_and_nothing_free_is_missed(
        taken in prop::collection::vec(small(), 0..12), len in 26..=30_u8, random in any::<u64>(),
    ) {
        let subnets = Subnets::new("10.0.0.0/24".parse().unwrap(), Some(len), None, None).unwrap();
        let free: Vec<_> =
            subnets.iter().filter(|subnet| !taken.iter().any(|net| overlap(*net, *subnet))).collect();
        let chosen = subnets.choose(taken, None, random);
        prop_assert_eq!(chosen.is_some(), !free.is_empty());
        prop_assert!(chosen.is_none_or(|chosen| free.contains(&chosen)));
        prop_assert_eq!(subnets.iter().count() as u128, subnets.count());
        prop_assert!(subnets.iter().all(|subnet| subnets.contains(subnet)));
    }
}
