use proptest::prelude::*;

use super::*;

/// An Ethernet header whose type is likely to lead deeper, then anything.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let ethertype = prop_oneof![Just([8, 0]), Just([0x86, 0xdd]), Just([8, 6]), any::<[u8; 2]>()];
    (any::<[u8; 12]>(), ethertype, proptest::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(addresses, ethertype, rest)| [&addresses[..], &ethertype, &rest].concat())
}

/// IPv4 and UDP to the VXLAN port, to any depth, around anything.
fn nested() -> impl Strategy<Value = Vec<u8>> {
    (0_usize..40, frame()).prop_map(|(depth, inner)| (0..depth).fold(inner, |inner, _| wrapped(&inner)))
}

fn wrapped(inner: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0, 1, 0x21, 0x18, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0]);
    frame.extend(inner);
    frame
}

proptest! {
    #[test]
    fn anything_is_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(Packet::parse(&bytes).is_ok(), bytes.len() >= 14);
    }

    #[test]
    fn headers_around_anything_are_decoded(bytes in prop_oneof![frame(), nested()]) {
        let packet = Packet::parse(&bytes).unwrap();
        prop_assert!(!packet.to_string().contains('\n'));
        prop_assert!(packet.payload().len() <= bytes.len());
    }
}
