use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{Verdict, request_fields};
use crate::annotation::{ExternalAuth, PREFIX, Policies};
use crate::authority::Authority;
use crate::config::IngressConfig;
use crate::table::RouteTable;
use crate::variable::Scope;

fn parse(annotations: &[(&str, &str)]) -> (Policies, Vec<String>) {
    let map: BTreeMap<_, _> =
        annotations.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect();
    let (policies, problems) = Policies::parse(&map, "shop", &IngressConfig::default());
    (policies, problems.into_iter().map(|problem| problem.key).collect())
}

fn auth(annotations: &[(&str, &str)]) -> ExternalAuth {
    let all = [&[("auth-url", "https://auth.example/check?x=$args")], annotations].concat();
    let (policies, problems) = parse(&all);
    assert!(problems.is_empty() && policies.denied().is_none(), "{problems:?}");
    policies.external_auth().unwrap().clone()
}

fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

#[test]
fn what_is_wrong_denies_every_request() {
    let rows: [&[(&str, &str)]; 22] = [
        &[("auth-url", "")],
        &[("auth-url", "auth.example/check")],
        &[("auth-url", "ftp://auth.example/")],
        &[("auth-url", "http://")],
        &[("auth-url", "http:///check")],
        &[("auth-url", "http://user@auth.example/")],
        &[("auth-url", "http://auth.example/#x")],
        &[("auth-url", "http://auth.example/a b")],
        &[("auth-url", "http://auth.example/$upstream_addr")],
        &[("auth-url", "http://$http_x_server/")],
        &[("auth-url", "http://$arg_server/")],
        &[("auth-url", "http://127.0.0.1:9000/")],
        &[("auth-url", "http://[::1]/")],
        &[("auth-url", "http://localhost/")],
        &[("auth-url", "http://169.254.169.254/latest")],
        &[("auth-url", "http://auth.example/"), ("auth-method", "GET; x")],
        &[("auth-url", "http://auth.example/"), ("auth-method", "CONNECT")],
        &[("auth-url", "http://auth.example/"), ("auth-response-headers", "X-User, X Y")],
        &[("auth-url", "http://auth.example/"), ("auth-response-headers", "Host")],
        &[("auth-url", "http://auth.example/"), ("auth-cache-key", "$x"), ("auth-cache-duration", "5m")],
        &[("auth-url", "http://auth.example/"), ("auth-cache-duration", "200 for ever")],
        &[("auth-url", "http://auth.example/"), ("auth-proxy-set-headers", "other/map")],
    ];
    for annotations in rows {
        let (policies, problems) = parse(annotations);
        assert!(policies.denied().is_some() && problems.len() == 1, "{annotations:?} {problems:?}");
    }
    let config = IngressConfig::builder().allow_local_targets(true).build().unwrap();
    let map = [(format!("{PREFIX}auth-url"), "http://127.0.0.1:9000/".to_owned())].into();
    assert!(Policies::parse(&map, "shop", &config).0.denied().is_none());
}

#[test]
fn the_sign_in_url_leads_back_once() {
    let url = |annotations: &[(&str, &str)]| auth(annotations).sign_in().unwrap().as_str().to_owned();
    let back = "$pass_access_scheme://$http_host$escaped_request_uri";
    assert_eq!(
        url(&[("auth-signin", "https://auth.example/start")]),
        format!("https://auth.example/start?rd={back}")
    );
    assert_eq!(
        url(&[("auth-signin", "https://auth.example/start?a=b")]),
        format!("https://auth.example/start?a=b&rd={back}")
    );
    let own = "https://auth.example/start?rd=$scheme://$host$request_uri";
    assert_eq!(url(&[("auth-signin", own)]), own);
    let named = [("auth-signin", own), ("auth-signin-redirect-param", "to")];
    assert_eq!(url(&named), format!("{own}&to={back}"));
}

