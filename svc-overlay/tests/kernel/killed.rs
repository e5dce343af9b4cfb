//! A process that is killed while it programs the kernel: really, by SIGKILL. The next one finishes its work.

use std::os::fd::BorrowedFd;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Process, Result};
use svc_overlay::{Dataplane, Error, Kernel, Lease, Leases, Mac, Operation, Port, Scope, System};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::cluster::{builder, drive, host};
use crate::trial;

/// Makes this program the process that is killed: after how many operations it waits for that.
const STOP: &str = "OVERLAY_STOPS_AFTER";
const NEVER: usize = usize::MAX;
const PEERS: u8 = 3;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("killed_after_each_operation_of_an_apply_the_next_process_finishes_it", after_each),
        trial("killed_at_whatever_moment_the_next_process_finishes_it", at_any_moment),
    ]
}

fn leases() -> Result<Leases> {
    let subnet = |third| ipnet::Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
    let lease = |n: u8| {
        Lease::vxlan(format!("n{n}"), subnet(n), [172, 20, 10, n], 1, Mac::derived(&[&n.to_string()]))
    };
    let leases = Leases::new();
    (20..20 + PEERS).try_for_each(|n| leases.put(lease(n)).map(drop))?;
    Ok(leases)
}

/// A kernel that answers no more after so many operations.
#[derive(Debug)]
struct Stopping {
    system: System,
    left: usize,
}

impl Stopping {
    fn apply_one(&mut self, operation: &Operation) -> std::result::Result<(), Error> {
        if self.left == 0 {
            println!("stopped");
            loop {
                std::thread::park();
            }
        }
        self.left -= 1;
        self.system.apply(std::slice::from_ref(operation)).remove(0)
    }
}

impl Dataplane for Stopping {
    fn list(&mut self, scope: &Scope) -> std::result::Result<Kernel, Error> {
        self.system.list(scope)
    }

    fn interfaces(
        &mut self,
        targets: &[std::net::IpAddr],
    ) -> std::result::Result<svc_overlay::Interfaces, Error> {
        self.system.interfaces(targets)
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<std::result::Result<(), Error>> {
        if self.left == NEVER {
            return self.system.apply(operations);
        }
        operations.iter().map(|operation| self.apply_one(operation)).collect()
    }

    fn plug(&mut self, netns: BorrowedFd<'_>, port: &Port) -> std::result::Result<(), Error> {
        self.system.plug(netns, port)
    }

    async fn changed(&mut self) {
        self.system.changed().await;
    }
}

/// What this program does where it is the one that is killed; nothing where it is the tests.
pub(crate) fn child() -> Option<ExitCode> {
    let left = std::env::var(STOP).ok()?.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let overlay = builder("server2", 2, 2, &leases().unwrap()).build().unwrap();
        let (handle, run) = overlay.drive_on(Stopping { system: System::new(), left });
        tokio::spawn(run);
        println!("begins");
        handle
            .until(|status| status.peers() == usize::from(PEERS) && status.lease().is_some())
            .await
            .unwrap();
        println!("all of it");
        std::future::pending::<()>().await;
    });
    Some(ExitCode::SUCCESS)
}

/// A process on a host that programs it, and the lines that it says.
struct Victim {
    process: Process,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Victim {
    async fn start(host: &Host, stop: usize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(STOP, stop.to_string()).stdout(Stdio::piped());
        let mut process = host.command(command).spawn().await?;
        let lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let mut victim = Victim { process, lines };
        assert_eq!(victim.says().await?, "begins");
        Ok(victim)
    }

    async fn says(&mut self) -> Result<String> {
        Ok(self.lines.next_line().await?.ok_or("the process ended by itself")?)
    }

    async fn kill(mut self) -> Result {
        self.process.kill().await?;
        Ok(())
    }
}

/// A driver adopts what is there, and takes all of it away again.
async fn adopted(host: &Host, before: &str, after: &str) -> Result {
    let node = drive(host, builder("server2", 2, 2, &leases()?))?;
    let status =
        node.handle.until(|status| status.peers() == usize::from(PEERS) && status.lease().is_some()).await?;
    assert_eq!(status.problems(), [], "killed {after}");
    let kernel = node.kernel().await?;
    let ours = kernel.routes.iter().filter(|route| route.is_ours()).count();
    let all = usize::from(PEERS);
    assert_eq!((ours, kernel.fdb.len(), kernel.neighbours.len()), (all, all, all), "killed {after}");
    node.handle.clean_up().await?;
    assert_eq!(host.dump().await?, before, "killed {after}");
    Ok(())
}

async fn after_each(lab: Lab) -> Result {
    for stop in 0.. {
        let host = host(&lab, &format!("server2-{stop}"), 2).await?;
        let before = host.dump().await?;
        let mut victim = Victim::start(&host, stop).await?;
        let whole = victim.says().await? == "all of it";
        victim.kill().await?;
        adopted(&host, &before, &format!("after {stop} operations")).await?;
        host.remove().await?;
        if whole {
            assert!(stop > 12, "{stop} operations");
            return Ok(());
        }
    }
    Ok(())
}

/// Between two system calls, or within one.
async fn at_any_moment(lab: Lab) -> Result {
    for moment in 0..16u32 {
        let host = host(&lab, &format!("server2-{moment}"), 2).await?;
        let before = host.dump().await?;
        let victim = Victim::start(&host, NEVER).await?;
        tokio::time::sleep(Duration::from_micros(500) * moment).await;
        victim.kill().await?;
        adopted(&host, &before, &format!("after {moment} x 0.5 ms")).await?;
        host.remove().await?;
    }
    Ok(())
}
