//! Events on their way to C: two rings, each with its bound in bytes and an eventfd.
//!
//! ```text
//! control  CONN_UP, STOPPED ..          first, never waits: its writers are bounded by connections and requests
//! lanes    one queue a stream, in order  round robin; a frame enters when ring and lane have room for it
//! ```
//! Room is a count of permits (tokio's fair semaphore): taken before a frame
//! enters, given back when C releases it.  Terminal events need none.

use bytes::Bytes;
use libp2p::PeerId;
use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::sync::Semaphore;

/// As DMGN_EV_.. in the header.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Listening = 0,
    ConnUp,
    ConnDown,
    DialFailed,
    Identified,
    Rtt,
    NotifyUp,
    Notify,
    NotifyDown,
    Room,
    Req,
    Chunk,
    ReqEnd,
    Gossip,
    TopicPeers,
    SlowPeer,
    SelfAddr = 17,
    Refused,
    Pressure,
    Stopped,
}

/// What an event is charged beside its bytes.
pub const OVERHEAD: usize = 128;

#[derive(Debug)]
pub struct Event {
    pub kind: Kind,
    pub proto: u16,
    pub code: u16,
    pub conn: u32,
    pub id: u64,
    pub t_us: u64,
    pub peer: Option<PeerId>,
    pub data: Bytes,
    pub addr: Bytes,
    pub credit: Option<Credit>,
}

impl Event {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            proto: 0,
            code: 0,
            conn: 0,
            id: 0,
            t_us: now_us(),
            peer: None,
            data: Bytes::new(),
            addr: Bytes::new(),
            credit: None,
        }
    }
}

/// Microseconds of the monotonic clock since this process first asked.
pub fn now_us() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes in use: of one owner and of all.
#[derive(Debug, Default)]
pub struct Gauge {
    own: AtomicUsize,
    all: Option<Arc<Gauge>>,
}

impl Gauge {
    pub fn under(all: &Arc<Gauge>) -> Self {
        Self {
            own: AtomicUsize::new(0),
            all: Some(all.clone()),
        }
    }

    pub fn add(&self, n: usize) {
        self.own.fetch_add(n, Ordering::Relaxed);
        if let Some(all) = &self.all {
            all.add(n);
        }
    }

    pub fn sub(&self, n: usize) {
        self.own.fetch_sub(n, Ordering::Relaxed);
        if let Some(all) = &self.all {
            all.sub(n);
        }
    }

    pub fn get(&self) -> usize {
        self.own.load(Ordering::Relaxed)
    }
}

/// Room that an event holds until C releases it.
#[derive(Debug)]
pub struct Credit {
    ring: Arc<Ring>,
    lane: Arc<Lane>,
    cost: u32,
}

impl Drop for Credit {
    fn drop(&mut self) {
        self.ring.room.add_permits(self.cost as usize);
        self.lane.room.add_permits(self.cost as usize);
        self.lane.gauge.sub(self.cost as usize);
    }
}

/// The queue of one stream.
#[derive(Debug)]
pub struct Lane {
    events: Mutex<VecDeque<Event>>,
    room: Semaphore,
    max: u32,
    gauge: Arc<Gauge>,
}

impl Lane {
    pub fn new(max: usize, gauge: &Arc<Gauge>) -> Arc<Self> {
        let max = max.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Arc::new(Self {
            events: Mutex::default(),
            room: Semaphore::new(max),
            max: u32::try_from(max).unwrap_or(u32::MAX),
            gauge: gauge.clone(),
        })
    }
}

#[derive(Debug, Default)]
struct Queues {
    control: VecDeque<Event>,
    ready: VecDeque<Arc<Lane>>,
    is_signalled: bool,
}

#[derive(Debug)]
pub struct Ring {
    queues: Mutex<Queues>,
    room: Semaphore,
    max: u32,
    event_fd: File,
    pub events: AtomicU64,
}

/// Events taken from a lane before the next one has its turn.
const TURN: usize = 8;

