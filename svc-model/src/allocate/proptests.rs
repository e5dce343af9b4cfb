//! Laws of the allocators: a model of who holds what, against any sequence of calls.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Call {
    Allocate(u8),
    Claim(u8, u16),
    Release(u8),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        (0..12_u8).prop_map(Call::Allocate),
        (0..12_u8, 99..142_u16).prop_map(|(owner, port)| Call::Claim(owner, port)),
        (0..12_u8).prop_map(Call::Release),
    ]
}

proptest! {
    #[test]
    fn nothing_is_ever_handed_out_twice(calls in vec(call(), 1..120), seed in any::<u64>()) {
        let mut ports = NodePorts::new(100..=140, seed);
        let mut model: BTreeMap<u16, ObjectName> = BTreeMap::new();
        for call in calls {
            match call {
                Call::Allocate(owner) => match ports.allocate(&named(owner)) {
                    Ok(port) => prop_assert_eq!(model.insert(port, named(owner)), None),
                    Err(_) => prop_assert_eq!(model.len(), 41),
                },
                Call::Claim(owner, port) => match ports.claim(port, &named(owner)) {
                    Ok(()) => {
                        let former = model.insert(port, named(owner));
                        prop_assert!(former.is_none_or(|former| former == named(owner)));
                    }
                    Err(AllocateError::Taken { holder, .. }) => prop_assert_eq!(model.get(&port), Some(&holder)),
                    Err(_) => prop_assert!(!(100..=140).contains(&port)),
                },
                Call::Release(owner) => {
                    ports.release(&named(owner));
                    model.retain(|_, holder| *holder != named(owner));
                }
            }
            prop_assert_eq!(ports.held(), model.len());
            for (port, holder) in &model {
                prop_assert_eq!(ports.owner(*port), Some(holder));
            }
        }
    }

    #[test]
    fn any_service_cidr_works(address in any::<std::net::IpAddr>(), length in 0..=128_u8, seed in any::<u64>()) {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.min(longest).max(if address.is_ipv6() { 64 } else { 0 });
        let cidr = ipnet::IpNet::new(address, length).unwrap().trunc();
        let mut addresses = ClusterIps::new(cidr.try_into().unwrap(), seed);
        for index in 0..4 {
            if let Ok(given) = addresses.allocate(&named(index)) {
                prop_assert!(cidr.contains(&given) && addresses.contains(given));
                prop_assert_eq!(addresses.owner(given), Some(&named(index)));
            }
        }
    }
}

/// Networks that overlap, touch and repeat, small enough to run dry.
fn cidrs() -> impl Strategy<Value = Vec<ipnet::IpNet>> {
    let networks =
        ["10.0.0.0/29", "10.0.0.0/28", "10.0.0.8/29", "10.0.0.16/30", "10.0.0.0/29", "10.0.0.20/32"];
    prop::sample::subsequence(networks.to_vec(), 1..=6)
        .prop_map(|chosen| chosen.iter().map(|text| text.parse().unwrap()).collect())
}

proptest! {
    #[test]
    fn overlapping_networks_hand_out_each_address_once(
        cidrs in cidrs(), calls in vec((0..12_u8, any::<bool>()), 1..80), seed in any::<u64>(),
    ) {
        let mut addresses = ClusterIps::new(cidrs[0].try_into().unwrap(), seed);
        cidrs[1..].iter().for_each(|cidr| addresses.add((*cidr).try_into().unwrap()));
        let all = |address: &std::net::IpAddr| cidrs.iter().any(|cidr| is_assignable(*cidr, *address));
        let assignable = (0..32_u8).map(|host| std::net::IpAddr::from([10, 0, 0, host])).filter(all).count();
        let mut model: BTreeMap<std::net::IpAddr, ObjectName> = BTreeMap::new();
        for (owner, release) in calls {
            if release {
                addresses.release(&named(owner));
                model.retain(|_, holder| *holder != named(owner));
            } else {
                match addresses.allocate(&named(owner)) {
                    Ok(address) => {
                        prop_assert!(all(&address));
                        prop_assert_eq!(model.insert(address, named(owner)), None);
                    }
                    Err(_) => prop_assert_eq!(model.len(), assignable),
                }
            }
            prop_assert_eq!(addresses.held(), model.len());
        }
    }
}

fn named(owner: u8) -> ObjectName {
    ObjectName::new("default", format!("s{owner}"))
}
