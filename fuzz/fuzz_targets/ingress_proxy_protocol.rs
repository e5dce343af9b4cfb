//! The first bytes of a connection behind a load balancer: what is taken is within them, and needs nothing that follows.
#![cfg_attr(fuzzing, no_main)]

use svc_ingress::proxy_protocol::ProxyHeader;

fuzz::target!(|bytes| {
    if let Ok(Some((header, length))) = ProxyHeader::parse(bytes) {
        assert_eq!(ProxyHeader::parse(&bytes[..length]), Ok(Some((header, length))));
        assert_eq!(ProxyHeader::parse(&bytes[..length - 1]), Ok(None));
    }
});
