//! Clients that know nothing of the cluster: HTTP over new connections, the C library's resolver, raw DNS queries.

pub mod dns;
pub mod http;
pub mod load;
pub mod resolver;
