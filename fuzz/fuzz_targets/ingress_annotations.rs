//! Annotations, `name value` a line: each becomes a type or is named, and what protects a backend fails closed.
#![cfg_attr(fuzzing, no_main)]

use svc_ingress::IngressConfig;
use svc_ingress::annotation::{PREFIX, Policies, protects};

fuzz::target!(|bytes| {
    let text = String::from_utf8_lossy(bytes);
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    let annotations = pairs.map(|(name, value)| (format!("{PREFIX}{name}"), value.to_owned())).collect();
    let (policies, problems) = Policies::parse(&annotations, "shop", &IngressConfig::default());
    assert_eq!(policies.denied().is_some(), problems.iter().any(|problem| protects(&problem.key)));
});
