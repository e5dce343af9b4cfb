//! IPVS on paper: virtual servers, looked up where the kernel asks for them.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ipnet::IpNet;
use svc_ipvs::{Flags, Listed, ServiceId};
use svc_model::Protocol;
use svc_nft::Hook;

use super::walk::{Halt, Walk};
use crate::packet::Connection;
use crate::trace::{Outcome, Reason, Reply, RuleAt, Step};

/// Virtual servers by what they listen at.
#[derive(Debug, Default)]
pub(super) struct Servers {
    by_id: HashMap<ServiceId, Server>,
    /// Addresses that are the host's own for their sake.
    addresses: BTreeSet<IpAddr>,
}

#[derive(Debug)]
struct Server {
    listed: Listed,
    rule: Arc<ServerRule>,
}

/// A virtual server as the rule that a packet met.
#[derive(Debug)]
struct ServerRule {
    service: svc_ipvs::Service,
    text: OnceLock<String>,
}

impl RuleAt for ServerRule {
    fn table(&self) -> &str {
        "ipvs"
    }

    fn chain(&self) -> &str {
        "virtual-servers"
    }

    fn rule(&self) -> &str {
        self.text.get_or_init(|| format!("-A {}", self.service))
    }
}

impl Servers {
    pub(super) fn new(
        servers: impl IntoIterator<Item = Listed>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let by_id = servers.into_iter().map(|listed| {
            let service = listed.service().clone();
            (service.id(), Server { listed, rule: Arc::new(ServerRule { service, text: OnceLock::new() }) })
        });
        Self { by_id: by_id.collect(), addresses: addresses.into_iter().collect() }
    }

    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }
}

/// Where IPVS takes new connections: behind the chains with a lower priority. `NF_IP_PRI_NAT_SRC - 1` and
/// `NF_IP_PRI_NAT_DST + 2`, `ip_vs_core.c`.
pub(super) fn priority(hook: Hook) -> Option<i32> {
    match hook {
        Hook::Input => Some(99),
        Hook::Output => Some(-98),
        _ => None,
    }
}

impl Walk<'_> {
    /// Leads a new connection to a real server, if there is a virtual one for it. Later packets of a connection go where the
    /// first one went, as with any translation.
    pub(super) fn balance(&mut self) -> Result<bool, Halt> {
        let id = ServiceId::new(protocol(self.packet.protocol()), self.destination);
        let Some(server) = self.tables.servers.by_id.get(&id) else { return Ok(false) };
        if !matches!(self.packet.known(), Connection::New | Connection::Related) {
            return Ok(false);
        }
        self.path.push(Step { rule: Arc::clone(&server.rule) as Arc<dyn RuleAt>, object: None });
        let Some(to) = self.choose(server) else {
            self.reply = Some(Reply::Unreachable);
            self.reason = Some(Reason::NoEndpoints);
            return Err(Halt::Gone(Outcome::Reject));
        };
        (self.dnat, self.destination, self.balanced) = (Some(to), to, true);
        Ok(true)
    }

    /// The real server of a client that is remembered, or any that takes new connections. A client that was remembered at
    /// one that is gone is led anew: `net.ipv4.vs.expire_quiescent_template`.
    fn choose(&mut self, server: &Server) -> Option<SocketAddr> {
        let service = server.listed.service();
        let open: Vec<_> = server.listed.destinations().iter().map(|one| &one.destination).collect();
        let open: Vec<_> = open.into_iter().filter(|real| real.weight() > 0).collect();
        let stays = service.flags().contains(Flags::PERSISTENT);
        let client = client(self.source, service.netmask());
        let known = self.memory.template(service.id(), client).filter(|_| stays);
        let to = match known.filter(|known| open.iter().any(|real| real.address() == *known)) {
            Some(known) => known,
            None => {
                let weights = open.iter().map(|real| real.weight());
                let mut lot = self.dice.roll(weights.clone().sum::<u32>());
                let drawn = open.iter().find(|real| match lot.checked_sub(real.weight()) {
                    Some(left) => {
                        lot = left;
                        false
                    }
                    None => true,
                });
                drawn?.address()
            }
        };
        if stays {
            self.memory.note_template(service.id(), client, to);
            self.remembered = Some(Duration::from_secs(service.timeout().into()));
        }
        Some(to)
    }
}

/// Clients that count as one.
fn client(source: IpAddr, bits: u8) -> IpAddr {
    IpNet::new(source, bits).map_or(source, |net| net.network())
}

fn protocol(protocol: Protocol) -> svc_ipvs::Protocol {
    match protocol {
        Protocol::Udp => svc_ipvs::Protocol::Udp,
        Protocol::Sctp => svc_ipvs::Protocol::Sctp,
        _ => svc_ipvs::Protocol::Tcp,
    }
}
