//! Who may connect (N6.1, N6.3): a behaviour that says no before any cryptography where the transport lets it.

use crate::{
    ring::{Event, Kind, lock},
    shared::{Shared, count, printable, tag},
};
use libp2p::{
    PeerId,
    core::{Endpoint, Multiaddr, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};
use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Why not; the code of DMGN_EV_REFUSED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Stopping = 1,
    Memory = 2,
    Total = 3,
    Pending = 4,
    Rate = 5,
    NetRate = 6,
    PerIp = 7,
    PerNet = 8,
    Blocked = 9,
    PerPeer = 10,
    Kind = 11,
    Events = 12,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopping => "stopping",
            Self::Memory => "no memory left for connections",
            Self::Total => "all connections taken",
            Self::Pending => "too many handshakes at once",
            Self::Rate => "too many connections a second",
            Self::NetRate => "too many connections a second from this network",
            Self::PerIp => "too many connections of this address",
            Self::PerNet => "too many connections of this network",
            Self::Blocked => "peer is blocked",
            Self::PerPeer => "too many connections of this peer",
            Self::Kind => "all connections of this kind taken",
            Self::Events => "the node does not take events",
        })
    }
}

impl std::error::Error for Refusal {}

struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    fn full(max: u32, now: Instant) -> Self {
        Self {
            level: f64::from(max),
            at: now,
        }
    }

    fn refill(&mut self, per_s: u32, max: u32, now: Instant) {
        let gained = now.duration_since(self.at).as_secs_f64() * f64::from(per_s);
        self.level = (self.level + gained).min(f64::from(max));
        self.at = now;
    }

    fn take(&mut self, per_s: u32, max: u32, now: Instant) -> bool {
        self.refill(per_s, max, now);
        let is_there = self.level >= 1.0;
        if is_there {
            self.level -= 1.0;
        }
        is_there
    }
}

/// The address of a peer and the groups it is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    ip: IpAddr,
    /// IPv4 or IPv6 /64; IPv4 /24 or IPv6 /48; IPv4 /24 or IPv6 /56.
    pub host: u128,
    pub net: u128,
    pub rate: u128,
}

pub fn groups(addr: &Multiaddr) -> Option<Groups> {
    let ip = addr.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        _ => None,
    })?;
    Some(match ip {
        // Above 2^127: no IPv6 group begins with that bit and these zeros.
        IpAddr::V4(v4) => {
            let bits = u128::from(v4.to_bits()) << 64 | 1 << 127;
            let net = bits >> 72 << 72;
            Groups {
                ip,
                host: bits,
                net,
                rate: net,
            }
        }
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            Groups {
                ip,
                host: bits >> 64 << 64,
                net: bits >> 80 << 80,
                rate: bits >> 72 << 72,
            }
        }
    })
}

#[derive(Clone, Copy)]
struct Known {
    groups: Option<Groups>,
    peer: Option<PeerId>,
    is_inbound: bool,
    is_vip: bool,
}

#[derive(Default)]
struct Counts(HashMap<u128, u32>);

impl Counts {
    fn get(&self, group: u128) -> u32 {
        self.0.get(&group).copied().unwrap_or(0)
    }

    fn add(&mut self, group: u128) {
        *self.0.entry(group).or_insert(0) += 1;
    }

    fn sub(&mut self, group: u128) {
        if let Some(cnt) = self.0.get_mut(&group) {
            *cnt -= 1;
            if *cnt == 0 {
                self.0.remove(&group);
            }
        }
    }
}

pub struct Gate {
    shared: Arc<Shared>,
    all: Bucket,
    nets: HashMap<u128, Bucket>,
    hosts: Counts,
    groups: Counts,
    peers: HashMap<PeerId, u32>,
    /// Inbound handshakes and open connections.
    pending: HashMap<ConnectionId, Known>,
    open: HashMap<ConnectionId, Known>,
    plain_in: u32,
    plain_out: u32,
    process: (Instant, usize),
    told: (Option<Instant>, u64),
}

/// Between two REFUSED events, and two looks at the process's memory.
const TELL: Duration = Duration::from_millis(100);
/// Rate buckets kept before the full ones are dropped.
const NETS: usize = 4096;

/// Resident bytes of the process.
fn process_memory() -> usize {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages = text
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0).saturating_mul(4096)
}

