//! A JSON object as the API server sends it, created as a user would.
#![cfg_attr(fuzzing, no_main)]

use svc_model::{ControlPlane, yaml};

fuzz::target!(|bytes| {
    let json = format!("{{\"apiVersion\":\"v1\",\"kind\":\"Service\",{}", String::from_utf8_lossy(bytes));
    let mut control = ControlPlane::builder().seed(1).build();
    let manifests = yaml::read(&json);
    let _ = control.apply(&manifests);
    assert!(control.apply(&manifests).set().is_empty(), "the same again changes nothing");
});
