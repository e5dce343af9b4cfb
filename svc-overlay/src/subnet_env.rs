//! `subnet.env`: the file by which flannel's daemon tells its CNI plugin what a node got.

use std::fmt;

use ipnet::IpNet;

use crate::family::Family;
use crate::ipam::gateway;

/// Where flannel and its CNI plugin look for the file.
pub const SUBNET_ENV: &str = "/run/flannel/subnet.env";

/// The content of `subnet.env`.
///
/// ```
/// let text = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.2.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
/// let env = svc_overlay::SubnetEnv::parse(text)?;
/// assert_eq!(env.subnets(), ["10.244.2.0/24".parse()?]);
/// assert_eq!(env.to_string(), text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetEnv {
    networks: Vec<IpNet>,
    subnets: Vec<IpNet>,
    mtu: u32,
    masquerade: bool,
}

/// A line of `subnet.env` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("subnet.env, {key}: {problem}")]
#[non_exhaustive]
pub struct SubnetEnvError {
    key: String,
    problem: String,
}

impl SubnetEnv {
    /// A node's networks and subnets, its pods' MTU, and whether the overlay masquerades (else the CNI plugin does).
    #[must_use]
    pub fn new(
        networks: impl IntoIterator<Item = IpNet>,
        subnets: impl IntoIterator<Item = IpNet>,
        mtu: u32,
        masquerade: bool,
    ) -> Self {
        let subnets = subnets.into_iter().map(|subnet| subnet.trunc()).collect();
        SubnetEnv { networks: networks.into_iter().collect(), subnets, mtu, masquerade }
    }

    /// Reads the file's text. Unknown keys and empty lines are passed over.
    ///
    /// # Errors
    ///
    /// The first line whose value cannot be.
    pub fn parse(text: &str) -> Result<Self, SubnetEnvError> {
        let mut env = SubnetEnv { networks: Vec::new(), subnets: Vec::new(), mtu: 0, masquerade: false };
        for (key, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
            let bad = |what: &str| SubnetEnvError {
                key: key.to_owned(),
                problem: format!("{value:?} is not {what}"),
            };
            let net = || value.parse::<IpNet>().map_err(|_| bad("a network such as 10.244.2.1/24"));
            match key {
                "FLANNEL_NETWORK" | "FLANNEL_IPV6_NETWORK" => env.networks.push(net()?.trunc()),
                "FLANNEL_SUBNET" | "FLANNEL_IPV6_SUBNET" => env.subnets.push(net()?.trunc()),
                "FLANNEL_MTU" => env.mtu = value.parse().map_err(|_| bad("a number"))?,
                "FLANNEL_IPMASQ" => env.masquerade = value.parse().map_err(|_| bad("true or false"))?,
                _ => {}
            }
        }
        Ok(env)
    }

    /// The overlay's networks.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// The node's subnets: what it had before, for its next claim.
    #[must_use]
    pub fn subnets(&self) -> &[IpNet] {
        &self.subnets
    }

    /// The pods' MTU.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// Whether the overlay masquerades what leaves it.
    #[must_use]
    pub fn masquerade(&self) -> bool {
        self.masquerade
    }
}

/// As flannel writes it: the subnet by its first usable address, which is the gateway's.
impl fmt::Display for SubnetEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (family, prefix) in [(Family::V4, "FLANNEL"), (Family::V6, "FLANNEL_IPV6")] {
            let of_family = |net: &&IpNet| Family::of_net(**net) == family;
            for network in self.networks.iter().filter(of_family) {
                writeln!(f, "{prefix}_NETWORK={network}")?;
            }
            for subnet in self.subnets.iter().filter(of_family) {
                writeln!(f, "{prefix}_SUBNET={}/{}", gateway(*subnet), subnet.prefix_len())?;
            }
        }
        writeln!(f, "FLANNEL_MTU={}\nFLANNEL_IPMASQ={}", self.mtu, self.masquerade)
    }
}

#[cfg(test)]
mod tests;
