//! rust-libp2p's transports as they come, without anything of ours: what they carry between two processes on loopback.
//! The yardstick of `[B3]` (`./dev bench net`): one stream of one connection, the same pieces, until the other side has all of it.
//!
//! ```text
//! library tcp|quic MIB      prints MiB/s, then the CPU seconds that both took for a GiB
//! ```

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt, TryFutureExt, future::poll_fn};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        Transport,
        muxing::StreamMuxerExt,
        transport::{Boxed, DialOpts, ListenerId, PortUse, TransportEvent},
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
    },
    identity::Keypair,
    noise, quic, tcp,
};
use std::{
    cell::Cell,
    error::Error,
    fs,
    io::{self, BufRead, BufReader},
    pin::pin,
    process::{Command, Stdio},
    task::{Context, Poll},
    time::Instant,
};

const PIECE: usize = 64 << 10;

type Tcp = yamux::Connection<noise::Output<tcp::tokio::TcpStream>>;

/// A connection: streams of ours, streams of theirs. Who asks for theirs drives it.
trait Link {
    type Stream: AsyncRead + AsyncWrite + Unpin;
    fn open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;
}

impl Link for Tcp {
    type Stream = yamux::Stream;

    fn open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        self.poll_new_outbound(cx).map_err(io::Error::other)
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        self.poll_next_inbound(cx)
            .map(|next| next.unwrap_or(Err(yamux::ConnectionError::Closed)))
            .map_err(io::Error::other)
    }
}

impl Link for quic::Connection {
    type Stream = quic::Stream;

    fn open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        self.poll_outbound_unpin(cx).map_err(io::Error::other)
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        self.poll_inbound_unpin(cx).map_err(io::Error::other)
    }
}

fn tcp_transport() -> Result<Boxed<Tcp>, Box<dyn Error>> {
    let noise = noise::Config::new(&Keypair::generate_ed25519())?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    Ok(tcp
        .and_then(move |socket, point| async move {
            let (mode, (_, io)) = if point.is_listener() {
                (yamux::Mode::Server, noise.upgrade_inbound(socket, "/noise").await?)
            } else {
                (yamux::Mode::Client, noise.upgrade_outbound(socket, "/noise").await?)
            };
            Ok::<_, noise::Error>(yamux::Connection::new(io, yamux::Config::default(), mode))
        })
        .boxed())
}

fn quic_transport() -> Boxed<quic::Connection> {
    quic::tokio::Transport::new(quic::Config::new(&Keypair::generate_ed25519()))
        .map(|(_, connection): (PeerId, _), _| connection)
        .boxed()
}

/// Work on one of its streams, while the connection is driven.
async fn drive<T>(mut link: impl Link, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        while let Poll::Ready(next) = link.next(cx) {
            next?;
        }
        Poll::Pending
    })
    .await
}

async fn serve<L: Link>(mut transport: Boxed<L>, addr: Multiaddr, total: usize) -> Result<(), Box<dyn Error>> {
    transport.listen_on(ListenerId::next(), addr)?;
    let mut link = loop {
        match transport.select_next_some().await {
            TransportEvent::NewAddress { listen_addr, .. } => println!("{listen_addr}"),
            TransportEvent::Incoming { upgrade, .. } => break upgrade.await?,
            _ => {}
        }
    };
    // Only now: a listener that is polled no more is no part of what is measured.
    let mut stream = poll_fn(|cx| link.next(cx)).await?;
    let mut room = vec![0; PIECE];
    let has_all = Cell::new(false);
    let ended = drive(link, async {
        let mut left = total;
        while left > 0 {
            match stream.read(&mut room).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => left = left.saturating_sub(n),
            }
        }
        stream.write_all(&[1]).await?;
        stream.flush().await?;
        has_all.set(true);
        // Until the other one is gone.
        std::future::pending::<io::Result<()>>().await
    })
    .await;
    if has_all.get() { Ok(()) } else { Ok(ended?) }
}

async fn send<L: Link>(mut transport: Boxed<L>, addr: Multiaddr, total: usize) -> Result<f64, Box<dyn Error>> {
    let opts = DialOpts {
        role: libp2p::core::Endpoint::Dialer,
        port_use: PortUse::New,
    };
    let mut link = transport.dial(addr, opts)?.map_err(Box::<dyn Error>::from).await?;
    let mut stream = poll_fn(|cx| link.open(cx)).await?;
    let begin = Instant::now();
    drive(link, async move {
        let piece = vec![0; PIECE];
        for _ in 0..total / PIECE {
            stream.write_all(&piece).await?;
        }
        stream.flush().await?;
        stream.read_exact(&mut [0]).await
    })
    .await?;
    Ok(begin.elapsed().as_secs_f64())
}

/// User and system time of a process, at 100 ticks a second.
fn cpu_s(pid: &str) -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = behind_name.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? as f64 / 100.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (is_server, via, mib) = match args.as_slice() {
        ["serve", via, mib] => (true, *via, *mib),
        [via, mib] => (false, *via, *mib),
        _ => return Err("usage: library tcp|quic MIB".into()),
    };
    let total = mib.parse::<usize>()? << 20;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if is_server {
        return match via {
            "tcp" => runtime.block_on(serve(tcp_transport()?, "/ip4/127.0.0.1/tcp/0".parse()?, total)),
            _ => runtime
                .block_on(async { serve(quic_transport(), "/ip4/127.0.0.1/udp/0/quic-v1".parse()?, total).await }),
        };
    }
    let mut server = Command::new(std::env::current_exe()?)
        .args(["serve", via, mib])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut addr = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut addr)?;
    let took = runtime.block_on(async {
        let addr = addr.trim().parse()?;
        match via {
            "tcp" => send(tcp_transport()?, addr, total).await,
            _ => send(quic_transport(), addr, total).await,
        }
    });
    let cpu = cpu_s("self")? + cpu_s(&server.id().to_string())?;
    server.kill()?;
    server.wait()?;
    let mib = total as f64 / f64::from(1 << 20);
    println!("{:.1} {:.2}", mib / took?, cpu * 1024.0 / mib);
    Ok(())
}
