//! `permanent-redirect`, `temporal-redirect`, `from-to-www-redirect` and `app-root`.

use http::StatusCode;

use crate::variable::Interpolated;

use super::reader::Reader;
use super::value;

/// Where requests are sent instead of to a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirects {
    to: Option<(StatusCode, Interpolated)>,
    www: bool,
    app_root: Option<String>,
}

impl Redirects {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let permanent = reader.read("permanent-redirect", url);
        let permanent_code = reader.read("permanent-redirect-code", |text| code(text, 308));
        let temporal = reader.read("temporal-redirect", url);
        let temporal_code = reader.read("temporal-redirect-code", |text| code(text, 307));
        let permanent = permanent.map(|url| (permanent_code.unwrap_or(StatusCode::MOVED_PERMANENTLY), url));
        let temporal = temporal.map(|url| (temporal_code.unwrap_or(StatusCode::FOUND), url));
        let redirects = Self {
            to: temporal.or(permanent),
            www: reader.read("from-to-www-redirect", value::boolean).unwrap_or(false),
            app_root: reader.read("app-root", path),
        };
        (redirects != Self::default()).then_some(redirects)
    }

    /// `permanent-redirect` or `temporal-redirect`, of which the latter comes first: for every request.
    #[must_use]
    pub fn to(&self) -> Option<(StatusCode, &Interpolated)> {
        self.to.as_ref().map(|(code, url)| (*code, url))
    }

    /// `from-to-www-redirect`: the rule's host with `www.` before it, or without it, leads to the rule's host.
    #[must_use]
    pub fn www(&self) -> bool {
        self.www
    }

    /// `app-root`: the path that the host's `/` leads to.
    #[must_use]
    pub fn app_root(&self) -> Option<&str> {
        self.app_root.as_deref()
    }
}

fn url(text: &str) -> Result<Interpolated, String> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err("does not begin with `http://` or `https://`".to_owned());
    }
    Interpolated::parse(text)
}

fn code(text: &str, last: u16) -> Result<StatusCode, String> {
    let code = text.parse().ok().filter(|code| (300..=last).contains(code));
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    code.ok_or_else(|| format!("is not a number from 300 to {last}"))
}

fn path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:?=&%".contains(&byte);
    if text.starts_with('/') && text.len() <= 4096 && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("is not a path such as `/app`".to_owned())
    }
}
