use http::{HeaderMap, HeaderValue, StatusCode};

use super::{keep, status, wanted};
use crate::annotation::{PREFIX, Policies};
use crate::config::IngressConfig;

fn policies(annotations: &[(&str, &str)]) -> Policies {
    let annotations = annotations.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned()));
    let (policies, problems) = Policies::parse(&annotations.collect(), "shop", &IngressConfig::default());
    assert_eq!(problems, []);
    policies
}

#[test]
fn replies_of_backends_and_failures_are_replaced_and_what_the_router_refuses_is_not() {
    let listed = policies(&[("custom-http-errors", "401, 403,404,413,429,502,503")]);
    let pages = listed.error_pages().unwrap();
    let rows =
        [(404, true, true), (401, true, true), (500, true, false), (502, false, true), (503, false, true)];
    let refused = [401, 403, 404, 413, 429].map(|code| (code, false, false));
    for (code, of_backend, expected) in rows.into_iter().chain(refused) {
        let code = StatusCode::from_u16(code).unwrap();
        assert_eq!(wanted(pages, code, of_backend, false), expected, "{code} {of_backend}");
    }
    let spared = policies(&[("custom-http-errors", "404,502"), ("disable-proxy-intercept-errors", "true")]);
    let spared = spared.error_pages().unwrap();
    assert!(!wanted(spared, StatusCode::NOT_FOUND, true, false));
    assert!(wanted(spared, StatusCode::BAD_GATEWAY, false, false));
    let unserved = policies(&[("default-backend", "pages")]);
    assert!(wanted(unserved.error_pages().unwrap(), StatusCode::SERVICE_UNAVAILABLE, false, true));
    assert!(!wanted(unserved.error_pages().unwrap(), StatusCode::SERVICE_UNAVAILABLE, false, false));
}

#[test]
fn no_page_makes_a_success_of_a_denial() {
    for denial in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        assert_eq!(status(denial, StatusCode::OK), denial);
    }
    assert_eq!(status(StatusCode::NOT_FOUND, StatusCode::OK), StatusCode::OK);
    let replaced =
        HeaderMap::from_iter([(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))]);
    let mut page = HeaderMap::new();
    keep(&replaced, &mut page);
    assert_eq!(page, replaced);
}
