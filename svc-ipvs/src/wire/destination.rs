//! `IPVS_CMD_ATTR_DEST`.

use std::net::SocketAddr;

use super::{Malformed, attr::Attrs, service::family, stats::parse_stats, uapi::*};
use crate::{Activity, Destination, Family, Forwarding, ListedDestination, Tunnel};

/// Reads what stands inside an `IPVS_CMD_ATTR_DEST`; `of` is the family of its virtual server, which counts where the
/// kernel (before 3.18) names none.
///
/// # Errors
///
/// An attribute is missing, too short, or has a value that no kernel gives.
pub fn parse_destination(bytes: &[u8], of: Family) -> Result<ListedDestination, Malformed> {
    let attrs = Attrs(bytes);
    let family = match attrs.u16(IPVS_DEST_ATTR_ADDR_FAMILY) {
        Some(number) => family(number).ok_or(Malformed("address family of a destination"))?,
        None => of,
    };
    let address = attrs.address(IPVS_DEST_ATTR_ADDR, family).ok_or(Malformed("destination address"))?;
    let port = attrs.be16(IPVS_DEST_ATTR_PORT).ok_or(Malformed("destination port"))?;
    let number = |kind, what| attrs.u32(kind).ok_or(Malformed(what));
    let destination = Destination::new(SocketAddr::new(address, port))
        .with_forwarding(parse_forwarding(attrs)?)
        .with_weight(number(IPVS_DEST_ATTR_WEIGHT, "weight")?)
        .with_thresholds(
            number(IPVS_DEST_ATTR_U_THRESH, "upper threshold")?,
            number(IPVS_DEST_ATTR_L_THRESH, "lower threshold")?,
        );
    let count = |kind| attrs.u32(kind).unwrap_or(0);
    let activity = Activity::new(
        count(IPVS_DEST_ATTR_ACTIVE_CONNS),
        count(IPVS_DEST_ATTR_INACT_CONNS),
        count(IPVS_DEST_ATTR_PERSIST_CONNS),
    );
    let stats = parse_stats(attrs, IPVS_DEST_ATTR_STATS64, IPVS_DEST_ATTR_STATS);
    Ok(ListedDestination::new(destination, activity, stats))
}

fn parse_forwarding(attrs: Attrs<'_>) -> Result<Forwarding, Malformed> {
    let method = attrs.u32(IPVS_DEST_ATTR_FWD_METHOD).ok_or(Malformed("forwarding method"))?;
    Ok(match method & IP_VS_CONN_F_FWD_MASK {
        0 => Forwarding::Masquerade,
        1 => Forwarding::Local,
        2 => Forwarding::Tunnel(parse_tunnel(attrs)?),
        3 => Forwarding::Direct,
        4 => Forwarding::Bypass,
        _ => return Err(Malformed("forwarding method")),
    })
}

fn parse_tunnel(attrs: Attrs<'_>) -> Result<Tunnel, Malformed> {
    let flags = attrs.u16(IPVS_DEST_ATTR_TUN_FLAGS).unwrap_or(0);
    Ok(match attrs.u8(IPVS_DEST_ATTR_TUN_TYPE).unwrap_or(0) {
        0 => Tunnel::Ipip,
        1 => {
            Tunnel::Gue { port: attrs.be16(IPVS_DEST_ATTR_TUN_PORT).ok_or(Malformed("tunnel port"))?, flags }
        }
        2 => Tunnel::Gre { flags },
        _ => return Err(Malformed("tunnel type")),
    })
}

#[cfg(feature = "netlink")]
pub(crate) use write::{write_address, write_destination};

#[cfg(feature = "netlink")]
mod write {
    use super::super::attr::Writer;
    use super::*;

    /// The destination as it is to be.
    pub(crate) fn write_destination(destination: &Destination, writer: &mut Writer) {
        writer.nested(IPVS_CMD_ATTR_DEST, |writer| {
            known_by(destination.address(), writer);
            writer.u32(IPVS_DEST_ATTR_FWD_METHOD, method(destination.forwarding()));
            writer.u32(IPVS_DEST_ATTR_WEIGHT, destination.weight());
            writer.u32(IPVS_DEST_ATTR_U_THRESH, destination.upper_threshold());
            writer.u32(IPVS_DEST_ATTR_L_THRESH, destination.lower_threshold());
            if let Forwarding::Tunnel(tunnel) = destination.forwarding() {
                let (kind, port, flags) = match tunnel {
                    Tunnel::Ipip => (0_u8, 0, 0),
                    Tunnel::Gue { port, flags } => (1, port, flags),
                    Tunnel::Gre { flags } => (2, 0, flags),
                };
                writer.attr(IPVS_DEST_ATTR_TUN_TYPE, &[kind]);
                writer.attr(IPVS_DEST_ATTR_TUN_PORT, &port.to_be_bytes());
                writer.attr(IPVS_DEST_ATTR_TUN_FLAGS, &flags.to_ne_bytes());
            }
        });
    }

    /// What it is known by, for a command that deletes it.
    pub(crate) fn write_address(of: SocketAddr, writer: &mut Writer) {
        writer.nested(IPVS_CMD_ATTR_DEST, |writer| known_by(of, writer));
    }

    fn known_by(of: SocketAddr, writer: &mut Writer) {
        writer.attr(IPVS_DEST_ATTR_ADDR_FAMILY, &Family::of(of.ip()).number().to_ne_bytes());
        writer.address(IPVS_DEST_ATTR_ADDR, of.ip());
        writer.attr(IPVS_DEST_ATTR_PORT, &of.port().to_be_bytes());
    }

    fn method(forwarding: Forwarding) -> u32 {
        match forwarding {
            Forwarding::Masquerade => 0,
            Forwarding::Local => 1,
            Forwarding::Tunnel(_) => 2,
            Forwarding::Direct => 3,
            Forwarding::Bypass => 4,
        }
    }
}
