//! One connection from its handshake to its end.
//!
//! The states are functions, each called by the one before: the handshake gives a verified device, the hello gives a
//! session, and only a session answers requests. Refused here: a device at its bound of connections, a first request
//! that is no hello or does not come in time, a second hello, requests while the relay stops. A connection ends when
//! its certificate does.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kring_pki::form::Serial;
use kring_protocol::ENROL_ALPN;
use kring_protocol::message::{GoingAway, Push, Reply, Request};
use kring_protocol::proof::{TLS_EXPORTER_LABEL, TLS_EXPORTER_LENGTH};
use kring_protocol::refusal::Refusal;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connecting, Connection, RecvStream, SendStream};
use rand::Rng as _;
use rustls_pki_types::CertificateDer;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::intake::{Arrived, Turn};
use super::proofs::Proven;
use super::queue::{Closed, PushQueue};
use super::registry::{AtLimit, Entry};
use super::reply::Answer;
use super::{Shell, accept, answer, closing, enrol, intake, push, submissions};
use crate::clock;
use crate::engine::{ConnectionId, Outbound as _, ProvenAccess, Pushed, Requester};

/// Most bytes of the frame that a hello stands in: a version and a list of features.
const MAX_HELLO: usize = 1 << 10;
/// A connection that has said hello.
pub(crate) struct Session {
    pub(crate) shell: Arc<Shell>,
    pub(crate) requester: Requester,
    /// Binds proofs to this connection (RFC 8446 §7.5).
    pub(crate) exporter: [u8; TLS_EXPORTER_LENGTH],
    pub(crate) proven: Mutex<Proven<ProvenAccess>>,
    pub(crate) queue: Arc<PushQueue>,
    /// One large frame at a time.
    turn: Turn,
}

/// Takes the connection out of the registry and the engine however it ends.
struct Entered {
    shell: Arc<Shell>,
    id: ConnectionId,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.shell.registry.leave(self.id);
        self.shell.engine.disconnect(self.id);
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(shell: Arc<Shell>, connecting: Connecting, place: OwnedSemaphorePermit) {
    let id = ConnectionId(rand::rng().random());
    // What is there only at the beginning, or for visitors alone, is not part of what each connection keeps for ever.
    let opening = timeout(shell.times.handshake, Box::pin(open(&shell, id, connecting, place)));
    match shell.drain.run_until_cancelled(opening).await {
        Some(Ok(Some(Opened::Visit(connection)))) => Box::pin(enrol::serve(&shell, &connection)).await,
        Some(Ok(Some(Opened::Session(connection, session, entered, valid_for)))) => {
            shell.metrics.connections_opened.increment(1);
            shell.metrics.connections.increment(1);
            tracing::debug!(connection = id.0, "connection opened");
            run(&connection, session, valid_for).await;
            shell.metrics.connections.decrement(1);
            tracing::debug!(connection = id.0, "connection ended");
            drop(entered);
        }
        Some(Ok(None) | Err(_)) | None => {
            shell.metrics.handshakes_failed.increment(1);
            tracing::debug!(connection = id.0, "connection ended before its hello was answered");
        }
    }
}

/// What a handshake was for.
enum Opened {
    /// A device with a certificate, that has said hello.
    Session(Connection, Arc<Session>, Entered, Duration),
    /// A new device.
    Visit(Connection),
}

/// The application protocol that was agreed on.
fn protocol(connection: &Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}

/// The certificates that the other side has shown.
pub(crate) fn chain(connection: &Connection) -> Option<Vec<CertificateDer<'static>>> {
    Some(*connection.peer_identity()?.downcast().ok()?)
}

/// Handshake, certificate, bounds, hello.
async fn open(
    shell: &Arc<Shell>,
    id: ConnectionId,
    connecting: Connecting,
    place: OwnedSemaphorePermit,
) -> Option<Opened> {
    let connection = accept::shake_hands(connecting, place).await.ok()?;
    if protocol(&connection)? == ENROL_ALPN {
        return Some(Opened::Visit(connection));
    }
    let Some(chain) = chain(&connection) else {
        connection.close(closing::code(&Refusal::NoCertificate), &[]);
        return None;
    };
    let (now, trust) = (clock::now(), shell.trust());
    let Ok(device) = trust.judge(&chain, now) else {
        // Revoked between the handshake and now.
        connection.close(closing::code(&Refusal::Revoked), &[]);
        return None;
    };
    let requester = Requester::verified(id, &device)?;
    let serials = device.chain().iter().filter_map(Serial::of).collect();
    let entry = Entry { device: device.address().clone(), serials, quic: connection.clone() };
    if let Err(limit) = shell.registry.enter(id, entry) {
        shell.metrics.connections_shed.increment(1);
        tracing::debug!(connection = id.0, of_device = (limit == AtLimit::Device), "too many connections");
        connection.close(closing::busy(), &[]);
        return None;
    }
    let entered = Entered { shell: shell.clone(), id };
    // From here on a reload or a new list finds the connection; one that came between the judgement and now did not.
    if shell.trust().judge(&chain, now).is_err() {
        connection.close(closing::code(&Refusal::Revoked), &[]);
        return None;
    }

    let mut exporter = [0; TLS_EXPORTER_LENGTH];
    connection.export_keying_material(&mut exporter, TLS_EXPORTER_LABEL, &[]).ok()?;
    let queue = Arc::new(PushQueue::new(shell.limits.queue_records, shell.limits.queue_bytes, shell.metrics.clone()));
    let session = Arc::new(Session {
        shell: shell.clone(),
        requester,
        exporter,
        proven: Mutex::default(),
        queue,
        turn: Turn::default(),
    });
    let valid_for = Duration::from_millis(device.valid_until().since(now));
    greet(&connection, &session).await?;
    Some(Opened::Session(connection, session, entered, valid_for))
}

