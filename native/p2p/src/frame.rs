//! Frames on a stream: unsigned varint length, bytes (N4.2).

use crate::{ring::Gauge, shared::end};
use bytes::{Buf, Bytes, BytesMut};
use futures::AsyncRead;
use std::{cell::RefCell, future::poll_fn, io, pin::Pin, sync::Arc, task::Poll};

/// A length is below 2^32 in at most five bytes.
pub const PREFIX_MAX: usize = 5;

/// Frames up to this size are copied out, so a small one does not keep a large buffer alive.
const COPY_MAX: usize = 16 << 10;

const SCRATCH: usize = 64 << 10;

thread_local! {
    /// One buffer for all reads of the thread: an idle stream holds none.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// Length and its size; None: more bytes needed. Only the shortest form of a length is one.
pub fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, u16> {
    let mut value = 0u64;
    for (idx, byte) in bytes.iter().take(PREFIX_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * idx);
        if byte & 0x80 == 0 {
            if (idx > 0 && *byte == 0) || value > u64::from(u32::MAX) {
                return Err(end::PROTOCOL);
            }
            return usize::try_from(value)
                .map(|value| Some((value, idx + 1)))
                .map_err(|_| end::PROTOCOL);
        }
    }
    if bytes.len() < PREFIX_MAX {
        Ok(None)
    } else {
        Err(end::PROTOCOL)
    }
}

pub fn put(buf: &mut Vec<u8>, bytes: &[u8]) {
    let mut value = bytes.len();
    while value >= 0x80 {
        buf.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    buf.push(value as u8);
    buf.extend_from_slice(bytes);
}

/// Why nothing more comes: an end code, or None for a clean end between frames.
pub type Stopped = Option<u16>;

/// Bytes read and not yet taken as frames; counted in the connection's gauge.
pub struct Reader<R> {
    stream: R,
    buf: BytesMut,
    gauge: Arc<Gauge>,
}

impl<R> Drop for Reader<R> {
    fn drop(&mut self) {
        self.gauge.sub(self.buf.len());
    }
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub fn new(stream: R, gauge: &Arc<Gauge>) -> Self {
        Self {
            stream,
            buf: BytesMut::new(),
            gauge: gauge.clone(),
        }
    }

    /// Reads what is there, at least a byte; 0 at the end.  May be dropped and called again.
    async fn fill(&mut self) -> io::Result<usize> {
        let n = poll_fn(|cx| {
            READ.with_borrow_mut(|scratch| {
                let read = Pin::new(&mut self.stream).poll_read(cx, scratch);
                if let Poll::Ready(Ok(n)) = read {
                    self.buf.extend_from_slice(scratch.get(..n).unwrap_or_default());
                }
                read
            })
        })
        .await?;
        self.gauge.add(n);
        Ok(n)
    }

    fn take(&mut self, n: usize) -> Bytes {
        self.gauge.sub(n);
        let bytes = if n <= COPY_MAX {
            let bytes = Bytes::copy_from_slice(self.buf.get(..n).unwrap_or_default());
            self.buf.advance(n);
            bytes
        } else {
            self.buf.split_to(n).freeze()
        };
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
        bytes
    }

    /// The next frame of up to max bytes behind `head` bytes of its own.
    async fn framed(&mut self, head: usize, max: usize) -> Result<(Bytes, Bytes), Stopped> {
        loop {
            let prefix = match self.buf.get(head..) {
                Some(rest) => length(rest).map_err(Some)?,
                None => None,
            };
            if let Some((sz, used)) = prefix {
                if sz > max {
                    return Err(Some(end::TOO_BIG));
                }
                if self.buf.len() >= head + used + sz {
                    let code = self.take(head);
                    self.gauge.sub(used);
                    self.buf.advance(used);
                    return Ok((code, self.take(sz)));
                }
            }
            match self.fill().await {
                Ok(0) if self.buf.is_empty() => return Err(None),
                // Inside a frame: as good as reset.
                Ok(0) | Err(_) => return Err(Some(end::RESET)),
                Ok(_) => (),
            }
        }
    }

    pub async fn frame(&mut self, max: usize) -> Result<Bytes, Stopped> {
        self.framed(0, max).await.map(|(_, body)| body)
    }

    /// A chunk of an answer: code, length, bytes.
    pub async fn chunk(&mut self, max: usize) -> Result<(u8, Bytes), Stopped> {
        let (code, body) = self.framed(1, max).await?;
        Ok((code.first().copied().unwrap_or(0), body))
    }

    pub async fn byte(&mut self) -> Result<u8, Stopped> {
        while self.buf.is_empty() {
            match self.fill().await {
                Ok(0) => return Err(None),
                Ok(_) => (),
                Err(_) => return Err(Some(end::RESET)),
            }
        }
        Ok(self.take(1).first().copied().unwrap_or(0))
    }
}
