use super::*;

#[test]
fn reads_what_it_prints() {
    let before = BTreeMap::from([("net/ipv4/ip_forward".to_owned(), "0".to_owned())]);
    let marks = [
        Mark::Device { before: BTreeMap::new() },
        Mark::Device { before },
        Mark::Pod { pod: PodId::new("default", "web-0"), addresses: vec![[10, 244, 2, 65].into()] },
        Mark::Pod {
            pod: PodId::new("default", "web-0"),
            addresses: vec![[10, 244, 2, 65].into(), "fd00::41".parse().unwrap()],
        },
    ];
    for mark in marks {
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
    }
}

#[test]
fn another_alias_is_not_ours() {
    for alias in ["", "uplink", "svc-overlay-2", "svc-overlay pod", "svc-overlay pod x y"] {
        assert_eq!(Mark::parse(alias), None, "{alias}");
    }
}
