use super::harness::{Backend, Nginx, Ours, echo, is_installed, same};

/// Annotations, and what ingress-nginx makes of them: in `server`, and in the location.
type Row<'a> = (&'a [&'a str], &'a str, &'a str);

#[test]
fn redirects_are_those_of_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let rows: [Row<'_>; 6] = [
        (&["permanent-redirect: https://other.example/x"], "", "return 301 https://other.example/x;"),
        (
            &["permanent-redirect: https://other.example$request_uri", "permanent-redirect-code: '308'"],
            "",
            "return 308 https://other.example$request_uri;",
        ),
        (&["temporal-redirect: http://$host/new"], "", "return 302 http://$host/new;"),
        (
            &["temporal-redirect: http://other.example/?$args", "temporal-redirect-code: '303'"],
            "",
            "return 303 http://other.example/?$args;",
        ),
        (&["app-root: /app"], "if ($uri = /) { return 302 $scheme://$http_host/app; }", ""),
        (
            &["app-root: /app", "whitelist-source-range: 192.0.2.0/24"],
            "if ($uri = /) { return 302 $scheme://$http_host/app; }",
            "allow 192.0.2.0/24; deny all;",
        ),
    ];
    let backend = Backend::new(echo);
    let www = Ours::new(&["from-to-www-redirect: 'true'"], backend.address, "");
    let server =
        "if ($host = www.foo.example) { return 308 $scheme://foo.example:$server_port$request_uri; }";
    let nginx =
        Nginx::new("", &format!("{server} location / {{ proxy_pass http://{}; }}", backend.address), &[]);
    for path in ["/a", "/a/b?c=d", "/a%20b"] {
        let reply = same(&www, &nginx, path, &["--header", "Host: www.foo.example"], &["location"]);
        assert_eq!(reply.status, 308);
        same(&www, &nginx, path, &[], &["location"]);
    }
    for (annotations, server, location) in rows {
        let ours = Ours::new(annotations, backend.address, "");
        let pass = format!("proxy_pass http://{};", backend.address);
        let nginx = Nginx::new("", &format!("{server} location / {{ {location} {pass} }}"), &[]);
        for path in ["/", "/?a=b", "/a/b?c=d&e", "/a%20b//../c", "//", "/%2e/"] {
            same(&ours, &nginx, path, &[], &["location"]);
        }
    }
}
