//! What becomes of a packet.

use std::fmt;

use crate::Name;

/// What becomes of a packet: the end of a rule, or the data of a verdict map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The packet is done with this hook's chain; later base chains still see it.
    Accept,
    /// The packet is gone.
    Drop,
    /// The next rule. Only useful in maps.
    Continue,
    /// Back to the calling chain, or to the policy in a base chain.
    Return,
    /// Into a chain, and back here when it returns.
    Jump(Name),
    /// Into a chain, and back to this chain's caller when it returns.
    Goto(Name),
}

impl Verdict {
    /// Into `chain`, and back when it returns.
    pub fn jump(chain: impl Into<Name>) -> Self {
        Self::Jump(chain.into())
    }

    /// Into `chain` for good.
    pub fn goto(chain: impl Into<Name>) -> Self {
        Self::Goto(chain.into())
    }

    /// The chain this verdict leads to.
    #[must_use]
    pub fn chain(&self) -> Option<&Name> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Continue => f.write_str("continue"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}
