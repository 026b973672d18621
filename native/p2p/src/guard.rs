//! Handlers of all behaviours, kept apart: a panic in one ends its connection, not the task that drives it (N2.8).

use crate::{
    muxer::contain,
    ring::lock,
    shared::{Shared, count, why},
};
use libp2p::{
    PeerId,
    core::{Endpoint, Multiaddr, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
        SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, handler::ConnectionEvent,
    },
};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

/// A behaviour whose handlers are guarded.
pub struct Guarded<B> {
    pub inner: B,
    shared: Arc<Shared>,
}

impl<B> Guarded<B> {
    pub fn new(inner: B, shared: &Arc<Shared>) -> Self {
        Self {
            inner,
            shared: shared.clone(),
        }
    }
}

/// After a panic only its protocols are asked of it any more, until the connection has ended.
pub struct Handler<H> {
    inner: H,
    peer: PeerId,
    is_broken: bool,
    is_told: bool,
}

pub enum Out<T> {
    Inner(T),
    Broken,
}

impl<T: fmt::Debug> fmt::Debug for Out<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inner(inner) => inner.fmt(f),
            Self::Broken => f.write_str("Broken"),
        }
    }
}

impl<H> Handler<H> {
    pub fn new(inner: H, peer: PeerId) -> Self {
        Self {
            inner,
            peer,
            is_broken: false,
            is_told: false,
        }
    }

    fn call<T>(&mut self, code: impl FnOnce(&mut H) -> T) -> Option<T> {
        if self.is_broken {
            return None;
        }
        let inner = &mut self.inner;
        let result = contain("a protocol handler", Some(self.peer), || code(inner));
        self.is_broken = result.is_none();
        result
    }
}

impl<H: ConnectionHandler> ConnectionHandler for Handler<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = Out<H::ToBehaviour>;
    type InboundProtocol = H::InboundProtocol;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<H::InboundProtocol, H::InboundOpenInfo> {
        self.inner.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<H::OutboundProtocol, H::OutboundOpenInfo, Out<H::ToBehaviour>>> {
        match self.call(|inner| inner.poll(cx)) {
            Some(poll) => poll.map(|event| event.map_custom(Out::Inner)),
            None if self.is_told => Poll::Pending,
            None => {
                self.is_told = true;
                Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Out::Broken))
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        let poll = self.call(|inner| inner.poll_close(cx)).unwrap_or(Poll::Ready(None));
        poll.map(|event| event.map(Out::Inner))
    }

    fn on_behaviour_event(&mut self, event: H::FromBehaviour) {
        self.call(|inner| inner.on_behaviour_event(event));
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, H::InboundProtocol, H::OutboundProtocol, H::InboundOpenInfo, H::OutboundOpenInfo>,
    ) {
        self.call(|inner| inner.on_connection_event(event));
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Guarded<B> {
    type ConnectionHandler = Handler<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        cid: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(cid, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        cid: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self
            .inner
            .handle_established_inbound_connection(cid, peer, local, remote)?;
        Ok(Handler::new(inner, peer))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        cid: ConnectionId,
        peer: Option<PeerId>,
        addrs: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(cid, peer, addrs, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        cid: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self
            .inner
            .handle_established_outbound_connection(cid, peer, addr, role, port)?;
        Ok(Handler::new(inner, peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, cid: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Out::Inner(event) => self.inner.on_connection_handler_event(peer, cid, event),
            Out::Broken => {
                count(&self.shared.counters.panics, 1);
                let conn = lock(&self.shared.conns).values().find(|conn| conn.cid == cid).cloned();
                if let Some(conn) = conn {
                    self.shared.close(&conn, why::PANIC);
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}
