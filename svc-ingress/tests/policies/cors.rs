use super::harness::{Backend, Nginx, Ours, echo, is_installed, same};

const FIELDS: [&str; 7] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
    "content-type",
];

/// What ingress-nginx writes for CORS, with `add_header` in the place of a module that Debian has apart.
fn cors(origins: &str, last: &str) -> String {
    let fields = "add_header Access-Control-Allow-Origin $http_origin always;
add_header Access-Control-Allow-Credentials true always;
add_header Access-Control-Allow-Methods 'GET, PUT, POST, DELETE, PATCH, OPTIONS' always;
add_header Access-Control-Allow-Headers 'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization' always;
add_header Access-Control-Expose-Headers 'X-One' always;
add_header Access-Control-Max-Age 600 always;";
    format!(
        "set $cors '';
if ($http_origin ~* ({origins})$ ) {{ set $cors 'true'; }}
if ($request_method = 'OPTIONS') {{ set $cors ${{cors}}options; }}
if ($cors = 'true') {{ {fields} }}
if ($cors = 'trueoptions') {{ {fields} add_header Content-Type 'text/plain charset=UTF-8'; return 204; }}
{last}"
    )
}

#[test]
fn origins_are_answered_as_by_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backend = Backend::new(echo);
    let annotations = [
        "enable-cors: 'true'",
        "cors-allow-origin: 'https://foo.example, http://*.bar.example:8080, null'",
        "cors-expose-headers: X-One",
        "cors-max-age: '600'",
    ];
    let origins = r"(https://foo\.example)|(http://[A-Za-z0-9\-]+\.bar\.example:8080)|(null)";
    let pass = format!("proxy_pass http://{};", backend.address);
    let rows: [(&[&str], &str); 3] = [
        (&[], ""),
        (&["whitelist-source-range: 192.0.2.0/24"], "allow 192.0.2.0/24; deny all;"),
        (&["temporal-redirect: https://other.example"], "return 302 https://other.example;"),
    ];
    let asked = [
        "https://foo.example",
        "HTTPS://Foo.Example",
        "https://foo.example:443",
        "https://foo.example.evil.example",
        "xhttps://foo.example",
        "http://a.bar.example:8080",
        "http://a.b.bar.example:8080",
        "http://.bar.example:8080",
        "http://a_b.bar.example:8080",
        "null",
        "notnull",
        "nullify",
    ];
    for (more, location) in rows {
        let ours = Ours::new(&[&annotations[..], more].concat(), backend.address, "");
        let nginx = Nginx::new("", &format!("location / {{ {} {pass} }}", cors(origins, location)), &[]);
        for origin in asked {
            let origin = format!("Origin: {origin}");
            for method in ["GET", "OPTIONS", "POST"] {
                let reply =
                    same(&ours, &nginx, "/", &["--request", method, "--header", &origin], &FIELDS[..6]);
                assert!(
                    method != "OPTIONS"
                        || reply.status != 204
                        || reply.fields["content-type"] == ["text/plain charset=UTF-8"]
                );
            }
        }
        same(&ours, &nginx, "/", &[], &FIELDS[..6]);
    }
}
