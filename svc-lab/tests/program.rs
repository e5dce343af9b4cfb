//! A program with a lab as its main, watched from outside: what passes through, and what is left when it is killed.
//!
//! The program is this binary itself, begun with a command as its first argument.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests of sockets, processes and files"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

const NOBODY: u32 = 65534;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("exits") => svc_lab::main(|_| async move { Ok(ExitCode::from(arguments[1].parse::<u8>()?)) }),
        Some("fails") => svc_lab::main(fails),
        Some("echoes") => svc_lab::main(|_| async {
            std::io::copy(&mut std::io::stdin(), &mut std::io::stdout())?;
            Ok(())
        }),
        Some("stays") => svc_lab::main(stays),
        Some("waits") => svc_lab::main(waits),
        _ => tests(),
    }
}

/// Two hosts with a process in one, until killed.
async fn stays(lab: svc_lab::Lab) -> svc_lab::Result {
    let [a, _b] = lab.hosts(["a", "b"]).await?;
    let namespace = a.run(|| async { fs::read_link("/proc/thread-self/ns/net") }).await?;
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    let mut process = a.command(sleep).spawn().await?;
    println!("{}\n{}", a.nsenter(), namespace.display());
    process.wait().await?;
    Ok(())
}

async fn fails(lab: svc_lab::Lab) -> svc_lab::Result {
    drop(lab.pod("gone").await?);
    Err("on purpose".into())
}

/// Until one of the two signals, which its exit code tells.
async fn waits(_: svc_lab::Lab) -> svc_lab::Result<ExitCode> {
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    println!("ready");
    Ok(tokio::select! {
        _ = int.recv() => ExitCode::from(40),
        _ = term.recv() => ExitCode::from(41),
    })
}

fn tests() -> ExitCode {
    let trials = vec![
        trial("exit_status_and_streams_pass_through", exit_status_and_streams_pass_through),
        trial("signals_are_passed_on", signals_are_passed_on),
        trial("a_program_that_dies_of_a_signal_tells_so", a_program_that_dies_of_a_signal_tells_so),
        trial("a_failed_lab_is_kept_if_wanted", a_failed_lab_is_kept_if_wanted),
        trial("nsenter_works_from_outside", nsenter_works_from_outside),
        trial("nothing_is_left_after_sigkill", nothing_is_left_after_sigkill),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Result::<(), Failed>::Ok(())
    })
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// As the user that runs the tests, and, if that is root, as one without any privilege.
fn as_each_user(test: impl Fn(&dyn Fn(&[&str]) -> Command)) {
    test(&program);
    if nix::unistd::geteuid().is_root() {
        test(&|arguments| {
            let mut command = program(arguments);
            command.uid(NOBODY).gid(NOBODY);
            command
        });
    } else {
        eprintln!("not root: tried as this user only");
    }
}

fn exit_status_and_streams_pass_through() {
    as_each_user(|program| {
        assert_eq!(program(&["exits", "0"]).status().unwrap().code(), Some(0));
        assert_eq!(program(&["exits", "7"]).status().unwrap().code(), Some(7));
        let failed = program(&["fails"]).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(failed.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&failed.stderr).contains("error: on purpose"), "{failed:?}");
        let mut echo = program(&["echoes"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut echo.stdin.take().unwrap(), b"through\n").unwrap();
        assert_eq!(echo.wait_with_output().unwrap().stdout, b"through\n");
    });
}

