use super::*;

#[test]
fn stub_domains_and_upstreams_are_read() {
    let config = KubeDns::parse(
        Some(" { \"Corp.example\" : [ \"10.1.0.53\" , \"[2001:db8::53]:5353\" ] , \"b.example\": [] } "),
        Some("[\"8.8.8.8\",\"8.8.4.4\"]\n"),
    )
    .unwrap();
    assert_eq!(config.stubs().len(), 2);
    assert_eq!(config.stubs()[0].1[1].to_string(), "[2001:db8::53]:5353");
    let forwarder = config.forwarder().build().unwrap();
    let servers = |name: &str| forwarder.servers(&name.parse().unwrap()).len();
    assert_eq!([servers("a.corp.example"), servers("b.example"), servers("c.example")], [2, 0, 2]);
    assert_eq!(KubeDns::parse(None, None).unwrap(), KubeDns::default());
}

#[test]
fn what_cannot_be_is_named() {
    for (stubs, upstreams, part) in [
        (Some("[]"), None, "stubDomains"),
        (Some("{\"a.example\": \"10.1.0.53\"}"), None, "stubDomains"),
        (Some("{\"a..b\": [\"10.1.0.53\"]}"), None, "a..b"),
        (Some("{\"a.example\": [\"x\"]}"), None, "\"x\""),
        (Some("{\"a.example\": [\"1.1.1.1\"]} x"), None, "stubDomains"),
        (None, Some("{}"), "upstreamNameservers"),
        (None, Some("[[[[[[[[\"1.1.1.1\"]]]]]]]]"), "upstreamNameservers"),
        (None, Some("[\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\",\"1.1.1.4\"]"), "4 is not within"),
    ] {
        let error = KubeDns::parse(stubs, upstreams).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