#[test]
fn answers_are_kept_as_long_as_their_status_says() {
    let duration = |text: &str, status| {
        auth(&[("auth-cache-key", "$remote_user"), ("auth-cache-duration", text)])
            .cache()
            .unwrap()
            .duration(status)
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(duration("200 202 1m, 401 30s", 202), seconds(60));
    assert_eq!(duration("200 202 1m, 401 30s", 401), seconds(30));
    assert_eq!(duration("200 202 1m, 401 30s", 403), None);
    assert_eq!(duration("10m", 200), seconds(600));
    assert_eq!(duration("10m", 401), None);
    assert_eq!(duration("any 1h 30m, 401 0s", 500), seconds(5400));
    assert_eq!(duration("any 1h, 401 0s", 401), None);
    let default = auth(&[("auth-cache-key", "$remote_user")]);
    assert_eq!(
        [200, 202, 401, 403].map(|status| default.cache().unwrap().duration(status)),
        [seconds(300), seconds(300), seconds(300), None]
    );
    assert!(auth(&[("auth-cache-duration", "5m")]).cache().is_none());
}

#[test]
fn an_answer_allows_refuses_or_is_no_answer() {
    let auth = auth(&[("auth-response-headers", "X-User, X-Groups")]);
    let rows = [
        (200, 200),
        (204, 204),
        (299, 299),
        (401, 401),
        (403, 403),
        (302, 500),
        (404, 500),
        (500, 500),
        (101, 500),
    ];
    for (status, meant) in rows {
        let verdict = Verdict::of(&auth, StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        assert_eq!((verdict.status().as_u16(), verdict.is_allowed()), (meant, meant < 300), "{status}");
    }
    assert!(!Verdict::unknown().is_allowed() && !Verdict::unknown().is_keepable());
}

#[test]
fn its_fields_replace_the_client_s_even_where_it_has_none() {
    let auth = auth(&[("auth-response-headers", "X-User, X-Groups")]);
    let verdict = Verdict::of(&auth, StatusCode::OK, &fields(&[("x-user", "jane"), ("x-other", "no")]));
    let mut request = fields(&[("x-user", "root"), ("x-groups", "wheel"), ("x-kept", "yes")]);
    verdict.apply(&mut request);
    assert_eq!(request, fields(&[("x-user", "jane"), ("x-kept", "yes")]));
}

#[test]
fn challenges_and_cookies_go_where_they_belong() {
    let auth = auth(&[]);
    let answer = fields(&[("www-authenticate", "Bearer"), ("set-cookie", "a=b")]);
    let refused = Verdict::of(&auth, StatusCode::UNAUTHORIZED, &answer);
    assert_eq!(refused.challenges().len(), 1);
    assert!(Verdict::of(&auth, StatusCode::FORBIDDEN, &answer).challenges().is_empty());
    for (status, always, count) in
        [(200, false, 1), (302, false, 1), (404, false, 0), (404, true, 1), (401, false, 0)]
    {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(refused.cookies(always, status).len(), count, "{status} {always}");
    }
}

#[test]
fn only_what_is_for_everybody_is_kept() {
    let auth = auth(&[("auth-response-headers", "X-User")]);
    let keepable = |answer: &HeaderMap| Verdict::of(&auth, StatusCode::OK, answer).is_keepable();
    assert!(keepable(&fields(&[("x-user", "jane"), ("cache-control", "max-age=60")])));
    assert!(!keepable(&fields(&[("set-cookie", "a=b")])));
    for words in ["no-store", "no-cache", "max-age=60, Private", "max-age=0"] {
        let mut answer = HeaderMap::new();
        answer.insert("cache-control", HeaderValue::from_static(words));
        assert!(!keepable(&answer), "{words}");
    }
    let mut large = HeaderMap::new();
    large.insert("x-user", HeaderValue::from_str(&"j".repeat(5000)).unwrap());
    assert!(!keepable(&large));
}

const OBJECTS: &str = "
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: web, namespace: shop, annotations: {kubernetes.io/ingress.class: nginx}}
spec: {rules: [{host: foo.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
";

#[test]
fn the_server_is_told_what_the_router_knows_and_not_what_a_client_says_of_itself() {
    let (objects, _) = svc_model::yaml::read(OBJECTS).stored();
    let table = RouteTable::new(&objects.into_iter().collect(), &IngressConfig::default());
    let route = table.route("foo.example", "/").unwrap();
    let authority = Authority::parse("foo.example:8080").unwrap();
    let sent = fields(&[
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("accept", "text/html"),
        ("content-length", "5"),
        ("connection", "x-secret"),
        ("x-secret", "1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-uri", "/public"),
        ("x-forwarded-proto", "https"),
        ("x-original-url", "http://evil.example/public"),
        ("x-original-method", "GET"),
        ("x-original-uri", "/public"),
        ("x-auth-request-redirect", "/public"),
        ("x-real-ip", "10.0.0.1"),
        ("ssl-client-verify", "SUCCESS"),
    ]);
    let scope = Scope {
        authority: &authority,
        target: "/private?x=1",
        method: &Method::POST,
        headers: &sent,
        client: "192.0.2.7".parse().unwrap(),
        https: false,
        port: 80,
        location: route.location(),
    };
    let kept = fields(&[("authorization", "Bearer x"), ("cookie", "a=b"), ("accept", "text/html")]);
    let told = fields(&[
        ("x-original-url", "http://foo.example:8080/private?x=1"),
        ("x-original-method", "POST"),
        ("x-sent-from", "nginx-ingress-controller"),
        ("x-real-ip", "192.0.2.7"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-auth-request-redirect", "/private?x=1"),
    ]);
    let expected: HeaderMap =
        kept.into_iter().chain(told).map(|(name, value)| (name.unwrap(), value)).collect();
    assert_eq!(request_fields(&auth(&[]), scope, &[]), expected);
    let more = auth(&[("auth-method", "POST"), ("auth-request-redirect", "https://foo.example/home")]);
    let fields = request_fields(&more, scope, &[]);
    assert_eq!(fields["x-original-uri"], "/private?x=1");
    assert_eq!(fields["x-scheme"], "http");
    assert_eq!(fields["x-auth-request-redirect"], "https://foo.example/home");
}
