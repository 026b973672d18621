//! One thread, one current-thread runtime, one swarm; how they start, stop and speak (N2.5, N2.8, N2.9).

use crate::{
    muxer,
    ring::{Event, Gauge, Kind, Lane, Ring, lock},
    shared::{Counters, Limits, Proto, Shared},
    swarm::{Cmd, Host, Settings},
};
use libp2p::{PeerId, metrics::Registry};
use std::{
    collections::VecDeque,
    fmt::{self, Write},
    fs::File,
    panic::PanicHookInfo,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::mpsc;

/// The kernel shows 15 bytes.
const THREAD: &str = "dmg-p2p";

pub struct Node {
    pub shared: Arc<Shared>,
    pub cmds: mpsc::Sender<Cmd>,
    pub peer: PeerId,
    thread: Mutex<Option<JoinHandle<()>>>,
    registry: Registry,
    log: Log,
}

/// The last lines of the library's log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<VecDeque<String>>>);

const LOG_LINES: usize = 1024;
const LOG_LINE_MAX: usize = 512;

impl Log {
    fn put(&self, line: String) {
        let mut lines = lock(&self.0);
        if lines.len() == LOG_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if self.0.len() < LOG_LINE_MAX {
            let name = if field.name() == "message" { "" } else { field.name() };
            let eq = if name.is_empty() { "" } else { "=" };
            let _ = write!(self.0, " {name}{eq}{value:?}");
        }
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= tracing::Level::WARN
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::WARN)
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line(format!(
            "{} {} {}:",
            crate::ring::now_us(),
            metadata.level(),
            metadata.target()
        ));
        event.record(&mut line);
        // Peers' bytes may stand in it.
        let clean = line
            .0
            .chars()
            .take(LOG_LINE_MAX)
            .map(|c| if c.is_control() { '?' } else { c });
        self.put(clean.collect());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

fn on_panic(info: &PanicHookInfo<'_>) {
    let text = info.to_string();
    if muxer::contained(&text) {
        return;
    }
    // The swarm, a ring, the runtime, or a task the library runs beside connections: nothing to go on with.
    eprintln!("{THREAD}: {text}");
    std::process::abort();
}

/// Panics of our threads go to on_panic, all others where they went.
fn hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() == Some(THREAD) {
                on_panic(info);
            } else {
                others(info);
            }
        }));
    });
}

pub struct Fds {
    pub urgent: File,
    pub common: File,
}

pub struct Sizes {
    pub urgent: u32,
    pub common: u32,
    pub info: u32,
}

impl Node {
    pub fn start(
        protos: Vec<Proto>,
        limits: Limits,
        settings: Settings,
        fds: Fds,
        sizes: Sizes,
    ) -> Result<Self, String> {
        hook();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .thread_name("dmg-p2p-block")
            .build()
            .map_err(|e| format!("cannot start a runtime: {e}"))?;
        let memory = Arc::new(Gauge::default());
        let (cmds, cmds_out) = mpsc::channel(limits.commands as usize);
        let (asks, asks_out) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            urgent: Ring::new(sizes.urgent, fds.urgent),
            common: Ring::new(sizes.common, fds.common),
            info: Lane::new(sizes.info as usize, &Arc::new(Gauge::under(&memory))),
            memory,
            protos,
            limits,
            conns: Mutex::default(),
            outs: Mutex::default(),
            dials: Mutex::default(),
            tags: Mutex::default(),
            passes: Mutex::default(),
            muxes: Mutex::default(),
            dialling: AtomicU32::new(0),
            command_bytes: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
            next_conn: AtomicU32::new(1),
            bulk_us: AtomicU64::new(0),
            asks,
            is_stopping: AtomicBool::new(false),
            counters: Counters::default(),
        });
        let log = Log::default();
        let mut registry = Registry::default();
        let host = {
            let _inside = runtime.enter();
            let _logged = tracing::dispatcher::set_default(&tracing::Dispatch::new(log.clone()));
            Host::new(&shared, &settings, &mut registry)?
        };
        let peer = host.peer();
        let (theirs, lines) = (shared.clone(), log.clone());
        let thread = std::thread::Builder::new().name(THREAD.into()).spawn(move || {
            let _logged = tracing::dispatcher::set_default(&tracing::Dispatch::new(lines));
            runtime.block_on(host.run(cmds_out, asks_out));
            // Streams that are left tell their end before STOPPED.
            runtime.shutdown_timeout(Duration::from_millis(200));
            theirs.urgent.push_control(Event::new(Kind::Stopped));
        });
        Ok(Self {
            shared,
            cmds,
            peer,
            thread: Mutex::new(Some(thread.map_err(|e| format!("cannot start a thread: {e}"))?)),
            registry,
            log,
        })
    }

    /// Joins the thread; what it had not been told to stop it is told now.
    pub fn join(&self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = lock(&self.thread).take() {
            let mut stop = Cmd::Stop(Duration::ZERO);
            // The queue may be full; the task empties it.
            while let Err(mpsc::error::TrySendError::Full(back)) = self.cmds.try_send(stop) {
                stop = back;
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = thread.join();
        }
    }

    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let shared = &self.shared;
        let counters = &shared.counters;
        let totals = [
            ("conns_up", &counters.conns_up),
            ("conns_down", &counters.conns_down),
            ("dials_failed", &counters.dials_failed),
            ("refused_conns", &counters.refused_conns),
            ("refused_streams", &counters.refused_streams),
            ("closed_by_limit", &counters.closed_by_limit),
            ("frames_in", &counters.frames_in),
            ("frame_bytes_in", &counters.frame_bytes_in),
            ("frames_out", &counters.frames_out),
            ("frame_bytes_out", &counters.frame_bytes_out),
            ("frames_dropped", &counters.frames_dropped),
            ("frames_replaced", &counters.frames_replaced),
            ("events_dropped", &counters.events_dropped),
            ("requests_out", &counters.requests_out),
            ("requests_in", &counters.requests_in),
            ("gossip_in", &counters.gossip_in),
            ("gossip_ignored", &counters.gossip_ignored),
            ("gossip_out", &counters.gossip_out),
            ("panics", &counters.panics),
            ("events_urgent", &shared.urgent.events),
            ("events_common", &shared.common.events),
        ];
        for (name, counter) in totals {
            let value = counter.load(Ordering::Relaxed);
            let _ = writeln!(
                text,
                "# TYPE dmg_p2p_{name}_total counter\ndmg_p2p_{name}_total {value}"
            );
        }
        let gauges = [
            ("conns", lock(&shared.conns).len()),
            ("streams", lock(&shared.outs).len()),
            ("memory_bytes", shared.memory.get()),
            ("dialling", shared.dialling.load(Ordering::Relaxed) as usize),
        ];
        for (name, value) in gauges {
            let _ = writeln!(text, "# TYPE dmg_p2p_{name} gauge\ndmg_p2p_{name} {value}");
        }
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    pub fn log(&self) -> String {
        let lines = lock(&self.log.0);
        lines.iter().fold(String::new(), |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.join();
        self.shared.urgent.close();
        self.shared.common.close();
    }
}
