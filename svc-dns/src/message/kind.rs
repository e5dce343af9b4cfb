//! Record types, classes and response codes: numbers with names.

use std::fmt;

/// A record type (RFC 1035 section 3.2.2 and the IANA registry). Any number is a valid type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordType(u16);

impl RecordType {
    /// An IPv4 address.
    pub const A: Self = Self(1);
    /// A name server of the zone.
    pub const NS: Self = Self(2);
    /// The canonical name of an alias.
    pub const CNAME: Self = Self(5);
    /// The start of a zone of authority.
    pub const SOA: Self = Self(6);
    /// A domain name for an address.
    pub const PTR: Self = Self(12);
    /// Host information; also the minimal answer to ANY (RFC 8482).
    pub const HINFO: Self = Self(13);
    /// A mail exchange.
    pub const MX: Self = Self(15);
    /// Text.
    pub const TXT: Self = Self(16);
    /// An IPv6 address (RFC 3596).
    pub const AAAA: Self = Self(28);
    /// The location of a service (RFC 2782).
    pub const SRV: Self = Self(33);
    /// The EDNS pseudo record (RFC 6891).
    pub const OPT: Self = Self(41);
    /// Service binding (RFC 9460).
    pub const SVCB: Self = Self(64);
    /// Service binding for HTTPS (RFC 9460).
    pub const HTTPS: Self = Self(65);
    /// Incremental zone transfer (RFC 1995).
    pub const IXFR: Self = Self(251);
    /// Full zone transfer (RFC 5936).
    pub const AXFR: Self = Self(252);
    /// All records (RFC 8482).
    pub const ANY: Self = Self(255);

    /// The type with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl RecordType {
    /// The type with this name (`A`, `TYPE65`), in whatever case.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.to_ascii_uppercase();
        if let Some(number) = text.strip_prefix("TYPE") {
            return number.parse().ok().map(Self);
        }
        // Those that have a name here, and no others.
        (0..=256).map(Self).find(|kind| kind.to_string() == text)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::A => "A",
            Self::NS => "NS",
            Self::CNAME => "CNAME",
            Self::SOA => "SOA",
            Self::PTR => "PTR",
            Self::HINFO => "HINFO",
            Self::MX => "MX",
            Self::TXT => "TXT",
            Self::AAAA => "AAAA",
            Self::SRV => "SRV",
            Self::OPT => "OPT",
            Self::SVCB => "SVCB",
            Self::HTTPS => "HTTPS",
            Self::IXFR => "IXFR",
            Self::AXFR => "AXFR",
            Self::ANY => "ANY",
            // RFC 3597 section 5
            Self(other) => return write!(f, "TYPE{other}"),
        };
        f.write_str(name)
    }
}

/// A class of records. Everything here is `IN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class(u16);

impl Class {
    /// The Internet.
    pub const IN: Self = Self(1);

    /// The class with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// A response code, the EDNS extension included (RFC 6891 section 6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rcode(u16);

impl Rcode {
    /// The answer holds (also when it is empty).
    pub const NOERROR: Self = Self(0);
    /// The query could not be read.
    pub const FORMERR: Self = Self(1);
    /// The server could not answer now.
    pub const SERVFAIL: Self = Self(2);
    /// The name does not exist.
    pub const NXDOMAIN: Self = Self(3);
    /// This kind of query is not implemented.
    pub const NOTIMP: Self = Self(4);
    /// The server will not answer this.
    pub const REFUSED: Self = Self(5);
    /// The server has no authority over the zone.
    pub const NOTAUTH: Self = Self(9);
    /// The EDNS version is not known.
    pub const BADVERS: Self = Self(16);

    /// The code with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number: four bits without EDNS, twelve with.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl Rcode {
    /// The code with this name (`NXDOMAIN`), in whatever case; the older names of the first codes, too.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.to_ascii_uppercase();
        let named = (0..=16).map(Self).find(|code| code.to_string() == text);
        named.or_else(|| text.strip_prefix("RCODE").and_then(|number| number.parse().ok()).map(Self))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("IN"),
            3 => f.write_str("CH"),
            4 => f.write_str("HS"),
            255 => f.write_str("ANY"),
            other => write!(f, "CLASS{other}"),
        }
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NOERROR => "NOERROR",
            Self::FORMERR => "FORMERR",
            Self::SERVFAIL => "SERVFAIL",
            Self::NXDOMAIN => "NXDOMAIN",
            Self::NOTIMP => "NOTIMP",
            Self::REFUSED => "REFUSED",
            Self::NOTAUTH => "NOTAUTH",
            Self::BADVERS => "BADVERS",
            Self(other) => return write!(f, "RCODE{other}"),
        };
        f.write_str(name)
    }
}
