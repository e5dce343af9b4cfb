use http::request::Parts;
use http::{Request, StatusCode, Version};

use super::check;

fn parts(method: &str, target: &str, version: Version, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target).version(version);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn requests_for_one_host_pass() {
    let rows = [
        ("GET", "/", Version::HTTP_11, vec![("host", "Shop.Example:8080")]),
        ("GET", "http://shop.example:8080/", Version::HTTP_11, vec![("host", "shop.example:8080")]),
        ("POST", "/", Version::HTTP_11, vec![("host", "shop.example"), ("transfer-encoding", "Chunked")]),
        ("GET", "https://shop.example/", Version::HTTP_2, vec![]),
        ("GET", "https://shop.example/", Version::HTTP_2, vec![("host", "shop.example")]),
    ];
    for (method, target, version, headers) in rows {
        let authority = check(&parts(method, target, version, &headers));
        assert_eq!(
            authority.map(|a| a.host().to_owned()),
            Ok("shop.example".to_owned()),
            "{target} {headers:?}"
        );
    }
}

#[test]
fn what_may_be_read_in_two_ways_is_refused() {
    let host = ("host", "a");
    let rows = [
        ("GET", "/", vec![], 400),
        ("GET", "/", vec![host, host], 400),
        ("GET", "/", vec![host, ("host", "b")], 400),
        ("GET", "/", vec![("host", "")], 400),
        ("GET", "/", vec![("host", "a/x")], 400),
        ("GET", "/", vec![("host", "user@a")], 400),
        ("GET", "http://b/", vec![host], 400),
        ("GET", "http://a/", vec![], 400),
        ("GET", "/", vec![host, ("transfer-encoding", "gzip, chunked")], 501),
        ("GET", "/", vec![host, ("transfer-encoding", "chunked, chunked")], 501),
        ("GET", "/", vec![host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], 501),
        ("GET", "/", vec![host, ("transfer-encoding", "identity")], 501),
        ("CONNECT", "a:443", vec![host], 405),
        ("TRACE", "/", vec![host], 405),
    ];
    for (method, target, headers, status) in rows {
        let refused = check(&parts(method, target, Version::HTTP_11, &headers)).unwrap_err();
        assert_eq!(refused.as_u16(), status, "{method} {target} {headers:?}");
    }
}

#[test]
fn http_2_names_its_host_once() {
    let differs = parts("GET", "https://a/", Version::HTTP_2, &[("host", "b")]);
    assert_eq!(check(&differs).unwrap_err(), StatusCode::BAD_REQUEST);
}

#[test]
fn long_targets_and_fields_are_refused() {
    let target = format!("/{}", "x".repeat(9000));
    let refused = check(&parts("GET", &target, Version::HTTP_11, &[("host", "a")])).unwrap_err();
    assert_eq!(refused, StatusCode::URI_TOO_LONG);
    let value = "x".repeat(9000);
    let refused =
        check(&parts("GET", "/", Version::HTTP_11, &[("host", "a"), ("cookie", &value)])).unwrap_err();
    assert_eq!(refused, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
