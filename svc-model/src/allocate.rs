//! What an API server hands out to Services, each value to one Service at a time: virtual addresses, node ports,
//! load-balancer addresses. What is chosen depends on the seed, the Service's name and what is taken, and on nothing else.
//! Every operation costs O(log n) in what is handed out: the ten-thousandth Service is as cheap as the first.

mod cluster_ip;
mod ledger;
mod load_balancer;
mod node_port;
mod number;
mod pool;
#[cfg(test)]
mod proptests;
mod runs;
mod service_cidr;
#[cfg(test)]
mod tests;

pub use cluster_ip::ClusterIps;
pub(crate) use cluster_ip::is_assignable;
pub use load_balancer::LoadBalancerProvider;
pub use node_port::NodePorts;
pub use pool::{AddressPool, AddressPoolBuilder, AddressRange, InvalidAddressRange, PoolError};
pub use service_cidr::{InvalidServiceCidr, ServiceCidr};

use crate::ObjectName;

/// Why a value was not handed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllocateError {
    /// Someone else has it.
    #[error("{value} is already allocated to Service {holder} and cannot go to Service {asker}")]
    Taken {
        /// The address or port that was asked for.
        value: String,
        /// Who has it.
        holder: ObjectName,
        /// Who asked for it.
        asker: ObjectName,
    },
    /// It is not for handing out.
    #[error("{value} is not in {range}")]
    OutOfRange {
        /// The address or port that was asked for.
        value: String,
        /// What is handed out.
        range: String,
    },
    /// Nothing is left.
    #[error("nothing is free in {range}: delete a Service, or widen the range")]
    Exhausted {
        /// What is handed out.
        range: String,
    },
}

/// Where the search for a free value of `owner` begins, below `bound` (not 0): FNV-1a of the name, then xorshift64*
/// (Vigna 2016). It depends on nothing else, so that a Service tends to get the same values again: after a restart, or
/// when its node port comes back.
fn starting_point(seed: u64, owner: &ObjectName, bound: u128) -> u128 {
    let text = owner.to_string();
    let hash =
        text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    let high = xorshift(hash | 1);
    let low = xorshift(high | 1);
    ((u128::from(high) << 64) | u128::from(low)) % bound
}

fn xorshift(mut state: u64) -> u64 {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
