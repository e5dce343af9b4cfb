//! What a namespace's kernel holds, as text: to compare before with after.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use futures_util::{Stream, TryStreamExt as _};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;
use rtnetlink::IpVersion;

use crate::error::Error;
use crate::host::Host;
use crate::netns::Netns;

mod address;
mod link;
mod neighbour;
mod route;
mod rule;
mod sysctl;

/// The names of links by their index. Indices are left out of the text: they differ from one life of a link to the
/// next.
type Names = BTreeMap<u32, String>;

impl Host {
    /// Links, addresses, routes, rules, neighbours, forwarding database and the sysctls that service networks touch,
    /// one a line, sorted, in the manner of `ip` and `bridge`. nftables and iptables are not in it.
    ///
    /// What changes by itself is left out (counters, timers, learned neighbours, the table `local` that follows from
    /// the addresses), so two dumps are equal exactly if nobody changed anything.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to tell.
    pub async fn dump(&self) -> Result<String, Error> {
        let netns = self.inside();
        let links = links(netns).await?;
        let names: Names = links.iter().map(|link| (link.header.index, link::name(link))).collect();
        let mut text = String::new();
        section(&mut text, "links", links.iter().map(|it| link::line(it, &names)).collect());
        section(&mut text, "addresses", addresses(netns, &names).await?);
        section(&mut text, "routes", routes(netns, &names).await?);
        section(&mut text, "rules", rules(netns).await?);
        section(&mut text, "neighbours", neighbours(netns, &names, AddressFamily::Unspec).await?);
        section(&mut text, "fdb", neighbours(netns, &names, AddressFamily::Bridge).await?);
        let sysctls = netns.task(|| async { sysctl::lines() }).outcome().await;
        section(&mut text, "sysctls", sysctls.map_err(|cause| Error::new("dump", "sysctls", cause))?);
        Ok(text)
    }
}

fn section(text: &mut String, title: &str, mut lines: Vec<String>) {
    lines.sort();
    let _ = writeln!(text, "{title}");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

async fn collect<T>(
    netns: &Netns,
    what: &str,
    stream: impl Stream<Item = Result<T, rtnetlink::Error>>,
) -> Result<Vec<T>, Error> {
    let failed = |cause| Error::netlink("dump", format_args!("{what} of host {:?}", netns.name()), cause);
    stream.try_collect().await.map_err(failed)
}

async fn links(netns: &Netns) -> Result<Vec<LinkMessage>, Error> {
    collect(netns, "the links", netns.netlink().link().get().execute()).await
}

async fn addresses(netns: &Netns, names: &Names) -> Result<Vec<String>, Error> {
    let addresses = collect(netns, "the addresses", netns.netlink().address().get().execute()).await?;
    Ok(addresses.iter().map(|it| address::line(it, names)).collect())
}

async fn routes(netns: &Netns, names: &Names) -> Result<Vec<String>, Error> {
    let mut lines = vec![];
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut wanted = RouteMessage::default();
        wanted.header.address_family = family;
        let routes = collect(netns, "the routes", netns.netlink().route().get(wanted).execute()).await?;
        lines.extend(routes.iter().filter_map(|it| route::line(it, names)));
    }
    Ok(lines)
}

async fn rules(netns: &Netns) -> Result<Vec<String>, Error> {
    let mut lines = vec![];
    for version in [IpVersion::V4, IpVersion::V6] {
        let rules = collect(netns, "the rules", netns.netlink().rule().get(version).execute()).await?;
        lines.extend(rules.iter().map(rule::line));
    }
    Ok(lines)
}

async fn neighbours(netns: &Netns, names: &Names, family: AddressFamily) -> Result<Vec<String>, Error> {
    let request = netns.netlink().neighbours().get().set_address_family(family);
    let neighbours = collect(netns, "the neighbours", request.execute()).await?;
    Ok(neighbours.iter().filter_map(|it| neighbour::line(it, names)).collect())
}

fn name_of(names: &Names, index: u32) -> String {
    names.get(&index).cloned().unwrap_or_else(|| format!("if{index}"))
}

/// Appends ` word value`.
fn push(line: &mut String, word: &str, value: impl Display) {
    let _ = write!(line, " {word} {value}");
}

fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}
