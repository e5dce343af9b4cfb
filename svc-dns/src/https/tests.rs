//! Requests that hold a message, and those that do not; how long responses may be kept.

use super::*;
use crate::{Client, Responder, Zone, message::Query};
use svc_model::{Snapshot, yaml};

fn head(method: Method, target: &str, kind: Option<&str>) -> Result<Asked, u16> {
    let mut headers = HeaderMap::new();
    kind.map(|kind| headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap()));
    asked(&method, &target.parse().unwrap(), &headers).map_err(|status| status.as_u16())
}

#[test]
fn requests() {
    let message = |bytes: &[u8]| Ok(Asked::Message(bytes.to_vec()));
    let long = format!("/dns-query?dns={}", "A".repeat(6000));
    let table = [
        // The example of RFC 8484 section 4.1.1, shortened.
        (head(Method::GET, "/dns-query?dns=AAABAAABAAAA", None), message(&[0, 0, 1, 0, 0, 1, 0, 0, 0])),
        (head(Method::GET, "/dns-query?a=b&dns=-_8", None), message(&[0xfb, 0xff])),
        (head(Method::GET, "/dns-query?dns=AAA=", None), Err(400)),
        (head(Method::GET, "/dns-query?dns=+/8", None), Err(400)),
        (head(Method::GET, "/dns-query?name=web", None), Err(400)),
        (head(Method::GET, "/dns-query", None), Err(400)),
        (head(Method::GET, &long, None), Err(414)),
        (head(Method::GET, "/", None), Err(404)),
        (head(Method::POST, "/dns-query", Some("application/dns-message")), Ok(Asked::Body)),
        (head(Method::POST, "/dns-query", Some("Application/DNS-Message; x=y")), Ok(Asked::Body)),
        (head(Method::POST, "/dns-query", Some("application/dns-json")), Err(415)),
        (head(Method::POST, "/dns-query", None), Err(415)),
        (head(Method::PUT, "/dns-query", None), Err(405)),
    ];
    for (index, (read, expected)) in table.into_iter().enumerate() {
        assert_eq!(read, expected, "row {index}");
    }
}

#[test]
fn responses_are_kept_as_long_as_their_records() {
    let snapshot: Snapshot = yaml::read(
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, \
         spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}",
    )
    .stored()
    .0
    .into_iter()
    .collect();
    let zone = Zone::builder("cluster.local").ttl(std::time::Duration::from_secs(30)).build().unwrap();
    let responder = Responder::new(zone, &snapshot);
    for (name, kind, fresh) in [
        ("web.shop.svc.cluster.local", RecordType::A, "max-age=30"),
        ("web.shop.svc.cluster.local", RecordType::AAAA, "max-age=30"),
        ("nobody.shop.svc.cluster.local", RecordType::A, "max-age=30"),
        ("dns-version.cluster.local", RecordType::TXT, "max-age=28800"),
        ("www.example.org", RecordType::A, "max-age=0"),
    ] {
        let mut answer = Vec::new();
        let query = Query::emit(0, &name.parse().unwrap(), kind);
        responder.respond(&query, Client::tcp("10.0.0.1:4000".parse().unwrap()), &mut answer);
        let response = response(answer.clone());
        assert_eq!(response.headers()[CACHE_CONTROL], fresh, "{name}");
        assert_eq!(response.body(), &answer);
    }
}
