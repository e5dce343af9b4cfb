use super::*;

fn tuple(source: &str, destination: &str) -> Tuple {
    Tuple::new(L4Proto::UDP, source.parse().unwrap(), destination.parse().unwrap())
}

fn query() -> Flow {
    Flow::new(tuple("10.244.0.7:53124", "10.96.0.10:53"), tuple("10.244.0.9:5353", "10.244.0.7:53124"))
}

#[test]
fn a_flow_prints_its_packets_and_who_answers_them() {
    assert_eq!(query().to_string(), "udp 10.244.0.7:53124 -> 10.96.0.10:53, answered by 10.244.0.9:5353");
    let direct = query().original();
    assert_eq!(Flow::new(direct, direct.reversed()).to_string(), "udp 10.244.0.7:53124 -> 10.96.0.10:53");
}

#[test]
fn what_is_not_needed_of_a_message_is_passed_over() {
    let mut writer = crate::wire::attr::Writer::default();
    crate::wire::message::write_as(&mut writer, 1 << 8, 0, 7, Some(Family::Ip), |writer| {
        writer.nested(9, |counters| counters.be64(1, 17));
        writer.be32(7, 29);
    });
    let mut bytes = writer.into_bytes();
    assert_eq!(Flow::parse_all(&bytes).count(), 0, "a message without tuples");
    bytes.extend(query().with_mark(0x4000).with_zone(3).emit());
    assert_eq!(Flow::parse_all(&bytes).collect::<Vec<_>>(), [query().with_mark(0x4000).with_zone(3)]);
}

#[test]
fn a_filter_admits_what_has_every_part() {
    let all = [
        Filter::new(),
        Filter::new().family(Family::Ip),
        Filter::new().protocol(L4Proto::UDP),
        Filter::new().destination("10.96.0.10".parse().unwrap()),
        Filter::new().port(53),
        Filter::new().mark(0x4001, 0x4000),
        Filter::new().zone(3),
    ];
    let none = [
        Filter::new().family(Family::Ip6),
        Filter::new().protocol(L4Proto::TCP),
        Filter::new().destination("10.244.0.9".parse().unwrap()),
        Filter::new().port(5353),
        Filter::new().mark(0, 0x4000),
        Filter::new().zone(0),
    ];
    let flow = query().with_mark(0x4000).with_zone(3);
    all.iter().for_each(|filter| assert!(filter.admits(&flow), "{filter}"));
    none.iter().for_each(|filter| assert!(!filter.admits(&flow), "{filter}"));
}

#[test]
fn a_filter_says_what_it_is_about() {
    let filter = Filter::new().protocol(L4Proto::UDP).destination("10.96.0.10".parse().unwrap()).port(53);
    assert_eq!(filter.to_string(), "flows of ip udp to 10.96.0.10 port 53");
}
