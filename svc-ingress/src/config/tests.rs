use std::time::Duration;

use super::{IngressConfig, Mode};
use crate::error::ConfigError;

#[test]
fn the_defaults_are_those_of_ingress_nginx() {
    let config = IngressConfig::builder().build().unwrap();
    assert_eq!(config, IngressConfig::default());
    assert_eq!((config.mode(), config.class(), config.body_size()), (Mode::Nginx, "nginx", 1 << 20));
    assert_eq!(config.controller(), "k8s.io/ingress-nginx");
}

#[test]
fn references_are_parsed_once() {
    let config = IngressConfig::builder()
        .default_backend("web/fallback:http")
        .default_certificate("web/wildcard")
        .controller("example.com/ours")
        .build()
        .unwrap();
    assert_eq!(config.default_backend().unwrap().to_string(), "web/fallback:http");
    assert_eq!(config.default_certificate().unwrap().to_string(), "web/wildcard");
    assert_eq!(config.controller(), "example.com/ours");
}

#[test]
fn what_is_wrong_is_named() {
    for text in ["fallback:80", "web/fallback", "web/fallback:", "/x:80", ""] {
        let error = IngressConfig::builder().default_backend(text).build().unwrap_err();
        assert_eq!(error, ConfigError::DefaultBackend { text: text.to_owned() });
    }
    let error = IngressConfig::builder().default_certificate("wildcard").build().unwrap_err();
    assert_eq!(error, ConfigError::DefaultCertificate { text: "wildcard".to_owned() });
    let error = IngressConfig::builder().read_timeout(Duration::ZERO).build().unwrap_err();
    assert_eq!(error, ConfigError::ZeroTimeout { field: "read_timeout" });
}
