//! The fields that a backend sees, and those of its replies, beside an nginx with ingress-nginx's own `proxy_set_header`s.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use svc_ingress::IngressConfig;
use svc_ingress::config::Clients;

use super::harness::{Backend, Nginx, Ours, curl, echo, ingress, is_installed, same, service};

/// What stands in the server of ingress-nginx for every location, and the maps for it.
const MAPS: &str = "
map $http_x_request_id $req_id { default $http_x_request_id; '' $request_id; }
map $http_upgrade $connection_upgrade { default upgrade; '' ''; }";
const SET: &str = "
proxy_set_header Host $http_host; proxy_set_header X-Request-ID $req_id;
proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port $server_port;
proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Scheme $scheme; proxy_set_header X-Scheme $scheme;
proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for;
proxy_set_header X-Original-Forwarded-Host $http_x_forwarded_host;
proxy_set_header Proxy ''; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; proxy_redirect off;";

fn nginx(backend: &Backend) -> Nginx {
    Nginx::new(MAPS, &format!("location / {{ {SET} proxy_pass http://{}; }}", backend.address), &[])
}

const CHUNKED: &str = "Transfer-Encoding: chunked";

/// What the backend was asked: the line, and the fields by name, those of one name in their order. Each router has a port of
/// its own and makes up names of its own.
fn seen(address: std::net::SocketAddr, arguments: &[&str]) -> Vec<String> {
    let reply = curl(address, "/a/b?c=d", arguments);
    assert_eq!(reply.status, 200, "{arguments:?} {reply:?}");
    let port = address.port().to_string();
    let mut lines = reply.body.lines().map(|line| match line.strip_prefix("x-request-id: ") {
        Some(id) if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            "x-request-id: ID".to_owned()
        }
        _ => line.replace(&port, "PORT"),
    });
    let first = lines.next().unwrap();
    let mut fields: Vec<String> = lines.collect();
    if arguments.contains(&CHUNKED) {
        // nginx counts chunks that it has read already, and says a length.
        fields.retain(|field| {
            !field.starts_with("content-length: ") && !field.starts_with("transfer-encoding: ")
        });
    }
    fields.sort_by_key(|field| field.split(':').next().unwrap_or_default().to_owned());
    fields.insert(0, first);
    fields
}

#[test]
fn backends_see_the_fields_that_nginx_shows_them() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backend = Backend::new(echo);
    let (ours, nginx) = (Ours::new(&["ssl-redirect: 'true'"], backend.address, ""), nginx(&backend));
    let rows: [&[&str]; 20] = [
        &[],
        &["Host: FOO.Example"],
        &["Host: foo.example:8080"],
        &["Host: foo.example."],
        &["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Host: other.example", "X-Forwarded-Proto: https"],
        &["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 10.0.0.1, 10.0.0.2"],
        &["X-Forwarded-Port: 444", "X-Forwarded-Scheme: https", "X-Scheme: https", "X-Real-IP: 203.0.113.9"],
        &["X-Original-Forwarded-For: 203.0.113.9", "X-Original-Forwarded-Host: other.example"],
        &["X-Request-ID: mine"],
        &["X-Request-ID;"],
        &["Proxy: http://evil.example"],
        &["X_Under: 1", "X-Dash: 1"],
        &["Cookie: a=1; b=2"],
        &["Authorization: Bearer x", "Range: bytes=0-1", "If-None-Match: \"x\"", "Via: 1.1 other"],
        &["Accept: text/html", "Accept: text/plain", "X-Two: b", "X-Two: a"],
        &["X-Empty;", "X-Space:  a  b  "],
        &["Connection: upgrade", "Upgrade: websocket"],
        &["Connection: keep-alive", "Keep-Alive: timeout=5"],
        &["TE: trailers"],
        &["Forwarded: for=203.0.113.9", "X-Forwarded-Prefix: /p", "X-Original-URI: /x"],
    ];
    for fields in rows {
        for body in [&[][..], &["--data", "body"], &["--data", "body", "--header", CHUNKED]] {
            let mut arguments = body.to_vec();
            fields.iter().for_each(|field| arguments.extend(["--header", field]));
            assert_eq!(seen(ours.http, &arguments), seen(nginx.http, &arguments), "{arguments:?}");
        }
    }
}

