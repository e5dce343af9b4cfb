//! `auth-url` and its family: another server decides which requests may pass.

use std::time::Duration;

use http::{HeaderName, Method};
use svc_model::ObjectName;

use crate::variable::{Interpolated, Variable};

use super::reader::Reader;
use super::url::Url;
use super::value;

/// Who is asked, and what becomes of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAuth {
    url: Url,
    method: Option<Method>,
    sign_in: Option<SignIn>,
    response_headers: Vec<HeaderName>,
    request_redirect: Option<Interpolated>,
    set_headers: Option<ObjectName>,
    always_set_cookie: bool,
    cache: Option<AuthCache>,
}

/// `auth-signin`: where clients are sent that are not logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SignIn {
    url: Interpolated,
}

/// `auth-cache-key` and `auth-cache-duration`: answers that are good for more than one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthCache {
    key: Interpolated,
    durations: Vec<(Vec<Codes>, Duration)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codes {
    Any,
    One(u16),
}

impl ExternalAuth {
    /// `None` if nobody is asked, or if an annotation is wrong: the reader then denies every request.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if !reader.has("auth-url") {
            return None;
        }
        if reader.text("auth-url").is_none() {
            reader.refuse("auth-url", "is empty: name the server that is asked");
        }
        let (namespace, others) = (reader.namespace(), reader.config().allows_cross_namespace());
        let local = reader.config().allows_local_targets();
        let param = reader.read("auth-signin-redirect-param", value::token);
        let auth = Self {
            url: reader.read("auth-url", |text| Url::parse(text, local))?,
            method: reader.read("auth-method", method),
            sign_in: reader.read("auth-signin", |text| SignIn::parse(text, param.as_deref().unwrap_or("rd"))),
            response_headers: reader.read("auth-response-headers", response_headers).unwrap_or_default(),
            request_redirect: reader.read("auth-request-redirect", Interpolated::parse),
            set_headers: reader
                .read("auth-proxy-set-headers", |text| value::object("ConfigMap", text, namespace, others)),
            always_set_cookie: reader.read("auth-always-set-cookie", value::boolean).unwrap_or(false),
            cache: AuthCache::read(reader),
        };
        // They would change what pooled connections cost, which they do not here; wrong ones are named all the same.
        for key in ["auth-keepalive", "auth-keepalive-requests", "auth-keepalive-timeout"] {
            let _ = reader.read(key, value::count);
        }
        let _ = reader.read("auth-keepalive-share-vars", value::boolean);
        Some(auth)
    }

    /// The server is spoken to over TLS. Its certificate is not verified, as with ingress-nginx.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.https
    }

    /// The server, with variables.
    #[must_use]
    pub fn authority(&self) -> &Interpolated {
        &self.url.authority
    }

    /// Path and query, with variables.
    #[must_use]
    pub fn target(&self) -> &Interpolated {
        &self.url.target
    }

    /// Which server is asked depends on what the client calls this one.
    #[must_use]
    pub fn follows_host(&self) -> bool {
        self.url.authority.variables().any(|variable| matches!(variable, Variable::Host | Variable::HttpHost))
    }

    /// `auth-method`; GET without one.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// `auth-signin` with the parameter that leads back here.
    #[must_use]
    pub fn sign_in(&self) -> Option<&Interpolated> {
        self.sign_in.as_ref().map(|sign_in| &sign_in.url)
    }

    /// `auth-response-headers`: fields of the answer that the backend sees, and no others of these names.
    #[must_use]
    pub fn response_headers(&self) -> &[HeaderName] {
        &self.response_headers
    }

    /// `auth-request-redirect`: what the server is told that the client asked for.
    #[must_use]
    pub fn request_redirect(&self) -> Option<&Interpolated> {
        self.request_redirect.as_ref()
    }

    /// `auth-proxy-set-headers`: the ConfigMap of further fields for the server.
    #[must_use]
    pub fn set_headers(&self) -> Option<&ObjectName> {
        self.set_headers.as_ref()
    }

    /// `auth-always-set-cookie`: the answer's cookies are passed on whatever the reply's status.
    #[must_use]
    pub fn always_sets_cookie(&self) -> bool {
        self.always_set_cookie
    }

    /// `auth-cache-key` and `auth-cache-duration`.
    #[must_use]
    pub fn cache(&self) -> Option<&AuthCache> {
        self.cache.as_ref()
    }
}

