//! `affinity` and `session-cookie-*`: a client stays with one endpoint, by a cookie.

use super::reader::Reader;
use super::value;

/// How a client is kept with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affinity {
    mode: AffinityMode,
    change_on_failure: bool,
    name: String,
    path: Option<String>,
    domain: Option<String>,
    expires: Option<i64>,
    max_age: Option<i64>,
    same_site: Option<SameSite>,
    conditional_none: bool,
    secure: bool,
}

/// `affinity-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AffinityMode {
    /// Some sessions move when endpoints come or go, so that new ones get their share.
    Balanced,
    /// A session stays for as long as its endpoint is there.
    Persistent,
}

/// `session-cookie-samesite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// Sent with every request.
    None,
    /// Not sent with what other sites embed.
    Lax,
    /// Not sent from other sites.
    Strict,
}

impl Affinity {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let by_cookie =
            |text: &str| if text == "cookie" { Ok(()) } else { Err("is not `cookie`".to_owned()) };
        let kind = reader.read("affinity", by_cookie);
        let affinity = Self {
            mode: reader.read("affinity-mode", mode).unwrap_or(AffinityMode::Balanced),
            change_on_failure: reader
                .read("session-cookie-change-on-failure", value::boolean)
                .unwrap_or(false),
            name: reader
                .read("session-cookie-name", value::token)
                .unwrap_or_else(|| "INGRESSCOOKIE".to_owned()),
            path: reader.read("session-cookie-path", value::cookie_attribute),
            domain: reader.read("session-cookie-domain", value::cookie_attribute),
            expires: reader.read("session-cookie-expires", value::integer),
            max_age: reader.read("session-cookie-max-age", value::integer),
            same_site: reader.read("session-cookie-samesite", same_site),
            conditional_none: reader
                .read("session-cookie-conditional-samesite-none", value::boolean)
                .unwrap_or(false),
            secure: reader.read("session-cookie-secure", value::boolean).unwrap_or(false),
        };
        kind.map(|()| affinity)
    }

    /// How a session is kept when endpoints change.
    #[must_use]
    pub fn mode(&self) -> AffinityMode {
        self.mode
    }

    /// `session-cookie-change-on-failure`: the session moves where its endpoint failed.
    #[must_use]
    pub fn changes_on_failure(&self) -> bool {
        self.change_on_failure
    }

    /// `session-cookie-name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `session-cookie-path`; the rule's path if there is none.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// `session-cookie-domain`.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// `session-cookie-expires`, in seconds from now.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        self.expires
    }

    /// `session-cookie-max-age`, in seconds.
    #[must_use]
    pub fn max_age(&self) -> Option<i64> {
        self.max_age
    }

    /// `session-cookie-samesite`, as far as a browser takes it: with `session-cookie-conditional-samesite-none`, `None` is
    /// not said to those that would refuse the cookie for it.
    #[must_use]
    pub fn same_site(&self, user_agent: Option<&str>) -> Option<SameSite> {
        let refused = |agent: &str| self.conditional_none && refuses_none(agent);
        self.same_site.filter(|same_site| *same_site != SameSite::None || !user_agent.is_some_and(refused))
    }

    /// `session-cookie-secure`: `Secure` is said over plain HTTP too.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.secure
    }
}

/// Browsers that refuse a cookie with `SameSite=None`; see <https://www.chromium.org/updates/same-site/incompatible-clients>.
fn refuses_none(agent: &str) -> bool {
    let has = |text: &str| agent.contains(text);
    let chrome = ["Chrome/4", "Chrome/5", "Chrome/6"].into_iter().any(has);
    let ios = has("CPU iPhone OS 12") || has("iPad; CPU OS 12");
    let safari = has("Macintosh") && has("Intel Mac OS X 10_14") && has("Safari") && !has("Chrome");
    chrome || ios || safari
}

fn mode(text: &str) -> Result<AffinityMode, String> {
    match text {
        "balanced" => Ok(AffinityMode::Balanced),
        "persistent" => Ok(AffinityMode::Persistent),
        _ => Err("is neither `balanced` nor `persistent`".to_owned()),
    }
}

fn same_site(text: &str) -> Result<SameSite, String> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Ok(SameSite::None),
        "lax" => Ok(SameSite::Lax),
        "strict" => Ok(SameSite::Strict),
        _ => Err("is neither `None`, `Lax` nor `Strict`".to_owned()),
    }
}
