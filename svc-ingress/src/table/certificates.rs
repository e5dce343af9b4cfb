//! Certificates by Secret, parsed once for all Ingresses that use them.

use rpds::RedBlackTreeMapSync;
use svc_model::{ObjectName, Snapshot};

use crate::tls::Certificate;

#[derive(Clone, Debug, Default)]
pub(super) struct Certificates {
    parsed: RedBlackTreeMapSync<ObjectName, Result<Certificate, String>>,
}

impl Certificates {
    pub(super) fn forget(&mut self, secret: &ObjectName) {
        self.parsed.remove_mut(secret);
    }

    /// The certificate of a Secret, or what is wrong with it and what to do.
    pub(super) fn find(&mut self, snapshot: &Snapshot, name: &ObjectName) -> Result<Certificate, String> {
        let Some(secret) = snapshot.secret(name) else {
            return Err(format!("Secret {name} does not exist: create it with `tls.crt` and `tls.key`"));
        };
        if let Some(parsed) = self.parsed.get(name) {
            return parsed.clone();
        }
        let parsed = Certificate::from_secret(secret).map_err(|error| format!("Secret {name} {error}"));
        self.parsed.insert_mut(name.clone(), parsed.clone());
        parsed
    }
}
