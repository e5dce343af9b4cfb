//! The only place with files and sockets: reading a directory of manifests and being told that it changed; asking an API
//! server.

#[cfg(feature = "kube")]
pub(crate) mod api;
#[cfg(feature = "kube")]
pub(crate) mod credentials;
#[cfg(feature = "dir")]
pub(crate) mod files;
#[cfg(feature = "dir")]
pub(crate) mod inotify;
