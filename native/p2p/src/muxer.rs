//! Under the swarm: yamux with our limits and a count of what nobody has read yet (N6.2); panics kept inside
//! their connection (N2.8).

use crate::{
    ring::{Gauge, lock},
    shared::{MuxLimits, Shared},
};
use futures::{AsyncRead, AsyncWrite, FutureExt};
use libp2p::{
    PeerId,
    core::{
        Multiaddr,
        muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox},
        transport::{Boxed, DialOpts, ListenerId, Transport, TransportError, TransportEvent},
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
    },
};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    future::{Ready, ready},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker, ready as try_ready},
    time::{Duration, Instant},
};

const LIMIT_TEXT: &str = "limit of the multiplexer: ";
const PANIC_TEXT: &str = "panic in ";
const CLOSED_TEXT: &str = "closed by";

pub fn is_limit(cause: &str) -> bool {
    cause.contains(LIMIT_TEXT)
}

/// By the peer itself; QUIC's text is quinn's.
pub fn is_closed(cause: &str) -> bool {
    cause.contains(CLOSED_TEXT)
}

pub fn is_panic(cause: &str) -> bool {
    cause.contains(PANIC_TEXT)
}

// ---- panics ----

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Is this thread inside code whose panic ends a connection only?  The panic hook asks, and leaves its text.
pub fn contained(text: &str) -> bool {
    let is_inside = DEPTH.get() > 0;
    if is_inside {
        LAST.with_borrow_mut(|last| text.clone_into(last));
    }
    is_inside
}

/// Runs code whose panic ends a connection only; None after one.
pub fn contain<T>(what: &str, peer: Option<PeerId>, code: impl FnOnce() -> T) -> Option<T> {
    DEPTH.set(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(code));
    DEPTH.set(DEPTH.get() - 1);
    result
        .map_err(|payload: Box<dyn Any + Send>| {
            // Its drop could panic once more.
            std::mem::forget(payload);
            let text = LAST.take();
            let peer = peer.map_or(String::new(), |peer| peer.to_string());
            tracing::error!(peer, "panic in {what}: {text}");
        })
        .ok()
}

/// A future whose panic is its end: None.
pub struct Contained<F> {
    future: Option<Pin<Box<F>>>,
    peer: Option<PeerId>,
    what: String,
}

impl<F: Future> Contained<F> {
    pub fn new(future: F, peer: PeerId, what: &str) -> Self {
        Self {
            future: Some(Box::pin(future)),
            peer: Some(peer),
            what: what.into(),
        }
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(future) = &mut this.future else {
            return Poll::Ready(None);
        };
        match contain(&this.what, this.peer, || future.as_mut().poll(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(output)) => Poll::Ready(Some(output)),
            None => {
                // What it holds is let go of here, where a second panic is caught as well.
                contain(&this.what, this.peer, || this.future = None);
                Poll::Ready(None)
            }
        }
    }
}

fn panicked(what: &str) -> io::Error {
    io::Error::other(format!("{PANIC_TEXT}{what}"))
}

/// A muxer whose panic is an error of its connection.
struct CaughtMuxer(StreamMuxerBox);

