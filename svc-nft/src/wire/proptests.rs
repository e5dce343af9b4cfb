//! What is written is read back, and what comes from outside is never trusted.

use std::time::Duration;

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};

use super::{
    decompile, element,
    message::{self, Received},
    set,
    uapi::*,
};
use crate::{strategies, *};

fn id() -> TableId {
    TableId::new(Family::Ip, "t")
}

/// The messages of a batch, without its begin and end.
fn messages(bytes: &[u8]) -> Vec<Received<'_>> {
    message::split(bytes).filter(|message| message.nft_kind().is_some()).collect()
}

/// A set with elements of these parts.
fn set_with_elements() -> impl Strategy<Value = Set> {
    let kinds = vec![
        DataType::Ipv4Addr,
        DataType::Ipv6Addr,
        DataType::InetProto,
        DataType::InetService,
        DataType::Mark,
        DataType::IfName,
    ];
    let types = vec(proptest::sample::select(kinds), 1..=3);
    (types, any::<bool>(), option::of(1..100_000u64)).prop_flat_map(|(types, is_map, timeout)| {
        let keys = types.iter().map(|kind| value(*kind)).collect::<Vec<_>>();
        let element = (option::of(1..9_000u64), option::of("[a-z]{0,30}"), any::<[u8; 4]>(), any::<u16>());
        btree_map(keys.prop_map(Key::new), element, 0..50).prop_map(move |elements| {
            let mut set = match is_map {
                true => {
                    Set::map("s", KeyType::Types(types.clone()), [DataType::Ipv4Addr, DataType::InetService])
                }
                false => Set::new("s", KeyType::Types(types.clone())),
            };
            if let Some(timeout) = timeout {
                set = set.timeout(Duration::from_millis(timeout));
            }
            for (key, (timeout, comment, address, port)) in elements {
                let mut element = match is_map {
                    true => Element::mapping(key, [Value::Ipv4(address.into()), Value::Port(port)]),
                    false => Element::new(key),
                };
                if let Some(timeout) = timeout.filter(|_| set.has(SetFlag::Timeout)) {
                    element = element.timeout(Duration::from_millis(timeout + 200_000));
                }
                set.insert(comment.into_iter().fold(element, Element::comment));
            }
            set
        })
    })
}

fn value(kind: DataType) -> BoxedStrategy<Value> {
    match kind {
        DataType::Ipv4Addr => any::<[u8; 4]>().prop_map(|octets| Value::Ipv4(octets.into())).boxed(),
        DataType::Ipv6Addr => any::<[u8; 16]>().prop_map(|octets| Value::Ipv6(octets.into())).boxed(),
        DataType::InetProto => any::<u8>().prop_map(|number| Value::Proto(L4Proto::new(number))).boxed(),
        DataType::InetService => any::<u16>().prop_map(Value::Port).boxed(),
        DataType::Mark => any::<u32>().prop_map(Value::Mark).boxed(),
        DataType::Integer => any::<u32>().prop_map(Value::Integer).boxed(),
        DataType::IfName => "[a-z][a-z0-9.]{0,14}".prop_map(|name| Value::IfName(name.into())).boxed(),
    }
}

/// Networks and ranges apart from one another.
fn intervals() -> impl Strategy<Value = Set> {
    vec((1..5_000_000u32, 0..70_000u32), 0..40).prop_map(|gaps| {
        let mut set = Set::new("s", DataType::Ipv4Addr).flag(SetFlag::Interval);
        let mut next = 0u32;
        for (gap, length) in gaps {
            let first = next + gap;
            let last = first + length;
            set.insert(Element::new(Value::ipv4_range(first.into(), last.into())));
            next = last;
        }
        set
    })
}

fn read_back(set: &Set) -> Set {
    let mut batch = Batch::new();
    batch.add_set(&id(), set).add_elements(&id(), set, set.elements().cloned());
    let encoded = batch.encode().expect("a netlink form");
    let bytes = encoded.to_bytes();
    let messages = messages(&bytes);
    let mut back = set::parse(messages[0].attrs()).expect("a set");
    let mut reader = element::Reader::new(&back);
    messages[1..].iter().for_each(|message| reader.read(message.attrs()));
    for element in reader.finish() {
        back.insert(element);
    }
    back
}

