//! `proxy-ssl-*`: TLS towards endpoints that speak it.

use rustls::crypto::aws_lc_rs;
use rustls::{CipherSuite, ProtocolVersion};
use rustls_pki_types::ServerName;
use svc_model::ObjectName;

use super::reader::Reader;
use super::value;

/// OpenSSL's names of the suites of TLS 1.2; those of TLS 1.3 are not chosen by name, as with OpenSSL.
const CIPHERS: &[(&str, CipherSuite)] = &[
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];
/// Words of OpenSSL for sets that hold all of these.
const ALL: [&str; 3] = ["DEFAULT", "ALL", "HIGH"];
/// What lists leave out by `!`, and what none of these has.
const NEVER: &[&str] = &[
    "aNULL", "eNULL", "NULL", "EXPORT", "EXP", "LOW", "MEDIUM", "DES", "3DES", "RC4", "RC2", "IDEA", "SEED",
    "MD5", "SHA1", "SHA", "PSK", "SRP", "DSS", "aDSS", "aDH", "ADH", "aECDH", "AECDH", "kRSA", "kDH", "DH",
    "DHE", "kDHE", "CAMELLIA", "ARIA", "CBC", "SSLv2", "SSLv3",
];

/// How endpoints are spoken to over TLS, and which of them are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    secret: Option<ObjectName>,
    verify: bool,
    depth: usize,
    name: Option<ServerName<'static>>,
    sends_name: bool,
    protocols: Vec<ProtocolVersion>,
    ciphers: Vec<CipherSuite>,
}

impl UpstreamTls {
    /// `None` if there is nothing to change, or if an annotation is wrong: the reader then denies every request.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        const KEYS: [&str; 7] = [
            "proxy-ssl-secret",
            "proxy-ssl-verify",
            "proxy-ssl-verify-depth",
            "proxy-ssl-name",
            "proxy-ssl-server-name",
            "proxy-ssl-protocols",
            "proxy-ssl-ciphers",
        ];
        if KEYS.into_iter().all(|key| reader.text(key).is_none()) {
            return None;
        }
        let (namespace, others) = (reader.namespace(), reader.config().allows_cross_namespace());
        let secret = reader.read("proxy-ssl-secret", |text| value::object("Secret", text, namespace, others));
        let verify = reader.read("proxy-ssl-verify", value::switch).unwrap_or(false);
        if verify && reader.text("proxy-ssl-secret").is_none() {
            reader.refuse(
                "proxy-ssl-verify",
                "needs proxy-ssl-secret: name the Secret with the authorities in `ca.crt`",
            );
        }
        let depth = reader.read("proxy-ssl-verify-depth", value::depth);
        let name = reader.read("proxy-ssl-name", |text| {
            ServerName::try_from(text.to_owned()).map_err(|_| "is not a name such as web.shop.svc".to_owned())
        });
        let sends_name = reader.read("proxy-ssl-server-name", value::switch).unwrap_or(false);
        let protocols = reader.read("proxy-ssl-protocols", protocols).unwrap_or_default();
        let ciphers = ciphers(reader);
        if reader.has_refused("proxy-ssl-") && reader.is_denied() {
            return None;
        }
        Some(Self { secret, verify, depth: depth.unwrap_or(1).max(1), name, sends_name, protocols, ciphers })
    }

    /// The Secret with the router's own certificate, with the authorities of the endpoints', or with both.
    #[must_use]
    pub fn secret(&self) -> Option<&ObjectName> {
        self.secret.as_ref()
    }

    /// Endpoints whose certificate no authority of the Secret vouches for are not asked.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.verify
    }

    /// How many other authorities may stand between a certificate and one of the Secret.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The name that certificates have to be for; that of the Service unless set.
    #[must_use]
    pub fn name(&self) -> Option<&ServerName<'static>> {
        self.name.as_ref()
    }

    /// The name is told to endpoints.
    #[must_use]
    pub fn sends_name(&self) -> bool {
        self.sends_name
    }

    /// Whether a version of TLS is spoken.
    #[must_use]
    pub fn speaks(&self, version: ProtocolVersion) -> bool {
        self.protocols.is_empty() || self.protocols.contains(&version)
    }

    /// Whether a suite is offered; those of TLS 1.3 always are.
    #[must_use]
    pub fn offers(&self, suite: CipherSuite) -> bool {
        let chosen = CIPHERS.iter().any(|(_, known)| *known == suite);
        self.ciphers.is_empty() || !chosen || self.ciphers.contains(&suite)
    }
}

fn protocols(text: &str) -> Result<Vec<ProtocolVersion>, String> {
    let mut versions = Vec::new();
    for word in text.split_ascii_whitespace() {
        match word {
            "TLSv1.2" => versions.push(ProtocolVersion::TLSv1_2),
            "TLSv1.3" => versions.push(ProtocolVersion::TLSv1_3),
            // They are never spoken: whoever lists them beside a newer one loses nothing that is safe.
            "SSLv2" | "SSLv3" | "TLSv1" | "TLSv1.1" => {}
            _ => return Err(format!("holds `{word}`, which is neither `TLSv1.2` nor `TLSv1.3`")),
        }
    }
    if versions.is_empty() { Err("holds neither `TLSv1.2` nor `TLSv1.3`".to_owned()) } else { Ok(versions) }
}

/// A list in OpenSSL's form. What it names beside what is known here is noted.
fn ciphers(reader: &mut Reader<'_>) -> Vec<CipherSuite> {
    let text = reader.text("proxy-ssl-ciphers").unwrap_or_default();
    let (mut chosen, mut unknown) = (Vec::new(), Vec::new());
    let find = |name: &str| CIPHERS.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite);
    for word in text.split([':', ' ', ',']).filter(|word| !word.is_empty()) {
        match word.strip_prefix('!').or_else(|| word.strip_prefix('-')) {
            Some(left_out) => match find(left_out) {
                Some(suite) => chosen.retain(|known| *known != suite),
                None if NEVER.contains(&left_out) => {}
                None => unknown.push(word),
            },
            None if ALL.contains(&word) => chosen.extend(CIPHERS.iter().map(|(_, suite)| *suite)),
            None => match find(word) {
                Some(suite) => chosen.push(suite),
                None if word.starts_with("TLS_") || word.starts_with("@") => {}
                None => unknown.push(word),
            },
        }
    }
    if !unknown.is_empty() {
        let names: Vec<_> = CIPHERS.iter().map(|(name, _)| *name).collect();
        let message =
            format!("names {}, and only these can be chosen: {}", unknown.join(" "), names.join(" "));
        reader.refuse("proxy-ssl-ciphers", &message);
    }
    // Offered in the provider's own order.
    let offered = aws_lc_rs::default_provider().cipher_suites;
    offered.iter().map(|suite| suite.suite()).filter(|suite| chosen.contains(suite)).collect()
}
