//! Listening, counting, draining.

use crate::{
    conn::{self, Req},
    gate::{GateLimits, lock},
    ws::{WsHandle, WsOut},
};
use hyper::header::HeaderValue;
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, UnixListener},
    runtime::{Builder, Runtime},
    sync::watch,
};

/// What a server does with its events; in the product this is a table of C functions.
pub trait Handler: Send + Sync + 'static {
    fn on_request(&self, req: Box<Req>);
    fn takes_ws(&self) -> bool;
    /// 0: accept, else a status.
    fn on_ws_open(&self, ws: u64, req: &Req) -> u16;
    /// True: held until `ws_done`.
    fn on_ws_msg(&self, ws: u64, is_text: bool, bytes: &[u8]) -> bool;
    fn on_ws_room(&self, ws: u64);
    fn on_ws_close(&self, ws: u64, code: u16);
    fn on_thread(&self, idx: u32);
}

#[derive(Clone, Copy)]
pub struct Limits {
    pub gate: GateLimits,
    pub conns_max: u32,
    pub conns_per_addr_max: u32,
    pub body_max: usize,
    pub body: Duration,
    pub reply: Duration,
    pub drain: Duration,
    pub h2_streams_max: u32,
    pub ws_msg_max: usize,
    pub ws_out_bytes_max: usize,
    pub ws_calls_max: u32,
    pub ws_ping: Duration,
    pub is_http2: bool,
}

pub struct Config {
    pub addr: Option<SocketAddr>,
    pub unix: Option<std::os::unix::net::UnixListener>,
    pub threads: u32,
    pub thread_name: String,
    pub thread_stack: usize,
    /// The WebSocket subprotocol agreed to where a client offers it.
    pub ws_protocol: Option<String>,
    pub limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Phase {
    Run,
    Drain,
    /// WebSockets too.
    Stop,
}

/// Waits until the server is at least this far.
pub async fn reached(phase: &mut watch::Receiver<Phase>, target: Phase) {
    // An error says that the server is gone, further than any phase.
    let _ = phase.wait_for(|phase| *phase >= target).await;
}

#[derive(Default)]
pub struct Counters {
    pub conns: AtomicU32,
    pub requests_open: AtomicU32,
    pub requests: AtomicU64,
    pub refused_conns: AtomicU64,
    pub refused_requests: AtomicU64,
}

/// What all connections share.
pub struct Hub {
    pub handler: Box<dyn Handler>,
    pub limits: Limits,
    pub ws_protocol: Option<(String, HeaderValue)>,
    pub phase: watch::Receiver<Phase>,
    pub counters: Counters,
    pub websockets: Mutex<HashMap<u64, Arc<WsHandle>>>,
    pub ws_next: AtomicU64,
    addrs: Mutex<HashMap<u128, u32>>,
    /// Answers of 503 under way: more connections beyond are closed without one.
    refusing: AtomicU32,
}

pub struct Server {
    pub hub: Arc<Hub>,
    pub port: u16,
    phase: watch::Sender<Phase>,
    host: Option<JoinHandle<()>>,
    pid: u32,
}

const REFUSING_MAX: u32 = 64;
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";

/// A peer as 16 bytes and a port; all zero for a Unix socket.
#[derive(Clone, Copy)]
pub struct Peer {
    pub addr: Ipv6Addr,
    pub port: u16,
    pub is_unix: bool,
}

impl Peer {
    pub fn tcp(addr: SocketAddr) -> Self {
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self {
            addr: ip,
            port: addr.port(),
            is_unix: false,
        }
    }

    pub fn unix() -> Self {
        Self {
            addr: Ipv6Addr::UNSPECIFIED,
            port: 0,
            is_unix: true,
        }
    }

