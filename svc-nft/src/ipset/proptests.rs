use proptest::prelude::*;

use super::*;

fn set() -> impl Strategy<Value = IpSet> {
    let family = prop_oneof![Just(Family::Ip), Just(Family::Ip6)];
    ("[!-~]{1,31}", family, any::<u32>(), any::<u32>())
        .prop_map(|(name, family, lists, most)| IpSet::new(name, family).hash_size(lists).max_elements(most))
}

proptest! {
    #[test]
    fn what_is_told_is_understood(sets in prop::collection::vec(set(), 0..4)) {
        let bytes: Vec<u8> = sets.iter().flat_map(IpSet::emit).collect();
        prop_assert_eq!(IpSet::parse_all(&bytes).collect::<Vec<_>>(), sets);
    }

    #[test]
    fn what_is_written_is_read(set in set()) {
        prop_assert_eq!(set.to_string().parse::<IpSet>(), Ok(set));
    }

    #[test]
    fn a_message_that_is_cut_or_bent_does_no_harm(
        set in set(), cut in any::<prop::sample::Index>(), bent in any::<prop::sample::Index>(), with: u8,
    ) {
        let mut bytes = set.emit();
        let at = bent.index(bytes.len());
        bytes[at] ^= with;
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = IpSet::parse_all(&bytes).count();
    }
}
