//! Contributor commands: `cargo xtask test|bless|bench|fuzz|vm`.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of processes, files and clocks, and its output is for people"
)]

mod bless;
mod call;
mod crates;
mod deny;
mod fuzz;
mod install;
mod instructions;
mod progress;
#[cfg(test)]
mod readme;
mod skips;
mod stage;
mod test;
mod tour;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::bail;

use crate::call::Call;
use crate::workspace::Workspace;

const HELP: &str = "\
Everything a contributor runs.

  cargo xtask test                 everything that CI runs, in stages
  cargo xtask test --only STAGE    one stage (may be given several times)
  cargo xtask test --list          the stages, in order
  cargo xtask bless [FILTER]       rewrite the golden files that the tests compare with
  cargo xtask bench [FILTER]       the benches; `bench proxy/kernel` stands beside the nft program in one run
  cargo xtask bench ingress-peers [N]  svc-ingress beside nginx and haproxy where they are installed: a table, N rounds
  cargo xtask bench ingress-instructions  what a request costs svc-ingress in instructions, and what it may
  cargo xtask bench dns-peers [N]  svc-dns beside nsd, knot and unbound where they are installed: a table, N rounds
  cargo xtask fuzz [TARGET] [--seconds N]
                                   libFuzzer on one target or all, 60 s each unless told otherwise
  cargo xtask vm [--suite NAME] [--release NAME] [-- ARGS]
                                   kernel tests and benches on Debian's stock kernels, emulated: IPVS and the rest";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["test", rest @ ..] => test::run(&workspace, rest),
        ["bless", rest @ ..] => bless::run(&workspace, rest),
        ["bench", "dns-peers", rest @ ..] => {
            Call::parse("cargo run --release --package benches --bin dns_peers --").args(rest).run(&workspace)
        }
        ["bench", "ingress-peers", rest @ ..] => {
            Call::parse("cargo bench --profile dist --package svc-ingress --bench peers --")
                .args(rest)
                .run(&workspace)
        }
        ["bench", "ingress-instructions"] => instructions::count(&workspace),
        ["bench", rest @ ..] => Call::parse("cargo bench --package benches --").args(rest).run(&workspace),
        ["fuzz", rest @ ..] => fuzz::command(&workspace, rest),
        ["vm", rest @ ..] => vm::command(&workspace, rest),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        [other, ..] => bail!("no command named {other:?}; `cargo xtask help` lists them"),
    }
}
