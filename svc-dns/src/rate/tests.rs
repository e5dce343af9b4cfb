//! Limits by network, name and code; time is given.

use super::*;

fn client(address: &str) -> Client {
    Client::udp(format!("{address}:4000").parse().unwrap())
}

fn asked(name: &str) -> Vec<u8> {
    Query::emit(7, &name.parse().unwrap(), RecordType::A)
}

/// An answer with this code and so many records in its header.
fn answer(query: &[u8], rcode: Rcode, records: u16) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..4].copy_from_slice(&(Header::QR | rcode.number()).to_be_bytes());
    answer[6..8].copy_from_slice(&records.to_be_bytes());
    answer
}

struct Bench {
    limiter: Limiter,
    now: Instant,
}

impl Bench {
    fn new(limit: RateLimit) -> Self {
        let now = tokio::time::Instant::now().into_std();
        Self { limiter: Limiter::new(limit.build().unwrap(), now), now }
    }

    /// `whole`, `cut` or nothing.
    fn ask(&self, from: &str, name: &str, rcode: Rcode, records: u16) -> &'static str {
        let query = asked(name);
        let whole = answer(&query, rcode, records);
        let mut given = whole.clone();
        match self.limiter.check(&query, client(from), self.now, &mut given) {
            Verdict::Drop => "",
            Verdict::Pass if given == whole => "whole",
            Verdict::Pass => "cut",
        }
    }

    /// How many of so many are given whole.
    fn whole(&self, count: usize, from: &str, name: &str, rcode: Rcode, records: u16) -> usize {
        (0..count).filter(|_| self.ask(from, name, rcode, records) == "whole").count()
    }
}

#[test]
fn a_network_gets_so_many_of_the_same_answer_in_a_second() {
    let bench = Bench::new(RateLimit::per_second(10));
    let ok = Rcode::NOERROR;
    // Table: from, name, how many pass of 50.
    for (from, name, pass) in [
        ("192.0.2.1", "a.example", 10),
        ("192.0.2.99", "a.example", 0),
        ("192.0.2.99", "A.EXAMPLE", 0),
        ("192.0.2.1", "b.example", 10),
        ("192.0.3.1", "a.example", 10),
        ("[2001:db8:0:1::1]", "a.example", 10),
        ("[2001:db8:0:ff::1]", "a.example", 0),
        ("[2001:db8:0:1ff::1]", "a.example", 10),
    ] {
        assert_eq!(bench.whole(50, from, name, ok, 1), pass, "{from} {name}");
    }
}

#[test]
fn codes_are_counted_apart() {
    let bench = Bench::new(RateLimit::per_second(10).nodata(4).nxdomains(3).errors(2));
    let from = "192.0.2.1";
    assert_eq!(bench.whole(20, from, "a.example", Rcode::NOERROR, 1), 10);
    assert_eq!(bench.whole(20, from, "a.example", Rcode::NOERROR, 0), 4);
    // All names together: a flood of random names has no two alike.
    let absent = (0..20).filter(|n| bench.ask(from, &format!("x{n}.example"), Rcode::NXDOMAIN, 0) == "whole");
    assert_eq!(absent.count(), 3);
    assert_eq!(bench.whole(20, from, "a.example", Rcode::REFUSED, 0), 2);
    assert_eq!(Bench::new(RateLimit::per_second(0).errors(2)).whole(90, from, "a.b", Rcode::NOERROR, 1), 90);
}

#[test]
fn one_of_several_slips_truncated() {
    for (slip, cut) in [(0, 0), (1, 90), (2, 45), (3, 30)] {
        let bench = Bench::new(RateLimit::per_second(10).slip(slip));
        let given = (0..100).filter(|_| bench.ask("192.0.2.1", "a.b", Rcode::NOERROR, 1) == "cut").count();
        assert_eq!((given, bench.limiter.exceeded()), (cut, 90), "slip {slip}");
    }
    let query = asked("a.b");
    let mut cut = answer(&query, Rcode::NOERROR, 1);
    assert!(truncate(&query, &mut cut));
    let header = Header::parse(&cut).unwrap();
    assert_eq!((header.id, header.counts, header.has(Header::TC)), (7, [1, 0, 0, 0], true));
}

