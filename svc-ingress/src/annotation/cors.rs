//! `enable-cors` and `cors-*`: which pages of other origins may read replies.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use http::{HeaderMap, HeaderValue};

use super::reader::Reader;
use super::value;

const METHODS: HeaderValue = HeaderValue::from_static("GET, PUT, POST, DELETE, PATCH, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
);
const ANY: HeaderValue = HeaderValue::from_static("*");

/// What is said to other origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// `None` for every origin.
    origins: Option<Vec<OriginPattern>>,
    methods: HeaderValue,
    headers: HeaderValue,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: i64,
}

/// An origin; with `*` for one label of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OriginPattern {
    before: String,
    /// What follows a label that may be any.
    after_label: Option<String>,
}

impl Cors {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let enabled = reader.read("enable-cors", value::boolean).unwrap_or(false);
        let cors = Self {
            origins: origins(reader),
            methods: reader.read("cors-allow-methods", methods).unwrap_or(METHODS),
            headers: reader.read("cors-allow-headers", |text| names(text, "")).unwrap_or(HEADERS),
            expose: reader.read("cors-expose-headers", |text| names(text, "*")),
            credentials: reader.read("cors-allow-credentials", value::boolean).unwrap_or(true),
            max_age: reader.read("cors-max-age", value::integer).unwrap_or(1_728_000),
        };
        enabled.then_some(cors)
    }

    /// What `Access-Control-Allow-Origin` says to a request of this origin; `None` if nothing.
    #[must_use]
    pub fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let Some(origins) = &self.origins else { return Some(ANY) };
        let origin = origin?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        origins.iter().any(|pattern| pattern.matches(&text)).then(|| origin.clone())
    }

    /// Says it, in the place of what a backend says.
    pub fn set(&self, allowed: HeaderValue, fields: &mut HeaderMap) {
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        if let Some(expose) = &self.expose {
            fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        fields.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.into());
    }
}

/// The origins of the list; every one without a list, or with `*` in it. One that is wrong is left out.
fn origins(reader: &mut Reader<'_>) -> Option<Vec<OriginPattern>> {
    let list = reader.text("cors-allow-origin")?;
    let entries = || list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    if entries().any(|entry| entry == "*") {
        return None;
    }
    let mut patterns = Vec::new();
    for entry in entries() {
        match OriginPattern::parse(entry) {
            Some(pattern) => patterns.push(pattern),
            None => reader.refuse(
                "cors-allow-origin",
                &format!("has `{entry}`, which is no origin such as https://*.foo.example:8443"),
            ),
        }
    }
    Some(patterns)
}

impl OriginPattern {
    fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let pattern = match lower.split_once('*') {
            None => Self { before: lower.clone(), after_label: None },
            Some((before, after)) => Self { before: before.to_owned(), after_label: Some(after.to_owned()) },
        };
        if text == "null" {
            return Some(pattern);
        }
        let (scheme, host) = text.split_once("://")?;
        let wild = host.strip_prefix("*.");
        let (name, port) = match wild.unwrap_or(host).split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (wild.unwrap_or(host), None),
        };
        let scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase());
        let name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        let port = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        (scheme && name && port).then_some(pattern)
    }

    /// Whether an origin in lower case ends as the pattern says; ingress-nginx asks no more.
    fn matches(&self, origin: &str) -> bool {
        let Some(after) = &self.after_label else { return origin.ends_with(&self.before) };
        let Some(rest) = origin.strip_suffix(after.as_str()) else { return false };
        let before = rest.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
        before.len() < rest.len() && before.ends_with(&self.before)
    }
}

/// Words and commas, kept as they are written.
fn methods(text: &str) -> Result<HeaderValue, String> {
    let words = text.split([',', ' ']).all(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let value = HeaderValue::from_str(text).ok().filter(|_| words);
    value.ok_or_else(|| "is not a list of methods such as `GET, PUT`".to_owned())
}

/// Names of fields and commas, kept as they are written; `more` is allowed too.
fn names(text: &str, more: &str) -> Result<HeaderValue, String> {
    let name = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let words = text.split([',', ' ']).all(|word| name(word) || word == more);
    let value = HeaderValue::from_str(text).ok().filter(|_| words);
    value.ok_or_else(|| "is not a list of fields such as `X-One, X-Two`".to_owned())
}
