//! What our router costs in instructions of its own, by valgrind: the same in every run, where processor time is not.
//!
//! `cargo xtask bench ingress-instructions` prints a table and fails where an operation costs more than it may. The kernel is
//! not counted. Where the instructions of a request go: `valgrind --tool=callgrind` in front of this program with the arguments
//! `request 1000`, then `callgrind_annotate`.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that measures"
)]

mod load;
mod subjects;

use std::{error::Error, fs, process::Command};

type Failure = Box<dyn Error>;

/// What is counted, and how many instructions of one it may have: some 5 % above what it had when this was written, with rustc 1.95
/// and no optimization at link time. A request's are the least steady: how many events come at once is the kernel's affair.
const LIMITS: [(&str, u64); 4] =
    [("route", 1_700), ("request head", 3_550), ("response head", 5_050), ("request", 28_000)];
/// The costs of a start are in both runs: the difference has none.
const FEW: u64 = 200;
const MANY: u64 = 1_200;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [subject, times] => subjects::run(subject, times.parse()?),
        // Cargo says `--bench`, or under `cargo test` nothing.
        [bench] if bench == "--bench" => count(),
        _ => Ok(()),
    }
}

fn count() -> Result<(), Failure> {
    println!("| operation | instructions | limit |\n|---|---|---|");
    let mut over = Vec::new();
    for (subject, limit) in LIMITS {
        let each = (instructions(subject, MANY)? - instructions(subject, FEW)?) / (MANY - FEW);
        println!("| {subject} | {each} | {limit} |");
        if each > limit {
            over.push(subject);
        }
    }
    if over.is_empty() { Ok(()) } else { Err(format!("more than the limit: {}", over.join(", ")).into()) }
}

/// All instructions of a process that does something so many times.
fn instructions(subject: &str, times: u64) -> Result<u64, Failure> {
    let file = std::env::temp_dir().join(format!("instructions-{}", std::process::id()));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", file.display()));
    let status = valgrind.arg(std::env::current_exe()?).args([subject, &times.to_string()]).status();
    if !status.map_err(|error| format!("valgrind: {error}"))?.success() {
        return Err(format!("{subject} fails under valgrind").into());
    }
    let text = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    let line = text.lines().find_map(|line| line.strip_prefix("summary: ")).ok_or("no summary")?;
    Ok(line.trim().parse()?)
}
