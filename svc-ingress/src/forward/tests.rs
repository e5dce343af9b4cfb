use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Client, ToBackend, to_client, upgrade};

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    fields.iter().map(field).for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}

fn client() -> Client<'static> {
    Client::new("192.0.2.7", true, 443, "shop.example")
}

fn to_backend(headers: &HeaderMap, upgrade: Option<&HeaderValue>) -> HeaderMap {
    ToBackend::new(headers, client(), upgrade, "0123").to_map()
}

#[test]
fn what_belongs_to_one_connection_stays_there() {
    let fields = headers(&[
        ("connection", "close, X-Secret, authorization, x-forwarded-for"),
        ("x-secret", "1"),
        ("keep-alive", "5"),
        ("proxy-connection", "x"),
        ("proxy-authorization", "x"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("proxy", "http://evil"),
        ("x_forwarded_for", "1.2.3.4"),
        ("ssl-client-verify", "SUCCESS"),
        ("authorization", "Basic x"),
        ("accept", "*/*"),
    ]);
    let fields = to_backend(&fields, None);
    let mut names: Vec<_> =
        fields.keys().map(HeaderName::as_str).filter(|name| !name.starts_with("x-")).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization"]);
}

#[test]
fn the_backend_hears_of_the_client_from_the_router_only() {
    let fields = headers(&[
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "5.6.7.8"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-host", "evil"),
        ("x-real-ip", "1.2.3.4"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ]);
    let fields = to_backend(&fields, None);
    let rows = [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-real-ip", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-scheme", "https"),
        ("x-scheme", "https"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-host", "shop.example"),
        ("x-original-forwarded-for", "1.2.3.4, 5.6.7.8"),
        ("x-original-forwarded-host", "evil"),
        ("cookie", "a=1; b=2"),
        ("x-request-id", "0123"),
    ];
    for (name, value) in rows {
        let values: Vec<_> = fields.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
}

#[test]
fn a_request_keeps_the_name_that_it_brings() {
    let fields = to_backend(&headers(&[("x-request-id", "mine"), ("connection", "x-request-id")]), None);
    assert_eq!(fields.get_all("x-request-id").iter().collect::<Vec<_>>(), ["mine"]);
    for (brought, name) in [(&["", "mine"][..], "mine"), (&["mine", "other"], "mine"), (&[""], "0123")] {
        let brought: Vec<_> = brought.iter().map(|name| ("x-request-id", *name)).collect();
        let fields = to_backend(&headers(&brought), None);
        assert_eq!(fields.get_all("x-request-id").iter().collect::<Vec<_>>(), [name], "{brought:?}");
    }
}

#[test]
fn ports_are_written_in_decimal() {
    for port in [0, 7, 10, 443, 8080, u16::MAX] {
        let told = Client::new("::1", false, port, "a");
        let fields = ToBackend::new(&HeaderMap::new(), told, None, "").to_map();
        assert_eq!(fields["x-forwarded-port"], port.to_string());
    }
}

#[test]
fn an_upgrade_is_asked_for_by_both_fields() {
    assert_eq!(upgrade(&headers(&[("upgrade", "websocket")])), None);
    assert_eq!(upgrade(&headers(&[("connection", "upgrade")])), None);
    let asked = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
    let token = upgrade(&asked).unwrap();
    let fields = to_backend(&asked, Some(&token));
    assert_eq!(
        (&fields["connection"], &fields["upgrade"]),
        (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
    );
}

#[test]
fn replies_name_no_server_and_keep_to_https() {
    let own = ("strict-transport-security", "max-age=1");
    let sent = [("server", "x"), ("connection", "x-hop"), ("x-hop", "1"), ("etag", "e"), own];
    let mut fields = headers(&sent);
    to_client(&mut fields, true);
    assert_eq!(fields.len(), 2);
    let all: Vec<_> = fields.get_all("strict-transport-security").iter().collect();
    assert_eq!(all, ["max-age=31536000; includeSubDomains"], "the router's, not the backend's");
    // Over plain HTTP, or without a certificate, it says nothing of its own.
    let mut fields = headers(&[("etag", "e")]);
    to_client(&mut fields, false);
    assert_eq!(fields.len(), 1);
}
