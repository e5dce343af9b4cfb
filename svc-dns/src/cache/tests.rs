use std::net::Ipv4Addr;

use super::*;
use crate::message::{Header, Name, Query, RecordType};

const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "any time will do")]
pub(super) fn now() -> Instant {
    Instant::now()
}

pub(super) fn key(name: &str, kind: RecordType) -> Key {
    let name: Name = name.parse().unwrap();
    let message = Query::emit(1, &name, kind);
    Key::new(&Query::parse(&message).unwrap(), name.to_lowercase().wire(), false)
}

/// A reply with records of these kinds, each with its time to live; SOA goes to the authority section and has a minimum of 60.
pub(super) fn reply(name: &str, kind: RecordType, rcode: u16, records: &[(RecordType, u32)]) -> Vec<u8> {
    let name: Name = name.parse().unwrap();
    let mut out = Query::emit(1, &name, kind);
    out[2..4].copy_from_slice(&(Header::QR | Header::RA | rcode).to_be_bytes());
    for (kind, ttl) in records {
        let section = if *kind == RecordType::SOA { 9 } else { 7 };
        out[section] += 1;
        out.extend_from_slice(&[0xc0, 0x0c]);
        out.extend_from_slice(&kind.number().to_be_bytes());
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&ttl.to_be_bytes());
        let data: &[u8] = match *kind {
            RecordType::A => &Ipv4Addr::new(192, 0, 2, 1).octets(),
            RecordType::SOA => &[0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 60],
            _ => &[0],
        };
        out.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend_from_slice(data);
    }
    out
}

fn a_reply(name: &str, ttl: u32) -> Vec<u8> {
    reply(name, RecordType::A, 0, &[(RecordType::A, ttl)])
}

fn cache(set: impl FnOnce(CacheConfigBuilder) -> CacheConfigBuilder) -> Cache {
    Cache::new(set(CacheConfig::builder()).build().unwrap())
}

/// Seconds that the records of a hit have left.
fn ttl_of(hit: &Hit) -> u32 {
    let mut out = Vec::new();
    hit.emit(&mut out);
    let end = crate::message::Reply::parse(&out).unwrap().question().end();
    crate::message::records(&out, end).next().unwrap().unwrap().ttl
}

fn fresh(found: Found) -> Option<u32> {
    if let Found::Fresh { hit, .. } = found { Some(ttl_of(&hit)) } else { None }
}

#[test]
fn time_counts_down_and_ends() {
    let (cache, start) = (cache(|cache| cache), now());
    let key = key("www.example", RecordType::A);
    assert_eq!(cache.keep(&key, &a_reply("www.example", 60), start), Some(60));
    for (after, left) in [(0, Some(60)), (1, Some(59)), (59, Some(1)), (60, None)] {
        assert_eq!(fresh(cache.find(&key, start + after * SECOND)), left, "{after}");
    }
    let stats = cache.stats();
    assert_eq!((stats.success.hits, stats.misses, stats.success.entries), (3, 1, 1));
}

#[test]
fn what_is_kept_and_for_how_long() {
    const A: RecordType = RecordType::A;
    const SOA: RecordType = RecordType::SOA;
    const CNAME: RecordType = RecordType::CNAME;
    type Case = (&'static str, u16, &'static [(RecordType, u32)], Option<u32>);
    let cases: &[Case] = &[
        ("the least of all times", 0, &[(A, 300), (A, 100)], Some(100)),
        ("not longer than an hour", 0, &[(A, 86_400)], Some(3600)),
        ("not shorter than five seconds", 0, &[(A, 0)], Some(5)),
        ("the top bit means zero", 0, &[(A, 0x8000_0001)], Some(5)),
        ("no such name, by the minimum", 3, &[(SOA, 3600)], Some(60)),
        ("no such name, by the record", 3, &[(SOA, 20)], Some(20)),
        ("no such type", 0, &[(SOA, 3600)], Some(60)),
        ("an alias to nothing, with SOA", 0, &[(CNAME, 300), (SOA, 30)], Some(30)),
        ("an alias to nothing, without", 0, &[(CNAME, 300)], None),
        ("an alias to something", 0, &[(CNAME, 300), (A, 200)], Some(200)),
        ("no such name, without SOA", 3, &[], None),
        ("no such type, without SOA", 0, &[], None),
        ("a failure", 2, &[], Some(5)),
        ("refused", 5, &[], None),
        ("not implemented", 4, &[], None),
    ];
    for (what, rcode, records, expected) in cases {
        let cache = cache(|cache| cache);
        let reply = reply("www.example", A, *rcode, records);
        assert_eq!(cache.keep(&key("www.example", A), &reply, now()), *expected, "{what}");
    }
}

