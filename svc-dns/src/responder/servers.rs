//! The name servers of the zones.

use std::net::IpAddr;

use super::Responder;
use crate::{config::Realm, index::ServiceRecords};

/// A name server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameServer {
    /// Its labels in front of the zone, in wire form, without a root.
    pub(super) labels: Vec<u8>,
    pub(super) addresses: Vec<IpAddr>,
}

impl Responder {
    /// The Services that select an address of the server: by name with a virtual IP, by endpoint without one. If there is none,
    /// or the zone is not theirs, `ns.dns.<zone>` with the server's own addresses; CoreDNS has no name server then if it knows
    /// no address.
    pub(super) fn name_servers(&self, realm: Realm<'_>) -> Vec<NameServer> {
        let of_services = match realm {
            Realm::Cluster(origin, _) => !origin.multicluster,
            Realm::Reverse(..) => self.zone.origin_of_services().is_some(),
        };
        let services = self.index.name_servers().filter(|_| of_services);
        let mut servers: Vec<NameServer> =
            services.flat_map(|service| self.name_servers_of(service)).collect();
        servers.sort();
        if servers.is_empty() && !(self.zone.addresses().is_empty() && self.zone.is_coredns()) {
            let addresses = self.zone.addresses().to_vec();
            servers.push(NameServer { labels: b"\x02ns\x03dns".to_vec(), addresses });
        }
        servers
    }

    fn name_servers_of(&self, service: &ServiceRecords) -> Vec<NameServer> {
        if !self.zone.exposed().every_namespace() && !self.index.has_namespace(service.namespace()) {
            return Vec::new();
        }
        let server = |host: &[u8], addresses| NameServer {
            labels: [host, service.labels(), b"\x03svc"].concat(),
            addresses,
        };
        if service.is_virtual() {
            return vec![server(&[], service.own().addresses().collect())];
        }
        let ours = |address: &IpAddr| self.zone.addresses().contains(address);
        let hosts = service.hosts().map(|(host, set)| server(host, set.addresses().filter(ours).collect()));
        hosts.filter(|server| !server.addresses.is_empty()).collect()
    }
}
