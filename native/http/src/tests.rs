//! The server as a black box on real sockets: what is sent, what comes back, which events there were.

use crate::{
    client::{self, Failure, WsClient},
    conn::Req,
    gate::{GateLimits, lock},
    server::{Config, Handler, Limits, Peer, Seat, SendError, Server},
};
use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

#[derive(Debug, PartialEq)]
enum Event {
    Open(u64),
    Msg(u64, Vec<u8>),
    Room(u64),
    Close(u64, u16),
}

struct Echo {
    events: Mutex<Sender<Event>>,
    parked: Mutex<VecDeque<Box<Req>>>,
    holds: bool,
}

struct EchoHandler(Arc<Echo>);

fn reply(req: Box<Req>, status: i32, body: &[u8]) {
    let fields: [(&[u8], &[u8]); 1] = [(b"X-Test", b"yes")];
    let _ = req.reply(status, fields.into_iter(), body);
}

impl Handler for EchoHandler {
    fn on_request(&self, req: Box<Req>) {
        match req.parts.uri.path() {
            "/park" => lock(&self.0.parked).push_back(req),
            "/drop" => drop(req),
            "/bad" => reply(req, 42, b""),
            "/big" => reply(req, 200, &vec![b'x'; 8 << 20]),
            _ => {
                let mut body = format!("{} {} ", req.parts.method, req.parts.uri.path()).into_bytes();
                body.extend_from_slice(&req.body);
                reply(req, 200, &body);
            }
        }
    }

    fn takes_ws(&self) -> bool {
        true
    }

    fn on_ws_open(&self, ws: u64, req: &Req) -> u16 {
        if req.parts.uri.path() != "/ws" {
            return 403;
        }
        let _ = lock(&self.0.events).send(Event::Open(ws));
        0
    }

    fn on_ws_msg(&self, ws: u64, _: bool, bytes: &[u8]) -> bool {
        let _ = lock(&self.0.events).send(Event::Msg(ws, bytes.to_vec()));
        self.0.holds
    }

    fn on_ws_room(&self, ws: u64) {
        let _ = lock(&self.0.events).send(Event::Room(ws));
    }

    fn on_ws_close(&self, ws: u64, code: u16) {
        let _ = lock(&self.0.events).send(Event::Close(ws, code));
    }

    fn on_thread(&self, _: u32) {}
}

struct Fixture {
    server: Option<Server>,
    echo: Arc<Echo>,
    events: Receiver<Event>,
}

fn limits() -> Limits {
    Limits {
        gate: GateLimits {
            uri_max: 256,
            header_bytes_max: 1024,
            headers_max: 10,
            header: Duration::from_millis(150),
            idle: Duration::from_millis(300),
            send: Duration::from_millis(300),
            ws_fragments_max: 4,
        },
        conns_max: 8,
        conns_per_addr_max: 64,
        body_max: 1000,
        body: Duration::from_millis(150),
        reply: Duration::from_millis(400),
        drain: Duration::from_millis(500),
        h2_streams_max: 8,
        ws_msg_max: 1000,
        ws_out_bytes_max: 100_000,
        ws_calls_max: 2,
        ws_ping: Duration::from_millis(100),
        is_http2: true,
    }
}

impl Fixture {
    fn with(threads: u32, holds: bool, limits: Limits) -> Self {
        let (sender, events) = channel();
        let echo = Arc::new(Echo {
            events: Mutex::new(sender),
            parked: Mutex::default(),
            holds,
        });
        let config = Config {
            addr: Some("127.0.0.1:0".parse().unwrap()),
            unix: None,
            threads,
            thread_name: "t".into(),
            ws_protocol: Some("test.v1".into()),
            thread_stack: 2 << 20,
            limits,
        };
        let server = Server::start(config, Box::new(EchoHandler(echo.clone()))).unwrap();
        Self {
            server: Some(server),
            echo,
            events,
        }
    }

    fn new() -> Self {
        Self::with(1, false, limits())
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.server().port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    }

    /// Everything the server says to these bytes until it closes.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = self.connect();
        socket.write_all(bytes).unwrap();
        read_all(&mut socket)
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://127.0.0.1:{}{path}", self.server().port)
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(Duration::from_secs(5)).unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}

