//! The C library's resolver, asked in a process of its own inside a pod.
//!
//! The process is this very program, started again with a hidden argument: see [`answer_if_asked`].

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use svc_lab::Host;

const FORWARD: &str = "__getaddrinfo";
const REVERSE: &str = "__getnameinfo";
/// `AI_CANONNAME` of netdb.h.
const CANONICAL_NAME: i32 = 2;
/// `NI_NAMEREQD` of netdb.h.
const NAME_REQUIRED: i32 = 8;
/// `SOCK_STREAM` of sys/socket.h: one entry an address instead of one a socket type.
const STREAM: i32 = 1;

/// What getaddrinfo(3) said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// The name at the end of the aliases.
    pub canonical: String,
    /// The addresses, sorted.
    pub addresses: Vec<IpAddr>,
}

/// To be called first in `main`: answers and ends, if this process was started to resolve a name.
#[must_use]
pub fn answer_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let answer = match arguments.next()?.as_str() {
        FORWARD => forward(&arguments.next()?),
        REVERSE => reverse(&arguments.next()?),
        _ => return None,
    };
    Some(match answer {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    })
}

fn forward(name: &str) -> anyhow::Result<String> {
    let hints = dns_lookup::AddrInfoHints { flags: CANONICAL_NAME, socktype: STREAM, ..Default::default() };
    let found = dns_lookup::getaddrinfo(Some(name), None, Some(hints)).map_err(std::io::Error::from)?;
    let mut lines = Vec::new();
    for entry in found {
        let entry = entry?;
        lines.extend(entry.canonname.map(|name| format!("canonical {name}")));
        lines.push(format!("address {}", entry.sockaddr.ip()));
    }
    Ok(lines.join("\n"))
}

fn reverse(address: &str) -> anyhow::Result<String> {
    let address: IpAddr = address.parse()?;
    let (name, _) =
        dns_lookup::getnameinfo(&SocketAddr::new(address, 0), NAME_REQUIRED).map_err(std::io::Error::from)?;
    Ok(name)
}

/// getaddrinfo(3) in a process inside `pod`, which has this resolv.conf.
///
/// # Errors
/// What the C library says, such as "Name or service not known".
pub async fn getaddrinfo(pod: &Host, resolv_conf: &str, name: &str) -> anyhow::Result<Resolved> {
    let text = ask(pod, resolv_conf, FORWARD, name).await?;
    let mut resolved = Resolved { canonical: String::new(), addresses: Vec::new() };
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("canonical", name)) => name.clone_into(&mut resolved.canonical),
            Some(("address", address)) => resolved.addresses.push(address.parse()?),
            _ => bail!("the resolver's process said `{line}`"),
        }
    }
    resolved.addresses.sort();
    Ok(resolved)
}

/// getnameinfo(3) in a process inside `pod`.
///
/// # Errors
/// What the C library says.
pub async fn getnameinfo(pod: &Host, resolv_conf: &str, address: IpAddr) -> anyhow::Result<String> {
    Ok(ask(pod, resolv_conf, REVERSE, &address.to_string()).await?.trim().to_owned())
}

async fn ask(pod: &Host, resolv_conf: &str, how: &str, what: &str) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("where this program is")?;
    let mut command = std::process::Command::new(program);
    command.args([how, what]);
    let mut command = pod.command(command).file("/etc/resolv.conf", resolv_conf);
    // The machine's own hosts file and name service switch have no say in a pod. Where a machine has none there is
    // nothing to cover.
    for (path, content) in
        [("/etc/nsswitch.conf", "hosts: files dns\n"), ("/etc/hosts", "127.0.0.1 localhost\n")]
    {
        if std::path::Path::new(path).exists() {
            command = command.file(path, content);
        }
    }
    let output = command.output().await?;
    if !output.status.success() {
        bail!("{what} from {}: {}", pod.name(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
