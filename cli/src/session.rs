//! One command's use of the client: open the profile, reach the relay within the time given, find the case that was
//! meant, and close in good order.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kring_client::api::{Case, Client, ClientEvent, Events, Link, NotDone, Pending};
use kring_client::audit::{Activity, Note};
use kring_client::case::{CaseId, CaseStatus, CaseView, Member};
use kring_client::conversation::Event;
use kring_client::identity::Profile;
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};

use crate::arguments::GlobalArguments;
use crate::audit::Form;
use crate::happened::{Warning, alert_not_sent, revoked_member, warning};
use crate::names;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::Output;
use crate::words::say;

/// An open client.
pub(crate) struct Session {
    /// The client.
    pub(crate) client: Client,
    /// How long to wait for the relay and for others.
    pub(crate) wait: Duration,
    offline: bool,
    output: Output,
    /// Where the audit log is forwarded to when the command ends.
    archive: Option<PathBuf>,
    /// What has happened since the store was opened; `None` if the command tells it itself.
    happened: Option<Events>,
    /// Additions of which the command itself says who was not added.
    told: Mutex<Vec<(CaseId, ProfessionalAddress)>>,
}

impl Session {
    /// Opens the profile.
    pub(crate) async fn open(global: &GlobalArguments, output: Output) -> Outcome<Self> {
        let profile = Profile::open(&global.profile)?;
        let unlock = global.passphrase.unlock()?;
        // Offline at first, so that no event of the connection is missed.
        let client = Client::open_offline(&profile, &unlock).await?;
        let happened = Some(client.events());
        if !global.offline {
            client.connect();
        }
        let archive = global.audit_archive.clone();
        let told = Mutex::default();
        Ok(Self { client, wait: global.wait, offline: global.offline, output, archive, happened, told })
    }

    /// For a command that shows every event itself.
    pub(crate) fn telling_itself(mut self) -> Self {
        self.happened = None;
        self
    }

