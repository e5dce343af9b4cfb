use hickory_proto::op::Message;

use super::*;
use crate::{
    Responder, Zone,
    message::{Edns, Header},
};

const SECRET: [u8; 16] = *b"\xe5\xe9\x73\xe5\xa6\xb2\xa4\x3f\x48\xe7\xdc\x84\x9e\x37\xbf\xcf";

fn options() -> Options {
    Options::new(b"dns-0".to_vec(), SECRET, Duration::from_secs(10))
}

fn query(options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut query = Query::emit(7, &"web.shop.svc.cluster.local".parse().unwrap(), RecordType::A);
    query[11] = 1;
    Edns::new(1232, false).emit(Rcode::NOERROR, &mut query);
    let mut opt = Opt { start: query.len(), answer: &mut query, limit: 4096 };
    options.iter().for_each(|(code, data)| assert!(opt.push(*code, data)));
    query
}

type Told = Vec<(u16, Vec<u8>)>;

/// The answer with what was added, its options, and what the client is.
fn answer(sent: &[(u16, &[u8])], client: Client, limit: usize, now: u32) -> (Vec<u8>, Told, Trust) {
    let (query, mut out) = (query(sent), Vec::new());
    let responder =
        Responder::new(Zone::builder("cluster.local").build().unwrap(), &svc_model::Snapshot::default());
    responder.respond(&query, client, &mut out);
    let plain = out.len();
    let trust = options().add(&Query::parse(&query).unwrap(), client, limit, now, &mut out);
    assert!(Message::from_vec(&out).is_ok(), "{out:?}");
    let told = out.get(plain..).unwrap_or_default().to_vec();
    (out, each(&told).map(|(code, data)| (code, data.to_vec())).collect(), trust)
}

