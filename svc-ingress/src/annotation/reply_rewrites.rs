//! `proxy-redirect-*` and `proxy-cookie-*`: what is changed in fields by which an endpoint names itself.

use http::header::{Entry, LOCATION, REFRESH, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::reader::Reader;

/// Texts for which others stand in `Location`, `Refresh` and `Set-Cookie` of endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyRewrites {
    redirect: Option<Replacement>,
    cookie_domain: Option<Replacement>,
    cookie_path: Option<Replacement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Replacement {
    from: String,
    to: String,
}

impl ReplyRewrites {
    /// `None` if nothing is changed.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let from = reader.read("proxy-redirect-from", |text| word(text).map(str::to_owned));
        let to = reader.read("proxy-redirect-to", |text| word(text).map(str::to_owned));
        // As with ingress-nginx; what `default` stands for there, no endpoint here is known by.
        let on = |text: &String| text != "off" && text != "default";
        let redirect =
            from.filter(on).zip(to.filter(|to| to != "off")).map(|(from, to)| Replacement { from, to });
        let cookie_domain = reader.read("proxy-cookie-domain", Replacement::parse).flatten();
        let cookie_path = reader.read("proxy-cookie-path", Replacement::parse).flatten();
        let read = Self { redirect, cookie_domain, cookie_path };
        (read != Self::default()).then_some(read)
    }

    /// Changes the fields of an endpoint's reply.
    pub fn apply(&self, fields: &mut HeaderMap) {
        if let Some(redirect) = &self.redirect {
            change(fields.get_mut(LOCATION), |value| redirect.of_beginning(value));
            change(fields.get_mut(REFRESH), |value| redirect.of_refresh(value));
        }
        if (self.cookie_domain.is_some() || self.cookie_path.is_some())
            && let Entry::Occupied(mut cookies) = fields.entry(SET_COOKIE)
        {
            cookies.iter_mut().for_each(|cookie| change(Some(cookie), |value| self.of_cookie(value)));
        }
    }

    /// Attributes only: the first pair is the cookie itself.
    fn of_cookie(&self, cookie: &str) -> Option<String> {
        let mut parts = cookie.split(';');
        let mut changed = parts.next()?.to_owned();
        for part in parts {
            changed.push(';');
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let new = match name.trim().to_ascii_lowercase().as_str() {
                "domain" => self.cookie_domain.as_ref().and_then(|domain| domain.of_domain(value.trim())),
                "path" => self.cookie_path.as_ref().and_then(|path| path.of_beginning(value.trim())),
                _ => None,
            };
            match new {
                Some(new) => changed.push_str(&format!("{name}={new}")),
                None => changed.push_str(part),
            }
        }
        Some(changed)
    }
}

impl Replacement {
    /// Two words, or `off`.
    fn parse(text: &str) -> Result<Option<Self>, String> {
        let mut words = text.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("off"), None, None) => Ok(None),
            (Some(from), Some(to), None) => {
                Ok(Some(Self { from: word(from)?.to_owned(), to: word(to)?.to_owned() }))
            }
            _ => Err("is neither `off` nor a text and what stands for it".to_owned()),
        }
    }

    fn of_beginning(&self, value: &str) -> Option<String> {
        value.strip_prefix(self.from.as_str()).map(|rest| format!("{}{rest}", self.to))
    }

    /// `5; url=http://inner/`: the URL is changed.
    fn of_refresh(&self, value: &str) -> Option<String> {
        let at = value.to_ascii_lowercase().find("url=")? + "url=".len();
        let (before, url) = value.split_at_checked(at)?;
        self.of_beginning(url).map(|url| format!("{before}{url}"))
    }

    /// A whole domain; a dot before it stays.
    fn of_domain(&self, value: &str) -> Option<String> {
        let bare = |text: &str| text.strip_prefix('.').unwrap_or(text).to_ascii_lowercase();
        let dot = if value.starts_with('.') { "." } else { "" };
        (bare(value) == bare(&self.from)).then(|| format!("{dot}{}", self.to))
    }
}

fn change(value: Option<&mut HeaderValue>, change: impl FnOnce(&str) -> Option<String>) {
    let Some(value) = value else { return };
    let changed = value.to_str().ok().and_then(change).and_then(|text| HeaderValue::from_str(&text).ok());
    if let Some(changed) = changed {
        *value = changed;
    }
}

/// A text without variables: what a client chooses stands in no redirect and no cookie.
fn word(text: &str) -> Result<&str, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.:_-%?&=,+@".contains(&byte);
    match text {
        _ if text.starts_with('~') => {
            Err("is a regular expression, which is not supported: write the text".to_owned())
        }
        _ if text.bytes().all(plain) && !text.is_empty() => Ok(text),
        _ => Err("is not a text such as http://inner.example/ or /app".to_owned()),
    }
}
