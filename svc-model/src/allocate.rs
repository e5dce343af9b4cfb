//! What an API server hands out to Services, each value to one Service at a time: virtual addresses, node ports,
//! load-balancer addresses. The same seed and the same calls give the same values.

mod cluster_ip;
mod ledger;
mod load_balancer;
mod node_port;
#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

pub use cluster_ip::ClusterIps;
pub use load_balancer::{
    AddressPool, AddressPoolBuilder, AddressRange, InvalidAddressRange, LoadBalancerProvider, PoolError,
};
pub use node_port::NodePorts;

use crate::ObjectName;

/// Why a value was not handed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllocateError {
    /// Someone else has it.
    #[error("{value} is already allocated to Service {owner}")]
    Taken {
        /// The address or port that was asked for.
        value: String,
        /// Who has it.
        owner: ObjectName,
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

/// xorshift64* (Vigna 2016): enough to spread allocations, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u128) -> u128 {
        ((u128::from(self.next()) << 64) | u128::from(self.next())) % bound
    }
}
