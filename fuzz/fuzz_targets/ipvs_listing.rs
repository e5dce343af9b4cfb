//! Attributes of a virtual server and of a destination: they are read or refused, and what was read has a text.
#![cfg_attr(fuzzing, no_main)]

use svc_ipvs::{Command, Family, parse_destination, parse_service};

fuzz::target!(|bytes| {
    if let Ok((service, _)) = parse_service(bytes) {
        let text = Command::AddService(service.clone()).to_string();
        assert!(text.starts_with(&format!("-A {} -s ", service.id())), "{text}");
    }
    if let Ok(listed) = parse_destination(bytes, Family::V4) {
        assert!(listed.destination.to_string().starts_with("-r "));
    }
});
