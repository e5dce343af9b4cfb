//! What a proxy would do with Services: the plan, the rules, the difference, and what becomes of packets.

use std::process::ExitCode;

use clap::Parser as _;
use examples::rules::{self, options::Options};

fn main() -> anyhow::Result<ExitCode> {
    rules::run(Options::parse().command)
}
