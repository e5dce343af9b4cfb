//! Sysctls of a namespace. What is under /proc/sys/net is that of the thread which opens it.

use std::fs;

use crate::error::Error;
use crate::netns::Netns;

pub(crate) async fn read(netns: &Netns, name: &str) -> Result<String, Error> {
    let path = path(name);
    let text = netns.task(move || async move { fs::read_to_string(path) }).outcome().await.flatten();
    let failed = |cause| Error::new("read", format_args!("sysctl {name} of host {:?}", netns.name()), cause);
    text.map(|it| it.trim_end().into()).map_err(failed)
}

pub(crate) async fn write(netns: &Netns, name: &str, value: &str) -> Result<(), Error> {
    let (path, text) = (path(name), value.to_owned());
    let written = netns.task(move || async move { fs::write(path, text) }).outcome().await.flatten();
    let object = || format!("sysctl {name} = {value} of host {:?}", netns.name());
    written.map_err(|cause| Error::new("write", object(), cause))
}

/// `net.ipv4.ip_forward` and `net/ipv4/ip_forward` are the same; a name with a slash keeps its dots, for interfaces.
fn path(name: &str) -> String {
    if name.contains('/') {
        format!("/proc/sys/{name}")
    } else {
        format!("/proc/sys/{}", name.replace('.', "/"))
    }
}
