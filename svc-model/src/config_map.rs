//! ConfigMap (core/v1): settings that are no secret.

use std::collections::BTreeMap;

use crate::{Meta, ObjectName};

/// Named texts and byte strings. A key stands in one of the two only.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigMap {
    pub(crate) meta: Meta,
    pub(crate) data: BTreeMap<String, String>,
    pub(crate) binary_data: BTreeMap<String, Vec<u8>>,
    pub(crate) immutable: bool,
}

impl ConfigMap {
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

    /// The texts.
    #[must_use]
    pub fn data(&self) -> &BTreeMap<String, String> {
        &self.data
    }

    /// The byte strings.
    #[must_use]
    pub fn binary_data(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.binary_data
    }

    /// Its data may no longer change.
    #[must_use]
    pub fn immutable(&self) -> bool {
        self.immutable
    }
}
