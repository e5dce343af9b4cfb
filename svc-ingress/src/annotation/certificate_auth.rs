//! `auth-tls-*`: certificates that clients have to show.

use regex::{Regex, RegexBuilder};
use svc_model::ObjectName;

use super::reader::Reader;
use super::value;

// What one pattern may cost in memory, compiled.
const SIZE_LIMIT: usize = 1 << 18;
const KEYS: [&str; 5] = [
    "auth-tls-error-page",
    "auth-tls-match-cn",
    "auth-tls-pass-certificate-to-upstream",
    "auth-tls-verify-client",
    "auth-tls-verify-depth",
];

/// Which certificates clients have to show, and what the backend is told of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateAuth {
    secret: ObjectName,
    verify: VerifyClient,
    depth: usize,
    error_page: Option<String>,
    common_name: Option<CommonName>,
    passes: bool,
}

/// `auth-tls-verify-client`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyClient {
    /// No client is asked for a certificate.
    Off,
    /// Every client has to show one that an authority of the Secret signed.
    On,
    /// A client may show none; one that it shows has to be signed.
    Optional,
    /// A client may show none, or one that nobody known signed: the backend judges.
    OptionalNoCa,
}

/// `auth-tls-match-cn`.
#[derive(Clone, Debug)]
struct CommonName {
    text: String,
    pattern: Regex,
}

impl PartialEq for CommonName {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CommonName {}

impl CertificateAuth {
    /// `None` if nobody is asked, or if an annotation is wrong: the reader then denies every request.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.text("auth-tls-secret").is_none() {
            if let Some(key) = KEYS.into_iter().find(|key| reader.text(key).is_some())
                && reader.text("auth-tls-verify-client") != Some("off")
            {
                reader.refuse(key, "needs auth-tls-secret: name the Secret with the authorities in `ca.crt`");
            }
            return None;
        }
        let (namespace, others) = (reader.namespace(), reader.config().allows_cross_namespace());
        let secret = reader.read("auth-tls-secret", |text| value::object("Secret", text, namespace, others));
        let verify = reader.read("auth-tls-verify-client", VerifyClient::parse);
        let depth = reader.read("auth-tls-verify-depth", value::depth);
        let error_page = reader.read("auth-tls-error-page", error_page);
        let common_name = reader.read("auth-tls-match-cn", CommonName::parse);
        let passes = reader.read("auth-tls-pass-certificate-to-upstream", value::boolean);
        if reader.has_refused("auth-tls-") {
            return None;
        }
        Some(Self {
            secret: secret?,
            verify: verify.unwrap_or(VerifyClient::On),
            // As with ingress-nginx, none is one.
            depth: depth.unwrap_or(1).max(1),
            error_page,
            common_name,
            passes: passes.unwrap_or(false),
        })
    }

    /// The Secret with the authorities.
    #[must_use]
    pub fn secret(&self) -> &ObjectName {
        &self.secret
    }

    /// Which clients have to show a certificate.
    #[must_use]
    pub fn verify(&self) -> VerifyClient {
        self.verify
    }

    /// How many other authorities may stand between a certificate and one of the Secret.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Where clients are sent whose certificate is missing or not believed.
    #[must_use]
    pub fn error_page(&self) -> Option<&str> {
        self.error_page.as_deref()
    }

    /// Whether a common name is one that is let in, given the text of a subject from there on: `CN=client,O=Shop`.
    #[must_use]
    pub fn admits(&self, from_common_name: &str) -> bool {
        self.common_name.as_ref().is_none_or(|name| name.pattern.is_match(from_common_name))
    }

    /// Whether common names matter.
    #[must_use]
    pub fn asks_common_name(&self) -> bool {
        self.common_name.is_some()
    }

    /// The backend gets the certificate.
    #[must_use]
    pub fn passes_certificate(&self) -> bool {
        self.passes
    }
}

impl VerifyClient {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::On),
            "optional" => Ok(Self::Optional),
            "optional_no_ca" => Ok(Self::OptionalNoCa),
            _ => Err("is none of `on`, `off`, `optional` and `optional_no_ca`".to_owned()),
        }
    }
}

impl CommonName {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "is not `CN=` and a linear-time regular expression".to_owned();
        if !text.starts_with("CN=") {
            return Err(wrong());
        }
        // From its beginning: what another field of the name holds is no common name.
        let pattern = RegexBuilder::new(&format!("^(?:{text})"))
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(SIZE_LIMIT)
            .build()
            .map_err(|_| wrong())?;
        Ok(Self { text: text.to_owned(), pattern })
    }
}

/// A whole URL: a path would be served to clients whose certificate is not believed.
fn error_page(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?=&%".contains(&byte);
    match rest {
        Some(rest) if !rest.is_empty() && rest.bytes().all(plain) => Ok(text.to_owned()),
        _ => Err("is not a URL such as https://shop.example/no-certificate".to_owned()),
    }
}
