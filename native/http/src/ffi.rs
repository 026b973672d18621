//! The C side.  `include/dmgn_http.h` is the manual; its contract (valid
//! pointers, sizes as named, who owns what) is what every SAFETY line relies on.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use crate::{
    client::{self, Failure, WsClient},
    conn::{ReplyError, Req},
    gate::GateLimits,
    server::{Config, Handler, Limits, SendError, Server},
};
use hyper::Version;
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    net::{IpAddr, SocketAddr},
    os::fd::{FromRawFd, IntoRawFd},
    ptr::{null, null_mut},
    sync::atomic::Ordering,
    time::Duration,
};

const OK: c_int = 0;
const FULL: c_int = -1;
const GONE: c_int = -2;
const INVALID: c_int = -3;
const TIMEOUT: c_int = -4;
const NET: c_int = -5;
const PROTO: c_int = -6;
const URL: c_int = -7;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Span {
    ptr: *const u8,
    sz: usize,
}

impl Span {
    const ABSENT: Span = Span { ptr: null(), sz: 0 };

    fn of(bytes: &[u8]) -> Self {
        Span {
            ptr: bytes.as_ptr(),
            sz: bytes.len(),
        }
    }

    unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: sz readable bytes at ptr.
        unsafe { slice(self.ptr, self.sz) }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Hdr {
    name: Span,
    value: Span,
}

#[repr(C)]
pub struct Cfg {
    addr: *const c_char,
    port: u16,
    unix_fd: c_int,
    tls: *const c_void,
    threads: u32,
    conns_max: u32,
    conns_per_addr_max: u32,
    uri_max: u32,
    header_bytes_max: u32,
    headers_max: u32,
    body_max: u32,
    header_ms: u32,
    body_ms: u32,
    reply_ms: u32,
    send_ms: u32,
    idle_ms: u32,
    drain_ms: u32,
    h2_streams_max: u32,
    ws_msg_max: u32,
    ws_fragments_max: u32,
    ws_out_bytes_max: u32,
    ws_calls_max: u32,
    ws_ping_ms: u32,
    no_http2: u32,
    thread_name: *const c_char,
    thread_stack_bytes: u32,
    ws_protocol: *const c_char,
    user: *mut c_void,
    on_request: Option<unsafe extern "C" fn(*mut c_void, *mut Req)>,
    on_ws_open: Option<unsafe extern "C" fn(*mut c_void, u64, *const Req) -> c_int>,
    on_ws_msg: Option<unsafe extern "C" fn(*mut c_void, u64, c_int, *const u8, usize) -> c_int>,
    on_ws_room: Option<unsafe extern "C" fn(*mut c_void, u64)>,
    on_ws_close: Option<unsafe extern "C" fn(*mut c_void, u64, c_int)>,
    on_thread: Option<unsafe extern "C" fn(*mut c_void, u32)>,
}

/// The caller's functions.
struct Callbacks {
    user: *mut c_void,
    on_request: unsafe extern "C" fn(*mut c_void, *mut Req),
    on_ws_open: Option<unsafe extern "C" fn(*mut c_void, u64, *const Req) -> c_int>,
    on_ws_msg: Option<unsafe extern "C" fn(*mut c_void, u64, c_int, *const u8, usize) -> c_int>,
    on_ws_room: Option<unsafe extern "C" fn(*mut c_void, u64)>,
    on_ws_close: Option<unsafe extern "C" fn(*mut c_void, u64, c_int)>,
    on_thread: Option<unsafe extern "C" fn(*mut c_void, u32)>,
}

// SAFETY: the header says that callbacks come from several threads at a time; user is theirs to share.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl Handler for Callbacks {
    fn on_request(&self, req: Box<Req>) {
        // SAFETY: the function the header asks for; it takes the request over.
        unsafe { (self.on_request)(self.user, Box::into_raw(req)) }
    }

    fn takes_ws(&self) -> bool {
        self.on_ws_open.is_some()
    }

    fn on_ws_open(&self, ws: u64, req: &Req) -> u16 {
        let Some(call) = self.on_ws_open else { return 500 };
        // SAFETY: the function the header asks for; req lives during the call.
        let status = unsafe { call(self.user, ws, req) };
        u16::try_from(status).unwrap_or(500)
    }

    fn on_ws_msg(&self, ws: u64, is_text: bool, bytes: &[u8]) -> bool {
        // SAFETY: the function the header asks for; bytes live during the call.
        self.on_ws_msg
            .is_some_and(|call| unsafe { call(self.user, ws, c_int::from(is_text), bytes.as_ptr(), bytes.len()) != 0 })
    }

