//! How a backend is spoken to, and when the next endpoint is asked instead.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::Method;

#[cfg(test)]
mod tests;

/// `backend-protocol`: what endpoints speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BackendProtocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/1.1 over TLS; the certificate is verified only where `proxy-ssl-verify` asks for it.
    Https,
    /// HTTP/2 without TLS, with prior knowledge (RFC 9113 section 3.3).
    Grpc,
    /// HTTP/2 over TLS; the certificate is verified as with HTTPS.
    Grpcs,
}

impl BackendProtocol {
    /// Over TLS.
    #[must_use]
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }

    /// HTTP/2 rather than HTTP/1.1.
    #[must_use]
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }
}

impl FromStr for BackendProtocol {
    type Err = String;

    /// ingress-nginx's words in any case. `AUTO_HTTP` is plain HTTP here: nothing says which port would be TLS.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "HTTP" | "AUTO_HTTP" => Ok(Self::Http),
            "HTTPS" => Ok(Self::Https),
            "GRPC" => Ok(Self::Grpc),
            "GRPCS" => Ok(Self::Grpcs),
            "FCGI" => {
                Err("is not supported: FastCGI needs a server between, such as the application's own"
                    .to_owned())
            }
            _ => Err("is none of HTTP, HTTPS, GRPC and GRPCS".to_owned()),
        }
    }
}

/// What may make the router ask another endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// No connection, or it broke before a response.
    Error,
    /// No connection, or no response, in time.
    Timeout,
    /// A response that is none.
    InvalidHeader,
    /// A response with this status.
    Status(u16),
}

/// `proxy-next-upstream` and its family: which failures another endpoint may make good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextUpstream {
    causes: BTreeSet<Cause>,
    non_idempotent: bool,
    tries: usize,
    timeout: Option<Duration>,
}

impl Default for NextUpstream {
    /// `error timeout`, three tries, no limit of time: ingress-nginx's defaults.
    fn default() -> Self {
        let causes = BTreeSet::from([Cause::Error, Cause::Timeout]);
        Self { causes, non_idempotent: false, tries: 3, timeout: None }
    }
}

impl NextUpstream {
    /// `proxy-next-upstream-tries`; 0 for as many as there are endpoints.
    #[must_use]
    pub fn with_tries(mut self, tries: usize) -> Self {
        self.tries = if tries == 0 { usize::MAX } else { tries };
        self
    }

    /// `proxy-next-upstream-timeout`: no further endpoint is begun with after this; zero for no limit.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = (!timeout.is_zero()).then_some(timeout);
        self
    }

    /// The causes of another value with the limits of this one.
    #[must_use]
    pub fn with_causes(mut self, other: Self) -> Self {
        self.causes = other.causes;
        self.non_idempotent = other.non_idempotent;
        self
    }

    /// How many endpoints are asked at most.
    #[must_use]
    pub fn tries(&self) -> usize {
        self.tries
    }

    /// How long further endpoints may be tried for.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Whether another endpoint may be asked. Nothing but the request's head and body that can be sent again may have
    /// been `sent`; a method that does more when it is done twice is not repeated once it was.
    #[must_use]
    pub fn allows(&self, cause: Cause, method: &Method, sent: bool) -> bool {
        let repeatable = !sent || self.non_idempotent || is_idempotent(method);
        repeatable && self.causes.contains(&cause)
    }
}

/// As nginx has it: all methods but these three.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    !matches!(method.as_str(), "POST" | "LOCK" | "PATCH")
}

impl FromStr for NextUpstream {
    type Err = String;

    /// nginx's words with spaces between.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut next = Self { causes: BTreeSet::new(), ..Self::default() };
        let mut off = false;
        for word in text.split_ascii_whitespace() {
            match word {
                "off" => off = true,
                "error" => drop(next.causes.insert(Cause::Error)),
                "timeout" => drop(next.causes.insert(Cause::Timeout)),
                "invalid_header" => drop(next.causes.insert(Cause::InvalidHeader)),
                "non_idempotent" => next.non_idempotent = true,
                "http_500" | "http_502" | "http_503" | "http_504" | "http_403" | "http_404" | "http_429" => {
                    let status = word[5..].parse().map_err(|_| "names no status".to_owned())?;
                    next.causes.insert(Cause::Status(status));
                }
                _ => return Err(format!("holds `{word}`, which is no condition of proxy_next_upstream")),
            }
        }
        if off {
            next.causes.clear();
        }
        Ok(next)
    }
}

impl fmt::Display for NextUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.causes.is_empty() {
            return f.write_str("off");
        }
        for (index, cause) in self.causes.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " " })?;
            match cause {
                Cause::Error => f.write_str("error")?,
                Cause::Timeout => f.write_str("timeout")?,
                Cause::InvalidHeader => f.write_str("invalid_header")?,
                Cause::Status(status) => write!(f, "http_{status}")?,
            }
        }
        if self.non_idempotent { f.write_str(" non_idempotent") } else { Ok(()) }
    }
}
