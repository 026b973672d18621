//! The byte stream between a socket and hyper's HTTP/1 parser.
//!
//! hyper reads leniently (bare LF ends a line, Transfer-Encoding wins over
//! Content-Length, a missing Host is fine) and closes without an answer when
//! a head takes too long.  The gate holds each head back until it is whole,
//! judges it, and only then passes it on, byte for byte:
//!
//! ```text
//!   Head --whole and legal--> Deliver --length n--> Body(n) --> Head
//!    |                           |-----chunked----> Through    (the connection ends after it)
//!    |                           '-----upgrade----> Hold --> Through | Head
//!    '--illegal, late, too long--> Refused: hyper gets a harmless request in its
//!                                  place, the service answers it with the verdict
//! ```

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// A lock whose holder panicked guards plain data here: go on with it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy)]
pub struct GateLimits {
    pub uri_max: usize,
    pub header_bytes_max: usize,
    pub headers_max: usize,
    pub header: Duration,
    pub idle: Duration,
    pub send: Duration,
    pub ws_fragments_max: u32,
}

/// What the gate and the service of one connection tell each other.
#[derive(Default)]
pub struct Shared {
    /// The request with this number (from 1) stands for a refused one: answer with this status.
    refused: Mutex<Option<(u64, u16)>>,
    /// The service's answer to an upgrade that the gate holds.
    upgrade: Mutex<(Option<bool>, Option<Waker>)>,
    /// Requests between head and answer.
    pub open: AtomicU32,
    /// The connection ends with bytes of the peer unread: let it read our answer before a reset reaches it.
    pub linger: AtomicBool,
    /// A WebSocket message had too many fragments.
    pub fragments: AtomicBool,
    /// Milliseconds after the start of the last byte that went either way.
    last_ms: AtomicU64,
}

impl Shared {
    pub fn refusal_of(&self, request: u64) -> Option<u16> {
        lock(&self.refused).and_then(|(number, status)| (number == request).then_some(status))
    }

    /// The service has decided about the upgrade it was asked for, if it was.
    pub fn decide_upgrade(&self, is_accepted: bool) {
        let mut upgrade = lock(&self.upgrade);
        upgrade.0 = Some(is_accepted);
        if let Some(waker) = upgrade.1.take() {
            waker.wake();
        }
    }
}

enum State {
    Head,
    Deliver(usize, Framing),
    Body(u64),
    Hold,
    Through,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Framing {
    Length(u64),
    Chunked,
    Upgrade,
}

pub struct Gate<S> {
    io: S,
    limits: GateLimits,
    shared: Arc<Shared>,
    state: State,
    /// Bytes read and not yet passed on, from `pos`.
    buf: Vec<u8>,
    pos: usize,
    /// Bytes of the head, from `pos`, that hold no end of it and no bare LF.
    scanned: usize,
    heads: u64,
    start: Instant,
    head_start: Option<Instant>,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    frames: Option<Frames>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

/// Longest wait for, and most bytes of, what a refused peer still sends.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 4 << 20);
/// Method, spaces and version in a request line.
const LINE_EXTRA: usize = 64;
const STANDIN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused\r\n\r\n";

impl<S: AsyncRead + AsyncWrite + Unpin> Gate<S> {
    /// `buf` has what was read already.  `is_http2`: no heads to judge.
    pub fn new(io: S, limits: GateLimits, shared: Arc<Shared>, buf: Vec<u8>, is_http2: bool) -> Self {
        let start = Instant::now();
        Self {
            io,
            limits,
            shared,
            state: if is_http2 { State::Through } else { State::Head },
            head_start: (!buf.is_empty()).then_some(start),
            buf,
            pos: 0,
            scanned: 0,
            heads: 0,
            start,
            read_timer: Box::pin(sleep_until(start)),
            write_timer: None,
            frames: None,
            linger: None,
        }
    }

    fn touch(&self) {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.last_ms.store(ms, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.shared.last_ms.load(Ordering::Relaxed))
    }

    fn waiting(&self) -> &[u8] {
        self.buf.get(self.pos..).unwrap_or_default()
    }

