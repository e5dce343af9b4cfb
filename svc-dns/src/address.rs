//! Addresses of name servers: ours and those of others.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    str::FromStr,
};

use crate::error::ConfigError;

/// An address with a port, 53 where none is written: `172.20.10.53`, `127.0.0.1:5353`, `[::1]:53`, `::1`. One that means something on a
/// link only needs its interface, by name or number (RFC 4007 section 11): `fe80::53%eth0`, `[fe80::53%2]:5353`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerAddress {
    socket: SocketAddr,
    interface: Option<Interface>,
}

/// The name of an interface: 15 bytes at most (IFNAMSIZ), the rest zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Interface([u8; 16]);

impl Interface {
    fn new(name: &str) -> Option<Self> {
        let fits = (1..16).contains(&name.len())
            && !name.contains(['/', '\0'])
            && !name.contains(char::is_whitespace);
        let mut bytes = [0; 16];
        bytes.get_mut(..name.len()).filter(|_| fits)?.copy_from_slice(name.as_bytes());
        Some(Self(bytes))
    }

    fn name(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end_matches('\0')
    }
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ServerAddress {
    /// The port of name servers.
    pub const PORT: u16 = 53;

    /// Address and port. The scope is the number that was written; one that is written as a name has to be
    /// [looked up](Self::interface) where the address is used.
    #[must_use]
    pub const fn socket(self) -> SocketAddr {
        self.socket
    }

    /// The name of the interface that the address is on.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_ref().map(Interface::name)
    }

    /// The address on the interface with this number.
    pub(crate) fn scoped(self, scope: u32) -> SocketAddr {
        match self.socket {
            SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), v6.flowinfo(), scope).into(),
            v4 => v4,
        }
    }

    /// `ADDRESS%INTERFACE`, in brackets with a port behind them or bare.
    fn on_interface(text: &str) -> Option<Self> {
        let (front, behind) = text.split_once('%')?;
        let (address, name, port) = match front.strip_prefix('[') {
            None => (front, behind, Self::PORT),
            Some(address) => {
                let (name, port) = behind.split_once(']')?;
                let port = if port.is_empty() { Self::PORT } else { port.strip_prefix(':')?.parse().ok()? };
                (address, name, port)
            }
        };
        let plain = SocketAddr::new(IpAddr::V6(address.parse().ok()?), port);
        match name.parse() {
            Ok(number) => Some(Self::from(plain).scoped(number).into()),
            Err(_) => Some(Self { socket: plain, interface: Some(Interface::new(name)?) }),
        }
    }
}

impl From<SocketAddr> for ServerAddress {
    fn from(socket: SocketAddr) -> Self {
        Self { socket, interface: None }
    }
}

impl From<IpAddr> for ServerAddress {
    fn from(address: IpAddr) -> Self {
        SocketAddr::new(address, Self::PORT).into()
    }
}

impl FromStr for ServerAddress {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let with_port = text.parse::<SocketAddr>().map(Self::from);
        let bare = || text.parse::<IpAddr>().map(Self::from).ok();
        let address = with_port.ok().or_else(bare).or_else(|| Self::on_interface(text));
        address.ok_or_else(|| ConfigError::Address { text: text.to_owned() })
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
        match &self.interface {
            Some(interface) => {
                write!(f, "[{}%{}]:{}", self.socket.ip(), interface.name(), self.socket.port())
            }
            None => self.socket.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_or_without_port_and_interface() {
        for (text, printed, interface) in [
            ("172.20.10.53", "172.20.10.53:53", None),
            ("127.0.0.1:5353", "127.0.0.1:5353", None),
            ("::1", "[::1]:53", None),
            ("[::1]:5353", "[::1]:5353", None),
            ("fe80::53%eth0", "[fe80::53%eth0]:53", Some("eth0")),
            ("[fe80::53%eth0]", "[fe80::53%eth0]:53", Some("eth0")),
            ("[fe80::53%br-lan.7]:5353", "[fe80::53%br-lan.7]:5353", Some("br-lan.7")),
            ("fe80::53%2", "[fe80::53%2]:53", None),
            ("[fe80::53%2]:5353", "[fe80::53%2]:5353", None),
        ] {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.interface()), (printed, interface), "{text}");
            assert_eq!(printed.parse(), Ok(address), "{text}");
        }
        for text in [
            "",
            "host",
            "fe80::53%",
            "fe80::53%an-interface-name",
            "fe80::53%a b",
            "[fe80::53%eth0",
            "[fe80::53%eth0]53",
            "[fe80::53%eth0]:70000",
            "10.0.0.1%eth0",
            "fe80::53%eth0:53%x/y",
        ] {
            assert!(text.parse::<ServerAddress>().is_err(), "{text}");
        }
    }
}
