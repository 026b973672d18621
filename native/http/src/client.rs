//! The command line's side: one blocking request, one blocking WebSocket.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{HeaderMap, Method, Request, header, header::HeaderName, header::HeaderValue};
use hyper_util::rt::TokioIo;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    runtime::{Builder, Runtime},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error as WsError, Message, Utf8Bytes, protocol::WebSocketConfig},
};

#[derive(Debug)]
pub enum Failure {
    Url(String),
    Net(String),
    Proto(String),
    Invalid(String),
    Timeout,
    Gone,
}

impl Failure {
    pub fn text(&self) -> &str {
        match self {
            Failure::Url(text) | Failure::Net(text) | Failure::Proto(text) | Failure::Invalid(text) => text,
            Failure::Timeout => "no answer in time",
            Failure::Gone => "the connection is closed",
        }
    }
}

pub type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug, PartialEq)]
enum Place {
    Tcp(String, u16),
    Unix(String),
}

#[derive(Debug, PartialEq)]
struct Target {
    place: Place,
    /// For the Host field.
    authority: String,
    /// Path and query.
    path: String,
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
            out.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

fn parse_url(url: &str, scheme: &str) -> Result<Target, Failure> {
    let bad = |why: &str| Failure::Url(format!("{url:?}: {why}"));
    let (has, rest) = url
        .split_once("://")
        .ok_or_else(|| bad("not a URL, a scheme and :// must come first"))?;
    let has = has.to_ascii_lowercase();
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    if has == format!("{scheme}+unix") {
        let file = percent_decode(authority).filter(|file| !file.is_empty());
        let file = file.ok_or_else(|| bad("the path of the socket must be percent-encoded, / as %2F"))?;
        return Ok(Target {
            place: Place::Unix(file),
            authority: "localhost".into(),
            path,
        });
    }
    if has == format!("{scheme}s") {
        return Err(bad(
            "TLS is not part of this build, put a TLS proxy in front or use the plain scheme",
        ));
    }
    if has != scheme {
        return Err(bad(&format!("the scheme must be {scheme} or {scheme}+unix")));
    }
    if authority.contains('@') {
        return Err(bad("user and password in a URL are not supported"));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, port.parse().map_err(|_| bad("the port must be 1 to 65535"))?)
        }
        _ => (authority, 80),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || port == 0 {
        return Err(bad("host or port is missing"));
    }
    Ok(Target {
        place: Place::Tcp(host.into(), port),
        authority: authority.into(),
        path,
    })
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

async fn connect(place: &Place) -> Result<Box<dyn Io>, Failure> {
    let net = |to: &str, e: io::Error| Failure::Net(format!("cannot connect to {to}: {e}"));
    Ok(match place {
        Place::Tcp(host, port) => {
            let socket = TcpStream::connect((host.as_str(), *port))
                .await
                .map_err(|e| net(&format!("{host}:{port}"), e))?;
            let _ = socket.set_nodelay(true);
            Box::new(socket)
        }
        Place::Unix(file) => Box::new(UnixStream::connect(file).await.map_err(|e| net(file, e))?),
    })
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Net(format!("cannot start a runtime: {e}")))
}

fn put_fields(headers: &mut HeaderMap, fields: &Fields<'_>) -> Result<(), Failure> {
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name).map_err(|_| Failure::Invalid("a header name is malformed".into()))?;
        let bad = || Failure::Invalid(format!("the value of header {name} has illegal characters"));
        let value = HeaderValue::from_bytes(value).map_err(|_| bad())?;
        headers.append(name, value);
    }
    Ok(())
}

pub fn call(
    url: &str,
    method: &str,
    fields: &Fields<'_>,
    body: &[u8],
    limit: Duration,
    body_max: usize,
) -> Result<Answer, Failure> {
    let target = parse_url(url, "http")?;
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| Failure::Invalid(format!("{method:?} is no HTTP method")))?;
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    *request.method_mut() = method;
    let bad_path = |_| Failure::Url(format!("{url:?}: the path has illegal characters"));
    *request.uri_mut() = target.path.parse().map_err(bad_path)?;
    let bad_host = |_| Failure::Url(format!("{url:?}: the host has illegal characters"));
    request.headers_mut().insert(
        header::HOST,
        HeaderValue::from_str(&target.authority).map_err(bad_host)?,
    );
    put_fields(request.headers_mut(), fields)?;

    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let exchange = async {
            let io = TokioIo::new(connect(&target.place).await?);
            let proto = |e: hyper::Error| {
                if e.is_parse() || e.is_parse_too_large() {
                    Failure::Proto(format!("the answer is not HTTP: {e}"))
                } else {
                    Failure::Net(format!("the connection failed: {e}"))
                }
            };
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(proto)?;
            tokio::spawn(async move {
                let _ = connection.await;
            });
            let answer = sender.send_request(request).await.map_err(proto)?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, body_max).collect().await.map_err(|e| {
                if e.downcast_ref::<LengthLimitError>().is_some() {
                    Failure::Proto(format!("the answer has more than {body_max} bytes"))
                } else {
                    Failure::Net(format!("the answer broke off: {e}"))
                }
            })?;
            Ok(Answer {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: body.to_bytes(),
            })
        };
        timeout(limit, exchange).await.unwrap_or(Err(Failure::Timeout))
    });
    runtime.shutdown_background(); // a name look-up may still hang
    result
}

