//! What to write in place of an annotation that is not obeyed here.

/// Annotations, and what stands in for them.
const INSTEAD: &[(&[&str], &str)] = &[
    (
        &["auth-snippet"],
        "`auth-proxy-set-headers` for fields, `auth-method` and `auth-cache-key` for the rest",
    ),
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
    (&["stream-snippet"], "a Service of type LoadBalancer for TCP and UDP"),
];

/// What to do without an annotation that is refused or not supported yet; `None` for all others, and for snippets, whose
/// [`directives`](super::directives) each have an answer of their own.
#[must_use]
pub fn instead(name: &str) -> Option<&'static str> {
    INSTEAD.iter().find(|(names, _)| names.contains(&name)).map(|(_, text)| *text)
}