    fn on_ws_room(&self, ws: u64) {
        if let Some(call) = self.on_ws_room {
            // SAFETY: the function the header asks for.
            unsafe { call(self.user, ws) }
        }
    }

    fn on_ws_close(&self, ws: u64, code: u16) {
        if let Some(call) = self.on_ws_close {
            // SAFETY: the function the header asks for.
            unsafe { call(self.user, ws, c_int::from(code)) }
        }
    }

    fn on_thread(&self, idx: u32) {
        if let Some(call) = self.on_thread {
            // SAFETY: the function the header asks for.
            unsafe { call(self.user, idx) }
        }
    }
}

unsafe fn slice<'a, T>(ptr: *const T, cnt: usize) -> &'a [T] {
    if cnt == 0 {
        return &[];
    }
    // SAFETY: cnt readable elements at ptr.
    unsafe { std::slice::from_raw_parts(ptr, cnt) }
}

/// Copies a message, cut and terminated, where there is room for one.
unsafe fn put_text(err: *mut c_char, err_sz: usize, text: &str) {
    if err.is_null() || err_sz == 0 {
        return;
    }
    let cnt = text.len().min(err_sz - 1);
    // SAFETY: err has err_sz bytes, cnt + 1 <= err_sz.
    unsafe {
        err.copy_from(text.as_ptr().cast(), cnt);
        err.add(cnt).write(0);
    }
}

unsafe fn text<'a>(ptr: *const c_char) -> Option<&'a str> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: a terminated string.
    unsafe { CStr::from_ptr(ptr) }.to_str().ok()
}

/// The limits, with the defaults of the header.
fn limits_of(cfg: &Cfg) -> Limits {
    let or = |value: u32, default: u32| if value == 0 { default } else { value };
    let ms = |value: u32, default: u32| Duration::from_millis(u64::from(or(value, default)));
    let bytes = |value: u32, default: u32| or(value, default) as usize;
    Limits {
        gate: GateLimits {
            uri_max: bytes(cfg.uri_max, 8192),
            header_bytes_max: bytes(cfg.header_bytes_max, 16384),
            headers_max: bytes(cfg.headers_max, 100),
            header: ms(cfg.header_ms, 5_000),
            idle: ms(cfg.idle_ms, 60_000),
            send: ms(cfg.send_ms, 10_000),
            ws_fragments_max: or(cfg.ws_fragments_max, 64),
        },
        conns_max: or(cfg.conns_max, 4096),
        conns_per_addr_max: or(cfg.conns_per_addr_max, 64),
        body_max: bytes(cfg.body_max, 1 << 20),
        body: ms(cfg.body_ms, 10_000),
        reply: ms(cfg.reply_ms, 30_000),
        drain: ms(cfg.drain_ms, 10_000),
        h2_streams_max: or(cfg.h2_streams_max, 32),
        ws_msg_max: bytes(cfg.ws_msg_max, 256 << 10),
        ws_out_bytes_max: bytes(cfg.ws_out_bytes_max, 1 << 20),
        ws_calls_max: or(cfg.ws_calls_max, 32),
        ws_ping: ms(cfg.ws_ping_ms, 20_000),
        is_http2: cfg.no_http2 == 0,
    }
}

