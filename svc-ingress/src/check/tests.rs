use svc_model::{Snapshot, yaml};

use super::{Check, Verdict};
use crate::config::IngressConfig;

/// Ingresses as people have them.
const MANIFESTS: &str = r#"
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
# A login by oauth2-proxy before an application, as its documents have it.
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: dashboard
  namespace: tools
  creationTimestamp: "2021-03-01T00:00:00Z"
  annotations:
    cert-manager.io/cluster-issuer: letsencrypt
    nginx.ingress.kubernetes.io/auth-url: "https://$host/oauth2/auth"
    nginx.ingress.kubernetes.io/auth-signin: "https://$host/oauth2/start?rd=$escaped_request_uri"
    nginx.ingress.kubernetes.io/auth-response-headers: X-Auth-Request-User, X-Auth-Request-Email
    nginx.ingress.kubernetes.io/proxy-buffer-size: 8k
    nginx.ingress.kubernetes.io/configuration-snippet: |
      auth_request_set $token $upstream_http_x_auth_request_access_token;
      more_set_headers "X-Frame-Options: DENY";
      if ($request_uri ~* "^/old") { return 301 /new; }
spec:
  ingressClassName: nginx
  tls: [{hosts: [dashboard.example], secretName: dashboard-tls}]
  rules:
  - host: dashboard.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: dashboard, port: {name: http}}}}]}
---
# An API below a path, and somebody else's plain Ingress for the same host.
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: api
  namespace: shop
  creationTimestamp: "2022-03-01T00:00:00Z"
  annotations:
    nginx.ingress.kubernetes.io/use-regex: "true"
    nginx.ingress.kubernetes.io/rewrite-target: /$2
    nginx.ingress.kubernetes.io/limit-rps: "ten"
spec:
  ingressClassName: nginx
  rules:
  - host: shop.example
    http: {paths: [{path: "/api(/|$)(.*)", pathType: ImplementationSpecific, backend: {service: {name: api, port: {number: 80}}}}]}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: site, namespace: shop, creationTimestamp: "2021-03-01T00:00:00Z"}
spec:
  ingressClassName: nginx
  rules:
  - host: shop.example
    http:
      paths:
      - {path: /cart, pathType: Exact, backend: {service: {name: site, port: {number: 80}}}}
      - {path: /, pathType: Prefix, backend: {service: {name: site, port: {number: 80}}}}
---
# The same host and path once more, by another team.
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: cart, namespace: team, creationTimestamp: "2023-03-01T00:00:00Z"}
spec:
  ingressClassName: nginx
  rules:
  - host: shop.example
    http: {paths: [{path: /cart, pathType: Exact, backend: {service: {name: cart, port: {number: 80}}}}]}
---
# Argo CD's own TLS, let through.
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: argocd
  namespace: argocd
  annotations:
    kubernetes.io/ingress.class: nginx
    nginx.ingress.kubernetes.io/ssl-passthrough: "true"
    nginx.ingress.kubernetes.io/backend-protocol: HTTPS
spec:
  rules:
  - host: argocd.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: argocd-server, port: {number: 443}}}}]}
---
# The annotations of two other controllers, and a slip of the pen.
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: mixed
  namespace: shop
  annotations:
    nginx.org/proxy-read-timeout: 20s
    nginx.ingress.kubernetes.io/proxy-read-timout: "20"
    nginx.ingress.kubernetes.io/proxy-body-size: 50m
    nginx.ingress.kubernetes.io/proxy-request-buffering: "off"
spec:
  ingressClassName: nginx
  rules:
  - host: mixed.example
    http: {paths: [{path: /a?b, pathType: Prefix, backend: {service: {name: mixed, port: {number: 80}}}}]}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: other, namespace: shop, annotations: {nginx.ingress.kubernetes.io/server-snippet: "x;"}}
spec: {ingressClassName: traefik, rules: [{host: other.example}]}
"#;

fn check(text: &str) -> Check {
    let (objects, problems) = yaml::read(text).stored();
    assert_eq!(problems, []);
    let snapshot: Snapshot = objects.into_iter().collect();
    Check::new(&snapshot, &IngressConfig::default())
}

