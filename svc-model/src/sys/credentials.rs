//! Files and variables that say who we are to an API server.

use std::fs;
use std::path::Path;

/// Where a pod's service account is mounted.
pub(crate) const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// No certificate or token is larger.
const MAX_BYTES: u64 = 4 << 20;

/// A file of any bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if metadata.len() > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes"));
    }
    fs::read(path).map_err(|error| format!("cannot be read: {error}"))
}

/// A file of text.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read(path)?).map_err(|error| format!("is not UTF-8: {error}"))
}

/// A variable of this process, if it is set and is text.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
