//! Sets as ip_set messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{IpSet, LEAST_HASH_SIZE, MOST_HASH_SIZE, Member};
use crate::Family;
use crate::wire::attr::{Attrs, Writer};
use crate::wire::message::{self, Received};
use crate::wire::uapi::*;

/// As `ipset create` tells it.
#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "only a socket creates"))]
pub(crate) fn write_create(set: &IpSet, writer: &mut Writer) {
    write_name(&set.name, writer);
    write_type(set, writer);
    writer.nested(IPSET_ATTR_DATA, |data| {
        write_sizes(set, data);
    });
}

/// The request that is about a set of this name.
#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "only a socket asks"))]
pub(crate) fn write_name(name: &str, writer: &mut Writer) {
    write_protocol(writer);
    writer.text(IPSET_ATTR_SETNAME, name);
}

/// The request for all sets, without their elements.
#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "only a socket asks"))]
pub(crate) fn write_list(writer: &mut Writer) {
    write_protocol(writer);
    writer.be32(IPSET_ATTR_FLAGS, IPSET_FLAG_LIST_HEADER);
}

fn write_protocol(writer: &mut Writer) {
    writer.attr(IPSET_ATTR_PROTOCOL, &[IPSET_PROTOCOL]);
}

fn write_type(set: &IpSet, writer: &mut Writer) {
    writer.text(IPSET_ATTR_TYPENAME, HASH_IP);
    writer.attr(IPSET_ATTR_REVISION, &[REVISION]);
    writer.attr(IPSET_ATTR_FAMILY, &[set.family.number()]);
}

fn write_sizes(set: &IpSet, data: &mut Writer) {
    let mut number = |kind, value| data.be32(kind | NLA_F_NET_BYTEORDER, value);
    number(IPSET_ATTR_HASHSIZE, set.hash_size);
    number(IPSET_ATTR_MAXELEM, set.max_elements);
    number(IPSET_ATTR_TIMEOUT, 0);
    number(IPSET_ATTR_CADT_FLAGS, IPSET_FLAG_WITH_FORCEADD);
}

/// The message by which the kernel tells of a set.
pub(super) fn tell(set: &IpSet, members: &[Member]) -> Vec<u8> {
    let mut writer = Writer::default();
    let kind = NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST;
    message::write_as(&mut writer, kind, 0, 0, Some(Family::Ip), |writer| {
        write_name(&set.name, writer);
        write_type(set, writer);
        writer.nested(IPSET_ATTR_DATA, |data| write_sizes(set, data));
        writer.nested(IPSET_ATTR_ADT, |all| {
            members.iter().for_each(|member| all.nested(IPSET_ATTR_DATA, |one| write_member(member, one)));
        });
    });
    writer.into_bytes()
}

fn write_member(member: &Member, one: &mut Writer) {
    one.nested(IPSET_ATTR_IP, |ip| match member.address {
        IpAddr::V4(address) => ip.attr(IPSET_ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER, &address.octets()),
        IpAddr::V6(address) => ip.attr(IPSET_ATTR_IPADDR_IPV6 | NLA_F_NET_BYTEORDER, &address.octets()),
    });
    let left = u32::try_from(member.left.as_secs()).unwrap_or(u32::MAX);
    one.be32(IPSET_ATTR_TIMEOUT | NLA_F_NET_BYTEORDER, left);
}

/// The sets that messages tell of.
pub(super) fn sets(bytes: &[u8]) -> impl Iterator<Item = IpSet> {
    told(bytes).filter_map(|message| set(message.attrs()))
}

fn told(bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    message::split(bytes).filter(|message| message.kind == NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST)
}

fn set(attrs: Attrs<'_>) -> Option<IpSet> {
    let data = attrs.nested(IPSET_ATTR_DATA)?;
    let family = *attrs.bytes(IPSET_ATTR_FAMILY)?.first()?;
    let family = [Family::Ip, Family::Ip6].into_iter().find(|known| known.number() == family)?;
    let flags = data.be32(IPSET_ATTR_CADT_FLAGS)?;
    let is_ours = attrs.text(IPSET_ATTR_TYPENAME)? == HASH_IP
        && data.be32(IPSET_ATTR_TIMEOUT)? == 0
        && flags == IPSET_FLAG_WITH_FORCEADD
        && data.find(IPSET_ATTR_NETMASK).is_none();
    let hash_size = data.be32(IPSET_ATTR_HASHSIZE)?;
    let is_possible = hash_size.is_power_of_two() && (LEAST_HASH_SIZE..=MOST_HASH_SIZE).contains(&hash_size);
    (is_ours && is_possible).then_some(IpSet {
        name: attrs.text(IPSET_ATTR_SETNAME)?.to_owned(),
        family,
        hash_size,
        max_elements: data.be32(IPSET_ATTR_MAXELEM)?,
    })
}

/// The elements that messages tell of.
#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "only a socket lists"))]
pub(crate) fn members(bytes: &[u8]) -> impl Iterator<Item = Member> {
    let all = told(bytes).filter_map(|message| message.attrs().nested(IPSET_ATTR_ADT)).flatten();
    all.filter_map(|one| member(one.nested()))
}

fn member(one: Attrs<'_>) -> Option<Member> {
    let ip = one.nested(IPSET_ATTR_IP)?;
    let short = ip.bytes(IPSET_ATTR_IPADDR_IPV4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let long = || ip.bytes(IPSET_ATTR_IPADDR_IPV6).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    let address =
        short.map(Ipv4Addr::from).map(IpAddr::V4).or_else(|| long().map(Ipv6Addr::from).map(IpAddr::V6));
    let left = one.be32(IPSET_ATTR_TIMEOUT).unwrap_or_default();
    Some(Member { address: address?, left: Duration::from_secs(left.into()) })
}
