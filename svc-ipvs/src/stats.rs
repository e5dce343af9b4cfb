//! Counters and settings of the kernel.

/// What a virtual server or a destination has handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Connections in a second, of late.
    pub connection_rate: u64,
    /// Packets from clients in a second.
    pub packet_rate_in: u64,
    /// Packets to clients in a second.
    pub packet_rate_out: u64,
    /// Bytes from clients in a second.
    pub byte_rate_in: u64,
    /// Bytes to clients in a second.
    pub byte_rate_out: u64,
}

/// What the kernel says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The version of IPVS: major, minor, patch; 1.2.1 since 2005.
    pub version: [u8; 3],
    /// Buckets of the connection table, `ip_vs.conn_tab_bits`.
    pub connection_table: u32,
}

/// How many seconds an idle connection is kept; 0 in a command leaves what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// An established TCP connection.
    pub tcp: u32,
    /// A TCP connection after a FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

impl Timeouts {
    /// In seconds.
    #[must_use]
    pub fn new(tcp: u32, tcp_fin: u32, udp: u32) -> Self {
        Self { tcp, tcp_fin, udp }
    }
}