    fn consume(&mut self, cnt: usize) {
        self.pos += cnt;
        if self.pos >= self.buf.len() {
            self.buf.clear();
            self.pos = 0;
        }
    }

    /// Reads more into `buf`; 0 is the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.pos > 0 {
            self.buf.drain(..self.pos);
            self.pos = 0;
        }
        let old = self.buf.len();
        self.buf.resize(old + 8192, 0);
        let mut read = ReadBuf::new(self.buf.get_mut(old..).unwrap_or_default());
        let result = Pin::new(&mut self.io).poll_read(cx, &mut read);
        let cnt = read.filled().len();
        self.buf.truncate(old + cnt);
        match result {
            Poll::Ready(Ok(())) => {
                self.touch();
                Poll::Ready(Ok(cnt))
            }
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn refuse(&mut self, status: u16) {
        self.heads += 1;
        *lock(&self.shared.refused) = Some((self.heads, status));
        self.buf.clear();
        self.buf.extend_from_slice(STANDIN);
        self.pos = 0;
        self.state = State::Deliver(STANDIN.len(), Framing::Length(0));
    }

    /// Judges what is in `buf`.  True: the state has changed.
    fn judge(&mut self) -> bool {
        // An empty line before a request is to be ignored (RFC 9112, 2.2).
        while self.scanned == 0 && self.waiting().starts_with(b"\r\n") {
            self.consume(2);
        }
        if self.waiting().is_empty() {
            self.head_start = None;
            return false;
        }
        self.head_start.get_or_insert_with(Instant::now);
        match scan(self.waiting(), self.scanned) {
            Scan::Illegal => {
                self.refuse(400);
                true
            }
            Scan::Partial(scanned) => {
                self.scanned = scanned;
                let waiting = self.waiting();
                let line = waiting
                    .iter()
                    .position(|b| *b == b'\n')
                    .map_or(waiting.len(), |at| at + 1);
                if line > self.limits.uri_max + LINE_EXTRA {
                    self.refuse(414);
                    return true;
                }
                if waiting.len() - line > self.limits.header_bytes_max {
                    self.refuse(431);
                    return true;
                }
                false
            }
            Scan::Whole(head_sz) => {
                let verdict = self
                    .waiting()
                    .get(..head_sz)
                    .map_or(Err(400), |head| judge_head(head, &self.limits));
                self.scanned = 0;
                self.head_start = None;
                match verdict {
                    Ok(framing) => {
                        self.heads += 1;
                        self.state = State::Deliver(head_sz, framing);
                    }
                    Err(status) => self.refuse(status),
                }
                true
            }
        }
    }

    /// Nothing to read: has the peer taken too long?  True: the state has changed.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let (since, limit) = match self.head_start {
                Some(start) => (start, self.limits.header),
                None => (self.last(), self.limits.idle),
            };
            let mut deadline = since + limit;
            if self.shared.open.load(Ordering::Relaxed) > 0 {
                // It is we who are late.
                deadline = deadline.max(Instant::now() + limit);
                if self.head_start.is_some() {
                    self.head_start = Some(Instant::now());
                }
            }
            if deadline <= Instant::now() {
                match self.head_start {
                    Some(_) => self.refuse(408),
                    None => self.state = State::Closed,
                }
                return true;
            }
            // Setting a timer costs more than a spare waking: one that fires early only comes back here.
            if self.read_timer.deadline() > deadline || self.read_timer.is_elapsed() {
                self.read_timer.as_mut().reset(deadline);
            }
            if self.read_timer.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
    }

