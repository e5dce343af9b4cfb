use super::Authority;

#[test]
fn hosts_are_lower_case_without_port_and_final_dot() {
    let rows = [
        ("shop.example", "shop.example", None),
        ("SHOP.Example.", "shop.example", None),
        ("shop.example:8080", "shop.example", Some(8080)),
        ("shop.example.:8080", "shop.example", Some(8080)),
        ("shop.example:", "shop.example", None),
        ("10.1.2.3:80", "10.1.2.3", Some(80)),
        ("[FD00::1]:443", "[fd00::1]", Some(443)),
        ("a_b.example", "a_b.example", None),
    ];
    for (text, host, port) in rows {
        let authority = Authority::parse(text).unwrap_or_else(|| panic!("{text} is valid"));
        assert_eq!((authority.host(), authority.port()), (host, port), "{text}");
        assert_eq!(authority.as_str(), text, "passed on as written");
    }
}

#[test]
fn spelling_makes_no_other_host() {
    let parse = |text| Authority::parse(text).unwrap();
    for same in ["shop.example", "SHOP.example", "shop.example.", "Shop.Example.:"] {
        assert_eq!(parse(same), parse("shop.example"), "{same}");
    }
    for other in ["shop.example:80", "shops.example"] {
        assert_ne!(parse(other), parse("shop.example"), "{other}");
    }
}

#[test]
fn what_is_no_host_is_refused() {
    let rows = [
        "", ".", ":80", "a/x", "a b", "user@a", "a:b", "a:99999", "a:80:80", "[::1", "[x]", "[::1]x", "a..b",
        ".a", "a..", "a..:80", "a#b", "a?b", "a\\b", "a,b", "a:+80", "*",
    ];
    for text in rows {
        assert_eq!(Authority::parse(text), None, "{text:?}");
    }
}
