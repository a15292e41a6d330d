//! Getting the next certificate while the present one is valid: asked for when it is time, and fetched whenever the
//! administrator has answered, through the connection that stands anyway.
//!
//! The new certificate goes into the profile and is shown from the next connection on. Nothing here fails loudly: as
//! long as the present certificate is valid there is another time, and that it ends is told apart
//! ([`ClientEvent::CertificateEnds`]).

use std::sync::Arc;
use std::time::Duration;

use kring_protocol::ids::{MessageHash, Timestamp};
use kring_protocol::message::{AskRenewal, FetchRenewal, Reply, Request};
use kring_protocol::refusal::Refusal;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::core::{Ask, Job};
use super::surroundings::{Clock, pause, within};
use super::{LONGEST_SLEEP, State};
use crate::api::{ClientEvent, Link, RelayFault, RenewError};
use crate::enrolment::renewal;
use crate::identity::{Identity, Profile};

/// First wait for an answer: an administrator's machine that answers by itself takes about a second.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Longest wait between two looks for an answer: an administrator who answers by hand takes hours.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Shortest pause that a relay can ask for.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// What is needed to get the next certificate.
#[derive(Clone)]
pub(crate) struct Renewing {
    /// Who this device is, with the certificate that it has now.
    pub(super) present: Arc<watch::Sender<Arc<Identity>>>,
    pub(super) profile: Profile,
    /// Weak, so that this keeps no client open.
    pub(super) jobs: mpsc::WeakSender<Job>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Renewing {
    /// Who this device is, with the certificate that it has now.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.present.borrow())
    }

    /// Renews when it is time, for as long as the client is open.
    pub(super) async fn keep(self, mut state: watch::Receiver<State>, events: broadcast::Sender<ClientEvent>) {
        let mut wait = FIRST_WAIT;
        loop {
            let identity = self.identity();
            let due = renewal::due(identity.device().not_before(), identity.valid_until());
            let left = due.since(self.clock.now());
            if left > 0 {
                tokio::select! {
                    () = pause(Duration::from_millis(left.min(LONGEST_SLEEP))) => continue,
                    () = Self::closed(&mut state) => return,
                }
            }
            if state.wait_for(|state| matches!(state.link, Link::Connected | Link::Closed)).await.is_err() {
                return;
            }
            if state.borrow().link == Link::Closed {
                return;
            }
            if let Ok(until) = self.once().await {
                // Fails only if nobody listens.
                let _ = events.send(ClientEvent::CertificateRenewed { until });
                wait = FIRST_WAIT;
                continue;
            }
            tokio::select! {
                () = pause(wait) => wait = (wait * 2).min(LONGEST_WAIT),
                () = Self::closed(&mut state) => return,
            }
        }
    }

    /// Asks and waits for the answer, at most `patience`.
    pub(crate) async fn within(&self, patience: Duration) -> Result<Timestamp, RenewError> {
        let asking = async {
            loop {
                match self.once().await {
                    Err(RenewError::NotAnswered { after }) => pause(after.clamp(SHORTEST_WAIT, FIRST_WAIT)).await,
                    done => return done,
                }
            }
        };
        within(patience, asking).await.unwrap_or(Err(RenewError::NotAnswered { after: FIRST_WAIT }))
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fetches the answer; asks, if that has not been done yet.
    async fn once(&self) -> Result<Timestamp, RenewError> {
        let identity = self.identity();
        let asked = renewal::request(identity.key(), identity.device())?;
        let request = MessageHash(renewal::hash(&asked));
        let fetched = match self.ask(Request::FetchRenewal(FetchRenewal { request })).await? {
            Err(Refusal::UnknownTicket) => {
                let ask = AskRenewal { request: asked.into() };
                self.ask(Request::AskRenewal(ask)).await?.map_err(RenewError::Refused)?;
                return Err(RenewError::NotAnswered { after: SHORTEST_WAIT });
            }
            Err(Refusal::NotAnswered { after_ms }) => {
                return Err(RenewError::NotAnswered { after: Duration::from_millis(after_ms) });
            }
            Err(refusal) => return Err(RenewError::Refused(refusal)),
            Ok(replies) => replies,
        };
        let [Reply::EnrolmentAnswer(answer)] = &fetched[..] else {
            return Err(RenewError::Fault(RelayFault::WrongAnswer));
        };
        let (present, roots) = (identity.device(), identity.region_roots());
        let next = renewal::accept(&answer.answer, &asked, present, roots, self.clock.now())?;
        self.profile.clone().store_chain(next.chain()).map_err(|error| RenewError::Io(error.kind()))?;
        let until = next.valid_until();
        if let Some(renewed) = identity.renewed(next) {
            self.present.send_replace(Arc::new(renewed));
        }
        Ok(until)
    }

    async fn ask(&self, request: Request) -> Result<Result<Vec<Reply>, Refusal>, RenewError> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.upgrade().ok_or(RenewError::NotConnected)?;
        jobs.send(Job::Ask(Ask { request, reply })).await.map_err(|_| RenewError::NotConnected)?;
        drop(jobs);
        answer.await.map_err(|_| RenewError::NotConnected)
    }

    /// Waits until the client is closed.
    async fn closed(state: &mut watch::Receiver<State>) {
        // An error means that everything has ended already.
        let _ = state.wait_for(|state| state.link == Link::Closed).await;
    }
}
