use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn shown(network: &str, len: Option<u8>) -> String {
    match Subnets::new(net(network), len, None, None) {
        Ok(subnets) => subnets.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn lengths_and_bounds_are_flannels() {
    for (network, len, expected) in [
        ("10.0.0.0/8", None, "10.0.1.0/24 to 10.255.255.0/24"),
        ("10.244.0.0/22", None, "10.244.1.0/24 to 10.244.3.0/24"),
        ("10.244.0.0/23", None, "10.244.0.128/25 to 10.244.1.128/25"),
        ("10.244.0.0/28", None, "10.244.0.4/30 to 10.244.0.12/30"),
        (
            "10.244.0.0/29",
            None,
            "10.244.0.0/29 is too small to be divided; use /28 or shorter, or set the subnets' length",
        ),
        ("10.244.0.0/16", Some(18), "10.244.64.0/18 to 10.244.192.0/18"),
        ("10.244.0.0/16", Some(30), "10.244.0.4/30 to 10.244.255.252/30"),
        ("10.244.0.0/16", Some(17), "17 is not in 18-30 (the network is 10.244.0.0/16)"),
        ("10.244.0.0/16", Some(31), "31 is not in 18-30 (the network is 10.244.0.0/16)"),
        ("0.0.0.0/0", None, "0.0.1.0/24 to 255.255.255.0/24"),
        ("fd00::/48", None, "fd00:0:0:1::/64 to fd00:0:0:ffff::/64"),
        ("fd00::/62", None, "fd00:0:0:1::/64 to fd00:0:0:3::/64"),
        ("fd00::/63", None, "fd00:0:0:0:8000::/65 to fd00:0:0:1:8000::/65"),
        ("fd00::/124", None, "fd00::4/126 to fd00::c/126"),
        (
            "fd00::/125",
            None,
            "fd00::/125 is too small to be divided; use /124 or shorter, or set the subnets' length",
        ),
        ("fd00::/48", Some(127), "127 is not in 50-126 (the network is fd00::/48)"),
    ] {
        assert_eq!(shown(network, len), normal(expected), "{network}");
    }
}

/// Addresses as the standard library writes them.
fn normal(text: &str) -> String {
    let word = |word: &str| word.parse::<IpNet>().map_or(word.to_owned(), |net| net.to_string());
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_first_free_ones_are_chosen_from() {
    let subnets = Subnets::new(net("10.244.0.0/16"), None, None, None).unwrap();
    let taken = [net("10.244.1.0/24"), net("10.244.2.128/25"), net("10.244.4.0/22"), net("10.9.0.0/16")];
    let choose = |random| subnets.choose(taken, None, random).unwrap().to_string();
    assert_eq!([choose(0), choose(1), choose(99)], ["10.244.3.0/24", "10.244.8.0/24", "10.244.106.0/24"]);
    assert_eq!(choose(100), choose(0), "of the first hundred");
}

#[test]
fn a_wanted_subnet_is_had_only_if_it_is_free_and_of_the_range() {
    let subnets = Subnets::new(net("10.244.0.0/16"), None, None, None).unwrap();
    for (wanted, had) in [
        ("10.244.9.0/24", true),
        ("10.244.5.0/24", false),
        ("10.244.0.0/24", false),
        ("10.244.9.0/25", false),
        ("10.245.9.0/24", false),
        ("fd00::/24", false),
    ] {
        let chosen = subnets.choose([net("10.244.4.0/23")], Some(net(wanted)), 0);
        assert_eq!(chosen == Some(net(wanted)), had, "{wanted}");
    }
}

#[test]
fn when_all_are_taken_there_is_none() {
    let subnets = Subnets::new(net("10.244.0.0/28"), None, None, None).unwrap();
    assert_eq!(subnets.count(), 3);
    assert_eq!(subnets.choose([net("10.244.0.0/28")], None, 7), None);
    assert_eq!(
        subnets.choose([net("10.244.0.4/30"), net("10.244.0.8/30")], None, 7),
        Some(net("10.244.0.12/30"))
    );
    assert_eq!(subnets.choose(subnets.iter(), None, 7), None);
    let top = Subnets::new(net("255.255.255.0/24"), None, None, None).unwrap();
    assert_eq!(top.choose(top.iter().take(2), None, 0), Some(net("255.255.255.192/26")));
}
