//! The swarm's task: commands of C in, events of libp2p out.  It never waits for C.

use crate::{
    gate,
    gossip::{self, Gossip},
    guard::Guarded,
    muxer::{Caught, Yamux},
    ring::{Event, Kind, lock},
    shared::{Ask, Conn, Shared, count, printable, tag, why},
    streams,
};
use bytes::Bytes;
use futures::StreamExt;
use libp2p::{
    PeerId, Swarm,
    core::transport::TransportError,
    core::{ConnectedPoint, Transport, muxing::StreamMuxerBox, transport::OptionalTransport, upgrade},
    dns, gossipsub, identify,
    identity::Keypair,
    metrics::{Metrics, Recorder, Registry},
    multiaddr::{Multiaddr, Protocol},
    noise, ping, quic,
    swarm::{ConnectionId, DialError, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts, dial_opts::PeerCondition},
    tcp,
};
use socket2::{Domain, Socket, Type};
use std::{
    collections::HashSet,
    error::Error,
    fmt::Write,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

#[derive(Clone)]
pub struct Settings {
    pub seed: [u8; 32],
    pub agent: String,
    pub version: String,
    pub listen: Vec<Multiaddr>,
    pub quic_streams: u32,
    pub quic_stream_bytes: u32,
    pub quic_conn_bytes: u32,
    pub gossip: gossip::Settings,
}

/// What C asks; bytes are copies.
pub enum Cmd {
    Dial {
        conn: u32,
        peer: PeerId,
        addrs: Vec<Multiaddr>,
        is_bulk: bool,
    },
    Close {
        conn: u32,
        why: u16,
    },
    Tag {
        peer: PeerId,
    },
    Score {
        peer: PeerId,
        app: f64,
    },
    Join {
        name: String,
        data_max: usize,
        score: Box<gossipsub::TopicScoreParams>,
    },
    Leave(String),
    Publish(String, Vec<u8>),
    Verdict(u64, u32),
    Text(std::sync::mpsc::SyncSender<String>, u32),
    Stop(Duration),
}

#[derive(NetworkBehaviour)]
pub struct Behaviours {
    // First: a refusal spares the others their work.
    gate: gate::Gate,
    streams: streams::Streams,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    gossip: gossip::Pubsub,
}

/// An error and its causes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Many repeat the inner text, some have none.
        let inner_text = inner.to_string();
        if text.is_empty() {
            text = inner_text;
        } else if !text.contains(&inner_text) {
            let _ = write!(text, ": {inner_text}");
        }
        cause = inner.source();
    }
    text.chars().take(512).collect()
}

/// Why a dial failed, in the user's words: what stands in the text of an error, and what it means.
const CAUSES: [(&str, &str); 13] = [
    ("Connection refused", "refused, nobody listens there"),
    ("Timeout has been reached", "no answer in time"),
    ("timed out", "no answer in time"),
    ("unreachable", "no way to it from here"),
    ("No route", "no way to it from here"),
    ("no record found", "no such name"),
    ("DNS error", "no such name"),
    (
        "not supported",
        "of a kind that is not dialled here; QUIC only by who listens by it",
    ),
    (
        "Unsupported",
        "of a kind that is not dialled here; QUIC only by who listens by it",
    ),
    ("end of file", "hung up while connecting"),
    ("reset by peer", "hung up while connecting"),
    ("Broken pipe", "hung up while connecting"),
    ("Handshake failed", "what listens there is no node"),
];

/// "/ip4/192.0.2.1/tcp/1: no answer in time; ..", each address with its own cause.
fn dial_cause(error: &DialError) -> String {
    let plain = |addr: &Multiaddr| {
        let mut addr = addr.clone();
        if let Some(Protocol::P2p(_)) = addr.iter().last() {
            addr.pop();
        }
        addr
    };
    let words = |error: &TransportError<io::Error>| {
        let text = match error {
            TransportError::Other(error) => chain(error),
            TransportError::MultiaddrNotSupported(_) => "not supported".into(),
        };
        let known = CAUSES.iter().find(|(part, _)| text.contains(part));
        known.map_or(text, |(_, words)| (*words).into())
    };
    match error {
        DialError::Transport(errors) => {
            let each = errors
                .iter()
                .map(|(addr, error)| format!("{}: {}", plain(addr), words(error)));
            each.collect::<Vec<_>>().join("; ")
        }
        DialError::WrongPeerId { obtained, address } => {
            format!("{}: another peer is there, {obtained}", plain(address))
        }
        DialError::LocalPeerId { address } => format!("{}: this node itself is there", plain(address)),
        DialError::DialPeerConditionFalse(_) => "it is being dialled already".into(),
        DialError::Denied { cause } => cause
            .source()
            .map_or_else(|| chain(cause), |refusal| format!("our own limit: {refusal}")),
        error => chain(error),
    }
}

