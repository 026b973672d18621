//! Gossipsub with our ids, limits and scores (N7); every message waits for C's verdict before it goes on.

use crate::{
    ring::{Event, Gauge, Kind, Lane, lock},
    shared::{Shared, count},
};
use bytes::Bytes;
use libp2p::{
    PeerId,
    gossipsub::{
        self, ConfigBuilder, DataTransform, IdentTopic, MaxCountSubscriptionFilter, Message, MessageAcceptance,
        MessageAuthenticity, MessageId, MetricsConfig, PeerScoreParams, PeerScoreThresholds, RawMessage, Topic,
        TopicHash, TopicScoreParams, TopicSubscriptionFilter, ValidationMode,
    },
    metrics::Registry,
};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

pub type Pubsub = gossipsub::Behaviour<Transform, MaxCountSubscriptionFilter<Ours>>;

/// Topics we are in, with the most bytes a message of theirs has.
pub type Topics = Arc<Mutex<HashMap<TopicHash, usize>>>;

#[derive(Clone)]
pub struct Settings {
    pub id_prefix: Vec<u8>,
    pub mesh_n: usize,
    pub mesh_low: usize,
    pub mesh_high: usize,
    pub mesh_outbound_min: usize,
    pub lazy: usize,
    pub factor: f64,
    pub heartbeat: Duration,
    pub history: usize,
    pub history_gossip: usize,
    pub fanout: Duration,
    pub backoff: Duration,
    pub unsubscribe_backoff: Duration,
    pub iwant_max: usize,
    pub duplicates: Duration,
    pub idontwant_min: usize,
    pub rpc_max: usize,
    pub control_max: usize,
    pub messages_max: usize,
    pub subscriptions_max: usize,
    pub peer_messages_per_s: u32,
    pub peer_bytes_per_s: u32,
    pub queue_len: usize,
    pub publish_queue: Duration,
    pub forward_queue: Duration,
    pub verdict: Duration,
    pub events_bytes: usize,
    pub thresholds: [f64; 5],
    pub topic_cap: f64,
    pub ip: [f64; 2],
    pub behaviour: [f64; 3],
    pub slow: [f64; 3],
    pub decay: Duration,
    pub decay_to_zero: f64,
    pub retain: Duration,
}

pub struct Transform(Topics);

