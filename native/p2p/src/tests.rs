use crate::{
    frame::{self, Reader},
    gate::groups,
    gossip::message_id,
    queue::{Lost, Out, Pushed, Role},
    ring::{Event, Gauge, Kind, Lane, Ring},
    shared::{Conn, Once, Proto, Urgent, end},
};
use bytes::Bytes;
use futures::{AsyncRead, task::AtomicWaker};
use libp2p::{
    PeerId, StreamProtocol,
    core::upgrade::DeniedUpgrade,
    multiaddr::Multiaddr,
    swarm::{ConnectionHandler, ConnectionHandlerEvent, ConnectionId, SubstreamProtocol, handler::ConnectionEvent},
};
use std::{
    fs::File,
    io,
    os::fd::AsFd,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicU32},
    },
    task::{Context, Poll},
    time::Duration,
};

/// xorshift: enough for choices in a test.
struct Rng(u64);

impl Rng {
    fn new() -> Self {
        let seed = std::env::var("DMG_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap();
            now.as_nanos() as u64 | 1
        });
        println!("DMG_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(Duration::from_secs(5), future).await.unwrap() })
}

#[test]
fn lengths_have_one_form() {
    for (bytes, want) in [
        (&[][..], Ok(None)),
        (&[0], Ok(Some((0, 1)))),
        (&[0x7f], Ok(Some((127, 1)))),
        (&[0x80], Ok(None)),
        (&[0x80, 1], Ok(Some((128, 2)))),
        (&[0x80, 0], Err(end::PROTOCOL)),
        (&[0xff, 0x80, 0], Err(end::PROTOCOL)),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(Some((u32::MAX as usize, 5)))),
        (&[0xff, 0xff, 0xff, 0xff, 0x10], Err(end::PROTOCOL)),
        (&[0xff, 0xff, 0xff, 0xff, 0xff], Err(end::PROTOCOL)),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 1], Err(end::PROTOCOL)),
        (&[0xff, 0xff, 0xff, 0xff], Ok(None)),
    ] {
        assert_eq!(frame::length(bytes), want, "{bytes:x?}");
    }
    let mut rng = Rng::new();
    for _ in 0..10_000 {
        let bytes: Vec<u8> = (0..rng.below(7))
            .map(|_| rng.below(256) as u8 | (rng.below(2) << 7) as u8)
            .collect();
        // Whatever is accepted is what we would write.
        if let Ok(Some((value, used))) = frame::length(&bytes) {
            let mut again = Vec::new();
            if value < 1 << 20 {
                frame::put(&mut again, &vec![0; value]);
                assert_eq!(again[..used], bytes[..used], "{bytes:x?}");
            }
        }
    }
}

/// Bytes in pieces of any size, now and then not ready.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    rng: Rng,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.rng.below(3) == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let most = 1 + if self.rng.below(2) == 0 { 3 } else { 70_000 };
        let n = (self.bytes.len() - self.at)
            .min(buf.len())
            .min(1 + self.rng.below(most));
        buf[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Poll::Ready(Ok(n))
    }
}

#[test]
fn frames_survive_any_cut() {
    let mut rng = Rng::new();
    for _ in 0..200 {
        let frames: Vec<Vec<u8>> = (0..rng.below(20))
            .map(|_| {
                let sz = [0, 1, 127, 128, 16_383, 16_384, 40_000][rng.below(7)];
                (0..sz).map(|_| rng.below(256) as u8).collect()
            })
            .collect();
        let is_chunked = rng.below(2) == 0;
        let mut bytes = Vec::new();
        for (idx, one) in frames.iter().enumerate() {
            if is_chunked {
                bytes.push(idx as u8);
            }
            frame::put(&mut bytes, one);
        }
        let cut = if rng.below(3) == 0 {
            rng.below(bytes.len() + 1)
        } else {
            bytes.len()
        };
        bytes.truncate(cut);
        let gauge = Arc::new(Gauge::default());
        let pieces = Pieces {
            bytes: bytes.clone(),
            at: 0,
            rng: Rng(rng.0),
        };
        let mut reader = Reader::new(pieces, &gauge);
        let mut whole = Vec::new();
        let stopped = run(async {
            let mut idx = 0;
            loop {
                let next = if is_chunked {
                    let next = reader.chunk(40_000).await;
                    next.map(|(code, body)| {
                        assert_eq!(usize::from(code), idx);
                        body
                    })
                } else {
                    reader.frame(40_000).await
                };
                match next {
                    Ok(body) => {
                        assert_eq!(body[..], frames[idx][..]);
                        if is_chunked {
                            whole.push(idx as u8);
                        }
                        frame::put(&mut whole, &body);
                        idx += 1;
                    }
                    Err(stopped) => return stopped,
                }
            }
        });
        // A clean end is an end between frames.
        assert_eq!(stopped.is_none(), whole.len() == bytes.len());
        assert!(bytes.starts_with(&whole));
        drop(reader);
        assert_eq!(gauge.get(), 0);
    }
}

