//! Certificate authorities of a Secret, and what they say of a chain.

use std::fmt;
use std::sync::Arc;

use rustls::DistinguishedName;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use svc_model::Secret;
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, ExtendedKeyUsageValidator,
    OwnedCertRevocationList, RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy,
    anchor_from_trusted_cert,
};

use super::CertificateError;
use super::der::CertificateFields;

/// Who signs certificates that are believed, and the lists of those that are not any more. `Debug` shows how many.
#[derive(Clone)]
pub struct Authorities {
    anchors: Arc<[TrustAnchor<'static>]>,
    revoked: Arc<[CertRevocationList<'static>]>,
    /// What they were read from, which tells them from others.
    source: Arc<[Vec<u8>; 2]>,
}

impl Authorities {
    /// Reads `ca.crt`, and `ca.crl` if it is there.
    ///
    /// # Errors
    ///
    /// The Secret holds no authority, or a list that cannot be read.
    pub fn from_secret(secret: &Secret) -> Result<Self, CertificateError> {
        let pem = |key| CertificateError::Pem { key };
        let text = secret.data("ca.crt").ok_or(CertificateError::Missing { key: "ca.crt" })?;
        let lists = secret.data("ca.crl").unwrap_or_default();
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        let certificates = certificates.map_err(|_| pem("ca.crt"))?;
        let anchors: Result<Vec<_>, _> = certificates
            .iter()
            .map(|certificate| anchor_from_trusted_cert(certificate).map(|anchor| anchor.to_owned()))
            .collect();
        let anchors = anchors.ok().filter(|anchors| !anchors.is_empty()).ok_or(pem("ca.crt"))?;
        let revoked: Result<Vec<_>, CertificateError> = CertificateRevocationListDer::pem_slice_iter(lists)
            .map(|list| {
                let list = list.map_err(|_| pem("ca.crl"))?;
                let owned = OwnedCertRevocationList::from_der(&list).map_err(|_| pem("ca.crl"))?;
                Ok(CertRevocationList::from(owned))
            })
            .collect();
        let revoked = revoked?;
        if !lists.is_empty() && revoked.is_empty() {
            return Err(pem("ca.crl"));
        }
        let source = Arc::new([text.to_vec(), lists.to_vec()]);
        Ok(Self { anchors: anchors.into(), revoked: revoked.into(), source })
    }

    /// The same without lists of what was revoked.
    #[must_use]
    pub fn without_lists(mut self) -> Self {
        self.revoked = Arc::default();
        self
    }

    /// The text that they were read from.
    pub(crate) fn source(&self) -> &[u8] {
        &self.source[0]
    }

    /// The authorities' names, for a client that has several certificates.
    #[must_use]
    pub fn names(&self) -> Vec<DistinguishedName> {
        self.anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject)).collect()
    }

    /// Whether they vouch for a chain, the leaf first, by way of `depth` other authorities at most. With lists of what was
    /// revoked, one has to speak of each certificate of the chain, as with OpenSSL.
    ///
    /// # Errors
    ///
    /// Why they do not.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        depth: usize,
        usage: impl ExtendedKeyUsageValidator,
        now: UnixTime,
    ) -> Result<(), Untrusted> {
        let (leaf, others) = chain.split_first().ok_or(Untrusted::MALFORMED)?;
        let parsed = EndEntityCert::try_from(leaf).map_err(|error| Untrusted::new(&error, chain))?;
        let lists: Vec<&CertRevocationList<'_>> = self.revoked.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let is_short = |path: &webpki::VerifiedPath<'_>| {
            let between = path.intermediate_certificates().count();
            if between > depth { Err(Error::MaximumPathDepthExceeded) } else { Ok(()) }
        };
        let path = parsed.verify_for_usage(
            algorithms,
            &self.anchors,
            others,
            now,
            usage,
            revocation,
            Some(&is_short),
        );
        path.map(|_| ()).map_err(|error| Untrusted::new(&error, chain))
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { anchors, revoked, .. } = self;
        f.debug_struct("Authorities")
            .field("anchors", &anchors.len())
            .field("revoked", &revoked.len())
            .finish()
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Authorities {}

/// Why a chain is not believed, in OpenSSL's words, which people's programs know from nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Untrusted {
    reason: &'static str,
    unknown: bool,
}

impl Untrusted {
    const MALFORMED: Self = Self::because("certificate rejected");

    const fn because(reason: &'static str) -> Self {
        Self { reason, unknown: false }
    }

    const fn unknown(reason: &'static str) -> Self {
        Self { reason, unknown: true }
    }

    /// No authority is known that signed it; nothing else was found to be wrong.
    #[must_use]
    pub fn is_of_unknown_authority(&self) -> bool {
        self.unknown
    }

    /// OpenSSL's words.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    fn new(error: &Error, chain: &[CertificateDer<'_>]) -> Self {
        match error {
            Error::UnknownIssuer => Self::of_unknown(chain),
            Error::CertExpired { .. } => Self::because("certificate has expired"),
            Error::CertNotValidYet { .. } => Self::because("certificate is not yet valid"),
            Error::CertRevoked => Self::because("certificate revoked"),
            Error::UnknownRevocationStatus => Self::because("unable to get certificate CRL"),
            Error::CrlExpired { .. } => Self::because("CRL has expired"),
            Error::InvalidCrlSignatureForPublicKey => Self::because("CRL signature failure"),
            Error::InvalidSignatureForPublicKey => Self::because("certificate signature failure"),
            // OpenSSL follows a chain so far and no further.
            Error::MaximumPathDepthExceeded => Self::unknown("unable to get local issuer certificate"),
            Error::PathLenConstraintViolated => Self::because("path length constraint exceeded"),
            Error::NameConstraintViolation => Self::because("permitted subtree violation"),
            Error::EndEntityUsedAsCa => Self::because("invalid CA certificate"),
            Error::RequiredEkuNotFoundContext(_) => Self::because("unsuitable certificate purpose"),
            _ => Self::MALFORMED,
        }
    }

    fn of_unknown(chain: &[CertificateDer<'_>]) -> Self {
        let own = |certificate: &CertificateDer<'_>| {
            CertificateFields::parse(certificate).is_some_and(|fields| fields.issuer == fields.subject)
        };
        match (chain, chain.last().is_some_and(own)) {
            ([_], true) => Self::unknown("self-signed certificate"),
            ([_], false) => Self::unknown("unable to verify the first certificate"),
            (_, true) => Self::unknown("self-signed certificate in certificate chain"),
            (_, false) => Self::unknown("unable to get local issuer certificate"),
        }
    }
}
