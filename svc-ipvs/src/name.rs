//! Names of kernel modules: a scheduler, a persistence engine.

use std::{fmt, str::FromStr};

/// `IP_VS_SCHEDNAME_MAXLEN` and `IP_VS_PENAME_MAXLEN`, less the final NUL.
const LONGEST: usize = 15;

/// The name of a scheduler; the kernel loads module `ip_vs_<name>` when it is first used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scheduler {
    bytes: [u8; LONGEST],
    length: u8,
}

impl Scheduler {
    /// Round robin.
    pub const RR: Self = Self::known("rr");
    /// Weighted round robin.
    pub const WRR: Self = Self::known("wrr");
    /// Least connections.
    pub const LC: Self = Self::known("lc");
    /// Weighted least connections.
    pub const WLC: Self = Self::known("wlc");
    /// Source hashing.
    pub const SH: Self = Self::known("sh");
    /// Maglev hashing.
    pub const MH: Self = Self::known("mh");
    /// All schedulers of Linux 6.x.
    pub const ALL: [Self; 14] = [
        Self::RR,
        Self::WRR,
        Self::LC,
        Self::WLC,
        Self::known("lblc"),
        Self::known("lblcr"),
        Self::known("dh"),
        Self::SH,
        Self::MH,
        Self::known("sed"),
        Self::known("nq"),
        Self::known("fo"),
        Self::known("ovf"),
        Self::known("twos"),
    ];

    const fn known(name: &str) -> Self {
        let (from, mut bytes, mut at) = (name.as_bytes(), [0; LONGEST], 0);
        while at < from.len() {
            bytes[at] = from[at];
            at += 1;
        }
        // Every caller above passes a literal of at most five letters.
        #[allow(
            clippy::cast_possible_truncation,
            reason = "at most LONGEST, or the loop would not have compiled"
        )]
        Self { bytes, length: at as u8 }
    }

    /// The name, as in `rr`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    /// The kernel module that has it.
    #[must_use]
    pub fn module(&self) -> String {
        format!("ip_vs_{}", self.as_str())
    }
}

impl FromStr for Scheduler {
    type Err = InvalidName;

    /// # Errors
    ///
    /// The name is empty, longer than 15 bytes, or has something else than lower-case letters, digits, `-` and `_`.
    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(fits) {
            return Err(InvalidName(name.chars().take(40).collect()));
        }
        Ok(Self::known(name))
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheduler({self})")
    }
}

/// No name of a scheduler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of an IPVS scheduler: 1 to 15 of a-z, 0-9, - and _, as rr, wrr, lc or mh")]
pub struct InvalidName(String);
