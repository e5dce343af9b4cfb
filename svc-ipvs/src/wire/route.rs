//! Messages of `NETLINK_ROUTE`: links and addresses. Source: `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE};

use super::attr::{Attrs, Writer};
use super::message::{Received, numbered};
use crate::{AddressDevice, Family};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

/// `RTNLGRP_IPV4_IFADDR` and `RTNLGRP_IPV6_IFADDR`.
pub(crate) const ADDRESS_GROUPS: [u32; 2] = [5, 9];

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const IFF_UP: u32 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_F_NODAD: u8 = 0x02;
const FOREVER: u32 = u32::MAX;

/// `struct ifinfomsg`: family, padding, type, index, flags, which of them count.
fn link(up: bool) -> [u8; 16] {
    let mut bytes = [0; 16];
    let flags = if up { IFF_UP.to_ne_bytes() } else { [0; 4] };
    bytes[8..12].copy_from_slice(&flags);
    bytes[12..].copy_from_slice(&flags);
    bytes
}

fn about(device: &AddressDevice, writer: &mut Writer) {
    writer.text(IFLA_IFNAME, device.name());
}

/// A new device, down: it has no alias yet, for the kernel ignores that here.
pub(crate) fn create(device: &AddressDevice, sequence: u32, flags: u16, writer: &mut Writer) {
    numbered(writer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | flags, sequence, &link(false), |writer| {
        about(device, writer);
        writer.nested(IFLA_LINKINFO, |writer| writer.text(IFLA_INFO_KIND, "dummy"));
    });
}

/// No link-local address when it comes up. A kernel without IPv6 refuses this.
pub(crate) fn no_link_local(device: &AddressDevice, sequence: u32, flags: u16, writer: &mut Writer) {
    numbered(writer, RTM_NEWLINK, flags, sequence, &link(false), |writer| {
        about(device, writer);
        let mode = |writer: &mut Writer| writer.attr(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
        writer.nested(IFLA_AF_SPEC, |writer| writer.nested(Family::V6.number(), mode));
    });
}

/// Alias, and up.
pub(crate) fn mark(device: &AddressDevice, sequence: u32, flags: u16, writer: &mut Writer) {
    numbered(writer, RTM_NEWLINK, flags, sequence, &link(true), |writer| {
        about(device, writer);
        writer.attr(IFLA_IFALIAS, device.alias().as_bytes());
    });
}

pub(crate) fn remove(device: &AddressDevice, sequence: u32, flags: u16, writer: &mut Writer) {
    numbered(writer, RTM_DELLINK, flags, sequence, &link(false), |writer| about(device, writer));
}

pub(crate) fn find(device: &AddressDevice, sequence: u32, writer: &mut Writer) {
    numbered(writer, RTM_GETLINK, 0, sequence, &link(false), |writer| about(device, writer));
}

/// Index and alias.
pub(crate) fn found(received: &Received<'_>) -> Option<(u32, Option<String>)> {
    let payload = received.of_kind(RTM_NEWLINK)?;
    let index = u32::from_ne_bytes(*payload.get(4..8)?.first_chunk()?);
    let alias = Attrs(payload.get(16..)?).text(IFLA_IFALIAS).map(str::to_owned);
    Some((index, alias))
}

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index.
fn address_head(address: IpAddr, index: u32) -> [u8; 8] {
    let family = Family::of(address);
    let mut bytes = [0; 8];
    bytes[0] = u8::try_from(family.number()).unwrap_or_default();
    bytes[1] = family.bits();
    bytes[2] = if address.is_ipv6() { IFA_F_NODAD } else { 0 };
    bytes[4..].copy_from_slice(&index.to_ne_bytes());
    bytes
}

fn octets(kind: u16, address: IpAddr, writer: &mut Writer) {
    match address {
        IpAddr::V4(address) => writer.attr(kind, &address.octets()),
        IpAddr::V6(address) => writer.attr(kind, &address.octets()),
    }
}

/// Every host has these addresses: an IPv6 one is deprecated from the start, so that the kernel takes it as its own source
/// only for what goes to the host itself (RFC 6724, section 5, rules 1 and 3).
pub(crate) fn bind(address: IpAddr, index: u32, sequence: u32, flags: u16, writer: &mut Writer) {
    let flags = NLM_F_CREATE | NLM_F_REPLACE | flags;
    numbered(writer, RTM_NEWADDR, flags, sequence, &address_head(address, index), |writer| {
        octets(IFA_LOCAL, address, writer);
        octets(IFA_ADDRESS, address, writer);
        if address.is_ipv6() {
            writer.attr(IFA_CACHEINFO, &[0, FOREVER, 0, 0].map(u32::to_ne_bytes).concat());
        }
    });
}

pub(crate) fn unbind(address: IpAddr, index: u32, sequence: u32, flags: u16, writer: &mut Writer) {
    numbered(writer, RTM_DELADDR, flags, sequence, &address_head(address, index), |writer| {
        octets(IFA_LOCAL, address, writer);
        octets(IFA_ADDRESS, address, writer);
    });
}

/// All addresses of the host: a kernel before 4.20 would ignore a filter.
pub(crate) fn addresses(sequence: u32, writer: &mut Writer) {
    numbered(writer, RTM_GETADDR, NLM_F_DUMP, sequence, &[0; 8], |_| ());
}

/// The index of the device whose address came or went.
pub(crate) fn changed(received: &Received<'_>) -> Option<u32> {
    let payload = received.of_kind(RTM_NEWADDR).or_else(|| received.of_kind(RTM_DELADDR))?;
    Some(u32::from_ne_bytes(*payload.get(4..8)?.first_chunk()?))
}

/// An address and the index of its device.
pub(crate) fn address(received: &Received<'_>) -> Option<(u32, IpAddr)> {
    let payload = received.of_kind(RTM_NEWADDR)?;
    let index = u32::from_ne_bytes(*payload.get(4..8)?.first_chunk()?);
    let attributes = Attrs(payload.get(8..)?);
    let bytes = attributes.bytes(IFA_LOCAL).or_else(|| attributes.bytes(IFA_ADDRESS))?;
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?)),
        _ => IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?)),
    };
    Some((index, address))
}
