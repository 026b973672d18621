//! The C side.  `include/dmgn_p2p.h` is the manual; its contract (valid
//! pointers, sizes as named, who owns what) is what every SAFETY line relies on.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use crate::{
    gossip,
    queue::{Lost, Out, Pushed, Role},
    ring::{Event, Kind, lock},
    runtime::{Fds, Node, Sizes},
    shared::{Conn, Limits, MuxLimits, Proto, Shared, count, tag},
    streams::{Open, begin},
    swarm::{Cmd, Settings, chain},
};
use bytes::Bytes;
use libp2p::{Multiaddr, PeerId, StreamProtocol, gossipsub::TopicScoreParams, identity::ed25519, multiaddr::Protocol};
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    fs::File,
    net::IpAddr,
    os::fd::{AsRawFd, FromRawFd},
    ptr::{null, null_mut},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::mpsc::error::TrySendError;

const OK: c_int = 0;
const FULL: c_int = -1;
const GONE: c_int = -2;
const TOO_BIG: c_int = -3;
const ARG: c_int = -4;

const PEER_MAX: usize = 42;
const ADDRS_MAX: usize = 16;
const PROTOS_MAX: usize = 64;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Peer {
    len: u8,
    b: [u8; 42],
}

impl Peer {
    fn of(peer: Option<PeerId>) -> Self {
        let mut out = Self {
            len: 0,
            b: [0; PEER_MAX],
        };
        if let Some(peer) = peer {
            let bytes = peer.to_bytes();
            if let Some(room) = out.b.get_mut(..bytes.len()) {
                room.copy_from_slice(&bytes);
                out.len = u8::try_from(bytes.len()).unwrap_or(0);
            }
        }
        out
    }

