//! One WebSocket: events up in order, a bounded queue down.

use crate::{
    conn::Conn,
    gate::lock,
    server::{Phase, SendError, reached},
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{
        Notify,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::{CapacityError, ProtocolError},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

pub enum WsOut {
    Message(Message, usize),
    Close(u16, String),
}

/// The senders' side.
pub struct WsHandle {
    out: UnboundedSender<WsOut>,
    /// Bytes in `out` and in the stream's buffer.
    unsent: AtomicUsize,
    wants_room: AtomicBool,
    held: AtomicU32,
    done: Notify,
}

/// What a queued message costs beside its bytes.
const OVERHEAD: usize = 64;
const CLOSE_WAIT: Duration = Duration::from_secs(2);

impl WsHandle {
    pub fn push(&self, out: WsOut) -> Result<(), SendError> {
        self.out.send(out).map_err(|_| SendError::Gone)
    }

    pub fn send(&self, is_text: bool, bytes: &[u8], max: usize) -> Result<(), SendError> {
        let cost = bytes.len() + OVERHEAD;
        loop {
            let room = |unsent: usize| (unsent == 0 || unsent + cost <= max).then_some(unsent + cost);
            if self
                .unsent
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, room)
                .is_ok()
            {
                break;
            }
            self.wants_room.store(true, Ordering::SeqCst);
            // The queue may have emptied before it could see the wish: then nobody would ever grant it.
            let is_missed =
                self.unsent.load(Ordering::SeqCst) <= max / 2 && self.wants_room.swap(false, Ordering::SeqCst);
            if !is_missed {
                return Err(SendError::Full);
            }
        }
        let bytes = Bytes::copy_from_slice(bytes);
        let message = if is_text {
            Message::Text(Utf8Bytes::try_from(bytes).map_err(|_| SendError::Invalid)?)
        } else {
            Message::Binary(bytes)
        };
        self.push(WsOut::Message(message, cost))
    }

    pub fn done(&self, cnt: u32) {
        let less = |held: u32| Some(held.saturating_sub(cnt));
        let _ = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.done.notify_one();
    }
}

/// A WebSocket that the handler knows of; its end is told when this is dropped, however that comes about.
pub struct Opened {
    pub id: u64,
    conn: Arc<Conn>,
    handle: Arc<WsHandle>,
    queue: UnboundedReceiver<WsOut>,
    code: u16,
    is_told: bool,
}

impl Opened {
    pub fn new(conn: &Arc<Conn>) -> Self {
        let (out, queue) = unbounded_channel();
        let handle = Arc::new(WsHandle {
            out,
            unsent: AtomicUsize::new(0),
            wants_room: AtomicBool::new(false),
            held: AtomicU32::new(0),
            done: Notify::new(),
        });
        let id = conn.hub.ws_next.fetch_add(1, Ordering::Relaxed);
        lock(&conn.hub.websockets).insert(id, handle.clone());
        Self {
            id,
            conn: conn.clone(),
            handle,
            queue,
            code: 1006,
            is_told: true,
        }
    }

    /// The handler did not want it: it hears no more of it.
    pub fn refuse(mut self) {
        self.is_told = false;
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        lock(&self.conn.hub.websockets).remove(&self.id);
        self.queue.close();
        if self.is_told {
            self.conn.hub.handler.on_ws_close(self.id, self.code);
        }
    }
}

type Stream = WebSocketStream<TokioIo<Upgraded>>;

pub async fn serve(conn: Arc<Conn>, mut opened: Opened, upgrade: OnUpgrade) {
    let limits = conn.hub.limits;
    let Ok(upgraded) = upgrade.await else { return };
    // Small buffers: thousands of idle subscribers are the common case.
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(16 << 10)
        .max_message_size(Some(limits.ws_msg_max))
        .max_frame_size(Some(limits.ws_msg_max));
    let mut stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let end = run(&conn, &mut opened, &mut stream).await;
    opened.code = match end {
        End::Peer(code) => code,
        End::Ours(code, reason) => {
            let frame = CloseFrame {
                code: CloseCode::from(code),
                reason: reason.into(),
            };
            let _ = timeout(CLOSE_WAIT, async {
                stream.close(Some(frame)).await?;
                // The peer's close frame, or its end; what it says before that is no longer heard.
                while let Some(Ok(_)) = stream.next().await {}
                Ok::<_, Error>(())
            })
            .await;
            code
        }
        End::Lost => 1006,
    };
}

enum End {
    /// The peer closed with this code; tungstenite has answered.
    Peer(u16),
    Ours(u16, &'static str),
    Lost,
}

async fn run(conn: &Conn, opened: &mut Opened, stream: &mut Stream) -> End {
    let limits = &conn.hub.limits;
    let handler = &conn.hub.handler;
    let mut phase = conn.hub.phase.clone();
    let mut pings = interval_at(Instant::now() + limits.ws_ping, limits.ws_ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        let may_read = opened.handle.held.load(Ordering::Acquire) < limits.ws_calls_max;
        tokio::select! {
            out = opened.queue.recv() => {
                let Some(out) = out else { return End::Lost };
                match write(opened, stream, out, limits.ws_out_bytes_max).await {
                    Ok(None) => {}
                    Ok(Some(end)) => return end,
                    Err(_) => return End::Lost,
                }
                let max = limits.ws_out_bytes_max;
                if opened.handle.unsent.load(Ordering::SeqCst) <= max / 2
                    && opened.handle.wants_room.swap(false, Ordering::SeqCst)
                {
                    handler.on_ws_room(opened.id);
                }
            }
            message = stream.next(), if may_read => {
                heard = Instant::now();
                // Counted before the handler hears of it: its `done` may come from another thread at once.
                opened.handle.held.fetch_add(1, Ordering::AcqRel);
                let is_held = match message {
                    None => return End::Lost,
                    Some(Ok(Message::Text(text))) => handler.on_ws_msg(opened.id, true, text.as_bytes()),
                    Some(Ok(Message::Binary(bytes))) => handler.on_ws_msg(opened.id, false, &bytes),
                    Some(Ok(Message::Close(frame))) => {
                        // The answer is queued; reading on sends it and ends.
                        let _ = timeout(CLOSE_WAIT, async { while let Some(Ok(_)) = stream.next().await {} }).await;
                        return End::Peer(frame.map_or(1005, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => false,
                    Some(Err(error)) => return end_of(conn, &error),
                };
                if !is_held {
                    opened.handle.done(1);
                }
            }
            () = opened.handle.done.notified(), if !may_read => {}
            _ = pings.tick() => {
                // Not reading by our own choice is no silence of the peer.
                if !may_read {
                    heard = Instant::now();
                }
                if heard.elapsed() >= limits.gate.idle {
                    return End::Lost;
                }
                if stream.send(Message::Ping(Bytes::new())).await.is_err() {
                    return End::Lost;
                }
            }
            () = reached(&mut phase, Phase::Stop) => return End::Ours(1001, "going away"),
        }
    }
}

/// Writes what is queued, at most `max` bytes before the other events get their turn.
async fn write(opened: &mut Opened, stream: &mut Stream, first: WsOut, max: usize) -> Result<Option<End>, Error> {
    let mut next = Some(first);
    let mut written = 0;
    let mut end = None;
    while let Some(out) = next {
        match out {
            WsOut::Message(message, cost) => {
                stream.feed(message).await?;
                written += cost;
            }
            WsOut::Close(code, reason) => {
                // Reasons are the caller's and short-lived: the frame is made here.
                let frame = CloseFrame {
                    code: CloseCode::from(code),
                    reason: reason.into(),
                };
                stream.feed(Message::Close(Some(frame))).await?;
                end = Some(code);
                break;
            }
        }
        next = if written < max {
            opened.queue.try_recv().ok()
        } else {
            None
        };
    }
    stream.flush().await?;
    opened.handle.unsent.fetch_sub(written, Ordering::SeqCst);
    let Some(code) = end else { return Ok(None) };
    let _ = timeout(CLOSE_WAIT, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    Ok(Some(End::Peer(code)))
}

fn end_of(conn: &Conn, error: &Error) -> End {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => End::Ours(1009, "message too big"),
        Error::Utf8(_) => End::Ours(1007, "not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Lost,
        Error::Protocol(_) => End::Ours(1002, "protocol error"),
        Error::Io(_) if conn.shared.fragments.load(Ordering::Relaxed) => End::Ours(1008, "too many fragments"),
        _ => End::Lost,
    }
}