/// Answers requests with [`Refusal::HelloOrder`] until the hello comes.
async fn greet(connection: &Connection, session: &Arc<Session>) -> Option<()> {
    let shell = &session.shell;
    loop {
        let (send, mut receive) = connection.accept_bi().await.ok()?;
        let answer = Answer::new(send, shell.times.request, &shell.metrics);
        let refusal =
            match intake::request(&mut receive, MAX_HELLO, shell.times.handshake, &shell.memory, &session.turn).await
            {
                Ok(arrived) => {
                    shell.metrics.request(&arrived.request);
                    shell.metrics.request_bytes.increment(arrived.bytes);
                    match arrived.request {
                        Request::Hello(hello) => match answer::hello(session, &hello).await {
                            Ok(welcome) => return answer.finish(&Reply::Welcome(welcome)).await.ok(),
                            Err(refusal) => refusal,
                        },
                        _ => Refusal::HelloOrder,
                    }
                }
                Err(intake::NoRequest::Refused(Refusal::TooLarge { .. })) => Refusal::HelloOrder,
                Err(intake::NoRequest::Refused(refusal)) => refusal,
                Err(intake::NoRequest::TimedOut | intake::NoRequest::Ended) => {
                    answer.abandon();
                    continue;
                }
            };
        answer.finish(&Reply::Refused(refusal)).await.ok()?;
    }
}

/// Answers requests and pushes what is live until either side ends it.
async fn run(connection: &Connection, session: Arc<Session>, valid_for: Duration) {
    let shell = &session.shell;
    let mut requests = JoinSet::new();
    let mut pushing = tokio::spawn(push::write(
        connection.clone(),
        session.queue.clone(),
        shell.times.request,
        shell.metrics.clone(),
    ));
    // By the monotonic clock: setting the system's clock neither ends a connection nor prolongs it.
    let expiry = sleep(valid_for);
    tokio::pin!(expiry);
    let mut going = false;
    let ended = loop {
        tokio::select! {
            accepted = connection.accept_bi() => match accepted {
                Ok((send, receive)) => {
                    requests.spawn(request(session.clone(), send, receive));
                }
                Err(_) => break Ended::ByPeer,
            },
            Some(done) = requests.join_next(), if !requests.is_empty() => {
                if done.is_err() {
                    tracing::error!(connection = session.requester.connection.0, "answering a request failed");
                }
            }
            pushed = &mut pushing => match pushed {
                Ok(Closed::Finished) => break Ended::Stopped,
                Ok(Closed::Overflowed) => break Ended::TooSlow,
                Err(_) => break Ended::Failed,
            },
            () = shell.drain.cancelled(), if !going => {
                going = true;
                farewell(&session);
            }
            () = &mut expiry => break Ended::Revoked,
        }
    };
    match ended {
        Ended::Stopped => {
            // What is in flight is answered; the shell bounds the time.
            while requests.join_next().await.is_some() {}
            connection.close(closing::code(&Refusal::Draining), &[]);
        }
        Ended::TooSlow | Ended::Failed => connection.close(closing::busy(), &[]),
        Ended::Revoked => connection.close(closing::code(&Refusal::Revoked), &[]),
        Ended::ByPeer => {}
    }
    session.queue.finish();
    pushing.abort();
}

/// Why a session ended.
enum Ended {
    ByPeer,
    Stopped,
    TooSlow,
    Revoked,
    Failed,
}

/// Says that the relay stops, and spreads the return of its clients.
fn farewell(session: &Session) {
    let spread = u64::try_from(session.shell.times.reconnect_spread.as_millis()).unwrap_or(u64::MAX);
    let after_ms = rand::rng().random_range(0..=spread);
    // A full queue means that this peer is given up anyway.
    let _full = session.queue.push(Pushed::Notice(Push::GoingAway(GoingAway { after_ms })));
    session.queue.finish();
}

/// Reads one request, has it answered.
async fn request(session: Arc<Session>, send: SendStream, mut receive: RecvStream) {
    let shell = &session.shell;
    let _counted = InFlight::new(&shell.metrics);
    let reply = Answer::new(send, shell.times.request, &shell.metrics);
    let arrived =
        intake::request(&mut receive, shell.frame_limit, shell.times.request, &shell.memory, &session.turn).await;
    // A peer that does not take its answer has been told by the stream's reset, or is gone.
    let _taken = match arrived {
        Ok(arrived) => {
            shell.metrics.request(&arrived.request);
            shell.metrics.request_bytes.increment(arrived.bytes);
            match arrived {
                _ if shell.draining.load(Ordering::Relaxed) => reply.finish(&Reply::Refused(Refusal::Draining)).await,
                Arrived { request: Request::Submit(first), share: None, .. } => {
                    submissions::serve(&session, first, receive, reply).await
                }
                Arrived { request, share, .. } => {
                    let answered = answer::request(&session, request, reply).await;
                    drop(share);
                    answered
                }
            }
        }
        Err(intake::NoRequest::Refused(refusal)) => reply.finish(&Reply::Refused(refusal)).await,
        Err(intake::NoRequest::TimedOut) => {
            let _ended = receive.stop(closing::busy());
            reply.abandon();
            Ok(())
        }
        Err(intake::NoRequest::Ended) => Ok(()),
    };
}

/// Counts a request for as long as it lasts.
struct InFlight<'m>(&'m crate::metrics::Metrics);

impl<'m> InFlight<'m> {
    fn new(metrics: &'m crate::metrics::Metrics) -> Self {
        metrics.requests_in_flight.increment(1);
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.requests_in_flight.decrement(1);
    }
}
