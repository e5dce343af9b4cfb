//! The only place with files: reading a directory of manifests, and being told that it changed.

pub(crate) mod files;
pub(crate) mod inotify;