    /// Passes on up to `max` bytes, from `buf` first.
    fn poll_pass(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>, max: usize) -> Poll<io::Result<usize>> {
        let want = max.min(out.remaining());
        if !self.waiting().is_empty() {
            let cnt = want.min(self.waiting().len());
            out.put_slice(self.waiting().get(..cnt).unwrap_or_default());
            self.consume(cnt);
            return Poll::Ready(Ok(cnt));
        }
        let mut part = ReadBuf::new(out.initialize_unfilled_to(want));
        match Pin::new(&mut self.io).poll_read(cx, &mut part) {
            Poll::Ready(Ok(())) => {
                let cnt = part.filled().len();
                out.advance(cnt);
                self.touch();
                Poll::Ready(Ok(cnt))
            }
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// A write made progress or not: arms, disarms, fires the time-out.
    fn watch_write<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_timer = None;
            self.touch();
            return result;
        }
        let deadline = Instant::now() + self.limits.send;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gate<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            match this.state {
                State::Head => {
                    if this.judge() {
                        continue;
                    }
                    match this.poll_fill(cx) {
                        // The end, perhaps inside a head: nobody is left to answer.
                        Poll::Ready(Ok(0)) => this.state = State::Closed,
                        Poll::Ready(Ok(_)) => {}
                        Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                        Poll::Pending => {
                            if !this.poll_late(cx) {
                                return Poll::Pending;
                            }
                        }
                    }
                }
                State::Deliver(left, framing) => {
                    let cnt = match this.poll_pass(cx, out, left) {
                        Poll::Ready(result) => result?,
                        Poll::Pending => return Poll::Pending, // not reached: the head is in buf
                    };
                    this.state = if cnt < left {
                        State::Deliver(left - cnt, framing)
                    } else if lock(&this.shared.refused).is_some() {
                        State::Closed
                    } else {
                        match framing {
                            Framing::Length(0) => State::Head,
                            Framing::Length(body_sz) => State::Body(body_sz),
                            Framing::Chunked => State::Through,
                            Framing::Upgrade => {
                                lock(&this.shared.upgrade).0 = None;
                                State::Hold
                            }
                        }
                    };
                    return Poll::Ready(Ok(()));
                }
                State::Body(left) => {
                    let max = usize::try_from(left).unwrap_or(usize::MAX);
                    let cnt = match this.poll_pass(cx, out, max) {
                        Poll::Ready(result) => result?,
                        Poll::Pending => return Poll::Pending,
                    };
                    if cnt > 0 {
                        let left = left - cnt as u64;
                        this.state = if left == 0 { State::Head } else { State::Body(left) };
                    }
                    return Poll::Ready(Ok(()));
                }
                State::Hold => {
                    let mut upgrade = lock(&this.shared.upgrade);
                    match upgrade.0.take() {
                        None => {
                            upgrade.1 = Some(cx.waker().clone());
                            return Poll::Pending;
                        }
                        Some(true) => {
                            this.state = State::Through;
                            this.frames = Some(Frames::new(this.limits.ws_fragments_max));
                        }
                        Some(false) => this.state = State::Head,
                    }
                }
                State::Through => {
                    let old = out.filled().len();
                    match this.poll_pass(cx, out, usize::MAX) {
                        Poll::Ready(result) => result?,
                        Poll::Pending => return Poll::Pending,
                    };
                    if let Some(frames) = &mut this.frames
                        && !frames.see(out.filled().get(old..).unwrap_or_default())
                    {
                        this.shared.fragments.store(true, Ordering::Relaxed);
                        return Poll::Ready(Err(io::Error::other("too many fragments")));
                    }
                    return Poll::Ready(Ok(()));
                }
                State::Closed => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.watch_write(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.watch_write(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            std::task::ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            if !this.shared.linger.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        // Closing a socket with unread bytes resets the connection, and the peer may lose our answer.
        let (timer, left) = this
            .linger
            .get_or_insert_with(|| (Box::pin(sleep_until(Instant::now() + LINGER.0)), LINGER.1));
        let mut trash = [0; 8192];
        loop {
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut read = ReadBuf::new(&mut trash);
            std::task::ready!(Pin::new(&mut this.io).poll_read(cx, &mut read))?;
            let cnt = read.filled().len();
            if cnt == 0 || cnt > *left {
                return Poll::Ready(Ok(()));
            }
            *left -= cnt;
        }
    }
}

enum Scan {
    Illegal,
    /// This many bytes need not be looked at again.
    Partial(usize),
    /// Size with the empty line.
    Whole(usize),
}

/// Looks for the end of a head: CR only before LF, LF only after CR, no NUL.
fn scan(bytes: &[u8], from: usize) -> Scan {
    let at = |i: usize| bytes.get(i).copied();
    let mut i = from;
    while let Some(byte) = at(i) {
        match byte {
            0 => return Scan::Illegal,
            b'\n' => return Scan::Illegal, // one after CR is stepped over below
            b'\r' => match at(i + 1) {
                None => return Scan::Partial(i),
                Some(b'\n') => match (at(i + 2), at(i + 3)) {
                    (Some(b'\r'), Some(b'\n')) => return Scan::Whole(i + 4),
                    (Some(b'\r'), None) | (None, _) => return Scan::Partial(i),
                    _ => i += 2,
                },
                Some(_) => return Scan::Illegal,
            },
            _ => i += 1,
        }
    }
    Scan::Partial(i)
}

/// The rules of a whole head: where its body ends, or the status to refuse it with.
fn judge_head(head: &[u8], limits: &GateLimits) -> Result<Framing, u16> {
    let line_sz = head.iter().position(|b| *b == b'\n').map_or(head.len(), |at| at + 1);
    if head.len() - line_sz > limits.header_bytes_max + 2 {
        return Err(431);
    }
    let mut fields = vec![httparse::EMPTY_HEADER; limits.headers_max];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(cnt)) if cnt == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(httparse::Error::Version) => return Err(505),
        _ => return Err(400),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(400);
    };
    if target.len() > limits.uri_max {
        return Err(414);
    }

    let (mut host, mut length, mut coding, mut upgrade) = (None, None, None, false);
    for field in request.headers.iter() {
        let once = |slot: &mut Option<_>| slot.replace(field.value).map_or(Ok(()), |_| Err(400u16));
        if field.name.eq_ignore_ascii_case("host") {
            once(&mut host)?;
        } else if field.name.eq_ignore_ascii_case("content-length") {
            once(&mut length)?;
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            once(&mut coding)?;
        } else if field.name.eq_ignore_ascii_case("upgrade") {
            upgrade = true;
        }
    }
    let host = host.ok_or(400u16)?;

    // origin-form, "*" of OPTIONS, or a full URL that names the same host; no proxying, so no CONNECT.
    let is_legal = if target.starts_with('/') {
        true
    } else if target == "*" {
        method == "OPTIONS"
    } else {
        target.split_once("://").is_some_and(|(scheme, rest)| {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
                && !authority.is_empty()
                && authority.as_bytes().eq_ignore_ascii_case(host)
        })
    };
    if !is_legal || method == "CONNECT" {
        return Err(400);
    }

    match (coding, length) {
        (Some(_), Some(_)) => Err(400), // a proxy before us may have believed the other one
        (Some(coding), None) => {
            if version == 0 {
                Err(400)
            } else if coding.eq_ignore_ascii_case(b"chunked") {
                Ok(Framing::Chunked)
            } else {
                Err(501)
            }
        }
        (None, Some(length)) => {
            let text = std::str::from_utf8(length)
                .ok()
                .filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()));
            text.and_then(|t| t.parse().ok()).map(Framing::Length).ok_or(400)
        }
        (None, None) if upgrade => Ok(Framing::Upgrade),
        (None, None) => Ok(Framing::Length(0)),
    }
}

