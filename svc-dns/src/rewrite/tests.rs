use super::*;
use crate::message::{Owner, Rcode, Reply, Section, Writer};

fn message(name: &str, kind: RecordType) -> Vec<u8> {
    Query::emit(7, &name.parse().unwrap(), kind)
}

/// The question that the rules make of one, and the way back.
fn asked(rules: &[Rule], name: &str, kind: RecordType) -> Option<(String, Box<Undo>, Vec<u8>)> {
    let message = message(name, kind);
    match rewrite(rules, &message, &Query::parse(&message).unwrap()) {
        Rewritten::Unchanged => None,
        Rewritten::Wrong => Some(("wrong".to_owned(), Box::new(Undo::new(&[], 0)), Vec::new())),
        Rewritten::To(new, undo) => {
            let parsed = Query::parse(&new).unwrap();
            let question = parsed.question();
            Some((format!("{} {}", question.spelling(), question.kind()), undo, new.clone()))
        }
    }
}

fn name(rules: &[Rule], name: &str) -> Option<String> {
    asked(rules, name, RecordType::A).map(|(asked, ..)| asked.trim_end_matches(" A").to_owned())
}

#[test]
fn names_are_found_and_replaced() {
    let cases = [
        (Matcher::exact("a.example"), "b.example", "A.Example", Some("b.example.")),
        (Matcher::exact("a.example"), "b.example", "x.a.example", None),
        (Matcher::prefix("dev-"), "prod-", "dev-api.example", Some("prod-api.example.")),
        (
            Matcher::suffix(".shop.example"),
            ".shop.svc.cluster.local.",
            "web.shop.example",
            Some("web.shop.svc.cluster.local."),
        ),
        (Matcher::suffix(".shop.example."), ".example", "shop.example", None),
        (Matcher::substring("us-west-1"), "eu-1", "a.us-west-1.example", Some("a.eu-1.example.")),
        (
            Matcher::regex(r"(.*)-(us-west-1)\.example\.org"),
            "{1}.service.{2}.consul",
            "ftp-us-west-1.example.org",
            Some("ftp.service.us-west-1.consul."),
        ),
        (Matcher::regex(r"^x(\d+)\."), "{1}.num", "y1.example", None),
        (Matcher::exact("a.example"), "a..b", "a.example", Some("wrong")),
    ];
    for (matcher, to, asked, expected) in cases {
        let rule = Rule::name(matcher, to).unwrap();
        assert_eq!(name(std::slice::from_ref(&rule), asked).as_deref(), expected, "{rule} {asked}");
    }
}

#[test]
fn the_first_rule_that_matches_is_the_last_unless_it_goes_on() {
    let first = || Rule::name(Matcher::exact("a.example"), "b.example").unwrap();
    let second = || Rule::name(Matcher::exact("b.example"), "c.example").unwrap();
    assert_eq!(name(&[first(), second()], "a.example").as_deref(), Some("b.example."));
    assert_eq!(name(&[first().and_go_on(), second()], "a.example").as_deref(), Some("c.example."));
}

#[test]
fn types_and_classes_are_replaced() {
    let rules = [Rule::kind(RecordType::ANY, RecordType::HINFO)];
    assert_eq!(asked(&rules, "a.example", RecordType::ANY).unwrap().0, "a.example. HINFO");
    assert!(asked(&rules, "a.example", RecordType::A).is_none());
    let chaos = Rule::class(Class::IN, Class::new(3));
    let (.., new) = asked(&[chaos], "a.example", RecordType::A).unwrap();
    assert_eq!(Query::parse(&new).unwrap().question().class(), Class::new(3));
}

/// The server's answer to the rewritten question: an alias and an address, both compressed.
fn answer(new: &[u8]) -> Vec<u8> {
    let query = Query::parse(new).unwrap();
    let mut out = Vec::new();
    let mut writer = Writer::reply(&query, 512, &mut out);
    let target: Name = "host.shop.svc.cluster.local".parse().unwrap();
    let at = writer
        .record(Section::Answer, Owner::QUESTION, RecordType::CNAME, 50, |out| {
            out.extend_from_slice(target.wire());
        })
        .unwrap();
    writer.record(Section::Answer, Owner::At(at), RecordType::A, 60, |out| out.extend([192, 0, 2, 1]));
    writer.finish(Rcode::NOERROR);
    out
}

