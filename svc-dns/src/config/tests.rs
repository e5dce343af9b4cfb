use std::time::Duration;

use super::*;

fn reverse_zones(cidr: &str) -> Vec<String> {
    let zone = Zone::builder("cluster.local").reverse(cidr).build().unwrap();
    zone.reverse_zones().iter().map(Name::to_string).collect()
}

#[test]
fn a_reverse_network_on_a_label_boundary_is_one_zone() {
    assert_eq!(reverse_zones("10.96.0.0/16"), ["96.10.in-addr.arpa."]);
    assert_eq!(reverse_zones("10.0.0.0/8"), ["10.in-addr.arpa."]);
    assert_eq!(reverse_zones("0.0.0.0/0"), ["in-addr.arpa."]);
    assert_eq!(reverse_zones("fd00:10::/32"), ["0.1.0.0.0.0.d.f.ip6.arpa."]);
}

#[test]
fn a_reverse_network_inside_a_label_is_several_zones() {
    let zones = reverse_zones("10.96.0.0/12");
    assert_eq!(zones.len(), 16);
    assert!(zones.contains(&"111.10.in-addr.arpa.".to_owned()));
    assert!(!zones.contains(&"112.10.in-addr.arpa.".to_owned()));
}

#[test]
fn host_bits_of_a_reverse_network_do_not_matter() {
    assert_eq!(reverse_zones("10.96.7.9/16"), ["96.10.in-addr.arpa."]);
}

#[test]
fn reverse_names_give_addresses() {
    let parse = |text: &str| ReverseName::parse(&QuestionName::from(&text.parse::<Name>().unwrap()));
    assert_eq!(parse("1.0.96.10.in-addr.arpa"), ReverseName::Address("10.96.0.1".parse().unwrap()));
    assert_eq!(parse("0.96.10.in-addr.arpa"), ReverseName::Partial("10.96.0.0/24".parse().unwrap()));
    assert_eq!(parse("5.1.0.96.10.in-addr.arpa"), ReverseName::Nothing);
    assert_eq!(parse("01.0.96.10.in-addr.arpa"), ReverseName::Nothing);
    assert_eq!(parse("256.0.96.10.in-addr.arpa"), ReverseName::Nothing);
    let nibbles = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    assert_eq!(parse(nibbles), ReverseName::Address("2001:db8::567:89ab".parse().unwrap()));
}

#[test]
fn settings_out_of_range_are_named() {
    let error = Zone::builder("cluster.local").ttl(Duration::from_secs(3601)).build().unwrap_err();
    assert_eq!(error.to_string(), "ttl: 3601 s is not within 0 to 3600 s");
    let error = Zone::builder("cluster..local").build().unwrap_err();
    assert!(error.to_string().starts_with("domain name \"cluster..local\": an empty label"), "{error}");
    let error = Zone::builder("cluster.local").reverse("10.96.0.0/40").build().unwrap_err();
    assert!(error.to_string().contains("10.96.0.0/40"), "{error}");
}

#[test]
fn a_zone_name_inside_a_label_is_not_the_zone() {
    let zone = Zone::builder("local").build().unwrap();
    // One label of 8 bytes whose last ones read like `\x05local`.
    let wire = b"\x08xx\x05local\x00";
    assert!(zone.realm_of(&QuestionName::lower(wire)).is_none());
}

#[cfg(feature = "driver")]
#[test]
fn a_server_that_is_not_told_its_addresses_has_those_that_others_can_reach() {
    let listening =
        ["127.0.0.1", "10.96.0.10", "0.0.0.0", "10.96.0.10"].map(|ip| ip.parse::<IpAddr>().unwrap());
    let zone = Zone::builder("cluster.local").build().unwrap().reached_at(listening);
    assert_eq!(zone.addresses(), [listening[1]]);
    let told =
        Zone::builder("cluster.local").addresses([listening[0]]).build().unwrap().reached_at(listening);
    assert_eq!(told.addresses(), [listening[0]]);
}

