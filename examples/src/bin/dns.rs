//! Cluster DNS for the Services of a directory of manifests.

use clap::Parser;
use examples::{nameserver, show};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    show::diagnostics();
    nameserver::run(nameserver::Options::parse()).await
}
