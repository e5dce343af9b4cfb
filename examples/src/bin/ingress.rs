//! An Ingress router for the objects of a directory of manifests or of a cluster.

use clap::Parser;
use examples::{router, show};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    show::diagnostics();
    router::run(router::Options::parse()).await
}