/// Whether somebody else holds what we are to listen at: libp2p's own socket shares a port of TCP with everybody who asks so (SO_REUSEPORT).
fn probe(addr: &Multiaddr) -> io::Result<()> {
    let mut parts = addr.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()), // libp2p says what it cannot listen at
    };
    let (port, kind) = match parts.next() {
        Some(Protocol::Tcp(port)) => (port, Type::STREAM),
        Some(Protocol::Udp(port)) => (port, Type::DGRAM),
        _ => return Ok(()),
    };
    let at = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    if ip.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a node that has just ended are no one else's; for UDP this would mean to share.
    socket.set_reuse_address(kind == Type::STREAM)?;
    socket.bind(&at.into())
}

fn transport(shared: &Arc<Shared>, key: &Keypair, settings: &Settings) -> Result<Caught, String> {
    let noise = noise::Config::new(key).map_err(|e| chain(&e))?;
    let handshake = shared.limits.handshake;
    let stack = || {
        let quic = (settings.quic_streams > 0).then(|| {
            let mut config = quic::Config::new(key);
            config.handshake_timeout = handshake;
            config.max_idle_timeout = u32::try_from(shared.limits.ping.as_millis() * 2).unwrap_or(u32::MAX);
            config.max_concurrent_stream_limit = settings.quic_streams;
            config.max_stream_data = settings.quic_stream_bytes;
            config.max_connection_data = settings.quic_conn_bytes;
            quic::tokio::Transport::new(config)
        });
        let quic = quic.map_or_else(OptionalTransport::none, OptionalTransport::some);
        let shared = shared.clone();
        let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
            .upgrade(upgrade::Version::V1Lazy)
            .authenticate(noise.clone())
            .multiplex_ext(move |peer: &PeerId, point: &ConnectedPoint| Yamux {
                shared,
                peer: *peer,
                is_inbound: point.is_listener(),
            })
            .timeout(handshake);
        let quic = quic.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
        let tcp = tcp.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
        quic.or_transport(tcp).map(|either, _| either.into_inner())
    };
    // Without a resolver's configuration names cannot be dialled, addresses can.
    Ok(Caught(match dns::tokio::Transport::system(stack()) {
        Ok(named) => named.boxed(),
        Err(error) => {
            tracing::warn!("no names, addresses only: {}", chain(&error));
            stack().boxed()
        }
    }))
}

pub struct Host {
    swarm: Swarm<Guarded<Behaviours>>,
    shared: Arc<Shared>,
    gossip: Gossip,
    metrics: Metrics,
    listening: HashSet<libp2p::core::transport::ListenerId>,
    pressure: u16,
    pressed: Instant,
}

const TICK: Duration = Duration::from_millis(100);

