use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Event, Expected, ResponseDecoder, ResponseError, emit_chunk, emit_last_chunk};

type Outcome = (Vec<Event>, Result<bool, ResponseError>);

/// All events of a response whose bytes arrive in these parts, joined data first; then whether it left a connection to
/// reuse.
fn decode(expected: Expected, parts: &[&[u8]]) -> Outcome {
    let mut decoder = ResponseDecoder::new(expected);
    let mut buffer = BytesMut::new();
    let mut events = Vec::new();
    for part in parts {
        buffer.extend_from_slice(part);
        loop {
            match decoder.poll_event(&mut buffer) {
                Ok(Some(event)) => push(&mut events, event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    let reusable = decoder.is_reusable() && buffer.is_empty();
    (events, decoder.handle_eof().map(|_| reusable))
}

fn push(events: &mut Vec<Event>, event: Event) {
    match (events.last_mut(), event) {
        (Some(Event::Data(before)), Event::Data(data)) => *before = [&before[..], &data[..]].concat().into(),
        (_, event) => events.push(event),
    }
}

fn cuts(bytes: &[u8], mut at: Vec<prop::sample::Index>) -> Vec<&[u8]> {
    let mut positions: Vec<usize> = at.drain(..).map(|index| index.index(bytes.len() + 1)).collect();
    positions.extend([0, bytes.len()]);
    positions.sort_unstable();
    positions.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![Just(Expected::Body), Just(Expected::NoBody), Just(Expected::Upgrade)]
}

/// Bytes that look like a response here and there.
fn responselike() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(&b"HTTP/1.1 "[..]),
        Just(&b"200 OK"[..]),
        Just(&b"204 "[..]),
        Just(&b"101 x"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\n"[..]),
        Just(&b"\r\n\r\n"[..]),
        Just(&b"Content-Length: 4"[..]),
        Just(&b"2\r\nhi\r\n"[..]),
        Just(&b"Transfer-Encoding: chunked"[..]),
        Just(&b"0\r\n\r\n"[..]),
        Just(&b"HTTP/1.1 200 OK\r\n"[..]),
        Just(&b"data"[..]),
        Just(&b"Connection: close"[..]),
        Just(&b": "[..]),
        Just(&b"\0"[..]),
    ];
    vec(token, 0..16).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_cuts_do_not_matter(
        bytes in prop_oneof![vec(any::<u8>(), 0..256), responselike()],
        at in vec(any::<prop::sample::Index>(), 0..6),
        expected in expected(),
    ) {
        let whole = decode(expected, &[&bytes]);
        let parts = decode(expected, &cuts(&bytes, at));
        prop_assert_eq!(whole.1, parts.1);
        if whole.1.is_ok() {
            prop_assert_eq!(whole.0, parts.0);
        }
    }

    #[test]
    fn both_framings_of_a_body_read_the_same(
        chunks in vec(vec(any::<u8>(), 1..200), 0..6),
        at in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let body = chunks.concat();
        let mut chunked = BytesMut::from(&b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..]);
        chunks.iter().for_each(|chunk| emit_chunk(chunk, &mut chunked));
        emit_last_chunk(&http::HeaderMap::new(), &mut chunked);
        let mut sized = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        sized.extend_from_slice(&body);
        for bytes in [&chunked[..], &sized[..]] {
            let (events, outcome) = decode(Expected::Body, &cuts(bytes, at.clone()));
            prop_assert_eq!(outcome, Ok(true));
            let data: Vec<u8> = events.iter().flat_map(|event| match event {
                Event::Data(data) => data.to_vec(),
                _ => Vec::new(),
            }).collect();
            prop_assert_eq!(&data, &body);
        }
    }

    #[test]
    fn bytes_after_a_response_are_never_part_of_it(rest in vec(any::<u8>(), 1..64)) {
        let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec();
        bytes.extend_from_slice(&rest);
        let (events, outcome) = decode(Expected::Body, &[&bytes]);
        prop_assert_eq!(outcome, Ok(false));
        prop_assert_eq!(&events[1..], &[Event::Data("hi".into()), Event::End]);
    }
}
