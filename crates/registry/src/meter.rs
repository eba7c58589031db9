//! Request bodies that are counted while they are sent, and not copied.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes handed to the connection at once.
const PIECE: usize = 64 * 1024;

/// The number of bytes sent. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    /// The bytes sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Resets the count to an earlier value, for a retry.
    pub(super) fn rewind(&self, to: u64) {
        self.0.store(to, Ordering::Relaxed);
    }

    /// A body that is counted; nothing of it is copied.
    pub(super) fn body(&self, bytes: Bytes) -> reqwest::Body {
        reqwest::Body::wrap(Counted { rest: bytes, meter: self.clone() })
    }
}

/// The part of a body that is not sent yet.
struct Counted {
    rest: Bytes,
    meter: Meter,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = this.rest.split_to(PIECE.min(this.rest.len()));
        this.meter.add(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    /// Exact, so that the request has a `Content-Length`: not every registry supports chunked transfer encoding.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(body: &mut Counted) -> Option<Bytes> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match Pin::new(body).poll_frame(&mut context) {
            Poll::Ready(frame) => frame.map(|frame| frame.unwrap().into_data().unwrap()),
            Poll::Pending => panic!("a body in memory is always ready"),
        }
    }

    #[test]
    fn bodies_are_counted_and_not_copied() {
        let module: Arc<[u8]> = vec![7; 2 * PIECE + 5].into();
        let meter = Meter::default();
        let bytes = Bytes::from_owner(Arc::clone(&module));
        let mut body = Counted { rest: bytes, meter: meter.clone() };
        assert_eq!(body.size_hint().exact(), Some(module.len() as u64));
        let mut at = 0;
        while let Some(piece) = next(&mut body) {
            assert_eq!(piece.as_ptr(), module[at..].as_ptr(), "the memory of the module");
            at += piece.len();
            assert_eq!(meter.sent(), at as u64);
        }
        assert_eq!((at, body.is_end_stream()), (module.len(), true));
        meter.rewind(3);
        assert_eq!(meter.sent(), 3);
    }
}
