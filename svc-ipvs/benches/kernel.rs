//! IPVS on a real kernel: many virtual servers at once and one change among them, beside `ipvsadm --restore` and a bare
//! pipeline of messages that were encoded before. Prints two tables.
//!
//! It takes a kernel with IPVS and root: `cargo xtask vm --suite ipvs-bench` boots one.
#![allow(missing_docs, clippy::print_stdout, reason = "a program of measurements")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures programs and time")]

#[path = "kernel/bare.rs"]
mod bare;
#[path = "kernel/program.rs"]
mod program;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use svc_ipvs::{Command, Dataplane as _, Destination, Listed, Scheduler, Service, ServiceId, Socket, diff};

const SIZES: [u16; 2] = [1_000, 10_000];
const ROUNDS: usize = 3;
const CHANGES: usize = 21;

fn main() {
    match Socket::open() {
        Ok(_) => SIZES.into_iter().for_each(|services| {
            loads(services);
            changes(services);
        }),
        Err(error) => println!("{error}; `cargo xtask vm --suite ipvs-bench` boots a kernel that has it"),
    }
}

/// Every way in its turn, the least of several rounds.
fn loads(services: u16) {
    let wanted: Vec<_> = (0..services).map(|number| server(number, 0)).collect();
    let commands = diff(&[], &wanted);
    let bare = bare::Pipeline::of(&commands);
    let mut least = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let times = [
            alone(|| timed(|| bare.send()), &wanted),
            alone(|| timed(|| apply(&diff(&[], &wanted))), &wanted),
            alone(|| timed(|| program::restore(&lines(&commands))), &wanted),
        ];
        least.iter_mut().zip(times).for_each(|(least, time)| *least = time.min(*least));
    }
    println!(
        "\n| {services} virtual servers x 5 | time | to the bare pipeline | to ipvsadm |\n|--|--:|--:|--:|"
    );
    rows(least);
}

/// All real servers of a virtual server in place of others.
fn changes(services: u16) {
    let mut wanted: Vec<_> = (0..services).map(|number| server(number, 0)).collect();
    let place = usize::from(services / 2);
    let mut times: [Vec<Duration>; 3] = Default::default();
    alone(
        || {
            apply(&diff(&[], &wanted));
            let mut socket = Socket::open().expect("a socket");
            for round in 1..=CHANGES {
                // Each of them others again: the kernel remembers what was deleted.
                let mut next = |way: usize| {
                    let after = server(services / 2, u8::try_from(round * 3 + way).unwrap_or(0));
                    let before = std::mem::replace(&mut wanted[place], after.clone());
                    (before, after)
                };
                let (before, after) = next(0);
                let bare = bare::Pipeline::of(&diff(&[before], &[after]));
                times[0].push(timed(|| bare.send()));
                let (before, after) = next(1);
                times[1].push(timed(|| {
                    let commands = diff(&[before], &[after]);
                    assert_eq!(socket.apply(&commands).expect("the change"), []);
                }));
                let (before, after) = next(2);
                let commands = diff(&[before], &[after]);
                times[2].push(timed(|| program::restore(&lines(&commands))));
            }
            assert_eq!(socket.list().expect("a list"), wanted);
            Duration::ZERO
        },
        &[],
    );
    println!(
        "\n| one change among {services} x 5 | time | to the bare pipeline | to ipvsadm |\n|--|--:|--:|--:|"
    );
    rows(times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    }));
}

fn rows([bare, ours, theirs]: [Duration; 3]) {
    let ways = [
        ("messages encoded before, sent by the pipeline", bare),
        ("svc-ipvs: compared, encoded, sent, answers read", ours),
        ("ipvsadm --restore", theirs),
    ];
    for (way, time) in ways {
        let (time, bare, theirs) = (time.as_secs_f64(), bare.as_secs_f64(), theirs.as_secs_f64());
        println!("| {way} | {:.3} ms | {:.2} x | 1/{:.1} |", time * 1e3, time / bare, theirs / time);
    }
}

/// A virtual server with five real servers, of this generation.
fn server(number: u16, generation: u8) -> Listed {
    let [high, low] = number.to_be_bytes();
    let id = ServiceId::tcp(SocketAddr::from(([10, 97, high, low], 80)));
    (8080..8085).fold(Listed::new(Service::new(id, Scheduler::RR)), |listed, port| {
        let port = port + 5 * u16::from(generation);
        listed.destination(Destination::new(SocketAddr::from(([10, 244, high, low], port))))
    })
}

fn lines(commands: &[Command]) -> String {
    commands.iter().map(|command| format!("{command}\n")).collect()
}

/// In a network namespace of its own, where nothing was deleted before: the kernel looks through what was for what comes. It
/// has to hold what was wanted afterwards, if anything is named.
fn alone(act: impl FnOnce() -> Duration, wanted: &[Listed]) -> Duration {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run this as root");
    program::loopback_up();
    let time = act();
    let listed = Socket::open().and_then(|mut socket| socket.list()).expect("a list");
    assert!(wanted.is_empty() || listed == wanted, "the kernel holds something else");
    // The namespace ends later; its virtual servers would be in the way of the next one's.
    let all: Vec<_> = listed.iter().map(|one| Command::DeleteService(one.service().id())).collect();
    apply(&all);
    time
}

fn timed(act: impl FnOnce()) -> Duration {
    let started = Instant::now();
    act();
    started.elapsed()
}

fn apply(commands: &[Command]) {
    assert_eq!(Socket::open().expect("a socket").apply(commands).expect("virtual servers"), []);
}
