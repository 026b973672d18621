//! One connection: which protocol, then one request at a time to the handler.

use crate::{
    gate::{Gate, Shared},
    server::{Hub, Peer, Phase, Seat, reached},
    ws,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
    http::request::Parts,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    sync::oneshot,
    time::{Duration, Instant, timeout},
};

pub type Answer = Response<Full<Bytes>>;

/// A whole request, the handler's until it is replied to.
pub struct Req {
    pub parts: Parts,
    pub body: Bytes,
    pub peer: Peer,
    reply: Option<oneshot::Sender<Answer>>,
}

#[derive(Debug, PartialEq)]
pub enum ReplyError {
    Gone,
    Invalid,
}

impl Req {
    pub fn host(&self) -> Option<&[u8]> {
        let field = self.parts.headers.get(header::HOST).map(HeaderValue::as_bytes);
        field.or_else(|| self.parts.uri.authority().map(|a| a.as_str().as_bytes()))
    }

    /// Ends the request.
    pub fn reply<'a>(
        mut self: Box<Self>,
        status: i32,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        body: &[u8],
    ) -> Result<(), ReplyError> {
        let answer = build_answer(status, fields, body);
        let is_legal = answer.is_some();
        let answer = answer.unwrap_or_else(|| plain(StatusCode::INTERNAL_SERVER_ERROR));
        let sender = self.reply.take().ok_or(ReplyError::Gone)?;
        match (sender.send(answer), is_legal) {
            (Err(_), _) => Err(ReplyError::Gone),
            (Ok(()), false) => Err(ReplyError::Invalid),
            (Ok(()), true) => Ok(()),
        }
    }
}

fn build_answer<'a>(status: i32, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>, body: &[u8]) -> Option<Answer> {
    let status = u16::try_from(status).ok().filter(|s| (200..=599).contains(s))?;
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(body)));
    *answer.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name).ok()?;
        // The framing is hyper's.
        let ours = [
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::DATE,
            header::TRANSFER_ENCODING,
            header::UPGRADE,
        ];
        if ours.contains(&name) {
            return None;
        }
        answer.headers_mut().append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(answer)
}

