//! MQTT 3.1.1 with quality of service 1 both ways; members have persistent sessions. (OASIS MQTT 3.1.1, §2 and §3.)

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use super::tcp::{Connection, Connector, Input};
use crate::bench::load::{Keep, Peer, Publisher, Sink};
use crate::bench::log::{Log, Trailer};
use crate::bench::network::lost;
use crate::outcome::Outcome;

/// Packet types with the flags that they have here (§2.2).
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x32;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;

/// The load at an MQTT broker.
#[derive(Clone)]
pub(in crate::bench) struct Mqtt {
    pub(in crate::bench) connector: Connector,
    pub(in crate::bench) logs: Arc<Vec<Log>>,
    pub(in crate::bench) size: usize,
}

/// A packet: first byte, remaining length in groups of seven bits, body.
fn packet(kind: u8, body: &[u8]) -> Bytes {
    let mut packet = BytesMut::with_capacity(body.len() + 5);
    packet.put_u8(kind);
    let mut left = body.len();
    loop {
        let more = if left > 0x7f { 0x80 } else { 0 };
        packet.put_u8((left & 0x7f) as u8 | more);
        left >>= 7;
        if left == 0 {
            break;
        }
    }
    packet.put_slice(body);
    packet.freeze()
}

/// Takes one whole packet off the front.
fn take(buffer: &mut BytesMut) -> Option<(u8, Bytes)> {
    let (mut length, mut head) = (0, 1);
    loop {
        let byte = usize::from(*buffer.get(head)?);
        length |= (byte & 0x7f) << (7 * (head - 1));
        head += 1;
        if byte & 0x80 == 0 || head > 4 {
            break;
        }
    }
    if buffer.len() < head + length {
        return None;
    }
    let kind = buffer[0];
    buffer.advance(head);
    Some((kind, buffer.split_to(length).freeze()))
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}

fn topic(case: u32) -> String {
    format!("case/{case}")
}

async fn next(input: &mut Input) -> Outcome<(u8, Bytes)> {
    loop {
        match take(&mut input.buffer) {
            Some(packet) => return Ok(packet),
            None => input.more().await?,
        }
    }
}

/// Waits for a packet of a kind.
async fn expect(input: &mut Input, kind: u8) -> Outcome<Bytes> {
    match next(input).await? {
        (found, body) if found == kind => Ok(body),
        (other, _) => Err(lost(format!("by a packet of kind {other}"))),
    }
}

impl Mqtt {
    async fn connect(&self, name: &str, clean: bool) -> Outcome<Connection> {
        let mut connection = self.connector.connect(false).await?;
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        // Version 3.1.1, a clean session or not, no keep-alive.
        body.put_slice(&[4, if clean { 2 } else { 0 }, 0, 0]);
        text(&mut body, name);
        connection.output.send(packet(CONNECT, &body)).map_err(lost)?;
        match expect(&mut connection.input, CONNACK).await?.get(1) {
            Some(0) => Ok(connection),
            code => Err(lost(format!("with code {code:?}"))),
        }
    }
}

impl Peer for Mqtt {
    type Publisher = MqttPublisher;

    async fn publisher(&self, case: u32) -> Outcome<MqttPublisher> {
        let Connection { mut input, output } = self.connect(&format!("p{case}"), true).await?;
        let waiting = Waiting::default();
        let acknowledged = waiting.clone();
        tokio::spawn(async move {
            while expect(&mut input, PUBACK).await.is_ok() {
                let first = acknowledged.lock().unwrap_or_else(PoisonError::into_inner).1.pop_front();
                if let Some(waiter) = first {
                    // Whoever waits no more has gone.
                    let _gone = waiter.send(());
                }
            }
            acknowledged.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
        });
        Ok(MqttPublisher { output, waiting, case, log: self.logs[case as usize], size: self.size })
    }

    async fn subscriber(&self, case: u32, member: u32, mut sink: Sink) -> Outcome<Keep> {
        let Connection { mut input, output } = self.connect(&format!("s{case}-{member}"), false).await?;
        let mut body = vec![0, 1];
        text(&mut body, &topic(case));
        body.push(1);
        output.send(packet(SUBSCRIBE, &body)).map_err(lost)?;
        expect(&mut input, SUBACK).await?;
        let keep = output.clone();
        tokio::spawn(async move {
            let mut place = 0;
            while let Ok((kind, mut body)) = next(&mut input).await {
                let topic = 2 + body.get(..2).map_or(0, |mut length| usize::from(length.get_u16()));
                if kind & 0xf0 != PUBLISH & 0xf0 || body.len() < topic + 2 {
                    return;
                }
                body.advance(topic);
                let id = body.split_to(2);
                place += 1;
                sink.deliver(place, &body);
                if output.send(packet(PUBACK, &id)).is_err() {
                    return;
                }
            }
        });
        Ok(Box::new(keep))
    }
}

/// The last packet identifier, and who waits: a broker acknowledges in order (§4.6).
type Waiting = Arc<Mutex<(u16, VecDeque<oneshot::Sender<()>>)>>;

/// The publishing member of a case.
pub(in crate::bench) struct MqttPublisher {
    output: mpsc::UnboundedSender<Bytes>,
    waiting: Waiting,
    case: u32,
    log: Log,
    size: usize,
}

impl Publisher for MqttPublisher {
    async fn publish(&self, trailer: Trailer) -> Outcome {
        let message = self.log.message(self.size, trailer);
        let (done, acknowledged) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.0 = waiting.0.checked_add(1).unwrap_or(1);
            waiting.1.push_back(done);
            let mut body = Vec::with_capacity(message.len() + 16);
            text(&mut body, &topic(self.case));
            body.put_u16(waiting.0);
            body.put_slice(&message);
            self.output.send(packet(PUBLISH, &body)).map_err(lost)?;
        }
        acknowledged.await.map_err(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_every_length_come_out_as_they_went_in() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
            let whole = packet(PUBLISH, &vec![7; length]);
            for cut in [0, 1, 2, 3, whole.len() / 2, whole.len() - 1] {
                let mut buffer = BytesMut::from(&whole[..cut.min(whole.len() - 1)]);
                assert_eq!(take(&mut buffer), None, "{length} {cut}");
                buffer.extend_from_slice(&whole[cut.min(whole.len() - 1)..]);
                let (kind, body) = take(&mut buffer).expect("a packet");
                assert_eq!((kind, body.len(), buffer.len()), (PUBLISH, length, 0));
            }
        }
    }
}
