//! What to write in place of an annotation that is not obeyed here.

/// Annotations, and what stands in for them.
const INSTEAD: &[(&[&str], &str)] = &[
    (
        &["auth-snippet"],
        "`auth-proxy-set-headers` for fields, `auth-method` and `auth-cache-key` for the rest",
    ),
    (&["connection-proxy-header"], "nothing: upgrades are recognised, other connections are kept"),
    (&["custom-headers"], "let the backend send the fields; `enable-cors` for those of CORS"),
    (&["enable-global-auth"], "`auth-url` on each Ingress that needs a login"),
    (
        &[
            "enable-modsecurity",
            "enable-owasp-core-rules",
            "modsecurity-snippet",
            "modsecurity-transaction-id",
        ],
        "a web application firewall before the router",
    ),
    (
        &["enable-opentelemetry", "opentelemetry-operation-name", "opentelemetry-trust-incoming-span"],
        "tracing in the backend: it gets `X-Request-ID`, and `traceparent` as clients send it",
    ),
    (&["enable-rewrite-log"], "`ingress explain`, which says what a path is rewritten to"),
    (&["fastcgi-index", "fastcgi-params-configmap"], "a web server in the pod that speaks HTTP"),
    (&["http2-push-preload"], "nothing: browsers take no pushed responses any more"),
    (&["limit-rate", "limit-rate-after"], "`limit-rps` and `limit-connections`, which limit requests"),
    (&["load-balance"], "nothing: endpoints are asked in turn"),
    (&["mirror-host", "mirror-request-body", "mirror-target"], "let the backend copy its requests"),
    (&["proxy-cookie-domain", "proxy-cookie-path"], "let the backend set cookies as clients shall see them"),
    (
        &["proxy-http-version"],
        "nothing: endpoints are asked over HTTP/1.1, with `backend-protocol: GRPC` over HTTP/2",
    ),
    (
        &["proxy-redirect-from", "proxy-redirect-to"],
        "let the backend write `Location` by `X-Forwarded-Host` and `X-Forwarded-Proto`",
    ),
    (
        &[
            "proxy-ssl-ciphers",
            "proxy-ssl-name",
            "proxy-ssl-protocols",
            "proxy-ssl-secret",
            "proxy-ssl-server-name",
            "proxy-ssl-verify",
            "proxy-ssl-verify-depth",
        ],
        "`backend-protocol: HTTPS`, which encrypts without verifying; a NetworkPolicy for who may answer",
    ),
    (&["relative-redirects"], "nothing: clients follow absolute redirects, too"),
    (&["ssl-ciphers", "ssl-prefer-server-ciphers"], "nothing: TLS 1.2 and 1.3 with forward secrecy only"),
    (&["ssl-passthrough"], "a Service of type LoadBalancer for the backend"),
    (&["stream-snippet"], "a Service of type LoadBalancer for TCP and UDP"),
    (&["use-port-in-redirects"], "nothing: redirects name the port that the client named"),
];

/// What to do without an annotation that is refused or not supported yet; `None` for all others, and for snippets, whose
/// [`directives`](super::directives) each have an answer of their own.
#[must_use]
pub fn instead(name: &str) -> Option<&'static str> {
    INSTEAD.iter().find(|(names, _)| names.contains(&name)).map(|(_, text)| *text)
}