fn udp(address: &str) -> Client {
    Client::udp(std::net::SocketAddr::new(address.parse().unwrap(), 4000))
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn options_are_answered_where_they_mean_something() {
    let tcp = Client::tcp("198.51.100.100:4000".parse().unwrap());
    let (name, idle) = ((NSID, b"dns-0".to_vec()), (KEEPALIVE, vec![0, 100]));
    let datagram = udp("198.51.100.100");
    for (shows, sent, client, expected) in [
        ("no options", vec![], datagram, vec![]),
        ("NSID", vec![(NSID, &b""[..])], datagram, vec![name.clone()]),
        ("NSID, which should be empty", vec![(NSID, b"x")], datagram, vec![name.clone()]),
        ("twice", vec![(NSID, b""), (NSID, b"")], datagram, vec![name.clone()]),
        ("keepalive is for connections", vec![(KEEPALIVE, b"")], datagram, vec![]),
        ("keepalive in tenths of seconds", vec![(KEEPALIVE, b"")], tcp, vec![idle]),
        ("padding is for what is encrypted", vec![(PADDING, b"\0\0")], tcp, vec![]),
        (
            "EXPIRE, a client subnet and what nobody knows",
            vec![(9, b""), (8, b"\0\x01\0\0"), (65_001, b"x")],
            tcp,
            vec![],
        ),
        ("one among others", vec![(65_001, b"x"), (NSID, b"")], tcp, vec![name]),
    ] {
        let (_, told, trust) = answer(&sent, client, 1232, 0);
        assert_eq!((told, trust), (expected, Trust::None), "{shows}");
    }
}

#[test]
fn the_expiry_of_a_zone_is_told_with_its_soa_record() {
    let responder =
        Responder::new(Zone::builder("cluster.local").build().unwrap(), &svc_model::Snapshot::default());
    let client = udp("198.51.100.100");
    for (name, kind, expected) in [
        ("cluster.local", RecordType::SOA, vec![(EXPIRE, 86_400_u32.to_be_bytes().to_vec())]),
        ("cluster.local", RecordType::NS, vec![]),
        ("nothing.cluster.local", RecordType::SOA, vec![]),
        ("example.com", RecordType::SOA, vec![]),
    ] {
        let mut query = Query::emit(7, &name.parse().unwrap(), kind);
        query[11] = 1;
        Edns::new(1232, false).emit(Rcode::NOERROR, &mut query);
        let mut opt = Opt { start: query.len(), answer: &mut query, limit: 4096 };
        assert!(opt.push(EXPIRE, b""));
        let mut out = Vec::new();
        responder.respond(&query, client, &mut out);
        let plain = out.len();
        options().add(&Query::parse(&query).unwrap(), client, 1232, 0, &mut out);
        assert!(Message::from_vec(&out).is_ok(), "{out:?}");
        let told: Told = each(&out[plain..]).map(|(code, data)| (code, data.to_vec())).collect();
        assert_eq!(told, expected, "{name} {kind}");
    }
}

#[test]
fn encrypted_answers_are_padded_to_blocks() {
    let tls = Client::tls("198.51.100.100:4000".parse().unwrap());
    let (out, told, _) = answer(&[(PADDING, b""), (NSID, b"")], tls, 65_535, 0);
    assert_eq!(out.len(), BLOCK);
    assert_eq!(told.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [NSID, PADDING]);
    assert!(told[1].1.iter().all(|byte| *byte == 0));
}

#[test]
fn what_finds_no_room_is_left_out() {
    let plain = answer(&[], udp("192.0.2.1"), 1232, 0).0.len();
    for limit in plain..plain + 40 {
        let (out, told, _) = answer(&[(NSID, b""), (COOKIE, b"12345678")], udp("192.0.2.1"), limit, 0);
        assert!(out.len() <= limit);
        let codes: Vec<u16> = told.iter().map(|(code, _)| *code).collect();
        let room = limit - plain;
        let expected: &[u16] = match room {
            37.. => &[NSID, COOKIE],
            9.. => &[NSID],
            _ => &[],
        };
        assert_eq!(codes, expected, "{room}");
    }
}

/// RFC 9018 appendix A.
#[test]
fn cookies_are_those_of_the_standard() {
    let own = hex("2464c4abcf10c957");
    let learn = |sent: &str, client, now| {
        let (_, told, trust) = answer(&[(COOKIE, &hex(sent))], udp(client), 1232, now);
        assert_eq!((told.len(), told[0].0), (1, COOKIE));
        (told[0].1.clone(), trust)
    };
    let first = hex("2464c4abcf10c957010000005cf79f111f8130c3eee29480");
    assert_eq!(learn("2464c4abcf10c957", "198.51.100.100", 0x5cf7_9f11), (first.clone(), Trust::None), "A.1");
    let text = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let second = hex("2464c4abcf10c957010000005cf7a871d4a564a1442aca77");
    let again = learn(&text(&first), "198.51.100.100", 0x5cf7_a871);
    assert_eq!(again, (second, Trust::Known), "A.2: renewed after half an hour");
    assert_eq!(
        learn(&text(&first), "198.51.100.100", 0x5cf7_9f11 + 1800),
        (first.clone(), Trust::Known),
        "the same"
    );
    for (shows, sent, client, now) in [
        ("another client", text(&first), "198.51.100.101", 0x5cf7_9f11),
        ("too old", text(&first), "198.51.100.100", 0x5cf7_9f11 + 3601),
        ("of the future", text(&first), "198.51.100.100", 0x5cf7_9f11 - 301),
        ("another hash", text(&first).replace("9480", "9481"), "198.51.100.100", 0x5cf7_9f11),
        (
            "another version",
            text(&first).replace("57010000005c", "57020000005c"),
            "198.51.100.100",
            0x5cf7_9f11,
        ),
        ("of another server", format!("{}0102030405060708", text(&own)), "198.51.100.100", 0x5cf7_9f11),
    ] {
        let (told, trust) = learn(&sent, client, now);
        assert_eq!((trust, &told[..8]), (Trust::None, &own[..]), "{shows}");
        assert_eq!(told[12..16], now.to_be_bytes(), "{shows}: a new one");
    }
}

#[test]
fn a_client_is_the_same_under_a_mapped_address() {
    let jar = Jar::new(SECRET);
    let (cookie, _) = jar.bake(b"12345678", "192.0.2.1".parse().unwrap(), 7).unwrap();
    let again = jar.bake(&cookie, "::ffff:192.0.2.1".parse().unwrap(), 7);
    assert_eq!(again, Some((cookie, Trust::Known)));
}

#[test]
fn what_is_no_cookie_is_a_format_error() {
    for length in (0..8).chain(9..16).chain([41, 60]) {
        let (out, told, trust) = answer(&[(COOKIE, &vec![1; length])], udp("192.0.2.1"), 1232, 0);
        assert_eq!((told, trust), (vec![], Trust::None));
        assert_eq!(Header::parse(&out).unwrap().rcode(), Rcode::FORMERR, "{length}");
    }
    for length in [8, 16, 24, 40] {
        let (out, told, _) = answer(&[(COOKIE, &vec![1; length])], udp("192.0.2.1"), 1232, 0);
        assert_eq!(told.len(), 1, "{length}");
        assert_eq!(Header::parse(&out).unwrap().rcode(), Rcode::NXDOMAIN);
    }
}

#[test]
fn half_an_option_ends_the_list() {
    let mut message = query(&[(NSID, b"")]);
    let at = message.len() - 1;
    // It says to be longer than the record.
    message[at] = 9;
    let query = Query::parse(&message).unwrap();
    assert_eq!(each(query.options()).count(), 0);
}
