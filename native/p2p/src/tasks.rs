//! One task a stream (N4.2): frames in to a lane of the ring, frames out from the queue.

use crate::{
    frame::{Reader, Stopped},
    queue::{Out, Role},
    ring::{Event, Kind, Lane, Ring},
    shared::{Conn, End, Proto, Shared, count, end},
    streams::{Open, Slot, begin},
};
use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::swarm::Stream;
use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// yamux's largest frame: a writer gives way to class 1 after each (N2.2).
const PIECE: usize = 16 << 10;

/// The code byte of a chunk that never follows.
const CUT: u8 = 2;

/// A bucket of frames; a reader waits for it to fill, nothing is lost (N8.2).
struct Bucket {
    per_s: f64,
    max: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    fn new(proto: &Proto) -> Option<Self> {
        (proto.frames_per_s > 0).then(|| Self {
            per_s: f64::from(proto.frames_per_s),
            max: f64::from(proto.frames_burst.max(1)),
            level: f64::from(proto.frames_burst.max(1)),
            at: Instant::now(),
        })
    }

    async fn take(&mut self) {
        let now = Instant::now();
        self.level = (self.level + now.duration_since(self.at).as_secs_f64() * self.per_s).min(self.max) - 1.0;
        self.at = now;
        if self.level < 0.0 {
            sleep(Duration::from_secs_f64(-self.level / self.per_s)).await;
        }
    }
}

/// What a stream's events go through.
struct Up {
    shared: Arc<Shared>,
    ring: Arc<Ring>,
    lane: Arc<Lane>,
    conn: Arc<Conn>,
    proto: u16,
    id: u64,
}

impl Up {
    /// Waits for room, so that a reader behind this stops reading and the window stops the sender.
    async fn push(&self, kind: Kind, code: u16, data: Bytes) -> Result<(), Stopped> {
        count(&self.shared.counters.frames_in, 1);
        count(&self.shared.counters.frame_bytes_in, data.len() as u64);
        let credit = self.ring.reserve(&self.lane, data.len()).await.ok_or(Some(end::GONE))?;
        let event = Event {
            proto: self.proto,
            code,
            conn: self.conn.id,
            id: self.id,
            peer: Some(self.conn.peer),
            data,
            credit: Some(credit),
            ..Event::new(kind)
        };
        self.ring.push_lane(&self.lane, event);
        self.shared.memory_below_max().await;
        Ok(())
    }
}

fn up(shared: &Arc<Shared>, end: &End, lane: &Arc<Lane>, conn: &Arc<Conn>) -> Up {
    Up {
        shared: shared.clone(),
        ring: end.ring.clone(),
        lane: lane.clone(),
        conn: conn.clone(),
        proto: end.proto,
        id: end.id,
    }
}

fn code_of(stopped: Stopped) -> u16 {
    stopped.unwrap_or(end::OK)
}

async fn within<T>(limit: Duration, what: impl Future<Output = Result<T, Stopped>>) -> Result<T, Stopped> {
    timeout(limit, what).await.unwrap_or(Err(Some(end::TIMEOUT)))
}

