//! Notify and request/response streams on a chosen connection (N2.4): a behaviour that makes a handler for each
//! connection.  Openings go from C to the connection's task and streams to tasks of their own, past the swarm's task.

use crate::{
    muxer::Contained,
    queue::{Out, Role},
    ring::{Event, Kind, Lane, lock},
    shared::{Conn, End, Shared, count, end, why},
    tasks,
};
use bytes::Bytes;
use futures::task::AtomicWaker;
use libp2p::{
    PeerId, StreamProtocol,
    core::{Endpoint, Multiaddr, transport::PortUse, upgrade},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, Stream, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, handler::ConnectionEvent,
    },
};
use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

/// A stream that C wants: its end is told if it cannot be had.
pub struct Open {
    pub out: Arc<Out>,
    pub end: End,
    pub deadline: Duration,
}

/// The protocols offered or asked for; the index of the agreed one comes with the stream.
pub struct Up(Arc<[(StreamProtocol, u16)]>);

impl upgrade::UpgradeInfo for Up {
    type Info = Offer;
    type InfoIter = std::vec::IntoIter<Offer>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0
            .iter()
            .map(|(id, proto)| Offer(id.clone(), *proto))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

#[derive(Clone)]
pub struct Offer(StreamProtocol, u16);

impl AsRef<str> for Offer {
    fn as_ref(&self) -> &str {
        self.0.as_ref()
    }
}

impl upgrade::InboundUpgrade<Stream> for Up {
    type Output = (Stream, u16);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, info: Offer) -> Self::Future {
        ready(Ok((stream, info.1)))
    }
}

impl upgrade::OutboundUpgrade<Stream> for Up {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: Offer) -> Self::Future {
        ready(Ok(stream))
    }
}

/// A stream's place among those its connection may have.
pub struct Slot {
    conn: Arc<Conn>,
    proto: u16,
    is_inbound: bool,
}

