//! Addresses of name servers: ours and those of others.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use crate::error::ConfigError;

/// An address with a port, 53 where none is written: `172.20.10.53`, `127.0.0.1:5353`, `[::1]:53`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerAddress(SocketAddr);

impl ServerAddress {
    /// The port of name servers.
    pub const PORT: u16 = 53;

    /// Address and port.
    #[must_use]
    pub const fn socket(self) -> SocketAddr {
        self.0
    }
}

impl From<SocketAddr> for ServerAddress {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl From<IpAddr> for ServerAddress {
    fn from(address: IpAddr) -> Self {
        Self(SocketAddr::new(address, Self::PORT))
    }
}

impl FromStr for ServerAddress {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let bare = || text.parse::<IpAddr>().map(Self::from);
        text.parse().map(Self).or_else(|_| bare()).map_err(|_| ConfigError::Address { text: text.to_owned() })
    }
}

impl TryFrom<&str> for ServerAddress {
    type Error = ConfigError;

    fn try_from(text: &str) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
