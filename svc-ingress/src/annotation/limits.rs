//! `limit-*`: how much one client may ask for.

use std::net::IpAddr;

use ipnet::IpNet;

use super::reader::Reader;
use super::value;

/// As ingress-nginx has it: a burst of five times the limit.
const BURST_MULTIPLIER: u32 = 5;

/// What one client address may ask of an Ingress. A limit of 0 is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    connections: u32,
    per_second: u32,
    per_minute: u32,
    burst_multiplier: u32,
    exempt: Vec<IpNet>,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let limits = Self {
            connections: reader.read("limit-connections", value::count).unwrap_or(0),
            per_second: reader.read("limit-rps", value::count).unwrap_or(0),
            per_minute: reader.read("limit-rpm", value::count).unwrap_or(0),
            burst_multiplier: reader.read("limit-burst-multiplier", value::count).unwrap_or(BURST_MULTIPLIER),
            exempt: reader
                .read_either(["limit-allowlist", "limit-whitelist"], value::networks)
                .unwrap_or_default(),
        };
        let any = limits.connections > 0 || limits.per_second > 0 || limits.per_minute > 0;
        any.then_some(limits)
    }

    /// `limit-connections`: how many requests may be under way at one time, and tunnels open.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// `limit-rps`: requests per second.
    #[must_use]
    pub fn per_second(&self) -> u32 {
        self.per_second
    }

    /// `limit-rpm`: requests per minute.
    #[must_use]
    pub fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// `limit-burst-multiplier`: how many times a limit may come at once.
    #[must_use]
    pub fn burst_multiplier(&self) -> u32 {
        self.burst_multiplier
    }

    /// `limit-allowlist`: the client is not limited.
    #[must_use]
    pub fn exempts(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.exempt.iter().any(|network| network.contains(&client))
    }
}