impl Ring {
    pub fn new(max: u32, event_fd: File) -> Arc<Self> {
        Arc::new(Self {
            queues: Mutex::default(),
            room: Semaphore::new(max as usize),
            max,
            event_fd,
            events: AtomicU64::new(0),
        })
    }

    pub fn fd(&self) -> &File {
        &self.event_fd
    }

    fn signal(&self, queues: &mut Queues) {
        if !queues.is_signalled {
            queues.is_signalled = true;
            // An eventfd of value 0 always takes a 1.
            let _ = (&self.event_fd).write(&1u64.to_ne_bytes());
        }
    }

    /// Events whose number others bound: links, ends, answers to commands.
    pub fn push_control(&self, event: Event) {
        let mut queues = lock(&self.queues);
        queues.control.push_back(event);
        self.signal(&mut queues);
    }

    /// Events C can do without: dropped when `max` control events wait.
    pub fn push_spare(&self, event: Event, max: usize) -> bool {
        let mut queues = lock(&self.queues);
        if queues.control.len() >= max {
            return false;
        }
        queues.control.push_back(event);
        self.signal(&mut queues);
        true
    }

    pub fn control_len(&self) -> usize {
        lock(&self.queues).control.len()
    }

    fn cost(&self, lane: &Lane, bytes: usize) -> u32 {
        u32::try_from(bytes.saturating_add(OVERHEAD))
            .unwrap_or(u32::MAX)
            .min(self.max)
            .min(lane.max)
    }

    /// Waits for room: first of the stream's own, then of all, so a slow lane holds nothing that others need.
    pub async fn reserve(self: &Arc<Self>, lane: &Arc<Lane>, bytes: usize) -> Option<Credit> {
        let cost = self.cost(lane, bytes);
        let own = lane.room.acquire_many(cost).await.ok()?;
        let all = self.room.acquire_many(cost).await.ok()?;
        own.forget();
        all.forget();
        lane.gauge.add(cost as usize);
        Some(Credit {
            ring: self.clone(),
            lane: lane.clone(),
            cost,
        })
    }

    pub fn try_reserve(self: &Arc<Self>, lane: &Arc<Lane>, bytes: usize) -> Option<Credit> {
        let cost = self.cost(lane, bytes);
        let own = lane.room.try_acquire_many(cost).ok()?;
        let all = self.room.try_acquire_many(cost).ok()?;
        own.forget();
        all.forget();
        lane.gauge.add(cost as usize);
        Some(Credit {
            ring: self.clone(),
            lane: lane.clone(),
            cost,
        })
    }

    /// In order behind what the lane holds.
    pub fn push_lane(&self, lane: &Arc<Lane>, event: Event) {
        let mut queues = lock(&self.queues);
        let is_idle = {
            let mut events = lock(&lane.events);
            events.push_back(event);
            events.len() == 1
        };
        if is_idle {
            queues.ready.push_back(lane.clone());
        }
        self.signal(&mut queues);
    }

    pub fn poll(&self, out: &mut Vec<Event>, max: usize) {
        let mut queues = lock(&self.queues);
        let cnt = max.min(queues.control.len());
        out.extend(queues.control.drain(..cnt));
        while out.len() < max {
            let Some(lane) = queues.ready.pop_front() else { break };
            let is_left = {
                let mut events = lock(&lane.events);
                let cnt = TURN.min(max - out.len()).min(events.len());
                out.extend(events.drain(..cnt));
                !events.is_empty()
            };
            if is_left {
                queues.ready.push_back(lane);
            }
        }
        if queues.is_signalled && queues.control.is_empty() && queues.ready.is_empty() {
            queues.is_signalled = false;
            let mut count = [0u8; 8];
            let _ = (&self.event_fd).read(&mut count);
        }
        self.events.fetch_add(out.len() as u64, Ordering::Relaxed);
    }

    /// The end: nobody waits for room any more, and what C has not polled goes.  Waiting events and their lane hold
    /// each other, so they would stay for ever.
    pub fn close(&self) {
        self.room.close();
        let queues = std::mem::take(&mut *lock(&self.queues));
        for lane in queues.ready {
            let events = std::mem::take(&mut *lock(&lane.events));
            drop(events);
        }
    }
}
