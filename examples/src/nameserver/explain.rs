//! `dns explain NAME TYPE CLIENT`.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;
use svc_dns::message::{Name, RecordType};
use svc_dns::{Client, Responder};
use svc_model::Snapshot;

use super::configured::Configured;

/// Prints where the answer to a question comes from.
///
/// # Errors
/// When a word is not what it should be, or no server here has zones.
pub(super) fn explain(
    configured: Vec<Configured>,
    snapshot: &Snapshot,
    name: &str,
    kind: &str,
    client: &str,
) -> anyhow::Result<()> {
    let name: Name = name.parse()?;
    let kind: RecordType = RecordType::from_text(kind)
        .with_context(|| format!("{kind:?} is no type; A, AAAA, SRV and PTR are"))?;
    let address = client.parse::<SocketAddr>().ok();
    let address = address.or_else(|| Some(SocketAddr::new(client.parse::<IpAddr>().ok()?, 40_000)));
    let client = Client::udp(address.with_context(|| format!("{client:?} is no address"))?);
    let server = configured.into_iter().find_map(|one| Some((one.zone?, one.front)));
    let (zone, front) = server.context("no server of this configuration has zones of its own")?;
    let responder = Responder::new(zone, snapshot).forwarding(front.forwarder().is_some());
    println!("{}", responder.explain(snapshot, &name, kind, client));
    Ok(())
}