#[test]
fn frames_above_the_limit_are_refused_by_their_length() {
    let gauge = Arc::new(Gauge::default());
    for (sz, is_taken) in [(100, true), (101, false), (u32::MAX as usize, false)] {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, &vec![7; sz.min(101)]);
        if sz > 101 {
            bytes = vec![0xff, 0xff, 0xff, 0xff, 0x0f, 7, 7];
        }
        let mut reader = Reader::new(&bytes[..], &gauge);
        let frame = run(reader.frame(100));
        assert_eq!(frame.is_ok(), is_taken);
        assert!(is_taken || frame == Err(Some(end::TOO_BIG)));
    }
}

fn conn() -> Arc<Conn> {
    let memory = Arc::new(Gauge::default());
    Arc::new(Conn {
        id: 1,
        cid: ConnectionId::new_unchecked(1),
        peer: PeerId::random(),
        is_inbound: false,
        addr: Multiaddr::empty(),
        gauge: Arc::new(Gauge::under(&memory)),
        mux: None,
        urgent: Urgent::default(),
        ended: Once::default(),
        opens: Mutex::default(),
        waker: AtomicWaker::new(),
        ins: vec![],
        outs: vec![],
        streams: AtomicU32::new(0),
        is_vip: false,
        streams_max: 8,
        offended: Mutex::new(None),
        closing: AtomicU16::new(0),
        pings_missed: AtomicU32::new(0),
    })
}

fn out(conn: &Arc<Conn>, class: u8, role: Role, queue_max: usize) -> Arc<Out> {
    let proto = Proto {
        id: StreamProtocol::new("/t"),
        class,
        is_notify: true,
        in_max: 1,
        out_max: 1,
        frame_max: 1000,
        request_max: 1000,
        queue_max,
        first: Duration::from_secs(1),
        next: Duration::from_secs(1),
        frames_per_s: 0,
        frames_burst: 0,
    };
    Out::new(role, conn, 0, &proto)
}

/// Room for four frames of 36 bytes with their overhead of 64.
fn push(out: &Arc<Out>, rank: u64, key: u32, name: u8) -> (Pushed, u64, u64) {
    let mut lost = Lost::default();
    let pushed = out.push(rank, key, Bytes::from(vec![name; 36]), false, &mut lost);
    (pushed, lost.dropped, lost.replaced)
}

fn left(out: &Arc<Out>) -> String {
    let mut buf = Vec::new();
    while let Some(Some(_)) = futures::FutureExt::now_or_never(out.take(&mut buf, usize::MAX)) {}
    buf.chunks(37).map(|frame| char::from(frame[1])).collect()
}

#[test]
fn class_1_drops_lowest_rank_then_oldest() {
    for class in [1, 2] {
        let conn = conn();
        let out = out(&conn, class, Role::NotifyOut, 400);
        for (rank, name) in [(5, b'a'), (3, b'b'), (9, b'c'), (3, b'd')] {
            assert_eq!(push(&out, rank, 0, name), (Pushed::Queued, 0, 0));
        }
        assert_eq!(push(&out, 2, 0, b'e'), (Pushed::Full, 0, 0), "lower than all");
        assert_eq!(
            push(&out, 3, 0, b'f'),
            (Pushed::Queued, 1, 0),
            "b, the older of the lowest"
        );
        assert_eq!(push(&out, 7, 0, b'g'), (Pushed::Queued, 1, 0), "d");
        let mut lost = Lost::default();
        let large = Bytes::from(vec![b'h'; 136]);
        // Two must go; f alone is not enough below rank 4, so nothing goes.
        assert_eq!(out.push(4, 0, large, false, &mut lost), Pushed::Full);
        assert_eq!(lost, Lost::default());
        assert_eq!(left(&out), "acfg");
        assert_eq!((conn.gauge.get(), conn.urgent.get()), (0, 0));
    }
}

