//! A Secret that is mounted as files, followed as its kubelet replaces it.

#[cfg(test)]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the tests edit a real directory")]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::store::Store;
use crate::sys::files;
use crate::{Meta, Object, ObjectName, Secret};

/// How often it is looked at: a look is one `readlink`, and a few `stat` where there is no link.
const INTERVAL: Duration = Duration::from_millis(500);

/// Where a Secret is mounted: a directory with a file for each key, as kubelets make it. There the files are links through
/// `..data`, which one rename turns to the next version, so that whoever reads through it sees one version only.
///
/// A directory of plain files is as good.
///
/// ```
/// use svc_model::dir::MountedSecret;
/// use svc_model::ObjectName;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// std::fs::write(path.join("tls.crt"), "a certificate")?;
/// let secret = MountedSecret::new(ObjectName::new("shop", "cert"), path).read()?;
/// assert_eq!(secret.data("tls.crt"), Some(&b"a certificate"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct MountedSecret {
    name: ObjectName,
    path: PathBuf,
    interval: Duration,
}

impl MountedSecret {
    /// The Secret of this name is what the directory holds.
    pub fn new(name: ObjectName, path: impl Into<PathBuf>) -> Self {
        Self { name, path: path.into(), interval: INTERVAL }
    }

    /// How often to look (500 ms).
    pub fn look_every(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the directory holds now, all of one version. Blocks.
    ///
    /// # Errors
    /// It cannot be read, or holds more than the 1 MiB that a Secret may.
    pub fn read(&self) -> io::Result<Secret> {
        Ok(self.secret(files::mounted(&self.path)?))
    }

    /// Keeps the Secret in `store` in step with the directory; says so when it cannot. What was read before stays then. The
    /// future never ends; it has to run on a tokio runtime with time. Cancel safe.
    pub async fn follow(self, store: Store, mut tell: impl FnMut(&io::Error)) {
        let (mut seen, mut told) = (None, None);
        loop {
            // Before it is read: what changes meanwhile is seen by the next look.
            let look = files::look(&self.path);
            if seen.as_ref() != Some(&look) || look.is_fresh() {
                match self.read() {
                    Ok(secret) => {
                        store.apply([Object::Secret(Arc::new(secret))]);
                        (seen, told) = (Some(look), None);
                    }
                    Err(error) if told.as_ref() == Some(&error.to_string()) => {}
                    Err(error) => {
                        tell(&error);
                        told = Some(error.to_string());
                    }
                }
            }
            tokio::time::sleep(self.interval).await;
        }
    }

    fn secret(&self, data: BTreeMap<String, Vec<u8>>) -> Secret {
        let is_tls = data.contains_key("tls.crt") && data.contains_key("tls.key");
        let secret_type = if is_tls { "kubernetes.io/tls" } else { "Opaque" }.to_owned();
        let meta = Meta { name: self.name.clone(), ..Meta::default() };
        Secret { meta, secret_type, data, immutable: false }
    }
}
