use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::*;

fn address(family: Family) -> impl Strategy<Value = SocketAddr> {
    let ip = match family {
        Family::V4 => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
        Family::V6 => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
    };
    (ip, any::<u16>()).prop_map(SocketAddr::from)
}

fn family() -> impl Strategy<Value = Family> {
    prop::sample::select(&Family::ALL[..])
}

fn id() -> impl Strategy<Value = ServiceId> {
    let protocol = prop::sample::select(&Protocol::ALL[..]);
    let by_address =
        (protocol, family().prop_flat_map(address)).prop_map(|(protocol, at)| ServiceId::new(protocol, at));
    let by_mark =
        (family(), 1_u32..).prop_map(|(family, mark)| ServiceId::mark(family, mark.try_into().unwrap()));
    prop_oneof![4 => by_address, 1 => by_mark]
}

fn service() -> impl Strategy<Value = Service> {
    let scheduler = prop::sample::select(&Scheduler::ALL[..]);
    let parts = (id(), scheduler, any::<u32>(), any::<u32>(), any::<u8>(), any::<bool>(), any::<bool>());
    parts.prop_map(|(id, scheduler, flags, timeout, bits, unscheduled, engine)| {
        let mut service = Service::new(id, scheduler).with(Flags::from_bits(flags).without(Flags::HASHED));
        service = service.with_timeout(timeout).client_prefix(bits);
        if engine {
            service = service.with_persistence_engine("sip".parse().unwrap());
        }
        if unscheduled { service.unscheduled() } else { service }
    })
}

fn destination() -> impl Strategy<Value = Destination> {
    let forwarding = prop_oneof![
        Just(Forwarding::Masquerade),
        Just(Forwarding::Local),
        Just(Forwarding::Direct),
        Just(Forwarding::Bypass),
        Just(Forwarding::Tunnel(Tunnel::Ipip)),
        (any::<u16>(), any::<u16>())
            .prop_map(|(port, flags)| Forwarding::Tunnel(Tunnel::Gue { port, flags })),
        any::<u16>().prop_map(|flags| Forwarding::Tunnel(Tunnel::Gre { flags })),
    ];
    let parts = (family().prop_flat_map(address), forwarding, any::<u32>(), any::<u32>(), any::<u32>());
    parts.prop_map(|(at, forwarding, weight, upper, lower)| {
        Destination::new(at).with_forwarding(forwarding).with_weight(weight).with_thresholds(upper, lower)
    })
}

/// What stands inside the one attribute that is written.
fn payload(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    write(&mut writer);
    let length = usize::from(u16::from_ne_bytes([writer.bytes[0], writer.bytes[1]]));
    writer.bytes[4..length].to_vec()
}

proptest! {
    #[test]
    fn a_service_survives_the_wire(service in service()) {
        prop_assert_eq!(parse_service(&payload(|writer| write_service(&service, writer))).unwrap().0, service);
    }

    #[test]
    fn a_destination_survives_the_wire(destination in destination(), of in family()) {
        prop_assert_eq!(parse_destination(&payload(|writer| write_destination(&destination, writer)), of).unwrap().destination, destination);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), of in family()) {
        let _ = parse_service(&bytes);
        let _ = parse_destination(&bytes, of);
        for message in message::split(&bytes) {
            let _ = (message.errno(), message.service(), message.destination());
        }
    }

    #[test]
    fn a_service_cut_short_is_refused_or_complete(service in service(), keep in 0_usize..200) {
        let bytes = payload(|writer| write_service(&service, writer));
        let cut = &bytes[..keep.min(bytes.len())];
        if let Ok((read, _)) = parse_service(cut) {
            prop_assert_eq!(read.id(), service.id());
        }
    }
}
