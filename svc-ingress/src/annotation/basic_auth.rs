//! `auth-type`, `auth-secret`, `auth-secret-type` and `auth-realm`.

use svc_model::ObjectName;

use super::reader::Reader;
use super::value;

/// Who may log in, and how that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    secret: ObjectName,
    realm: String,
    secret_type: AuthSecretType,
}

/// `auth-secret-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthSecretType {
    /// The key `auth` holds an htpasswd file.
    File,
    /// Each key is a user, its value the hash.
    Map,
}

impl BasicAuth {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.text("auth-type")? {
            "basic" => {}
            _ => {
                reader.refuse("auth-type", "is not supported: only `basic` is");
                return None;
            }
        }
        if reader.text("auth-secret").is_none() {
            reader.refuse("auth-secret", "is missing: name the htpasswd Secret");
        }
        let (namespace, others) = (reader.namespace(), reader.config().allows_cross_namespace());
        let secret = reader.read("auth-secret", |text| value::object("Secret", text, namespace, others));
        let secret_type = match reader.text("auth-secret-type") {
            None => Some(AuthSecretType::File),
            Some(_) => reader.read("auth-secret-type", AuthSecretType::parse),
        };
        let realm = match reader.text("auth-realm") {
            None => Some(String::new()),
            Some(_) => reader.read("auth-realm", value::realm),
        };
        Some(Self { secret: secret?, realm: realm?, secret_type: secret_type? })
    }

    /// The Secret.
    #[must_use]
    pub fn secret(&self) -> &ObjectName {
        &self.secret
    }

    /// The realm that clients show to their user.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The Secret's form.
    #[must_use]
    pub fn secret_type(&self) -> AuthSecretType {
        self.secret_type
    }
}

impl AuthSecretType {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auth-file" => Ok(Self::File),
            "auth-map" => Ok(Self::Map),
            _ => Err("is neither `auth-file` nor `auth-map`".to_owned()),
        }
    }
}