/// RFC 9110 section 7.6.1 has an intermediary take away more than nginx does.
#[test]
fn what_belongs_to_a_connection_goes_where_nginx_lets_it_pass() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backend = Backend::new(echo);
    let (ours, nginx) = (Ours::new(&["ssl-redirect: 'true'"], backend.address, ""), nginx(&backend));
    let rows: [(&[&str], &str); 3] = [
        (&["Connection: X-Secret", "X-Secret: 1"], "x-secret: 1"),
        (&["Proxy-Connection: keep-alive"], "proxy-connection: keep-alive"),
        (&["Proxy-Authorization: Basic x"], "proxy-authorization: Basic x"),
    ];
    for (fields, passed) in rows {
        let arguments: Vec<&str> = fields.iter().flat_map(|field| ["--header", field]).collect();
        let (ours, mut theirs) = (seen(ours.http, &arguments), seen(nginx.http, &arguments));
        assert!(theirs.iter().any(|line| line == passed), "{theirs:?}");
        theirs.retain(|line| line != passed);
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_trusted_proxy_is_believed_as_nginx_believes_it() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backend = Backend::new(echo);
    let trusting = |full: bool| {
        let clients = Clients::default().with_trusted("127.0.0.0/8".parse().unwrap());
        let clients = clients.with_full_forwarded_for(full);
        let objects = ingress("foo", "foo.example", &[], "web") + &service("web", backend.address);
        Ours::with(IngressConfig::builder().clients(clients).build().unwrap(), &objects)
    };
    // As ingress-nginx writes it for `use-forwarded-headers`.
    let nginx = |full: bool| {
        let http = format!(
            "{MAPS}
map $http_x_forwarded_proto $pass_access_scheme {{ default $http_x_forwarded_proto; '' $scheme; }}
map $http_x_forwarded_port $pass_port {{ default $http_x_forwarded_port; '' $server_port; }}
map $http_x_forwarded_host $best_http_host {{ default $http_x_forwarded_host; '' $http_host; }}
map $http_x_forwarded_for $full_forwarded_for {{ {} }}
set_real_ip_from 127.0.0.0/8; real_ip_header X-Forwarded-For; real_ip_recursive on;",
            if full {
                "default '$http_x_forwarded_for, $realip_remote_addr'; '' $realip_remote_addr;"
            } else {
                "default $remote_addr;"
            }
        );
        let set = SET
            .replace("X-Forwarded-Proto $scheme", "X-Forwarded-Proto $pass_access_scheme")
            .replace("X-Forwarded-Scheme $scheme", "X-Forwarded-Scheme $pass_access_scheme")
            .replace("X-Scheme $scheme", "X-Scheme $pass_access_scheme")
            .replace("X-Forwarded-Port $server_port", "X-Forwarded-Port $pass_port")
            .replace("Host $http_host", "Host $best_http_host")
            .replace("X-Forwarded-For $remote_addr", "X-Forwarded-For $full_forwarded_for");
        let location = format!("location / {{ {set} proxy_pass http://{}; }}", backend.address);
        Nginx::new(&http, &location, &[])
    };
    let rows: [&[&str]; 6] = [
        &[],
        &["X-Forwarded-For: 203.0.113.9"],
        &["X-Forwarded-For: 203.0.113.9, 127.0.0.5"],
        &["X-Forwarded-For: 10.0.0.1, 203.0.113.9, 127.0.0.5, 127.0.0.6"],
        &["X-Forwarded-For: nonsense"],
        &["X-Forwarded-Proto: https", "X-Forwarded-Port: 444", "X-Forwarded-Host: Other.example"],
    ];
    for full in [false, true] {
        let (ours, nginx) = (trusting(full), nginx(full));
        for fields in rows {
            let arguments: Vec<&str> = fields.iter().flat_map(|field| ["--header", field]).collect();
            assert_eq!(seen(ours.http, &arguments), seen(nginx.http, &arguments), "full: {full}, {fields:?}");
        }
    }
}

/// Answers with the status in the path, and with fields of every kind.
fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let status: u16 = request.uri().path()[1..].parse().unwrap_or(200);
    let body = if [204, 304].contains(&status) { Bytes::new() } else { Bytes::from("text") };
    Response::builder()
        .status(status)
        .header("server", "backend/1.0")
        .header("content-type", "text/plain")
        .header("etag", "\"x\"")
        .header("cache-control", "max-age=1")
        .header("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")
        .header("location", "http://internal:8080/x")
        .header("set-cookie", "a=1; Path=/")
        .header("set-cookie", "b=2")
        .header("x-frame-options", "DENY")
        .header("www-authenticate", "Basic realm=\"b\"")
        .header("vary", "accept")
        .header("keep-alive", "timeout=5")
        .body(Full::new(body))
        .unwrap()
}

#[test]
fn replies_come_back_as_through_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backend = Backend::new(answer);
    let (ours, nginx) = (Ours::new(&["ssl-redirect: 'true'"], backend.address, ""), nginx(&backend));
    let fields = [
        "content-type",
        "content-length",
        "etag",
        "cache-control",
        "last-modified",
        "location",
        "set-cookie",
        "x-frame-options",
        "www-authenticate",
        "vary",
        "keep-alive",
        "transfer-encoding",
    ];
    for status in
        ["200", "201", "204", "206", "301", "302", "304", "307", "400", "401", "403", "404", "500", "503"]
    {
        for method in ["GET", "POST"] {
            let reply = same(&ours, &nginx, &format!("/{status}"), &["--request", method], &fields);
            assert_eq!(reply.status.as_str(), status);
            assert!(!reply.fields.contains_key("server") && reply.fields.contains_key("date"), "{reply:?}");
        }
        same(&ours, &nginx, &format!("/{status}"), &["--head"], &fields);
    }
}
