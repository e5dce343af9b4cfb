use super::*;
use crate::message::Reply;

const FILE: &str = "
127.0.0.1 localhost
192.0.2.7 Printer.office printer   # upstairs
192.0.2.8 printer.office
2001:db8::7 printer.office
192.0.2.9 *.apps.example
fe80::1%eth0 scoped.office
nonsense here
192.0.2.10
";

fn ask(hosts: &Hosts, name: &str, kind: RecordType) -> Option<(Rcode, Vec<String>)> {
    let message = Query::emit(7, &name.parse().unwrap(), kind);
    let mut out = Vec::new();
    match hosts.respond(&Query::parse(&message).unwrap(), 512, &mut out) {
        Said::Nothing => None,
        Said::Answer => {
            let reply = Reply::parse(&out).unwrap();
            let records = reply.answer_records().unwrap();
            Some((reply.rcode(), records.iter().map(ToString::to_string).collect()))
        }
    }
}

fn records(list: &[&str]) -> Option<(Rcode, Vec<String>)> {
    Some((Rcode::NOERROR, list.iter().map(ToString::to_string).collect()))
}

#[test]
fn names_have_all_their_addresses_and_addresses_their_names() {
    let (hosts, problems) = Hosts::parse(FILE);
    let answer = ask(&hosts, "PRINTER.office", RecordType::A);
    assert_eq!(
        answer,
        records(&["PRINTER.office. 3600 IN A 192.0.2.7", "PRINTER.office. 3600 IN A 192.0.2.8"])
    );
    assert_eq!(
        ask(&hosts, "printer.office", RecordType::AAAA),
        records(&["printer.office. 3600 IN AAAA 2001:db8::7"])
    );
    assert_eq!(
        ask(&hosts, "7.2.0.192.in-addr.arpa", RecordType::PTR),
        records(&[
            "7.2.0.192.in-addr.arpa. 3600 IN PTR Printer.office.",
            "7.2.0.192.in-addr.arpa. 3600 IN PTR printer."
        ])
    );
    assert_eq!(
        ask(&hosts, "scoped.office", RecordType::AAAA),
        records(&["scoped.office. 3600 IN AAAA fe80::1"])
    );
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["line 8: \"nonsense\" is no address", "line 9: 192.0.2.10 has no name"]);
}

#[test]
fn a_name_without_the_type_is_nodata_and_other_names_are_for_others() {
    let (hosts, _) = Hosts::parse(FILE);
    assert_eq!(ask(&hosts, "printer", RecordType::AAAA), records(&[]));
    assert_eq!(ask(&hosts, "printer", RecordType::TXT), records(&[]));
    assert_eq!(ask(&hosts, "other.office", RecordType::A), None);
    assert_eq!(ask(&hosts, "1.1.1.1.in-addr.arpa", RecordType::PTR), None);
}

#[test]
fn without_fallthrough_a_name_that_is_not_there_fails() {
    let (hosts, _) = Hosts::parse(FILE);
    let office: Name = "office".parse().unwrap();
    let hosts = hosts.zones([&office]).fallthrough([]);
    assert_eq!(ask(&hosts, "other.office", RecordType::A), Some((Rcode::SERVFAIL, Vec::new())));
    assert_eq!(ask(&hosts, "other.example", RecordType::A), None, "not its domain");
    let falling = hosts.clone().fallthrough([&office]);
    assert_eq!(ask(&falling, "other.office", RecordType::A), None);
}

#[test]
fn a_star_stands_for_one_label() {
    let (hosts, _) = Hosts::parse(FILE);
    assert_eq!(
        ask(&hosts, "a.apps.example", RecordType::A),
        records(&["a.apps.example. 3600 IN A 192.0.2.9"])
    );
    for name in ["apps.example", "a.b.apps.example"] {
        assert_eq!(ask(&hosts, name, RecordType::A), None, "{name}");
    }
    assert_eq!(ask(&hosts, "9.2.0.192.in-addr.arpa", RecordType::PTR), None);
}

#[test]
fn times_and_reverse_names_can_be_set_and_inline_entries_added() {
    let (hosts, _) = Hosts::parse("192.0.2.7 a.office");
    let (inline, _) = Hosts::parse("192.0.2.8 a.office b.office");
    let hosts = hosts.with(&inline).ttl(Duration::from_secs(9)).reverse(false);
    assert_eq!(
        ask(&hosts, "a.office", RecordType::A),
        records(&["a.office. 9 IN A 192.0.2.7", "a.office. 9 IN A 192.0.2.8"])
    );
    assert_eq!(ask(&hosts, "7.2.0.192.in-addr.arpa", RecordType::PTR), None);
}

#[test]
fn more_addresses_than_fit_are_truncated() {
    let text: String = (1..200).map(|n| format!("192.0.2.{n} many.office\n")).collect();
    let (hosts, _) = Hosts::parse(&text);
    let message = Query::emit(7, &"many.office".parse().unwrap(), RecordType::A);
    let mut out = Vec::new();
    hosts.respond(&Query::parse(&message).unwrap(), 512, &mut out);
    assert!(out.len() <= 512 && Header::parse(&out).unwrap().has(Header::TC));
}
