//! The conversation core: inputs in, actions out, each input in one transaction of the store.
//!
//! It has no thread, no socket and no clock, and it is what a simulation runs. [`Input`] and
//! [`Action`] are its contract with the driver, [`Event`] is what it tells the user.

mod additions;
mod answers;
mod audit;
mod claim;
mod command;
mod cursors;
mod deadlines;
mod dossiers;
mod due;
mod epoch;
mod erasing;
mod event;
mod folding;
mod inbox;
mod io;
mod joining;
mod key_packages;
mod log;
mod lost;
mod missed;
mod outbox;
mod outgoing;
mod own_devices;
mod receipts;
mod renewal;
mod replacing;
mod revocation;
mod session;
mod state;
mod step;
mod successor;
mod telling;
mod views;

use std::collections::HashMap;
use std::fmt;

use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{Epoch, GroupId, Signature, Timestamp};
use kring_protocol::proof::TLS_EXPORTER_LENGTH;
use rustls_pki_types::CertificateDer;

pub use claim::Coordination;
pub use event::{CommitRefused, Dropped, Event, Held, NotAdded, Suspicion, Unbelieved};
pub use folding::MergedChange;
pub use io::{Action, Command, Connected, Input, Ticket};
pub(crate) use outgoing::LARGE as MOST_IN_ROW;
pub use views::{AsOf, CaseNumbers};

use crate::case::{CaseId, DraftError, DutyRefused, Refused};
use crate::mls::DeviceCredentials;
use crate::mls::access::AccessSeed;
use crate::mls::group::Group;
use crate::mls::party::{NoParty, Party};
use crate::store::{Store, StoreError, decode, encode};
use folding::Folded;
use outgoing::Outgoing;
use session::Session;
use state::Device;
use step::Step;

/// Name of the owner's address in the store.
const OWNER: &str = "owner";

/// What a conversation is told about its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the relay (`host:port`) that carries the cases made here; written into each Welcome.
    pub relay: String,
    /// Single-use KeyPackages that the device keeps at the relay, at most
    /// [`MAX_KEY_PACKAGES`](kring_protocol::limits::MAX_KEY_PACKAGES). More make more additions possible while the
    /// device is offline; each costs 3 KB in the store and 2 ms when made.
    pub key_packages: usize,
}

impl Settings {
    /// The usual settings with a relay.
    pub fn new(relay: impl Into<String>) -> Self {
        Self { relay: relay.into(), key_packages: kring_protocol::limits::MAX_KEY_PACKAGES }
    }
}

/// All cases of one device.
pub struct Conversation {
    store: Store,
    party: Party,
    settings: Settings,
    groups: HashMap<GroupId, Group>,
    states: HashMap<CaseId, Folded>,
    outgoing: HashMap<CaseId, Outgoing>,
    session: Session,
}

/// What became of the next inputs of those that were to be taken together.
#[derive(Debug)]
pub struct Handled {
    /// How many.
    pub inputs: usize,
    /// What is to be done, or why they were not taken.
    pub outcome: Result<Vec<Action>, StepError>,
}

/// Why an input was not handled. Nothing of it is stored.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum StepError {
    /// The user wants something that cannot be.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The store failed; the step was rolled back, and trying again later can help.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a command is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such case on this device.
    #[error("there is no such case on this device")]
    UnknownCase,
    /// A case with this identifier exists already.
    #[error("a case with this identifier exists already")]
    CaseExists,
    /// An item with this identifier exists already.
    #[error("an item with this identifier exists already")]
    ItemExists,
    /// The case takes nothing from this device any more.
    #[error("this device is not, or no longer, in the case")]
    NotOpen,
    /// This device's role does not allow it.
    #[error("your role in this case does not allow this")]
    Role,
    /// Nobody of this address is in the case.
    #[error("nobody of this address is in the case")]
    NotAMember,
    /// One does not remove oneself: one leaves.
    #[error("use leave to go yourself")]
    Oneself,
    /// The coordinator was heard not long ago.
    #[error("the coordinator was heard not long ago; claim the case when they have been silent for three days")]
    CoordinatorHeard {
        /// From when on the case can be claimed.
        until: Timestamp,
    },
    /// The case has its coordinator, or nobody has claimed it.
    #[error("there is nothing to claim, to confirm or to take back")]
    NothingToClaim,
    /// It is this device, or none of this professional's in any case.
    #[error("name another device of your own; `kring device list` shows those in your cases")]
    NotOwnDevice,
    /// A device with this identifier is in a case already, and is not the one whose number the user has compared.
    #[error("the device shows another number than the one that you compared; somebody may have taken its place")]
    OtherNumber,
    /// The coordinator cannot leave before somebody else is coordinator.
    #[error("the coordinator hands the case to somebody else before leaving")]
    SoleCoordinator,
    /// Who alone is responsible for the family cannot go.
    #[error("who alone is responsible for the family completes a handover before leaving or being removed")]
    SoleResponsible,
    /// A step of a handover or of the case's end cannot be taken.
    #[error(transparent)]
    Duty(DutyRefused),
    /// The case is closed.
    #[error("the case is closed and read only")]
    Closed,
    /// It would not count in the state of the case.
    #[error("this would not count: {0}")]
    Refused(Refused),
    /// Alerts, tasks or handovers are open.
    #[error("alerts, tasks or handovers are open; end them before the case is closed")]
    Unfinished,
    /// This device has not ordered this case to be erased.
    #[error("this device has not ordered this case to be erased")]
    NotErasing,
    /// The title is empty or too long.
    #[error("a title has 1 to 255 bytes")]
    Title,
    /// The draft breaks a bound.
    #[error(transparent)]
    Draft(#[from] DraftError),
}

