//! One response, read event by event from a buffer that the caller fills.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use super::ResponseHead;
use super::chunked::{Chunked, Piece, take};
use super::framing::{ResponseFraming, Said, is_persistent};

// A backend that sends hints for ever would hold the request for ever.
const MAX_INFORMATIONAL: u8 = 16;

/// What the request allows the response to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// Any response.
    Body,
    /// No body: the request was HEAD.
    NoBody,
    /// 101 is allowed: the request asked for another protocol.
    Upgrade,
}

/// The next thing in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A 1xx response other than 101; the final one follows.
    Informational(ResponseHead),
    /// The final response's head.
    Head(ResponseHead),
    /// 101: the rest of the buffer and of the connection is the other protocol's.
    Switched(ResponseHead),
    /// Bytes of the body.
    Data(Bytes),
    /// Fields after a chunked body.
    Trailers(HeaderMap),
    /// The exact end of the body.
    End,
}

/// What is wrong with a response; the connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The head is not HTTP/1.0 or 1.1.
    #[error("the response's head is malformed")]
    Head,
    /// The head is over 32 KiB or 100 fields.
    #[error("the response's head is too large")]
    HeadTooLarge,
    /// `Content-Length` and `Transfer-Encoding` contradict one another or are unreadable.
    #[error("the length of the response's body is ambiguous")]
    Framing,
    /// A chunk is malformed.
    #[error("the response's body is not properly chunked")]
    Chunk,
    /// 101 although nothing was asked for, or 1xx without end.
    #[error("the backend switched protocols unasked or sends no final response")]
    Unexpected,
    /// The connection ended before the response did.
    #[error("the backend closed the connection before the end of the response")]
    Truncated,
}

/// Reads one response.
#[derive(Clone, Debug)]
pub struct ResponseDecoder {
    expected: Expected,
    state: State,
    persistent: bool,
    informational: u8,
    /// Memory for the next head's fields.
    fields: HeaderMap,
}

#[derive(Clone, Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    End,
    Finished,
    Failed(ResponseError),
}

impl ResponseDecoder {
    /// A decoder for the response to one request.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        Self { expected, state: State::Head, persistent: false, informational: 0, fields: HeaderMap::new() }
    }

    /// Puts the head's fields into this map, which saves the memory of another. What is in it is lost.
    #[must_use]
    pub fn with_fields(mut self, mut fields: HeaderMap) -> Self {
        fields.clear();
        self.fields = fields;
        self
    }

    /// Takes the next event from the front of the buffer; `None` when more bytes are needed, or after the end.
    ///
    /// # Errors
    ///
    /// The response is malformed; every later call returns the same error.
    pub fn poll_event(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, ResponseError> {
        let result = self.step(buffer);
        if let Err(error) = result {
            self.state = State::Failed(error);
            self.persistent = false;
        }
        result
    }

    /// The connection ended: the end of a body that lasts until then.
    ///
    /// # Errors
    ///
    /// The response was not over, [`ResponseError::Truncated`].
    pub fn handle_eof(&mut self) -> Result<Event, ResponseError> {
        self.persistent = false;
        match self.state {
            State::UntilClose | State::End | State::Finished => {
                self.state = State::Finished;
                Ok(Event::End)
            }
            State::Failed(error) => Err(error),
            _ => {
                self.state = State::Failed(ResponseError::Truncated);
                Err(ResponseError::Truncated)
            }
        }
    }

    /// The response is over and the backend keeps the connection open. The caller has to see to it that no byte is left
    /// over and that the request was sent in full.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.persistent && matches!(self.state, State::Finished)
    }

    /// How many bytes of the body are to come, where the head says so.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::End | State::Finished => Some(0),
            _ => None,
        }
    }

    fn step(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, ResponseError> {
        match &mut self.state {
            State::Head => self.head(buffer),
            State::Length(left) => {
                let Some(data) = take(buffer, *left) else { return Ok(None) };
                *left -= data.len() as u64;
                if *left == 0 {
                    self.state = State::End;
                }
                Ok(Some(Event::Data(data)))
            }
            State::Chunked(chunked) => {
                let piece = chunked.poll_piece(buffer)?;
                Ok(piece.map(|piece| self.piece(piece)))
            }
            State::UntilClose => Ok(take(buffer, u64::MAX).map(Event::Data)),
            State::End => {
                self.state = State::Finished;
                Ok(Some(Event::End))
            }
            State::Finished => Ok(None),
            State::Failed(error) => Err(*error),
        }
    }

    fn head(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, ResponseError> {
        let Some(head) = ResponseHead::parse(buffer, &mut self.fields)? else { return Ok(None) };
        match head.status() {
            StatusCode::SWITCHING_PROTOCOLS if self.expected == Expected::Upgrade => {
                self.state = State::Finished;
                Ok(Some(Event::Switched(head)))
            }
            StatusCode::SWITCHING_PROTOCOLS => Err(ResponseError::Unexpected),
            status if status.is_informational() => {
                self.informational += 1;
                let endless = self.informational > MAX_INFORMATIONAL;
                if endless { Err(ResponseError::Unexpected) } else { Ok(Some(Event::Informational(head))) }
            }
            _ => self.final_head(head),
        }
    }

    fn final_head(&mut self, head: ResponseHead) -> Result<Option<Event>, ResponseError> {
        let said = Said::of(&head)?;
        let framing = ResponseFraming::of(&head, said, self.expected);
        self.persistent = is_persistent(&head, said, framing);
        self.state = match framing {
            ResponseFraming::Empty | ResponseFraming::Length(0) => State::End,
            ResponseFraming::Length(length) => State::Length(length),
            ResponseFraming::Chunked => State::Chunked(Chunked::Size),
            ResponseFraming::UntilClose => State::UntilClose,
        };
        Ok(Some(Event::Head(head)))
    }

    fn piece(&mut self, piece: Piece) -> Event {
        match piece {
            Piece::Data(data) => Event::Data(data),
            Piece::End(trailers) if trailers.is_empty() => {
                self.state = State::Finished;
                Event::End
            }
            Piece::End(trailers) => {
                self.state = State::End;
                Event::Trailers(trailers)
            }
        }
    }
}
