//! Certificates of clients: what a host asks for, and what one that was shown comes to. A handshake only proves that the client
//! holds the key; whether the certificate is believed is decided for each request, which gets an answer that says so.

use std::fmt;
#[cfg(feature = "driver")]
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode};
#[cfg(feature = "driver")]
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::KeyUsage;

use crate::annotation::{CertificateAuth, VerifyClient};
use crate::tls::{Authorities, Untrusted, issuer, subject};

const VERIFY: HeaderName = HeaderName::from_static("ssl-client-verify");
const SUBJECT: HeaderName = HeaderName::from_static("ssl-client-subject-dn");
const ISSUER: HeaderName = HeaderName::from_static("ssl-client-issuer-dn");
const CERTIFICATE: HeaderName = HeaderName::from_static("ssl-client-cert");
/// PEM has lines of so many characters (RFC 7468 section 2).
const PEM_LINE: usize = 64;

/// What a host asks of its clients' certificates, with the authorities.
pub struct ClientAuth {
    policy: CertificateAuth,
    authorities: Authorities,
    /// What handshakes for the host are made with, once there was one.
    #[cfg(feature = "driver")]
    handshake: OnceLock<Option<Arc<ServerConfig>>>,
}

impl ClientAuth {
    /// A policy with the authorities of its Secret.
    #[must_use]
    pub fn new(policy: CertificateAuth, authorities: Authorities) -> Self {
        Self {
            policy,
            authorities,
            #[cfg(feature = "driver")]
            handshake: OnceLock::new(),
        }
    }

    /// What the annotations ask for.
    #[must_use]
    pub fn policy(&self) -> &CertificateAuth {
        &self.policy
    }

    /// The authorities.
    #[must_use]
    pub fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// Whether clients are asked for a certificate.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.policy.verify() != VerifyClient::Off
    }

    /// What a chain comes to that a client has shown, the leaf first; an empty one if it has shown none.
    #[must_use]
    pub fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Judged {
        let Some(leaf) = chain.first() else {
            let refusal = (self.policy.verify() == VerifyClient::On).then_some(CertificateRefusal::Missing);
            let refusal =
                refusal.or(self.policy.asks_common_name().then_some(CertificateRefusal::CommonName));
            return Judged { fields: vec![(VERIFY, HeaderValue::from_static("NONE"))], refusal };
        };
        let verified = self.authorities.verify(chain, self.policy.depth(), KeyUsage::client_auth(), now);
        let subject = subject(leaf);
        let admitted = subject.common_names().any(|name| self.policy.admits(name));
        let refusal = match verified {
            Err(reason) if !self.tolerates(reason) => Some(CertificateRefusal::Untrusted(reason)),
            _ if self.policy.asks_common_name() && !admitted => Some(CertificateRefusal::CommonName),
            _ => None,
        };
        let verify = match verified {
            Ok(()) => "SUCCESS".to_owned(),
            Err(reason) => format!("FAILED:{reason}"),
        };
        let mut fields = Vec::new();
        let mut add = |name: HeaderName, text: &str| {
            if let Some(value) = HeaderValue::from_str(text).ok().filter(|_| !text.is_empty()) {
                fields.push((name, value));
            }
        };
        if self.policy.passes_certificate() {
            add(CERTIFICATE, &escaped_pem(leaf));
        }
        add(VERIFY, &verify);
        add(SUBJECT, subject.as_str());
        add(ISSUER, issuer(leaf).as_str());
        Judged { fields, refusal }
    }

    /// What becomes of a request over plain HTTP, where no certificate can be shown.
    #[must_use]
    pub fn judge_plain(&self) -> Option<CertificateRefusal> {
        self.judge(&[], UnixTime::since_unix_epoch(std::time::Duration::ZERO)).refusal
    }

    fn tolerates(&self, reason: Untrusted) -> bool {
        self.policy.verify() == VerifyClient::OptionalNoCa && reason.is_of_unknown_authority()
    }

    /// What handshakes for the host are made with; `make` is for the first one.
    #[cfg(feature = "driver")]
    pub(crate) fn handshake(
        &self,
        make: impl FnOnce() -> Option<Arc<ServerConfig>>,
    ) -> Option<Arc<ServerConfig>> {
        self.handshake.get_or_init(make).clone()
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth")
            .field("policy", &self.policy)
            .field("authorities", &self.authorities)
            .finish_non_exhaustive()
    }
}

impl PartialEq for ClientAuth {
    fn eq(&self, other: &Self) -> bool {
        self.policy == other.policy && self.authorities == other.authorities
    }
}

impl Eq for ClientAuth {}

/// What a client's certificate comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    fields: Vec<(HeaderName, HeaderValue)>,
    refusal: Option<CertificateRefusal>,
}

impl Judged {
    /// What the backend is told: `ssl-client-verify` and, of a certificate, `ssl-client-subject-dn`, `ssl-client-issuer-dn` and
    /// perhaps `ssl-client-cert`.
    #[must_use]
    pub fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.fields
    }

    /// Why the request goes no further.
    #[must_use]
    pub fn refusal(&self) -> Option<CertificateRefusal> {
        self.refusal
    }
}

/// Why a client is not let in by its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateRefusal {
    /// It has shown none.
    #[error("the client has shown no certificate")]
    Missing,
    /// No authority vouches for it.
    #[error("the client's certificate is not believed: {0}")]
    Untrusted(Untrusted),
    /// `auth-tls-match-cn` does not let its name in.
    #[error("auth-tls-match-cn does not admit the client's name")]
    CommonName,
}

impl CertificateRefusal {
    /// What the client gets where there is no error page.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Untrusted(_) => StatusCode::BAD_REQUEST,
            Self::CommonName => StatusCode::FORBIDDEN,
        }
    }

    /// `auth-tls-error-page` is for this.
    #[must_use]
    pub fn has_error_page(self) -> bool {
        self != Self::CommonName
    }
}

/// nginx's `$ssl_client_escaped_cert`.
fn escaped_pem(certificate: &[u8]) -> String {
    let encoded = STANDARD.encode(certificate);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (at, character) in encoded.chars().enumerate() {
        if at > 0 && at % PEM_LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    let mut escaped = String::with_capacity(text.len() * 11 / 10);
    crate::variable::escape(&text, &mut escaped);
    escaped
}
