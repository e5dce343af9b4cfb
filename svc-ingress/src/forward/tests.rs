use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Client, to_backend, to_client, upgrade};

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
    Client::new("192.0.2.7".parse().unwrap(), true, 443, "shop.example")
}

#[test]
fn what_belongs_to_one_connection_stays_there() {
    let mut fields = headers(&[
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
    to_backend(&mut fields, client(), None);
    let mut names: Vec<_> =
        fields.keys().map(HeaderName::as_str).filter(|name| !name.starts_with("x-")).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization"]);
}

#[test]
fn the_backend_hears_of_the_client_from_the_router_only() {
    let mut fields = headers(&[
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "5.6.7.8"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-host", "evil"),
        ("x-real-ip", "1.2.3.4"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ]);
    to_backend(&mut fields, client(), None);
    let rows = [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-real-ip", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-scheme", "https"),
        ("x-scheme", "https"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-host", "shop.example"),
        ("x-original-forwarded-for", "1.2.3.4"),
        ("x-original-forwarded-host", "evil"),
        ("cookie", "a=1; b=2"),
    ];
    for (name, value) in rows {
        let values: Vec<_> = fields.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
}

#[test]
fn an_upgrade_is_asked_for_by_both_fields() {
    assert_eq!(upgrade(&headers(&[("upgrade", "websocket")])), None);
    assert_eq!(upgrade(&headers(&[("connection", "upgrade")])), None);
    let asked = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
    let token = upgrade(&asked).unwrap();
    let mut fields = asked;
    to_backend(&mut fields, client(), Some(token));
    assert_eq!(
        (&fields["connection"], &fields["upgrade"]),
        (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
    );
}

#[test]
fn replies_name_no_server_and_keep_to_https() {
    let mut fields = headers(&[("server", "x"), ("connection", "x-hop"), ("x-hop", "1"), ("etag", "e")]);
    to_client(&mut fields, true);
    assert_eq!(fields.len(), 2);
    assert_eq!(fields["strict-transport-security"], "max-age=31536000; includeSubDomains");
}
