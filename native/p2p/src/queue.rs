//! Frames on their way out of one stream: bounded in bytes, with the drop rule of its class (N2.1).

use crate::{
    frame,
    ring::{Gauge, lock},
    shared::{Conn, Once, Proto, end},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
};
use tokio::sync::Notify;

/// What a frame is charged beside its bytes.
const OVERHEAD: usize = 64;

#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    Queued,
    /// Nothing was queued: lower than all that waits, or the producer must wait for room.
    Full,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    NotifyOut,
    NotifyIn,
    Request,
    Reply,
}

struct Frame {
    rank: u64,
    key: u32,
    bytes: Bytes,
}

#[derive(Default)]
struct Frames {
    /// By age, for sending; by rank and age, for dropping.
    by_age: BTreeMap<u64, Frame>,
    by_rank: BTreeSet<(u64, u64)>,
    by_key: HashMap<u32, u64>,
    age_next: u64,
    bytes: usize,
    is_closed: bool,
    is_last: bool,
    wants_room: bool,
}

impl Frames {
    fn remove(&mut self, age: u64) -> Option<Frame> {
        let frame = self.by_age.remove(&age)?;
        self.by_rank.remove(&(frame.rank, age));
        if frame.key != 0 && self.by_key.get(&frame.key) == Some(&age) {
            self.by_key.remove(&frame.key);
        }
        self.bytes -= frame.bytes.len() + OVERHEAD;
        Some(frame)
    }
}

pub struct Out {
    pub role: Role,
    pub conn: Arc<Conn>,
    pub proto: u16,
    class: u8,
    max: usize,
    frames: Mutex<Frames>,
    gauge: Arc<Gauge>,
    wake: Notify,
    cancel: Once,
    answer: Mutex<Option<u8>>,
    answered: Notify,
}

/// What became of older frames when one was queued.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Lost {
    pub dropped: u64,
    pub replaced: u64,
}

/// Frames being written; their charge ends with this, however the writing ends.
pub struct Taken {
    out: Arc<Out>,
    pub cnt: u64,
    cost: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.out.discharge(self.cost);
    }
}

impl Out {
    pub fn new(role: Role, conn: &Arc<Conn>, proto_idx: u16, proto: &Proto) -> Arc<Self> {
        Arc::new(Self {
            role,
            conn: conn.clone(),
            proto: proto_idx,
            class: proto.class,
            max: proto.queue_max,
            frames: Mutex::default(),
            gauge: conn.gauge.clone(),
            wake: Notify::new(),
            cancel: Once::default(),
            answer: Mutex::new(None),
            answered: Notify::new(),
        })
    }

    fn charge(&self, n: usize) {
        self.gauge.add(n);
        if self.class == 1 {
            self.conn.urgent.add(n);
        }
    }

    /// The frame has left: to the socket's buffers, or dropped.
    fn discharge(&self, n: usize) {
        self.gauge.sub(n);
        if self.class == 1 {
            self.conn.urgent.sub(n);
        }
    }

    /// The frames to drop for a new one, none of them if that does not make room enough.
    fn victims(&self, frames: &Frames, rank: u64, cost: usize, replaced: Option<u64>) -> Option<Vec<u64>> {
        let cost_of = |age: &u64| frames.by_age.get(age).map_or(0, |frame| frame.bytes.len() + OVERHEAD);
        let mut over = (frames.bytes + cost).saturating_sub(self.max);
        over = over.saturating_sub(replaced.as_ref().map_or(0, cost_of));
        // One frame is let in whatever its size, else it could never be sent.
        let others = frames.by_age.len() - usize::from(replaced.is_some());
        if over == 0 || others == 0 {
            return Some(Vec::new());
        }
        let mut victims = Vec::new();
        let ages: &mut dyn Iterator<Item = u64> = match self.class {
            // An answer must not lose a chunk.
            _ if self.role == Role::Reply => return None,
            1 | 2 => &mut frames
                .by_rank
                .iter()
                .take_while(|(lowest, _)| *lowest <= rank)
                .map(|(_, age)| *age),
            3 => &mut frames.by_age.keys().copied(),
            _ => return None,
        };
        for age in ages.filter(|age| replaced != Some(*age)) {
            victims.push(age);
            over = over.saturating_sub(cost_of(&age));
            if over == 0 || victims.len() == others {
                return Some(victims);
            }
        }
        None
    }

