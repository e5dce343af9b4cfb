//! Targets of requests that the router itself makes, such as `auth-url`: none of them may be the router's own machine, whose
//! services trust whoever can reach them.

use std::net::IpAddr;

#[cfg(test)]
mod tests;

/// Loopback, link-local (where clouds tell credentials), or no address at all.
///
/// ```
/// # use svc_ingress::target::is_local;
/// assert!(is_local("127.0.0.1".parse().unwrap()) && is_local("169.254.169.254".parse().unwrap()));
/// assert!(!is_local("10.96.0.7".parse().unwrap()));
/// ```
#[must_use]
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_link_local()
                || address.octets()[0] == 0
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local()
        }
    }
}
