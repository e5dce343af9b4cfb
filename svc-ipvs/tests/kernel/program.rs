//! The ipvsadm program as judge: it reads what we wrote, and we read what it wrote.

use std::{
    io::Write as _,
    process::{Command as Process, Stdio},
};

use svc_ipvs::*;

use crate::contract::every_kind;

type Run = fn(&mut Socket) -> Result<(), String>;

pub(crate) const ALL: &[(&str, Run)] = &[
    ("it_saves_what_we_print", it_saves_what_we_print),
    ("it_restores_what_we_print", it_restores_what_we_print),
];

/// What `ipvsadm ARGS` prints; `None` where there is no such program.
fn ipvsadm(args: &[&str], input: &str) -> Result<Option<String>, String> {
    let mut process = Process::new("ipvsadm");
    process.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = process.spawn() else {
        println!("SKIP ipvs::program: no ipvsadm program here");
        return Ok(None);
    };
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !complaint.is_empty() {
        return Err(format!("ipvsadm {args:?}: {}: {complaint}", output.status));
    }
    Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Without tunnels and thresholds, which ipvsadm 1.31 reads but does not save.
fn saved_in_full() -> Vec<Listed> {
    let plain = |listed: Listed| {
        let bare = Listed::new(listed.service().clone());
        let tunnel =
            |one: &&ListedDestination| !matches!(one.destination.forwarding(), Forwarding::Tunnel(_));
        let kept = listed.destinations().iter().filter(tunnel);
        let without = |destination: &Destination| destination.clone().with_thresholds(0, 0);
        kept.fold(bare, |listed, one| listed.destination(without(&one.destination)))
    };
    every_kind().into_iter().map(plain).collect()
}

fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}

fn printed(wanted: &[Listed]) -> String {
    diff(&[], wanted).iter().map(|command| format!("{command}\n")).collect()
}

fn it_saves_what_we_print(socket: &mut Socket) -> Result<(), String> {
    let wanted = saved_in_full();
    let refused = socket.apply(&diff(&[], &wanted)).map_err(|error| error.to_string())?;
    assert_eq!(refused, []);
    if let Some(saved) = ipvsadm(&["--save", "--numeric"], "")? {
        assert_eq!(lines(&saved), lines(&printed(&wanted)));
    }
    Ok(())
}

fn it_restores_what_we_print(socket: &mut Socket) -> Result<(), String> {
    let wanted = every_kind();
    if ipvsadm(&["--restore"], &printed(&wanted))?.is_some() {
        assert_eq!(socket.list().map_err(|error| error.to_string())?, wanted);
    }
    Ok(())
}
