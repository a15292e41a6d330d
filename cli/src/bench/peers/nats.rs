//! NATS with JetStream: one stream, a subject for each case. Publishers wait for the stream's acknowledgement; members hold
//! plain subscriptions. (The client protocol of NATS: lines of text, payloads counted in bytes.)

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use super::tcp::{Connection, Connector, Input};
use crate::bench::load::{Keep, Peer, Publisher, Sink};
use crate::bench::log::{Log, Trailer};
use crate::bench::network::lost;
use crate::outcome::{Cause, Failure, Outcome};

/// What a client says first.
const HELLO: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"lang\":\"bench\",\
                     \"version\":\"1\",\"protocol\":1}\r\nPING\r\n";
/// The stream of all cases.
const STREAM: &str = "{\"name\":\"CASES\",\"subjects\":[\"case.*\"],\"retention\":\"limits\",\"max_consumers\":-1,\
                      \"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0,\"storage\":\"file\",\"discard\":\"old\",\
                      \"num_replicas\":1}";

/// The load at NATS.
#[derive(Clone)]
pub(in crate::bench) struct Nats {
    pub(in crate::bench) connector: Connector,
    pub(in crate::bench) logs: Arc<Vec<Log>>,
    pub(in crate::bench) size: usize,
}

/// Something that the server says.
enum Said {
    Message { subject: String, payload: Bytes },
    Ping,
    Pong,
    Other,
}

/// Takes one whole thing off the front.
fn take(buffer: &mut BytesMut) -> Outcome<Option<Said>> {
    let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let line = std::str::from_utf8(&buffer[..end]).map_err(lost)?;
    if let Some(rest) = line.strip_prefix("MSG ") {
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        let (Some(subject), Some(Ok(length))) = (words.first(), words.last().map(|it| it.parse::<usize>())) else {
            return Err(lost("by words that are no message"));
        };
        if buffer.len() < end + 2 + length + 2 {
            return Ok(None);
        }
        let subject = (*subject).to_owned();
        buffer.advance(end + 2);
        let payload = buffer.split_to(length).freeze();
        buffer.advance(2);
        return Ok(Some(Said::Message { subject, payload }));
    }
    let said = match line {
        "PING" => Said::Ping,
        "PONG" => Said::Pong,
        error if error.starts_with("-ERR") => return Err(lost(error)),
        _ => Said::Other,
    };
    buffer.advance(end + 2);
    Ok(Some(said))
}

/// The next message; what else the server says is answered.
async fn message(input: &mut Input, output: &mpsc::UnboundedSender<Bytes>) -> Outcome<(String, Bytes)> {
    loop {
        match take(&mut input.buffer)? {
            Some(Said::Message { subject, payload }) => return Ok((subject, payload)),
            Some(Said::Ping) => say(output, "PONG\r\n")?,
            Some(Said::Pong | Said::Other) => {}
            None => input.more().await?,
        }
    }
}

fn say(output: &mpsc::UnboundedSender<Bytes>, text: impl Into<Vec<u8>>) -> Outcome {
    output.send(Bytes::from(text.into())).map_err(lost)
}

impl Nats {
    async fn connect(&self) -> Outcome<Connection> {
        let mut connection = self.connector.connect(true).await?;
        say(&connection.output, HELLO)?;
        pong(&mut connection).await?;
        Ok(connection)
    }

    /// Makes the stream.
    pub(in crate::bench) async fn prepare(&self) -> Outcome {
        let mut connection = self.connect().await?;
        let ask = format!("SUB made 1\r\nPUB $JS.API.STREAM.CREATE.CASES made {}\r\n{STREAM}\r\n", STREAM.len());
        say(&connection.output, ask)?;
        let (_, made) = message(&mut connection.input, &connection.output).await?;
        refuse_error(&made)
    }
}