fn plain(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until the bytes are, or can no longer become, HTTP/2's preface.  None: the peer said nothing in time.
async fn sniff<S: AsyncRead + Unpin>(socket: &mut S, wait: Duration) -> Option<(Vec<u8>, bool)> {
    let mut buf = Vec::with_capacity(512);
    let is_http2 = timeout(wait, async {
        loop {
            if buf.len() >= PREFACE.len() {
                break buf.starts_with(PREFACE);
            }
            if !PREFACE.starts_with(&buf) || !matches!(socket.read_buf(&mut buf).await, Ok(cnt) if cnt > 0) {
                break false;
            }
        }
    })
    .await;
    // Late with a part of the preface: HTTP/1 knows what to do with it.
    (!buf.is_empty()).then_some((buf, is_http2.unwrap_or(false)))
}

pub async fn serve<S>(hub: Arc<Hub>, seat: Seat, mut socket: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &hub.limits;
    let mut phase = hub.phase.clone();
    let sniffed = tokio::select! {
        sniffed = sniff(&mut socket, limits.gate.header) => sniffed,
        () = reached(&mut phase, Phase::Drain) => None,
    };
    let Some((buf, is_http2)) = sniffed else { return };
    let is_http2 = is_http2 && limits.is_http2;
    let shared = Arc::new(Shared::default());
    let io = TokioIo::new(Gate::new(socket, limits.gate, shared.clone(), buf, is_http2));
    let conn = Arc::new(Conn {
        hub: hub.clone(),
        shared,
        peer,
        is_http2,
        requests: AtomicU64::new(0),
        seat,
    });
    if is_http2 {
        serve_http2(conn, io, phase).await;
    } else {
        serve_http1(conn, io, phase).await;
    }
}

/// What the requests of one connection share.  The last of them, or its WebSocket, gives up the seat.
pub struct Conn {
    pub hub: Arc<Hub>,
    pub shared: Arc<Shared>,
    pub peer: Peer,
    is_http2: bool,
    requests: AtomicU64,
    #[expect(dead_code, reason = "held, not read")]
    seat: Seat,
}

type Phases = tokio::sync::watch::Receiver<Phase>;

async fn serve_http1<S>(conn: Arc<Conn>, io: TokioIo<Gate<S>>, mut phase: Phases)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let headers_max = conn.hub.limits.gate.headers_max;
    let service = service_fn(move |request| handle(conn.clone(), request));
    let mut builder = http1::Builder::new();
    // The gate has the limits and time-outs.  pipeline_flush stays off: it loses answers to bad requests.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .half_close(true);
    if headers_max > 100 {
        builder.max_headers(headers_max);
    }
    let mut serving = pin!(builder.serve_connection(io, service).with_upgrades());
    tokio::select! {
        _ = serving.as_mut() => return,
        () = reached(&mut phase, Phase::Drain) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}

async fn serve_http2<S>(conn: Arc<Conn>, io: TokioIo<Gate<S>>, mut phase: Phases)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = conn.hub.limits;
    let shared = conn.shared.clone();
    let requests = conn.clone();
    let service = service_fn(move |request| handle(conn.clone(), request));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let header_list = limits.gate.header_bytes_max + limits.gate.uri_max;
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams_max)
        .max_header_list_size(u32::try_from(header_list).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(20)
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(1 << 20)
        .max_send_buf_size(64 << 10)
        .keep_alive_interval(limits.gate.idle / 2)
        .keep_alive_timeout(limits.gate.send);
    let mut serving = pin!(builder.serve_connection(io, service));
    // No request open and none begun for idle_ms: say goodbye.
    let idle = async {
        let mut seen = 0;
        let mut since = Instant::now();
        loop {
            tokio::time::sleep(limits.gate.idle / 4).await;
            let now = requests.requests.load(Ordering::Relaxed);
            if now != seen || shared.open.load(Ordering::Relaxed) > 0 {
                seen = now;
                since = Instant::now();
            } else if since.elapsed() >= limits.gate.idle {
                break;
            }
        }
    };
    tokio::select! {
        _ = serving.as_mut() => return,
        () = idle => {}
        () = reached(&mut phase, Phase::Drain) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}

/// Counts a request as open, and answers an upgrade that nobody accepted.
struct Open<'a>(&'a Conn);

