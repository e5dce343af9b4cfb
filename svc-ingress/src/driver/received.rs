//! How many bytes a request has, for the log and for metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Request;
use http_body::Body;

/// The size of a request, known once its body is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    /// The head, and a body that says how long it is.
    known: u64,
    /// A body that does not, as far as it came.
    came: Option<Arc<AtomicU64>>,
}

impl Received {
    pub(super) fn new<B: Body>(request: &Request<B>) -> Self {
        let size = request.body().size_hint().exact();
        Self { known: head(request) + size.unwrap_or_default(), came: size.is_none().then(Arc::default) }
    }

    /// A piece of the body came.
    pub(super) fn add(&self, bytes: usize) {
        if let Some(came) = &self.came {
            came.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.known + self.came.as_ref().map_or(0, |came| came.load(Ordering::Relaxed))
    }
}

/// What the head is in HTTP/1.1: its line with two spaces, the version and an end, its fields, and an empty line.
fn head<B>(request: &Request<B>) -> u64 {
    let target = request.uri().path_and_query().map_or(1, |target| target.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    (request.method().as_str().len() + target + 12 + fields.sum::<usize>() + 2) as u64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Empty, Full, StreamBody};

    use super::*;

    #[test]
    fn a_request_is_as_long_as_it_stands_in_http_1_1() {
        let text = "POST /a?b HTTP/1.1\r\nhost: shop.example\r\nx: y\r\n\r\n";
        let head = || Request::post("/a?b").header("host", "shop.example").header("x", "y");
        let none = Received::new(&head().body(Empty::<Bytes>::new()).unwrap());
        assert_eq!(none.bytes(), text.len() as u64);
        let sized = Received::new(&head().body(Full::<Bytes>::from("hello")).unwrap());
        sized.add(5);
        assert_eq!(sized.bytes(), text.len() as u64 + 5, "said once");
        let pieces =
            futures_util::stream::empty::<Result<http_body::Frame<Bytes>, std::convert::Infallible>>();
        let chunked = Received::new(&head().body(StreamBody::new(pieces)).unwrap());
        let other = chunked.clone();
        [3, 4].into_iter().for_each(|bytes| other.add(bytes));
        assert_eq!(chunked.bytes(), text.len() as u64 + 7);
    }
}