/// Why a conversation cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store belongs to another device.
    #[error("this store belongs to another device")]
    OtherDevice,
    /// The device's own certificate does not hold.
    #[error("this device's certificate is not one that its region's root vouches for")]
    Certificate,
}

impl Conversation {
    /// Takes up all cases in the store.
    pub fn open(
        mut store: Store,
        device: DeviceCredentials,
        settings: Settings,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let party = Party::new(&mut store, device).map_err(|error| match error {
            NoParty::Own => OpenError::Certificate,
            NoParty::Store(error) => OpenError::Store(error),
        })?;
        Self::take_up_lists(&store, &party)?;
        let own = Device::from(party.address());
        match store.read().meta(OWNER)? {
            Some(bytes) if decode::<Device>(&bytes)? != own => return Err(OpenError::OtherDevice),
            Some(_) => {}
            None => {
                let step = store.begin()?;
                step.write_meta(OWNER, &encode(&own)?)?;
                step.commit()?;
            }
        }
        let mut conversation = Self {
            store,
            party,
            settings,
            groups: HashMap::new(),
            states: HashMap::new(),
            outgoing: HashMap::new(),
            session: Session::default(),
        };
        conversation
            .step(now, |step| {
                step.begin_states()?;
                step.resume_erasing()?;
                step.go_on_erasing()?;
                // Told by the next step: nobody listens yet.
                step.session.unsent_at = Some(now);
                step.next_expiry()?;
                step.resume_successors()?;
                step.audit_since(Vec::new(), 0)?;
                Ok(std::mem::take(&mut step.actions))
            })
            .map_err(|error| match error {
                StepError::Store(error) => error,
                StepError::Command(_) => StoreError::Internal,
            })?;
        Ok(conversation)
    }

