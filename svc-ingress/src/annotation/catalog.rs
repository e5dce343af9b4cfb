//! Every annotation that ingress-nginx knows, and what becomes of it here.

/// What becomes of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    entry("affinity", Honoured, "`cookie`"),
    entry("affinity-canary-behavior", Honoured, "`sticky` or `legacy`"),
    entry("affinity-mode", Honoured, "`balanced` or `persistent`"),
    entry("allowlist-source-range", Honoured, "other clients are answered 403"),
    entry("app-root", Honoured, "the path that the host's `/` is redirected to"),
    entry("auth-always-set-cookie", Honoured, "the server's cookies are passed on with any status"),
    entry("auth-cache-duration", Honoured, "how long an answer is kept, by its status"),
    entry("auth-cache-key", Honoured, "requests with the same value get the same answer"),
    entry("auth-keepalive", NoEffect, "connections are kept anyway"),
    entry("auth-keepalive-requests", NoEffect, "connections are kept anyway"),
    entry("auth-keepalive-share-vars", NoEffect, "connections are kept anyway"),
    entry("auth-keepalive-timeout", NoEffect, "connections are kept anyway"),
    entry("auth-method", Honoured, "the method that the server is asked with"),
    entry("auth-proxy-set-headers", Honoured, "the ConfigMap of further fields for the server"),
    entry("auth-realm", Honoured, "the realm that a login is asked for in"),
    entry("auth-request-redirect", Honoured, "what the server is told that the client asked for"),
    entry("auth-response-headers", Honoured, "fields of the answer that the backend sees"),
    entry("auth-secret", Honoured, "the Secret with the users"),
    entry("auth-secret-type", Honoured, "`auth-file` or `auth-map`"),
    entry("auth-signin", Honoured, "where clients are sent that are not logged in"),
    entry("auth-signin-redirect-param", Honoured, "the parameter that leads back, `rd` unless set"),
    entry("auth-snippet", Refused, ""),
    entry(
        "auth-tls-error-page",
        Honoured,
        "the URL that clients are sent to whose certificate is missing or not believed",
    ),
    entry("auth-tls-match-cn", Honoured, "other clients are answered 403"),
    entry(
        "auth-tls-pass-certificate-to-upstream",
        Honoured,
        "the backend gets the certificate in `ssl-client-cert`",
    ),
    entry(
        "auth-tls-secret",
        Honoured,
        "the Secret with the authorities for clients' certificates, and what they revoked",
    ),
    entry("auth-tls-verify-client", Honoured, "`on`, `off`, `optional` or `optional_no_ca`"),
    entry("auth-tls-verify-depth", Honoured, "how many authorities may stand between, 1 unless set"),
    entry("auth-type", Honoured, "`basic`"),
    entry("auth-url", Honoured, "the server that says who may pass"),
    entry("backend-protocol", Honoured, "HTTP, HTTPS, AUTO_HTTP, GRPC or GRPCS"),
    entry("canary", Honoured, "the Ingress takes requests off another one"),
    entry("canary-by-cookie", Honoured, "`always` or `never` in this cookie"),
    entry("canary-by-header", Honoured, "`always` or `never` in this field"),
    entry("canary-by-header-pattern", Honoured, "a regular expression for the field instead"),
    entry("canary-by-header-value", Honoured, "a value of the field instead"),
    entry("canary-weight", Honoured, "how many of `canary-weight-total` requests"),
    entry("canary-weight-total", Honoured, "100 unless it is more"),
    entry("client-body-buffer-size", NoEffect, "bodies are streamed"),
    entry("configuration-snippet", Refused, ""),
    entry(
        "connection-proxy-header",
        NoEffect,
        "connections to endpoints are kept, and upgrades recognised, whatever it says",
    ),
    entry("cors-allow-credentials", Honoured, "`Access-Control-Allow-Credentials`"),
    entry("cors-allow-headers", Honoured, "`Access-Control-Allow-Headers`"),
    entry("cors-allow-methods", Honoured, "`Access-Control-Allow-Methods`"),
    entry("cors-allow-origin", Honoured, "origins, with `*.` for one label"),
    entry("cors-expose-headers", Honoured, "`Access-Control-Expose-Headers`"),
    entry("cors-max-age", Honoured, "`Access-Control-Max-Age`"),
    entry(
        "custom-headers",
        Honoured,
        "the ConfigMap of further fields for replies, of those that the configuration allows",
    ),
    entry(
        "custom-http-errors",
        Honoured,
        "these errors of endpoints, and 502 to 504 of the router, get a page of the default backend",
    ),
    entry(
        "default-backend",
        Honoured,
        "the Service with the pages, which also serves where no endpoint is ready",
    ),
    entry("denylist-source-range", Honoured, "these clients are answered 403"),
    entry("disable-proxy-intercept-errors", Honoured, "errors of endpoints keep their own pages"),
    entry("enable-access-log", Honoured, "`false`: its requests are not logged"),
    entry("enable-cors", Honoured, "pages of other origins may read replies"),
    entry(
        "enable-global-auth",
        Honoured,
        "`false`: nobody is asked who the configuration names for all (`global_auth`)",
    ),
    entry("enable-modsecurity", NotYet, ""),
    entry("enable-opentelemetry", NotYet, ""),
    entry("enable-owasp-core-rules", NotYet, ""),
    entry("enable-rewrite-log", NotYet, ""),
    entry("fastcgi-index", NotYet, ""),
    entry("fastcgi-params-configmap", NotYet, ""),
    entry("force-ssl-redirect", Honoured, "plain HTTP is redirected in any case"),
    entry("from-to-www-redirect", Honoured, "the host with `www.`, or without it, is redirected to the host"),
    entry("http2-push-preload", NoEffect, "browsers take no pushed responses any more"),
    entry("limit-allowlist", Honoured, "these clients are not limited"),
    entry("limit-burst-multiplier", Honoured, "how many times a limit may come at once, 5 unless set"),
    entry("limit-connections", Honoured, "requests of one client at one time"),
    entry("limit-rate", Honoured, "KiB of a reply in a second"),
    entry("limit-rate-after", Honoured, "KiB of a reply that go before at any speed"),
    entry("limit-rpm", Honoured, "requests of one client in a minute"),
    entry("limit-rps", Honoured, "requests of one client in a second"),
    entry("limit-whitelist", Honoured, "another name of `limit-allowlist`"),
    entry("load-balance", Honoured, "`round_robin`, or `ewma` for the endpoint that answers faster"),
    entry("mirror-host", Honoured, "the host that the second server is asked for, its own name unless set"),
    entry("mirror-request-body", Honoured, "`off`: bodies are not copied"),
    entry(
        "mirror-target",
        Honoured,
        "the second server, which gets a copy of every request with a body of up to 1 MiB",
    ),
    entry("modsecurity-snippet", Refused, ""),
    entry("modsecurity-transaction-id", NotYet, ""),
    entry("opentelemetry-operation-name", NotYet, ""),
    entry("opentelemetry-trust-incoming-span", NotYet, ""),
    entry("permanent-redirect", Honoured, "every request is redirected to this URL"),
    entry("permanent-redirect-code", Honoured, "300 to 308, 301 unless set"),
    entry("preserve-trailing-slash", Honoured, "the redirect to HTTPS keeps a final `/`"),
    entry("proxy-body-size", Honoured, "the largest body of a request"),
    entry("proxy-buffer-size", NoEffect, "replies are streamed"),
    entry("proxy-buffering", NoEffect, "replies are streamed"),
    entry("proxy-buffers-number", NoEffect, "replies are streamed"),
    entry("proxy-busy-buffers-size", NoEffect, "replies are streamed"),
    entry("proxy-connect-timeout", Honoured, "seconds for a connection to an endpoint"),
    entry("proxy-cookie-domain", Honoured, "a domain in cookies of endpoints, and what stands for it"),
    entry(
        "proxy-cookie-path",
        Honoured,
        "the beginning of a path in cookies of endpoints, and what stands for it",
    ),
    entry("proxy-http-version", NoEffect, "endpoints are asked over HTTP/1.1, or over HTTP/2 for gRPC"),
    entry("proxy-max-temp-file-size", NoEffect, "replies are streamed"),
    entry("proxy-next-upstream", Honoured, "when another endpoint is asked"),
    entry("proxy-next-upstream-timeout", Honoured, "seconds for all tries"),
    entry("proxy-next-upstream-tries", Honoured, "how many endpoints are asked"),
    entry("proxy-read-timeout", Honoured, "seconds between two reads from an endpoint"),
    entry("proxy-redirect-from", Honoured, "the beginning of redirects of endpoints"),
    entry("proxy-redirect-to", Honoured, "what stands for it"),
    entry("proxy-request-buffering", NoEffect, "bodies are streamed"),
    entry("proxy-send-timeout", Honoured, "seconds between two writes to an endpoint"),
    entry("proxy-ssl-ciphers", Honoured, "suites of TLS 1.2 for endpoints, of those that are safe"),
    entry(
        "proxy-ssl-name",
        Honoured,
        "the name that endpoints' certificates are for, that of the Service unless set",
    ),
    entry("proxy-ssl-protocols", Honoured, "`TLSv1.2`, `TLSv1.3` or both"),
    entry(
        "proxy-ssl-secret",
        Honoured,
        "the Secret with the router's own certificate, with authorities, or with both",
    ),
    entry("proxy-ssl-server-name", Honoured, "`on`: endpoints are told the name"),
    entry(
        "proxy-ssl-verify",
        Honoured,
        "`on`: only endpoints with a certificate by the Secret's authorities are asked",
    ),
    entry("proxy-ssl-verify-depth", Honoured, "how many authorities may stand between, 1 unless set"),
    entry("relative-redirects", Honoured, "the redirect to a final slash names no host"),
    entry(
        "rewrite-target",
        Honoured,
        "the path that the backend sees, with `$1` to `$9` for the groups of the rule's path",
    ),
    entry("satisfy", Honoured, "`any`: a listed address or one login is enough; `all` unless set"),
    entry("server-alias", Honoured, "further names of the host, `*.` and `~regex` too"),
    entry("server-snippet", Refused, ""),
    entry("service-upstream", Honoured, "the address of the Service is asked, not its endpoints"),
    entry("session-cookie-change-on-failure", Honoured, "a session leaves an endpoint that fails"),
    entry(
        "session-cookie-conditional-samesite-none",
        Honoured,
        "no `SameSite=None` for browsers that refuse it",
    ),
    entry("session-cookie-domain", Honoured, "`Domain` of the cookie"),
    entry("session-cookie-expires", Honoured, "`Expires` of the cookie, in seconds from now"),
    entry("session-cookie-max-age", Honoured, "`Max-Age` of the cookie"),
    entry("session-cookie-name", Honoured, "`INGRESSCOOKIE` unless set"),
    entry("session-cookie-path", Honoured, "`Path` of the cookie, the rule's path unless set"),
    entry("session-cookie-samesite", Honoured, "`SameSite` of the cookie"),
    entry("session-cookie-secure", Honoured, "`Secure` over plain HTTP too"),
    entry(
        "ssl-ciphers",
        NoEffect,
        "all suites are of TLS 1.3, or of TLS 1.2 with ECDHE and authenticated encryption",
    ),
    entry("ssl-passthrough", Honoured, "TLS goes to the endpoints as it is, where that is enabled"),
    entry(
        "ssl-prefer-server-ciphers",
        NoEffect,
        "no suite is weaker than another: the client's order counts",
    ),
    entry("ssl-redirect", Honoured, "plain HTTP is redirected where the host has TLS"),
    entry("stream-snippet", Refused, ""),
    entry(
        "temporal-redirect",
        Honoured,
        "every request is redirected to this URL; before `permanent-redirect`",
    ),
    entry("temporal-redirect-code", Honoured, "300 to 307, 302 unless set"),
    entry("upstream-hash-by", Honoured, "requests for which this is the same go to the same endpoint"),
    entry("upstream-hash-by-subset", Honoured, "they share some endpoints"),
    entry("upstream-hash-by-subset-size", Honoured, "how many, 3 unless set"),
    entry("upstream-vhost", Honoured, "the host that the backend is asked for"),
    entry(
        "use-port-in-redirects",
        Honoured,
        "the redirect to a final slash names the router's port unless it is 80 or 443",
    ),
    entry("use-regex", Honoured, "paths are regular expressions"),
    entry("whitelist-source-range", Honoured, "another name of `allowlist-source-range`"),
    entry(
        "x-forwarded-prefix",
        Honoured,
        "`X-Forwarded-Prefix` for the backend where `rewrite-target` changes the path",
    ),
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
        "proxy-ssl-name",
        "proxy-ssl-secret",
        "proxy-ssl-server-name",
        "proxy-ssl-verify",
        "proxy-ssl-verify-depth",
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
