//! Flows, filters and requests as ctnetlink messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Filter, Flow, Tuple};
use crate::wire::attr::{Attrs, Writer};
use crate::wire::message;
use crate::wire::uapi::*;
use crate::{Family, L4Proto};

/// Bits of `CTA_FILTER_ORIG_FLAGS`: which parts of the tuple have to be the same (net/netfilter/nf_internals.h).
const BY_DESTINATION: u32 = 1 << 1;
const BY_PROTOCOL: u32 = 1 << 3;
const BY_DESTINATION_PORT: u32 = 1 << 5;

/// What the kernel is told of a filter; what it does not know it passes over.
#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "only a socket asks"))]
pub(crate) fn write_filter(filter: &Filter, writer: &mut Writer) {
    if let Some((value, mask)) = filter.mark {
        writer.be32(CTA_MARK, value);
        writer.be32(CTA_MARK_MASK, mask);
    }
    if let Some(zone) = filter.zone {
        writer.attr(CTA_ZONE, &zone.to_be_bytes());
    }
    let port = filter.port.filter(|_| filter.protocol.is_some());
    let flags = [
        (filter.address.is_some(), BY_DESTINATION),
        (filter.protocol.is_some(), BY_PROTOCOL),
        (port.is_some(), BY_DESTINATION_PORT),
    ];
    let flags: u32 = flags.iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag).sum();
    if flags == 0 {
        return;
    }
    writer.nested(CTA_TUPLE_ORIG, |tuple| {
        if let Some(address) = filter.address {
            tuple.nested(CTA_TUPLE_IP, |ip| write_address(ip, address, CTA_IP_V4_DST, CTA_IP_V6_DST));
        }
        if let Some(protocol) = filter.protocol {
            tuple.nested(CTA_TUPLE_PROTO, |proto| {
                proto.attr(CTA_PROTO_NUM, &[protocol.number()]);
                if let Some(port) = port {
                    proto.attr(CTA_PROTO_DST_PORT, &port.to_be_bytes());
                }
            });
        }
    });
    // In the host's byte order, unlike everything else here.
    writer.nested(CTA_FILTER, |nested| {
        nested.attr(CTA_FILTER_ORIG_FLAGS, &flags.to_ne_bytes());
        nested.attr(CTA_FILTER_REPLY_FLAGS, &0_u32.to_ne_bytes());
    });
}

/// What tells this flow from all others, also from one that takes its place.
#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "only a socket forgets"))]
pub(crate) fn write_identity(flow: &Flow, writer: &mut Writer) {
    write_tuple(writer, CTA_TUPLE_ORIG, &flow.original);
    if flow.zone != 0 {
        writer.attr(CTA_ZONE, &flow.zone.to_be_bytes());
    }
    if let Some(id) = flow.id {
        writer.be32(CTA_ID, id);
    }
}

#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "only a socket asks"))]
pub(crate) fn family(flow: &Flow) -> Family {
    flow.original.family()
}

/// The message by which the kernel tells of a flow.
pub(super) fn tell(flow: &Flow) -> Vec<u8> {
    let mut writer = Writer::default();
    let kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
    message::write_as(&mut writer, kind, 0, 0, Some(flow.original.family()), |writer| {
        write_tuple(writer, CTA_TUPLE_ORIG, &flow.original);
        write_tuple(writer, CTA_TUPLE_REPLY, &flow.reply);
        writer.be32(CTA_STATUS, flow.status);
        writer.be32(CTA_MARK, flow.mark);
        if flow.zone != 0 {
            writer.attr(CTA_ZONE, &flow.zone.to_be_bytes());
        }
        if let Some(id) = flow.id {
            writer.be32(CTA_ID, id);
        }
    });
    writer.into_bytes()
}

fn write_tuple(writer: &mut Writer, kind: u16, tuple: &Tuple) {
    writer.nested(kind, |nested| {
        nested.nested(CTA_TUPLE_IP, |ip| {
            write_address(ip, tuple.source.ip(), CTA_IP_V4_SRC, CTA_IP_V6_SRC);
            write_address(ip, tuple.destination.ip(), CTA_IP_V4_DST, CTA_IP_V6_DST);
        });
        nested.nested(CTA_TUPLE_PROTO, |proto| {
            proto.attr(CTA_PROTO_NUM, &[tuple.protocol.number()]);
            proto.attr(CTA_PROTO_SRC_PORT, &tuple.source.port().to_be_bytes());
            proto.attr(CTA_PROTO_DST_PORT, &tuple.destination.port().to_be_bytes());
        });
    });
}

fn write_address(writer: &mut Writer, address: IpAddr, v4: u16, v6: u16) {
    match address {
        IpAddr::V4(address) => writer.attr(v4, &address.octets()),
        IpAddr::V6(address) => writer.attr(v6, &address.octets()),
    }
}

/// The flows that messages tell of.
pub(crate) fn flows(bytes: &[u8]) -> impl Iterator<Item = Flow> {
    let told = message::split(bytes)
        .filter(|message| message.kind == NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW);
    told.filter_map(|message| flow(message.attrs()))
}

fn flow(attrs: Attrs<'_>) -> Option<Flow> {
    let (original, reply) = (tuple(attrs.nested(CTA_TUPLE_ORIG)?)?, tuple(attrs.nested(CTA_TUPLE_REPLY)?)?);
    // Both directions are of one family: the kernel translates no family into another.
    (original.source.is_ipv4() == reply.source.is_ipv4()).then_some(())?;
    Some(Flow {
        original,
        reply,
        status: attrs.be32(CTA_STATUS).unwrap_or_default(),
        mark: attrs.be32(CTA_MARK).unwrap_or_default(),
        zone: attrs.bytes(CTA_ZONE).and_then(be16).unwrap_or_default(),
        id: attrs.be32(CTA_ID),
    })
}

fn tuple(attrs: Attrs<'_>) -> Option<Tuple> {
    let (ip, proto) = (attrs.nested(CTA_TUPLE_IP)?, attrs.nested(CTA_TUPLE_PROTO)?);
    let source = address(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC)?;
    let destination = address(ip, CTA_IP_V4_DST, CTA_IP_V6_DST)?;
    (source.is_ipv4() == destination.is_ipv4()).then_some(())?;
    let port = |kind| proto.bytes(kind).and_then(be16);
    Some(Tuple {
        protocol: L4Proto::new(*proto.bytes(CTA_PROTO_NUM)?.first()?),
        source: SocketAddr::new(source, port(CTA_PROTO_SRC_PORT)?),
        destination: SocketAddr::new(destination, port(CTA_PROTO_DST_PORT)?),
    })
}

fn address(attrs: Attrs<'_>, v4: u16, v6: u16) -> Option<IpAddr> {
    let short = attrs.bytes(v4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let long = || attrs.bytes(v6).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    short.map(Ipv4Addr::from).map(IpAddr::V4).or_else(|| long().map(Ipv6Addr::from).map(IpAddr::V6))
}

fn be16(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}
