//! The first bytes of TLS: a name is found in them only once they are enough, and what follows changes nothing.
#![cfg_attr(fuzzing, no_main)]

use svc_ingress::client_hello::server_name;

fuzz::target!(|bytes| {
    if let Ok(Some(asked)) = server_name(bytes) {
        assert!(asked.name().is_none_or(|name| !name.is_empty() && name == name.to_ascii_lowercase()));
        assert_eq!(server_name(&[bytes, b"more"].concat()), Ok(Some(asked)));
    }
});