impl DataTransform for Transform {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, io::Error> {
        // N7.5: before any cache keeps it.
        match lock(&self.0).get(&raw.topic) {
            None => return Err(io::Error::other("not our topic")),
            Some(max) if raw.data.len() > *max => return Err(io::Error::other("too large for its topic")),
            Some(_) => (),
        }
        Ok(Message {
            source: raw.source,
            data: raw.data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        Ok(data)
    }
}

/// Peers may subscribe to our topics only.
pub struct Ours(Topics);

impl TopicSubscriptionFilter for Ours {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        lock(&self.0).contains_key(topic)
    }
}

/// N7.2: the first 20 bytes of SHA-256( prefix | uv topic length | topic | data ).
pub fn message_id(prefix: &[u8], topic: &str, data: &[u8]) -> [u8; 20] {
    let mut framed = Vec::with_capacity(topic.len() + 5);
    crate::frame::put(&mut framed, topic.as_bytes());
    let hash = Sha256::new()
        .chain_update(prefix)
        .chain_update(&framed)
        .chain_update(data)
        .finalize();
    let mut id = [0; 20];
    for (to, from) in id.iter_mut().zip(hash) {
        *to = from;
    }
    id
}

/// A peer's messages and bytes in the current second.
struct Rate {
    since: Instant,
    messages: u32,
    bytes: usize,
}

pub struct Gossip {
    settings: Settings,
    topics: Topics,
    lane: Arc<Lane>,
    /// Messages C judges: by event id, and in the order of their coming.
    waiting: HashMap<u64, (MessageId, PeerId)>,
    order: VecDeque<(Instant, u64)>,
    rates: HashMap<PeerId, Rate>,
}

fn params(settings: &Settings) -> (PeerScoreParams, PeerScoreThresholds) {
    let [gossip, publish, graylist, px, graft] = settings.thresholds;
    let [ip_weight, ip_threshold] = settings.ip;
    let [behaviour_weight, behaviour_threshold, behaviour_decay] = settings.behaviour;
    let [slow_weight, slow_threshold, slow_decay] = settings.slow;
    let params = PeerScoreParams {
        topics: HashMap::new(),
        topic_score_cap: settings.topic_cap,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: ip_weight,
        ip_colocation_factor_threshold: ip_threshold,
        behaviour_penalty_weight: behaviour_weight,
        behaviour_penalty_threshold: behaviour_threshold,
        behaviour_penalty_decay: behaviour_decay,
        slow_peer_weight: slow_weight,
        slow_peer_threshold: slow_threshold,
        slow_peer_decay: slow_decay,
        decay_interval: settings.decay,
        decay_to_zero: settings.decay_to_zero,
        retain_score: settings.retain,
        ..PeerScoreParams::default()
    };
    let thresholds = PeerScoreThresholds {
        gossip_threshold: gossip,
        publish_threshold: publish,
        graylist_threshold: graylist,
        accept_px_threshold: px,
        opportunistic_graft_threshold: graft,
    };
    (params, thresholds)
}

pub fn behaviour(settings: &Settings, topics: &Topics, registry: &mut Registry) -> Result<Pubsub, String> {
    let prefix = settings.id_prefix.clone();
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(move |message: &Message| {
            MessageId::from(message_id(&prefix, message.topic.as_str(), &message.data).to_vec())
        })
        .mesh_n(settings.mesh_n)
        .mesh_n_low(settings.mesh_low)
        .mesh_n_high(settings.mesh_high)
        .mesh_outbound_min(settings.mesh_outbound_min)
        .gossip_lazy(settings.lazy)
        .gossip_factor(settings.factor)
        .heartbeat_interval(settings.heartbeat)
        .history_length(settings.history)
        .history_gossip(settings.history_gossip)
        .fanout_ttl(settings.fanout)
        .prune_backoff(settings.backoff)
        .unsubscribe_backoff(settings.unsubscribe_backoff)
        .max_control_messages_sent(settings.iwant_max)
        .duplicate_cache_time(settings.duplicates)
        .idontwant_message_size_threshold(settings.idontwant_min)
        .idontwant_on_publish(true)
        .max_transmit_size(settings.rpc_max)
        .max_control_message_size(settings.control_max)
        .max_publish_messages(settings.messages_max)
        .connection_handler_queue_len(settings.queue_len)
        .publish_queue_duration(settings.publish_queue)
        .forward_queue_duration(settings.forward_queue)
        .flood_publish(false)
        .build()
        .map_err(|e| format!("cfg.gossip: {e}"))?;
    let filter = MaxCountSubscriptionFilter {
        filter: Ours(topics.clone()),
        max_subscribed_topics: settings.subscriptions_max,
        max_subscriptions_per_request: settings.subscriptions_max,
    };
    let mut behaviour = gossipsub::Behaviour::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config,
        filter,
        Transform(topics.clone()),
    )
    .map_err(|e| format!("cfg.gossip: {e}"))?
    .with_metrics(registry.sub_registry_with_prefix("gossipsub"), MetricsConfig::default());
    let (params, thresholds) = params(settings);
    behaviour
        .with_peer_score(params, thresholds)
        .map_err(|e| format!("cfg.gossip: {e}"))?;
    Ok(behaviour)
}

impl Gossip {
    pub fn new(settings: Settings, topics: Topics, memory: &Arc<Gauge>) -> Self {
        Self {
            lane: Lane::new(settings.events_bytes, &Arc::new(Gauge::under(memory))),
            settings,
            topics,
            waiting: HashMap::new(),
            order: VecDeque::new(),
            rates: HashMap::new(),
        }
    }

