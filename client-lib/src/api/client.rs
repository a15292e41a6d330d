//! One device's client: the store is open, and a connection to the relay is kept in the background.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kring_pki::verify::VerifiedDevice;
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{DeviceId, Timestamp};
use tokio::sync::{oneshot, watch};

use super::case::Case;
use super::error::{CallError, ConnectError, OpenError, RenewError};
use super::events::Events;
use super::status::{Link, Status};
use crate::audit::{Broken, Chain, Entry, Note};
use crate::case::{CaseId, CaseView, ErasureReport, Member};
use crate::conversation::{Command, CommandError, Conversation};
use crate::driver::{self, Driver, Job, State, Surroundings, Waiter, Wish, within};
use crate::identity::{Profile, SafetyNumber};
use crate::store::{StoreError, Unlock};

/// Longest wait, at closing, for somebody to be taken out: the last of ten ranks waits three seconds, and then for
/// the relay.
const REMOVALS: Duration = Duration::from_millis(3_500);

/// One device: its cases, and its connection to the relay.
///
/// Cloning gives another handle of the same client. When the last one is dropped, those of its cases included, the
/// connection ends and the store is closed; [`Client::close`] does the same in good order and waits for it.
#[derive(Clone)]
pub struct Client {
    pub(super) driver: Arc<Driver>,
}

impl Client {
    /// Opens the profile's store and begins to connect in the background. Does not wait for the relay, but for the
    /// store: a passphrase takes a fraction of a second to be stretched. Needs a running tokio runtime.
    pub async fn open(profile: &Profile, unlock: &Unlock) -> Result<Self, OpenError> {
        Self::start(profile, unlock, Wish::Online(0), Surroundings::default()).await
    }

    /// Opens the profile's store and stays offline until [`Client::connect`] is called.
    pub async fn open_offline(profile: &Profile, unlock: &Unlock) -> Result<Self, OpenError> {
        Self::start(profile, unlock, Wish::Offline, Surroundings::default()).await
    }

    /// As [`Client::open_offline`], with a clock and a source of jitter of the caller's own.
    pub async fn open_in(profile: &Profile, unlock: &Unlock, surroundings: Surroundings) -> Result<Self, OpenError> {
        Self::start(profile, unlock, Wish::Offline, surroundings).await
    }

    async fn start(
        profile: &Profile,
        unlock: &Unlock,
        wish: Wish,
        surroundings: Surroundings,
    ) -> Result<Self, OpenError> {
        Ok(Self { driver: Arc::new(driver::start(profile, unlock, wish, surroundings).await?) })
    }

    /// This device.
    pub fn address(&self) -> &DeviceAddress {
        self.device().address()
    }

    /// This device's certificate as it was opened: name, organisation, function.
    pub fn device(&self) -> &VerifiedDevice {
        self.driver.identity.device()
    }

    /// Connects now instead of when the back-off says so; does nothing while connected. Returns at once.
    pub fn connect(&self) {
        self.driver.wish.send_modify(|wish| {
            *wish = match wish {
                Wish::Online(acts) => Wish::Online(acts.wrapping_add(1)),
                Wish::Offline => Wish::Online(0),
                Wish::Closed => Wish::Closed,
            }
        });
    }

    /// Ends the connection and stays offline until [`Client::connect`].
    pub fn disconnect(&self) {
        self.driver.wish.send_modify(|wish| {
            if *wish != Wish::Closed {
                *wish = Wish::Offline;
            }
        });
    }

    /// Waits until the relay has answered the hello, or until an attempt has failed; connects at once if need be.
    pub async fn connected(&self) -> Result<(), ConnectError> {
        self.connect();
        self.until(|state| state.link == Link::Connected).await
    }

    /// How the client stands, now.
    pub fn status(&self) -> Status {
        let state = self.driver.state.borrow().clone();
        let certificate_until = self.driver.renewing.identity().valid_until();
        Status { link: state.link, caught_up: state.caught_up, certificate_until }
    }

    /// Waits until this device has all that the relay had for it: every followed case's backlog and the inbox are
    /// read and stored, and its KeyPackages are published, so that others can add it. Returns an error as soon as an attempt to connect fails or the connection ends.
    pub async fn caught_up(&self) -> Result<(), ConnectError> {
        self.connect();
        self.until(|state| state.link == Link::Connected && state.caught_up).await
    }

    /// Waits for a state; an attempt or connection that fails meanwhile is an error.
    async fn until(&self, reached: impl Fn(&State) -> bool) -> Result<(), ConnectError> {
        let mut seen: watch::Receiver<State> = self.driver.state.clone();
        let before = seen.borrow().failures;
        let state = seen
            .wait_for(|state| reached(state) || state.failures > before || state.link == Link::Closed)
            .await
            .map_err(|_| ConnectError::Closed)?;
        if reached(&state) {
            return Ok(());
        }
        match &state.link {
            Link::Connecting { last: Some(last), .. } => Err(last.clone()),
            Link::Closed => Err(ConnectError::Closed),
            // The next attempt has succeeded already, but not yet to the state waited for.
            Link::Connected | Link::Connecting { last: None, .. } => Err(ConnectError::Broken),
            Link::Offline => Err(ConnectError::Offline),
        }
    }

    /// Asks the administrator for the next certificate and waits for it, at most `patience`; says until when that is
    /// valid. It is used from the next connection on. A client does this by itself once two thirds of its
    /// certificate's time are over, so that calling it is for those who do not want to wait.
    pub async fn renew_certificate(&self, patience: Duration) -> Result<Timestamp, RenewError> {
        self.driver.renewing.within(patience).await
    }