fn read_all(socket: &mut TcpStream) -> String {
    let mut out = Vec::new();
    socket.read_to_end(&mut out).unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

/// One answer with a Content-Length.
fn read_one(socket: &mut TcpStream) -> String {
    let mut out = Vec::new();
    let mut byte = [0];
    while !out.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        out.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&out).to_lowercase();
    let length = text
        .split("content-length: ")
        .nth(1)
        .map_or(0, |t| t.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).unwrap();
    out.extend(body);
    String::from_utf8_lossy(&out).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
}

#[test]
fn refusals_are_answered_and_closed() {
    let f = Fixture::new();
    let long = "x".repeat(2000);
    for (bytes, want) in [
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            400,
        ),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET /{long}"), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}"), 431),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(10)),
            431,
        ),
        ("GET / HTTP/1.1\r\nHost: a".into(), 408),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n".into(), 413),
        (
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n{long}\r\n0\r\n\r\n"),
            413,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nslow".into(),
            408,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n".into(),
            501,
        ),
        ("GET / HTTP/3.1\r\nHost: a\r\n\r\n".into(), 505),
    ] {
        let answer = f.raw(bytes.as_bytes());
        assert_eq!(status(&answer), want, "{bytes:?} -> {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer:?}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer:?}");
    }
}

#[test]
fn large_upload_still_reads_its_413() {
    let f = Fixture::new();
    let mut socket = f.connect();
    socket
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        .unwrap();
    socket.write_all(&vec![b'x'; 2_000_000]).unwrap();
    assert_eq!(status(&read_all(&mut socket)), 413);
}

#[test]
fn silence_is_closed_without_an_answer() {
    let f = Fixture::new();
    assert_eq!(f.raw(b""), "");
    let mut socket = f.connect();
    socket.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let start = Instant::now();
    let answer = read_all(&mut socket); // keep-alive, then idle
    assert!(answer.ends_with("GET /1 "), "{answer}");
    assert!(start.elapsed() >= Duration::from_millis(250));
}

