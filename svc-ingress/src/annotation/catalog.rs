//! Every annotation that ingress-nginx knows, and what becomes of it here.

/// What becomes of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Support {
    /// It does what it does under ingress-nginx.
    Honoured,
    /// It is accepted, and there is nothing for it to change.
    NoEffect,
    /// It is never obeyed: its value would be configuration text.
    Refused,
    /// It is reported and ignored; where it protects the backend, its Ingress is answered 503.
    NotYet,
}

/// One annotation, by its name without the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The name without the prefix.
    pub name: &'static str,
    /// What becomes of it.
    pub support: Support,
    /// What it says, in a few words; empty where it says nothing here.
    pub about: &'static str,
}

const fn entry(name: &'static str, support: Support, about: &'static str) -> Entry {
    Entry { name, support, about }
}

use Support::{Honoured, NoEffect, NotYet, Refused};

/// All annotations, in the order of their names.
pub const CATALOG: &[Entry] = &[
    entry("affinity", NotYet, ""),
    entry("affinity-canary-behavior", NotYet, ""),
    entry("affinity-mode", NotYet, ""),
    entry("allowlist-source-range", Honoured, "other clients are answered 403"),
    entry("app-root", NotYet, ""),
    entry("auth-always-set-cookie", NotYet, ""),
    entry("auth-cache-duration", NotYet, ""),
    entry("auth-cache-key", NotYet, ""),
    entry("auth-keepalive", NotYet, ""),
    entry("auth-keepalive-requests", NotYet, ""),
    entry("auth-keepalive-share-vars", NotYet, ""),
    entry("auth-keepalive-timeout", NotYet, ""),
    entry("auth-method", NotYet, ""),
    entry("auth-proxy-set-headers", NotYet, ""),
    entry("auth-realm", Honoured, "the realm that a login is asked for in"),
    entry("auth-request-redirect", NotYet, ""),
    entry("auth-response-headers", NotYet, ""),
    entry("auth-secret", Honoured, "the Secret with the users"),
    entry("auth-secret-type", Honoured, "`auth-file` or `auth-map`"),
    entry("auth-signin", NotYet, ""),
    entry("auth-signin-redirect-param", NotYet, ""),
    entry("auth-snippet", Refused, ""),
    entry("auth-tls-error-page", NotYet, ""),
    entry("auth-tls-match-cn", NotYet, ""),
    entry("auth-tls-pass-certificate-to-upstream", NotYet, ""),
    entry("auth-tls-secret", NotYet, ""),
    entry("auth-tls-verify-client", NotYet, ""),
    entry("auth-tls-verify-depth", NotYet, ""),
    entry("auth-type", Honoured, "`basic`"),
    entry("auth-url", NotYet, ""),
    entry("backend-protocol", Honoured, "HTTP, HTTPS, AUTO_HTTP, GRPC or GRPCS"),
    entry("canary", Honoured, ""),
    entry("canary-by-cookie", NotYet, ""),
    entry("canary-by-header", NotYet, ""),
    entry("canary-by-header-pattern", NotYet, ""),
    entry("canary-by-header-value", NotYet, ""),
    entry("canary-weight", NotYet, ""),
    entry("canary-weight-total", NotYet, ""),
    entry("client-body-buffer-size", NoEffect, "bodies are streamed"),
    entry("configuration-snippet", Refused, ""),
    entry("connection-proxy-header", NotYet, ""),
    entry("cors-allow-credentials", NotYet, ""),
    entry("cors-allow-headers", NotYet, ""),
    entry("cors-allow-methods", NotYet, ""),
    entry("cors-allow-origin", NotYet, ""),
    entry("cors-expose-headers", NotYet, ""),
    entry("cors-max-age", NotYet, ""),
    entry("custom-headers", NotYet, ""),
    entry("custom-http-errors", NotYet, ""),
    entry("default-backend", NotYet, ""),
    entry("denylist-source-range", Honoured, "these clients are answered 403"),
    entry("disable-proxy-intercept-errors", NotYet, ""),
    entry("enable-access-log", NotYet, ""),
    entry("enable-cors", NotYet, ""),
    entry("enable-global-auth", NotYet, ""),
    entry("enable-modsecurity", NotYet, ""),
    entry("enable-opentelemetry", NotYet, ""),
    entry("enable-owasp-core-rules", NotYet, ""),
    entry("enable-rewrite-log", NotYet, ""),
    entry("fastcgi-index", NotYet, ""),
    entry("fastcgi-params-configmap", NotYet, ""),
    entry("force-ssl-redirect", Honoured, "plain HTTP is redirected in any case"),
    entry("from-to-www-redirect", NotYet, ""),
    entry("http2-push-preload", NotYet, ""),
    entry("limit-allowlist", Honoured, "these clients are not limited"),
    entry("limit-burst-multiplier", Honoured, "how many times a limit may come at once, 5 unless set"),
    entry("limit-connections", Honoured, "requests of one client at one time"),
    entry("limit-rate", NotYet, ""),
    entry("limit-rate-after", NotYet, ""),
    entry("limit-rpm", Honoured, "requests of one client in a minute"),
    entry("limit-rps", Honoured, "requests of one client in a second"),
    entry("limit-whitelist", Honoured, "another name of `limit-allowlist`"),
    entry("load-balance", NotYet, ""),
    entry("mirror-host", NotYet, ""),
    entry("mirror-request-body", NotYet, ""),
    entry("mirror-target", NotYet, ""),
    entry("modsecurity-snippet", Refused, ""),
    entry("modsecurity-transaction-id", NotYet, ""),
    entry("opentelemetry-operation-name", NotYet, ""),
    entry("opentelemetry-trust-incoming-span", NotYet, ""),
    entry("permanent-redirect", NotYet, ""),
    entry("permanent-redirect-code", NotYet, ""),
    entry("preserve-trailing-slash", Honoured, "the redirect to HTTPS keeps a final `/`"),
    entry("proxy-body-size", Honoured, "the largest body of a request"),
    entry("proxy-buffer-size", NoEffect, "replies are streamed"),
    entry("proxy-buffering", NoEffect, "replies are streamed"),
    entry("proxy-buffers-number", NoEffect, "replies are streamed"),
    entry("proxy-busy-buffers-size", NoEffect, "replies are streamed"),
    entry("proxy-connect-timeout", Honoured, "seconds for a connection to an endpoint"),
    entry("proxy-cookie-domain", NotYet, ""),
    entry("proxy-cookie-path", NotYet, ""),
    entry("proxy-http-version", NotYet, ""),
    entry("proxy-max-temp-file-size", NoEffect, "replies are streamed"),
    entry("proxy-next-upstream", Honoured, "when another endpoint is asked"),
    entry("proxy-next-upstream-timeout", Honoured, "seconds for all tries"),
    entry("proxy-next-upstream-tries", Honoured, "how many endpoints are asked"),
    entry("proxy-read-timeout", Honoured, "seconds between two reads from an endpoint"),
    entry("proxy-redirect-from", NotYet, ""),
    entry("proxy-redirect-to", NotYet, ""),
    entry("proxy-request-buffering", NoEffect, "bodies are streamed"),
    entry("proxy-send-timeout", Honoured, "seconds between two writes to an endpoint"),
    entry("proxy-ssl-ciphers", NotYet, ""),
    entry("proxy-ssl-name", NotYet, ""),
    entry("proxy-ssl-protocols", NotYet, ""),
    entry("proxy-ssl-secret", NotYet, ""),
    entry("proxy-ssl-server-name", NotYet, ""),
    entry("proxy-ssl-verify", NotYet, ""),
    entry("proxy-ssl-verify-depth", NotYet, ""),
    entry("relative-redirects", NotYet, ""),
    entry(
        "rewrite-target",
        Honoured,
        "the path that the backend sees, with `$1` to `$9` for the groups of the rule's path",
    ),
    entry("satisfy", NotYet, ""),
    entry("server-alias", NotYet, ""),
    entry("server-snippet", Refused, ""),
    entry("service-upstream", NotYet, ""),
    entry("session-cookie-change-on-failure", NotYet, ""),
    entry("session-cookie-conditional-samesite-none", NotYet, ""),
    entry("session-cookie-domain", NotYet, ""),
    entry("session-cookie-expires", NotYet, ""),
    entry("session-cookie-max-age", NotYet, ""),
    entry("session-cookie-name", NotYet, ""),
    entry("session-cookie-path", NotYet, ""),
    entry("session-cookie-samesite", NotYet, ""),
    entry("session-cookie-secure", NotYet, ""),
    entry("ssl-ciphers", NotYet, ""),
    entry("ssl-passthrough", NotYet, ""),
    entry("ssl-prefer-server-ciphers", NotYet, ""),
    entry("ssl-redirect", Honoured, "plain HTTP is redirected where the host has TLS"),
    entry("stream-snippet", Refused, ""),
    entry("temporal-redirect", NotYet, ""),
    entry("temporal-redirect-code", NotYet, ""),
    entry("upstream-hash-by", NotYet, ""),
    entry("upstream-hash-by-subset", NotYet, ""),
    entry("upstream-hash-by-subset-size", NotYet, ""),
    entry("upstream-vhost", NotYet, ""),
    entry("use-port-in-redirects", NotYet, ""),
    entry("use-regex", Honoured, "paths are regular expressions"),
    entry("whitelist-source-range", Honoured, "another name of `allowlist-source-range`"),
    entry("x-forwarded-prefix", NotYet, ""),
];

/// What becomes of an annotation; `None` if nobody knows it.
#[must_use]
pub fn support(name: &str) -> Option<Support> {
    let found = CATALOG.binary_search_by(|entry| entry.name.cmp(name)).ok()?;
    CATALOG.get(found).map(|entry| entry.support)
}

/// Annotations without which the backend would be open to more than its owner wants, or would get what it cannot read.
#[must_use]
pub fn protects(name: &str) -> bool {
    let families = ["auth-", "whitelist-source-range", "allowlist-source-range", "denylist-source-range"];
    let others = [
        "satisfy",
        "backend-protocol",
        "enable-global-auth",
        "ssl-passthrough",
        "rewrite-target",
        "use-regex",
    ];
    (families.iter().any(|prefix| name.starts_with(prefix)) && name != "auth-snippet")
        || others.contains(&name)
}
