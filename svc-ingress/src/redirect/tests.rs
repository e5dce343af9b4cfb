use svc_model::{Snapshot, yaml};

use super::{to_https, to_slash};
use crate::authority::Authority;
use crate::config::{IngressConfig, Mode};
use crate::table::RouteTable;

fn table(config: &IngressConfig, annotations: &str, path_type: &str, path: &str, tls: bool) -> RouteTable {
    let tls = if tls { "tls: [{hosts: [foo.example], secretName: absent}]," } else { "" };
    let text = format!(
        "
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: i
  namespace: shop
  annotations: {{kubernetes.io/ingress.class: nginx, {annotations}}}
spec:
  {{{tls} rules: [{{host: foo.example, http: {{paths: [{{path: {path}, pathType: {path_type},
    backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}
"
    );
    let (objects, problems) = yaml::read(&text).stored();
    assert_eq!(problems, []);
    RouteTable::new(&objects.into_iter().collect::<Snapshot>(), config)
}

fn https(config: &IngressConfig, annotations: &str, tls: bool, path: &str, request: &str) -> Option<String> {
    let table = table(config, annotations, "Prefix", path, tls);
    let route = table.route("foo.example", request).unwrap();
    let authority = Authority::parse("foo.example:8080").unwrap();
    assert_eq!(to_https(&route, true, &authority, request), None);
    to_https(&route, false, &authority, request)
        .map(|(status, location)| format!("{} {location}", status.as_u16()))
}

#[test]
fn plain_http_is_redirected_where_the_host_has_tls() {
    let n = "nginx.ingress.kubernetes.io";
    let off = format!("{n}/ssl-redirect: \"false\"");
    let on = format!("{n}/ssl-redirect: \"true\"");
    let force = format!("{n}/force-ssl-redirect: \"true\"");
    let keep = format!("{n}/preserve-trailing-slash: \"true\"");
    let both = format!("{off}, {force}");
    let (nginx, strict) =
        (IngressConfig::default(), IngressConfig::builder().mode(Mode::Strict).build().unwrap());
    let rows = [
        (&nginx, "", true, "/", "/", Some("308 https://foo.example")),
        (&nginx, "", true, "/", "/a?b=c", Some("308 https://foo.example/a?b=c")),
        (&nginx, "", true, "/", "/a/", Some("308 https://foo.example/a")),
        (&nginx, &keep, true, "/", "/a/", Some("308 https://foo.example/a/")),
        (&nginx, "", false, "/", "/", None),
        (&nginx, &on, false, "/", "/", None),
        (&nginx, &off, true, "/", "/", None),
        (&nginx, &force, false, "/", "/", Some("308 https://foo.example")),
        (&nginx, &both, false, "/", "/", Some("308 https://foo.example")),
        (&nginx, &force, true, "/.well-known/acme-challenge/x", "/.well-known/acme-challenge/x", None),
        (
            &nginx,
            "",
            true,
            "/",
            "/.well-known/acme-challenge/x",
            Some("308 https://foo.example/.well-known/acme-challenge/x"),
        ),
        (&strict, "", true, "/", "/", None),
        (&strict, &on, true, "/", "/", Some("308 https://foo.example")),
        (&strict, &force, false, "/", "/", Some("308 https://foo.example")),
    ];
    for (config, annotations, tls, path, request, expected) in rows {
        let found = https(config, annotations, tls, path, request);
        assert_eq!(found.as_deref(), expected, "{annotations} {tls} {path} {request}");
    }
}

#[test]
fn a_missing_final_slash_is_added_under_nginx() {
    let nginx = IngressConfig::default();
    let rows = [
        ("Prefix", "/x/", "/x", Some("http://foo.example:8080/x/")),
        ("Prefix", "/x/", "/x?a=b", Some("http://foo.example:8080/x/?a=b")),
        ("Exact", "/x/", "/x", Some("http://foo.example:8080/x/")),
        ("Prefix", "/x/", "/x/", None),
        ("Prefix", "/x/", "/x/y", None),
        ("Prefix", "/x", "/x", None),
        ("Prefix", "/", "/", None),
    ];
    let authority = Authority::parse("foo.example:8080").unwrap();
    for (path_type, path, request, expected) in rows {
        let table = table(&nginx, "", path_type, path, false);
        let route = table.route("foo.example", request).unwrap();
        let found = to_slash(&route, false, (&authority, 80), request)
            .map(|(status, location)| (status.as_u16(), location));
        assert_eq!(
            found,
            expected.map(|location| (301, location.to_owned())),
            "{path_type} {path} {request}"
        );
    }
    let n = "nginx.ingress.kubernetes.io";
    let (relative, port) =
        (format!("{n}/relative-redirects: \"true\""), format!("{n}/use-port-in-redirects: \"true\""));
    let rows = [
        (relative.as_str(), 8443, "/x/?a=b"),
        (&port, 8443, "http://foo.example:8443/x/?a=b"),
        (&port, 80, "http://foo.example/x/?a=b"),
    ];
    for (annotation, own, location) in rows {
        let table = table(&nginx, annotation, "Prefix", "/x/", false);
        let route = table.route("foo.example", "/x?a=b").unwrap();
        let found = to_slash(&route, false, (&authority, own), "/x?a=b").map(|(_, location)| location);
        assert_eq!(found.as_deref(), Some(location));
    }
    let strict = IngressConfig::builder().mode(Mode::Strict).build().unwrap();
    assert!(table(&strict, "", "Exact", "/x/", false).route("foo.example", "/x").is_none());
    let route = table(&strict, "", "Prefix", "/x/", false).route("foo.example", "/x").unwrap();
    assert!(!route.lacks_slash());
}
