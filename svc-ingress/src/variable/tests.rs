use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Method};

use super::{Interpolated, Scope, cookie};
use crate::authority::Authority;
use crate::config::IngressConfig;
use crate::table::RouteTable;

const OBJECTS: &str = "
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: web, namespace: shop, annotations: {kubernetes.io/ingress.class: nginx}}
spec: {rules: [{host: '*.example', http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: cart, port: {number: 80}}}}]}}]}
";

fn filled(text: &str) -> String {
    let (objects, problems) = svc_model::yaml::read(OBJECTS).stored();
    assert_eq!(problems, []);
    let table = RouteTable::new(&objects.into_iter().collect(), &IngressConfig::default());
    let route = table.route("foo.example", "/").unwrap();
    let mut headers = HeaderMap::new();
    headers.append("x-team", HeaderValue::from_static("a"));
    headers.append("x-team", HeaderValue::from_static("b"));
    headers.append(COOKIE, HeaderValue::from_static("Session=1; other=2"));
    headers.append(AUTHORIZATION, HeaderValue::from_static("Basic amFuZTpzZWNyZXQ="));
    let authority = Authority::parse("foo.example:8080").unwrap();
    let scope = Scope {
        authority: &authority,
        target: "/a%20b/../c d?x=1&Y=2&z",
        method: &Method::PUT,
        headers: &headers,
        client: "192.0.2.7".parse().unwrap(),
        https: true,
        port: 8443,
        location: route.location(),
    };
    Interpolated::parse(text).unwrap().fill(scope)
}

#[test]
fn each_variable_has_its_value() {
    let rows = [
        ("no variable", "x", "x"),
        ("host", "$host", "foo.example"),
        ("http_host", "a$http_host.b", "afoo.example:8080.b"),
        ("request_uri", "$request_uri", "/a%20b/../c d?x=1&Y=2&z"),
        ("escaped", "$escaped_request_uri", "%2Fa%2520b%2F..%2Fc%20d%3Fx%3D1%26Y%3D2%26z"),
        ("uri", "$uri", "/c%20d"),
        ("args", "$args $query_string", "x=1&Y=2&z x=1&Y=2&z"),
        ("scheme", "${scheme}s $pass_access_scheme", "httpss https"),
        ("method", "$request_method", "PUT"),
        ("client", "$remote_addr", "192.0.2.7"),
        ("user", "$remote_user", "jane"),
        ("server", "$server_name:$server_port", "*.example:8443"),
        ("object", "$namespace/$ingress_name", "shop/web"),
        ("service", "$service_name.$namespace:$service_port", "cart.shop:80"),
        ("field", "$http_x_team$http_absent", "a, b"),
        ("cookie", "$cookie_session$cookie_absent", "1"),
        ("argument", "$arg_x$arg_y$arg_z", "12"),
    ];
    for (name, text, expected) in rows {
        let text = text.replace(' ', "+");
        assert_eq!(
            filled(&text),
            expected.replace("x=1&Y=2&z x", "x=1&Y=2&z+x").replace("s https", "s+https"),
            "{name}"
        );
    }
}

#[test]
fn the_list_is_closed_and_texts_are_limited() {
    for text in ["$", "a$", "$$", "$pid", "${host", "$upstream_addr", "$http_", "$arg_", "a b", "a\nb", "ä"]
    {
        assert!(Interpolated::parse(text).is_err(), "{text}");
    }
    assert!(Interpolated::parse(&"a".repeat(5000)).is_err());
    assert!(Interpolated::parse_value("a b $host").is_ok());
    let error = Interpolated::parse("https://x/$upstream_addr").unwrap_err();
    assert!(error.contains("`$upstream_addr`"), "{error}");
}

#[test]
fn cookies_are_found_in_any_spelling() {
    let mut headers = HeaderMap::new();
    headers.append(COOKIE, HeaderValue::from_static("a=1;  B = 2 ;c"));
    headers.append(COOKIE, HeaderValue::from_static("d=x=y"));
    let found = ["a", "b", "c", "d"].map(|name| cookie(&headers, name));
    assert_eq!(found, [Some("1"), Some("2"), None, Some("x=y")]);
}
