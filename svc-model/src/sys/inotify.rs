//! Being told by the kernel that something below a directory changed (inotify(7)).

use std::collections::{BTreeMap, BTreeSet};
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
    watches: BTreeMap<WatchDescriptor, Watched>,
    told: Told,
}

#[derive(Debug)]
enum Watched {
    /// A directory of the tree.
    Inside(PathBuf),
    /// The one above the root: only this name in it matters.
    Above(OsString),
}

/// What the kernel said since it was asked last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Something happened that calls for another look.
    anything: bool,
    /// Files that may hold something else.
    pub(crate) touched: BTreeSet<PathBuf>,
    /// Files that somebody writes to and has not closed: what they hold now is half of what it will be.
    writing: BTreeSet<PathBuf>,
    /// The kernel could not keep up (`IN_Q_OVERFLOW`): any file may hold something else.
    pub(crate) overflow: bool,
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
        let (root, inotify) = (std::path::absolute(root)?, registered(inotify)?);
        Ok(Self { root, inotify, watches: BTreeMap::new(), told: Told::default() })
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
                Ok(descriptor) => drop(self.watches.insert(descriptor, Watched::Inside(directory.clone()))),
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
                    self.watches.extend(name.map(|name| (descriptor, Watched::Above(name))));
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
            | AddWatchFlags::IN_MODIFY
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
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        while !self.told.anything {
            let mut guard = self.inotify.readable().await?;
            match guard.get_inner().0.read_events() {
                Ok(events) => self.note(&events),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => guard.clear_ready(),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Takes in what was said up to now.
    pub(crate) fn drain(&mut self) {
        while let Ok(events) = self.inotify.get_ref().0.read_events() {
            self.note(&events);
        }
    }

    /// What was said since the last call; files that are still being written to are said again.
    pub(crate) fn take(&mut self) -> Told {
        let writing = self.told.writing.clone();
        std::mem::replace(&mut self.told, Told { writing, ..Told::default() })
    }

    /// The files that are being written to at this moment.
    pub(crate) fn writing(&mut self) -> BTreeSet<PathBuf> {
        self.drain();
        self.told.writing.clone()
    }

    /// Files that are being written to are read all the same: some programs never close theirs.
    pub(crate) fn be_impatient(&mut self) {
        self.told.touched.append(&mut self.told.writing);
    }

    fn note(&mut self, events: &[InotifyEvent]) {
        for event in events {
            if event.mask.intersects(AddWatchFlags::IN_Q_OVERFLOW) {
                self.told = Told { anything: true, overflow: true, ..Told::default() };
                continue;
            }
            match self.watches.get(&event.wd) {
                Some(Watched::Inside(directory)) => self.told.note(directory, event),
                Some(Watched::Above(only)) if event.name.as_ref().is_none_or(|name| name == only) => {
                    self.told.anything = true;
                }
                _ => {}
            }
        }
    }
}

impl Told {
    fn note(&mut self, directory: &Path, event: &InotifyEvent) {
        let file = event.name.as_ref().map(|name| directory.join(name));
        if event.mask.intersects(AddWatchFlags::IN_MODIFY) {
            self.writing.extend(file);
        } else if !event.mask.intersects(AddWatchFlags::IN_IGNORED) {
            self.anything = true;
            let Some(file) = file else { return };
            let content = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVE | AddWatchFlags::IN_DELETE;
            if event.mask.intersects(content) {
                self.writing.remove(&file);
            }
            self.touched.insert(file);
        }
    }
}