#[test]
fn a_denial_is_kept_for_half_an_hour_at_most_and_five_seconds_at_least() {
    for (record, minimum, expected) in [(86_400, 86_400_u32, 1800), (86_400, 600, 600), (1, 600, 5)] {
        let mut denial = reply("www.example", RecordType::A, 3, &[(RecordType::SOA, record)]);
        let at = denial.len() - 4;
        denial[at..].copy_from_slice(&minimum.to_be_bytes());
        let cache = cache(|cache| cache);
        assert_eq!(cache.keep(&key("www.example", RecordType::A), &denial, now()), Some(expected));
    }
}

#[test]
fn a_question_is_a_name_in_whatever_case_a_type_a_class_do_and_cd() {
    let plain = Query::emit(1, &"www.example".parse().unwrap(), RecordType::A);
    let key = |message: &[u8], dnssec_ok| {
        let query = Query::parse(message).unwrap();
        Key::new(&query, query.question().name().wire(), dnssec_ok)
    };
    let changed = |at: usize, value: u8| {
        let mut message = plain.clone();
        message[at] = value;
        message
    };
    let (own, end) = (key(&plain, false), plain.len());
    assert_eq!(key(&changed(13, b'W'), false), own, "case");
    assert_eq!(key(&changed(2, 0), false), own, "RD");
    assert_ne!(key(&changed(13, b'v'), false), own, "name");
    assert_ne!(key(&changed(end - 3, 28), false), own, "type");
    assert_ne!(key(&changed(end - 1, 3), false), own, "class");
    assert_ne!(key(&changed(3, 0x10), false), own, "CD");
    assert_ne!(key(&plain, true), own, "DO");
}

#[test]
fn where_nothing_is_said_there_is_room_for_9984_replies_of_each_kind() {
    assert_eq!(CacheConfig::default(), CacheConfig::builder().capacity(9984, 9984).build().unwrap());
    let all = |cache: CacheConfigBuilder| {
        let cache = cache.success_ttl(5 * SECOND, 3600 * SECOND).denial_ttl(5 * SECOND, 1800 * SECOND);
        cache.servfail(5 * SECOND).keep_ttl(false).rotate(true)
    };
    assert_eq!(CacheConfig::default(), all(CacheConfig::builder()).build().unwrap());
    assert!(CacheConfig::builder().capacity(1024, 1024).build().is_ok());
    assert!(CacheConfig::builder().capacity(1023, 1024).build().is_err());
}

#[test]
fn truncated_replies_and_those_to_other_questions_are_not_kept() {
    let (cache, now) = (cache(|cache| cache), now());
    let mut truncated = a_reply("www.example", 60);
    truncated[2] |= 0x02;
    assert_eq!(cache.keep(&key("www.example", RecordType::A), &truncated, now), None);
    assert_eq!(cache.stats().drops, 0);
    assert_eq!(cache.keep(&key("other.example", RecordType::A), &a_reply("www.example", 60), now), None);
    assert_eq!(cache.stats().drops, 1);
}

