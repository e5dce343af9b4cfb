//! Being told by the kernel that something below a directory changed (inotify(7)).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

/// Watches a directory tree and, so that the tree may go and come back, the nearest directory above it that exists.
#[derive(Debug)]
pub(crate) struct TreeWatch {
    root: PathBuf,
    inotify: AsyncFd<Descriptor>,
    /// What is watched; above the root only this one name matters.
    watches: BTreeMap<WatchDescriptor, Option<OsString>>,
}

#[allow(
    deprecated,
    reason = "tokio's successor is unsafe for want of I/O safety; an Inotify owns its descriptor"
)]
fn registered(inotify: Inotify) -> io::Result<AsyncFd<Descriptor>> {
    AsyncFd::new(Descriptor(inotify))
}

#[derive(Debug)]
struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl TreeWatch {
    /// Watches nothing yet: see [`arm`](Self::arm). Needs a tokio runtime with I/O.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let root = std::path::absolute(root)?;
        Ok(Self { root, inotify: registered(inotify)?, watches: BTreeMap::new() })
    }

    /// Watches these directories and the one above the root; what is already watched stays.
    pub(crate) fn arm(&mut self, directories: &[PathBuf]) -> io::Result<()> {
        let mut former = std::mem::take(&mut self.watches);
        let armed = self.arm_all(directories);
        former.retain(|descriptor, _| !self.watches.contains_key(descriptor));
        for descriptor in former.into_keys() {
            // A directory that is gone took its watch along.
            _ = self.inotify.get_ref().0.rm_watch(descriptor);
        }
        armed
    }

    fn arm_all(&mut self, directories: &[PathBuf]) -> io::Result<()> {
        self.arm_above()?;
        for directory in directories {
            match self.add(directory) {
                Ok(descriptor) => drop(self.watches.insert(descriptor, None)),
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn arm_above(&mut self) -> io::Result<()> {
        for directory in self.root.ancestors().skip(1) {
            match self.add(directory) {
                Ok(descriptor) => {
                    let below =
                        self.root.strip_prefix(directory).ok().and_then(|rest| rest.components().next());
                    let name = below.map(|component| component.as_os_str().to_owned());
                    self.watches.insert(descriptor, name);
                    return Ok(());
                }
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn add(&self, directory: &Path) -> nix::Result<WatchDescriptor> {
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        self.inotify.get_ref().0.add_watch(directory, flags)
    }

    /// Waits until something happened that matters. Cancel safe.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        loop {
            let mut guard = self.inotify.readable().await?;
            match guard.get_inner().0.read_events() {
                Ok(events) if events.iter().any(|event| self.matters(event)) => return Ok(()),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => guard.clear_ready(),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Forgets what happened up to now.
    pub(crate) fn drain(&self) {
        while self.inotify.get_ref().0.read_events().is_ok() {}
    }

    fn matters(&self, event: &InotifyEvent) -> bool {
        if event.mask.intersects(AddWatchFlags::IN_Q_OVERFLOW) {
            return true;
        }
        match self.watches.get(&event.wd) {
            Some(Some(only)) => event.name.as_ref() == Some(only) || event.name.is_none(),
            Some(None) => !event.mask.intersects(AddWatchFlags::IN_IGNORED),
            None => false,
        }
    }
}
