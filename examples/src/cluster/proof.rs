//! Evidence: who answers how often, and what is on the wire.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use svc_lab::{Capture, Host, Packet};

use super::Cluster;
use crate::client::http::Get;

/// How often each server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread(BTreeMap<String, u32>);

impl Spread {
    /// The servers that answered, by name.
    #[must_use]
    pub fn servers(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> =
            self.0.iter().map(|(server, count)| format!("{server} answered {count}")).collect();
        f.write_str(&parts.join(", "))
    }
}

impl Cluster {
    /// Sends the same request `times` times over new connections and counts who answers.
    ///
    /// # Errors
    /// The first request that fails.
    pub async fn spread(&self, from: &Host, get: &Get, times: u32) -> anyhow::Result<Spread> {
        let request = get.clone();
        let place = from.name().to_owned();
        from.run(move || async move {
            let mut spread = Spread::default();
            for turn in 1..=times {
                let reply = request
                    .send()
                    .await
                    .with_context(|| format!("request {turn} of {times} from {place}"))?;
                *spread.0.entry(reply.server()?.to_owned()).or_default() += 1;
            }
            Ok(spread)
        })
        .await
    }
}

/// The first captured packet that `is_wanted`.
///
/// # Errors
/// There is none within two seconds.
pub async fn captured(capture: &mut Capture, is_wanted: impl Fn(&Packet) -> bool) -> anyhow::Result<Packet> {
    Ok(capture.find(Duration::from_secs(2), is_wanted).await?)
}