    /// N2.1: class 1 and 2 drop the lowest rank, of these the oldest; class 3 the oldest; class 4 refuses.
    pub fn push(&self, rank: u64, key: u32, bytes: Bytes, is_last: bool, lost: &mut Lost) -> Pushed {
        let cost = bytes.len() + OVERHEAD;
        let mut frames = lock(&self.frames);
        if frames.is_closed || frames.is_last {
            return Pushed::Gone;
        }
        let replaced = frames.by_key.get(&key).copied().filter(|_| key != 0);
        let Some(dropped) = self.victims(&frames, rank, cost, replaced) else {
            frames.wants_room = self.class == 4 || self.role == Role::Reply;
            return Pushed::Full;
        };
        lost.replaced += u64::from(replaced.is_some());
        lost.dropped += dropped.len() as u64;
        for age in dropped.into_iter().chain(replaced) {
            if let Some(frame) = frames.remove(age) {
                self.discharge(frame.bytes.len() + OVERHEAD);
            }
        }
        let age = frames.age_next;
        frames.age_next += 1;
        frames.bytes += cost;
        frames.by_rank.insert((rank, age));
        if key != 0 {
            frames.by_key.insert(key, age);
        }
        frames.by_age.insert(age, Frame { rank, key, bytes });
        frames.is_last = is_last;
        self.charge(cost);
        drop(frames);
        self.wake.notify_one();
        Pushed::Queued
    }

    /// Drops what is below a rank; returns how many.
    pub fn drop_below(&self, rank: u64) -> u64 {
        let mut frames = lock(&self.frames);
        let mut cnt = 0;
        while let Some((lowest, age)) = frames.by_rank.first().copied()
            && lowest < rank
            && let Some(frame) = frames.remove(age)
        {
            self.discharge(frame.bytes.len() + OVERHEAD);
            cnt += 1;
        }
        cnt
    }

    /// Waits for frames and encodes the oldest into `buf`: as many as fit in `batch` bytes, at least one.
    /// None when the last one has been taken.
    pub async fn take(self: &Arc<Self>, buf: &mut Vec<u8>, batch: usize) -> Option<Taken> {
        loop {
            let woken = self.wake.notified();
            {
                let mut frames = lock(&self.frames);
                let (mut cnt, mut cost) = (0, 0);
                while let Some((age, frame)) = frames.by_age.first_key_value() {
                    let (age, sz) = (*age, frame.bytes.len());
                    if cnt > 0 && buf.len() + sz + frame::PREFIX_MAX > batch {
                        break;
                    }
                    let Some(frame) = frames.remove(age) else { break };
                    // A reply's frame begins with its code byte, which stands before the length.
                    if self.role == Role::Reply {
                        let (code, body) = frame.bytes.split_at_checked(1).unwrap_or_default();
                        buf.extend_from_slice(code);
                        frame::put(buf, body);
                    } else {
                        frame::put(buf, &frame.bytes);
                    }
                    cnt += 1;
                    cost += sz + OVERHEAD;
                }
                if cnt > 0 {
                    return Some(Taken {
                        out: self.clone(),
                        cnt,
                        cost,
                    });
                }
                if frames.is_last || frames.is_closed {
                    return None;
                }
            }
            woken.await;
        }
    }

    /// Until something waits to be sent.
    pub async fn queued(&self) {
        loop {
            let woken = self.wake.notified();
            {
                let frames = lock(&self.frames);
                if !frames.by_age.is_empty() || frames.is_last || frames.is_closed {
                    return;
                }
            }
            woken.await;
        }
    }

    /// True once after a Full, when half is free again.
    pub fn has_room(&self) -> bool {
        let mut frames = lock(&self.frames);
        let is_granted = frames.wants_room && frames.bytes <= self.max / 2;
        if is_granted {
            frames.wants_room = false;
        }
        is_granted
    }

    pub fn close(&self) {
        let left = {
            let mut frames = lock(&self.frames);
            frames.is_closed = true;
            frames.by_rank.clear();
            frames.by_key.clear();
            frames.by_age.clear();
            std::mem::take(&mut frames.bytes)
        };
        self.discharge(left);
        self.wake.notify_one();
    }

    pub fn is_class(&self, class: u8) -> bool {
        self.class == class
    }

    pub fn cancel(&self) {
        self.cancel.set();
    }

    /// Until C cancels the stream or its connection ends: the code of either.
    pub async fn over(&self) -> u16 {
        tokio::select! {
            () = self.cancel.wait() => end::CANCELLED,
            () = self.conn.ended.wait() => end::GONE,
        }
    }

    /// C's word on a hello; false if it has given one.
    pub fn set_answer(&self, code: u8) -> bool {
        let mut answer = lock(&self.answer);
        if answer.is_some() {
            return false;
        }
        *answer = Some(code);
        self.answered.notify_one();
        true
    }

    pub async fn answer(&self) -> u8 {
        loop {
            if let Some(code) = *lock(&self.answer) {
                return code;
            }
            self.answered.notified().await;
        }
    }
}
