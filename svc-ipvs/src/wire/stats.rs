//! Counters, `IPVS_CMD_GET_INFO` and `IPVS_CMD_GET_CONFIG`.

use super::{attr::Attrs, uapi::*};
use crate::Stats;

/// The counters of 64 bits where the kernel has them (4.1), else those of 32, of which bytes are 64 bits wide too.
pub(super) fn parse_stats(attrs: Attrs<'_>, wide: u16, narrow: u16) -> Stats {
    let Some(attrs) = attrs.nested(wide).or_else(|| attrs.nested(narrow)) else {
        return Stats::default();
    };
    let count = |kind| attrs.u64(kind).or_else(|| attrs.u32(kind).map(u64::from)).unwrap_or(0);
    Stats {
        connections: count(IPVS_STATS_ATTR_CONNS),
        packets_in: count(IPVS_STATS_ATTR_INPKTS),
        packets_out: count(IPVS_STATS_ATTR_OUTPKTS),
        bytes_in: count(IPVS_STATS_ATTR_INBYTES),
        bytes_out: count(IPVS_STATS_ATTR_OUTBYTES),
        connection_rate: count(IPVS_STATS_ATTR_CPS),
        packet_rate_in: count(IPVS_STATS_ATTR_INPPS),
        packet_rate_out: count(IPVS_STATS_ATTR_OUTPPS),
        byte_rate_in: count(IPVS_STATS_ATTR_INBPS),
        byte_rate_out: count(IPVS_STATS_ATTR_OUTBPS),
    }
}

#[cfg(feature = "netlink")]
pub(crate) fn parse_info(attrs: Attrs<'_>) -> Result<crate::Info, super::Malformed> {
    let version = attrs.u32(IPVS_INFO_ATTR_VERSION).ok_or(super::Malformed("version"))?;
    let [_, major, minor, patch] = version.to_be_bytes();
    let connection_table = attrs.u32(IPVS_INFO_ATTR_CONN_TAB_SIZE).ok_or(super::Malformed("table size"))?;
    Ok(crate::Info { version: [major, minor, patch], connection_table })
}

#[cfg(feature = "netlink")]
pub(crate) fn parse_timeouts(attrs: Attrs<'_>) -> Result<crate::Timeouts, super::Malformed> {
    let number = |kind| attrs.u32(kind).ok_or(super::Malformed("timeout"));
    Ok(crate::Timeouts::new(
        number(IPVS_CMD_ATTR_TIMEOUT_TCP)?,
        number(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN)?,
        number(IPVS_CMD_ATTR_TIMEOUT_UDP)?,
    ))
}