    fn id(&self) -> Option<PeerId> {
        PeerId::from_bytes(self.b.get(..usize::from(self.len))?).ok()
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Buf {
    p: *const u8,
    n: usize,
}

impl Buf {
    fn of(bytes: &[u8]) -> Self {
        Self {
            p: bytes.as_ptr(),
            n: bytes.len(),
        }
    }

    unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: n readable bytes at p.
        unsafe { slice(self.p, self.n) }
    }
}

#[repr(C)]
pub struct CProto {
    id: *const c_char,
    cls: u8,
    is_notify: u8,
    in_max: u8,
    out_max: u8,
    frame_max: u32,
    request_max: u32,
    queue_max: u32,
    first_ms: u32,
    next_ms: u32,
    frames_per_s: u32,
    frames_burst: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct CMux {
    streams: u32,
    window: u32,
    opens_per_s: u32,
}

#[repr(C)]
pub struct CLimits {
    conns_max: u32,
    in_max: u32,
    out_max: u32,
    peer_conns_max: u32,
    vip_conns_max: u32,
    pending_in_max: u32,
    dials_max: u32,
    accepts_per_s: u32,
    accepts_burst: u32,
    net_accepts_per_s: u32,
    net_accepts_burst: u32,
    ip_conns_max: u32,
    net_conns_max: u32,
    mux_in: CMux,
    mux_out: CMux,
    mux_vip: CMux,
    quic_streams: u32,
    quic_stream_bytes: u32,
    quic_conn_bytes: u32,
    offence_ms: u32,
    handshake_ms: u32,
    idle_ms: u32,
    ping_ms: u32,
    ping_misses: u32,
    commands_max: u32,
    command_bytes_max: u32,
    urgent_bytes: u32,
    common_bytes: u32,
    info_bytes: u32,
    gossip_bytes: u32,
    control_events_max: u32,
    memory_max: u64,
    pressure_low_pct: u32,
    pressure_high_pct: u32,
    process_memory_max: u64,
    bulk_bytes_per_s: u64,
}

#[repr(C)]
pub struct CGossip {
    id_prefix: Buf,
    mesh_n: u32,
    mesh_low: u32,
    mesh_high: u32,
    mesh_outbound_min: u32,
    lazy: u32,
    factor: f64,
    heartbeat_ms: u32,
    history: u32,
    history_gossip: u32,
    fanout_ms: u32,
    backoff_ms: u32,
    unsubscribe_backoff_ms: u32,
    iwant_max: u32,
    duplicates_ms: u32,
    idontwant_min: u32,
    rpc_max: u32,
    control_max: u32,
    messages_max: u32,
    subscriptions_max: u32,
    peer_messages_per_s: u32,
    peer_bytes_per_s: u32,
    queue_len: u32,
    publish_queue_ms: u32,
    forward_queue_ms: u32,
    verdict_ms: u32,
    gossip_threshold: f64,
    publish_threshold: f64,
    graylist_threshold: f64,
    px_threshold: f64,
    graft_threshold: f64,
    topic_cap: f64,
    ip_weight: f64,
    ip_threshold: f64,
    behaviour_weight: f64,
    behaviour_threshold: f64,
    behaviour_decay: f64,
    slow_weight: f64,
    slow_threshold: f64,
    slow_decay: f64,
    decay_ms: u32,
    retain_ms: u32,
    decay_to_zero: f64,
}

#[repr(C)]
pub struct CTopic {
    name: *const c_char,
    data_max: u32,
    weight: f64,
    mesh_time_weight: f64,
    mesh_time_cap: f64,
    mesh_time_quantum_ms: u32,
    first_weight: f64,
    first_decay: f64,
    first_cap: f64,
    mesh_weight: f64,
    mesh_decay: f64,
    mesh_cap: f64,
    mesh_threshold: f64,
    mesh_window_ms: u32,
    mesh_activation_ms: u32,
    mesh_failure_weight: f64,
    mesh_failure_decay: f64,
    invalid_weight: f64,
    invalid_decay: f64,
}

#[repr(C)]
pub struct Cfg {
    seed: [u8; 32],
    agent: *const c_char,
    version: *const c_char,
    listen: *const *const c_char,
    listen_cnt: usize,
    protos: *const CProto,
    proto_cnt: usize,
    limits: CLimits,
    gossip: CGossip,
}

#[repr(C)]
pub struct Ev {
    kind: u32,
    proto: u16,
    code: u16,
    conn: u32,
    id: u64,
    t_us: u64,
    peer: Peer,
    data: Buf,
    addr: Buf,
    own: *mut Event,
}

unsafe fn slice<'a, T>(ptr: *const T, cnt: usize) -> &'a [T] {
    if cnt == 0 {
        return &[];
    }
    // SAFETY: cnt readable elements at ptr.
    unsafe { std::slice::from_raw_parts(ptr, cnt) }
}

unsafe fn text<'a>(ptr: *const c_char) -> Option<&'a str> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: a terminated string.
    unsafe { CStr::from_ptr(ptr) }.to_str().ok()
}

/// Copies a text, cut and terminated, where there is room for one.
unsafe fn put_text(out: *mut c_char, out_sz: usize, text: &str) {
    if out.is_null() || out_sz == 0 {
        return;
    }
    let cnt = text.len().min(out_sz - 1);
    // SAFETY: out has out_sz bytes, cnt + 1 <= out_sz.
    unsafe {
        out.copy_from(text.as_ptr().cast(), cnt);
        out.add(cnt).write(0);
    }
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(u64::from(value))
}

fn mux_of(name: &str, mux: CMux) -> Result<MuxLimits, String> {
    // yamux asserts it.
    if mux.streams == 0 || u64::from(mux.window) < u64::from(mux.streams) << 18 || mux.opens_per_s == 0 {
        return Err(format!(
            "cfg.limits.{name}: needs streams, opens_per_s, and a window of 256 KiB a stream"
        ));
    }
    Ok(MuxLimits {
        streams: mux.streams,
        window: mux.window,
        opens_per_s: mux.opens_per_s,
    })
}

/// Fields that must not be 0.
macro_rules! needed {
    ($of:expr, $name:literal: $($field:ident)*) => {
        $( if $of.$field == Default::default() {
            return Err(concat!("cfg.", $name, ".", stringify!($field), " is 0").into());
        } )*
    };
}

fn limits_of(c: &CLimits) -> Result<Limits, String> {
    needed!(c, "limits": conns_max peer_conns_max vip_conns_max pending_in_max dials_max offence_ms handshake_ms idle_ms ping_ms
        ping_misses commands_max command_bytes_max urgent_bytes common_bytes info_bytes gossip_bytes control_events_max
        memory_max pressure_low_pct pressure_high_pct);
    Ok(Limits {
        conns: c.conns_max,
        conns_in: c.in_max,
        conns_out: c.out_max,
        peer_conns: c.peer_conns_max,
        vip_conns: c.vip_conns_max,
        pending_in: c.pending_in_max,
        dials: c.dials_max,
        accepts_per_s: c.accepts_per_s,
        accepts_burst: c.accepts_burst.max(1),
        net_accepts_per_s: c.net_accepts_per_s,
        net_accepts_burst: c.net_accepts_burst.max(1),
        ip_conns: c.ip_conns_max,
        net_conns: c.net_conns_max,
        mux_in: mux_of("mux_in", c.mux_in)?,
        mux_out: mux_of("mux_out", c.mux_out)?,
        mux_vip: mux_of("mux_vip", c.mux_vip)?,
        offence: ms(c.offence_ms),
        handshake: ms(c.handshake_ms),
        idle: ms(c.idle_ms),
        ping: ms(c.ping_ms),
        ping_misses: c.ping_misses,
        commands: c.commands_max,
        command_bytes: c.command_bytes_max as usize,
        control_events: c.control_events_max as usize,
        memory: usize::try_from(c.memory_max).unwrap_or(usize::MAX),
        pressure_pct: [c.pressure_low_pct, c.pressure_high_pct],
        process_memory: usize::try_from(c.process_memory_max).unwrap_or(usize::MAX),
        bulk_per_s: c.bulk_bytes_per_s,
    })
}

unsafe fn gossip_of(c: &CGossip, events_bytes: u32) -> Result<gossip::Settings, String> {
    needed!(c, "gossip": heartbeat_ms history verdict_ms rpc_max control_max messages_max queue_len duplicates_ms decay_ms);
    // The library checks these for topics known when it starts only.
    let is_mesh = c.mesh_outbound_min <= c.mesh_low && c.mesh_low <= c.mesh_n && c.mesh_n <= c.mesh_high;
    if !is_mesh || c.mesh_outbound_min.saturating_mul(2) > c.mesh_n || c.history_gossip > c.history {
        return Err("cfg.gossip: needs mesh_outbound_min <= mesh_low <= mesh_n <= mesh_high, twice mesh_outbound_min <= mesh_n, history_gossip <= history".into());
    }
    let n = |value: u32| value as usize;
    Ok(gossip::Settings {
        // SAFETY: a buffer as in the header.
        id_prefix: unsafe { c.id_prefix.bytes() }.to_vec(),
        mesh_n: n(c.mesh_n),
        mesh_low: n(c.mesh_low),
        mesh_high: n(c.mesh_high),
        mesh_outbound_min: n(c.mesh_outbound_min),
        lazy: n(c.lazy),
        factor: c.factor,
        heartbeat: ms(c.heartbeat_ms),
        history: n(c.history),
        history_gossip: n(c.history_gossip),
        fanout: ms(c.fanout_ms),
        backoff: ms(c.backoff_ms),
        unsubscribe_backoff: ms(c.unsubscribe_backoff_ms),
        iwant_max: n(c.iwant_max),
        duplicates: ms(c.duplicates_ms),
        idontwant_min: n(c.idontwant_min),
        rpc_max: n(c.rpc_max),
        control_max: n(c.control_max),
        messages_max: n(c.messages_max),
        subscriptions_max: n(c.subscriptions_max),
        peer_messages_per_s: c.peer_messages_per_s,
        peer_bytes_per_s: c.peer_bytes_per_s,
        queue_len: n(c.queue_len),
        publish_queue: ms(c.publish_queue_ms),
        forward_queue: ms(c.forward_queue_ms),
        verdict: ms(c.verdict_ms),
        events_bytes: n(events_bytes),
        thresholds: [
            c.gossip_threshold,
            c.publish_threshold,
            c.graylist_threshold,
            c.px_threshold,
            c.graft_threshold,
        ],
        topic_cap: c.topic_cap,
        ip: [c.ip_weight, c.ip_threshold],
        behaviour: [c.behaviour_weight, c.behaviour_threshold, c.behaviour_decay],
        slow: [c.slow_weight, c.slow_threshold, c.slow_decay],
        decay: ms(c.decay_ms),
        decay_to_zero: c.decay_to_zero,
        retain: ms(c.retain_ms),
    })
}

unsafe fn proto_of(c: &CProto) -> Result<Proto, String> {
    // SAFETY: a terminated string or NULL.
    let id = unsafe { text(c.id) }.unwrap_or_default();
    let is_complete = c.frame_max > 0
        && c.queue_max > 0
        && c.first_ms > 0
        && (c.is_notify != 0 || (c.request_max > 0 && c.next_ms > 0));
    if !is_complete || !(1..=4).contains(&c.cls) {
        return Err(format!("cfg.protos: {id:?} lacks a limit or has no class of 1 to 4"));
    }
    Ok(Proto {
        id: StreamProtocol::try_from_owned(id.into()).map_err(|e| format!("cfg.protos: {id:?}: {}", chain(&e)))?,
        class: c.cls,
        is_notify: c.is_notify != 0,
        in_max: u32::from(c.in_max),
        out_max: u32::from(c.out_max),
        frame_max: c.frame_max as usize,
        request_max: c.request_max as usize,
        queue_max: c.queue_max as usize,
        first: ms(c.first_ms),
        next: ms(c.next_ms),
        frames_per_s: c.frames_per_s,
        frames_burst: c.frames_burst,
    })
}

fn event_fd() -> Result<File, String> {
    // SAFETY: takes two numbers; a result >= 0 is a new descriptor that nobody else owns.
    unsafe {
        let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
        if fd < 0 {
            Err(format!("eventfd: {}", std::io::Error::last_os_error()))
        } else {
            Ok(File::from_raw_fd(fd))
        }
    }
}

unsafe fn start(cfg: &Cfg) -> Result<Node, String> {
    // SAFETY: strings and arrays as in the header.
    let (agent, version, listen, protos) = unsafe {
        (
            text(cfg.agent).unwrap_or_default(),
            text(cfg.version).unwrap_or_default(),
            slice(cfg.listen, cfg.listen_cnt),
            slice(cfg.protos, cfg.proto_cnt),
        )
    };
    if protos.len() > PROTOS_MAX {
        return Err(format!("cfg.protos: more than {PROTOS_MAX}"));
    }
    let listen = listen.iter().map(|addr| {
        // SAFETY: a terminated string or NULL.
        let addr = unsafe { text(*addr) }.unwrap_or_default();
        addr.parse::<Multiaddr>()
            .map_err(|e| format!("cfg.listen: {addr:?} is not a multiaddress: {}", chain(&e)))
    });
    let settings = Settings {
        seed: cfg.seed,
        agent: agent.into(),
        version: version.into(),
        listen: listen.collect::<Result<_, _>>()?,
        quic_streams: cfg.limits.quic_streams,
        quic_stream_bytes: cfg.limits.quic_stream_bytes,
        quic_conn_bytes: cfg.limits.quic_conn_bytes,
        // SAFETY: a buffer as in the header.
        gossip: unsafe { gossip_of(&cfg.gossip, cfg.limits.gossip_bytes) }?,
    };
    // SAFETY: strings as in the header.
    let protos = protos.iter().map(|proto| unsafe { proto_of(proto) });
    let fds = Fds {
        urgent: event_fd()?,
        common: event_fd()?,
    };
    let sizes = Sizes {
        urgent: cfg.limits.urgent_bytes,
        common: cfg.limits.common_bytes,
        info: cfg.limits.info_bytes,
    };
    Node::start(
        protos.collect::<Result<_, _>>()?,
        limits_of(&cfg.limits)?,
        settings,
        fds,
        sizes,
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_start(cfg: *const Cfg, err: *mut c_char, err_sz: usize) -> *mut Node {
    // SAFETY: cfg as in the header.
    match unsafe { start(&*cfg) } {
        Ok(node) => Box::into_raw(Box::new(node)),
        Err(why) => {
            // SAFETY: err has err_sz bytes.
            unsafe { put_text(err, err_sz, &why) };
            null_mut()
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_free(p2p: *mut Node) {
    if !p2p.is_null() {
        // SAFETY: made by dmgn_p2p_start, freed once.
        drop(unsafe { Box::from_raw(p2p) });
    }
}

fn send(node: &Node, cmd: Cmd) -> c_int {
    if node.shared.is_stopping.load(Ordering::Relaxed) {
        return GONE;
    }
    match node.cmds.try_send(cmd) {
        Ok(()) => OK,
        Err(TrySendError::Full(_)) => FULL,
        Err(TrySendError::Closed(_)) => GONE,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_stop(p2p: *const Node, grace_ms: u32) -> c_int {
    // SAFETY: a started host.
    let node = unsafe { &*p2p };
    let result = send(node, Cmd::Stop(ms(grace_ms)));
    if result == OK {
        node.shared.is_stopping.store(true, Ordering::Relaxed);
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_self(p2p: *const Node) -> Peer {
    // SAFETY: a started host.
    Peer::of(Some(unsafe { (*p2p).peer }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_peer_of_key(key: *const [u8; 32]) -> Peer {
    // SAFETY: 32 readable bytes.
    let key = ed25519::PublicKey::try_from_bytes(unsafe { &*key });
    Peer::of(key.ok().map(|key| libp2p::identity::PublicKey::from(key).to_peer_id()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_peer_text(peer: *const Peer, out: *mut c_char, out_sz: usize) -> usize {
    // SAFETY: a peer as in the header.
    let Some(id) = (unsafe { &*peer }).id() else { return 0 };
    let name = id.to_base58();
    if name.len() >= out_sz {
        return 0;
    }
    // SAFETY: out has out_sz bytes.
    unsafe { put_text(out, out_sz, &name) };
    name.len()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_peer_parse(name: *const c_char, out_peer: *mut Peer) -> c_int {
    // SAFETY: a terminated string or NULL.
    let Some(Ok(peer)) = unsafe { text(name) }.map(str::parse::<PeerId>) else {
        return ARG;
    };
    if peer.to_bytes().len() > PEER_MAX {
        return ARG;
    }
    // SAFETY: a writable peer.
    unsafe { out_peer.write(Peer::of(Some(peer))) };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_fd(p2p: *const Node, urgent: c_int) -> c_int {
    // SAFETY: a started host.
    let shared = unsafe { &(*p2p).shared };
    let ring = if urgent != 0 { &shared.urgent } else { &shared.common };
    ring.fd().as_raw_fd()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_poll(p2p: *const Node, urgent: c_int, out_evs: *mut Ev, max: usize) -> usize {
    // SAFETY: a started host.
    let shared = unsafe { &(*p2p).shared };
    let ring = if urgent != 0 { &shared.urgent } else { &shared.common };
    let mut events = Vec::with_capacity(max.min(64));
    ring.poll(&mut events, max);
    let cnt = events.len();
    for (idx, event) in events.into_iter().enumerate() {
        let event = Box::new(event);
        let ev = Ev {
            kind: event.kind as u32,
            proto: event.proto,
            code: event.code,
            conn: event.conn,
            id: event.id,
            t_us: event.t_us,
            peer: Peer::of(event.peer),
            data: Buf::of(&event.data),
            addr: Buf::of(&event.addr),
            own: Box::into_raw(event),
        };
        // SAFETY: out_evs has max elements, idx is below.
        unsafe { out_evs.add(idx).write(ev) };
    }
    cnt
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_release(ev: *mut Ev) {
    // SAFETY: an event of dmgn_p2p_poll, or an emptied one.
    unsafe {
        if !(*ev).own.is_null() {
            drop(Box::from_raw((*ev).own));
        }
        (*ev).own = null_mut();
        (*ev).data = Buf { p: null(), n: 0 };
        (*ev).addr = Buf { p: null(), n: 0 };
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_text(p2p: *const Node, what: c_int, out: *mut c_char, out_sz: usize) -> usize {
    // SAFETY: a started host.
    let node = unsafe { &*p2p };
    let whole = match what {
        0 => node.metrics(),
        1 => node.log(),
        2 | 3 => {
            let (reply, answer) = std::sync::mpsc::sync_channel(1);
            if send(node, Cmd::Text(reply, what.unsigned_abs())) == OK {
                answer.recv_timeout(Duration::from_secs(1)).unwrap_or_default()
            } else {
                String::new()
            }
        }
        _ => String::new(),
    };
    // SAFETY: out has out_sz bytes.
    unsafe { put_text(out, out_sz, &whole) };
    whole.len()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_dial(
    p2p: *const Node,
    peer: *const Peer,
    addrs: *const *const c_char,
    addr_cnt: usize,
    is_bulk: c_int,
    out_conn: *mut u32,
) -> c_int {
    // SAFETY: a started host, a peer, an array as in the header.
    let (node, peer, addrs) = unsafe { (&*p2p, (*peer).id(), slice(addrs, addr_cnt)) };
    let Some(peer) = peer else { return ARG };
    if addrs.is_empty() || addrs.len() > ADDRS_MAX {
        return ARG;
    }
    // SAFETY: terminated strings or NULL.
    let addrs = addrs
        .iter()
        .map(|addr| unsafe { text(*addr) }.and_then(|addr| addr.parse::<Multiaddr>().ok()));
    let Some(mut addrs) = addrs.collect::<Option<Vec<_>>>() else {
        return ARG;
    };
    // The peer is named once, by the argument.
    for addr in &mut addrs {
        if let Some(Protocol::P2p(named)) = addr.iter().last() {
            if named != peer {
                return ARG;
            }
            addr.pop();
        }
    }
    let shared = &node.shared;
    let below = |cnt: u32| (cnt < shared.limits.dials).then_some(cnt + 1);
    if shared
        .dialling
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, below)
        .is_err()
    {
        return FULL;
    }
    let conn = shared.next_conn.fetch_add(1, Ordering::Relaxed);
    let result = send(
        node,
        Cmd::Dial {
            conn,
            peer,
            addrs,
            is_bulk: is_bulk != 0,
        },
    );
    if result == OK {
        // SAFETY: a writable number.
        unsafe { out_conn.write(conn) };
    } else {
        shared.dialling.fetch_sub(1, Ordering::AcqRel);
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_close(p2p: *const Node, conn: u32, why: u16) -> c_int {
    // SAFETY: a started host.
    let node = unsafe { &*p2p };
    if !lock(&node.shared.conns).contains_key(&conn) {
        return GONE;
    }
    send(
        node,
        Cmd::Close {
            conn,
            why: why.min(u16::MAX - 1),
        },
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_tag(p2p: *const Node, peer: *const Peer, tags: u32) -> c_int {
    // SAFETY: a started host, a peer.
    let (node, peer) = unsafe { (&*p2p, (*peer).id()) };
    let Some(peer) = peer else { return ARG };
    // At once, so that a connection that comes before the command is taken meets it.
    if tags == 0 {
        lock(&node.shared.tags).remove(&peer);
    } else {
        lock(&node.shared.tags).insert(peer, tags);
    }
    if tags & tag::BLOCK == 0 {
        OK
    } else {
        send(node, Cmd::Tag { peer })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_pass(p2p: *const Node, ip: *const c_char, is_on: c_int) -> c_int {
    // SAFETY: a started host, a terminated string or NULL.
    let (node, ip) = unsafe { (&*p2p, text(ip)) };
    let Some(Ok(ip)) = ip.map(str::parse::<IpAddr>) else {
        return ARG;
    };
    if is_on != 0 {
        lock(&node.shared.passes).insert(ip);
    } else {
        lock(&node.shared.passes).remove(&ip);
    }
    OK
}

/// A stream for C on a connection, with its first frame queued.
fn open(
    shared: &Arc<Shared>,
    conn: u32,
    proto_idx: u16,
    role: Role,
    first: &[u8],
    deadline: Duration,
) -> Result<u64, c_int> {
    if shared.is_stopping.load(Ordering::Relaxed) {
        return Err(GONE);
    }
    let is_notify = role == Role::NotifyOut;
    let proto = shared
        .protos
        .get(usize::from(proto_idx))
        .filter(|proto| proto.is_notify == is_notify);
    let proto = proto.ok_or(ARG)?;
    if first.len() > if is_notify { proto.frame_max } else { proto.request_max } {
        return Err(TOO_BIG);
    }
    let conn: Arc<Conn> = lock(&shared.conns).get(&conn).cloned().ok_or(GONE)?;
    // Those on their way and those there are: a caller cannot queue more than a connection may have.
    if lock(&conn.opens).len() >= conn.streams_max as usize {
        return Err(FULL);
    }
    let out = Out::new(role, &conn, proto_idx, proto);
    out.push(
        u64::MAX,
        0,
        Bytes::copy_from_slice(first),
        !is_notify,
        &mut Lost::default(),
    );
    let kind = if is_notify { Kind::NotifyDown } else { Kind::ReqEnd };
    let (end, _, id) = begin(shared, &out, kind);
    lock(&conn.opens).push_back(Open { out, end, deadline });
    conn.waker.wake();
    // The connection may have ended meanwhile, and its handler with it.
    if conn.ended.is_so() {
        lock(&conn.opens).clear();
    }
    Ok(id)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_notify_open(
    p2p: *const Node,
    conn: u32,
    proto: u16,
    hello: Buf,
    out_id: *mut u64,
) -> c_int {
    // SAFETY: a started host, a buffer.
    let (node, hello) = unsafe { (&*p2p, hello.bytes()) };
    match open(&node.shared, conn, proto, Role::NotifyOut, hello, Duration::MAX) {
        Ok(id) => {
            // SAFETY: a writable number.
            unsafe { out_id.write(id) };
            OK
        }
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_request(
    p2p: *const Node,
    conn: u32,
    proto: u16,
    request: Buf,
    deadline_ms: u32,
    out_id: *mut u64,
) -> c_int {
    // SAFETY: a started host, a buffer.
    let (node, request) = unsafe { (&*p2p, request.bytes()) };
    match open(&node.shared, conn, proto, Role::Request, request, ms(deadline_ms)) {
        Ok(id) => {
            count(&node.shared.counters.requests_out, 1);
            // SAFETY: a writable number.
            unsafe { out_id.write(id) };
            OK
        }
        Err(code) => code,
    }
}

fn out_of(node: &Node, id: u64, role: Role) -> Option<Arc<Out>> {
    lock(&node.shared.outs).get(&id).filter(|out| out.role == role).cloned()
}

fn push(node: &Node, out: &Arc<Out>, rank: u64, key: u32, bytes: Bytes, is_last: bool) -> c_int {
    let mut lost = Lost::default();
    let pushed = out.push(rank, key, bytes, is_last, &mut lost);
    let refused = u64::from(pushed == Pushed::Full && !out.is_class(4));
    count(&node.shared.counters.frames_dropped, lost.dropped + refused);
    count(&node.shared.counters.frames_replaced, lost.replaced);
    match pushed {
        Pushed::Queued => OK,
        Pushed::Full => FULL,
        Pushed::Gone => GONE,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_notify_send(p2p: *const Node, id: u64, rank: u64, key: u32, frame: Buf) -> c_int {
    // SAFETY: a started host, a buffer.
    let (node, frame) = unsafe { (&*p2p, frame.bytes()) };
    let Some(out) = out_of(node, id, Role::NotifyOut) else {
        return GONE;
    };
    let max = node
        .shared
        .protos
        .get(usize::from(out.proto))
        .map_or(0, |proto| proto.frame_max);
    if frame.len() > max {
        return TOO_BIG;
    }
    push(node, &out, rank, key, Bytes::copy_from_slice(frame), false)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_notify_drop(p2p: *const Node, id: u64, below_rank: u64) -> c_int {
    // SAFETY: a started host.
    let node = unsafe { &*p2p };
    let Some(out) = out_of(node, id, Role::NotifyOut) else {
        return GONE;
    };
    count(&node.shared.counters.frames_dropped, out.drop_below(below_rank));
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_notify_answer(p2p: *const Node, id: u64, code: u8) -> c_int {
    // SAFETY: a started host.
    let Some(out) = out_of(unsafe { &*p2p }, id, Role::NotifyIn) else {
        return GONE;
    };
    if out.set_answer(code) { OK } else { ARG }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_reply(p2p: *const Node, id: u64, code: u8, chunk: Buf, is_last: c_int) -> c_int {
    // SAFETY: a started host, a buffer.
    let (node, chunk) = unsafe { (&*p2p, chunk.bytes()) };
    let Some(out) = out_of(node, id, Role::Reply) else {
        return GONE;
    };
    let max = node
        .shared
        .protos
        .get(usize::from(out.proto))
        .map_or(0, |proto| proto.frame_max);
    if chunk.len() > max {
        return TOO_BIG;
    }
    let mut bytes = Vec::with_capacity(chunk.len() + 1);
    bytes.push(code);
    bytes.extend_from_slice(chunk);
    push(node, &out, 0, 0, bytes.into(), is_last != 0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_cancel(p2p: *const Node, id: u64) -> c_int {
    // SAFETY: a started host.
    let node = unsafe { &*p2p };
    match lock(&node.shared.outs).get(&id) {
        Some(out) => {
            out.cancel();
            OK
        }
        None => GONE,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_topic(p2p: *const Node, topic: *const CTopic, join: c_int) -> c_int {
    // SAFETY: a started host, a topic as in the header.
    let (node, topic) = unsafe { (&*p2p, &*topic) };
    // SAFETY: a terminated string or NULL.
    let Some(name) = unsafe { text(topic.name) }.filter(|name| !name.is_empty()) else {
        return ARG;
    };
    if join == 0 {
        return send(node, Cmd::Leave(name.into()));
    }
    let score = TopicScoreParams {
        topic_weight: topic.weight,
        time_in_mesh_weight: topic.mesh_time_weight,
        time_in_mesh_quantum: ms(topic.mesh_time_quantum_ms),
        time_in_mesh_cap: topic.mesh_time_cap,
        first_message_deliveries_weight: topic.first_weight,
        first_message_deliveries_decay: topic.first_decay,
        first_message_deliveries_cap: topic.first_cap,
        mesh_message_deliveries_weight: topic.mesh_weight,
        mesh_message_deliveries_decay: topic.mesh_decay,
        mesh_message_deliveries_cap: topic.mesh_cap,
        mesh_message_deliveries_threshold: topic.mesh_threshold,
        mesh_message_deliveries_window: ms(topic.mesh_window_ms),
        mesh_message_deliveries_activation: ms(topic.mesh_activation_ms),
        mesh_failure_penalty_weight: topic.mesh_failure_weight,
        mesh_failure_penalty_decay: topic.mesh_failure_decay,
        invalid_message_deliveries_weight: topic.invalid_weight,
        invalid_message_deliveries_decay: topic.invalid_decay,
    };
    if topic.data_max == 0 || score.validate().is_err() {
        return ARG;
    }
    send(
        node,
        Cmd::Join {
            name: name.into(),
            data_max: topic.data_max as usize,
            score: Box::new(score),
        },
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_publish(p2p: *const Node, topic: *const c_char, data: Buf) -> c_int {
    // SAFETY: a started host, a terminated string or NULL, a buffer.
    let (node, name, data) = unsafe { (&*p2p, text(topic), data.bytes()) };
    let Some(name) = name else { return ARG };
    let shared = &node.shared;
    let fits = |used: usize| Some(used + data.len()).filter(|used| *used <= shared.limits.command_bytes);
    if shared
        .command_bytes
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)
        .is_err()
    {
        return FULL;
    }
    let result = send(node, Cmd::Publish(name.into(), data.to_vec()));
    if result != OK {
        shared.command_bytes.fetch_sub(data.len(), Ordering::AcqRel);
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_verdict(p2p: *const Node, id: u64, verdict: c_int) -> c_int {
    if !(0..=2).contains(&verdict) {
        return ARG;
    }
    // SAFETY: a started host.
    send(unsafe { &*p2p }, Cmd::Verdict(id, verdict.unsigned_abs()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_p2p_score(p2p: *const Node, peer: *const Peer, app: f64) -> c_int {
    // SAFETY: a started host, a peer.
    let (node, peer) = unsafe { (&*p2p, (*peer).id()) };
    match peer {
        Some(peer) if app.is_finite() => send(node, Cmd::Score { peer, app }),
        _ => ARG,
    }
}

const _: () = assert!(size_of::<*mut c_void>() == 8);
