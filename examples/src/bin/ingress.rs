//! An Ingress router for the objects of a directory of manifests or of a cluster, and a look at them before it serves.

use std::process::ExitCode;

use clap::Parser;
use examples::{router, show};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    show::diagnostics();
    router::run(router::Options::parse()).await
}