impl CaughtMuxer {
    fn call<T>(&mut self, code: impl FnOnce(Pin<&mut StreamMuxerBox>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        contain("the muxer", None, || code(Pin::new(&mut self.0)))
            .unwrap_or_else(|| Poll::Ready(Err(panicked("the muxer"))))
    }
}

impl StreamMuxer for CaughtMuxer {
    type Substream = SubstreamBox;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<SubstreamBox>> {
        self.call(|muxer| muxer.poll_inbound(cx))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<SubstreamBox>> {
        self.call(|muxer| muxer.poll_outbound(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.call(|muxer| muxer.poll_close(cx))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        self.call(|muxer| muxer.poll(cx))
    }
}

type Link = (PeerId, StreamMuxerBox);

/// The whole transport: panics of a handshake or a muxer are errors of their connection.
pub struct Caught(pub Boxed<Link>);

type Setup = Pin<Box<dyn Future<Output = io::Result<Link>> + Send>>;

pub fn caught(setup: impl Future<Output = io::Result<Link>> + Send + 'static) -> Setup {
    let contained = Contained {
        future: Some(Box::pin(setup)),
        peer: None,
        what: "a handshake".into(),
    };
    contained
        .map(|link| {
            let (peer, muxer) = link.unwrap_or_else(|| Err(panicked("a handshake")))?;
            Ok((peer, StreamMuxerBox::new(CaughtMuxer(muxer))))
        })
        .boxed()
}

impl Transport for Caught {
    type Output = Link;
    type Error = io::Error;
    type ListenerUpgrade = Setup;
    type Dial = Setup;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.0.listen_on(id, addr)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.0.remove_listener(id)
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<Setup, TransportError<io::Error>> {
        self.0.dial(addr, opts).map(caught)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Setup, io::Error>> {
        Pin::new(&mut self.0).poll(cx).map(|event| event.map_upgrade(caught))
    }
}

// ---- yamux ----

/// What one connection's multiplexer has been given and not yet asked for.
#[derive(Debug)]
pub struct MuxStat {
    pub is_inbound: bool,
    pub limits: MuxLimits,
    unread: AtomicUsize,
    /// Each living stream.
    streams: Mutex<HashMap<u32, Waiting>>,
    memory: Arc<Gauge>,
    is_dead: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    is_reset: bool,
}

impl MuxStat {
    pub fn new(limits: MuxLimits, is_inbound: bool, memory: &Arc<Gauge>) -> Self {
        Self {
            is_inbound,
            limits,
            unread: AtomicUsize::new(0),
            streams: Mutex::default(),
            memory: memory.clone(),
            is_dead: AtomicBool::new(false),
        }
    }

    pub fn unread(&self) -> usize {
        self.unread.load(Ordering::Relaxed)
    }

    fn arrived(&self, stream: u32, n: usize) {
        if let Some(waiting) = lock(&self.streams).get_mut(&stream) {
            waiting.bytes += n;
            self.unread.fetch_add(n, Ordering::Relaxed);
            self.memory.add(n);
        }
    }

    fn read(&self, stream: u32, n: usize) {
        if let Some(waiting) = lock(&self.streams).get_mut(&stream) {
            let n = n.min(waiting.bytes);
            waiting.bytes -= n;
            self.unread.fetch_sub(n, Ordering::Relaxed);
            self.memory.sub(n);
        }
    }

    fn opened(&self, stream: u32) -> usize {
        let mut streams = lock(&self.streams);
        streams.entry(stream).or_default();
        streams.len()
    }

    fn ended(&self, stream: u32) {
        if let Some(waiting) = lock(&self.streams).remove(&stream) {
            self.unread.fetch_sub(waiting.bytes, Ordering::Relaxed);
            self.memory.sub(waiting.bytes);
        }
    }

    fn reset(&self, stream: u32) {
        if let Some(waiting) = lock(&self.streams).get_mut(&stream) {
            waiting.is_reset = true;
        }
    }

    /// yamux shows a FIN, a reset and the end of the connection alike: this tells them apart.
    fn is_whole(&self, stream: u32) -> bool {
        !self.is_dead.load(Ordering::Relaxed) && !lock(&self.streams).get(&stream).is_some_and(|one| one.is_reset)
    }

    fn die(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }
}

impl Drop for MuxStat {
    fn drop(&mut self) {
        self.memory.sub(self.unread());
    }
}

/// The upgrade that makes a yamux muxer for an authenticated peer.
#[derive(Clone)]
pub struct Yamux {
    pub shared: Arc<Shared>,
    pub peer: PeerId,
    pub is_inbound: bool,
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/yamux/1.0.0")
    }
}

impl Yamux {
    fn muxer<C: AsyncRead + AsyncWrite + Unpin>(self, io: C, mode: yamux::Mode) -> Muxer<C> {
        let limits = self.shared.mux_limits(&self.peer, self.is_inbound);
        let stat = Arc::new(MuxStat::new(limits, self.is_inbound, &self.shared.memory));
        let mut muxes = lock(&self.shared.muxes);
        let waiting = muxes.entry(self.peer).or_default();
        // Of handshakes that led to nothing.
        waiting.retain(|stat| Arc::strong_count(stat) > 1);
        waiting.push(stat.clone());
        drop(muxes);
        Muxer::new(io, mode, stat)
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(self.muxer(io, yamux::Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(self.muxer(io, yamux::Mode::Client)))
    }
}

pub struct Muxer<C> {
    yamux: yamux::Connection<Metered<C>>,
    arrived: VecDeque<Substream>,
    waker: Option<Waker>,
    stat: Arc<MuxStat>,
}

impl<C> Drop for Muxer<C> {
    fn drop(&mut self) {
        self.stat.die();
    }
}

fn broken(error: yamux::ConnectionError) -> io::Error {
    match error {
        yamux::ConnectionError::Io(error) => error,
        other => io::Error::other(other),
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    pub fn new(io: C, mode: yamux::Mode, stat: Arc<MuxStat>) -> Self {
        let limits = stat.limits;
        let mut config = yamux::Config::default();
        // In this order: yamux asserts 256 KiB of window a stream at each step; the settings were checked at start.
        config.set_max_num_streams(limits.streams as usize);
        config.set_max_connection_receive_window(Some(limits.window as usize));
        Self {
            yamux: yamux::Connection::new(Metered::new(io, stat.clone()), config, mode),
            arrived: VecDeque::new(),
            waker: None,
            stat,
        }
    }

    fn substream(&self, stream: yamux::Stream) -> Substream {
        self.stat.opened(stream.id().val());
        Substream {
            id: stream.id().val(),
            stream,
            stat: self.stat.clone(),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Substream>> {
        let next = try_ready!(self.yamux.poll_next_inbound(cx));
        if let Some(Ok(stream)) = next {
            return Poll::Ready(Ok(self.substream(stream)));
        }
        self.stat.die();
        let closed = || io::Error::other(format!("{CLOSED_TEXT} the peer"));
        Poll::Ready(Err(next.and_then(Result::err).map_or_else(closed, broken)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> StreamMuxer for Muxer<C> {
    type Substream = Substream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream>> {
        if let Some(stream) = self.arrived.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let next = self.poll_next(cx);
        if next.is_pending() {
            self.waker = Some(cx.waker().clone());
        }
        next
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream>> {
        let stream = try_ready!(self.yamux.poll_new_outbound(cx)).map_err(broken)?;
        Poll::Ready(Ok(self.substream(stream)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stat.die();
        self.yamux.poll_close(cx).map_err(broken)
    }

    /// Drives the connection; streams that arrive meanwhile wait, as many as the limit of streams allows.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let stream = try_ready!(self.poll_next(cx))?;
        self.arrived.push_back(stream);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        // Others have their turn before the next one.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pub struct Substream {
    id: u32,
    stream: yamux::Stream,
    stat: Arc<MuxStat>,
}

impl Drop for Substream {
    fn drop(&mut self) {
        self.stat.ended(self.id);
    }
}

impl AsyncRead for Substream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let n = try_ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if n == 0 && !buf.is_empty() && !self.stat.is_whole(self.id) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.stat.read(self.id, n);
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Substream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// The bytes under yamux: follows its frames, counts what streams are sent, ends the connection past a limit.
///
/// ```text
/// version u8 | type u8 | flags u16 | stream u32 | length u32     big-endian; a body of that length if type is 0
/// ```
pub struct Metered<C> {
    io: C,
    stat: Arc<MuxStat>,
    head: [u8; HEAD],
    head_sz: usize,
    stream: u32,
    body_left: usize,
    opens: u32,
    opens_since: Instant,
}

const HEAD: usize = 12;
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 1;
const SYN: u8 = 1;
const RST: u8 = 8;

impl<C> Metered<C> {
    fn new(io: C, stat: Arc<MuxStat>) -> Self {
        Self {
            io,
            stat,
            head: [0; HEAD],
            head_sz: 0,
            stream: 0,
            body_left: 0,
            opens: 0,
            opens_since: Instant::now(),
        }
    }

    fn opened(&mut self, stream: u32) -> io::Result<()> {
        let limits = self.stat.limits;
        if self.stat.opened(stream) > limits.streams as usize {
            return Err(io::Error::other(format!(
                "{LIMIT_TEXT}more than {} streams",
                limits.streams
            )));
        }
        let now = Instant::now();
        if now.duration_since(self.opens_since) >= Duration::from_secs(1) {
            self.opens_since = now;
            self.opens = 0;
        }
        self.opens += 1;
        if self.opens > limits.opens_per_s {
            return Err(io::Error::other(format!(
                "{LIMIT_TEXT}more than {} streams opened in a second",
                limits.opens_per_s
            )));
        }
        Ok(())
    }

    fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.body_left > 0 {
                let n = self.body_left.min(bytes.len());
                self.stat.arrived(self.stream, n);
                // More than it has credit for: yamux says so to the peer and keeps the connection.
                if self.stat.unread() > self.stat.limits.window as usize {
                    return Err(io::Error::other(format!("{LIMIT_TEXT}more bytes than its credit")));
                }
                self.body_left -= n;
                bytes = bytes.get(n..).unwrap_or_default();
                continue;
            }
            let n = (HEAD - self.head_sz).min(bytes.len());
            let (part, rest) = bytes.split_at_checked(n).unwrap_or_default();
            if let Some(room) = self.head.get_mut(self.head_sz..self.head_sz + n) {
                room.copy_from_slice(part);
            }
            self.head_sz += n;
            bytes = rest;
            if self.head_sz == HEAD {
                self.head_sz = 0;
                let [_, kind, _, flags, s0, s1, s2, s3, l0, l1, l2, l3] = self.head;
                self.stream = u32::from_be_bytes([s0, s1, s2, s3]);
                if kind == DATA {
                    self.body_left = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
                    if self.body_left > self.stat.limits.frame_max() {
                        return Err(io::Error::other(format!(
                            "{LIMIT_TEXT}a frame of {} bytes",
                            self.body_left
                        )));
                    }
                }
                let is_stream = kind == DATA || kind == WINDOW_UPDATE;
                if is_stream && flags & SYN != 0 {
                    self.opened(self.stream)?;
                }
                if is_stream && flags & RST != 0 {
                    self.stat.reset(self.stream);
                }
            }
        }
        Ok(())
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Metered<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = try_ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        let read = read.and_then(|n| self.follow(buf.get(..n).unwrap_or_default()).map(|()| n));
        // The streams see their end before the swarm does.
        if !matches!(read, Ok(1..)) {
            self.stat.die();
        }
        Poll::Ready(read)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Metered<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}
