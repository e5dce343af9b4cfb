//! What runs in the lab beside the crates: servers that say who they are, a public name server, a cloud balancer.

pub mod balancer;
pub mod echo;
pub mod public_dns;