proptest! {
    #[test]
    fn rules_are_read_back(rule in strategies::rule()) {
        let mut batch = Batch::new();
        batch.add_rule(&id(), "c", rule.clone());
        let bytes = batch.encode().expect("a netlink form").to_bytes();
        let attrs = messages(&bytes)[0].attrs();
        prop_assert_eq!(attrs.text(NFTA_RULE_CHAIN), Some("c"));
        prop_assert_eq!(decompile::rule(attrs, Family::Ip, &|_| None), rule);
    }

    #[test]
    fn sets_and_elements_are_read_back(set in set_with_elements()) {
        prop_assert_eq!(read_back(&set), set);
    }

    #[test]
    fn intervals_are_read_back(set in intervals()) {
        prop_assert_eq!(read_back(&set), set);
    }

    #[test]
    fn every_byte_may_be_wrong(
        rule in strategies::rule(),
        set in set_with_elements(),
        wrong in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut batch = Batch::new();
        batch.add_table(&id()).add_set(&id(), &set);
        batch.add_chain(&id(), &Chain::regular("c")).add_rule(&id(), "c", rule).add_elements(&id(), &set, set.elements().cloned());
        let mut bytes = batch.encode().expect("a netlink form").to_bytes();
        for (at, byte) in wrong {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut listing = Listing::new(id());
        listing.read(&bytes);
        let mut reader = element::Reader::new(&set);
        message::split(&bytes).for_each(|message| reader.read(message.attrs()));
        reader.finish();
        let text = listing.finish().map(|table| table.to_string());
        prop_assert!(text.is_none_or(|text| text.starts_with("table")));
    }

    #[test]
    fn large_sets_are_split(count in 1..9_000u32) {
        let set = Set::new("s", DataType::Ipv4Addr);
        let mut batch = Batch::new();
        batch.add_elements(&id(), &set, (0..count).map(|n| Element::new(Value::Ipv4(n.into()))));
        let bytes = batch.encode().expect("a netlink form").to_bytes();
        let messages = messages(&bytes);
        prop_assert!(messages.iter().all(|message| message.payload.len() < 65_536));
        // An address takes 16 bytes.
        prop_assert_eq!(messages.len(), (count * 16).div_ceil(60_016) as usize);
        let mut reader = element::Reader::new(&set);
        messages.iter().for_each(|message| reader.read(message.attrs()));
        let numbers: Vec<_> = reader.finish().iter().map(|element| element.key().parts()[0].clone()).collect();
        prop_assert_eq!(numbers, (0..count).map(|n| Value::Ipv4(n.into())).collect::<Vec<_>>());
    }

    #[test]
    fn packed_elements_are_what_they_were(elements in vec(any_element(), 0..40), set in any_set()) {
        let mut packed = Elements::new(&set);
        packed.extend(elements.iter().cloned());
        prop_assert_eq!(packed.len(), elements.len());
        let mut back: Vec<_> = packed.iter().map(|element| format!("{element:?}")).collect();
        let mut before: Vec<_> = elements.iter().map(|element| format!("{element:?}")).collect();
        back.sort();
        before.sort();
        prop_assert_eq!(back, before);
    }
}

/// Sets that elements may fit or not.
fn any_set() -> impl Strategy<Value = Set> {
    let service = [DataType::Ipv4Addr, DataType::InetService];
    prop_oneof![
        Just(Set::new("s", DataType::Ipv4Addr)),
        Just(Set::new("s", DataType::IfName)),
        Just(Set::new("s", DataType::Ipv4Addr).flag(SetFlag::Interval)),
        Just(Set::new("s", service).timeout(Duration::from_secs(9))),
        Just(Set::vmap("s", service)),
        Just(Set::map("s", DataType::Ipv4Addr, service)),
    ]
}

/// Elements of some set, with what may be told about one.
fn any_element() -> impl Strategy<Value = Element> {
    let part = prop_oneof![
        4 => any::<[u8; 4]>().prop_map(|octets| Value::Ipv4(octets.into())),
        4 => any::<u16>().prop_map(Value::Port),
        1 => "[a-z\\x00]{0,20}".prop_map(|name| Value::IfName(name.into())),
        1 => "[a-z]{0,5}".prop_map(|name| Value::IfPrefix(name.into())),
        1 => (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(a, b)| Value::Ipv4Range(a.into(), b.into())),
        1 => Just(Value::from("10.1.0.0/16".parse::<ipnet::IpNet>().expect("a network"))),
    ];
    let data = prop_oneof![
        Just(None),
        "[a-z\\x00]{1,9}".prop_map(|chain| Some(Data::from(Verdict::goto(chain)))),
        Just(Some(Data::from(Verdict::Drop))),
        (any::<[u8; 4]>(), any::<u16>())
            .prop_map(|(address, port)| Some(Data::from([Value::Ipv4(address.into()), Value::Port(port)]))),
    ];
    let key = vec(part, 1..3);
    (key, data, option::of(1..20_000_000u64), option::of("[a-z\\x00]{0,130}")).prop_map(
        |(key, data, nanoseconds, comment)| {
            let element = match data {
                Some(data) => Element::mapping(Key::new(key), data),
                None => Element::new(Key::new(key)),
            };
            let timed = nanoseconds.map(|number| Duration::from_nanos(number * 1_000));
            let element = timed.into_iter().fold(element, Element::timeout);
            comment.into_iter().fold(element, Element::comment)
        },
    )
}
