//! libp2p links to other nodes: commands in, events out.  The manual is `include/dmgn_p2p.h`.
//!
//! ```text
//! ffi.rs      C
//! runtime.rs  the thread, the log, the panic hook, the metrics
//! swarm.rs    transports and behaviours put together; commands in, events out
//! gate.rs     who may connect
//! streams.rs  a handler for each connection: notify and request/response streams
//! tasks.rs    one task a stream       frame.rs  its framing     queue.rs  what waits to be sent
//! gossip.rs   gossipsub with our ids, limits and verdicts
//! muxer.rs    yamux with our limits; panics kept inside a connection     guard.rs  the same for handlers
//! ring.rs     events on their way to C
//! shared.rs   what all of these share
//! ```

pub mod ffi;
mod frame;
mod gate;
mod gossip;
mod guard;
mod muxer;
mod queue;
mod ring;
mod runtime;
mod shared;
mod streams;
mod swarm;
mod tasks;

#[cfg(test)]
mod tests;