    /// The command says by itself whom of a professional's devices it could not add to a case.
    pub(crate) fn tells_not_added(&self, case: CaseId, who: &ProfessionalAddress) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((case, who.clone()));
    }

    /// Reads all that the relay has for this device; fails if it cannot be reached in time.
    pub(crate) async fn catch_up(&self) -> Outcome {
        if self.offline {
            return Ok(());
        }
        match tokio::time::timeout(self.wait, self.client.caught_up()).await {
            Ok(caught_up) => Ok(caught_up?),
            Err(_) => match self.client.status().link {
                Link::Connecting { last: Some(error), .. } => Err(error.into()),
                Link::Connecting { last: None, .. } | Link::Offline | Link::Connected | Link::Closed => {
                    Err(Failure::advised(
                        Cause::Unreachable,
                        say!("relay-slow", seconds = self.wait.as_secs()),
                        say!("relay-slow-advice"),
                    ))
                }
            },
        }
    }

    /// Reads all that the relay has, or says that what follows may be out of date.
    pub(crate) async fn try_to_catch_up(&self) -> Outcome {
        match self.catch_up().await {
            Ok(()) => Ok(()),
            Err(failure) if failure.cause == Cause::Unreachable => {
                self.output.note(&say!("not-up-to-date", reason = failure.what));
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// The case that a user's words mean.
    pub(crate) async fn case(&self, words: &str) -> Outcome<(Case, CaseView)> {
        let cases = self.client.cases().await?;
        let view = names::case(&cases, words)?.clone();
        Ok((self.client.case(view.case).await?, view))
    }

    /// Waits for a change to be made.
    pub(crate) async fn done<T>(&self, pending: Pending<T>, waits_for: &str) -> Outcome<T> {
        if self.offline {
            return Err(still_pending(say!("pending-offline", waits_for = waits_for)));
        }
        match tokio::time::timeout(self.wait, pending.done()).await {
            Ok(Err(NotDone::Closed)) => Err(still_pending(say!("pending-stored", waits_for = waits_for))),
            Ok(done) => Ok(done?),
            Err(_) => {
                let seconds = self.wait.as_secs();
                Err(still_pending(say!("pending-waited", waits_for = waits_for, seconds = seconds)))
            }
        }
    }

    /// While connected, waits until all that this device wanted is done, as long as something goes on being done.
    pub(crate) async fn outbox_empty(&self) -> Outcome {
        let mut events = self.client.events();
        let waited = tokio::time::timeout(self.wait, async {
            loop {
                let queued: usize = self.client.cases().await?.iter().map(|view| view.queued).sum();
                if queued == 0 || self.client.status().link != Link::Connected || events.next().await.is_none() {
                    return Ok(());
                }
            }
        });
        waited.await.unwrap_or(Ok(()))
    }

    /// Records that something of a case was shown.
    pub(crate) async fn viewed(&self, case: CaseId, kind: &str, count: u64) -> Outcome {
        let note = Note::done(Activity::Viewed).in_case(case).of(kind).counting(count);
        Ok(self.client.record(note).await?)
    }

    /// Warns of those in a case who are known to be revoked and whom nobody has taken out yet.
    pub(crate) async fn warn_of_revoked(&self, case: CaseId) -> Outcome {
        let found = revoked(&self.client).await?.into_iter().filter(|(of, _, _)| *of == case);
        found.for_each(|(_, warning, _)| self.output.warning(&warning));
        Ok(())
    }

    /// Tells the relay what has been read, closes the store, and warns of what has happened meanwhile.
    pub(crate) async fn close(self) {
        if let Some(archive) = &self.archive
            && let Err(failure) = crate::audit::forward(&self.client, archive, Form::of(archive)).await
        {
            let message = say!("audit-not-forwarded", reason = failure.what);
            self.output.warning(&Warning { case: None, name: "audit_not_forwarded", message });
        }
        let own = self.client.address().clone();
        let unsent = self.client.unsent_alerts().await.unwrap_or_default();
        let mut revoked = revoked(&self.client).await.unwrap_or_default();
        self.client.close().await;
        let Some(mut happened) = self.happened else { return };
        let told = self.told.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut events = Vec::new();
        while let Some(event) = happened.next().await {
            if let ClientEvent::Conversation(event) = event {
                events.push(event);
            }
        }
        revoked.retain(|(case, _, devices)| !events.iter().any(|event| has_taken_out(event, *case, devices)));
        let is_told = |event: &Event| match event {
            Event::NotAdded { case, professional, .. } => told.contains(&(*case, professional.clone())),
            _ => false,
        };
        // Said once, however often it has happened.
        let mut warnings = Vec::new();
        let happened = events.iter().filter(|event| !is_over(event, &own) && !is_told(event)).filter_map(warning);
        let unsent = unsent.into_iter().map(alert_not_sent);
        for warning in happened.chain(unsent).chain(revoked.into_iter().map(|(_, warning, _)| warning)) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        self.output.warnings(&warnings);
    }
}

/// Devices that are known to be revoked and are still in a case: what to say of each case if that stays so.
async fn revoked(client: &Client) -> Outcome<Vec<(CaseId, Warning, Vec<Member>)>> {
    let mut found = Vec::new();
    for (case, devices) in client.revoked_members().await? {
        let all = client.case(case).await?.members().await?;
        found.push((case, revoked_member(case, &devices, &all), devices));
    }
    Ok(found)
}

/// Whether an event says that all these devices are out of a case.
fn has_taken_out(event: &Event, case: CaseId, devices: &[Member]) -> bool {
    match event {
        Event::MembersChanged { case: changed, removed, .. } if *changed == case => {
            devices.iter().all(|device| removed.iter().any(|gone| gone.address == device.address))
        }
        Event::Left { case: left, .. } => *left == case,
        _ => false,
    }
}

/// Whether nobody need be warned of an event: they have just ordered it themselves, or it is about an alert that had not
/// left this device then.
fn is_over(event: &Event, own: &DeviceAddress) -> bool {
    match event {
        Event::AlertNotSent { .. } => true,
        Event::Erasing { by, .. } => by == own,
        _ => false,
    }
}

/// Whether the case has left this device behind, which a script should notice.
pub(crate) fn in_step(view: &CaseView) -> Outcome {
    match view.status {
        CaseStatus::OutOfStep => {
            Err(Failure::advised(Cause::OutOfStep, say!("out-of-step"), say!("out-of-step-advice")))
        }
        CaseStatus::Opening
        | CaseStatus::Open
        | CaseStatus::Leaving
        | CaseStatus::Left
        | CaseStatus::Closed
        | CaseStatus::Erasing
        | CaseStatus::Broken => Ok(()),
    }
}

fn still_pending(how_far: String) -> Failure {
    Failure::advised(Cause::Pending, how_far, say!("pending-advice"))
}
