//! `IPVS_CMD_ATTR_SERVICE`.

use std::{net::SocketAddr, num::NonZeroU32};

use super::{Malformed, attr::Attrs, stats::parse_stats, uapi::*};
use crate::{Family, Flags, Protocol, Scheduler, Service, ServiceId, Stats};

/// Reads what stands inside an `IPVS_CMD_ATTR_SERVICE`.
///
/// # Errors
///
/// An attribute is missing, too short, or has a value that no kernel gives.
pub fn parse_service(bytes: &[u8]) -> Result<(Service, Stats), Malformed> {
    let attrs = Attrs(bytes);
    let id = parse_id(attrs)?;
    let scheduler = attrs.text(IPVS_SVC_ATTR_SCHED_NAME).ok_or(Malformed("scheduler"))?;
    let flags = attrs.bytes(IPVS_SVC_ATTR_FLAGS).and_then(|bytes| bytes.first_chunk::<4>());
    let flags =
        Flags::from_bits(u32::from_ne_bytes(*flags.ok_or(Malformed("flags"))?)).without(Flags::HASHED);
    let name = |name: &str| name.parse::<Scheduler>().map_err(|_| Malformed("name of a scheduler"));
    let mut service = Service::new(id, Scheduler::RR);
    service = match scheduler {
        "none" => service.unscheduled(),
        other => Service::new(id, name(other)?),
    };
    let timeout = attrs.u32(IPVS_SVC_ATTR_TIMEOUT).ok_or(Malformed("timeout"))?;
    service = service.with_timeout(timeout).with(flags).client_prefix(parse_netmask(attrs, id.family())?);
    if let Some(engine) = attrs.text(IPVS_SVC_ATTR_PE_NAME) {
        service = service.with_persistence_engine(name(engine)?);
    }
    Ok((service, parse_stats(attrs, IPVS_SVC_ATTR_STATS64, IPVS_SVC_ATTR_STATS)))
}

fn parse_id(attrs: Attrs<'_>) -> Result<ServiceId, Malformed> {
    let family = attrs.u16(IPVS_SVC_ATTR_AF).and_then(family).ok_or(Malformed("address family"))?;
    if let Some(mark) = attrs.u32(IPVS_SVC_ATTR_FWMARK).and_then(NonZeroU32::new) {
        return Ok(ServiceId::mark(family, mark));
    }
    let protocol = attrs.u16(IPVS_SVC_ATTR_PROTOCOL).ok_or(Malformed("protocol"))?;
    let protocol =
        Protocol::ALL.into_iter().find(|known| known.number() == protocol).ok_or(Malformed("protocol"))?;
    let address = attrs.address(IPVS_SVC_ATTR_ADDR, family).ok_or(Malformed("service address"))?;
    let port = attrs.be16(IPVS_SVC_ATTR_PORT).ok_or(Malformed("service port"))?;
    Ok(ServiceId::new(protocol, SocketAddr::new(address, port)))
}

pub(super) fn family(number: u16) -> Option<Family> {
    Family::ALL.into_iter().find(|family| family.number() == number)
}

/// A mask for IPv4, a prefix length for IPv6.
fn parse_netmask(attrs: Attrs<'_>, of: Family) -> Result<u8, Malformed> {
    let value = attrs.u32(IPVS_SVC_ATTR_NETMASK).ok_or(Malformed("netmask"))?;
    let bits = match of {
        Family::V4 => u32::from_be(value).leading_ones(),
        Family::V6 => value,
    };
    u8::try_from(bits).map_err(|_| Malformed("netmask"))
}

#[cfg(feature = "netlink")]
pub(crate) use write::{write_id, write_service};

#[cfg(feature = "netlink")]
mod write {
    use super::super::attr::Writer;
    use super::*;

    /// The service as it is to be.
    pub(crate) fn write_service(service: &Service, writer: &mut Writer) {
        writer.nested(IPVS_CMD_ATTR_SERVICE, |writer| {
            id(service.id(), writer);
            let scheduler = service.scheduler();
            writer.text(IPVS_SVC_ATTR_SCHED_NAME, scheduler.as_ref().map_or("none", Scheduler::as_str));
            if let Some(engine) = service.persistence_engine() {
                writer.text(IPVS_SVC_ATTR_PE_NAME, engine.as_str());
            }
            // struct ip_vs_flags: the flags, and which of them count: all.
            let [flags, mask] = [service.flags().bits(), u32::MAX].map(u32::to_ne_bytes);
            writer.attr(IPVS_SVC_ATTR_FLAGS, &[flags, mask].concat());
            writer.u32(IPVS_SVC_ATTR_TIMEOUT, service.timeout());
            let bits = u32::from(service.netmask());
            let netmask = match service.id().family() {
                Family::V4 => u32::MAX.checked_shl(32 - bits).unwrap_or(0).to_be(),
                Family::V6 => bits,
            };
            writer.u32(IPVS_SVC_ATTR_NETMASK, netmask);
        });
    }

    /// What it is known by, for commands about it.
    pub(crate) fn write_id(of: ServiceId, writer: &mut Writer) {
        writer.nested(IPVS_CMD_ATTR_SERVICE, |writer| id(of, writer));
    }

    fn id(of: ServiceId, writer: &mut Writer) {
        writer.attr(IPVS_SVC_ATTR_AF, &of.family().number().to_ne_bytes());
        match of {
            ServiceId::Mark(_, mark) => writer.u32(IPVS_SVC_ATTR_FWMARK, mark.get()),
            ServiceId::Address(protocol, at) => {
                writer.attr(IPVS_SVC_ATTR_PROTOCOL, &protocol.number().to_ne_bytes());
                writer.address(IPVS_SVC_ATTR_ADDR, at.ip());
                writer.attr(IPVS_SVC_ATTR_PORT, &at.port().to_be_bytes());
            }
        }
    }
}