/// Counts the frames of WebSocket messages as they pass, since tungstenite
/// joins any number of them: a message of empty fragments never reaches the
/// limit of bytes.
struct Frames {
    max: u32,
    cnt: u32,
    head: [u8; 10],
    head_cnt: usize,
    payload_left: u64,
}

impl Frames {
    fn new(max: u32) -> Self {
        Self {
            max,
            cnt: 0,
            head: [0; 10],
            head_cnt: 0,
            payload_left: 0,
        }
    }

    /// False: a message has too many frames.
    fn see(&mut self, bytes: &[u8]) -> bool {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let cnt = bytes
                    .len()
                    .min(usize::try_from(self.payload_left).unwrap_or(usize::MAX));
                self.payload_left -= cnt as u64;
                bytes = bytes.get(cnt..).unwrap_or_default();
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else { break };
            bytes = rest;
            if let Some(slot) = self.head.get_mut(self.head_cnt) {
                *slot = *byte;
            }
            self.head_cnt += 1;
            let [first, second, ..] = self.head;
            if self.head_cnt < 2 {
                continue;
            }
            let length_sz = match second & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            if self.head_cnt < 2 + length_sz {
                continue;
            }
            let length = self.head.get(2..2 + length_sz).unwrap_or_default();
            let length = length.iter().fold(0u64, |sum, b| (sum << 8) | u64::from(*b));
            let length = if length_sz == 0 {
                u64::from(second & 0x7f)
            } else {
                length
            };
            let mask_sz = if second & 0x80 == 0 { 0 } else { 4 };
            self.payload_left = length.saturating_add(mask_sz);
            self.head_cnt = 0;
            if first & 0x08 == 0 {
                // Not a control frame.  FIN ends the message.
                self.cnt += 1;
                if self.cnt > self.max {
                    return false;
                }
                if first & 0x80 != 0 {
                    self.cnt = 0;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GateLimits = GateLimits {
        uri_max: 64,
        header_bytes_max: 256,
        headers_max: 4,
        header: Duration::from_secs(5),
        idle: Duration::from_secs(60),
        send: Duration::from_secs(10),
        ws_fragments_max: 3,
    };

    fn judge(head: &str) -> Result<Framing, u16> {
        match scan(head.as_bytes(), 0) {
            Scan::Whole(sz) => {
                assert_eq!(sz, head.len());
                judge_head(head.as_bytes(), &LIMITS)
            }
            Scan::Illegal => Err(400),
            Scan::Partial(_) => Err(0),
        }
    }

    #[test]
    fn head_table() {
        let long = "x".repeat(300);
        for (head, want) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Framing::Length(0))),
            ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Ok(Framing::Length(0))),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n",
                Ok(Framing::Length(12)),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n",
                Ok(Framing::Chunked),
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
                Ok(Framing::Upgrade),
            ),
            ("GET http://a/x HTTP/1.1\r\nHost: A\r\n\r\n", Ok(Framing::Length(0))),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Framing::Length(0))),
            // hosts
            ("GET / HTTP/1.1\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Err(400)),
            ("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET http://a@b/x HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", Err(400)),
            // lines
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", Err(400)), // obs-fold
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Err(400)),
            ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Err(505)), // the second space begins the version
            ("G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Err(505)),
            // lengths
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Err(400),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
                Err(400),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                Err(400),
            ),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", Err(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", Err(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", Err(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", Err(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", Err(400)),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
                Err(400),
            ),
            (
                "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                Err(400),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                Err(501),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
                Err(400),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
                Err(501),
            ),
            // sizes
            (&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", &long[..64]), Err(414)),
            (&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), Err(431)),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nA: \r\nB: \r\nC: \r\nD: \r\n\r\n",
                Err(431),
            ),
            // partial
            ("GET / HTTP/1.1\r\nHost: a\r\n", Err(0)),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r", Err(0)),
        ] {
            assert_eq!(judge(head), want, "{head:?}");
        }
    }

    #[test]
    fn scan_resumes_at_any_split() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for cut in 0..head.len() {
            let Scan::Partial(seen) = scan(&head[..cut], 0) else {
                panic!("cut {cut}")
            };
            assert!(matches!(scan(head, seen), Scan::Whole(sz) if sz == head.len()));
        }
    }

    #[test]
    fn frames_count_at_any_split() {
        // Text frame without FIN, ping between, three continuations, the last over the limit of 3.
        let masked = |first: u8, len: u8| {
            let mut f = vec![first, 0x80 | len, 1, 2, 3, 4];
            f.extend(vec![0xff; len as usize]);
            f
        };
        let legal = [
            masked(0x01, 5),
            masked(0x89, 3),
            masked(0x00, 0),
            masked(0x80, 0),
            masked(0x82, 1),
        ]
        .concat();
        let illegal = [masked(0x01, 5), masked(0x00, 0), masked(0x00, 0), masked(0x80, 0)].concat();
        let mut long = vec![0x82, 0x80 | 126, 0x01, 0x00, 0, 0, 0, 0];
        long.extend(vec![0x01; 256]);
        long.extend([0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1]);
        let long = [long, illegal.clone()].concat();
        for (bytes, want) in [(legal, true), (illegal, false), (long, false)] {
            for step in 1..20 {
                let mut frames = Frames::new(3);
                assert_eq!(bytes.chunks(step).all(|part| frames.see(part)), want);
            }
        }
    }
}
