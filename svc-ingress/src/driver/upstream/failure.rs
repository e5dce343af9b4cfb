//! Why one endpoint gave no response, and what follows.

use std::fmt;
use std::io;

use http::{Method, StatusCode};

use crate::backend::{Cause, NextUpstream};
use crate::upstream::ResponseError;

use super::ExchangeError;

#[derive(Debug)]
pub(in crate::driver) enum Failure {
    /// It cannot be reached: nothing was sent.
    Connect(io::Error),
    /// No connection in time: nothing was sent.
    ConnectTimeout,
    /// It broke off or answered nonsense; `true` if it never answered at all.
    Exchange(ExchangeError, bool),
}

impl Failure {
    pub(in crate::driver) fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::Exchange(ExchangeError::Timeout, _) => StatusCode::GATEWAY_TIMEOUT,
            Self::Exchange(ExchangeError::ClientTimeout, _) => StatusCode::REQUEST_TIMEOUT,
            Self::Exchange(ExchangeError::BodyTooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Exchange(ExchangeError::Client(_), _) => StatusCode::BAD_REQUEST,
            Self::Connect(_) | Self::Exchange(..) => StatusCode::BAD_GATEWAY,
        }
    }

    /// What follows on the client's connection may not be what it seems.
    pub(in crate::driver) fn is_of_client(&self) -> bool {
        use ExchangeError::{BodyTooLarge, Client, ClientTimeout};
        matches!(self, Self::Exchange(BodyTooLarge | Client(_) | ClientTimeout, _))
    }

    /// Whether another endpoint may make it good.
    pub(super) fn allows(&self, next: &NextUpstream, method: &Method) -> bool {
        match self {
            Self::Connect(_) => next.allows(Cause::Error, method, false),
            Self::ConnectTimeout => next.allows(Cause::Timeout, method, false),
            Self::Exchange(ExchangeError::Timeout, unanswered) => {
                *unanswered && next.allows(Cause::Timeout, method, true)
            }
            Self::Exchange(
                ExchangeError::Io(_)
                | ExchangeError::Http2(_)
                | ExchangeError::Response(ResponseError::Truncated),
                _,
            ) => next.allows(Cause::Error, method, true),
            Self::Exchange(ExchangeError::Response(_), _) => next.allows(Cause::InvalidHeader, method, true),
            Self::Exchange(..) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::ConnectTimeout => f.write_str("no connection in time"),
            Self::Exchange(error, _) => error.fmt(f),
        }
    }
}
