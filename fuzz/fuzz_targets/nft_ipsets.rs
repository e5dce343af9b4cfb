//! What a kernel says of its sets: what is understood can be said again, and as text, and is understood alike.
#![cfg_attr(fuzzing, no_main)]

use svc_nft::ipset::IpSet;

fuzz::target!(|bytes| {
    for set in IpSet::parse_all(bytes) {
        assert_eq!(IpSet::parse_all(&set.emit()).next(), Some(set.clone()));
        if !set.name().contains(' ') {
            assert_eq!(set.to_string().parse::<IpSet>(), Ok(set));
        }
    }
});
