//! Keeping a connection to the relay: connect, serve, wait, again; for as long as the application wishes to be online.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use kring_protocol::ids::Timestamp;
use kring_protocol::refusal::{Refusal, Retry};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::back_off::BackOff;
use super::connection::{GOODBYE, Standing, stand_up};
use super::core::{ConnectionNumber, Job, NewConnection};
use super::serve::{End, serve};
use super::surroundings::{Since, Surroundings, pause, within};
use super::{State, Wish};
use crate::api::{ClientEvent, ConnectError, Link};
use crate::conversation::Connected;
use crate::identity::{Identity, RelayAddress};

/// Shortest time between two attempts, however often the user acts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);
/// How long before its end a certificate is spoken of: a month is two rounds of an administrator who comes by
/// every fortnight.
const CERTIFICATE_ENDS_SOON: u64 = 30 * Timestamp::DAY;

/// Keeps the connection.
pub(super) struct Keeper {
    /// Who this device is, with the certificate that it has now.
    pub(super) identity: watch::Receiver<Arc<Identity>>,
    pub(super) relay: RelayAddress,
    pub(super) surroundings: Surroundings,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) events: broadcast::Sender<ClientEvent>,
    pub(super) state: watch::Sender<State>,
    pub(super) wish: watch::Receiver<Wish>,
}

impl Keeper {
    /// Works until the client is closed; then has the conversation's thread stop.
    pub(super) async fn run(mut self, thread_ended: oneshot::Receiver<()>, thread: JoinHandle<()>) {
        let mut back_off = BackOff::default();
        let mut number = 0;
        let mut last = None;
        loop {
            // A thread that has ended by itself has panicked; nothing can be stored any more.
            if Wish::until_online(&mut self.wish).await.is_err() || self.jobs.is_closed() {
                break;
            }
            self.set_link(Link::Connecting { attempts: back_off.failures(), last: last.clone() });
            let begun = Since::now();
            let identity = Arc::clone(&self.identity.borrow());
            number += 1;
            let (end, stood) = tokio::select! {
                stood = stand_up(&identity, &self.relay, &self.surroundings.clock) => match stood {
                    Ok(standing) => {
                        let stands = Since::now();
                        last = None;
                        (self.serve(standing, ConnectionNumber(number), &identity).await, stands.passed())
                    }
                    Err(reason) => (End::from(reason), Duration::ZERO),
                },
                wish = Wish::is_no_longer_online(&mut self.wish) => (End::from(wish.reason()), Duration::ZERO),
            };
            if matches!(end.reason, ConnectError::Offline | ConnectError::Closed) {
                self.set_link(Link::Offline);
                self.tell_once(&mut last, end.reason);
                last = None;
                continue;
            }
            let asked = end.after_ms.max(asks_to_wait(&end.reason));
            let wait = back_off.failed(stood, asked, &*self.surroundings.jitter);
            // Before it is told: who looks at the status because of the event sees what the event says.
            self.state.send_modify(|state| {
                state.link = Link::Connecting { attempts: back_off.failures(), last: Some(end.reason.clone()) };
                state.failures += 1;
            });
            self.tell_once(&mut last, end.reason);
            self.wait(wait, begun).await;
        }
        // Fails only if the thread has ended already.
        let _ = self.jobs.send(Job::Stop).await;
        // Either way it has ended.
        let _ = thread_ended.await;
        // Until it is gone altogether: as it ends it frees what it holds, and whoever waits for this may end the process.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        self.set_link(Link::Closed);
    }

    /// Serves a connection and takes it down.
    async fn serve(&mut self, standing: Standing, number: ConnectionNumber, identity: &Identity) -> End {
        let Standing { endpoint, exchange, welcome, exporter } = standing;
        let connection = exchange.connection().clone();
        let (carry, carried) = mpsc::unbounded_channel();
        let connected = Connected {
            incarnation: welcome.incarnation,
            relay_now: welcome.now,
            key_packages: welcome.key_packages,
            last_resort: welcome.last_resort,
            inbox: welcome.inbox,
            crls: welcome.crls,
        };
        let chain = identity.device().chain().to_vec();
        let new = NewConnection { number, connected, exporter, carry, chain };
        if self.jobs.send(Job::Connected(Box::new(new))).await.is_err() {
            return ConnectError::Closed.into();
        }
        self.set_link(Link::Connected);
        let _ = self.events.send(ClientEvent::Connected);
        self.speak_of_certificate(identity);

        let end = serve(exchange, number, self.jobs.clone(), carried, &mut self.wish).await;
        // Fails only if the thread has ended already.
        let _ = self.jobs.send(Job::Disconnected(number)).await;
        connection.close(0u32.into(), &[]);
        // A relay that does not hear it finds out by itself.
        within(GOODBYE, endpoint.wait_idle()).await;
        end
    }

    /// Waits before the next attempt; less if the user acts meanwhile.
    async fn wait(&mut self, wait: Duration, begun: Since) {
        let act = Wish::until_acted(&mut self.wish);
        tokio::select! {
            () = pause(wait) => {}
            () = act => pause(BETWEEN_ATTEMPTS.saturating_sub(begun.passed())).await,
        }
    }

    fn speak_of_certificate(&self, identity: &Identity) {
        let at = identity.valid_until();
        if at.since(self.surroundings.clock.now()) < CERTIFICATE_ENDS_SOON {
            let _ = self.events.send(ClientEvent::CertificateEnds { at });
        }
    }

    fn set_link(&self, link: Link) {
        self.state.send_if_modified(|state| {
            let changed = state.link != link;
            state.link = link;
            changed
        });
    }

    /// Tells why there is no connection, unless that has been told.
    fn tell_once(&self, last: &mut Option<ConnectError>, reason: ConnectError) {
        if last.as_ref() != Some(&reason) {
            // Fails only if nobody listens.
            let _ = self.events.send(ClientEvent::Disconnected(reason.clone()));
            *last = Some(reason);
        }
    }
}

/// Milliseconds that a refusal asks to wait, or that make sense after it.
fn asks_to_wait(reason: &ConnectError) -> u64 {
    match reason {
        ConnectError::Refused(refusal) => match refusal.retry() {
            Retry::After(milliseconds) => milliseconds,
            Retry::Reconnect if *refusal == Refusal::Draining => 0,
            Retry::Never | Retry::AfterReading | Retry::Reconnect => 0,
        },
        _ => 0,
    }
}
