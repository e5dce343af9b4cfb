use super::*;
use crate::message::Reply;

fn ask(template: &Template, name: &str, kind: RecordType) -> Option<(Rcode, Vec<String>)> {
    let message = Query::emit(7, &name.parse().unwrap(), kind);
    let query = Query::parse(&message).unwrap();
    let text = query.question().spelling().to_lowercase().to_string();
    let asked = Asked { name: &text, client: [192, 0, 2, 9].into(), limit: 512 };
    let mut out = Vec::new();
    match template.respond(&asked, &query, &mut out) {
        Said::Nothing => None,
        Said::Answer => {
            let end = Reply::parse(&out).unwrap().question().end();
            let records = crate::message::all_records(&out, end).unwrap();
            let text =
                |(section, record): &(Section, crate::message::Record)| format!("{section:?} {record}");
            Some((Reply::parse(&out).unwrap().rcode(), records.iter().map(text).collect()))
        }
    }
}

#[test]
fn no_ipv6_is_one_line() {
    let template = Template::new(Some(RecordType::AAAA));
    assert_eq!(ask(&template, "www.example", RecordType::AAAA), Some((Rcode::NOERROR, Vec::new())));
    assert_eq!(ask(&template, "www.example", RecordType::A), None);
}

#[test]
fn records_are_made_of_what_was_matched() {
    let template = Template::new(Some(RecordType::A))
        .zones([&"example".parse().unwrap()])
        .matching(r"^ip-(?P<a>\d+)-(?P<b>\d+)-(\d+)-(\d+)[.]example[.]$")
        .and_then(|template| {
            template.answer(
                "{{ .Name }} 60 IN A {{ .Group.a }}.{{.Group.b}}.{{ index .Match 3 }}.{{ index .Match 4 }}",
            )
        })
        .and_then(|template| {
            template.line(
                Section::Authority,
                "{{ .Zone }} 300 IN SOA ns.{{ .Zone }} admin.{{ .Zone }} (1 60 120 86400 3600)",
            )
        })
        .and_then(|template| {
            template.line(Section::Additional, "client.{{ .Zone }} 5 TXT \"{{ .Remote }} {{ .Type }}\"")
        })
        .unwrap();
    let (rcode, records) = ask(&template, "IP-192-0-2-33.example", RecordType::A).unwrap();
    assert_eq!(rcode, Rcode::NOERROR);
    assert_eq!(records[0], "Answer ip-192-0-2-33.example. 60 IN A 192.0.2.33");
    assert!(records[1].starts_with("Authority example. 300 IN SOA"), "{records:?}");
    assert!(records[2].starts_with("Additional client.example. 5 IN TXT"), "{records:?}");
    // Four numbers that are no address: the template made none of it.
    assert_eq!(ask(&template, "ip-999-0-2-33.example", RecordType::A).unwrap().0, Rcode::SERVFAIL);
}

#[test]
fn without_a_match_it_fails_or_is_for_others() {
    let template = Template::new(None).matching("^nope").unwrap().rcode(Rcode::NXDOMAIN);
    assert_eq!(ask(&template, "www.example", RecordType::A).unwrap().0, Rcode::SERVFAIL);
    let falling = template.fallthrough([&Name::root()]);
    assert_eq!(ask(&falling, "www.example", RecordType::A), None);
    assert_eq!(ask(&falling, "nope.example", RecordType::A).unwrap().0, Rcode::NXDOMAIN);
}

#[test]
fn what_would_need_a_program_is_named() {
    let error =
        Template::new(None).answer("{{ .Name }} 60 IN A 10.0.0.{{ parseInt .Group.b 16 8 }}").unwrap_err();
    assert!(error.to_string().contains("parseInt"), "{error}");
}

#[test]
fn records_of_every_kind_are_read() {
    for (line, expected) in [
        ("a. 60 IN MX 10 mail.example.", "a. 60 IN MX \\# 16 000a046d61696c076578616d706c6500"),
        ("a. SRV 0 5 80 b.example.", "a. 3600 IN SRV 0 5 80 b.example."),
        ("a. 5 CNAME b", "a. 5 IN CNAME b."),
        ("a. 5 IN AAAA 2001:db8::1", "a. 5 IN AAAA 2001:db8::1"),
    ] {
        let template = Template::new(None).answer(line).unwrap();
        let (_, records) = ask(&template, "x", RecordType::A).unwrap();
        assert_eq!(records, [format!("Answer {expected}")]);
    }
    for line in ["", "a.", "a. 5 IN", "a. 5 IN A", "a. 5 IN A x", "a. 5 IN NAPTR x", "a..b 5 IN A 1.1.1.1"] {
        assert!(Line::parse(line).is_err(), "{line}");
    }
}