#[test]
fn opt_is_not_kept() {
    let (cache, now) = (cache(|cache| cache), now());
    let mut reply = a_reply("www.example", 60);
    reply[11] = 1;
    crate::message::Edns::new(1232, true).emit(crate::message::Rcode::NOERROR, &mut reply);
    let key = key("www.example", RecordType::A);
    cache.keep(&key, &reply, now).unwrap();
    let Found::Fresh { hit, .. } = cache.find(&key, now) else { panic!() };
    assert_eq!(hit.message()[10..12], [0, 0]);
    assert_eq!(hit.message().len(), reply.len() - 11);
}

#[test]
fn bounds_of_time_can_be_set() {
    let now = now();
    let cache = cache(|cache| cache.success_ttl(30 * SECOND, 40 * SECOND).denial_ttl(SECOND, 2 * SECOND));
    let key = key("www.example", RecordType::A);
    assert_eq!(cache.keep(&key, &a_reply("www.example", 10), now), Some(30));
    assert_eq!(cache.keep(&key, &a_reply("www.example", 50), now), Some(40));
    let denial = reply("www.example", RecordType::A, 3, &[(RecordType::SOA, 50)]);
    assert_eq!(cache.keep(&key, &denial, now), Some(2));
}

#[test]
fn domains_can_be_left_out() {
    let domain: Name = "cluster.local".parse().unwrap();
    let cache = cache(|cache| cache.no_success(&domain).zone(&Name::root()));
    let now = now();
    let keep = |name: &str, reply: &[u8]| cache.keep(&key(name, RecordType::A), reply, now);
    assert_eq!(keep("a.Cluster.local", &a_reply("a.cluster.local", 60)), None);
    let denial = reply("a.cluster.local", RecordType::A, 3, &[(RecordType::SOA, 50)]);
    assert_eq!(keep("a.cluster.local", &denial), Some(50));
    assert_eq!(keep("a.example", &a_reply("a.example", 60)), Some(60));
}

#[test]
fn what_exists_beats_a_failure_and_is_replaced_by_what_does_not_exist() {
    let (cache, now) = (cache(|cache| cache), now());
    let key = key("www.example", RecordType::A);
    let failure = reply("www.example", RecordType::A, 2, &[]);
    let denial = reply("www.example", RecordType::A, 3, &[(RecordType::SOA, 50)]);
    cache.keep(&key, &a_reply("www.example", 60), now);
    cache.keep(&key, &failure, now);
    assert_eq!(fresh(cache.find(&key, now)), Some(60));
    cache.keep(&key, &denial, now);
    assert_eq!(fresh(cache.find(&key, now)), Some(50));
    assert_eq!((cache.stats().success.entries, cache.stats().denial.entries), (0, 1));
    cache.keep(&key, &a_reply("www.example", 60), now);
    assert_eq!((cache.stats().success.entries, cache.stats().denial.entries), (1, 0));
}

#[test]
fn a_failure_is_remembered_for_a_moment_or_not_at_all() {
    let now = now();
    let key = key("www.example", RecordType::A);
    let failure = reply("www.example", RecordType::A, 2, &[]);
    let cache = cache(|cache| cache);
    cache.keep(&key, &failure, now);
    assert!(matches!(cache.find(&key, now + 4 * SECOND), Found::Fresh { .. }));
    assert!(matches!(cache.find(&key, now + 5 * SECOND), Found::Nothing));
    let never = self::cache(|cache| cache.servfail(Duration::ZERO));
    assert_eq!(never.keep(&key, &failure, now), None);
}

#[test]
fn answers_that_are_past_their_time_are_given_at_once_and_fetched_once() {
    let start = now();
    let cache = cache(|cache| cache.serve_stale(Stale::up_to(100 * SECOND)));
    let key = key("www.example", RecordType::A);
    cache.keep(&key, &a_reply("www.example", 60), start);
    let at = start + 61 * SECOND;
    let Found::Stale { hit, refresh: true } = cache.find(&key, at) else { panic!() };
    assert_eq!(ttl_of(&hit), 30);
    assert!(matches!(cache.find(&key, at), Found::Stale { refresh: false, .. }), "it is under way");
    // The servers do not answer: they are left alone for 30 s.
    cache.failed(&key, at);
    assert!(matches!(cache.find(&key, at + 29 * SECOND), Found::Stale { refresh: false, .. }));
    assert!(matches!(cache.find(&key, at + 30 * SECOND), Found::Stale { refresh: true, .. }));
    // A failure does not push it out.
    cache.keep(&key, &reply("www.example", RecordType::A, 2, &[]), at);
    assert!(matches!(cache.find(&key, at), Found::Stale { .. }));
    assert!(matches!(cache.find(&key, start + 160 * SECOND), Found::Nothing), "the end");
    assert_eq!(cache.stats().served_stale, 5);
}

