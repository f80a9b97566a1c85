//! Letters → messages of MQTT 3.1.1 at a broker, each sent again until the broker has acknowledged it (QoS 1).
//!
//! Every session is a new client: what is under way is the outbox's to know, so that a broker that forgot everything is told
//! everything. When the connection breaks, also by a power cut, the broker itself says that the device is offline (last will).

mod discovery;
mod scribe;

use super::{Alarm, Courier, Ended, Opening, Outbox, tls};
use crate::clock;
use crate::source::Retry;
use futures_util::future::BoxFuture;
use nightjar_types::Mono;
use nightjar_types::config::Mqtt;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing,
    Packet, QoS, TlsConfiguration, Transport,
};
use scribe::{OFFLINE, Topics};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Messages that are under way to the broker at a time.
const WINDOW: u16 = 16;
/// A broker is asked whether it is there this often; without an answer until the next time it is not.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// The largest message that a broker may send, and that we do, bytes.
const MAX_PACKET: usize = 256 << 10;
/// A broker that was away is back within this.
const LONGEST: Duration = Duration::from_secs(30);

struct Broker {
    options: MqttOptions,
    deadline: Duration,
    address: String,
}

pub(super) fn open(opening: &Opening<'_>) -> Result<Vec<Alarm>, String> {
    let Some(mqtt) = &opening.config.world.mqtt else { return Ok(Vec::new()) };
    let topics = Topics::new(&mqtt.prefix, &opening.device());
    let address = format!("{}:{}", mqtt.host, mqtt.port);
    let options = options(opening, mqtt, &topics)?;
    Ok(vec![Alarm {
        id: "mqtt".into(),
        target: address.clone(),
        offline: "Works without the internet, with a broker on the local network.",
        room: mqtt.queue as usize,
        longest: LONGEST,
        scribe: Box::new(scribe::Mqtt::new(opening, mqtt, topics)),
        courier: Box::new(Broker { options, deadline: opening.deadline, address }),
    }])
}

fn options(opening: &Opening<'_>, mqtt: &Mqtt, topics: &Topics) -> Result<MqttOptions, String> {
    let client = format!("nightjar-{}", opening.device());
    let mut options = MqttOptions::new(client, &mqtt.host, mqtt.port);
    options.set_keep_alive(KEEP_ALIVE).set_inflight(WINDOW).set_max_packet_size(MAX_PACKET, MAX_PACKET);
    options.set_last_will(LastWill::new(topics.status(), OFFLINE, QoS::AtLeastOnce, true));
    if let Some(username) = &mqtt.username {
        let password = mqtt.password.as_ref().map(|p| (opening.reveal)("[mqtt] password", p)).transpose()?;
        options.set_credentials(username, password.map(|p| p.reveal().clone()).unwrap_or_default());
    }
    if mqtt.tls {
        let config = tls::client("[mqtt]", mqtt.ca_file.as_deref())?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    }
    Ok(options)
}

impl Courier for Broker {
    fn session<'a>(&'a mut self, outbox: &'a Outbox) -> BoxFuture<'a, Ended> {
        Box::pin(self.talk(outbox))
    }
}

/// Parcels that the client has, in order; then those that the broker has, by the packet's number.
#[derive(Default)]
struct UnderWay {
    handed: VecDeque<u64>,
    sent: HashMap<u16, (u64, Mono)>,
}

impl Broker {
    async fn talk(&self, outbox: &Outbox) -> Ended {
        let (client, mut events) = AsyncClient::new(self.options.clone(), usize::from(WINDOW));
        events.network_options.set_connection_timeout(self.deadline.as_secs().max(1));
        let under_way = Mutex::new(UnderWay::default());
        match self.poll(&mut events).await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {}
            Ok(_) => return Ended::soon(format!("{} does not speak MQTT", self.address)),
            Err(ended) => return ended,
        }
        let hand = async {
            loop {
                let parcel = outbox.next().await;
                under_way.lock().unwrap_or_else(PoisonError::into_inner).handed.push_back(parcel.id);
                let is_state = parcel.letter.class == super::Class::State;
                let (topic, body) = (parcel.letter.subject, parcel.letter.body);
                if client.publish_bytes(&topic, QoS::AtLeastOnce, is_state, body).await.is_err() {
                    return Ended::soon(format!("{topic}: the client does not take it"));
                }
            }
        };
        let listen = async {
            loop {
                let event = match self.poll(&mut events).await {
                    Ok(event) => event,
                    Err(ended) => return ended,
                };
                let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Event::Outgoing(Outgoing::Publish(number)) => {
                        let id = under_way.handed.pop_front();
                        under_way.sent.extend(id.map(|id| (number, (id, clock::mono()))));
                    }
                    Event::Incoming(Packet::PubAck(ack)) => {
                        if let Some((id, _)) = under_way.sent.remove(&ack.pkid) {
                            outbox.done(id, "acknowledged");
                        }
                    }
                    _ => {}
                }
                let oldest = under_way.sent.values().map(|(_, since)| *since).min();
                if oldest.is_some_and(|since| clock::mono().since(since) > self.deadline + KEEP_ALIVE) {
                    return Ended::soon(format!("the broker {} acknowledges nothing", self.address));
                }
            }
        };
        tokio::select! {
            ended = hand => ended,
            ended = listen => ended,
        }
    }

    async fn poll(&self, events: &mut EventLoop) -> Result<Event, Ended> {
        events.poll().await.map_err(|error| self.ended(&error))
    }

    fn ended(&self, error: &ConnectionError) -> Ended {
        let broker = format!("the broker {}", self.address);
        match error {
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => Ended {
                words: format!(
                    "{broker} refuses user name or password: correct [mqtt] username and password"
                ),
                retry: Retry::Slow,
            },
            ConnectionError::ConnectionRefused(code) => Ended::slow(format!("{broker} refuses: {code:?}")),
            ConnectionError::Tls(e) => Ended::slow(format!(
                "{broker}: TLS: {e}; if its certificate is of a CA of your own, name that in [mqtt] ca_file"
            )),
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
                Ended::soon(format!("{broker} does not answer: check that it runs"))
            }
            error => Ended::soon(format!(
                "{broker} cannot be reached: {error}; check its address, that it runs, and the network"
            )),
        }
    }
}
