//! External authentication: the request that the server is asked with, and what its answer means.

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::annotation::ExternalAuth;
use crate::forward::{self, REQUEST_ID};
use crate::variable::{Interpolated, Scope};

#[cfg(test)]
mod tests;

const SENT_FROM: HeaderValue = HeaderValue::from_static("nginx-ingress-controller");
/// An answer whose fields are larger than this is not kept.
const MAX_KEPT: usize = 4096;
/// The statuses with which the server's cookies are passed on, as nginx's `add_header` has them.
const WITH_COOKIES: [u16; 10] = [200, 201, 204, 206, 301, 302, 303, 304, 307, 308];

/// The fields that the server is asked with: the client's, but for those that belong to its connection, that frame its body,
/// or that only a router may set; then what the router knows.
#[must_use]
pub fn request_fields(
    auth: &ExternalAuth,
    scope: Scope<'_>,
    extra: &[(HeaderName, Interpolated)],
) -> HeaderMap {
    let mut fields = scope.headers.clone();
    forward::to_authority(&mut fields);
    fields.remove(CONTENT_LENGTH);
    let scheme = if scope.https { "https" } else { "http" };
    let url = format!("{scheme}://{}{}", scope.authority, scope.target);
    let redirect = auth.request_redirect().map_or_else(|| scope.target.to_owned(), |text| text.fill(scope));
    let client = scope.client.to_string();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-original-url", &url);
    set("x-original-method", scope.method.as_str());
    set("x-real-ip", &client);
    set("x-forwarded-for", &client);
    set("x-auth-request-redirect", &redirect);
    if auth.method().is_some() {
        set("x-original-uri", scope.target);
        set("x-scheme", scheme);
    }
    fields.insert(HeaderName::from_static("x-sent-from"), SENT_FROM);
    for (name, value) in extra {
        if let Ok(value) = HeaderValue::from_str(&value.fill(scope)) {
            fields.insert(name.clone(), value);
        }
    }
    fields
}

/// The method that the server is asked with.
#[must_use]
pub fn request_method(auth: &ExternalAuth) -> Method {
    auth.method().cloned().unwrap_or(Method::GET)
}

/// What a server's answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    status: StatusCode,
    challenges: Vec<HeaderValue>,
    cookies: Vec<HeaderValue>,
    copied: Vec<(HeaderName, Vec<HeaderValue>)>,
    keepable: bool,
}

impl Verdict {
    /// Reads an answer. 2xx lets the request pass, 401 and 403 stand, everything else is 500: nothing that a server says by
    /// mistake opens a backend.
    #[must_use]
    pub fn of(auth: &ExternalAuth, status: StatusCode, fields: &HeaderMap) -> Self {
        let all = |name: &HeaderName| fields.get_all(name).into_iter().cloned().collect::<Vec<_>>();
        let code = match status {
            status if status.is_success() => status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => status,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let challenges = if code == StatusCode::UNAUTHORIZED { all(&WWW_AUTHENTICATE) } else { Vec::new() };
        let copied = auth.response_headers().iter().map(|name| (name.clone(), all(name))).collect();
        let verdict = Self { status: code, challenges, cookies: all(&SET_COOKIE), copied, keepable: false };
        let keepable = verdict.cookies.is_empty() && !forbids_keeping(fields) && verdict.size() <= MAX_KEPT;
        Self { keepable, ..verdict }
    }

    /// The server could not be asked.
    #[must_use]
    pub fn unknown() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, challenges: Vec::new(), cookies: Vec::new(), copied: Vec::new(), keepable: false }
    }

    /// The request may pass.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.status.is_success()
    }

    /// The status that the client gets if it may not, or that allowed it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// `WWW-Authenticate` of a 401.
    #[must_use]
    pub fn challenges(&self) -> &[HeaderValue] {
        &self.challenges
    }

    /// It may be kept for other requests with the same key: it sets no cookie and does not say otherwise.
    #[must_use]
    pub fn is_keepable(&self) -> bool {
        self.keepable
    }

    /// Puts the fields of `auth-response-headers` in a request, and nothing else under their names.
    pub fn apply(&self, request: &mut HeaderMap) {
        for (name, values) in &self.copied {
            request.remove(name);
            for value in values {
                request.append(name.clone(), value.clone());
            }
        }
    }

    /// The cookies for a reply of this status.
    #[must_use]
    pub fn cookies(&self, always: bool, status: StatusCode) -> &[HeaderValue] {
        if always || WITH_COOKIES.contains(&status.as_u16()) { &self.cookies } else { &[] }
    }

    fn size(&self) -> usize {
        let copied = self.copied.iter().flat_map(|(_, values)| values);
        copied.chain(&self.challenges).map(HeaderValue::len).sum()
    }
}

/// What a shared cache may not keep (RFC 9111 section 5.2.2), or should not for long.
fn forbids_keeping(fields: &HeaderMap) -> bool {
    let values = fields.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let mut words = values.flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase());
    words
        .any(|word| matches!(word.as_str(), "no-store" | "no-cache" | "private" | "max-age=0" | "s-maxage=0"))
}

/// Names the request as the router does; the id is the client's if it sent one.
pub fn name_request(fields: &mut HeaderMap, id: HeaderValue) {
    fields.insert(REQUEST_ID, id);
}
