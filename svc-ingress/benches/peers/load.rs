//! Load by wrk and h2load, and what the router's processes spend on it.

use std::{fs, process::Command, time::Instant};

use super::Failure;
use super::routers::Running;

const WARM_UP: &str = "1";
const MEASURED: &str = "3";

/// One kind of load.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) hosts: usize,
    pub(super) unit: &'static str,
    /// Runs for so many seconds; units of work done.
    pub(super) load: fn(&str) -> Result<f64, Failure>,
}

/// What a router did under load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// Seconds of processor time a unit.
    pub(super) cpu: f64,
    /// The part of it that was not the kernel's.
    pub(super) user: f64,
    /// Requests, or gigabytes, a second.
    pub(super) rate: f64,
    pub(super) resident: f64,
}

pub(super) fn measure(running: &Running, case: &Case) -> Result<Figures, Failure> {
    (case.load)(WARM_UP)?;
    let (before, start) = (times(running), Instant::now());
    let work = (case.load)(MEASURED)?;
    let (after, elapsed) = (times(running), start.elapsed().as_secs_f64());
    let (total, user) = (after.0 - before.0, after.1 - before.1);
    let per = if case.unit == "s/GB" { 1.0 } else { 100_000.0 };
    Ok(Figures {
        cpu: total / work * per,
        user: user / total,
        rate: work / elapsed,
        resident: resident(running),
    })
}

pub(super) fn plain(seconds: &str) -> Result<f64, Failure> {
    wrk(seconds, "64", "h0.example.test", "http://127.0.0.1:8080/app/x").map(|done| done.0)
}

pub(super) fn plain_last_host(seconds: &str) -> Result<f64, Failure> {
    wrk(seconds, "64", "h500.example.test", "http://127.0.0.1:8080/api/x").map(|done| done.0)
}

pub(super) fn tls(seconds: &str) -> Result<f64, Failure> {
    wrk(seconds, "64", "h0.example.test", "https://127.0.0.1:8443/app/x").map(|done| done.0)
}

/// In gigabytes.
pub(super) fn large(seconds: &str) -> Result<f64, Failure> {
    let bytes = wrk(seconds, "8", "h0.example.test", "http://127.0.0.1:8080/big/x")?.1;
    Ok(bytes / 1e9)
}

pub(super) fn http2(seconds: &str) -> Result<f64, Failure> {
    let url = "https://h0.example.test:8443/app/x";
    let args = ["-t1", "-c16", "-m8", "-D", seconds, "--connect-to=127.0.0.1:8443", url];
    let output = Command::new("taskset").args(["-c", "1", "h2load"]).args(args).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("status codes:")).ok_or("h2load says nothing")?;
    let good = line.split_whitespace().nth(2).ok_or("h2load says no number")?;
    if !line.contains(" 0 3xx, 0 4xx, 0 5xx") {
        return Err(format!("h2load: {line}").into());
    }
    Ok(good.parse()?)
}

/// Requests answered, and bytes read.
fn wrk(seconds: &str, connections: &str, host: &str, url: &str) -> Result<(f64, f64), Failure> {
    let host = format!("Host: {host}");
    let args = ["-t1", "-c", connections, "-d", seconds, "-H", &host, url];
    let output = Command::new("taskset").args(["-c", "1", "wrk"]).args(args).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("Non-2xx") {
        return Err(format!("wrk: {text}").into());
    }
    // `  12345 requests in 3.00s, 13.80MB read`
    let line = text.lines().find(|line| line.contains(" requests in ")).ok_or("wrk says nothing")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let read = words.get(4).ok_or("wrk says no bytes")?;
    let (number, unit) = read.split_at(read.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(read.len()));
    let power = ["B", "KB", "MB", "GB"].iter().position(|known| *known == unit).ok_or("an unknown unit")?;
    let scale = 1024_f64.powi(i32::try_from(power)?);
    Ok((words[0].parse()?, number.parse::<f64>()? * scale))
}

/// Seconds of processor time of all the router's processes; of these, in user mode.
fn times(running: &Running) -> (f64, f64) {
    let ticks = |process: &u32| {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let fields: Vec<f64> =
            text.rsplit(") ").next()?.split(' ').map(|field| field.parse().unwrap_or(0.0)).collect();
        Some((fields[11] + fields[12], fields[11]))
    };
    let all = running.processes().iter().filter_map(ticks).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    // USER_HZ is 100 on every machine that Linux runs this on.
    (all.0 / 100.0, all.1 / 100.0)
}

fn resident(running: &Running) -> f64 {
    let kilobytes = |process: &u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    running.processes().iter().filter_map(kilobytes).sum::<f64>() / 1024.0
}
