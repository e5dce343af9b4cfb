//! The little of DER (X.690) that a certificate's fields need.

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Fields of a certificate that rustls does not tell (RFC 5280 section 4.1), each without its own tag and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CertificateFields<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) validity: &'a [u8],
    pub(super) subject: &'a [u8],
}

impl<'a> CertificateFields<'a> {
    /// `None` if it is no certificate that can be read.
    pub(super) fn parse(certificate: &'a [u8]) -> Option<Self> {
        let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
        let (_, mut fields, _) = element(certificate)?;
        if let Some((VERSION, _, rest)) = element(fields) {
            fields = rest;
        }
        // Serial number, signature.
        for _ in 0..2 {
            fields = element(fields)?.2;
        }
        let (_, issuer, fields) = element(fields)?;
        let (_, validity, fields) = element(fields)?;
        let (_, subject, _) = element(fields)?;
        Some(Self { issuer, validity, subject })
    }
}

/// Tag, content, and what follows.
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Longer ones than four bytes are no certificates.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