pub struct WsClient {
    runtime: Runtime,
    stream: WebSocketStream<Box<dyn Io>>,
    /// What the last `recv` gave out.
    last: Bytes,
}

impl WsClient {
    pub fn open(url: &str, fields: &Fields<'_>, limit: Duration, msg_max: usize) -> Result<Self, Failure> {
        let target = parse_url(url, "ws")?;
        let mut request = Request::new(());
        let full = format!("ws://{}{}", target.authority, target.path);
        *request.uri_mut() = full
            .parse()
            .map_err(|_| Failure::Url(format!("{url:?}: illegal characters")))?;
        let headers = request.headers_mut();
        let key = tokio_tungstenite::tungstenite::handshake::client::generate_key();
        for (name, value) in [
            (header::HOST, target.authority.as_str()),
            (header::CONNECTION, "Upgrade"),
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
            (header::SEC_WEBSOCKET_KEY, key.as_str()),
        ] {
            let bad = |_| Failure::Url(format!("{url:?}: the host has illegal characters"));
            headers.insert(name, HeaderValue::from_str(value).map_err(bad)?);
        }
        put_fields(headers, fields)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .max_message_size(Some(msg_max))
            .max_frame_size(Some(msg_max));

        let runtime = runtime()?;
        let result = runtime.block_on(async {
            let open = async {
                let io = connect(&target.place).await?;
                match client_async_with_config(request, io, Some(config)).await {
                    Ok((stream, _)) => Ok(stream),
                    Err(WsError::Http(answer)) => Err(Failure::Proto(format!(
                        "the server refused the WebSocket with status {}",
                        answer.status()
                    ))),
                    Err(WsError::Io(e)) => Err(Failure::Net(format!("the connection failed: {e}"))),
                    Err(e) => Err(Failure::Proto(e.to_string())),
                }
            };
            timeout(limit, open).await.unwrap_or(Err(Failure::Timeout))
        });
        match result {
            Ok(stream) => Ok(Self {
                runtime,
                stream,
                last: Bytes::new(),
            }),
            Err(failure) => {
                runtime.shutdown_background();
                Err(failure)
            }
        }
    }

    pub fn send(&mut self, is_text: bool, bytes: &[u8], limit: Duration) -> Result<(), Failure> {
        let bytes = Bytes::copy_from_slice(bytes);
        let message = if is_text {
            Message::Text(Utf8Bytes::try_from(bytes).map_err(|_| Failure::Invalid("the text is not UTF-8".into()))?)
        } else {
            Message::Binary(bytes)
        };
        let stream = &mut self.stream;
        self.runtime
            .block_on(async { timeout(limit, stream.send(message)).await })
            .map_or(Err(Failure::Timeout), |sent| sent.map_err(|_| Failure::Gone))
    }

    pub fn recv(&mut self, limit: Duration) -> Result<(bool, &[u8]), Failure> {
        let stream = &mut self.stream;
        let next = async {
            loop {
                match stream.next().await {
                    Some(Ok(Message::Text(text))) => return Ok((true, Bytes::from(text))),
                    Some(Ok(Message::Binary(bytes))) => return Ok((false, bytes)),
                    Some(Ok(_)) => {}
                    Some(Err(WsError::Capacity(_) | WsError::Protocol(_) | WsError::Utf8(_))) => {
                        return Err(Failure::Proto(
                            "the server broke the WebSocket protocol or the size limit".into(),
                        ));
                    }
                    Some(Err(_)) | None => return Err(Failure::Gone),
                }
            }
        };
        let got = self.runtime.block_on(async { timeout(limit, next).await });
        let (is_text, bytes) = got.unwrap_or(Err(Failure::Timeout))?;
        self.last = bytes;
        Ok((is_text, &self.last))
    }

    pub fn close(mut self, limit: Duration) {
        let stream = &mut self.stream;
        let _ = self.runtime.block_on(async {
            timeout(limit, async {
                stream.close(None).await?;
                while let Some(Ok(_)) = stream.next().await {}
                Ok::<_, WsError>(())
            })
            .await
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_table() {
        let tcp = |host: &str, port, authority: &str, path: &str| {
            Some(Target {
                place: Place::Tcp(host.into(), port),
                authority: authority.into(),
                path: path.into(),
            })
        };
        for (url, want) in [
            (
                "http://127.0.0.1:7369/rpc?x=1#y",
                tcp("127.0.0.1", 7369, "127.0.0.1:7369", "/rpc?x=1"),
            ),
            ("HTTP://a", tcp("a", 80, "a", "/")),
            ("http://a?q", tcp("a", 80, "a", "/?q")),
            ("http://[::1]:5/", tcp("::1", 5, "[::1]:5", "/")),
            ("http://[::1]/", tcp("::1", 80, "[::1]", "/")),
            (
                "http+unix://%2Frun%2Fdmg.sock/rpc",
                Some(Target {
                    place: Place::Unix("/run/dmg.sock".into()),
                    authority: "localhost".into(),
                    path: "/rpc".into(),
                }),
            ),
            ("http+unix://%2/rpc", None),
            ("http+unix:///rpc", None),
            ("https://a/", None),
            ("ftp://a/", None),
            ("127.0.0.1:7369", None),
            ("http://", None),
            ("http://u:p@a/", None),
            ("http://a:0/", None),
            ("http://a:65536/", None),
        ] {
            assert_eq!(parse_url(url, "http").ok(), want, "{url}");
        }
    }
}
