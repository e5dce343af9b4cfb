//! An htpasswd file: every line is a user, nothing, or a problem; what a client sends to log in is read or refused.
#![cfg_attr(fuzzing, no_main)]

use hyper::http::HeaderValue;
use svc_ingress::auth::Credentials;
use svc_ingress::htpasswd::Htpasswd;

fuzz::target!(|bytes| {
    let (users, problems) = Htpasswd::parse(bytes);
    assert!(problems.len() <= bytes.split(|byte| *byte == b'\n').count());
    assert_eq!(Htpasswd::parse(bytes).0, users);
    let _credentials = HeaderValue::from_bytes(bytes).ok().and_then(|value| Credentials::parse(&value));
});
