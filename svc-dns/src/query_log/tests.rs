//! Which queries are logged, and how a line looks.

use super::*;

fn asked(name: &str) -> Vec<u8> {
    Query::emit(29_008, &name.parse().unwrap(), RecordType::A)
}

fn answer(query: &[u8], rcode: Rcode, records: u16) -> Vec<u8> {
    let mut answer = query.to_vec();
    let flags = Header::QR | Header::AA | Header::RD | rcode.number();
    answer[2..4].copy_from_slice(&flags.to_be_bytes());
    answer[6..8].copy_from_slice(&records.to_be_bytes());
    answer
}

const CLIENT: &str = "[::ffff:10.244.1.7]:40000";

fn note(log: &LogSender, name: &str, rcode: Rcode, records: u16) {
    let query = asked(name);
    let answer = answer(&query, rcode, records);
    log.note(&query, Client::udp(CLIENT.parse().unwrap()), &answer, || Duration::from_micros(21));
}

fn logged(log: QueryLog) -> Vec<String> {
    let (sender, mut events) = log.channel();
    for (name, rcode, records) in [
        ("web.example", Rcode::NOERROR, 1),
        ("nodata.example", Rcode::NOERROR, 0),
        ("absent.Example", Rcode::NXDOMAIN, 0),
        ("failed.example", Rcode::SERVFAIL, 0),
        ("web.other", Rcode::NOERROR, 1),
        ("refused.other", Rcode::REFUSED, 0),
    ] {
        note(&sender, name, rcode, records);
    }
    drop(sender);
    std::iter::from_fn(|| events.blocking_next()).map(|event| event.name.to_string()).collect()
}

#[test]
fn classes_and_domains_choose() {
    use LogClass::{Denial, Error, Success};
    let example: Name = "example".parse().unwrap();
    let new = QueryLog::new;
    assert!(logged(new()).is_empty());
    assert_eq!(logged(new().rule([], [])).len(), 6);
    assert_eq!(logged(new().rule([], [Success])), ["web.example.", "web.other."]);
    assert_eq!(logged(new().rule([], [Denial])), ["nodata.example.", "absent.Example."]);
    assert_eq!(logged(new().rule([&example], [Error])), ["failed.example."]);
    let both = new().rule([&example], [Denial]).rule([], [Error]);
    assert_eq!(logged(both), ["nodata.example.", "absent.Example.", "failed.example.", "refused.other."]);
}

#[test]
fn one_of_several_is_logged() {
    assert_eq!(logged(QueryLog::new().rule([], []).sample(3)), ["web.example.", "failed.example."]);
}

#[test]
fn a_line_is_that_of_coredns() {
    let (sender, mut events) = QueryLog::new().rule([], []).channel();
    note(&sender, "Web.shop.svc.cluster.local", Rcode::NOERROR, 1);
    assert_eq!(
        events.blocking_next().unwrap().to_string(),
        "10.244.1.7:40000 - 29008 \"A IN Web.shop.svc.cluster.local. udp 44 false 512\" NOERROR qr,aa,rd 44 0.000021000s"
    );
}

#[test]
fn what_nobody_reads_is_lost_and_counted() {
    let (sender, mut events) = QueryLog::new().rule([], []).channel();
    for _ in 0..WAITING + 10 {
        note(&sender, "web.example", Rcode::NOERROR, 1);
    }
    assert_eq!(events.lost(), 10);
    assert!(events.blocking_next().is_some());
}
