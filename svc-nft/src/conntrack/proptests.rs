use proptest::prelude::*;

use super::*;

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(address, port)| SocketAddr::new(address, port))
}

fn tuple() -> impl Strategy<Value = Tuple> {
    let of_one_family = (address(), address(), any::<u8>())
        .prop_filter("one family", |(source, destination, _)| source.is_ipv4() == destination.is_ipv4());
    of_one_family
        .prop_map(|(source, destination, protocol)| Tuple::new(L4Proto::new(protocol), source, destination))
}

fn flow() -> impl Strategy<Value = Flow> {
    let of_one_family = (tuple(), tuple(), any::<u32>(), any::<u16>(), any::<Option<u32>>())
        .prop_filter("one family", |(original, reply, ..)| {
            original.source.is_ipv4() == reply.source.is_ipv4()
        });
    of_one_family.prop_map(|(original, reply, mark, zone, id)| Flow {
        id,
        ..Flow::new(original, reply).with_mark(mark).with_zone(zone)
    })
}

proptest! {
    #[test]
    fn what_is_told_is_understood(flows in prop::collection::vec(flow(), 0..4)) {
        let bytes: Vec<u8> = flows.iter().flat_map(Flow::emit).collect();
        prop_assert_eq!(Flow::parse_all(&bytes).collect::<Vec<_>>(), flows);
    }

    #[test]
    fn a_message_that_is_cut_or_bent_does_no_harm(
        flow in flow(), cut in any::<prop::sample::Index>(), bent in any::<prop::sample::Index>(), with: u8,
    ) {
        let mut bytes = flow.emit();
        let at = bent.index(bytes.len());
        bytes[at] ^= with;
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = Flow::parse_all(&bytes).count();
    }
}