#[test]
fn pipelined_requests_are_answered_in_order_up_to_the_illegal_one() {
    let f = Fixture::new();
    let answer = f.raw(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nA\nB\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\nHost: a\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let at = |text: &str| answer.find(text).unwrap_or_else(|| panic!("{text} not in {answer}"));
    assert!(at("GET /1 ") < at("POST /2 A\nB\n") && at("POST /2 ") < at("GET /3 ") && at("GET /3 ") < at("400 Bad"));
    assert!(!answer.contains("/4") && !answer.contains("/5"));
}

#[test]
fn nothing_after_a_chunked_body_is_read() {
    let f = Fixture::new();
    let answer = f.raw(
        b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert!(answer.ends_with("POST /1 abc"), "{answer}");
}

#[test]
fn half_closed_client_gets_its_answer() {
    let f = Fixture::new();
    let mut socket = f.connect();
    socket.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(read_all(&mut socket).ends_with("GET /1 "));
}

#[test]
fn head_in_single_bytes_is_understood() {
    let f = Fixture::new();
    let mut socket = f.connect();
    socket.set_nodelay(true).unwrap();
    for byte in b"\r\nPOST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" {
        socket.write_all(&[*byte]).unwrap();
    }
    assert!(read_one(&mut socket).ends_with("POST /1 hi"));
}

#[test]
fn connections_beyond_the_limit_get_503() {
    let f = Fixture::new();
    let mut open: Vec<TcpStream> = (0..8).map(|_| f.connect()).collect();
    for socket in &mut open {
        socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(status(&read_one(socket)), 200);
    }
    assert_eq!(status(&f.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")), 503);
    open.clear();
    let start = Instant::now();
    while status(&f.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")) != 200 {
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn one_address_gets_only_its_share() {
    let mut l = limits();
    l.conns_per_addr_max = 2;
    let f = Fixture::with(1, false, l);
    let hub = &f.server().hub;
    let peer = |text: &str| Peer::tcp(text.parse().unwrap());
    let take = |text: &str| Seat::take(hub, &peer(text));
    let first = take("10.0.0.1:1").unwrap();
    let second = take("10.0.0.1:2").unwrap();
    assert!(take("10.0.0.1:3").is_none() && take("[::ffff:10.0.0.1]:3").is_none());
    let _other = take("10.0.0.2:1").unwrap();
    drop(first);
    let _again = take("10.0.0.1:4").unwrap();
    assert!(take("10.0.0.1:5").is_none());
    drop(second);
    // IPv6 counts by /64.
    let six = [take("[2001:db8::1]:1").unwrap(), take("[2001:db8::2]:1").unwrap()];
    assert!(take("[2001:db8::3]:1").is_none());
    assert!(take("[2001:db8:0:1::1]:1").is_some());
    drop(six);
    // Our own host is bound by the sum alone: 8, of which 2 are taken.
    let own: Vec<_> = (0..5).map(|_| take("127.0.0.1:1").unwrap()).collect();
    let unix = Seat::take(hub, &Peer::unix()).unwrap();
    assert!(take("127.0.0.1:1").is_none() && Seat::take(hub, &Peer::unix()).is_none());
    drop((own, unix));
    assert!(take("[::1]:1").is_some());
}

#[test]
fn answers_come_later_from_any_thread_and_too_late_is_gone() {
    let f = Fixture::new();
    let mut socket = f.connect();
    socket.write_all(b"GET /park HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let take = || {
        let start = Instant::now();
        loop {
            if let Some(req) = lock(&f.echo.parked).pop_front() {
                return req;
            }
            assert!(start.elapsed() < Duration::from_secs(2));
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let req = take();
    std::thread::spawn(move || reply(req, 201, b"late")).join().unwrap();
    let answer = read_one(&mut socket);
    assert_eq!(status(&answer), 201);
    assert!(answer.contains("x-test: yes") && answer.ends_with("late"));

    socket.write_all(b"GET /park HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let req = take();
    assert_eq!(status(&read_one(&mut socket)), 504);
    assert_eq!(
        req.reply(200, std::iter::empty(), b""),
        Err(crate::conn::ReplyError::Gone)
    );

    socket.write_all(b"GET /drop HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(status(&read_one(&mut socket)), 500);
    socket.write_all(b"GET /bad HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(status(&read_one(&mut socket)), 500);
}

#[test]
fn reader_that_stalls_is_cut() {
    let f = Fixture::new();
    let mut socket = f.connect();
    socket.write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let start = Instant::now();
    while f.server().hub.counters.conns.load(std::sync::atomic::Ordering::Relaxed) > 0 {
        assert!(start.elapsed() < Duration::from_secs(3));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn client_calls() {
    let f = Fixture::new();
    let fields: client::Fields = vec![(b"X-A", b"b")];
    let limit = Duration::from_secs(5);
    let answer = client::call(&f.url("http", "/x?y"), "POST", &fields, b"body", limit, 100).unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (200, b"POST /x body".as_slice()));
    assert_eq!(answer.headers.get("x-test").unwrap(), "yes");
    let failed = |r: Result<client::Answer, Failure>| r.err().unwrap();
    assert!(matches!(
        failed(client::call(&f.url("http", "/x"), "GET", &fields, b"", limit, 3)),
        Failure::Proto(_)
    ));
    let short = Duration::from_millis(50);
    assert!(matches!(
        failed(client::call(&f.url("http", "/park"), "GET", &fields, b"", short, 3)),
        Failure::Timeout
    ));
    assert!(matches!(
        failed(client::call("http://127.0.0.1:1/", "GET", &fields, b"", limit, 3)),
        Failure::Net(_)
    ));
    lock(&f.echo.parked).clear();
}

#[test]
fn http2_by_prior_knowledge() {
    let f = Fixture::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let port = f.server().port;
    let call = async |uri: &str, host: Option<&str>, body: usize| {
        let io = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, hyper_util::rt::TokioIo::new(io))
                .await
                .unwrap();
        tokio::spawn(connection);
        let mut request = hyper::Request::post(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let body = http_body_util::Full::new(bytes::Bytes::from(vec![b'b'; body]));
        sender
            .send_request(request.body(body).unwrap())
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    runtime.block_on(async {
        assert_eq!(call("http://a/x", None, 10).await, 200);
        assert_eq!(call("http://a/x", Some("a"), 10).await, 200);
        assert_eq!(call("http://a/x", Some("b"), 10).await, 400);
        assert_eq!(call("http://a/x", None, 1001).await, 413);
        assert_eq!(call(&format!("http://a/{}", "x".repeat(300)), None, 1).await, 414);
    });
}

fn ws(f: &Fixture) -> (WsClient, u64) {
    let client = WsClient::open(&f.url("ws", "/ws"), &vec![], Duration::from_secs(5), 1 << 20).unwrap();
    let Event::Open(id) = f.event() else { panic!("no open") };
    (client, id)
}

const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn websocket_round_trip_and_close_both_ways() {
    let f = Fixture::new();
    let (mut client, id) = ws(&f);
    client.send(true, "hé".as_bytes(), LIMIT).unwrap();
    assert_eq!(f.event(), Event::Msg(id, "hé".into()));
    f.server().ws_send(id, true, b"yo").unwrap();
    f.server().ws_send(id, false, &[0xff]).unwrap();
    assert_eq!(client.recv(LIMIT).unwrap(), (true, b"yo".as_slice()));
    assert_eq!(client.recv(LIMIT).unwrap(), (false, [0xff].as_slice()));
    assert_eq!(f.server().ws_send(id, true, &[0xff]), Err(SendError::Invalid));
    assert_eq!(
        f.server().ws_send(id, true, &vec![b'x'; 100_001]),
        Err(SendError::Invalid)
    );
    client.close(LIMIT);
    assert_eq!(f.event(), Event::Close(id, 1005));
    assert_eq!(f.server().ws_send(id, true, b"yo"), Err(SendError::Gone));

    let (mut client, id2) = ws(&f);
    assert!(id2 > id);
    f.server().ws_send(id2, true, b"last").unwrap();
    f.server().ws_close(id2, 4000, "enough".into()).unwrap();
    assert_eq!(client.recv(LIMIT).unwrap(), (true, b"last".as_slice()));
    assert!(matches!(client.recv(LIMIT), Err(Failure::Gone)));
    assert_eq!(f.event(), Event::Close(id2, 4000));
}

#[test]
fn websocket_handshakes_that_are_refused() {
    let f = Fixture::new();
    let head = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    for (request, want) in [
        (format!("{head}{key}\r\n"), 426),
        (format!("{head}{version}\r\n"), 400),
        (format!("{head}{version}Sec-WebSocket-Key: x\r\n\r\n"), 400),
        (format!("{head}{version}{key}\r\n").replace("/ws", "/other"), 403),
        (
            format!("{head}{version}{key}\r\n").replace("Connection: Upgrade", "Connection: x"),
            400,
        ),
        (format!("{head}{version}{key}\r\n").replace("GET", "POST"), 400),
        (format!("{head}{version}{key}Content-Length: 1\r\n\r\nx"), 400),
        (format!("{head}\r\n").replace("websocket", "h2c"), 200),
    ] {
        let mut socket = f.connect();
        socket.write_all(request.as_bytes()).unwrap();
        assert_eq!(status(&read_one(&mut socket)), want, "{request}");
        // The connection goes on, its next head is judged as always.
        socket
            .write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\n\n")
            .unwrap();
        let rest = read_all(&mut socket);
        assert!(rest.contains("GET /1 ") && rest.contains("400 Bad"), "{request} {rest}");
    }
    let mut socket = f.connect();
    socket
        .write_all(format!("{head}{version}{key}\r\n").as_bytes())
        .unwrap();
    let answer = read_one(&mut socket);
    assert_eq!(status(&answer), 101);
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}"); // RFC 6455, 1.3
    assert!(!answer.contains("sec-websocket-protocol"), "not offered: {answer}");
    for (offered, is_agreed) in [("test.v1", true), ("other, test.v1", true), ("other", false)] {
        let mut socket = f.connect();
        socket
            .write_all(format!("{head}{version}{key}Sec-WebSocket-Protocol: {offered}\r\n\r\n").as_bytes())
            .unwrap();
        let answer = read_one(&mut socket);
        assert_eq!(status(&answer), 101);
        assert_eq!(
            answer.contains("sec-websocket-protocol: test.v1"),
            is_agreed,
            "{answer}"
        );
    }
}

/// Opens a WebSocket by hand, to send what no client would.
fn raw_ws(f: &Fixture) -> (TcpStream, u64) {
    let mut socket = f.connect();
    socket
        .write_all(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        .unwrap();
    assert_eq!(status(&read_one(&mut socket)), 101);
    let Event::Open(id) = f.event() else { panic!("no open") };
    (socket, id)
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
    }
    out.extend([0; 4]); // a mask of zero leaves the payload as it is
    out.extend(payload);
    out
}

fn close_code(socket: &mut TcpStream) -> u16 {
    let mut out = Vec::new();
    let _ = socket.read_to_end(&mut out);
    let at = out
        .iter()
        .position(|b| *b == 0x88)
        .unwrap_or_else(|| panic!("no close in {out:?}"));
    u16::from_be_bytes([out[at + 2], out[at + 3]])
}

#[test]
fn websocket_frames_that_break_a_rule() {
    let f = Fixture::new();
    let many: Vec<u8> = [
        frame(0x01, b"a"),
        frame(0, b""),
        frame(0, b""),
        frame(0, b""),
        frame(0x80, b""),
    ]
    .concat();
    for (bytes, want) in [
        (frame(0x81, &[b'x'; 1001]), 1009),
        ([frame(0x01, &[b'x'; 600]), frame(0x80, &[b'x'; 600])].concat(), 1009),
        (many, 1008),
        (frame(0x81, &[0xff]), 1007),
        (vec![0x81, 0x01, b'x'], 1002), // not masked
        (frame(0x80, b"x"), 1002),      // continues nothing
        (frame(0xc1, b"x"), 1002),      // reserved bit
        (frame(0x83, b"x"), 1002),      // reserved code
        (frame(0x09, b"x"), 1002),      // fragmented ping
    ] {
        let (mut socket, id) = raw_ws(&f);
        socket.write_all(&bytes).unwrap();
        assert_eq!(close_code(&mut socket), want, "{:?}", &bytes[..bytes.len().min(8)]);
        assert_eq!(f.event(), Event::Close(id, want));
    }
    // Just inside the limits.
    let (mut socket, id) = raw_ws(&f);
    socket
        .write_all(&[frame(0x01, b"a"), frame(0, b"b"), frame(0, b""), frame(0x80, b"c")].concat())
        .unwrap();
    assert_eq!(f.event(), Event::Msg(id, b"abc".into()));
    socket.write_all(&frame(0x82, &[b'x'; 1000])).unwrap();
    assert_eq!(f.event(), Event::Msg(id, vec![b'x'; 1000]));
    drop(socket);
    assert_eq!(f.event(), Event::Close(id, 1006));
}

#[test]
fn silent_websocket_is_pinged_then_lost() {
    let f = Fixture::new();
    let (mut socket, id) = raw_ws(&f);
    let start = Instant::now();
    let mut seen = [0; 2];
    socket.read_exact(&mut seen).unwrap();
    assert_eq!(seen, [0x89, 0]);
    assert_eq!(f.event(), Event::Close(id, 1006)); // no pong came
    assert!(start.elapsed() >= Duration::from_millis(290));

    let (mut client, id) = ws(&f); // this one answers
    assert!(matches!(client.recv(Duration::from_millis(700)), Err(Failure::Timeout)));
    f.server().ws_send(id, true, b"still here").unwrap();
    assert!(client.recv(LIMIT).is_ok());
}

#[test]
fn full_queue_says_so_and_room_follows() {
    let mut l = limits();
    l.gate.send = Duration::from_secs(5);
    l.gate.idle = Duration::from_secs(5);
    let f = Fixture::with(1, false, l);
    let (mut client, id) = ws(&f);
    let message = vec![b'x'; 10_000];
    let mut sent = 0;
    while f.server().ws_send(id, true, &message).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "never full");
    }
    assert_eq!(f.server().ws_send(id, true, &message), Err(SendError::Full));
    for _ in 0..sent {
        assert_eq!(client.recv(LIMIT).unwrap().1.len(), 10_000);
    }
    assert_eq!(f.event(), Event::Room(id));
    f.server().ws_send(id, true, b"again").unwrap();
    assert_eq!(client.recv(LIMIT).unwrap().1, b"again");
}

#[test]
fn held_messages_stop_the_reading() {
    let f = Fixture::with(2, true, limits());
    let (mut client, id) = ws(&f);
    for i in 0..5 {
        client.send(true, &[b'0' + i], LIMIT).unwrap();
    }
    assert_eq!(f.event(), Event::Msg(id, b"0".into()));
    assert_eq!(f.event(), Event::Msg(id, b"1".into()));
    assert_eq!(
        f.events.recv_timeout(Duration::from_millis(100)),
        Err(RecvTimeoutError::Timeout)
    );
    f.server().ws_done(id, 1).unwrap();
    assert_eq!(f.event(), Event::Msg(id, b"2".into()));
    assert_eq!(
        f.events.recv_timeout(Duration::from_millis(100)),
        Err(RecvTimeoutError::Timeout)
    );
    f.server().ws_done(id, 2).unwrap();
    assert_eq!(f.event(), Event::Msg(id, b"3".into()));
    assert_eq!(f.event(), Event::Msg(id, b"4".into()));
}

#[test]
fn drain_finishes_what_is_open_and_stop_ends_websockets() {
    let mut f = Fixture::with(2, false, limits());
    let (mut client, id) = ws(&f);
    let mut idle = f.connect();
    idle.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    read_one(&mut idle);
    let mut busy = f.connect();
    busy.write_all(b"GET /park HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let start = Instant::now();
    while lock(&f.echo.parked).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    f.server().drain();
    f.server().drain();
    assert_eq!(read_all(&mut idle), "");
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", f.server().port)).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(2), "still listening");
    }
    reply(lock(&f.echo.parked).pop_front().unwrap(), 200, b"done");
    assert!(read_all(&mut busy).ends_with("done"));
    f.server().ws_send(id, true, b"open").unwrap();
    assert_eq!(client.recv(LIMIT).unwrap().1, b"open");
    let start = Instant::now();
    let server = f.server.take().unwrap();
    let stopper = std::thread::spawn(move || server.stop());
    assert!(matches!(client.recv(LIMIT), Err(Failure::Gone)));
    stopper.join().unwrap();
    assert!(start.elapsed() < Duration::from_millis(450), "{:?}", start.elapsed());
    assert_eq!(f.event(), Event::Close(id, 1001));
}

#[test]
fn stop_cuts_what_does_not_end() {
    let mut f = Fixture::with(2, false, limits());
    let mut busy = f.connect();
    busy.write_all(b"GET /park HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (raw, id) = raw_ws(&f); // never answers the close
    let start = Instant::now();
    f.server.take().unwrap().stop();
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(matches!(f.event(), Event::Close(i, _) if i == id));
    drop(raw);
    let req = lock(&f.echo.parked).pop_front();
    if let Some(req) = req {
        assert!(req.reply(200, std::iter::empty(), b"").is_err());
    }
}

#[test]
fn one_connection_a_panic_the_others_go_on() {
    struct Panics;
    impl Handler for Panics {
        fn on_request(&self, req: Box<Req>) {
            assert!(req.parts.uri.path() != "/panic", "as asked");
            reply(req, 200, b"fine");
        }
        fn takes_ws(&self) -> bool {
            false
        }
        fn on_ws_open(&self, _: u64, _: &Req) -> u16 {
            500
        }
        fn on_ws_msg(&self, _: u64, _: bool, _: &[u8]) -> bool {
            false
        }
        fn on_ws_room(&self, _: u64) {}
        fn on_ws_close(&self, _: u64, _: u16) {}
        fn on_thread(&self, _: u32) {}
    }
    let config = Config {
        addr: Some("127.0.0.1:0".parse().unwrap()),
        unix: None,
        threads: 1,
        thread_name: "t".into(),
        ws_protocol: Some("test.v1".into()),
        thread_stack: 2 << 20,
        limits: limits(),
    };
    let server = Server::start(config, Box::new(Panics)).unwrap();
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", server.port);
    for _ in 0..20 {
        assert!(client::call(&url("/panic"), "GET", &vec![], b"", LIMIT, 100).is_err());
        assert_eq!(
            client::call(&url("/"), "GET", &vec![], b"", LIMIT, 100).unwrap().status,
            200
        );
    }
    server.stop();
}

#[test]
fn unix_socket_serves_too() {
    let path = std::env::temp_dir().join(format!("dmgn-http-test-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let (sender, events) = channel();
    let echo = Arc::new(Echo {
        events: Mutex::new(sender),
        parked: Mutex::default(),
        holds: false,
    });
    let config = Config {
        addr: None,
        unix: Some(listener),
        threads: 1,
        thread_name: "t".into(),
        ws_protocol: Some("test.v1".into()),
        thread_stack: 2 << 20,
        limits: limits(),
    };
    let server = Server::start(config, Box::new(EchoHandler(echo))).unwrap();
    let place = path.to_str().unwrap().replace('/', "%2F");
    let answer = client::call(&format!("http+unix://{place}/u"), "GET", &vec![], b"", LIMIT, 100).unwrap();
    assert_eq!(answer.body.as_ref(), b"GET /u ");
    let mut client = WsClient::open(&format!("ws+unix://{place}/ws"), &vec![], LIMIT, 100).unwrap();
    client.send(true, b"x", LIMIT).unwrap();
    assert_eq!(events.recv_timeout(LIMIT).unwrap(), Event::Open(1));
    assert_eq!(events.recv_timeout(LIMIT).unwrap(), Event::Msg(1, b"x".into()));
    server.stop();
    std::fs::remove_file(&path).unwrap();
}

/// Requests per second over 64 keep-alive connections, and WebSocket echoes, against one server thread.
#[test]
#[ignore = "prints figures"]
fn figures() {
    struct Quick(Arc<Mutex<Option<u64>>>);
    impl Handler for Quick {
        fn on_request(&self, req: Box<Req>) {
            reply(req, 200, &[b'x'; 200]);
        }
        fn takes_ws(&self) -> bool {
            true
        }
        fn on_ws_open(&self, ws: u64, _: &Req) -> u16 {
            *lock(&self.0) = Some(ws);
            0
        }
        fn on_ws_msg(&self, _: u64, _: bool, _: &[u8]) -> bool {
            false
        }
        fn on_ws_room(&self, _: u64) {}
        fn on_ws_close(&self, _: u64, _: u16) {}
        fn on_thread(&self, _: u32) {}
    }
    /// CPU seconds of the server's thread.
    fn cpu() -> f64 {
        for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            if stat.contains("(figures0)") {
                let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
                return (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0;
            }
        }
        0.0
    }
    let ws = Arc::new(Mutex::new(None));
    let mut quick = Limits {
        conns_max: 100,
        body_max: 1 << 20,
        ..limits()
    };
    quick.gate.idle = Duration::from_secs(60);
    quick.gate.send = Duration::from_secs(60);
    quick.body = Duration::from_secs(10);
    quick.reply = Duration::from_secs(10);
    let config = Config {
        addr: Some("127.0.0.1:0".parse().unwrap()),
        unix: None,
        threads: 1,
        thread_name: "figures".into(),
        ws_protocol: None,
        thread_stack: 2 << 20,
        limits: quick,
    };
    let server = Server::start(config, Box::new(Quick(ws.clone()))).unwrap();
    let port = server.port;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for body_sz in [58, 4096] {
        let before = cpu();
        let total = runtime.block_on(async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let end = tokio::time::Instant::now() + Duration::from_secs(3);
            let mut tasks = Vec::new();
            for _ in 0..64 {
                tasks.push(tokio::spawn(async move {
                    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let request = format!("POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {body_sz}\r\n\r\n{}", "x".repeat(body_sz));
                    let mut buf = [0; 4096];
                    let mut cnt = 0u64;
                    while tokio::time::Instant::now() < end {
                        socket.write_all(request.as_bytes()).await.unwrap();
                        let mut sz = 0;
                        while sz < 4 || !buf[..sz].ends_with(b"xxxx") {
                            sz += socket.read(&mut buf[sz..]).await.unwrap();
                        }
                        cnt += 1;
                    }
                    cnt
                }));
            }
            let mut total = 0;
            for task in tasks {
                total += task.await.unwrap();
            }
            total
        });
        println!(
            "http, 64 connections, body {body_sz}, answer 200: {} requests/s, {:.1} us CPU each",
            total / 3,
            (cpu() - before) * 1e6 / total as f64
        );
    }
    let mut client = WsClient::open(&format!("ws://127.0.0.1:{port}/ws"), &vec![], LIMIT, 1 << 20).unwrap();
    let id = lock(&ws).unwrap();
    let (start, before) = (Instant::now(), cpu());
    let mut got = 0;
    while got < 200_000 {
        while server.ws_send(id, true, &[b'x'; 200]).is_ok() {}
        for _ in 0..100 {
            client.recv(LIMIT).unwrap();
            got += 1;
        }
    }
    println!(
        "websocket, server to one client, 200 bytes: {:.0} messages/s, {:.1} us CPU each",
        f64::from(got) / start.elapsed().as_secs_f64(),
        (cpu() - before) * 1e6 / f64::from(got)
    );
    drop(client);
    server.stop();
}