#[test]
fn who_is_quiet_gets_answers_again() {
    let mut bench = Bench::new(RateLimit::per_second(10).window(Duration::from_secs(5)));
    let whole = |bench: &Bench, count| bench.whole(count, "192.0.2.1", "a.b", Rcode::NOERROR, 1);
    assert_eq!(whole(&bench, 10), 10);
    bench.now += Duration::from_millis(500);
    assert_eq!(whole(&bench, 10), 5, "half a second's tokens");
    // Ten thousand more: in debt, but no longer than the window.
    assert_eq!(whole(&bench, 10_000), 0);
    bench.now += Duration::from_secs(4);
    assert_eq!(whole(&bench, 1), 0);
    bench.now += Duration::from_secs(6);
    assert_eq!(whole(&bench, 20), 10);
}

#[test]
fn streams_exempt_networks_and_other_zones_are_not_limited() {
    let zones: Vec<Name> = vec!["example".parse().unwrap()];
    let limit = RateLimit::per_second(1).exempt("10.0.0.0/8".parse().unwrap()).zones(&zones);
    let bench = Bench::new(limit);
    assert_eq!(bench.whole(9, "10.1.2.3", "a.example", Rcode::NOERROR, 1), 9);
    assert_eq!(bench.whole(9, "192.0.2.1", "a.other", Rcode::NOERROR, 1), 9);
    assert_eq!(bench.whole(9, "192.0.2.1", "a.example", Rcode::NOERROR, 1), 1);
    let query = asked("a.example");
    let stream = Client::tcp("192.0.2.1:4000".parse().unwrap());
    let pass = |_| bench.limiter.check(&query, stream, bench.now, &mut answer(&query, Rcode::NOERROR, 1));
    assert!((0..9).map(pass).all(|verdict| verdict == Verdict::Pass));
    let reporting = Bench::new(RateLimit::per_second(1).report_only(true));
    assert_eq!(reporting.whole(9, "192.0.2.1", "a.b", Rcode::NOERROR, 1), 9);
    assert_eq!(reporting.limiter.exceeded(), 8);
}

#[test]
fn a_table_that_is_full_stays_as_large_and_goes_on_limiting() {
    let bench = Bench::new(RateLimit::per_second(5).table_size(64));
    assert_eq!(bench.limiter.entries.len(), 64);
    for n in 0..10_000_u32 {
        bench.ask(&std::net::Ipv4Addr::from_bits(n << 8).to_string(), "a.b", Rcode::NOERROR, 1);
    }
    assert_eq!(bench.limiter.entries.len(), 64);
    // The network that asks most is not the one that is forgotten.
    assert_eq!(bench.whole(100, "203.0.113.1", "a.b", Rcode::NOERROR, 1), 5);
}

#[test]
fn any_bytes_are_counted() {
    let bench = Bench::new(RateLimit::per_second(1));
    for query in [&[][..], &[0; 12], &[0xff; 40], &[63; 300]] {
        let mut answer = vec![0; 12];
        bench.limiter.check(query, client("192.0.2.1"), bench.now, &mut answer);
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    for (limit, told) in [
        (
            RateLimit::per_second(1).prefixes(33, 56),
            "prefixes: 33 and 56 is not within 0 to 32 and 0 to 128 bits",
        ),
        (RateLimit::per_second(1).table_size(0), "table_size: 0 is not within 1 to 16777216 entries"),
        (
            RateLimit::per_second(1).window(Duration::from_secs(4000)),
            "window: 4000s is not within 0 to 3600 s",
        ),
    ] {
        assert_eq!(limit.build().unwrap_err().to_string(), told);
    }
}