fn seen(rules: &[Rule], name: &str) -> (String, Vec<String>) {
    let (_, undo, new) = asked(rules, name, RecordType::A).unwrap();
    let mut out = answer(&new);
    undo.apply(512, &mut out);
    let reply = Reply::parse(&out).unwrap();
    assert_eq!(reply.header().id, 7);
    let records = reply.answer_records().unwrap();
    (reply.question().spelling().to_string(), records.iter().map(ToString::to_string).collect())
}

#[test]
fn the_client_sees_its_own_question_and_records_about_it() {
    let rule = Rule::name(Matcher::suffix(".shop.example"), ".shop.svc.cluster.local").unwrap();
    let (question, records) = seen(&[rule], "Web.shop.example");
    assert_eq!(question, "Web.shop.example.");
    assert_eq!(
        records,
        [
            "Web.shop.example. 50 IN CNAME host.shop.svc.cluster.local.",
            "host.shop.svc.cluster.local. 60 IN A 192.0.2.1"
        ]
    );
}

#[test]
fn names_in_the_answer_can_be_rewritten_too() {
    let rule = || Rule::name(Matcher::suffix(".shop.example"), ".shop.svc.cluster.local").unwrap();
    let expected =
        ["web.shop.example. 50 IN CNAME host.shop.example.", "host.shop.example. 60 IN A 192.0.2.1"];
    assert_eq!(seen(&[rule().answer_auto()], "web.shop.example").1, expected);
    let pattern = r"(.*)\.shop\.svc\.cluster\.local";
    let by_hand = rule()
        .answer_name(pattern, "{1}.shop.example")
        .and_then(|rule| rule.answer_value(pattern, "{1}.shop.example"))
        .unwrap();
    assert_eq!(seen(&[by_hand], "web.shop.example").1, expected);
}

#[test]
fn times_are_kept_within_bounds() {
    let rule = Rule::ttl(Matcher::suffix("example"), 55, 58).unwrap();
    let (question, records) = seen(&[rule], "web.shop.example");
    assert_eq!(question, "web.shop.example.");
    assert!(records[0].starts_with("web.shop.example. 55 ") && records[1].contains(" 58 "), "{records:?}");
}

#[test]
fn an_answer_that_cannot_be_read_is_a_failure() {
    let rule = Rule::name(Matcher::exact("a.example"), "b.example").unwrap();
    let (_, undo, new) = asked(&[rule], "a.example", RecordType::A).unwrap();
    let mut out = answer(&new);
    out.truncate(out.len() - 1);
    undo.apply(512, &mut out);
    assert_eq!(Reply::parse(&out).unwrap().rcode(), Rcode::SERVFAIL);
}

#[test]
fn what_does_not_fit_after_rewriting_is_truncated_and_opt_stays() {
    let long = format!("{}.example", "a".repeat(60));
    let rule = Rule::name(Matcher::exact(&long), "b.example").unwrap();
    let (_, undo, new) = asked(&[rule], &long, RecordType::A).unwrap();
    let mut out = answer(&new);
    out[11] = 1;
    crate::message::Edns::new(1232, false).emit(Rcode::NOERROR, &mut out);
    undo.apply(140, &mut out);
    let header = Header::parse(&out).unwrap();
    assert!(out.len() <= 140 && header.has(Header::TC));
    assert_eq!(header.counts, [1, 1, 0, 1]);
}

#[test]
fn expressions_that_are_none_or_too_large_are_named() {
    let wrong = Rule::name(Matcher::regex("(.*"), "x").unwrap_err().to_string();
    assert!(wrong.starts_with("regular expression \"(.*\": "), "{wrong}");
    let large = Rule::name(Matcher::regex(&format!("({})", r"\w{200}".repeat(200))), "x").unwrap_err();
    assert!(large.to_string().contains("size"), "{large}");
}