#[test]
fn a_stale_denial_goes_when_the_name_exists_again() {
    let start = now();
    let cache = cache(|cache| cache.serve_stale(Stale::default()));
    let key = key("www.example", RecordType::A);
    cache.keep(&key, &reply("www.example", RecordType::A, 3, &[(RecordType::SOA, 10)]), start);
    let later = start + 11 * SECOND;
    assert!(matches!(cache.find(&key, later), Found::Stale { .. }));
    cache.keep(&key, &a_reply("www.example", 60), later);
    assert_eq!(fresh(cache.find(&key, later)), Some(60));
    assert_eq!(fresh(cache.find(&key, later + 59 * SECOND)), Some(1));
}

#[test]
fn stale_answers_can_be_a_last_resort() {
    let start = now();
    let cache = cache(|cache| cache.serve_stale(Stale::default().verify(2 * SECOND)));
    let key = key("www.example", RecordType::A);
    cache.keep(&key, &a_reply("www.example", 60), start);
    assert!(cache.find_stale(&key, start).is_none());
    let later = start + 61 * SECOND;
    assert!(matches!(cache.find(&key, later), Found::Verify));
    assert!(cache.find_stale(&key, later).is_some());
    // Servers that just failed are not asked in front of every client.
    cache.failed(&key, later);
    assert!(matches!(cache.find(&key, later + SECOND), Found::Stale { .. }));
}

#[test]
fn what_many_ask_for_is_fetched_before_its_end_once() {
    let start = now();
    let cache = cache(|cache| cache.prefetch(Prefetch::after(3).within(30 * SECOND)));
    let key = key("www.example", RecordType::A);
    cache.keep(&key, &a_reply("www.example", 100), start);
    let refresh = |after| {
        let Found::Fresh { refresh, .. } = cache.find(&key, start + after * SECOND) else { panic!() };
        refresh
    };
    assert!(![10, 20, 30].map(refresh).contains(&true), "too early");
    assert!(!refresh(91), "after a gap");
    assert!(!refresh(92));
    assert!(refresh(93));
    assert!(!refresh(94), "it is under way");
    assert_eq!(cache.stats().prefetch, 1);
}

#[test]
fn times_can_be_frozen() {
    let (cache, now) = (cache(|cache| cache.keep_ttl(true)), now());
    let key = key("www.example", RecordType::A);
    cache.keep(&key, &a_reply("www.example", 60), now);
    assert_eq!(fresh(cache.find(&key, now + 50 * SECOND)), Some(60));
    assert_eq!(fresh(cache.find(&key, now + 60 * SECOND)), None);
}

#[test]
fn answers_begin_with_another_address_each_time() {
    let name = "www.example";
    let records = [(RecordType::CNAME, 60), (RecordType::A, 60), (RecordType::A, 60), (RecordType::A, 60)];
    let mut three = reply(name, RecordType::A, 0, &records);
    // 192.0.2.1, .2 and .3.
    let length = three.len();
    for (record, octet) in [(2, 1), (1, 2), (0, 3)] {
        three[length - 1 - 16 * record] = octet;
    }
    let (key, now) = (key(name, RecordType::A), now());
    let last_octets = |cache: &Cache| {
        let Found::Fresh { hit, .. } = cache.find(&key, now) else { panic!() };
        let mut out = Vec::new();
        hit.emit(&mut out);
        let records = crate::message::Reply::parse(&out).unwrap().answer_records().unwrap();
        assert_eq!(records[0].kind, RecordType::CNAME, "aliases stay in front");
        records[1..].iter().map(|record| record.data.wire()[3]).collect::<Vec<u8>>()
    };
    let rotating = cache(|cache| cache);
    rotating.keep(&key, &three, now);
    let seen: Vec<Vec<u8>> = (0..4).map(|_| last_octets(&rotating)).collect();
    assert_eq!(seen, [[2, 3, 1], [3, 1, 2], [1, 2, 3], [2, 3, 1]]);
    let still = cache(|cache| cache.rotate(false));
    still.keep(&key, &three, now);
    assert_eq!([last_octets(&still), last_octets(&still)], [[1, 2, 3], [1, 2, 3]]);
}

