//! What the threads of one host share: settings, rings, tables of connections and streams, counters.

use crate::{
    muxer::MuxStat,
    queue::Out,
    ring::{Event, Gauge, Kind, Lane, Ring, lock, now_us},
};
use bytes::Bytes;
use futures::task::AtomicWaker;
use libp2p::{PeerId, StreamProtocol, multiaddr::Multiaddr, swarm::ConnectionId};
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, mpsc};

/// As DMGN_WHY_.. in the header.
pub mod why {
    pub const REMOTE: u16 = 0;
    pub const IO: u16 = 1;
    pub const IDLE: u16 = 2;
    pub const PING: u16 = 3;
    pub const LIMIT: u16 = 4;
    pub const BLOCKED: u16 = 5;
    pub const PANIC: u16 = 6;
    pub const STOP: u16 = 7;
}

/// As DMGN_END_.. in the header.
pub mod end {
    pub const OK: u16 = 0;
    pub const GONE: u16 = 1;
    pub const RESET: u16 = 2;
    pub const TIMEOUT: u16 = 3;
    pub const TOO_BIG: u16 = 4;
    pub const PROTOCOL: u16 = 5;
    pub const UNSUPPORTED: u16 = 6;
    pub const OVER: u16 = 7;
    pub const CANCELLED: u16 = 8;
    pub const REFUSED: u16 = 0x100;
}

/// Tags of a peer, as DMGN_TAG_.. in the header.
pub mod tag {
    pub const VALIDATOR: u32 = 1;
    pub const OPERATOR: u32 = 2;
    pub const SYNC: u32 = 4;
    pub const BLOCK: u32 = 8;
}

#[derive(Clone, Debug)]
pub struct Proto {
    pub id: StreamProtocol,
    pub class: u8,
    pub is_notify: bool,
    pub in_max: u32,
    pub out_max: u32,
    pub frame_max: usize,
    pub request_max: usize,
    pub queue_max: usize,
    pub first: Duration,
    pub next: Duration,
    pub frames_per_s: u32,
    pub frames_burst: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct MuxLimits {
    pub streams: u32,
    pub window: u32,
    pub opens_per_s: u32,
}

impl MuxLimits {
    /// The longest frame: all of a stream's credit, which js-libp2p sends in one. yamux leaves 256 KiB to each other stream.
    pub fn frame_max(&self) -> usize {
        (self.window - ((self.streams - 1) << 18)) as usize
    }
}

#[derive(Clone, Debug)]
pub struct Limits {
    pub conns: u32,
    pub conns_in: u32,
    pub conns_out: u32,
    pub peer_conns: u32,
    pub vip_conns: u32,
    pub pending_in: u32,
    pub dials: u32,
    pub accepts_per_s: u32,
    pub accepts_burst: u32,
    pub net_accepts_per_s: u32,
    pub net_accepts_burst: u32,
    pub ip_conns: u32,
    pub net_conns: u32,
    pub mux_in: MuxLimits,
    pub mux_out: MuxLimits,
    pub mux_vip: MuxLimits,
    pub offence: Duration,
    pub handshake: Duration,
    pub idle: Duration,
    pub ping: Duration,
    pub ping_misses: u32,
    pub commands: u32,
    pub command_bytes: usize,
    pub control_events: usize,
    pub memory: usize,
    pub pressure_pct: [u32; 2],
    pub process_memory: usize,
    pub bulk_per_s: u64,
}

#[derive(Default)]
pub struct Counters {
    pub conns_up: AtomicU64,
    pub conns_down: AtomicU64,
    pub dials_failed: AtomicU64,
    pub refused_conns: AtomicU64,
    pub refused_streams: AtomicU64,
    pub closed_by_limit: AtomicU64,
    pub frames_in: AtomicU64,
    pub frame_bytes_in: AtomicU64,
    pub frames_out: AtomicU64,
    pub frame_bytes_out: AtomicU64,
    pub frames_dropped: AtomicU64,
    pub frames_replaced: AtomicU64,
    pub events_dropped: AtomicU64,
    pub requests_out: AtomicU64,
    pub requests_in: AtomicU64,
    pub gossip_in: AtomicU64,
    pub gossip_ignored: AtomicU64,
    pub gossip_out: AtomicU64,
    pub panics: AtomicU64,
}

pub fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Bytes of class 1 that one connection still has to send.
#[derive(Default)]
pub struct Urgent {
    bytes: AtomicUsize,
    idle: Notify,
    sent_us: AtomicU64,
}

impl Urgent {
    pub fn add(&self, n: usize) {
        self.bytes.fetch_add(n, Ordering::AcqRel);
    }