    /// What counts as one address: an IPv4 address or an IPv6 /64; our own host is not counted.
    fn counted(&self) -> Option<u128> {
        let bits = u128::from(self.addr);
        match self.addr.to_ipv4_mapped() {
            Some(ip) if ip.is_loopback() => None,
            Some(_) => Some(bits),
            None if self.is_unix || self.addr.is_loopback() => None,
            None => Some(bits >> 64 << 64),
        }
    }
}

/// The place of a connection in the counts; gives it back when dropped.
pub struct Seat {
    hub: Arc<Hub>,
    counted: Option<u128>,
}

impl Seat {
    pub fn take(hub: &Arc<Hub>, peer: &Peer) -> Option<Self> {
        let mut counted = peer.counted();
        if hub.counters.conns.fetch_add(1, Ordering::Relaxed) >= hub.limits.conns_max {
            hub.counters.conns.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        if let Some(key) = counted {
            let mut addrs = lock(&hub.addrs);
            let cnt = addrs.entry(key).or_insert(0);
            if *cnt >= hub.limits.conns_per_addr_max {
                drop(addrs);
                counted = None;
                drop(Self {
                    hub: hub.clone(),
                    counted,
                });
                return None;
            }
            *cnt += 1;
        }
        Some(Self {
            hub: hub.clone(),
            counted,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(key) = self.counted {
            let mut addrs = lock(&self.hub.addrs);
            if let Some(cnt) = addrs.get_mut(&key) {
                *cnt -= 1;
                if *cnt == 0 {
                    addrs.remove(&key);
                }
            }
        }
        self.hub.counters.conns.fetch_sub(1, Ordering::Relaxed);
    }
}

fn build_runtime(config: &Config, hub: &Arc<Hub>) -> io::Result<Runtime> {
    if config.threads == 1 {
        return Builder::new_current_thread().enable_all().build();
    }
    let next = AtomicU32::new(0);
    let name = config.thread_name.clone();
    let hub = hub.clone();
    let started = AtomicU32::new(0);
    Builder::new_multi_thread()
        .worker_threads(config.threads as usize)
        .thread_stack_size(config.thread_stack)
        .thread_name_fn(move || format!("{name}{}", next.fetch_add(1, Ordering::Relaxed)))
        .on_thread_start(move || hub.handler.on_thread(started.fetch_add(1, Ordering::Relaxed)))
        .enable_all()
        .build()
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?; // a restart must not wait for TIME_WAIT
    socket.bind(addr)?;
    socket.listen(1024)
}

impl Server {
    pub fn start(config: Config, handler: Box<dyn Handler>) -> Result<Self, String> {
        let (phase, receiver) = watch::channel(Phase::Run);
        let ws_protocol = config
            .ws_protocol
            .as_ref()
            .map(|name| HeaderValue::from_str(name).map(|value| (name.clone(), value)))
            .transpose()
            .map_err(|_| "cfg.ws_protocol is no header value")?;
        let hub = Arc::new(Hub {
            handler,
            limits: config.limits,
            ws_protocol,
            phase: receiver,
            counters: Counters::default(),
            websockets: Mutex::default(),
            ws_next: AtomicU64::new(1),
            addrs: Mutex::default(),
            refusing: AtomicU32::new(0),
        });
        let runtime = build_runtime(&config, &hub).map_err(|e| format!("cannot start threads: {e}"))?;
        let (tcp, unix) = {
            let _inside = runtime.enter();
            let tcp = config
                .addr
                .map(|addr| listen(addr).map_err(|e| format!("cannot listen on {addr}: {e}")))
                .transpose()?;
            let unix = config
                .unix
                .map(|unix| {
                    unix.set_nonblocking(true)?;
                    UnixListener::from_std(unix)
                })
                .transpose()
                .map_err(|e| format!("cannot use the Unix socket: {e}"))?;
            (tcp, unix)
        };
        let port = tcp
            .as_ref()
            .and_then(|l| l.local_addr().ok())
            .map_or(0, |addr| addr.port());

        let name = if config.threads == 1 {
            format!("{}0", config.thread_name)
        } else {
            format!("{}m", config.thread_name)
        };
        let host_hub = hub.clone();
        let host = std::thread::Builder::new()
            .name(name)
            .stack_size(config.thread_stack)
            .spawn(move || {
                if config.threads == 1 {
                    host_hub.handler.on_thread(0);
                }
                runtime.block_on(host_main(host_hub, tcp, unix));
                // Cuts what is left: tasks are dropped, and with them their seats, requests and WebSockets.
                drop(runtime);
            })
            .map_err(|e| format!("cannot start a thread: {e}"))?;
        Ok(Self {
            hub,
            port,
            phase,
            host: Some(host),
            pid: std::process::id(),
        })
    }

    pub fn drain(&self) {
        self.phase.send_if_modified(|phase| {
            let is_new = *phase < Phase::Drain;
            if is_new {
                *phase = Phase::Drain;
            }
            is_new
        });
    }

    pub fn stop(mut self) {
        // After a fork the threads are the parent's, there is nothing here to stop or join.
        if self.pid != std::process::id() {
            std::mem::forget(self);
            return;
        }
        self.phase.send_replace(Phase::Stop);
        if let Some(host) = self.host.take() {
            let _ = host.join();
        }
    }

    fn ws(&self, ws: u64) -> Option<Arc<WsHandle>> {
        lock(&self.hub.websockets).get(&ws).cloned()
    }

    pub fn ws_send(&self, ws: u64, is_text: bool, bytes: &[u8]) -> Result<(), SendError> {
        if bytes.len() > self.hub.limits.ws_out_bytes_max || (is_text && std::str::from_utf8(bytes).is_err()) {
            return Err(SendError::Invalid);
        }
        self.ws(ws)
            .ok_or(SendError::Gone)?
            .send(is_text, bytes, self.hub.limits.ws_out_bytes_max)
    }

    pub fn ws_done(&self, ws: u64, cnt: u32) -> Result<(), SendError> {
        self.ws(ws).ok_or(SendError::Gone)?.done(cnt);
        Ok(())
    }

    pub fn ws_close(&self, ws: u64, code: u16, reason: String) -> Result<(), SendError> {
        self.ws(ws).ok_or(SendError::Gone)?.push(WsOut::Close(code, reason))
    }
}

#[derive(Debug, PartialEq)]
pub enum SendError {
    Full,
    Gone,
    Invalid,
}

/// Accepts until told to drain, then waits for the end of every connection, or for the end of its patience.
async fn host_main(hub: Arc<Hub>, tcp: Option<TcpListener>, unix: Option<UnixListener>) {
    let mut phase = hub.phase.clone();
    let tcp_hub = hub.clone();
    let tcp_task = tokio::spawn(async move {
        if let Some(listener) = tcp {
            accept_tcp(tcp_hub, listener).await;
        }
    });
    let unix_hub = hub.clone();
    let unix_task = tokio::spawn(async move {
        if let Some(listener) = unix {
            accept_unix(unix_hub, listener).await;
        }
    });
    reached(&mut phase, Phase::Drain).await;
    tcp_task.abort();
    unix_task.abort();
    let _ = tokio::join!(tcp_task, unix_task);

    reached(&mut phase, Phase::Stop).await;
    let _ = tokio::time::timeout(hub.limits.drain, async {
        while hub.counters.conns.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

async fn accept_tcp(hub: Arc<Hub>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((socket, addr)) => {
                let _ = socket.set_nodelay(true);
                admit(&hub, socket, Peer::tcp(addr));
            }
            // Out of descriptors, most likely: some connection must end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn accept_unix(hub: Arc<Hub>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => admit(&hub, socket, Peer::unix()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn admit<S>(hub: &Arc<Hub>, mut socket: S, peer: Peer)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    if let Some(seat) = Seat::take(hub, &peer) {
        tokio::spawn(conn::serve(hub.clone(), seat, socket, peer));
        return;
    }
    hub.counters.refused_conns.fetch_add(1, Ordering::Relaxed);
    let hub = hub.clone();
    if hub.refusing.fetch_add(1, Ordering::Relaxed) >= REFUSING_MAX {
        hub.refusing.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    tokio::spawn(async move {
        // The request is read, not judged: closing over it would reset the connection before the answer is seen.
        let _ = tokio::time::timeout(Duration::from_secs(1), async {
            socket.write_all(BUSY).await?;
            socket.shutdown().await?;
            let mut trash = [0; 1024];
            while tokio::io::AsyncReadExt::read(&mut socket, &mut trash).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
        hub.refusing.fetch_sub(1, Ordering::Relaxed);
    });
}
