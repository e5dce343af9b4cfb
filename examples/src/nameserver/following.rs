//! Following the files that the configuration is in.

use std::fs;
use std::time::Duration;

use svc_dns::{Front, Handle};
use tokio::time::sleep;

use super::configured::{Configured, Read};
use super::options::Options;

/// Files are looked at this often.
const INTERVAL: Duration = Duration::from_millis(500);

/// The configuration as it was last read.
pub(super) struct Following {
    options: Options,
    corefile: Option<Read>,
    texts: Vec<Result<String, String>>,
    /// The text of a Corefile that was told to be wrong.
    refused: Option<Result<String, String>>,
}

impl Following {
    pub(super) fn new(options: Options) -> anyhow::Result<Self> {
        let corefile = options.corefile.as_deref().map(Read::new).transpose()?;
        let mut following = Self { options, corefile, texts: Vec::new(), refused: None };
        following.texts = following.read_texts();
        Ok(following)
    }

    pub(super) fn configured(&self) -> anyhow::Result<Vec<Configured>> {
        match &self.corefile {
            Some(read) => {
                read.plan.problems().iter().for_each(|problem| eprintln!("{problem}"));
                read.configured(&self.options)
            }
            None => Ok(vec![self.options.configured(None)?]),
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
        let texts = self.read_texts();
        if texts == self.texts && !corefile_is_new {
            return Ok(());
        }
        self.texts = texts;
        let fronts = match &self.corefile {
            Some(read) => read.fronts()?,
            None => vec![self.options.configured(handles.first().and_then(forwarder))?.front],
        };
        handles.iter().zip(fronts).for_each(|(handle, front)| handle.set_front(front));
        println!("goes on with what the files say now");
        Ok(())
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
            new => new.and_then(|new| new.configured(&self.options).map(|_| new)),
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