#[test]
fn the_text_names_every_object_and_what_to_write_instead() {
    let expected = "\
Ingress argocd/argocd: argocd.example
  honoured     backend-protocol
  wrong        ssl-passthrough is not enabled: `ssl_passthrough` of the configuration does it; the requests of this Ingress are answered 503
  absent       spec.rules[0].http.paths[0].backend.service: Service argocd/argocd-server does not exist: its requests are answered 503
Ingress shop/api: shop.example
  wrong        limit-rps is not a whole number; it is ignored
  honoured     rewrite-target
  honoured     use-regex
  absent       spec.rules[0].http.paths[0].backend.service: Service shop/api does not exist: its requests are answered 503
Ingress shop/mixed: mixed.example
  honoured     proxy-body-size
  unknown      proxy-read-timout is not known; it is ignored
  no effect    proxy-request-buffering
  foreign      nginx.org/proxy-read-timeout is read by another Ingress controller
  wrong        spec.rules[0].http.paths[0].path: `/a?b` may hold only letters, digits and `/._-`: use pathType ImplementationSpecific
Ingress shop/other: another controller's: there is no IngressClass traefik
Ingress shop/site: shop.example
  absent       spec.rules[0].http.paths[0].backend.service: Service shop/site does not exist: its requests are answered 503
  absent       spec.rules[0].http.paths[1].backend.service: Service shop/site does not exist: its requests are answered 503
Ingress team/cart: shop.example
  wrong        spec.rules[0].http.paths[0].path: `/cart` of shop.example is served by Ingress shop/site, which is older
  absent       spec.rules[0].http.paths[0].backend.service: Service team/cart does not exist: its requests are answered 503
Ingress tools/dashboard: dashboard.example
  honoured     auth-response-headers
  honoured     auth-signin
  honoured     auth-url
  refused      configuration-snippet is never obeyed: it is configuration text; it is ignored
               instead of auth_request_set: `auth-url` and `auth-response-headers`
               instead of if: nothing here
               instead of more_set_headers: `enable-cors` for CORS; let the backend send or leave out other fields
               instead of return: `permanent-redirect` or `temporal-redirect`
  no effect    proxy-buffer-size
  absent       spec.rules[0].http.paths[0].backend.service: Service tools/dashboard does not exist: its requests are answered 503
  absent       spec.tls[0].secretName: Secret tools/dashboard-tls does not exist: create it with `tls.crt` and `tls.key`

Every path of these hosts is a regular expression without regard to case, the longest text first:
  shop.example: by use-regex of Ingress shop/api
    Exact /cart of Ingress shop/site takes whatever begins with it, such as /cart/more, and /CART
    Exact /cart of Ingress team/cart takes whatever begins with it, such as /cart/more, and /CART

The same host and path twice:
  shop.example Regex /cart: Ingress shop/site is served, Ingress team/cart spec.rules[0].http.paths[0] is not

7 Ingresses: 1 obeyed as written, 5 not in every point, 1 of other controllers
";
    assert_eq!(check(MANIFESTS).to_string(), expected);
}

#[test]
fn absent_objects_and_regex_hosts_leave_a_check_clean_and_all_else_does_not() {
    let documents: Vec<&str> = MANIFESTS.split("---").collect();
    let of = |names: &[usize]| check(&names.iter().map(|at| documents[*at]).collect::<Vec<_>>().join("---"));
    let clean = of(&[0, 3, 7]);
    assert!(clean.is_clean());
    assert_eq!(clean.ingresses().iter().filter(|ingress| ingress.ignored().is_some()).count(), 1);
    assert!(clean.ingresses().iter().any(|ingress| !ingress.absent().is_empty()));
    let regex = documents[2].replace("nginx.ingress.kubernetes.io/limit-rps: \"ten\"", "");
    let regex = check(&[documents[0], &regex, documents[3]].join("---"));
    assert!(regex.is_clean() && regex.regex_hosts().len() == 1);
    assert!(!of(&[0, 3, 4]).is_clean(), "a conflict");
    assert!(!of(&[0, 2]).is_clean(), "a wrong value");
    assert!(!of(&[0, 5]).is_clean(), "one that is not supported");
}

#[test]
fn a_secret_that_is_nowhere_is_absent_and_one_that_is_wrong_closes() {
    let ingress = r#"
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: login
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/auth-type: basic, nginx.ingress.kubernetes.io/auth-secret: users}
spec: {ingressClassName: nginx, rules: [{host: login.example}]}
"#;
    let class = MANIFESTS.split("---").next().unwrap();
    let absent = check(&format!("{class}---{ingress}"));
    let login = &absent.ingresses()[0];
    assert!(login.is_clean());
    assert_eq!(login.absent()[0].field(), "metadata.annotations[nginx.ingress.kubernetes.io/auth-secret]");
    let secret = "{kind: Secret, apiVersion: v1, metadata: {name: users, namespace: shop}, data: {}}";
    let wrong = check(&format!("{class}---{ingress}---\n{secret}"));
    let annotation = &wrong.ingresses()[0].annotations()[0];
    assert_eq!((annotation.name(), annotation.verdict()), ("auth-secret", Verdict::Wrong));
    assert!(annotation.closes() && !wrong.is_clean());
}