    /// All cases of this device.
    pub async fn cases(&self) -> Result<Vec<CaseView>, CallError> {
        self.query(Conversation::cases).await
    }

    /// Cases that the relay does not have as this device knows them; told as
    /// [`Event::Unreachable`](crate::conversation::Event::Unreachable). They count as read in
    /// [`Status::caught_up`]: there is nothing to read.
    pub async fn missing_at_relay(&self) -> Result<Vec<CaseId>, CallError> {
        self.query(Conversation::missing_at_relay).await
    }

    /// Devices that are known to be revoked and that nobody has taken out yet, of all cases in which this device is.
    /// Nothing is written to them; whoever is online takes them out.
    pub async fn revoked_members(&self) -> Result<Vec<(CaseId, Vec<Member>)>, CallError> {
        self.query(Conversation::revoked_members).await
    }

    /// Cases of which something said of an alert is still on this device: nobody else knows of it.
    pub async fn unsent_alerts(&self) -> Result<Vec<CaseId>, CallError> {
        self.query(Conversation::unsent_alerts).await
    }

    /// Cases that this device has ordered to be erased: who has attested that it has destroyed them, and who has not.
    pub async fn erasures(&self) -> Result<Vec<ErasureReport>, CallError> {
        self.query(Conversation::erasures).await
    }

    /// Opens a new case with this professional as its coordinator. It is usable at once, and at the relay once
    /// [`Event::CaseOpened`](crate::conversation::Event::CaseOpened) is told.
    pub async fn new_case(&self, title: impl Into<String>) -> Result<Case, CallError> {
        let case = CaseId::random();
        self.call(Command::NewCase { case, title: title.into() }, Waiter::Nobody).await?;
        Ok(Case::new(self.clone(), case))
    }

    /// This device's number, which its user compares when another device takes it into its cases.
    pub fn number(&self) -> SafetyNumber {
        SafetyNumber::of_device(self.driver.identity.device())
    }

    /// Adds another device of this professional to all cases that this device is in, each with a leaf of its own.
    /// `number` is what that device shows of itself ([`Client::number`]): the relay cannot put another in its place.
    pub async fn add_own_device(&self, device: DeviceId, number: SafetyNumber) -> Result<(), CallError> {
        self.call(Command::AddOwnDevice { device, number }, Waiter::Nobody).await
    }

    /// Takes another device of this professional out of all cases that this device is in.
    pub async fn drop_own_device(&self, device: DeviceId) -> Result<(), CallError> {
        self.call(Command::DropOwnDevice { device }, Waiter::Nobody).await
    }

    /// A case that this device has.
    pub async fn case(&self, case: CaseId) -> Result<Case, CallError> {
        match self.query(move |conversation| conversation.case(case)).await? {
            Some(_) => Ok(Case::new(self.clone(), case)),
            None => Err(CommandError::UnknownCase.into()),
        }
    }

    /// Records in the audit log that something was looked at, exported or tried: what only the application knows.
    pub async fn record(&self, note: Note) -> Result<(), CallError> {
        self.call(Command::Record(Box::new(note)), Waiter::Nobody).await
    }

    /// Entries of the audit log after a number (0: from the first), in order, at most `limit`.
    pub async fn audit(&self, after: u64, limit: usize) -> Result<Vec<Entry>, CallError> {
        self.query(move |conversation| conversation.audit(after, limit)).await
    }

    /// Checks the whole audit log: how far it holds, or its first broken link.
    pub async fn verify_audit(&self) -> Result<Result<Chain, Broken>, CallError> {
        self.query(Conversation::verify_audit).await
    }

    /// Everything that happens from now on.
    pub fn events(&self) -> Events {
        Events::new(self.driver.events.subscribe(), self.driver.state.clone())
    }

    /// Ends the connection in good order (what is under way is answered, for at most a few seconds) and closes the
    /// store. While somebody who is revoked, or wishes to leave, is about to be taken out by this device, that comes
    /// first, so that devices which are open for a moment only do it too. Other handles of this client, and its
    /// cases, are of no use afterwards.
    pub async fn close(self) {
        let mut state = self.driver.state.clone();
        let removed = state.wait_for(|state| !state.removing || state.link != Link::Connected);
        // What takes longer is left to the others, and to the next time.
        within(REMOVALS, removed).await;
        self.driver.wish.send_replace(Wish::Closed);
        let mut state = self.driver.state.clone();
        // An error means that everything has ended already.
        let _ = state.wait_for(|state| state.link == Link::Closed).await;
    }

    /// Hands a command over; when it returns, the command is stored.
    pub(super) async fn call(&self, command: Command, waiter: Waiter) -> Result<(), CallError> {
        let (reply, outcome) = oneshot::channel();
        let job = Job::Call { command, waiter, reply };
        self.driver.jobs.send(job).await.map_err(|_| CallError::Closed)?;
        outcome.await.map_err(|_| CallError::Closed)??;
        // The user acts: a back-off that waits for its turn waits no longer.
        self.driver.wish.send_if_modified(|wish| match wish {
            Wish::Online(acts) => {
                *acts = acts.wrapping_add(1);
                true
            }
            Wish::Offline | Wish::Closed => false,
        });
        Ok(())
    }

    /// Reads from the conversation.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Conversation) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, CallError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Query(Box::new(move |conversation| {
            // Fails only if nobody waits for it any more.
            let _ = reply.send(question(conversation));
        }));
        self.driver.jobs.send(job).await.map_err(|_| CallError::Closed)?;
        Ok(answer.await.map_err(|_| CallError::Closed)??)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}
