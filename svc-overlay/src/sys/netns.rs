//! Work inside another network namespace.

use std::io;
use std::os::fd::BorrowedFd;
use std::thread;

use nix::sched::{CloneFlags, setns};

use super::netlink::Netlink;

/// Does `work` on a thread of its own that has entered the namespace, with a netlink socket there.
///
/// The thread ends with the work: no thread of the caller ever changes its namespace.
pub(super) fn inside<T: Send>(
    netns: BorrowedFd<'_>,
    work: impl FnOnce(&mut Netlink) -> io::Result<T> + Send,
) -> io::Result<T> {
    let enter = || {
        setns(netns, CloneFlags::CLONE_NEWNET)?;
        work(&mut Netlink::open()?)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("svc-overlay-pod".to_owned()).spawn_scoped(scope, enter)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the pod's thread panicked")))
    })
}
