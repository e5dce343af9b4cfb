use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use svc_ingress::IngressConfig;

use super::harness::{Backend, Nginx, Ours, echo, ingress, is_installed, same, service};

const USERS: &str =
    "jane:$apr1$abcdefgh$G8IsPsylW5ROvIKsQMRG61\njohn:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nmax:{PLAIN}secret\n";

#[test]
fn logins_are_asked_for_and_taken_as_by_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backend = Backend::new(echo);
    let secret = format!(
        "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: users, namespace: shop}}\nstringData:\n  auth: |\n{}",
        USERS.lines().map(|line| format!("    {line}\n")).collect::<String>()
    );
    let annotations = [
        "auth-type: basic",
        "auth-secret: users",
        "auth-realm: Our shop",
        "denylist-source-range: 192.0.2.1",
    ];
    let ours = Ours::new(&annotations, backend.address, &secret);
    let location = format!(
        "location / {{ deny 192.0.2.1; auth_basic 'Our shop'; auth_basic_user_file DIR/users; proxy_set_header Authorization ''; proxy_pass http://{}; }}",
        backend.address
    );
    let nginx = Nginx::new("", &location, &[("users", USERS)]);
    let logins = [
        "jane:wrong",
        "jane:a",
        "john:password",
        "john:Password",
        "max:secret",
        "max:{PLAIN}secret",
        "nobody:secret",
        "john:",
        ":",
        "john:pass:word",
    ];
    for login in logins {
        let reply = same(&ours, &nginx, "/", &["--user", login], &["www-authenticate"]);
        assert!(!reply.body.contains("authorization"), "{}", reply.body);
    }
    for field in [
        "Authorization: Bearer x",
        "Authorization: Basic",
        "Authorization: Basic ???",
        "Authorization: basic am9objpwYXNzd29yZA==",
        "X: y",
    ] {
        same(&ours, &nginx, "/", &["--header", field], &["www-authenticate"]);
    }
}

#[test]
fn one_of_address_and_login_is_enough_as_with_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backend = Backend::new(echo);
    let secret = "---\nkind: Secret\napiVersion: v1\nmetadata: {name: users, namespace: shop}\nstringData: {auth: 'john:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g='}\n";
    let lists = [
        (&["allowlist-source-range: 127.0.0.0/8"][..], "allow 127.0.0.0/8; deny all;"),
        (&["allowlist-source-range: 192.0.2.0/24"], "allow 192.0.2.0/24; deny all;"),
        (&["denylist-source-range: 127.0.0.0/8"], "deny 127.0.0.0/8;"),
        (&["denylist-source-range: 192.0.2.0/24"], "deny 192.0.2.0/24;"),
        (
            &["denylist-source-range: 127.0.0.1", "allowlist-source-range: 127.0.0.0/8"],
            "deny 127.0.0.1; allow 127.0.0.0/8; deny all;",
        ),
    ];
    for satisfy in ["any", "all"] {
        for (annotations, directives) in lists {
            let satisfied = format!("satisfy: {satisfy}");
            let login =
                ["auth-type: basic", "auth-secret: users", "auth-realm: Our shop", satisfied.as_str()];
            let ours = Ours::new(&[&login[..], annotations].concat(), backend.address, secret);
            let location = format!(
                "location / {{ satisfy {satisfy}; {directives} auth_basic 'Our shop'; auth_basic_user_file DIR/users; proxy_set_header Authorization ''; proxy_pass http://{}; }}",
                backend.address
            );
            let users = "john:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n";
            let nginx = Nginx::new("", &location, &[("users", users)]);
            for login in ["john:password", "john:wrong"] {
                same(&ours, &nginx, "/", &["--user", login], &["www-authenticate"]);
            }
            same(&ours, &nginx, "/", &[], &["www-authenticate"]);
        }
    }
}

/// Answers as the `Authorization` field asks it to, and says what it was asked in a cookie.
fn judge(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let word = request.headers().get("authorization").map_or("none", |value| value.to_str().unwrap());
    let status: u16 = word.parse().unwrap_or(401);
    let said = [
        "x-original-method",
        "x-sent-from",
        "x-original-url",
        "x-auth-request-redirect",
        "content-length",
        "x-client",
    ]
    .map(|name| {
        let value = request.headers().get(name).map_or("-", |value| value.to_str().unwrap());
        value.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
    });
    let reply = Response::builder()
        .status(status)
        .header("x-user", "jane")
        .header("set-cookie", format!("{}_{}", request.method(), said.join(".")));
    let reply = if status == 401 { reply.header("www-authenticate", "Bearer realm=\"x\"") } else { reply };
    reply.body(Full::new(Bytes::from("the judge's own words"))).unwrap()
}

#[test]
fn another_server_is_asked_and_obeyed_as_by_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let (backend, judges) = (Backend::new(echo), Backend::new(judge));
    for always in [false, true] {
        let url = format!("auth-url: http://{}/check", judges.address);
        let always_set = format!("auth-always-set-cookie: '{always}'");
        let objects = ingress(
            "foo",
            "foo.example",
            &[&url, "auth-response-headers: X-User, X-Groups", &always_set],
            "web",
        ) + &service("web", backend.address);
        let ours = Ours::with(IngressConfig::builder().allow_local_targets(true).build().unwrap(), &objects);
        // As ingress-nginx's template has it.
        let server = format!(
            "location = /_external-auth {{
  internal; proxy_pass_request_body off; proxy_pass_request_headers on;
  proxy_set_header Content-Length ''; proxy_set_header X-Forwarded-Proto ''; proxy_set_header Host 127.0.0.1;
  proxy_set_header X-Original-URL $scheme://$http_host$request_uri; proxy_set_header X-Original-Method $request_method;
  proxy_set_header X-Sent-From nginx-ingress-controller; proxy_set_header X-Real-IP $remote_addr;
  proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Auth-Request-Redirect $request_uri;
  proxy_pass http://{}/check;
}}
location / {{
  auth_request /_external-auth; auth_request_set $auth_cookie $upstream_http_set_cookie;
  add_header Set-Cookie $auth_cookie {};
  auth_request_set $authHeader0 $upstream_http_x_user; proxy_set_header X-User $authHeader0;
  auth_request_set $authHeader1 $upstream_http_x_groups; proxy_set_header X-Groups $authHeader1;
  proxy_pass http://{};
}}",
            judges.address,
            if always { "always" } else { "" },
            backend.address
        );
        let nginx = Nginx::new("", &server, &[]);
        for word in ["200", "201", "204", "401", "403", "302", "404", "500", "503"] {
            let field = format!("Authorization: {word}");
            for arguments in [
                &["--header", &field, "--header", "X-Client: a b"][..],
                &["--header", &field, "--data", "body", "--header", "X-Groups: wheel"],
            ] {
                let reply =
                    same(&ours, &nginx, "/private/?x=1", arguments, &["www-authenticate", "set-cookie"]);
                assert!(
                    !reply.body.contains("the judge's own words") && !reply.body.contains("wheel"),
                    "{}",
                    reply.body
                );
                assert_eq!(reply.body.contains("x-user: jane\n"), reply.status == 200, "{}", reply.body);
            }
        }
    }
}