impl Host {
    /// To be called on the runtime: transports register their sockets with it.
    pub fn new(shared: &Arc<Shared>, settings: &Settings, registry: &mut Registry) -> Result<Self, String> {
        let mut seed = settings.seed;
        let key = Keypair::ed25519_from_bytes(&mut seed).map_err(|e| chain(&e))?;
        let metrics = Metrics::new(registry);
        let topics = gossip::Topics::default();
        let identify = identify::Config::new(settings.version.clone(), key.public())
            .with_agent_version(settings.agent.clone())
            .with_cache_size(0);
        let limits = &shared.limits;
        let ping = ping::Config::new().with_interval(limits.ping).with_timeout(limits.ping);
        let behaviours = Behaviours {
            gate: gate::Gate::new(shared),
            streams: streams::Streams::new(shared),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping),
            gossip: gossip::behaviour(&settings.gossip, &topics, registry)?,
        };
        let config = libp2p::swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(limits.idle)
            .with_max_negotiating_inbound_streams(limits.mux_vip.streams as usize)
            .with_smart_dial();
        let peer = key.public().to_peer_id();
        let guarded = Guarded::new(behaviours, shared);
        let mut swarm = Swarm::new(transport(shared, &key, settings)?.boxed(), guarded, peer, config);
        let mut listening = HashSet::new();
        // All of them first: two of ours may share a port.
        for addr in &settings.listen {
            probe(addr).map_err(|e| match e.kind() {
                io::ErrorKind::AddrInUse => format!("cannot listen on {addr}: another process listens there already"),
                _ => format!("cannot listen on {addr}: {e}"),
            })?;
        }
        for addr in &settings.listen {
            let id = swarm
                .listen_on(addr.clone())
                .map_err(|e| format!("cannot listen on {addr}: {}", chain(&e)))?;
            listening.insert(id);
        }
        Ok(Self {
            swarm,
            shared: shared.clone(),
            gossip: Gossip::new(settings.gossip.clone(), topics, &shared.memory),
            metrics,
            listening,
            pressure: 0,
            pressed: Instant::now(),
        })
    }

    pub fn peer(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    fn behaviours(&mut self) -> &mut Behaviours {
        &mut self.swarm.behaviour_mut().inner
    }

    fn conn(&self, cid: ConnectionId) -> Option<Arc<Conn>> {
        self.swarm.behaviour().inner.streams.live.get(&cid).cloned()
    }

    pub async fn run(mut self, mut cmds: mpsc::Receiver<Cmd>, mut asks: mpsc::UnboundedReceiver<Ask>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let grace = loop {
            tokio::select! {
                cmd = cmds.recv() => match cmd {
                    None => break Duration::ZERO,
                    Some(Cmd::Stop(grace)) => break grace,
                    Some(cmd) => self.command(cmd),
                },
                Some(Ask::Close(conn)) = asks.recv() => { self.swarm.close_connection(conn.cid); }
                event = self.swarm.select_next_some() => self.event(event),
                _ = tick.tick() => self.tick(),
            }
        };
        self.stop(grace).await;
    }

    /// N2.9: no more of anything, what is urgent leaves, then everybody is told.
    async fn stop(&mut self, grace: Duration) {
        let end = Instant::now() + grace;
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        // The gate lets nobody in any more.  The listeners stay: closing one of QUIC's ends all connections of its socket.
        let conns: Vec<_> = lock(&self.shared.conns).values().cloned().collect();
        // A close throws away what quinn has not sent, or what the peer's kernel has not handed on.
        let linger = grace / 8;
        while conns.iter().any(|conn| conn.urgent.is_leaving(linger)) && Instant::now() < end {
            let _ = timeout(Duration::from_millis(5), self.swarm.select_next_some()).await;
        }
        for conn in &conns {
            let _ = conn
                .closing
                .compare_exchange(0, why::STOP + 1, Ordering::AcqRel, Ordering::Relaxed);
            self.swarm.close_connection(conn.cid);
        }
        // What the other side does not take in this time is cut.
        let end = end.max(Instant::now() + Duration::from_millis(50));
        while !lock(&self.shared.conns).is_empty() && Instant::now() < end {
            if let Ok(event) = timeout(Duration::from_millis(5), self.swarm.select_next_some()).await {
                self.event(event);
            }
        }
        // quinn's tasks still have to send what says that its connections are closed.
        let _ = timeout(Duration::from_millis(20), async {
            while self.swarm.next().await.is_some() {}
        })
        .await;
    }

    fn command(&mut self, cmd: Cmd) {
        match cmd {
            Cmd::Dial {
                conn,
                peer,
                addrs,
                is_bulk,
            } => {
                let condition = if is_bulk {
                    PeerCondition::Always
                } else {
                    PeerCondition::NotDialing
                };
                let opts = DialOpts::peer_id(peer).condition(condition).addresses(addrs).build();
                let cid = opts.connection_id();
                lock(&self.shared.dials).insert(cid, conn);
                if let Err(error) = self.swarm.dial(opts) {
                    // The behaviours' failure has been told already if it came from there.
                    self.dial_failed(cid, Some(peer), &dial_cause(&error));
                }
            }
            Cmd::Close { conn, why } => {
                if let Some(conn) = lock(&self.shared.conns).get(&conn) {
                    let _ = conn
                        .closing
                        .compare_exchange(0, why + 1, Ordering::AcqRel, Ordering::Relaxed);
                    self.swarm.close_connection(conn.cid);
                }
            }
            Cmd::Tag { peer } => {
                if self.shared.tags(&peer) & tag::BLOCK != 0 {
                    let conns: Vec<_> = lock(&self.shared.conns)
                        .values()
                        .filter(|conn| conn.peer == peer)
                        .cloned()
                        .collect();
                    for conn in conns {
                        self.shared.close(&conn, why::BLOCKED);
                    }
                }
            }
            Cmd::Score { peer, app } => {
                self.behaviours().gossip.set_application_score(&peer, app);
            }
            Cmd::Join { name, data_max, score } => {
                let gossip = &mut self.swarm.behaviour_mut().inner.gossip;
                self.gossip.join(gossip, &name, data_max, *score);
            }
            Cmd::Leave(name) => self.gossip.leave(&mut self.swarm.behaviour_mut().inner.gossip, &name),
            Cmd::Publish(name, data) => {
                self.shared.command_bytes.fetch_sub(data.len(), Ordering::Relaxed);
                count(&self.shared.counters.gossip_out, 1);
                let topic = gossipsub::IdentTopic::new(&name);
                if let Err(error) = self.behaviours().gossip.publish(topic, data) {
                    tracing::debug!("publish on {name}: {}", chain(&error));
                }
            }
            Cmd::Verdict(id, verdict) => {
                self.gossip
                    .verdict(&mut self.swarm.behaviour_mut().inner.gossip, id, verdict);
            }
            Cmd::Text(reply, what) => {
                let _ = reply.try_send(self.text(what));
            }
            Cmd::Stop(_) => (),
        }
    }

    fn dial_failed(&mut self, cid: ConnectionId, peer: Option<PeerId>, text: &str) {
        let Some(conn) = lock(&self.shared.dials).remove(&cid) else {
            return;
        };
        self.shared.dialling.fetch_sub(1, Ordering::AcqRel);
        count(&self.shared.counters.dials_failed, 1);
        self.shared.urgent.push_control(Event {
            conn,
            peer,
            data: printable(text, 512),
            ..Event::new(Kind::DialFailed)
        });
    }

    fn event(&mut self, event: SwarmEvent<BehavioursEvent>) {
        self.metrics.record(&event);
        match event {
            SwarmEvent::Behaviour(BehavioursEvent::Identify(event)) => self.identified(event),
            SwarmEvent::Behaviour(BehavioursEvent::Ping(event)) => self.pinged(event),
            SwarmEvent::Behaviour(BehavioursEvent::Gossip(event)) => {
                self.metrics.record(&event);
                self.gossiped(event);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => self.dial_failed(connection_id, peer_id, &dial_cause(&error)),
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => self.gossip.gone(&peer_id),
            SwarmEvent::NewListenAddr { address, .. } => self.listening(&address, 0, ""),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.listening(&address, 1, "expired"),
            SwarmEvent::ListenerClosed {
                listener_id,
                addresses,
                reason,
            } if self.listening.remove(&listener_id) => {
                let text = reason.err().map_or(String::new(), |error| chain(&error));
                for address in addresses {
                    self.listening(&address, 1, &text);
                }
            }
            _ => (),
        }
    }

    fn listening(&self, addr: &Multiaddr, code: u16, text: &str) {
        self.shared.urgent.push_control(Event {
            code,
            data: printable(text, 512),
            addr: addr.to_string().into(),
            ..Event::new(Kind::Listening)
        });
    }

    fn identified(&mut self, event: identify::Event) {
        let identify::Event::Received {
            connection_id,
            peer_id,
            info,
        } = event
        else {
            return;
        };
        let Some(conn) = self.conn(connection_id) else { return };
        let mut text = format!(
            "agent {}\nversion {}\n",
            clean(&info.agent_version),
            clean(&info.protocol_version)
        );
        for addr in info.listen_addrs.iter().take(16) {
            let _ = writeln!(text, "listen {addr}");
        }
        for protocol in info.protocols.iter().take(64) {
            let _ = writeln!(text, "protocol {}", clean(protocol.as_ref()));
        }
        self.shared.spare(Event {
            conn: conn.id,
            peer: Some(peer_id),
            data: Bytes::from(text),
            ..Event::new(Kind::Identified)
        });
        self.shared.spare(Event {
            conn: conn.id,
            peer: Some(peer_id),
            addr: printable(&info.observed_addr.to_string(), 256),
            ..Event::new(Kind::SelfAddr)
        });
    }

    fn pinged(&mut self, event: ping::Event) {
        let Some(conn) = self.conn(event.connection) else {
            return;
        };
        match event.result {
            Ok(rtt) => {
                conn.pings_missed.store(0, Ordering::Relaxed);
                self.shared.spare(Event {
                    conn: conn.id,
                    id: u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX),
                    peer: Some(event.peer),
                    ..Event::new(Kind::Rtt)
                });
            }
            Err(ping::Failure::Unsupported) => (),
            Err(_) => {
                if conn.pings_missed.fetch_add(1, Ordering::Relaxed) + 1 >= self.shared.limits.ping_misses {
                    self.shared.close(&conn, why::PING);
                }
            }
        }
    }

    fn gossiped(&mut self, event: gossipsub::Event) {
        let (peer, topic, kind, code) = match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                let gossip = &mut self.swarm.behaviour_mut().inner.gossip;
                self.gossip
                    .message(&self.shared, gossip, propagation_source, message_id, message);
                return;
            }
            gossipsub::Event::Subscribed { peer_id, topic, .. } => (peer_id, topic.into_string(), Kind::TopicPeers, 1),
            gossipsub::Event::Unsubscribed { peer_id, topic } => (peer_id, topic.into_string(), Kind::TopicPeers, 0),
            gossipsub::Event::SlowPeer { peer_id, .. } => (peer_id, String::new(), Kind::SlowPeer, 0),
            gossipsub::Event::GossipsubNotSupported { .. } => return,
        };
        self.shared.spare(Event {
            code,
            peer: Some(peer),
            addr: topic.into(),
            ..Event::new(kind)
        });
    }

    fn tick(&mut self) {
        self.gossip
            .tick(&self.shared, &mut self.swarm.behaviour_mut().inner.gossip);
        lock(&self.shared.muxes).retain(|_, stats| {
            stats.retain(|stat| Arc::strong_count(stat) > 1);
            !stats.is_empty()
        });
        let (used, max) = (self.shared.memory.get(), self.shared.limits.memory);
        let [low, high] = self.shared.limits.pressure_pct;
        let level = [high, low]
            .into_iter()
            .find(|pct| used >= max / 100 * *pct as usize)
            .unwrap_or(0);
        let level = u16::try_from(level).unwrap_or(u16::MAX);
        let is_due = self.pressed.elapsed() >= Duration::from_secs(1);
        if level != self.pressure || (level > 0 && is_due) {
            self.pressure = level;
            self.pressed = Instant::now();
            self.shared.urgent.push_spare(
                Event {
                    code: level,
                    conn: self.shared.heaviest(),
                    id: used as u64,
                    ..Event::new(Kind::Pressure)
                },
                self.shared.limits.control_events,
            );
        }
    }

    /// Scores, or who is in which mesh, a line a peer.
    fn text(&mut self, what: u32) -> String {
        let gossip = &self.swarm.behaviour().inner.gossip;
        let mut text = String::new();
        if what == 2 {
            for (peer, _) in gossip.all_peers() {
                let _ = writeln!(text, "{peer} {:.3}", gossip.peer_score(peer).unwrap_or(0.0));
            }
        } else {
            for topic in gossip.topics() {
                for peer in gossip.mesh_peers(topic) {
                    let _ = writeln!(text, "{topic} {peer}");
                }
            }
        }
        text
    }
}

fn clean(text: &str) -> String {
    text.chars()
        .take(128)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