#[test]
fn entries_and_bytes_are_bounded() {
    let now = now();
    let cache = cache(|cache| cache.capacity(1024, 1024).bytes(4 << 20));
    for n in 0..5000 {
        let name = format!("name-{n}.example");
        cache.keep(&key(&name, RecordType::A), &a_reply(&name, 60), now);
    }
    let stats = cache.stats();
    assert!(stats.success.entries <= 1024 && stats.success.entries > 900, "{stats:?}");
    assert!(stats.success.evictions >= 5000 - 1024);
    // Large ones: bytes count. Each has 64 KB.
    let many = vec![(RecordType::A, 60); 4000];
    for n in 0..500 {
        let name = format!("large-{n}.example");
        let mut large = a_reply(&name, 60);
        large.truncate(large.len() - 16);
        large[6..8].copy_from_slice(&4000_u16.to_be_bytes());
        let body = reply("x", RecordType::A, 0, &many[..1])[19..].to_vec();
        large.extend(many.iter().flat_map(|_| body.clone()));
        assert_eq!(cache.keep(&key(&name, RecordType::A), &large, now), Some(60));
    }
    assert!(cache.stats().bytes <= 4 << 20, "{:?}", cache.stats());
    cache.clear();
    assert_eq!((cache.stats().bytes, cache.stats().success.entries), (0, 0));
}

#[test]
fn what_is_asked_for_stays() {
    let start = now();
    let cache = cache(|cache| cache.capacity(1024, 1024));
    let popular = key("popular.example", RecordType::A);
    cache.keep(&popular, &a_reply("popular.example", 3600), start);
    for n in 0..20_000_u32 {
        let name = format!("name-{n}.example");
        let now = start + Duration::from_millis(n.into());
        cache.keep(&key(&name, RecordType::A), &a_reply(&name, 3600), now);
        assert!(matches!(cache.find(&popular, now), Found::Fresh { .. }), "{n}");
    }
}

#[test]
fn several_threads_answer_side_by_side() {
    let (cache, now) = (cache(|cache| cache), now());
    let names: Vec<String> = (0..100).map(|n| format!("name-{n}.example")).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for name in names.iter().cycle().take(5000) {
                    let key = key(name, RecordType::A);
                    match cache.find(&key, now) {
                        Found::Nothing => drop(cache.keep(&key, &a_reply(name, 60), now)),
                        found => assert_eq!(fresh(found), Some(60)),
                    }
                }
            });
        }
    });
    assert_eq!(cache.stats().success.entries, 100);
}

#[test]
fn bounds_that_cannot_be_are_named() {
    let wrong = |set: fn(CacheConfigBuilder) -> CacheConfigBuilder| {
        set(CacheConfig::builder()).build().unwrap_err().to_string()
    };
    assert_eq!(wrong(|c| c.capacity(10, 9984)), "cache capacity: 10 is not within 1024 or more replies");
    assert_eq!(wrong(|c| c.bytes(10)), "cache bytes: 10 is not within 4194304 (4 MiB) or more");
    assert_eq!(wrong(|c| c.servfail(301 * SECOND)), "cache servfail: 301s is not within 0 to 300 s");
    assert_eq!(
        wrong(|c| c.prefetch(Prefetch::after(1).percent(95))),
        "cache prefetch: 95 % is not within 10 % to 90 %"
    );
}