impl SignIn {
    /// The URL with a parameter that leads back, unless it has one.
    fn parse(text: &str, param: &str) -> Result<Self, String> {
        let variable = text.starts_with("$scheme://") || text.starts_with("$pass_access_scheme://");
        if !variable
            && !text.starts_with("http://")
            && !text.starts_with("https://")
            && !text.starts_with('/')
        {
            return Err("is neither a URL nor a path".to_owned());
        }
        let query = text.split_once('?').map(|(_, query)| query);
        let mut keys = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let back = "$pass_access_scheme://$http_host$escaped_request_uri";
        let url = if keys.any(|(key, value)| key == param && !value.is_empty()) {
            text.to_owned()
        } else if query.is_none_or(str::is_empty) {
            format!("{}?{param}={back}", text.trim_end_matches('?'))
        } else {
            format!("{text}&{param}={back}")
        };
        Interpolated::parse(&url).map(|url| Self { url })
    }
}

impl AuthCache {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let durations = reader.read("auth-cache-duration", durations);
        let key = reader.read("auth-cache-key", Interpolated::parse)?;
        let default = || {
            let codes = [200, 202, 401].map(Codes::One);
            vec![(codes.to_vec(), Duration::from_secs(300))]
        };
        Some(Self { key, durations: durations.unwrap_or_else(default) })
    }

    /// Requests for which it has the same value get the same answer.
    #[must_use]
    pub fn key(&self) -> &Interpolated {
        &self.key
    }

    /// How long an answer with this status is good; `None` if for its own request only.
    #[must_use]
    pub fn duration(&self, status: u16) -> Option<Duration> {
        let one = |(codes, _): &&(Vec<Codes>, Duration)| codes.contains(&Codes::One(status));
        let any = |(codes, _): &&(Vec<Codes>, Duration)| codes.contains(&Codes::Any);
        let found = self.durations.iter().find(one).or_else(|| self.durations.iter().find(any));
        found.map(|(_, duration)| *duration).filter(|duration| !duration.is_zero())
    }
}

/// `200 202 401 5m, any 1m`; a time alone is for 200, 301 and 302, as in nginx.
fn durations(text: &str) -> Result<Vec<(Vec<Codes>, Duration)>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            duration(entry).ok_or_else(|| format!("has `{entry}`, which is nothing like `200 401 5m`"))
        })
        .collect()
}

fn duration(entry: &str) -> Option<(Vec<Codes>, Duration)> {
    let (mut codes, mut total) = (Vec::new(), None::<Duration>);
    for word in entry.split_whitespace() {
        let code = word.parse().ok().filter(|code| (100..1000).contains(code) && word.len() == 3);
        match (code, word) {
            (Some(code), _) if total.is_none() => codes.push(Codes::One(code)),
            (None, "any") if total.is_none() => codes.push(Codes::Any),
            _ => total = Some(total.unwrap_or_default().checked_add(time(word)?)?),
        }
    }
    if codes.is_empty() {
        codes = [200, 301, 302].map(Codes::One).to_vec();
    }
    Some((codes, total?))
}

/// A time as nginx writes it: `30s`, `5m`.
fn time(word: &str) -> Option<Duration> {
    let end = word.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = word.split_at(end);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        "M" => 2_592_000,
        "y" => 31_536_000,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

fn method(text: &str) -> Result<Method, String> {
    const METHODS: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    let found = METHODS.into_iter().find(|method| method.as_str() == text);
    found.ok_or_else(|| "is none of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS".to_owned())
}

/// Names of fields that an answer may have changed on the way to a backend: none that frames or routes the request.
fn response_headers(text: &str) -> Result<Vec<HeaderName>, String> {
    const NEVER: [&str; 8] = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let parse = |name: &str| {
        let found =
            name.parse::<HeaderName>().map_err(|_| format!("has `{name}`, which is no field's name"))?;
        if NEVER.contains(&found.as_str()) {
            return Err(format!("has `{name}`, which is of the connection, not of a login"));
        }
        Ok(found)
    };
    names.map(parse).collect()
}