impl Slot {
    /// None if the protocol or the connection has as many as it may.
    pub fn take(conn: &Arc<Conn>, shared: &Shared, proto: u16, is_inbound: bool) -> Option<Self> {
        let limits = shared.protos.get(usize::from(proto))?;
        let max = if is_inbound { limits.in_max } else { limits.out_max };
        let counters = if is_inbound { &conn.ins } else { &conn.outs };
        let counter = counters.get(usize::from(proto))?;
        let below = |max: u32| move |cnt: u32| (cnt < max).then_some(cnt + 1);
        counter
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, below(max))
            .ok()?;
        if conn
            .streams
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, below(conn.streams_max))
            .is_err()
        {
            counter.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        Some(Self {
            conn: conn.clone(),
            proto,
            is_inbound,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let counters = if self.is_inbound {
            &self.conn.ins
        } else {
            &self.conn.outs
        };
        if let Some(counter) = counters.get(usize::from(self.proto)) {
            counter.fetch_sub(1, Ordering::AcqRel);
        }
        self.conn.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

pub struct Handler {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    offers: Arc<[(StreamProtocol, u16)]>,
}

impl Handler {
    fn spawn(&self, proto: u16, task: impl Future<Output = ()> + Send + 'static) {
        let (shared, conn) = (self.shared.clone(), self.conn.clone());
        tokio::spawn(async move {
            let label = shared
                .protos
                .get(usize::from(proto))
                .map_or("", |proto| proto.id.as_ref());
            if Contained::new(task, conn.peer, label).await.is_none() {
                count(&shared.counters.panics, 1);
                shared.close(&conn, why::PANIC);
            }
        });
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.conn.ended.set();
        // Each left in there tells its end.
        lock(&self.conn.opens).clear();
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Up;
    type OutboundProtocol = Up;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = (Open, Slot);

    fn listen_protocol(&self) -> SubstreamProtocol<Up> {
        SubstreamProtocol::new(Up(self.offers.clone()), ())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Up, (Open, Slot), Infallible>> {
        self.conn.waker.register(cx.waker());
        loop {
            let Some(mut open) = lock(&self.conn.opens).pop_front() else {
                return Poll::Pending;
            };
            let Some(slot) = Slot::take(&self.conn, &self.shared, open.out.proto, false) else {
                open.end.code = end::OVER;
                continue;
            };
            let offer = self.offers.get(usize::from(open.out.proto)).cloned();
            let timeout = self
                .shared
                .protos
                .get(usize::from(open.out.proto))
                .map(|proto| proto.first);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(Up(offer.into_iter().collect()), (open, slot))
                    .with_timeout(timeout.unwrap_or(Duration::from_secs(10))),
            });
        }
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Up, Up, (), (Open, Slot)>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(inbound) => {
                let (stream, proto_idx) = inbound.protocol;
                let Some(slot) = Slot::take(&self.conn, &self.shared, proto_idx, true) else {
                    self.shared.offend(&self.conn);
                    return;
                };
                let Some(proto) = self.shared.protos.get(usize::from(proto_idx)) else {
                    return;
                };
                let role = if proto.is_notify { Role::NotifyIn } else { Role::Reply };
                let out = Out::new(role, &self.conn, proto_idx, proto);
                let (shared, conn) = (self.shared.clone(), self.conn.clone());
                if proto.is_notify {
                    self.spawn(proto_idx, tasks::notify_in(shared, conn, out, stream, slot));
                } else {
                    self.spawn(proto_idx, tasks::request_in(shared, conn, out, stream, slot));
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(outbound) => {
                let (open, slot) = outbound.info;
                let shared = self.shared.clone();
                let proto = open.out.proto;
                if open.out.role == Role::NotifyOut {
                    self.spawn(proto, tasks::notify_out(shared, open, outbound.protocol, slot));
                } else {
                    self.spawn(proto, tasks::request_out(shared, open, outbound.protocol, slot));
                }
            }
            ConnectionEvent::DialUpgradeError(error) => {
                let (mut open, _) = error.info;
                open.end.code = match error.error {
                    StreamUpgradeError::Timeout => end::TIMEOUT,
                    StreamUpgradeError::NegotiationFailed => end::UNSUPPORTED,
                    _ => end::RESET,
                };
            }
            _ => (),
        }
    }
}

pub struct Streams {
    shared: Arc<Shared>,
    offers: Arc<[(StreamProtocol, u16)]>,
    /// Made with their handler, told to C once the swarm has accepted them.
    made: HashMap<ConnectionId, Arc<Conn>>,
    pub live: HashMap<ConnectionId, Arc<Conn>>,
}

impl Streams {
    pub fn new(shared: &Arc<Shared>) -> Self {
        let offers = shared
            .protos
            .iter()
            .zip(0u16..)
            .map(|(proto, idx)| (proto.id.clone(), idx));
        Self {
            shared: shared.clone(),
            offers: offers.collect(),
            made: HashMap::new(),
            live: HashMap::new(),
        }
    }

    fn handler(&mut self, cid: ConnectionId, peer: PeerId, addr: &Multiaddr, is_inbound: bool) -> Handler {
        let shared = &self.shared;
        // A dial's entry stays until the swarm has taken the connection: another behaviour may still refuse it.
        let id = lock(&shared.dials).get(&cid).copied();
        let id = id.unwrap_or_else(|| shared.next_conn.fetch_add(1, Ordering::Relaxed));
        let mux = lock(&shared.muxes).get_mut(&peer).and_then(|stats| {
            let at = stats.iter().position(|stat| stat.is_inbound == is_inbound)?;
            Some(stats.remove(at))
        });
        // The share that its muxer was made with: a tag that comes later does not change it.
        let share = mux.as_ref().map(|mux| mux.limits);
        let is_vip = share.map_or(shared.is_vip(&peer), |share| {
            share.streams == shared.limits.mux_vip.streams
        });
        let share = share.unwrap_or_else(|| shared.mux_limits(&peer, is_inbound));
        let counters = || shared.protos.iter().map(|_| AtomicU32::new(0)).collect::<Vec<_>>();
        let conn = Arc::new(Conn {
            id,
            cid,
            peer,
            is_inbound,
            addr: addr.clone(),
            gauge: Arc::new(crate::ring::Gauge::under(&shared.memory)),
            mux,
            urgent: crate::shared::Urgent::default(),
            ended: crate::shared::Once::default(),
            opens: Mutex::default(),
            waker: AtomicWaker::new(),
            ins: counters(),
            outs: counters(),
            streams: AtomicU32::new(0),
            is_vip,
            streams_max: share.streams.saturating_sub(8).max(1),
            offended: Mutex::new(None),
            closing: AtomicU16::new(0),
            pings_missed: AtomicU32::new(0),
        });
        self.made.insert(cid, conn.clone());
        Handler {
            shared: shared.clone(),
            conn,
            offers: self.offers.clone(),
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        cid: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(cid, peer, remote, true))
    }

    fn handle_established_outbound_connection(
        &mut self,
        cid: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(cid, peer, addr, false))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            // The connection's task has not run yet: CONN_UP comes before all else of it.
            FromSwarm::ConnectionEstablished(up) => {
                let Some(conn) = self.made.remove(&up.connection_id) else {
                    return;
                };
                if lock(&self.shared.dials).remove(&up.connection_id).is_some() {
                    self.shared.dialling.fetch_sub(1, Ordering::AcqRel);
                }
                let is_quic = conn.addr.iter().any(|part| part == libp2p::multiaddr::Protocol::QuicV1);
                lock(&self.shared.conns).insert(conn.id, conn.clone());
                count(&self.shared.counters.conns_up, 1);
                self.shared.urgent.push_control(Event {
                    code: u16::from(conn.is_inbound) | u16::from(is_quic) << 1 | u16::from(conn.is_vip) << 2,
                    conn: conn.id,
                    peer: Some(conn.peer),
                    addr: conn.addr.to_string().into(),
                    ..Event::new(Kind::ConnUp)
                });
                self.live.insert(up.connection_id, conn);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                connection_id, cause, ..
            }) => {
                let Some(conn) = self.live.remove(&connection_id) else {
                    return;
                };
                lock(&self.shared.conns).remove(&conn.id);
                count(&self.shared.counters.conns_down, 1);
                let text = cause.map_or(String::new(), |cause| crate::swarm::chain(cause));
                let code = match (conn.closing.load(Ordering::Acquire), cause) {
                    (0, Some(libp2p::swarm::ConnectionError::KeepAliveTimeout)) => why::IDLE,
                    (0, Some(_)) if crate::muxer::is_limit(&text) => why::LIMIT,
                    (0, Some(_)) if crate::muxer::is_panic(&text) => why::PANIC,
                    (0, Some(_)) if crate::muxer::is_closed(&text) => why::REMOTE,
                    (0, Some(_)) => why::IO,
                    (0, None) => why::REMOTE,
                    (ours, _) => ours - 1,
                };
                self.shared.urgent.push_control(Event {
                    code,
                    conn: conn.id,
                    peer: Some(conn.peer),
                    data: Bytes::from(text),
                    ..Event::new(Kind::ConnDown)
                });
            }
            // Denied by another behaviour after ours had made a handler.
            FromSwarm::ListenFailure(failure) => {
                self.made.remove(&failure.connection_id);
            }
            FromSwarm::DialFailure(failure) => {
                self.made.remove(&failure.connection_id);
            }
            _ => (),
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// The lane and end of a stream that is about to begin.
pub fn begin(shared: &Arc<Shared>, out: &Arc<Out>, kind: Kind) -> (End, Arc<Lane>, u64) {
    let conn = &out.conn;
    let (class, max) = shared
        .protos
        .get(usize::from(out.proto))
        .map_or((4, 0), |proto| (proto.class, proto.queue_max));
    let lane = Lane::new(max, &conn.gauge);
    let id = shared.id();
    lock(&shared.outs).insert(id, out.clone());
    let end = End {
        shared: shared.clone(),
        ring: shared.ring(class).clone(),
        lane: lane.clone(),
        kind,
        conn: conn.id,
        peer: conn.peer,
        proto: out.proto,
        id,
        code: end::GONE,
    };
    (end, lane, id)
}
