//! How a kernel stands beside a plan, peer by peer, for people.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Obstacle, Peer, Plan, Refusal};
use crate::family::Family;
use crate::kernel::Kernel;
use crate::lease::Half;
use crate::mac::Mac;
use crate::operation::Operation;

/// What a kernel holds of a plan, and what differs. Prints a line for each peer, and under it what would have to be done.
///
/// ```text
/// 10.244.2.0/24     server2   172.20.10.2   flannel.1   in step
/// 10.244.7.0/24     server4   172.20.10.4   flannel.1   differs
///     ip neigh replace 10.244.7.0 lladdr 02:00:00:00:00:04 dev flannel.1 nud permanent proto 120
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    peers: Vec<(Peer, String, Vec<Operation>)>,
    others: Vec<Operation>,
    refusals: Vec<Refusal>,
    obstacles: Vec<Obstacle>,
}

impl Plan {
    /// This plan beside what a kernel holds. O(entries x log).
    #[must_use]
    pub fn report(&self, kernel: &Kernel) -> Report {
        let keys = Keys::new(self);
        let mut differences: BTreeMap<IpNet, Vec<Operation>> = BTreeMap::new();
        let mut others = Vec::new();
        for operation in self.diff(kernel).operations() {
            match keys.concerned(operation) {
                Some(subnet) => differences.entry(subnet).or_default().push(operation.clone()),
                None => others.push(operation.clone()),
            }
        }
        let devices: BTreeMap<_, _> =
            self.entries.routes.iter().map(|route| (route.destination, &route.device)).collect();
        let row = |peer: &Peer| {
            let device = devices.get(&peer.half.subnet).map(|device| (*device).clone());
            let differences = differences.remove(&peer.half.subnet).unwrap_or_default();
            (peer.clone(), device.unwrap_or_default(), differences)
        };
        let peers = self.peers.values().map(row).collect();
        Report {
            peers,
            others,
            refusals: self.refusals.values().cloned().collect(),
            obstacles: self.obstacles(kernel),
        }
    }
}

/// By what the peers' entries are known, and whose they are.
struct Keys {
    subnets: BTreeMap<IpAddr, IpNet>,
    vteps: BTreeMap<(Mac, Family), IpNet>,
}

impl Keys {
    fn new(plan: &Plan) -> Self {
        let halves = || plan.peers.values().map(|peer| peer.half);
        let vtep = |half: Half| Some(((half.vxlan?.vtep_mac, half.family()), half.subnet));
        Keys {
            subnets: halves().map(|half| (half.subnet.network(), half.subnet)).collect(),
            vteps: halves().filter_map(vtep).collect(),
        }
    }

    /// The peer that an operation is made for, by its subnet; none where it is for the node itself, or for a peer that is
    /// gone.
    fn concerned(&self, operation: &Operation) -> Option<IpNet> {
        match operation {
            Operation::AddRoute(route) | Operation::ReplaceRoute(route) | Operation::DeleteRoute(route) => {
                self.subnets.get(&route.destination.network()).copied()
            }
            Operation::SetNeighbour(entry) | Operation::DeleteNeighbour(entry) => {
                self.subnets.get(&entry.address).copied()
            }
            Operation::SetFdb(entry) | Operation::DeleteFdb(entry) => {
                self.vteps.get(&(entry.mac, Family::of(entry.destination))).copied()
            }
            _ => None,
        }
    }
}

impl Report {
    /// Whether the kernel holds everything, and nobody is refused or in the way.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        let held =
            self.others.is_empty() && self.peers.iter().all(|(_, _, differences)| differences.is_empty());
        held && self.refusals.is_empty() && self.obstacles.is_empty()
    }

    /// The peers, the device by which packets go to each, and what would have to be done for it.
    pub fn peers(&self) -> impl Iterator<Item = (&Peer, &str, &[Operation])> {
        self.peers.iter().map(|(peer, device, differences)| (peer, device.as_str(), differences.as_slice()))
    }

    /// What would have to be done for the node itself, and to be rid of peers that are gone.
    #[must_use]
    pub fn others(&self) -> &[Operation] {
        &self.others
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (peer, device, differences) in self.peers() {
            let Peer { node, half, .. } = peer;
            let state = if differences.is_empty() { "in step" } else { "differs" };
            let (subnet, public_ip) = (half.subnet.to_string(), half.public_ip.to_string());
            writeln!(f, "{subnet:<24} {node:<15} {public_ip:<20} {device:<13} {state}")?;
            differences.iter().try_for_each(|operation| writeln!(f, "    {operation}"))?;
        }
        if !self.others.is_empty() {
            writeln!(f, "this node differs")?;
            self.others.iter().try_for_each(|operation| writeln!(f, "    {operation}"))?;
        }
        self.refusals.iter().try_for_each(|refusal| writeln!(f, "error: {refusal}"))?;
        self.obstacles.iter().try_for_each(|obstacle| writeln!(f, "error: {obstacle}"))
    }
}
