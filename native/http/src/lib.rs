//! HTTP/1.1, HTTP/2 and WebSocket server, and a small blocking client.
//! The manual is `include/dmgn_http.h`.
//!
//! ```text
//! server.rs  listen, accept, count, drain, join
//! conn.rs    one connection: HTTP/1 through gate.rs, or HTTP/2; one request at a time to the handler
//! gate.rs    the byte stream under hyper: strict heads, time-outs, lingering close
//! ws.rs      one WebSocket: events up, bounded queue down
//! client.rs  the command line's side
//! ffi.rs     C
//! ```

mod client;
mod conn;
pub mod ffi;
mod gate;
mod server;
#[cfg(test)]
mod tests;
mod ws;
