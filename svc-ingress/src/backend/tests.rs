use super::*;

#[test]
fn protocols_are_read_as_ingress_nginx_writes_them() {
    use BackendProtocol::{Grpc, Grpcs, Http, Https};
    let rows = [
        ("HTTP", Ok(Http)),
        ("http", Ok(Http)),
        ("AUTO_HTTP", Ok(Http)),
        ("HTTPS", Ok(Https)),
        ("GRPC", Ok(Grpc)),
        ("grpcs", Ok(Grpcs)),
        ("FCGI", Err(())),
        ("AJP", Err(())),
        ("", Err(())),
    ];
    for (text, expected) in rows {
        assert_eq!(text.parse::<BackendProtocol>().map_err(|_| ()), expected, "{text}");
    }
    let kinds = [(Http, false, false), (Https, true, false), (Grpc, false, true), (Grpcs, true, true)];
    for (protocol, secure, http2) in kinds {
        assert_eq!((protocol.is_secure(), protocol.is_http2()), (secure, http2), "{protocol:?}");
    }
}

#[test]
fn conditions_print_as_they_are_read() {
    for text in ["error timeout", "off", "error invalid_header http_429 http_503 non_idempotent", "timeout"] {
        assert_eq!(text.parse::<NextUpstream>().unwrap().to_string(), text);
    }
    assert_eq!("error off".parse::<NextUpstream>().unwrap().to_string(), "off");
    assert!("error http_200".parse::<NextUpstream>().is_err());
}

#[test]
fn another_endpoint_is_asked_only_where_the_words_say_so() {
    let rows = [
        // words, cause, method, sent, allowed
        ("error timeout", Cause::Error, "GET", true, true),
        ("error timeout", Cause::Error, "PUT", true, true),
        ("error timeout", Cause::Error, "POST", false, true),
        ("error timeout", Cause::Error, "POST", true, false),
        ("error timeout", Cause::Timeout, "PATCH", true, false),
        ("error timeout", Cause::Timeout, "LOCK", true, false),
        ("error timeout", Cause::InvalidHeader, "GET", true, false),
        ("error timeout", Cause::Status(502), "GET", true, false),
        ("error timeout non_idempotent", Cause::Error, "POST", true, true),
        ("http_502", Cause::Status(502), "GET", true, true),
        ("http_502", Cause::Status(503), "GET", true, false),
        ("http_502", Cause::Error, "GET", false, false),
        ("invalid_header", Cause::InvalidHeader, "GET", true, true),
        ("off", Cause::Error, "GET", false, false),
    ];
    for (words, cause, method, sent, allowed) in rows {
        let next: NextUpstream = words.parse().unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(next.allows(cause, &method, sent), allowed, "{words} {cause:?} {method} {sent}");
    }
}
