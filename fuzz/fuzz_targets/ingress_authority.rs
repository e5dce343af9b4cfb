//! A `Host` field: what is taken is one name for every reader, in one spelling.
#![cfg_attr(fuzzing, no_main)]

use svc_ingress::authority::Authority;

fuzz::target!(|bytes| {
    let text = String::from_utf8_lossy(bytes);
    let Some(authority) = Authority::parse(&text) else { return };
    assert_eq!(Authority::parse(authority.as_str()).as_ref(), Some(&authority));
    let host = authority.host();
    assert!(
        !host.is_empty()
            && *host == host.to_ascii_lowercase()
            && authority.as_str().to_ascii_lowercase().starts_with(host)
    );
    assert!(!host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@?#\\,%".contains(c)));
});