    fn is_within_rate(&mut self, peer: PeerId, bytes: usize) -> bool {
        let now = Instant::now();
        let rate = self.rates.entry(peer).or_insert(Rate {
            since: now,
            messages: 0,
            bytes: 0,
        });
        if now.duration_since(rate.since) >= Duration::from_secs(1) {
            *rate = Rate {
                since: now,
                messages: 0,
                bytes: 0,
            };
        }
        rate.messages += 1;
        rate.bytes = rate.bytes.saturating_add(bytes);
        rate.messages <= self.settings.peer_messages_per_s && rate.bytes <= self.settings.peer_bytes_per_s as usize
    }

    pub fn gone(&mut self, peer: &PeerId) {
        self.rates.remove(peer);
    }

    /// A message for C; what there is no room for is IGNOREd.
    pub fn message(
        &mut self,
        shared: &Arc<Shared>,
        behaviour: &mut Pubsub,
        source: PeerId,
        id: MessageId,
        message: Message,
    ) {
        count(&shared.counters.gossip_in, 1);
        let is_within = self.is_within_rate(source, message.data.len());
        let credit = shared
            .common
            .try_reserve(&self.lane, message.data.len())
            .filter(|_| is_within);
        let Some(credit) = credit else {
            count(&shared.counters.gossip_ignored, 1);
            behaviour.report_message_validation_result(&id, &source, MessageAcceptance::Ignore);
            return;
        };
        let event_id = shared.id();
        self.waiting.insert(event_id, (id, source));
        self.order.push_back((Instant::now(), event_id));
        let event = Event {
            id: event_id,
            peer: Some(source),
            data: Bytes::from(message.data),
            addr: Bytes::copy_from_slice(message.topic.as_str().as_bytes()),
            credit: Some(credit),
            ..Event::new(Kind::Gossip)
        };
        shared.common.push_lane(&self.lane, event);
    }

    pub fn verdict(&mut self, behaviour: &mut Pubsub, id: u64, verdict: u32) {
        if let Some((message, source)) = self.waiting.remove(&id) {
            let acceptance = match verdict {
                0 => MessageAcceptance::Accept,
                2 => MessageAcceptance::Reject,
                _ => MessageAcceptance::Ignore,
            };
            behaviour.report_message_validation_result(&message, &source, acceptance);
        }
    }

    /// What C has not judged in time is IGNOREd.
    pub fn tick(&mut self, shared: &Shared, behaviour: &mut Pubsub) {
        let now = Instant::now();
        while let Some((at, id)) = self.order.front().copied()
            && now.duration_since(at) >= self.settings.verdict
        {
            self.order.pop_front();
            if self.waiting.contains_key(&id) {
                count(&shared.counters.gossip_ignored, 1);
                self.verdict(behaviour, id, 1);
            }
        }
    }

    pub fn join(&mut self, behaviour: &mut Pubsub, name: &str, data_max: usize, score: TopicScoreParams) {
        let topic: IdentTopic = Topic::new(name);
        lock(&self.topics).insert(topic.hash(), data_max);
        if let Err(error) = behaviour.set_topic_params(topic.clone(), score) {
            tracing::warn!("topic {name}: {error}");
        }
        if let Err(error) = behaviour.subscribe(&topic) {
            tracing::warn!("topic {name}: {error}");
        }
    }

    pub fn leave(&mut self, behaviour: &mut Pubsub, name: &str) {
        let topic: IdentTopic = Topic::new(name);
        behaviour.unsubscribe(&topic);
        lock(&self.topics).remove(&topic.hash());
        // What is still under way to us is nobody's fault.
        let weightless = TopicScoreParams {
            topic_weight: 0.0,
            ..TopicScoreParams::default()
        };
        let _ = behaviour.set_topic_params(topic, weightless);
    }
}