#[test]
fn class_3_drops_the_oldest_and_class_4_waits() {
    let conn = conn();
    let three = out(&conn, 3, Role::NotifyOut, 400);
    for name in *b"abcdef" {
        push(&three, 0, 0, name);
    }
    assert_eq!(left(&three), "cdef");
    for (class, role) in [(4, Role::NotifyOut), (1, Role::Reply)] {
        let four = out(&conn, class, role, 400);
        for name in *b"abcd" {
            assert_eq!(push(&four, 0, 0, name).0, Pushed::Queued);
        }
        assert!(!four.has_room());
        assert_eq!(push(&four, u64::MAX, 0, b'e').0, Pushed::Full);
        assert!(!four.has_room(), "still full");
        let mut buf = Vec::new();
        drop(run(four.take(&mut buf, usize::MAX)));
        assert!(four.has_room());
        assert!(!four.has_room(), "told once");
    }
}

#[test]
fn a_newer_frame_replaces_one_of_its_key() {
    let conn = conn();
    let out = out(&conn, 1, Role::NotifyOut, 400);
    push(&out, u64::MAX, 1, b'h');
    push(&out, 4, 0, b'v');
    assert_eq!(push(&out, u64::MAX, 1, b'H'), (Pushed::Queued, 0, 1));
    assert_eq!(push(&out, u64::MAX, 2, b'F'), (Pushed::Queued, 0, 0));
    assert_eq!(out.drop_below(5), 1);
    assert_eq!(left(&out), "HF");
    // Sent: there is nothing left to replace.
    assert_eq!(push(&out, u64::MAX, 1, b'i'), (Pushed::Queued, 0, 0));
    assert!(conn.urgent.get() > 0);
    out.close();
    assert_eq!((conn.gauge.get(), conn.urgent.get()), (0, 0));
    assert_eq!(push(&out, 1, 0, b'x').0, Pushed::Gone);
}

#[test]
fn what_is_charged_is_discharged_in_any_order() {
    let mut rng = Rng::new();
    for class in 1..=4 {
        let conn = conn();
        let out = out(&conn, class, Role::NotifyOut, 5000);
        for _ in 0..5000 {
            match rng.below(8) {
                0 => drop(futures::FutureExt::now_or_never(
                    out.take(&mut Vec::new(), rng.below(4000)),
                )),
                1 => drop(out.drop_below(rng.below(10) as u64)),
                _ => {
                    let bytes = Bytes::from(vec![0; rng.below(2000)]);
                    out.push(
                        rng.below(10) as u64,
                        rng.below(4) as u32,
                        bytes,
                        false,
                        &mut Lost::default(),
                    );
                }
            }
            assert!(conn.gauge.get() <= 5000 + 2064);
        }
        out.close();
        assert_eq!((conn.gauge.get(), conn.urgent.get()), (0, 0));
    }
}

fn ring(max: u32) -> Arc<Ring> {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    Ring::new(max, File::from(writer.as_fd().try_clone_to_owned().unwrap()))
}

fn names(ring: &Ring, max: usize) -> Vec<u64> {
    let mut events = Vec::new();
    ring.poll(&mut events, max);
    events.iter().map(|event| event.id).collect()
}

fn event(id: u64) -> Event {
    Event {
        id,
        ..Event::new(Kind::Notify)
    }
}

#[test]
fn lanes_take_turns_and_control_goes_first() {
    let ring = ring(1 << 20);
    let gauge = Arc::new(Gauge::default());
    let (a, b) = (Lane::new(1 << 20, &gauge), Lane::new(1 << 20, &gauge));
    for id in 0..20 {
        ring.push_lane(&a, event(id));
    }
    ring.push_lane(&b, event(100));
    ring.push_control(event(200));
    assert_eq!(names(&ring, 4), [200, 0, 1, 2]);
    assert_eq!(
        names(&ring, 100)[..],
        [100, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    );
    assert_eq!(names(&ring, 100), []);
}

#[test]
fn room_is_given_back_by_release_only() {
    let ring = ring(4096);
    let gauge = Arc::new(Gauge::default());
    let (greedy, other) = (Lane::new(2048, &gauge), Lane::new(2048, &gauge));
    let mut held = Vec::new();
    while let Some(credit) = ring.try_reserve(&greedy, 128) {
        held.push(Event {
            credit: Some(credit),
            ..event(held.len() as u64)
        });
    }
    assert_eq!(held.len(), 8, "a lane has its own bound");
    assert!(ring.try_reserve(&other, 128).is_some(), "and leaves room to others");
    let cnt = held.len();
    for one in held {
        ring.push_lane(&greedy, one);
    }
    let mut polled = Vec::new();
    ring.poll(&mut polled, 100);
    assert_eq!(polled.len(), cnt);
    assert!(ring.try_reserve(&greedy, 128).is_none(), "polled is not released");
    polled.pop();
    run(ring.reserve(&greedy, 128)).unwrap();
    drop(polled);
    assert_eq!(gauge.get(), 0);
    // Larger than all there is: it waits for all.
    drop(run(ring.reserve(&greedy, 1 << 30)).unwrap());
    assert_eq!(gauge.get(), 0);
}

#[test]
fn message_ids_are_those_of_the_vector() {
    // python3: hashlib.sha256(b'prefix' + bytes([5]) + b'block' + b'data').hexdigest()[:40]
    let id = message_id(b"prefix", "block", b"data");
    let text: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text, "79f5e4f7fe88ad8d254b328387c3abaae821d836");
}