impl Gate {
    pub fn new(shared: &Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            all: Bucket::full(shared.limits.accepts_burst, now),
            nets: HashMap::new(),
            hosts: Counts::default(),
            groups: Counts::default(),
            peers: HashMap::new(),
            pending: HashMap::new(),
            open: HashMap::new(),
            plain_in: 0,
            plain_out: 0,
            process: (now, process_memory()),
            told: (None, 0),
            shared: shared.clone(),
        }
    }

    fn is_memory_short(&mut self, now: Instant) -> bool {
        let max = self.shared.limits.process_memory;
        if max == 0 {
            return false;
        }
        if now.duration_since(self.process.0) >= TELL {
            self.process = (now, process_memory());
        }
        self.process.1 >= max
    }

    fn may_begin(&mut self, groups: Option<Groups>, now: Instant) -> Result<(), Refusal> {
        let shared = self.shared.clone();
        let limits = &shared.limits;
        let is_passed = groups.is_some_and(|groups| lock(&shared.passes).contains(&groups.ip));
        if shared.is_stopping.load(Ordering::Relaxed) {
            return Err(Refusal::Stopping);
        }
        // C has stopped taking events: connections that come and go would pile theirs up.
        if shared.urgent.control_len() >= limits.control_events {
            return Err(Refusal::Events);
        }
        if self.open.len() + self.pending.len() >= limits.conns as usize {
            return Err(Refusal::Total);
        }
        if is_passed {
            return Ok(());
        }
        if self.is_memory_short(now) {
            return Err(Refusal::Memory);
        }
        if self.pending.len() >= limits.pending_in as usize {
            return Err(Refusal::Pending);
        }
        if let Some(groups) = groups {
            if limits.ip_conns > 0 && self.hosts.get(groups.host) >= limits.ip_conns {
                return Err(Refusal::PerIp);
            }
            if limits.net_conns > 0 && self.groups.get(groups.net) >= limits.net_conns {
                return Err(Refusal::PerNet);
            }
            let (per_s, burst) = (limits.net_accepts_per_s, limits.net_accepts_burst);
            if per_s > 0 {
                if self.nets.len() >= NETS {
                    self.nets.retain(|_, bucket| {
                        bucket.refill(per_s, burst, now);
                        bucket.level < f64::from(burst)
                    });
                }
                let bucket = self.nets.entry(groups.rate).or_insert_with(|| Bucket::full(burst, now));
                if !bucket.take(per_s, burst, now) {
                    return Err(Refusal::NetRate);
                }
            }
        }
        if limits.accepts_per_s > 0 && !self.all.take(limits.accepts_per_s, limits.accepts_burst, now) {
            return Err(Refusal::Rate);
        }
        Ok(())
    }

    fn may_open(&self, peer: &PeerId, is_inbound: bool) -> Result<(), Refusal> {
        let limits = &self.shared.limits;
        if self.shared.tags(peer) & tag::BLOCK != 0 {
            return Err(Refusal::Blocked);
        }
        let is_vip = self.shared.is_vip(peer);
        let max = if is_vip { limits.vip_conns } else { limits.peer_conns };
        if self.peers.get(peer).copied().unwrap_or(0) >= max {
            return Err(Refusal::PerPeer);
        }
        let (have, max) = if is_inbound {
            (self.plain_in, limits.conns_in)
        } else {
            (self.plain_out, limits.conns_out)
        };
        if !is_vip && have >= max {
            return Err(Refusal::Kind);
        }
        if self.open.len() >= limits.conns as usize {
            return Err(Refusal::Total);
        }
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal, addr: &Multiaddr, peer: Option<PeerId>) -> ConnectionDenied {
        count(&self.shared.counters.refused_conns, 1);
        self.told.1 += 1;
        let now = Instant::now();
        if self.told.0.is_none_or(|at| now.duration_since(at) >= TELL) {
            self.shared.spare(Event {
                code: refusal as u16,
                id: self.told.1,
                peer,
                data: refusal.to_string().into(),
                addr: printable(&addr.to_string(), 256),
                ..Event::new(Kind::Refused)
            });
            self.told = (Some(now), 0);
        }
        ConnectionDenied::new(refusal)
    }

    fn begun(&mut self, cid: ConnectionId, known: Known) {
        if let Some(groups) = known.groups {
            self.hosts.add(groups.host);
            self.groups.add(groups.net);
        }
        self.pending.insert(cid, known);
    }

    fn uncount(&mut self, known: Known) {
        if let (Some(groups), true) = (known.groups, known.is_inbound) {
            self.hosts.sub(groups.host);
            self.groups.sub(groups.net);
        }
    }

    fn opened(&mut self, cid: ConnectionId, peer: PeerId, is_inbound: bool) {
        let groups = self.pending.remove(&cid).and_then(|known| known.groups);
        let known = Known {
            groups,
            peer: Some(peer),
            is_inbound,
            is_vip: self.shared.is_vip(&peer),
        };
        *self.peers.entry(peer).or_insert(0) += 1;
        if !known.is_vip {
            let plain = if is_inbound {
                &mut self.plain_in
            } else {
                &mut self.plain_out
            };
            *plain += 1;
        }
        self.open.insert(cid, known);
    }

    fn closed(&mut self, cid: ConnectionId) {
        let Some(known) = self.open.remove(&cid) else { return };
        self.uncount(known);
        if let Some(peer) = known.peer
            && let Some(cnt) = self.peers.get_mut(&peer)
        {
            *cnt -= 1;
            if *cnt == 0 {
                self.peers.remove(&peer);
            }
        }
        if !known.is_vip {
            let plain = if known.is_inbound {
                &mut self.plain_in
            } else {
                &mut self.plain_out
            };
            *plain -= 1;
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        cid: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let groups = groups(remote);
        self.may_begin(groups, Instant::now())
            .map_err(|refusal| self.refuse(refusal, remote, None))?;
        self.begun(
            cid,
            Known {
                groups,
                peer: None,
                is_inbound: true,
                is_vip: false,
            },
        );
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.may_open(&peer, true)
            .map_err(|refusal| self.refuse(refusal, remote, Some(peer)))?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.may_open(&peer, false)
            .map_err(|refusal| self.refuse(refusal, addr, Some(peer)))?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(up) => {
                self.opened(up.connection_id, up.peer_id, up.endpoint.is_listener());
            }
            FromSwarm::ConnectionClosed(down) => self.closed(down.connection_id),
            FromSwarm::ListenFailure(failure) => {
                if let Some(known) = self.pending.remove(&failure.connection_id) {
                    self.uncount(known);
                }
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
