use super::*;

#[test]
fn the_order_is_that_of_flannels_iptables_rules() {
    let text = Rules::new("10.244.0.0/16".parse().unwrap(), "10.244.2.0/24".parse().unwrap()).to_string();
    let mut rest = text.as_str();
    for part in [
        "0x00004000",
        "ip saddr 10.244.2.0/24 ip daddr 10.244.0.0/16 return",
        "ip saddr 10.244.0.0/16 ip daddr 10.244.2.0/24 return",
        "ip saddr != 10.244.0.0/16 ip daddr 10.244.2.0/24 return",
        "ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade",
        "ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} not found in order in\n{text}"));
        rest = &rest[at..];
    }
}

#[test]
fn ipv6_has_the_same_rules() {
    let rules = |network: &str, subnet: &str| {
        Rules::new(network.parse().unwrap(), subnet.parse().unwrap()).to_string()
    };
    let v4 = rules("10.244.0.0/16", "10.244.2.0/24");
    let v6 = rules("fd00::/48", "fd00:0:0:2::/64");
    let words =
        [("10.244.0.0/16", "fd00::/48"), ("10.244.2.0/24", "fd00:0:0:2::/64"), ("224.0.0.0/4", "ff00::/8")];
    let translated = words.iter().fold(v4.replace("ip ", "ip6 "), |text, (from, to)| text.replace(from, to));
    assert_eq!(v6, translated);
}