#[test]
fn addresses_fall_into_their_groups() {
    let of = |text: &str| groups(&text.parse().unwrap()).unwrap();
    let (a, b, c) = (
        of("/ip4/10.1.2.3/tcp/1"),
        of("/ip4/10.1.2.4/udp/2/quic-v1"),
        of("/ip4/10.1.3.3/tcp/1"),
    );
    assert!(a.host != b.host && a.net == b.net && a.rate == b.rate && a.net != c.net);
    assert_eq!(a, of("/ip6/::ffff:10.1.2.3/tcp/9"));
    let (a, b) = (
        of("/ip6/2001:db8:1:2ff::1/tcp/1"),
        of("/ip6/2001:db8:1:2ff:ffff::9/tcp/1"),
    );
    assert!(a.host == b.host && a.net == b.net && a.rate == b.rate);
    let c = of("/ip6/2001:db8:1:200::1/tcp/1");
    assert!(a.host != c.host && a.rate == c.rate && a.net == c.net);
    let d = of("/ip6/2001:db8:1:300::1/tcp/1");
    assert!(a.rate != d.rate && a.net == d.net);
    assert_ne!(a.net, of("/ip6/2001:db8:2::1/tcp/1").net);
    assert!(groups(&"/dns4/a.b/tcp/1".parse().unwrap()).is_none());
}

/// Panics when it is dropped.
struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn a_panic_is_the_end_of_its_task_only() {
    let peer = PeerId::random();
    let task = async {
        let _held = Bad;
        tokio::task::yield_now().await;
        panic!("in the middle")
    };
    assert!(
        run(crate::muxer::Contained::<_>::new(task, peer, "/t"))
            .is_none_or(|never: std::convert::Infallible| match never {})
    );
    assert_eq!(run(crate::muxer::Contained::new(async { 7 }, peer, "/t")), Some(7));
    assert!(crate::muxer::contain("a drop", Some(peer), || drop(Bad)).is_none());
    assert!(!crate::muxer::contained("outside"));
    assert_eq!(
        crate::muxer::contain("inside", None, || crate::muxer::contained("inside")),
        Some(true)
    );
}

/// A muxer whose every call panics.
struct BadMuxer;

impl libp2p::core::muxing::StreamMuxer for BadMuxer {
    type Substream = futures::io::Cursor<Vec<u8>>;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        panic!("inbound")
    }

    fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        panic!("outbound")
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("close")
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<libp2p::core::muxing::StreamMuxerEvent>> {
        panic!("poll")
    }
}

#[test]
fn a_panic_of_a_muxer_or_handshake_is_an_error_of_its_connection() {
    use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt};
    let peer = PeerId::random();
    let link = run(crate::muxer::caught(async move {
        Ok((peer, StreamMuxerBox::new(BadMuxer)))
    }));
    let (_, mut muxer) = link.unwrap();
    let error = run(std::future::poll_fn(|cx| muxer.poll_inbound_unpin(cx)))
        .err()
        .unwrap();
    assert!(crate::muxer::is_panic(&error.to_string()));
    assert!(run(std::future::poll_fn(|cx| muxer.poll_unpin(cx))).is_err());
    let error = run(crate::muxer::caught(async { panic!("handshake") })).err().unwrap();
    assert!(crate::muxer::is_panic(&error.to_string()));
}

/// A handler that panics at its first poll.
struct BadHandler;

impl ConnectionHandler for BadHandler {
    type FromBehaviour = ();
    type ToBehaviour = ();
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), ()>> {
        panic!("poll")
    }

    fn on_behaviour_event(&mut self, (): ()) {
        panic!("told something after it had panicked")
    }

    fn on_connection_event(&mut self, _: ConnectionEvent<'_, DeniedUpgrade, DeniedUpgrade>) {}
}

