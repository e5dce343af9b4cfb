//! Secret (core/v1). The values never appear in `Debug`.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Meta, ObjectName};

/// A secret: named byte strings.
#[derive(Clone, PartialEq)]
pub struct Secret {
    pub(crate) meta: Meta,
    pub(crate) secret_type: String,
    pub(crate) data: BTreeMap<String, Vec<u8>>,
    pub(crate) immutable: bool,
}

impl Secret {
    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Namespace and name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        self.meta.name()
    }

    /// `type`, such as `kubernetes.io/tls`; `Opaque` where the manifest says nothing.
    #[must_use]
    pub fn secret_type(&self) -> &str {
        &self.secret_type
    }

    /// The bytes under `key`.
    #[must_use]
    pub fn data(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(Vec::as_slice)
    }

    /// Its data may no longer change.
    #[must_use]
    pub fn immutable(&self) -> bool {
        self.immutable
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.data.keys().map(String::as_str)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("meta", &self.meta)
            .field("secret_type", &self.secret_type)
            .field("keys", &self.data.keys())
            .finish()
    }
}
