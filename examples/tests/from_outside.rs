//! The tour from outside: after it, and after SIGKILL in its middle, nothing of it is left but its report.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the test starts a program and looks at what the kernel says of it"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn tour(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.args(arguments).stdout(Stdio::piped()).spawn().expect("the tour starts")
}

/// All descendants of a process, itself first.
fn family(root: u32) -> Vec<u32> {
    let mut family = vec![root];
    let mut next = 0;
    while let Some(parent) = family.get(next) {
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = fs::read_to_string(children).unwrap_or_default();
        family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        next += 1;
    }
    family
}

/// The network namespaces of all threads of these processes.
fn namespaces(processes: impl IntoIterator<Item = u32>) -> BTreeSet<PathBuf> {
    let tasks = processes.into_iter().flat_map(|process| entries(&format!("/proc/{process}/task")));
    tasks.filter_map(|task| fs::read_link(task.join("ns/net")).ok()).collect()
}

fn entries(directory: &str) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn everybody() -> Vec<u32> {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse().ok();
    entries("/proc").iter().filter_map(number).collect()
}

/// Ended, whether or not the parent has looked.
fn is_gone(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.is_empty() || status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

fn host_network() -> String {
    let read = |name: &&str| fs::read_to_string(Path::new("/proc/net").join(name)).unwrap_or_default();
    let links = read(&"dev")
        .lines()
        .filter_map(|line| line.split_once(':').map(|(name, _)| name.to_owned()))
        .collect::<Vec<_>>();
    format!("{links:?} {}", read(&"route"))
}

/// A process closes its files a moment before it has ended: looks again until `holds`.
fn soon(otherwise: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{otherwise}");
        std::thread::yield_now();
    }
}

/// Waits until everything that could write to the tour's output has ended.
fn end_of(child: &mut Child, mut output: impl std::io::Read) {
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).expect("the output ends");
    child.wait().expect("the tour ends");
}

#[test]
fn sigkill_in_the_middle_leaves_nothing() {
    let host = host_network();
    let own = namespaces([std::process::id()]);
    let mut child = tour(&["--step", "2", "--keep"]);
    let mut output = BufReader::new(child.stdout.take().expect("output is piped"));
    let mut line = String::new();
    while !line.contains("stays until") {
        line.clear();
        assert_ne!(output.read_line(&mut line).expect("the tour prints"), 0, "the tour ended");
    }
    let family = family(child.id());
    assert!(family.len() >= 2, "the tour runs in a process of its own: {family:?}");
    let lab: BTreeSet<_> = namespaces(family.iter().copied()).difference(&own).cloned().collect();
    assert!(lab.len() >= 8, "hosts and pods have namespaces of their own: {lab:?}");
    child.kill().expect("SIGKILL is sent");
    end_of(&mut child, output);
    soon("processes are left", || family.iter().all(|process| is_gone(*process)));
    soon("a namespace is left", || namespaces(everybody()).is_disjoint(&lab));
    assert_eq!(host_network(), host, "the host's own network changed");
}

#[test]
fn a_finished_tour_leaves_nothing() {
    let host = host_network();
    let own = namespaces([std::process::id()]);
    let mut child = tour(&["--step", "1"]);
    let mut output = BufReader::new(child.stdout.take().expect("output is piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("the tour prints");
    let lab: BTreeSet<_> = namespaces(family(child.id())).difference(&own).cloned().collect();
    assert!(lab.len() >= 8, "hosts and pods have namespaces of their own: {lab:?}");
    let mut text = String::new();
    output.read_to_string(&mut text).expect("the output ends");
    assert!(child.wait().expect("the tour ends").success(), "{text}");
    assert!(text.contains("step 1 PASS "), "{text}");
    soon("a namespace is left", || namespaces(everybody()).is_disjoint(&lab));
    assert_eq!(host_network(), host, "the host's own network changed");
}

#[test]
fn the_report_holds_the_evidence() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("tour.html");
    let mut child = tour(&["--step", "1", "--report", file.to_str().expect("the path is UTF-8")]);
    let output = child.stdout.take().expect("output is piped");
    end_of(&mut child, output);
    let page = fs::read_to_string(&file).expect("the report is written");
    for part in [
        "server2 eth0 172.20.10.2",
        "1. definition",
        "class=\"PASS\"",
        "myapp-2 answered 20",
        "80 -&gt; 9376",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
}