    pub fn sub(&self, n: usize) {
        if n > 0 {
            self.sent_us.store(now_us(), Ordering::Relaxed);
        }
        if self.bytes.fetch_sub(n, Ordering::AcqRel) == n {
            self.idle.notify_waiters();
        }
    }

    pub fn get(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// Whether some is still to send, or may be in a buffer below us.
    pub fn is_leaving(&self, linger: Duration) -> bool {
        let sent = self.sent_us.load(Ordering::Relaxed);
        self.get() > 0 || (sent > 0 && Duration::from_micros(now_us().saturating_sub(sent)) < linger)
    }

    /// N2.2: until nothing urgent waits.
    pub async fn passed(&self) {
        loop {
            let idle = self.idle.notified();
            if self.get() == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// Something that happens once and is then so.
#[derive(Default)]
pub struct Once {
    is_so: AtomicBool,
    wake: Notify,
}

impl Once {
    pub fn set(&self) {
        self.is_so.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    pub fn is_so(&self) -> bool {
        self.is_so.load(Ordering::Acquire)
    }

    pub async fn wait(&self) {
        loop {
            let woken = self.wake.notified();
            if self.is_so() {
                return;
            }
            woken.await;
        }
    }
}

pub struct Conn {
    pub id: u32,
    pub cid: ConnectionId,
    pub peer: PeerId,
    pub is_inbound: bool,
    /// Made with the share of a tagged peer.
    pub is_vip: bool,
    pub addr: Multiaddr,
    pub gauge: Arc<Gauge>,
    pub mux: Option<Arc<MuxStat>>,
    pub urgent: Urgent,
    pub ended: Once,
    /// Streams that C wants opened; the connection's task takes them.
    pub opens: Mutex<VecDeque<crate::streams::Open>>,
    pub waker: AtomicWaker,
    /// Streams of each protocol, inbound and outbound, and all together.
    pub ins: Vec<AtomicU32>,
    pub outs: Vec<AtomicU32>,
    pub streams: AtomicU32,
    pub streams_max: u32,
    pub offended: Mutex<Option<Instant>>,
    /// Why we close it, plus one; 0: we do not.
    pub closing: AtomicU16,
    pub pings_missed: AtomicU32,
}

impl Conn {
    pub fn bytes(&self) -> usize {
        self.gauge.get() + self.mux.as_ref().map_or(0, |mux| mux.unread())
    }
}

/// What other tasks ask of the swarm's.
pub enum Ask {
    Close(Arc<Conn>),
}

pub struct Shared {
    pub protos: Vec<Proto>,
    pub limits: Limits,
    pub urgent: Arc<Ring>,
    pub common: Arc<Ring>,
    /// All that is counted: queues, rings, unread bytes.
    pub memory: Arc<Gauge>,
    pub conns: Mutex<HashMap<u32, Arc<Conn>>>,
    pub outs: Mutex<HashMap<u64, Arc<Out>>>,
    pub dials: Mutex<HashMap<ConnectionId, u32>>,
    pub tags: Mutex<HashMap<PeerId, u32>>,
    pub passes: Mutex<std::collections::HashSet<IpAddr>>,
    /// Muxers whose connection is about to be told to us.
    pub muxes: Mutex<HashMap<PeerId, Vec<Arc<MuxStat>>>>,
    /// Dials that C has asked for and not heard of.
    pub dialling: AtomicU32,
    pub command_bytes: AtomicUsize,
    /// When the next piece of class 4 may go.
    pub bulk_us: AtomicU64,
    /// Events that C can do without; their own small share of the common ring.
    pub info: Arc<Lane>,
    pub next_id: AtomicU64,
    pub next_conn: AtomicU32,
    pub asks: mpsc::UnboundedSender<Ask>,
    pub is_stopping: AtomicBool,
    pub counters: Counters,
}

impl Shared {
    pub fn ring(&self, class: u8) -> &Arc<Ring> {
        if class == 1 { &self.urgent } else { &self.common }
    }

    pub fn id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub fn tags(&self, peer: &PeerId) -> u32 {
        lock(&self.tags).get(peer).copied().unwrap_or(0)
    }

    pub fn is_vip(&self, peer: &PeerId) -> bool {
        self.tags(peer) & (tag::VALIDATOR | tag::OPERATOR | tag::SYNC) != 0
    }

    pub fn mux_limits(&self, peer: &PeerId, is_inbound: bool) -> MuxLimits {
        if self.is_vip(peer) {
            self.limits.mux_vip
        } else if is_inbound {
            self.limits.mux_in
        } else {
            self.limits.mux_out
        }
    }

    /// Ends a connection for our own reason; the first reason stays.
    pub fn close(&self, conn: &Arc<Conn>, why: u16) {
        let first = conn
            .closing
            .compare_exchange(0, why + 1, Ordering::AcqRel, Ordering::Relaxed);
        if first.is_ok() {
            if why == why::LIMIT {
                count(&self.counters.closed_by_limit, 1);
            }
            let _ = self.asks.send(Ask::Close(conn.clone()));
        }
    }

    /// A stream or a frame more than the limits allow: the second within the time of an offence ends the connection.
    pub fn offend(&self, conn: &Arc<Conn>) {
        count(&self.counters.refused_streams, 1);
        let mut offended = lock(&conn.offended);
        let now = Instant::now();
        if offended.is_some_and(|at| now.duration_since(at) < self.limits.offence) {
            self.close(conn, why::LIMIT);
        }
        *offended = Some(now);
    }

    pub fn spare(&self, event: Event) {
        match self.common.try_reserve(&self.info, event.data.len() + event.addr.len()) {
            Some(credit) => self.common.push_lane(
                &self.info,
                Event {
                    credit: Some(credit),
                    ..event
                },
            ),
            None => count(&self.counters.events_dropped, 1),
        }
    }

    /// N2.7: past the bound nothing more is read until C has let go of something.
    pub async fn memory_below_max(&self) {
        while self.memory.get() >= self.limits.memory && !self.is_stopping.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// N2.3: pieces of class 4, of all connections together, go no faster than that.
    pub async fn bulk_turn(&self, bytes: usize) {
        let Some(took) = (bytes as u64 * 1_000_000).checked_div(self.limits.bulk_per_s) else {
            return;
        };
        let now = now_us();
        let next = |at: u64| Some(at.max(now) + took);
        let at = self
            .bulk_us
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .unwrap_or(0);
        if at > now {
            tokio::time::sleep(Duration::from_micros(at - now)).await;
        }
    }

    /// The connection that holds most.
    pub fn heaviest(&self) -> u32 {
        lock(&self.conns)
            .values()
            .max_by_key(|conn| conn.bytes())
            .map_or(0, |conn| conn.id)
    }
}

/// The last event of a notify stream or request: sent when this is dropped, however that comes about.
pub struct End {
    pub shared: Arc<Shared>,
    pub ring: Arc<Ring>,
    pub lane: Arc<Lane>,
    pub kind: Kind,
    pub conn: u32,
    pub peer: PeerId,
    pub proto: u16,
    pub id: u64,
    pub code: u16,
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(out) = lock(&self.shared.outs).remove(&self.id) {
            out.close();
        }
        let event = Event {
            proto: self.proto,
            code: self.code,
            conn: self.conn,
            id: self.id,
            peer: Some(self.peer),
            ..Event::new(self.kind)
        };
        self.ring.push_lane(&self.lane, event);
    }
}

/// Text from outside, printable and short.
pub fn printable(text: &str, max: usize) -> Bytes {
    text.chars()
        .take(max)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect::<String>()
        .into()
}