unsafe fn start(cfg: &Cfg) -> Result<Server, String> {
    if !cfg.tls.is_null() {
        return Err("TLS is not part of this build: cfg.tls must be NULL".into());
    }
    let on_request = cfg.on_request.ok_or("cfg.on_request is missing")?;
    if cfg.addr.is_null() && cfg.unix_fd < 0 {
        return Err("neither cfg.addr nor cfg.unix_fd says where to listen".into());
    }
    if cfg.headers_max > 1000 {
        return Err("cfg.headers_max is above 1000".into());
    }
    let addr = if cfg.addr.is_null() {
        None
    } else {
        // SAFETY: a terminated string.
        let addr = unsafe { text(cfg.addr) }.unwrap_or_default();
        let ip: IpAddr = addr
            .parse()
            .map_err(|_| format!("{addr:?} is neither an IPv4 nor an IPv6 address"))?;
        Some(SocketAddr::new(ip, cfg.port))
    };
    // SAFETY: a terminated string or NULL.
    let name = unsafe { text(cfg.thread_name) }.unwrap_or("dmg-http-");
    if name.len() > 12 {
        return Err("cfg.thread_name is longer than 12 bytes".into());
    }
    // SAFETY: a listening socket that the caller hands over.
    let unix = (cfg.unix_fd >= 0).then(|| unsafe { std::os::unix::net::UnixListener::from_raw_fd(cfg.unix_fd) });
    // On an error the socket stays the caller's: what the server gets is a duplicate until it runs.
    let twin = unix.as_ref().map(|unix| unix.try_clone()).transpose();
    let original = unix.map(IntoRawFd::into_raw_fd);
    let config = Config {
        addr,
        unix: twin.map_err(|e| format!("cannot use the Unix socket: {e}"))?,
        threads: cfg.threads.clamp(1, 256),
        thread_name: name.into(),
        thread_stack: if cfg.thread_stack_bytes == 0 {
            2 << 20
        } else {
            cfg.thread_stack_bytes as usize
        },
        // SAFETY: a terminated string or NULL.
        ws_protocol: unsafe { text(cfg.ws_protocol) }.map(str::to_owned),
        limits: limits_of(cfg),
    };
    let callbacks = Callbacks {
        user: cfg.user,
        on_request,
        on_ws_open: cfg.on_ws_open,
        on_ws_msg: cfg.on_ws_msg,
        on_ws_room: cfg.on_ws_room,
        on_ws_close: cfg.on_ws_close,
        on_thread: cfg.on_thread,
    };
    let server = Server::start(config, Box::new(callbacks))?;
    if let Some(fd) = original {
        // SAFETY: ours now, and the duplicate is the one in use.
        drop(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) });
    }
    Ok(server)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_http_start(cfg: *const Cfg, err: *mut c_char, err_sz: usize) -> *mut Server {
    // SAFETY: cfg as in the header.
    match unsafe { start(&*cfg) } {
        Ok(server) => Box::into_raw(Box::new(server)),
        Err(why) => {
            // SAFETY: err has err_sz bytes.
            unsafe { put_text(err, err_sz, &why) };
            null_mut()
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_http_port(http: *const Server) -> u16 {
    // SAFETY: a started server.
    unsafe { (*http).port }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_http_drain(http: *const Server) {
    // SAFETY: a started server.
    unsafe { (*http).drain() }
}

#[repr(C)]
pub struct Stat {
    conns: u32,
    websockets: u32,
    requests_open: u32,
    requests: u64,
    refused_conns: u64,
    refused_requests: u64,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_http_stat(http: *const Server, out_stat: *mut Stat) {
    // SAFETY: a started server.
    let hub = unsafe { &(*http).hub };
    let counters = &hub.counters;
    let stat = Stat {
        conns: counters.conns.load(Ordering::Relaxed),
        websockets: u32::try_from(crate::gate::lock(&hub.websockets).len()).unwrap_or(u32::MAX),
        requests_open: counters.requests_open.load(Ordering::Relaxed),
        requests: counters.requests.load(Ordering::Relaxed),
        refused_conns: counters.refused_conns.load(Ordering::Relaxed),
        refused_requests: counters.refused_requests.load(Ordering::Relaxed),
    };
    // SAFETY: a writable struct.
    unsafe { out_stat.write(stat) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_http_free(http: *mut Server) {
    if !http.is_null() {
        // SAFETY: made by dmgn_http_start, freed once.
        unsafe { Box::from_raw(http) }.stop();
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_method(req: *const Req) -> Span {
    // SAFETY: a request that is not yet replied to.
    Span::of(unsafe { &*req }.parts.method.as_str().as_bytes())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_path(req: *const Req) -> Span {
    // SAFETY: a request that is not yet replied to.
    Span::of(unsafe { &*req }.parts.uri.path().as_bytes())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_query(req: *const Req) -> Span {
    // SAFETY: a request that is not yet replied to.
    unsafe { &*req }
        .parts
        .uri
        .query()
        .map_or(Span::ABSENT, |query| Span::of(query.as_bytes()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_host(req: *const Req) -> Span {
    // SAFETY: a request that is not yet replied to.
    unsafe { &*req }.host().map_or(Span::ABSENT, Span::of)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_body(req: *const Req) -> Span {
    // SAFETY: a request that is not yet replied to.
    Span::of(&unsafe { &*req }.body)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_header(req: *const Req, name: *const u8, name_sz: usize) -> Span {
    // SAFETY: a request that is not yet replied to; name_sz bytes.
    let (req, name) = unsafe { (&*req, slice(name, name_sz)) };
    let name = std::str::from_utf8(name).unwrap_or_default();
    req.parts
        .headers
        .get(name)
        .map_or(Span::ABSENT, |value| Span::of(value.as_bytes()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_header_at(req: *const Req, idx: usize) -> Hdr {
    // SAFETY: a request that is not yet replied to.
    let field = unsafe { &*req }.parts.headers.iter().nth(idx);
    field.map_or(
        Hdr {
            name: Span::ABSENT,
            value: Span::ABSENT,
        },
        |(name, value)| Hdr {
            name: Span::of(name.as_str().as_bytes()),
            value: Span::of(value.as_bytes()),
        },
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_peer(req: *const Req, out_addr: *mut [u8; 16], out_port: *mut u16) {
    // SAFETY: a request that is not yet replied to; writable outputs.
    unsafe {
        out_addr.write((*req).peer.addr.octets());
        out_port.write((*req).peer.port);
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_is_unix(req: *const Req) -> c_int {
    // SAFETY: a request that is not yet replied to.
    c_int::from(unsafe { &*req }.peer.is_unix)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_req_version(req: *const Req) -> c_int {
    // SAFETY: a request that is not yet replied to.
    match unsafe { &*req }.parts.version {
        Version::HTTP_10 => 10,
        Version::HTTP_2 => 20,
        _ => 11,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_http_reply(
    req: *mut Req,
    status: c_int,
    hdrs: *const Hdr,
    hdr_cnt: usize,
    body: *const u8,
    body_sz: usize,
) -> c_int {
    // SAFETY: handed out by on_request, replied to once.
    let req = unsafe { Box::from_raw(req) };
    // SAFETY: hdr_cnt headers and body_sz bytes, as in the header.
    let (hdrs, body) = unsafe { (slice(hdrs, hdr_cnt), slice(body, body_sz)) };
    // SAFETY: spans as in the header.
    let fields = hdrs.iter().map(|hdr| unsafe { (hdr.name.bytes(), hdr.value.bytes()) });
    match req.reply(status, fields, body) {
        Ok(()) => OK,
        Err(ReplyError::Gone) => GONE,
        Err(ReplyError::Invalid) => INVALID,
    }
}

fn send_code(result: Result<(), SendError>) -> c_int {
    match result {
        Ok(()) => OK,
        Err(SendError::Full) => FULL,
        Err(SendError::Gone) => GONE,
        Err(SendError::Invalid) => INVALID,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_ws_send(
    http: *const Server,
    ws: u64,
    is_text: c_int,
    bytes: *const u8,
    bytes_sz: usize,
) -> c_int {
    // SAFETY: a started server; bytes_sz bytes.
    send_code(unsafe { (*http).ws_send(ws, is_text != 0, slice(bytes, bytes_sz)) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_ws_done(http: *const Server, ws: u64, cnt: u32) -> c_int {
    // SAFETY: a started server.
    send_code(unsafe { (*http).ws_done(ws, cnt) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_ws_close(http: *const Server, ws: u64, code: c_int, reason: *const c_char) -> c_int {
    // SAFETY: a terminated string or NULL.
    let given = unsafe { text(reason) };
    let reason = if reason.is_null() { Some("") } else { given };
    let (Some(reason), Ok(code @ 1000..=4999)) = (reason.filter(|text| text.len() <= 123), u16::try_from(code)) else {
        return INVALID;
    };
    // SAFETY: a started server.
    send_code(unsafe { (*http).ws_close(ws, code, reason.into()) })
}

#[repr(C)]
pub struct CAnswer {
    status: c_int,
    body: *const u8,
    body_sz: usize,
    hdrs: *const Hdr,
    hdr_cnt: usize,
    own: *mut Owned,
}

/// What a `CAnswer` points into.
pub struct Owned {
    answer: client::Answer,
    hdrs: Vec<Hdr>,
}

fn failure_code(failure: &Failure) -> c_int {
    match failure {
        Failure::Url(_) => URL,
        Failure::Net(_) => NET,
        Failure::Proto(_) => PROTO,
        Failure::Invalid(_) => INVALID,
        Failure::Timeout => TIMEOUT,
        Failure::Gone => GONE,
    }
}

unsafe fn fields<'a>(hdrs: *const Hdr, hdr_cnt: usize) -> client::Fields<'a> {
    // SAFETY: hdr_cnt headers.
    let hdrs = unsafe { slice(hdrs, hdr_cnt) };
    // SAFETY: spans as in the header.
    hdrs.iter()
        .map(|hdr| unsafe { (hdr.name.bytes(), hdr.value.bytes()) })
        .collect()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_http_call(
    url: *const c_char,
    method: *const c_char,
    hdrs: *const Hdr,
    hdr_cnt: usize,
    body: *const u8,
    body_sz: usize,
    timeout_ms: u32,
    body_max: usize,
    out_answer: *mut CAnswer,
    err: *mut c_char,
    err_sz: usize,
) -> c_int {
    // SAFETY: strings, headers and body as in the header.
    let (url, method, fields, body) = unsafe {
        (
            text(url).unwrap_or_default(),
            text(method).unwrap_or_default(),
            fields(hdrs, hdr_cnt),
            slice(body, body_sz),
        )
    };
    let limit = Duration::from_millis(u64::from(timeout_ms));
    match client::call(url, method, &fields, body, limit, body_max) {
        Ok(answer) => {
            let hdr = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| Hdr {
                name: Span::of(name.as_str().as_bytes()),
                value: Span::of(value.as_bytes()),
            };
            // In its final place before spans are taken: short names may live inside the map itself.
            let mut own = Box::new(Owned {
                answer,
                hdrs: Vec::new(),
            });
            own.hdrs = own.answer.headers.iter().map(hdr).collect();
            let out = CAnswer {
                status: c_int::from(own.answer.status),
                body: own.answer.body.as_ptr(),
                body_sz: own.answer.body.len(),
                hdrs: own.hdrs.as_ptr(),
                hdr_cnt: own.hdrs.len(),
                own: Box::into_raw(own),
            };
            // SAFETY: a writable struct.
            unsafe { out_answer.write(out) };
            OK
        }
        Err(failure) => {
            // SAFETY: err has err_sz bytes.
            unsafe { put_text(err, err_sz, failure.text()) };
            failure_code(&failure)
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_answer_free(answer: *mut CAnswer) {
    // SAFETY: an answer of dmgn_http_call, or an emptied one.
    unsafe {
        if !(*answer).own.is_null() {
            drop(Box::from_raw((*answer).own));
        }
        answer.write(CAnswer {
            status: 0,
            body: null(),
            body_sz: 0,
            hdrs: null(),
            hdr_cnt: 0,
            own: null_mut(),
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_wsc_open(
    url: *const c_char,
    hdrs: *const Hdr,
    hdr_cnt: usize,
    timeout_ms: u32,
    msg_max: usize,
    err: *mut c_char,
    err_sz: usize,
) -> *mut WsClient {
    // SAFETY: strings and headers as in the header.
    let (url, fields) = unsafe { (text(url).unwrap_or_default(), fields(hdrs, hdr_cnt)) };
    match WsClient::open(url, &fields, Duration::from_millis(u64::from(timeout_ms)), msg_max) {
        Ok(wsc) => Box::into_raw(Box::new(wsc)),
        Err(failure) => {
            // SAFETY: err has err_sz bytes.
            unsafe { put_text(err, err_sz, failure.text()) };
            null_mut()
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_wsc_send(
    wsc: *mut WsClient,
    is_text: c_int,
    bytes: *const u8,
    bytes_sz: usize,
    timeout_ms: u32,
) -> c_int {
    // SAFETY: an open client of this thread; bytes_sz bytes.
    let sent = unsafe {
        (*wsc).send(
            is_text != 0,
            slice(bytes, bytes_sz),
            Duration::from_millis(u64::from(timeout_ms)),
        )
    };
    sent.map_or_else(|failure| failure_code(&failure), |()| OK)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_wsc_recv(
    wsc: *mut WsClient,
    timeout_ms: u32,
    out_is_text: *mut c_int,
    out_bytes: *mut *const u8,
    out_bytes_sz: *mut usize,
) -> c_int {
    // SAFETY: an open client of this thread.
    match unsafe { (*wsc).recv(Duration::from_millis(u64::from(timeout_ms))) } {
        Ok((is_text, bytes)) => {
            // SAFETY: writable outputs; the bytes stay in the client until its next call.
            unsafe {
                out_is_text.write(c_int::from(is_text));
                out_bytes.write(bytes.as_ptr());
                out_bytes_sz.write(bytes.len());
            }
            OK
        }
        Err(failure) => failure_code(&failure),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_wsc_close(wsc: *mut WsClient, timeout_ms: u32) {
    if !wsc.is_null() {
        // SAFETY: made by dmgn_wsc_open, closed once.
        unsafe { Box::from_raw(wsc) }.close(Duration::from_millis(u64::from(timeout_ms)));
    }
}
