use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[test]
fn names_have_a_text_form() {
    for (text, expected) in [
        ("cluster.local", "cluster.local."),
        ("cluster.local.", "cluster.local."),
        (".", "."),
        (r"a\.b.c", r"a\.b.c."),
        (r"a\\b", r"a\\b."),
        (r"a\032b", r"a\032b."),
        (r"\065", "A."),
        ("_http._tcp", "_http._tcp."),
    ] {
        assert_eq!(name(text).to_string(), expected, "{text}");
    }
}

#[test]
fn texts_that_are_no_names_are_named() {
    let long = vec!["a".repeat(63); 4].join(".");
    for (text, problem) in [
        ("a..b", "an empty label (two dots in a row, or one in front)"),
        (".a", "an empty label (two dots in a row, or one in front)"),
        ("", "an empty label (two dots in a row, or one in front)"),
        (r"a\25", "a backslash without three digits below 256 or a character behind it"),
        (r"a\256", "a backslash without three digits below 256 or a character behind it"),
        (&"a".repeat(64), "a label longer than 63 characters"),
        (&long, "longer than 253 characters"),
    ] {
        assert_eq!(text.parse::<Name>().unwrap_err().problem, problem, "{text}");
    }
}

#[test]
fn names_differ_by_more_than_case() {
    assert_eq!(name("Web.Default"), name("wEB.dEFAULT"));
    assert_ne!(name("web.default"), name("web.default2"));
    assert!(name("a.B.c").is_within(&name("b.C")));
    assert!(name("b.c").is_within(&name("b.c")));
    assert!(!name("ab.c").is_within(&name("b.c")));
    assert!(name("a").is_within(&Name::root()));
}

#[test]
fn compressed_names_are_followed_backwards_only() {
    // At 0 `local`, at 7 `cluster` and a pointer to 0.
    let message = b"\x05local\x00\x07cluster\xc0\x00behind";
    let mut at = 7;
    assert_eq!(Name::parse(message, &mut at).unwrap(), name("cluster.local"));
    assert_eq!(&message[at..], b"behind");
    for endless in [b"\xc0\x00".as_slice(), b"\x01a\xc0\x00", b"\x01a\xc0\x02"] {
        assert_eq!(Name::parse(endless, &mut 0).unwrap_err().expected, "a pointer to an earlier name");
    }
    for short in [b"".as_slice(), b"\x05loc", b"\xc0", b"\x01a"] {
        assert!(Name::parse(short, &mut 0).is_err());
    }
}

#[test]
fn a_name_that_pointers_make_too_long_is_an_error() {
    // Each part ends in a pointer to the one before.
    let mut message = b"\x3f".to_vec();
    message.extend([b'a'; 63]);
    message.push(0);
    let mut before = 0_usize;
    for _ in 0..4 {
        let here = message.len();
        message.push(63);
        message.extend([b'a'; 63]);
        push_pointer(before, &mut message);
        before = here;
    }
    assert_eq!(Name::parse(&message, &mut before).unwrap_err().expected, "a name of at most 255 bytes");
}

#[test]
fn a_pointer_that_cannot_reach_is_the_name_itself() {
    let mut message = vec![0; 0x4000];
    message.extend_from_slice(b"\x03web\x00behind");
    let at = message.len();
    push_pointer(0x4000, &mut message);
    assert_eq!(&message[at..], b"\x03web\x00");
}

#[test]
fn one_opt_record_of_the_root_is_read() {
    let mut query = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03web\x00\x00\x01\x00\x01".to_vec();
    let opt = b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x04\x00\x0a\x00\x00";
    query.extend_from_slice(opt);
    let edns = Query::parse(&query).unwrap().edns().unwrap();
    assert_eq!((edns.udp_size, edns.version, edns.dnssec_ok), (1232, 0, true));
    query[11] = 2;
    query.extend_from_slice(opt);
    assert!(matches!(Query::parse(&query), Err(QueryError::Malformed(_))), "two of them");
}

#[test]
fn types_and_codes_have_their_names() {
    assert_eq!(RecordType::AAAA.to_string(), "AAAA");
    assert_eq!(RecordType::new(65_280).to_string(), "TYPE65280");
    assert_eq!(Rcode::NXDOMAIN.to_string(), "NXDOMAIN");
    assert_eq!(Rcode::new(11).to_string(), "RCODE11");
}

#[test]
fn records_print_as_in_a_zone_file() {
    let record = |kind, data: &[u8]| {
        Record { name: name("a.b"), kind, class: Class::IN, ttl: 5, data: RecordData::new(data) }.to_string()
    };
    assert_eq!(record(RecordType::A, &[10, 96, 0, 1]), "a.b. 5 IN A 10.96.0.1");
    assert_eq!(record(RecordType::AAAA, &std::net::Ipv6Addr::LOCALHOST.octets()), "a.b. 5 IN AAAA ::1");
    assert_eq!(record(RecordType::CNAME, b"\x01x\x00"), "a.b. 5 IN CNAME x.");
    assert_eq!(record(RecordType::SRV, b"\x00\x00\x00\x32\x00\x50\x01x\x00"), "a.b. 5 IN SRV 0 50 80 x.");
    assert_eq!(record(RecordType::TXT, b"\x01x\x02\"z"), r#"a.b. 5 IN TXT "x" "\"z""#);
    let soa =
        b"\x02ns\x00\x00\x00\x00\x00\x07\x00\x00\x1c\x20\x00\x00\x07\x08\x00\x01\x51\x80\x00\x00\x00\x05";
    assert_eq!(record(RecordType::SOA, soa), "a.b. 5 IN SOA ns. . 7 7200 1800 86400 5");
    assert_eq!(record(RecordType::SOA, b"\x01"), "a.b. 5 IN SOA \\# 1 01");
    assert_eq!(record(RecordType::HINFO, b"\x01x"), "a.b. 5 IN HINFO \\# 2 0178");
    assert_eq!(record(RecordType::A, b"\x01"), "a.b. 5 IN A \\# 1 01");
}
