//! A certificate that vouches for itself.

use base64::Engine as _;
use rcgen::CertifiedKey;
use serde_json::{Value, json};

pub(crate) struct Certificate {
    pem: String,
    key: String,
}

impl Certificate {
    pub(crate) fn of(host: &str) -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
        Self { pem: cert.pem(), key: signing_key.serialize_pem() }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The data of its Secret.
    pub(crate) fn data(&self) -> Value {
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        json!({"tls.crt": base64(&self.pem), "tls.key": base64(&self.key)})
    }

    /// Its Secret as a manifest.
    pub(crate) fn secret(&self, name: &str) -> String {
        let data = self.data();
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: kubernetes.io/tls\ndata: {data}\n"
        )
    }
}