impl<'a> Open<'a> {
    fn new(conn: &'a Conn) -> Self {
        conn.shared.open.fetch_add(1, Ordering::Relaxed);
        conn.hub.counters.requests_open.fetch_add(1, Ordering::Relaxed);
        Self(conn)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.0.hub.counters.requests_open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn handle(conn: Arc<Conn>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let _open = Open::new(&conn);
    let number = conn.requests.fetch_add(1, Ordering::Relaxed) + 1;
    conn.hub.counters.requests.fetch_add(1, Ordering::Relaxed);
    let (mut answer, is_last) = match refusal(&conn, number, &request) {
        Some(status) => (Err(status), true),
        None => {
            // What follows a chunked body is not judged by the gate.
            let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
            let answer = serve_request(&conn, request).await;
            let is_early = matches!(answer, Err(StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT));
            (answer, is_chunked || is_early)
        }
    };
    let is_switch = matches!(&answer, Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS);
    if !conn.is_http2 {
        conn.shared.decide_upgrade(is_switch);
    }
    let is_refused = answer.is_err();
    if is_refused {
        conn.hub.counters.refused_requests.fetch_add(1, Ordering::Relaxed);
    }
    if is_last && !conn.is_http2 {
        if is_refused {
            conn.shared.linger.store(true, Ordering::Relaxed);
        }
        let mut last = answer.unwrap_or_else(plain);
        last.headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        answer = Ok(last);
    }
    Ok(answer.unwrap_or_else(plain))
}

/// The rules that hold before a request is looked at; the gate has done this for HTTP/1.
fn refusal(conn: &Conn, number: u64, request: &Request<Incoming>) -> Option<StatusCode> {
    if !conn.is_http2 {
        return conn
            .shared
            .refusal_of(number)
            .and_then(|status| StatusCode::from_u16(status).ok());
    }
    let limits = &conn.hub.limits.gate;
    let headers = request.headers();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.uri_max {
        return Some(StatusCode::URI_TOO_LONG);
    }
    if headers.len() > limits.headers_max {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let Some(authority) = request.uri().authority() else {
        return Some(StatusCode::BAD_REQUEST);
    };
    let hosts = headers.get_all(header::HOST);
    let is_other = |host: &HeaderValue| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
    let is_bad = request.method() == Method::CONNECT || hosts.iter().count() > 1 || hosts.iter().any(is_other);
    is_bad.then_some(StatusCode::BAD_REQUEST)
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

async fn serve_request(conn: &Arc<Conn>, mut request: Request<Incoming>) -> Result<Answer, StatusCode> {
    let hub = &conn.hub;
    if hub.handler.takes_ws()
        && request.version() == Version::HTTP_11
        && has_token(request.headers(), header::UPGRADE, "websocket")
    {
        return upgrade(conn, &mut request);
    }

    let (parts, body) = request.into_parts();
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse().ok());
    if length.is_some_and(|length: u64| length > hub.limits.body_max as u64) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let body = match timeout(hub.limits.body, Limited::new(body, hub.limits.body_max).collect()).await {
        Err(_) => return Err(StatusCode::REQUEST_TIMEOUT),
        Ok(Err(e)) if e.downcast_ref::<LengthLimitError>().is_some() => return Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => return Err(StatusCode::BAD_REQUEST),
        Ok(Ok(body)) => body.to_bytes(),
    };
    let (sender, receiver) = oneshot::channel();
    hub.handler.on_request(Box::new(Req {
        parts,
        body,
        peer: conn.peer,
        reply: Some(sender),
    }));
    match timeout(hub.limits.reply, receiver).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(StatusCode::INTERNAL_SERVER_ERROR),
        Err(_) => Err(StatusCode::GATEWAY_TIMEOUT),
    }
}

/// The WebSocket handshake (RFC 6455, 4.2).
fn upgrade(conn: &Arc<Conn>, request: &mut Request<Incoming>) -> Result<Answer, StatusCode> {
    let headers = request.headers();
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        let mut answer = plain(StatusCode::UPGRADE_REQUIRED);
        answer
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Ok(answer);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let has_body = headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING);
    let (Some(key), true, &Method::GET, false) = (
        key,
        has_token(headers, header::CONNECTION, "upgrade"),
        request.method(),
        has_body,
    ) else {
        return Err(StatusCode::BAD_REQUEST);
    };
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let accept = HeaderValue::from_str(&accept).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;

    // Agreed to only where it was offered (RFC 6455, 4.2.2).
    let protocol = conn
        .hub
        .ws_protocol
        .as_ref()
        .filter(|(name, _)| has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, name))
        .map(|(_, value)| value.clone());

    let upgrade = hyper::upgrade::on(&mut *request);
    let mut seen = Request::new(());
    *seen.method_mut() = request.method().clone();
    *seen.uri_mut() = request.uri().clone();
    *seen.version_mut() = request.version();
    *seen.headers_mut() = request.headers().clone();
    let seen = Req {
        parts: seen.into_parts().0,
        body: Bytes::new(),
        peer: conn.peer,
        reply: None,
    };

    let opened = ws::Opened::new(conn);
    let status = conn.hub.handler.on_ws_open(opened.id, &seen);
    if status != 0 {
        opened.refuse();
        let status = StatusCode::from_u16(status).ok().filter(|s| s.as_u16() >= 400);
        return Ok(plain(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)));
    }
    tokio::spawn(ws::serve(conn.clone(), opened, upgrade));
    let mut answer = plain(StatusCode::SWITCHING_PROTOCOLS);
    let out = answer.headers_mut();
    out.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    out.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    out.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(name) = protocol {
        out.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    Ok(answer)
}
