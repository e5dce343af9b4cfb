//! The file that kube-proxy is configured by, read and followed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use svc_proxy::kube_proxy::{self, Configuration};
use svc_proxy::{Backend, ProxyMode};

/// The file is looked at this often.
const INTERVAL: Duration = Duration::from_millis(500);

/// The file, as it was last good.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    text: String,
    configuration: Configuration,
}

impl ConfigFile {
    /// Reads it. What has no effect is said on standard error.
    ///
    /// # Errors
    /// It cannot be read, or not be meant.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let configuration = kube_proxy::read(&text).with_context(|| path.display().to_string())?;
        let file = Self { path: path.to_owned(), text, configuration };
        file.warn();
        Ok(file)
    }

    /// What it says.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The mode that it asks for: iptables unless it says another, as with kube-proxy.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.configuration.mode() {
            Some(ProxyMode::Nftables) => Backend::Nftables,
            Some(ProxyMode::Ipvs) => Backend::Ipvs,
            _ => Backend::Iptables,
        }
    }

    /// Waits until it says something else, and gives what it said before. A file that is wrong is told once, and changes
    /// nothing.
    pub async fn changed(&mut self) -> Configuration {
        loop {
            tokio::time::sleep(INTERVAL).await;
            // Between two writes of an editor there may be no file.
            let Ok(text) = std::fs::read_to_string(&self.path) else { continue };
            if std::mem::replace(&mut self.text, text) == self.text {
                continue;
            }
            match kube_proxy::read(&self.text) {
                Ok(newer) if newer == self.configuration => {}
                Ok(newer) => {
                    let before = std::mem::replace(&mut self.configuration, newer);
                    self.warn();
                    return before;
                }
                Err(invalid) => {
                    eprintln!("error: {}: what was in force goes on:\n{invalid}", self.path.display());
                }
            }
        }
    }

    fn warn(&self) {
        let path = self.path.display();
        self.configuration.warnings().iter().for_each(|warning| eprintln!("warning: {path}: {warning}"));
    }
}
