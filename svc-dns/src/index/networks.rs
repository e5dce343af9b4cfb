//! Parts of addresses below which there are names: the empty non-terminals of reverse zones (RFC 4592 section 2.2.2, RFC 8020).

use std::net::IpAddr;

use ipnet::IpNet;

use super::table::{Keyed, Table};

/// The networks that one label of a reverse name after the other leads to, as far as they lead to an address with names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Networks(Table<Network>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Network {
    key: Key,
    /// Labels that exist right below it.
    below: u32,
}

impl Keyed for Network {
    fn key(&self) -> &[u8] {
        self.key.bytes()
    }
}

impl Networks {
    pub(super) fn new() -> Self {
        Self(Table::new())
    }

    /// Whether an address in this network, which ends between two labels, has names.
    pub(super) fn has(&self, network: IpNet) -> bool {
        self.0.get(Key::of(network).bytes()).is_some()
    }

    /// An address has names that had none.
    pub(super) fn add(&mut self, address: IpAddr) {
        for network in above(address) {
            if self.change(network, |below| below + 1) > 1 {
                return;
            }
        }
    }

    /// An address has names no more.
    pub(super) fn remove(&mut self, address: IpAddr) {
        for network in above(address) {
            if self.change(network, |below| below - 1) > 0 {
                return;
            }
        }
    }

    /// Gives how many there are now.
    fn change(&mut self, network: IpNet, change: impl FnOnce(u32) -> u32) -> u32 {
        let key = Key::of(network);
        let below = change(self.0.get(key.bytes()).map_or(0, |network| network.below));
        if below == 0 {
            self.0.remove(key.bytes());
        } else {
            self.0.insert(Network { key, below });
        }
        below
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

/// The networks that hold an address, the smallest first: of 24, 16 and 8 bits, of 124, 120 and so on.
fn above(address: IpAddr) -> impl Iterator<Item = IpNet> {
    let label_bits = if address.is_ipv4() { 8 } else { 4 };
    let prefixes = (1..IpNet::from(address).prefix_len() / label_bits).rev();
    prefixes.filter_map(move |labels| Some(IpNet::new(address, labels * label_bits).ok()?.trunc()))
}

/// How many bits, then the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key([u8; 17], u8);

impl Key {
    fn of(network: IpNet) -> Self {
        let mut bytes = [0; 17];
        bytes[0] = network.prefix_len();
        match network.addr() {
            IpAddr::V4(v4) => {
                bytes[1..5].copy_from_slice(&v4.octets());
                Self(bytes, 5)
            }
            IpAddr::V6(v6) => {
                bytes[1..].copy_from_slice(&v6.octets());
                Self(bytes, 17)
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.0[..usize::from(self.1)]
    }
}