fn signals_are_passed_on() {
    for (signal, code) in [(Signal::SIGINT, 40), (Signal::SIGTERM, 41)] {
        let mut child = program(&["waits"]).spawn().unwrap();
        assert_eq!(line(&mut BufReader::new(child.stdout.take().unwrap())), "ready");
        kill(pid(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

fn a_program_that_dies_of_a_signal_tells_so() {
    let mut child = program(&["stays"]).spawn().unwrap();
    line(&mut BufReader::new(child.stdout.take().unwrap()));
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
}

fn a_failed_lab_is_kept_if_wanted() {
    let mut child = program(&["fails"]).env("SVC_LAB_KEEP", "1").stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stderr.take().unwrap());
    assert_eq!(line(&mut output), "error: on purpose");
    assert!(line(&mut output).starts_with("The lab is kept until"));
    assert!(line(&mut output).starts_with("  gone: nsenter "));
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
}

fn nsenter_works_from_outside() {
    if Command::new("nsenter").arg("--version").output().is_err() {
        return eprintln!("SKIP nsenter_works_from_outside: no nsenter (util-linux) here");
    }
    as_each_user(|program| {
        let mut child = program(&["stays"]).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (enter, namespace) = (line(&mut output), line(&mut output));
        let mut shell = Command::new("sh");
        if fs::metadata(format!("/proc/{}", child.id())).unwrap().uid() == NOBODY {
            shell.uid(NOBODY).gid(NOBODY);
        }
        let entered = shell.args(["-c", &format!("{enter} readlink /proc/self/ns/net")]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&entered.stdout).trim(), namespace, "{entered:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

/// The program is killed at different moments between its first instruction and its full life. Its output ends when
/// the last process that could write to it has ended.
fn nothing_is_left_after_sigkill() {
    as_each_user(|program| {
        for round in 0..30 {
            let mark = format!("killed-{}-{round}", std::process::id());
            let mut child = program(&["stays", &mark]).env("SVC_LAB_TEST_MARK", &mark).spawn().unwrap();
            let mut output = BufReader::new(child.stdout.take().unwrap());
            if round % 5 == 4 {
                line(&mut output);
            } else {
                // Not a wait for anything: the moment to kill at.
                std::thread::sleep(Duration::from_micros(1500 * round));
            }
            let namespaces = namespaces_of(&mark);
            assert!(round % 5 != 4 || namespaces.len() > 5, "a full lab has more: {namespaces:?}");
            child.kill().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(9));
            output.read_to_end(&mut vec![]).unwrap();
            let left = until_none(|| [processes_of(&mark), users_of(&namespaces)].concat());
            assert!(left.is_empty(), "round {round}: {left:?}");
        }
    });
}

/// A process that has closed its output may still be on its way out: looked at again until none is found.
fn until_none(find: impl Fn() -> Vec<PathBuf>) -> Vec<PathBuf> {
    let start = Instant::now();
    loop {
        let found = find();
        if found.is_empty() || start.elapsed() > Duration::from_secs(20) {
            return found;
        }
        std::thread::yield_now();
    }
}

fn processes_of(mark: &str) -> Vec<PathBuf> {
    let has_mark = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(mark)
    };
    processes().into_iter().filter(has_mark).collect()
}

/// The namespaces of the marked processes that are not also our own.
fn namespaces_of(mark: &str) -> BTreeSet<PathBuf> {
    let own = namespaces_in(Path::new("/proc/self"));
    let all = processes_of(mark)
        .iter()
        .flat_map(|it| threads(it))
        .flat_map(|it| namespaces_in(&it))
        .collect::<BTreeSet<_>>();
    all.difference(&own).cloned().collect()
}

fn users_of(namespaces: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let threads = processes().into_iter().flat_map(|it| threads(&it));
    threads.filter(|it| !namespaces_in(it).is_disjoint(namespaces)).collect()
}

fn namespaces_in(task: &Path) -> BTreeSet<PathBuf> {
    let kinds = ["user", "net", "mnt", "pid"];
    kinds.iter().filter_map(|kind| fs::read_link(task.join("ns").join(kind)).ok()).collect()
}

fn processes() -> Vec<PathBuf> {
    let is_process =
        |it: &fs::DirEntry| it.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    let all = fs::read_dir("/proc").unwrap().flatten().filter(is_process).map(|it| it.path());
    all.filter(|it| !is_zombie(it)).collect()
}

/// Dead, and only waiting for the system's init to notice.
fn is_zombie(process: &Path) -> bool {
    fs::read_to_string(process.join("status")).is_ok_and(|it| it.contains("State:\tZ"))
}

fn threads(process: &Path) -> Vec<PathBuf> {
    let threads = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    threads.map(|it| it.path()).collect()
}

fn line(output: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.trim_end().into()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}
