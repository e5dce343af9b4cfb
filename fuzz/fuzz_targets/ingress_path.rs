//! The path of a request: its normal form holds nothing that a rule could be passed by with.
#![cfg_attr(fuzzing, no_main)]

use svc_ingress::path::normalise;

fuzz::target!(|bytes| {
    let raw = String::from_utf8_lossy(bytes);
    let Ok(path) = normalise(&raw) else { return };
    assert!(path.starts_with(b"/") && !path.iter().any(u8::is_ascii_control));
    let mut elements = path.split(|byte| *byte == b'/').skip(1).collect::<Vec<_>>();
    let _directory = elements.pop();
    assert!(elements.iter().all(|element| !element.is_empty() && *element != b"." && *element != b".."));
});
