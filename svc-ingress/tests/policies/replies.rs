//! What is changed in the replies of endpoints, beside nginx.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use super::harness::{Backend, Nginx, Ours, is_installed, same};

/// Answers with what its URL's query names: `location`, `refresh` and `cookie`, in this order.
fn fields(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from("x")));
    for pair in request.uri().query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap();
        let name: http::HeaderName = name.parse().unwrap();
        response.headers_mut().append(name, value.replace("%20", " ").replace("%3D", "=").parse().unwrap());
    }
    response
}

#[test]
fn redirects_and_cookies_of_endpoints_are_changed_as_by_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backend = Backend::new(fields);
    let queries = [
        "location=http://inner.example/a",
        "location=http://inner.example",
        "location=http://inner.example.foe/a",
        "location=http://other.example/a",
        "location=/a",
        "refresh=5;%20url%3Dhttp://inner.example/a",
        "refresh=5",
        "set-cookie=a%3Db;%20Path%3D/inner;%20Secure",
        "set-cookie=a%3Db;%20path%3D/inner/x;%20Domain%3Dinner.example",
        "set-cookie=a%3Db;%20Path%3D/other;%20domain%3D.inner.example;%20HttpOnly",
        "set-cookie=a%3Db;%20Path%3D/innermost&set-cookie=c%3D/inner;%20Domain%3DINNER.example",
        "set-cookie=path%3D/inner;%20Domain%3Dx.inner.example",
        "set-cookie=a",
    ];
    let rows: &[(&[&str], &str)] = &[
        (&[], "proxy_redirect off;"),
        (
            &["proxy-redirect-from: http://inner.example/", "proxy-redirect-to: https://foo.example/app/"],
            "proxy_redirect http://inner.example/ https://foo.example/app/;",
        ),
        (&["proxy-redirect-from: 'off'", "proxy-redirect-to: https://foo.example/"], "proxy_redirect off;"),
        (
            &["proxy-cookie-path: /inner /app", "proxy-cookie-domain: inner.example foo.example"],
            "proxy_redirect off; proxy_cookie_path /inner /app; proxy_cookie_domain inner.example foo.example;",
        ),
        (&["proxy-cookie-path: 'off'"], "proxy_redirect off; proxy_cookie_path off;"),
    ];
    for (annotations, directives) in rows {
        let ours = Ours::new(annotations, backend.address, "");
        let location = format!("location / {{ {directives} proxy_pass http://{}; }}", backend.address);
        let nginx = Nginx::new("", &location, &[]);
        for query in queries {
            same(&ours, &nginx, &format!("/?{query}"), &[], &["location", "refresh", "set-cookie"]);
        }
    }
}