#[test]
fn a_panic_of_a_handler_is_told_once_and_nothing_of_it_runs_again() {
    let mut handler = crate::guard::Handler::new(BadHandler, PeerId::random());
    let waker = futures::task::noop_waker();
    let mut cx = Context::from_waker(&waker);
    let told = handler.poll(&mut cx);
    assert!(matches!(
        told,
        Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(crate::guard::Out::Broken))
    ));
    assert!(handler.poll(&mut cx).is_pending());
    handler.on_behaviour_event(());
    assert!(handler.poll_close(&mut cx).is_ready());
}

/// A foreign peer's side of yamux: what it says, in these bytes, and then nothing; what it is told is forgotten.
struct Foreign(io::Cursor<Vec<u8>>);

impl AsyncRead for Foreign {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match io::Read::read(&mut self.0, buf)? {
            0 => Poll::Pending,
            n => Poll::Ready(Ok(n)),
        }
    }
}

impl futures::AsyncWrite for Foreign {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A data frame that names a length, and so many bytes of it.
fn data(stream: u32, is_first: bool, length: u32, sent: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, u8::from(is_first)];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.resize(12 + sent, 7);
    bytes
}

/// Takes all that the peer says and reads none of its streams: how the connection ended, "" if it lives; what is held of it.
fn said(bytes: Vec<u8>) -> (String, usize) {
    use libp2p::core::muxing::StreamMuxerExt;
    let limits = crate::shared::MuxLimits {
        streams: 16,
        window: 4 << 20,
        opens_per_s: 100,
    };
    let memory = Arc::new(Gauge::default());
    let stat = Arc::new(crate::muxer::MuxStat::new(limits, true, &memory));
    let mut muxer = crate::muxer::Muxer::new(Foreign(io::Cursor::new(bytes)), yamux::Mode::Server, stat);
    let mut streams = vec![];
    let waker = futures::task::noop_waker();
    let mut cx = Context::from_waker(&waker);
    let mut ended = String::new();
    for _ in 0..1000 {
        match muxer.poll_inbound_unpin(&mut cx) {
            Poll::Ready(Ok(stream)) => streams.push(stream),
            Poll::Ready(Err(error)) => ended = error.to_string(),
            Poll::Pending => {}
        }
        if !ended.is_empty() {
            assert!(crate::muxer::is_limit(&ended), "{ended}");
            break;
        }
    }
    (ended, memory.get())
}

#[test]
fn a_frame_of_yamux_above_256_kib_ends_the_connection_by_its_head() {
    // Not a byte of it need come: yamux would set memory aside for all of it.
    for (length, sent) in [(1 << 20, 0), ((256 << 10) + 1, 0), (u32::MAX, 0), (1 << 20, 1 << 20)] {
        let (ended, held) = said(data(1, true, length, sent));
        assert!(ended.ends_with(&format!("a frame of {length} bytes")), "{ended}");
        assert_eq!(held, 0);
    }
    // Behind good ones, and on a stream that nobody opened, too.
    let mut bytes = data(1, true, 1000, 1000);
    bytes.extend(data(99, false, 1 << 20, 0));
    assert!(said(bytes).0.ends_with("a frame of 1048576 bytes"));
    for sent in [0, 256 << 10] {
        assert_eq!(said(data(1, true, 256 << 10, sent)), (String::new(), sent));
    }
}

#[test]
fn bytes_beyond_all_credit_end_the_connection() {
    // 16 streams with 256 KiB of credit each: all of it may wait here, unread; one byte more may not.
    let mut bytes = vec![];
    for stream in (1..32).step_by(2) {
        for part in 0..4 {
            bytes.extend(data(stream, part == 0, 64 << 10, 64 << 10));
        }
    }
    assert_eq!(said(bytes.clone()), (String::new(), 4 << 20));
    bytes.extend(data(31, false, 1, 1));
    assert!(said(bytes).0.ends_with("more bytes than its credit"));
    // On one stream: yamux drops what is above that stream's credit and goes on reading.
    let mut bytes = data(1, true, 64 << 10, 64 << 10);
    for _ in 0..64 {
        bytes.extend(data(1, false, 64 << 10, 64 << 10));
    }
    let (ended, held) = said(bytes);
    assert!(ended.ends_with("more bytes than its credit"), "{ended}");
    assert!(held <= (4 << 20) + (64 << 10));
}