/// Waits until the server has taken everything that was said before a ping.
async fn pong(connection: &mut Connection) -> Outcome {
    loop {
        match take(&mut connection.input.buffer)? {
            Some(Said::Pong) => return Ok(()),
            Some(_) => {}
            None => connection.input.more().await?,
        }
    }
}

/// Answers of JetStream are JSON, with `error` if it says no.
fn refuse_error(answer: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(answer);
    if text.contains("\"error\"") { Err(Failure::new(Cause::Refused, text)) } else { Ok(()) }
}

impl Peer for Nats {
    type Publisher = NatsPublisher;

    async fn publisher(&self, case: u32) -> Outcome<NatsPublisher> {
        let Connection { mut input, output } = self.connect().await?;
        let inbox = format!("_INBOX.{case}");
        say(&output, format!("SUB {inbox}.* 1\r\n"))?;
        let waiting = Waiting::default();
        let publisher = NatsPublisher {
            output: output.clone(),
            waiting: waiting.clone(),
            next: AtomicU64::new(0),
            case,
            inbox,
            log: self.logs[case as usize],
            size: self.size,
        };
        tokio::spawn(async move {
            while let Ok((subject, payload)) = message(&mut input, &output).await {
                let number = subject.rsplit_once('.').and_then(|(_, number)| number.parse::<u64>().ok());
                let waiter = number.and_then(|it| waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&it));
                if let Some(waiter) = waiter {
                    // Whoever waits no more has gone.
                    let _gone = waiter.send(refuse_error(&payload));
                }
            }
            waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        Ok(publisher)
    }

    async fn subscriber(&self, case: u32, _member: u32, mut sink: Sink) -> Outcome<Keep> {
        let mut connection = self.connect().await?;
        say(&connection.output, format!("SUB case.{case} 1\r\nPING\r\n"))?;
        pong(&mut connection).await?;
        let Connection { mut input, output } = connection;
        let keep = output.clone();
        tokio::spawn(async move {
            let mut place = 0;
            while let Ok((_, payload)) = message(&mut input, &output).await {
                place += 1;
                sink.deliver(place, &payload);
            }
        });
        Ok(Box::new(keep))
    }
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Outcome>>>>;

/// The publishing member of a case.
pub(in crate::bench) struct NatsPublisher {
    output: mpsc::UnboundedSender<Bytes>,
    waiting: Waiting,
    next: AtomicU64,
    case: u32,
    inbox: String,
    log: Log,
    size: usize,
}

impl Publisher for NatsPublisher {
    async fn publish(&self, trailer: Trailer) -> Outcome {
        let (number, message) = (self.next.fetch_add(1, Ordering::Relaxed), self.log.message(self.size, trailer));
        let (done, acknowledged) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, done);
        let mut bytes = format!("PUB case.{} {}.{number} {}\r\n", self.case, self.inbox, message.len()).into_bytes();
        bytes.extend_from_slice(&message);
        bytes.extend_from_slice(b"\r\n");
        say(&self.output, bytes)?;
        acknowledged.await.map_err(lost)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole_however_they_are_cut() {
        let whole = b"PING\r\nMSG case.1 1 _INBOX.1.7 6\r\nab\r\ncd\r\nMSG case.1 1 0\r\n\r\nPONG\r\n";
        for cut in 0..=whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            let mut found = Vec::new();
            let mut drain = |buffer: &mut BytesMut| {
                while let Some(said) = take(buffer).expect("no error") {
                    found.push(match said {
                        Said::Message { subject, payload } => format!("{subject} {}", payload.len()),
                        Said::Ping => "ping".to_owned(),
                        Said::Pong => "pong".to_owned(),
                        Said::Other => "other".to_owned(),
                    });
                }
            };
            drain(&mut buffer);
            buffer.extend_from_slice(&whole[cut..]);
            drain(&mut buffer);
            assert_eq!(found, ["ping", "case.1 6", "case.1 0", "pong"], "{cut}");
        }
    }
}