/// Writes bytes in pieces; all but class 1 let the urgent ones of their connection pass before each, class 4 goes no faster than all of it may.
/// `is_cut` is true while part of the bytes has been taken.
async fn write<W: AsyncWrite + Unpin>(
    shared: &Shared,
    w: &mut W,
    out: &Out,
    bytes: &[u8],
    stall: Option<Duration>,
    is_cut: &AtomicBool,
) -> io::Result<()> {
    for (idx, piece) in bytes.chunks(PIECE).enumerate() {
        if out.is_class(4) {
            shared.bulk_turn(piece.len()).await;
        }
        if !out.is_class(1) {
            out.conn.urgent.passed().await;
        }
        let is_last = (idx + 1) * PIECE >= bytes.len();
        let sent = async {
            let mut rest = piece;
            while !rest.is_empty() {
                let n = w.write(rest).await?;
                rest = rest.get(n..).unwrap_or_default();
                is_cut.store(!(is_last && rest.is_empty()), Ordering::Relaxed);
                if n == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
            w.flush().await
        };
        match stall {
            Some(stall) => timeout(stall, sent).await.map_err(io::Error::other)??,
            None => sent.await?,
        }
    }
    Ok(())
}

/// Sends what C queues, until the last one.
async fn send<W: AsyncWrite + Unpin>(
    shared: &Shared,
    w: &mut W,
    out: &Arc<Out>,
    id: u64,
    stall: Option<Duration>,
    is_cut: &AtomicBool,
) -> io::Result<()> {
    let mut buf = Vec::new();
    // Chunks of an answer one by one, so that a cut between two is known as such.
    let batch = if out.role == Role::Reply { 0 } else { PIECE };
    loop {
        let taken = out.take(&mut buf, batch);
        let taken = match stall {
            Some(stall) => timeout(stall, taken).await.map_err(io::Error::other)?,
            None => taken.await,
        };
        let Some(taken) = taken else { return Ok(()) };
        write(shared, w, out, &buf, stall, is_cut).await?;
        count(&shared.counters.frames_out, taken.cnt);
        count(&shared.counters.frame_bytes_out, buf.len() as u64);
        drop(taken);
        buf.clear();
        buf.shrink_to(PIECE);
        if out.has_room() {
            shared.common.push_control(Event {
                proto: out.proto,
                conn: out.conn.id,
                id,
                peer: Some(out.conn.peer),
                ..Event::new(Kind::Room)
            });
        }
    }
}

fn broken(error: io::Error) -> Stopped {
    let is_late = error
        .get_ref()
        .is_some_and(|inner| inner.is::<tokio::time::error::Elapsed>());
    Some(if is_late { end::TIMEOUT } else { end::RESET })
}

/// Inbound notify: a hello, then frames for as long as the peer likes.
pub async fn notify_in(shared: Arc<Shared>, conn: Arc<Conn>, out: Arc<Out>, stream: Stream, slot: Slot) {
    let Some(proto) = shared.protos.get(usize::from(out.proto)) else {
        return;
    };
    let (r, mut w) = stream.split();
    let mut reader = Reader::new(r, &conn.gauge);
    let Ok(hello) = within(proto.first, reader.frame(proto.frame_max)).await else {
        return shared.offend(&conn);
    };
    let (mut end, lane, _) = begin(&shared, &out, Kind::NotifyDown);
    let up = up(&shared, &end, &lane, &conn);
    let read = async {
        up.push(Kind::NotifyUp, 0, hello).await?;
        let mut bucket = Bucket::new(proto);
        loop {
            let frame = reader.frame(proto.frame_max).await?;
            if let Some(bucket) = &mut bucket {
                bucket.take().await;
            }
            up.push(Kind::Notify, 0, frame).await?;
        }
    };
    let answer = async {
        let code = out.answer().await;
        w.write_all(&[code]).await.map_err(broken)?;
        w.flush().await.map_err(broken)?;
        if code != 0 {
            w.close().await.map_err(broken)?;
            return Err(Some(end::REFUSED | u16::from(code)));
        }
        pending::<Result<(), Stopped>>().await
    };
    let stopped: Result<(), Stopped> = tokio::select! {
        x = read => x,
        x = answer => x,
        code = out.over() => Err(Some(code)),
    };
    // Nobody of ours sends these: once may be another version, twice is a fault.
    if matches!(stopped, Err(Some(end::TOO_BIG | end::PROTOCOL))) {
        shared.offend(&conn);
    }
    end.code = stopped.map_or_else(code_of, |()| end::OK);
    drop((slot, end));
}

/// Outbound notify: C's frames out, one answer byte in.
pub async fn notify_out(shared: Arc<Shared>, open: Open, stream: Stream, slot: Slot) {
    let Open { out, mut end, .. } = open;
    let conn = out.conn.clone();
    let (r, mut w) = stream.split();
    let mut reader = Reader::new(r, &conn.gauge);
    let write = async {
        send(&shared, &mut w, &out, end.id, None, &AtomicBool::new(false))
            .await
            .map_err(broken)?;
        w.close().await.map_err(broken)
    };
    let answered = async {
        let code = match reader.byte().await {
            Ok(code) => code,
            // It may end its half without a word; a reset shows when we write.
            Err(None) => return pending().await,
            Err(stopped) => return Err(stopped),
        };
        if code != 0 {
            return Err(Some(end::REFUSED | u16::from(code)));
        }
        let event = Event {
            code: 1,
            proto: out.proto,
            conn: conn.id,
            id: end.id,
            peer: Some(conn.peer),
            ..Event::new(Kind::NotifyUp)
        };
        end.ring.push_lane(&end.lane, event);
        match reader.byte().await {
            Ok(_) => Err(Some(end::PROTOCOL)),
            Err(None) => pending().await,
            Err(stopped) => Err::<(), Stopped>(stopped),
        }
    };
    let stopped: Result<(), Stopped> = tokio::select! {
        x = write => x,
        x = answered => x,
        code = out.over() => Err(Some(code)),
    };
    end.code = stopped.map_or_else(code_of, |()| end::OK);
    drop((slot, end));
}

/// One question of ours: bytes, FIN, then chunks until their FIN.
pub async fn request_out(shared: Arc<Shared>, open: Open, stream: Stream, slot: Slot) {
    let Open { out, mut end, deadline } = open;
    let Some(proto) = shared.protos.get(usize::from(out.proto)) else {
        return;
    };
    let conn = out.conn.clone();
    let up = up(&shared, &end, &end.lane, &conn);
    let (r, mut w) = stream.split();
    let mut reader = Reader::new(r, &conn.gauge);
    let talk = async {
        send(&shared, &mut w, &out, up.id, Some(proto.next), &AtomicBool::new(false))
            .await
            .map_err(broken)?;
        timeout(proto.next, w.close())
            .await
            .map_err(|_| Some(end::TIMEOUT))?
            .map_err(broken)?;
        // An answer has at least a chunk.
        let first = within(proto.first, reader.chunk(proto.frame_max)).await;
        let (mut code, mut data) = first.map_err(|stopped| stopped.or(Some(end::PROTOCOL)))?;
        loop {
            up.push(Kind::Chunk, u16::from(code), data).await?;
            (code, data) = match within(proto.next, reader.chunk(proto.frame_max)).await {
                Err(None) => return Ok(()),
                next => next?,
            };
        }
    };
    let stopped: Result<(), Stopped> = tokio::select! {
        x = within(deadline, talk) => x,
        code = out.over() => Err(Some(code)),
    };
    end.code = stopped.map_or_else(code_of, |()| end::OK);
    let is_given_up = matches!(end.code, end::CANCELLED | end::TIMEOUT);
    drop(end);
    if is_given_up {
        // yamux cannot tell the peer so once our half is closed: until it has ended, too, the stream counts on both sides.
        let rest = async { while reader.chunk(proto.frame_max).await.is_ok() {} };
        tokio::select! {
            _ = timeout(proto.first + proto.next, rest) => (),
            () = conn.ended.wait() => (),
        }
    }
    drop(slot);
}

/// A question of the peer: bytes, FIN, then C's chunks and our FIN.
pub async fn request_in(shared: Arc<Shared>, conn: Arc<Conn>, out: Arc<Out>, stream: Stream, slot: Slot) {
    let Some(proto) = shared.protos.get(usize::from(out.proto)) else {
        return;
    };
    let (r, mut w) = stream.split();
    let mut reader = Reader::new(r, &conn.gauge);
    let asked = async {
        let request = reader.frame(proto.request_max).await?;
        // N4.2: anything behind the request resets the stream.
        match reader.byte().await {
            Err(None) => Ok(request),
            _ => Err(Some(end::PROTOCOL)),
        }
    };
    let Ok(request) = within(proto.first, asked).await else {
        return shared.offend(&conn);
    };
    count(&shared.counters.requests_in, 1);
    let (mut end, lane, id) = begin(&shared, &out, Kind::ReqEnd);
    let up = up(&shared, &end, &lane, &conn);
    let (is_cut, is_whole) = (AtomicBool::new(false), AtomicBool::new(false));
    let talk = async {
        up.push(Kind::Req, 0, request).await?;
        // The peer gives up by then, too: a question that C forgets does not hold a stream.
        timeout(proto.first, out.queued())
            .await
            .map_err(|_| Some(end::TIMEOUT))?;
        send(&shared, &mut w, &out, id, Some(proto.next), &is_cut)
            .await
            .map_err(broken)?;
        is_whole.store(true, Ordering::Relaxed);
        timeout(proto.next, w.close())
            .await
            .map_err(|_| Some(end::TIMEOUT))?
            .map_err(broken)
    };
    let stopped: Result<(), Stopped> = tokio::select! {
        x = talk => x,
        code = out.over() => Err(Some(code)),
    };
    // Both yamux and quinn end a dropped stream whose other half is done as if it were whole: a byte that is no chunk
    // tells the peer that this is not all.
    if !is_cut.load(Ordering::Relaxed) && !is_whole.load(Ordering::Relaxed) {
        let _ = timeout(proto.next, async {
            w.write_all(&[CUT]).await?;
            w.close().await
        })
        .await;
    }
    end.code = stopped.map_or_else(code_of, |()| end::OK);
    drop((slot, end));
}
