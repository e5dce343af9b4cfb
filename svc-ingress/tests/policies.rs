//! The policies of annotations, asked for with curl, beside a real nginx that is configured as ingress-nginx would
//! configure it. `cargo xtask test` installs both; a test whose program is missing says so.
#![cfg(feature = "driver")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test: programs of others are run, files and sockets made for them, and what is missing is said"
)]

mod policies {
    mod auth;
    mod certificates;
    mod cors;
    pub(crate) mod harness;
    mod headers;
    mod limits;
    mod passthrough;
    mod redirects;
    mod replies;
    mod routes;
    mod upstream_tls;
}