#[test]
fn zones_may_not_overlap() {
    for other in ["cluster.local", "CLUSTER.local.", "k8s.cluster.local", "local"] {
        let error = Zone::builder("cluster.local").also(other).build().unwrap_err();
        assert!(matches!(&error, ConfigError::Overlap { .. }), "{other}: {error}");
    }
    let error = Zone::builder("cluster.local").multicluster("a.cluster.local").build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "zone a.cluster.local. overlaps zone cluster.local.: each name can belong to one of them only; leave one out"
    );
    assert!(Zone::builder("cluster.local").also("xcluster.local").build().is_ok());
    let error = Zone::builder("10.in-addr.arpa").reverse("10.96.0.0/16").build().unwrap_err();
    assert!(matches!(error, ConfigError::Overlap { .. }), "{error}");
}

#[test]
fn what_cannot_be_is_named_and_the_rest_serves() {
    let builder = Zone::builder("cluster.local")
        .also("a.cluster.local")
        .also("example.org")
        .reverse("10.96.0.0/99")
        .reverse("10.97.0.0/16")
        .reverse_zone("example.com")
        .transfer_to("nobody")
        .transfer_to("10.0.0.1");
    let (zone, problems) = builder.build_with_problems().unwrap();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    for (problem, named) in
        problems.iter().zip(["a.cluster.local.", "10.96.0.0/99", "example.com.", "nobody"])
    {
        assert!(problem.contains(named), "{problem}");
    }
    assert_eq!(zone.origins().map(Name::to_string).collect::<Vec<_>>(), ["cluster.local.", "example.org."]);
    assert_eq!(zone.reverse_zones().iter().map(Name::to_string).collect::<Vec<_>>(), ["97.10.in-addr.arpa."]);
    assert!(
        zone.transfers_to("10.0.0.1".parse().unwrap()) && !zone.transfers_to("10.0.0.2".parse().unwrap())
    );
    assert!(Zone::builder("a..b").build_with_problems().is_err(), "nothing to serve");
}

#[test]
fn a_network_within_another_needs_no_zone_of_its_own() {
    let zone = Zone::builder("cluster.local").reverse("10.96.0.0/16").reverse("10.0.0.0/8").build().unwrap();
    assert_eq!(zone.reverse_zones().iter().map(Name::to_string).collect::<Vec<_>>(), ["10.in-addr.arpa."]);
}

#[test]
fn a_reverse_zone_may_be_given_by_name() {
    for (name, network) in [
        ("in-addr.arpa", "10.0.0.0/8"),
        ("96.10.in-addr.arpa", "10.96.0.0/16"),
        ("1.0.96.10.in-addr.arpa", "10.96.0.1/32"),
        ("ip6.arpa", "fd00::/16"),
        ("0.0.d.f.ip6.arpa", "fd00::/16"),
    ] {
        let zone = Zone::builder("cluster.local").reverse_zone(name).build().unwrap();
        let network: ipnet::IpNet = network.parse().unwrap();
        assert!(zone.reverses(network.addr()), "{name}");
        assert_eq!(zone.reverse_zones()[0].to_string(), format!("{name}."));
    }
    let error = Zone::builder("cluster.local").reverse_zone("300.in-addr.arpa").build().unwrap_err();
    assert!(matches!(error, ConfigError::ReverseZone { .. }));
}

#[test]
fn label_expressions_choose() {
    let labels: std::collections::BTreeMap<String, String> =
        [("app", "web"), ("tier", "front")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    for (text, expected) in [
        ("app=web", true),
        ("app==web", true),
        ("app = api", false),
        ("app!=web", false),
        ("other!=web", true),
        ("app in (api, web)", true),
        ("app in (api)", false),
        ("app notin (api, db)", true),
        ("other notin (x)", true),
        ("app", true),
        ("!app", false),
        ("!other,tier in (front,back),app", true),
        ("app=web,tier=back", false),
    ] {
        let expression: LabelExpression = text.parse().unwrap();
        assert_eq!(expression.matches(&labels), expected, "{text}");
        let again: LabelExpression = expression.to_string().parse().unwrap();
        assert_eq!(again, expression, "{text}");
    }
    for text in ["", "app in web", "app in (web", ",", "a b", "=web"] {
        assert!(text.parse::<LabelExpression>().is_err(), "{text}");
    }
}