    /// Takes one input. When it returns, all that the actions rest on is on the disk; on an error nothing is.
    ///
    /// After [`StepError::Store`] what still comes on the connection no longer joins what is stored: it is ignored
    /// until the next [`Input::Connected`], so the driver connects again.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Result<Vec<Action>, StepError> {
        if self.session.stale && input.is_of_connection() {
            return Ok(Vec::new());
        }
        let note = audit::of_input(&input).into_iter().next();
        let mut outcome = self.step(now, |step| step.run([input]));
        if let (Some(note), Err(StepError::Command(error))) = (note, &outcome)
            && let Err(error) = self.audit_refusal(note, error, now)
        {
            outcome = Err(error);
        }
        if let Err(error) = &outcome {
            self.fail(error);
        }
        outcome
    }

    /// Takes inputs that have come one after another, all in one transaction: each has the effect that it would have had
    /// alone, and all share one sync of the disk. Where one of them cannot be taken, they are taken one by one, so that it
    /// costs only itself.
    pub fn handle_all(&mut self, inputs: Vec<Input>, now: Timestamp) -> Vec<Handled> {
        if inputs.len() > 1 && !self.session.stale {
            let (count, together) = (inputs.len(), inputs.clone());
            if let Ok(actions) = self.step(now, |step| step.run(together)) {
                return vec![Handled { inputs: count, outcome: Ok(actions) }];
            }
        }
        inputs.into_iter().map(|input| Handled { inputs: 1, outcome: self.handle(input, now) }).collect()
    }

    /// What came on the connection so far no longer joins what is stored.
    fn fail(&mut self, error: &StepError) {
        if matches!(error, StepError::Store(_)) {
            self.session.disconnect();
            self.session.stale = true;
        }
    }

    /// Runs one step in one transaction; after a failure everything is as it was.
    fn step(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&mut Step<'_>) -> Result<Vec<Action>, StepError>,
    ) -> Result<Vec<Action>, StepError> {
        let (session, learned) = (self.session.clone(), self.party.leaves.learned());
        let outcome = match self.store.begin() {
            Err(error) => Err(error.into()),
            Ok(tx) => {
                let mut step = Step {
                    party: &self.party,
                    tx: &tx,
                    groups: &mut self.groups,
                    states: &mut self.states,
                    outgoing: &mut self.outgoing,
                    session: &mut self.session,
                    settings: &self.settings,
                    now,
                    actions: Vec::new(),
                };
                work(&mut step).and_then(|actions| {
                    tx.commit()?;
                    Ok(actions)
                })
            }
        };
        if outcome.is_err() {
            // In memory the groups may be ahead of the store: they are loaded again.
            #[cfg(feature = "planted-faults")]
            let keep = crate::planted::is(crate::planted::Fault::KeepGroupAfterFailure);
            #[cfg(not(feature = "planted-faults"))]
            let keep = false;
            if !keep {
                self.groups.clear();
            }
            self.states.clear();
            self.outgoing.clear();
            self.session = session;
            if self.party.leaves.learned() != learned
                && let Err(error) = Self::take_up_lists(&self.store, &self.party)
            {
                // More is known than is stored: nobody is written to who should not be.
                tracing::warn!(%error, "revocation lists that a failed step learned are kept");
            }
        }
        outcome
    }

    /// Signs the proof of an epoch's access key for one connection. `None`: this device does not hold that key.
    pub fn prove(
        &self,
        exporter: &[u8; TLS_EXPORTER_LENGTH],
        group: GroupId,
        epoch: Epoch,
    ) -> Result<Option<Signature>, StoreError> {
        let Some(seed) = self.store.read().access(group, epoch)? else { return Ok(None) };
        AccessSeed::new(seed).prove(exporter, group, epoch).map(Some)
    }

    /// Makes a Commit beside the gate, as a program of bad intent does, and forgets it.
    #[cfg(test)]
    pub(crate) fn forge_commit(
        &mut self,
        case: CaseId,
        plan: impl Fn(&Group) -> crate::mls::group::Plan,
    ) -> (GroupId, Epoch, Vec<u8>, kring_protocol::ids::AccessKey) {
        self.forge(case, |group, party, tx| group.commit_beside_the_gate(party, tx, plan(group)))
    }

    /// Makes a Commit in which its leaf becomes that of another program, and forgets it.
    #[cfg(test)]
    pub(crate) fn forge_signer(
        &mut self,
        case: CaseId,
        wearer: &Party,
    ) -> (GroupId, Epoch, Vec<u8>, kring_protocol::ids::AccessKey) {
        self.forge(case, |group, party, tx| group.new_signer_beside_the_gate(party, tx, wearer))
    }

    #[cfg(test)]
    fn forge(
        &mut self,
        case: CaseId,
        commit: impl FnOnce(
            &mut Group,
            &Party,
            &crate::store::Transaction<'_>,
        ) -> (Vec<u8>, kring_protocol::ids::AccessKey),
    ) -> (GroupId, Epoch, Vec<u8>, kring_protocol::ids::AccessKey) {
        let (id, epoch, _) = self.authenticator(case).expect("read").expect("in the case");
        let tx = self.store.begin().expect("a transaction");
        let mut group = Group::load(&tx.rows(), id).expect("read").expect("a group");
        let (message, key) = commit(&mut group, &self.party, &tx);
        (id, epoch, message, key)
    }

    /// Gives the store back, as a process does that ends: what was not stored is gone.
    #[cfg(feature = "simulation")]
    pub fn into_store(self) -> Store {
        self.store
    }

    /// A copy of the store as it is now, as a backup of the device is.
    #[cfg(feature = "simulation")]
    pub fn copy_store(&self) -> Result<Store, StoreError> {
        self.copy_store_to(Store::in_memory()?)
    }

    /// The same in a store that has just been made.
    #[cfg(feature = "simulation")]
    pub fn copy_store_to(&self, new: Store) -> Result<Store, StoreError> {
        self.store.copy_to(new)
    }

    /// Lets the store fail after so many writes more.
    #[cfg(any(test, feature = "simulation"))]
    pub fn fail_after_writes(&self, writes: Option<usize>) {
        self.store.faults.writes_left.set(writes);
    }

    /// Shows this certificate of the device from now on, if it is a renewed one: in KeyPackages, and in each leaf
    /// with the next Commit of its own.
    pub(crate) fn show(&mut self, chain: &[CertificateDer<'static>]) {
        self.party.show(chain);
    }

    /// This device's address.
    pub fn address(&self) -> &DeviceAddress {
        self.party.address()
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Conversation(..)")
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::harness;
