//! Following the files that the configuration is in.

use std::fs;
use std::time::Duration;

use anyhow::bail;
use svc_dns::{Front, Handle, KubeDns};
use svc_model::store::Store;
use svc_model::{ObjectName, Revision};
use tokio::time::sleep;

use super::configured::{Configured, Read};
use super::options::{Forwarding, Options};

/// Files are looked at this often.
const INTERVAL: Duration = Duration::from_millis(500);

/// The configuration as it was last read.
pub(super) struct Following {
    options: Options,
    store: Store,
    corefile: Option<Read>,
    texts: Vec<Result<String, String>>,
    kube_dns: KubeDns,
    /// The revision in which the ConfigMap was looked at.
    seen: Revision,
    /// The text of a Corefile that was told to be wrong.
    refused: Option<Result<String, String>>,
}

impl Following {
    pub(super) fn new(options: Options, store: Store, corefile: Option<Read>) -> Self {
        let mut following = Self {
            options,
            store,
            corefile,
            texts: Vec::new(),
            kube_dns: KubeDns::default(),
            seen: Revision::default(),
            refused: None,
        };
        following.texts = following.read_texts();
        following
    }

    /// Objects are there now.
    pub(super) fn has_objects(&mut self) {
        self.kube_dns = self.read_kube_dns().unwrap_or_default();
    }

    /// What the ConfigMap `kube-dns` says, if it counts.
    fn read_kube_dns(&self) -> Option<KubeDns> {
        let name = ObjectName::new("kube-system", "kube-dns");
        let snapshot = self.store.snapshot();
        let config = snapshot.config_map(&name).filter(|_| self.options.kube_dns)?;
        let value = |key: &str| config.data().get(key).map(String::as_str);
        let read = KubeDns::parse(value("stubDomains"), value("upstreamNameservers"));
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                eprintln!("error: ConfigMap kube-system/kube-dns: {error}; what was in force before goes on");
                None
            }
        }
    }

    pub(super) fn configured(&self) -> anyhow::Result<Vec<Configured>> {
        match &self.corefile {
            Some(read) => {
                read.plan.problems().iter().for_each(|problem| eprintln!("{problem}"));
                read.configured(&self.options)
            }
            None => Ok(vec![self.options.configured(Forwarding::Anew(self.kube_dns.clone()))?]),
        }
    }

    fn read_texts(&self) -> Vec<Result<String, String>> {
        match (&self.corefile, &self.options.hosts) {
            (Some(read), _) => read.texts(),
            (None, Some(path)) => vec![fs::read_to_string(path).map_err(|error| error.to_string())],
            (None, None) => Vec::new(),
        }
    }

    /// Goes over to what the files say as they change; ends when that needs other sockets or another zone.
    pub(super) async fn changed(&mut self, handles: &[Handle]) {
        loop {
            sleep(INTERVAL).await;
            if let Err(error) = self.step(handles) {
                match error {
                    Step::Anew => return,
                    Step::Wrong(error) => eprintln!("error: what was served goes on: {error:#}"),
                }
            }
        }
    }

    fn step(&mut self, handles: &[Handle]) -> Result<(), Step> {
        let corefile_is_new = self.corefile_changed()?;
        let (texts, kube_dns) = (self.read_texts(), self.kube_dns_changed());
        if texts == self.texts && !corefile_is_new && kube_dns.is_none() {
            return Ok(());
        }
        self.texts = texts;
        let fronts = match &self.corefile {
            Some(read) => read.fronts()?,
            None => {
                let forwarding = match kube_dns {
                    Some(kube_dns) => Forwarding::Anew(kube_dns),
                    None => Forwarding::As(handles.first().and_then(forwarder)),
                };
                vec![self.options.configured(forwarding)?.front]
            }
        };
        handles.iter().zip(fronts).for_each(|(handle, front)| handle.set_front(front));
        println!("goes on with what the files say now");
        Ok(())
    }

    /// A ConfigMap that is gone says nothing any more; one that is wrong is told with each change, and changes nothing.
    fn kube_dns_changed(&mut self) -> Option<KubeDns> {
        let revision = self.store.snapshot().revision();
        if !self.options.kube_dns || revision == self.seen {
            return None;
        }
        self.seen = revision;
        let name = ObjectName::new("kube-system", "kube-dns");
        let new = match self.store.snapshot().config_map(&name) {
            None => KubeDns::default(),
            Some(_) => self.read_kube_dns()?,
        };
        let changed = new != self.kube_dns;
        self.kube_dns = new;
        changed.then(|| self.kube_dns.clone())
    }

    /// A Corefile that is wrong is told once, and changes nothing.
    fn corefile_changed(&mut self) -> Result<bool, Step> {
        let (Some(path), Some(read)) = (&self.options.corefile, &self.corefile) else { return Ok(false) };
        if read.plan.servers().iter().all(|server| server.operations().reload().is_none()) {
            return Ok(false);
        }
        let text = fs::read_to_string(path).map_err(|error| error.to_string());
        if self.refused.as_ref() == Some(&text) {
            return Ok(false);
        }
        let new = match Read::new(path) {
            Ok(new) if new.corefile == read.corefile => return Ok(false),
            new => new.and_then(|new| {
                let unknown = new.kinds().difference(&read.kinds()).next().copied();
                if let Some(kind) = unknown.filter(|_| self.options.kubeconfig.is_some()) {
                    bail!("{kind}s are not followed yet: restart to serve this Corefile");
                }
                new.configured(&self.options).map(|_| new)
            }),
        };
        match new {
            Ok(new) => {
                let anew = new.frame() != read.frame();
                (self.corefile, self.refused) = (Some(new), None);
                if anew {
                    self.texts = self.read_texts();
                    return Err(Step::Anew);
                }
                Ok(true)
            }
            Err(error) => {
                self.refused = Some(text);
                Err(Step::Wrong(error))
            }
        }
    }
}

/// Why there is no new front.
enum Step {
    Anew,
    Wrong(anyhow::Error),
}

impl From<anyhow::Error> for Step {
    fn from(error: anyhow::Error) -> Self {
        Self::Wrong(error)
    }
}

/// Servers' health and the cache outlive a change of hosts.
fn forwarder(handle: &Handle) -> Option<svc_dns::Forwarder> {
    Front::forwarder(&handle.front()).cloned()
}
