//! One MLS group of a case: encrypting, proposing, committing, receiving, merging.

use std::fmt;

use kring_pki::verify::{CrlSeen, VerifiedDevice};
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{AccessKey, DeviceId, Epoch, GroupId};
use kring_protocol::proof::{ACCESS_EXPORTER_LABEL, ACCESS_SEED_LENGTH};
use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{
    KeyPackage, LeafNodeIndex, LeafNodeParameters, MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, MlsMessageIn,
    OpenMlsProvider as _, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, ProcessedMessageContent, Proposal, QueuedProposal,
    Sender, SenderRatchetConfiguration, StagedCommit,
};

use super::access::AccessSeed;
use super::context::CaseContext;
use super::gate::{Judged, Outcome, judge_commit};
use super::leaf::BadLeaf;
use super::padding::{HANDSHAKE, message_class};
use super::party::Party;
use super::policy;
use super::remembered::Remembered;
use super::standing::{Learned, Look, Unfit};
use super::suite::suite;
use crate::case::DutyStep;
use crate::conversation::CommitRefused;
use crate::store::{StoreError, Transaction};

/// Messages of one sender that may be missing between two that arrive. Each costs a key derivation, and a secret that
/// lies in the store until it expires, so a member must not choose the number. A device that has missed more reads
/// nothing of that sender until the next Commit, and the user is told.
const FORWARD: u32 = 2_000;
/// Messages of one sender that may arrive out of order: none, a log has an order.
const OUT_OF_ORDER: u32 = 0;

/// A group that this device is in.
pub(crate) struct Group {
    pub(super) inner: MlsGroup,
    context: Remembered<Epoch, Option<CaseContext>>,
    pub(super) unfit: Remembered<Look, Unfit>,
    pub(super) lists_seen: Remembered<(Epoch, Learned), Vec<(String, CrlSeen)>>,
}

/// A leaf and who it is.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) index: LeafNodeIndex,
    pub(crate) device: VerifiedDevice,
}

/// What a Commit shall change.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) add: Vec<KeyPackage>,
    pub(crate) remove: Vec<LeafNodeIndex>,
    pub(crate) context: Option<CaseContext>,
    /// One step of the case's duties.
    pub(crate) step: Option<DutyStep>,
}

/// A Commit that is ready to be sent; it waits in the group until it is merged or discarded.
pub(crate) struct Prepared {
    pub(crate) message: Vec<u8>,
    pub(crate) welcome: Option<Vec<u8>>,
    pub(crate) next_access_key: AccessKey,
    /// It is the case's last: the relay may erase the log after it.
    pub(crate) closes: bool,
}

/// What a message turned out to be.
pub(crate) enum Received {
    Application {
        sender: VerifiedDevice,
        bytes: Vec<u8>,
    },
    Leave {
        proposal: Box<QueuedProposal>,
        device: VerifiedDevice,
    },
    /// A proposal that no member may make.
    BadProposal {
        device: VerifiedDevice,
    },
    /// A message from this device's own leaf. Anybody in the group can make one that claims to be.
    Own,
    /// A wish to leave that came too late: the coordinator's other devices go already. It does not count.
    Bound,
    Commit {
        staged: Box<StagedCommit>,
        committer: LeafNodeIndex,
    },
}

/// Why a message was not received, or a Commit not prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MlsFailure {
    /// The store failed; the step must be rolled back.
    Store(StoreError),
    /// The message is not one, or what was asked for is not possible.
    Refused,
}

impl From<StoreError> for MlsFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The configuration of every group, with messages padded to `padding` bytes.
pub(super) fn configuration(padding: usize) -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(padding)
        .max_past_epochs(0)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER, FORWARD))
        .build()
}

/// The access key of the epoch that a staged Commit opens.
pub(super) fn staged_access(party: &Party, group: &Group, staged: &StagedCommit) -> Option<AccessSeed> {
    let context = group.inner.group_id().as_slice();
    let secret = staged.export_secret(&party.crypto, ACCESS_EXPORTER_LABEL, context, ACCESS_SEED_LENGTH).ok()?;
    AccessSeed::from_exported(secret)
}

impl From<MlsGroup> for Group {
    fn from(inner: MlsGroup) -> Self {
        Self {
            inner,
            context: Remembered::default(),
            unfit: Remembered::default(),
            lists_seen: Remembered::default(),
        }
    }
}

impl Group {
    /// A new group with this device alone in it.
    pub(crate) fn create(
        party: &Party,
        step: &Transaction<'_>,
        id: GroupId,
        context: &CaseContext,
    ) -> Result<Self, StoreError> {
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(suite())
            .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .padding_size(HANDSHAKE)
            .max_past_epochs(0)
            .number_of_resumption_psks(0)
            .use_ratchet_tree_extension(true)
            .sender_ratchet_configuration(SenderRatchetConfiguration::new(OUT_OF_ORDER, FORWARD))
            .capabilities(party.capabilities())
            .with_leaf_node_extensions(party.leaf_extensions()?)
            .map_err(|_| StoreError::Internal)?
            .with_group_context_extensions(context.extensions().ok_or(StoreError::Internal)?)
            .build();
        let id = openmls::prelude::GroupId::from_slice(id.as_bytes());
        let made = MlsGroup::new_with_group_id(&party.provider(step), party.signer(), &config, id, party.identity());
        match made {
            Ok(inner) => Ok(inner.into()),
            Err(_) => Err(step.probe().err().unwrap_or(StoreError::Internal)),
        }
    }

    /// Loads a group from the store.
    pub(crate) fn load(rows: &crate::store::Rows<'_>, id: GroupId) -> Result<Option<Self>, StoreError> {
        let id = openmls::prelude::GroupId::from_slice(id.as_bytes());
        let loaded = MlsGroup::load(&rows.mls(), &id)?;
        Ok(loaded.map(Self::from))
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.inner.epoch().as_u64())
    }

    pub(crate) fn context(&self) -> Option<CaseContext> {
        let epoch = self.epoch();
        self.context.answer(|found| *found == epoch, || (epoch, CaseContext::of(self.inner.extensions())))
    }

    pub(crate) fn authenticator(&self) -> &[u8] {
        self.inner.epoch_authenticator().as_slice()
    }

    pub(crate) fn own_index(&self) -> LeafNodeIndex {
        self.inner.own_leaf_index()
    }

    pub(crate) fn has_pending_proposals(&self) -> bool {
        self.inner.has_pending_proposals()
    }

    /// Everybody in the group, verified, by leaf index.
    pub(crate) fn seats(&self, party: &Party) -> Result<Vec<Seat>, BadLeaf> {
        self.inner
            .members()
            .map(|member| {
                let device = party.leaves.ever(&member.credential, &member.signature_key)?;
                Ok(Seat { index: member.index, device })
            })
            .collect()
    }

    /// Whether a device has a leaf.
    pub(crate) fn has_device(&self, party: &Party, professional: &ProfessionalAddress, device: DeviceId) -> bool {
        let is = |seat: &Seat| {
            let address = seat.device.address();
            address.professional == *professional && address.device == device
        };
        self.seats(party).is_ok_and(|seats| seats.iter().any(is))
    }

    /// What this device's own leaf shows.
    pub(crate) fn own_seat(&self, party: &Party) -> Option<VerifiedDevice> {
        self.seat(party, self.inner.own_leaf_index())
    }

    /// The certificate chains of everybody in the group.
    pub(crate) fn chains(&self, party: &Party) -> Vec<(DeviceAddress, Vec<Vec<u8>>)> {
        let chain = |member: openmls::prelude::Member| {
            let device = party.leaves.ever(&member.credential, &member.signature_key).ok()?;
            let chain = super::credentials::chain(&member.credential)?;
            Some((device.address().clone(), chain.iter().map(|certificate| certificate.to_vec()).collect()))
        };
        self.inner.members().filter_map(chain).collect()
    }

    /// Destroys the group's state on this device.
    pub(crate) fn destroy(&mut self, party: &Party, step: &Transaction<'_>) -> Result<(), StoreError> {
        Ok(self.inner.delete(party.provider(step).storage())?)
    }

    /// The present epoch's access key.
    pub(crate) fn access(&self, party: &Party) -> Result<AccessSeed, StoreError> {
        let context = self.inner.group_id().as_slice();
        let secret = self.inner.export_secret(&party.crypto, ACCESS_EXPORTER_LABEL, context, ACCESS_SEED_LENGTH);
        secret.ok().and_then(AccessSeed::from_exported).ok_or(StoreError::Internal)
    }

    /// The access key of the epoch that the own pending Commit opens.
    pub(crate) fn pending_access(&self, party: &Party) -> Option<AccessSeed> {
        staged_access(party, self, self.inner.pending_commit()?)
    }

    /// Encrypts an item; its ciphertext has the size of its class.
    pub(crate) fn encrypt(
        &mut self,
        party: &Party,
        step: &Transaction<'_>,
        item: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        self.pad(party, step, message_class(item.len()))?;
        let message = self.inner.create_message(&party.provider(step), party.signer(), item);
        let bytes = match message {
            Ok(message) => message.tls_serialize_detached().map_err(|_| StoreError::Internal)?,
            Err(_) => return Err(step.probe().err().unwrap_or(StoreError::Internal)),
        };
        self.pad(party, step, HANDSHAKE)?;
        Ok(bytes)
    }

    fn pad(&mut self, party: &Party, step: &Transaction<'_>, size: usize) -> Result<(), StoreError> {
        if self.inner.configuration().padding_size() != size {
            let config = configuration(size);
            self.inner.set_configuration(party.provider(step).storage(), &config)?;
        }
        Ok(())
    }

    /// Proposes this device's own removal.
    pub(crate) fn propose_leave(&mut self, party: &Party, step: &Transaction<'_>) -> Result<Vec<u8>, StoreError> {
        let made = self.inner.leave_group(&party.provider(step), party.signer());
        match made {
            Ok(message) => message.tls_serialize_detached().map_err(|_| StoreError::Internal),
            Err(_) => Err(step.probe().err().unwrap_or(StoreError::Internal)),
        }
    }

    /// Prepares a Commit with fresh keys for this device. The proposals of those who leave go with it, the evidence against
    /// those who are revoked, and the roles of all who go.
    pub(crate) fn commit(
        &mut self,
        party: &Party,
        step: &Transaction<'_>,
        plan: Plan,
    ) -> Result<Prepared, MlsFailure> {
        let provider = party.provider(step);
        let own = self.inner.own_leaf_index();
        let asked = plan.remove.clone();
        let going = self.going(party, &plan).ok_or(MlsFailure::Refused)?;
        let changes = self.context().as_ref() != Some(&going.context);
        // The leaf shows the present certificate from then on.
        let leaf = LeafNodeParameters::builder().with_credential_with_key(party.identity()).build();
        let mut builder = self
            .inner
            .commit_builder()
            .leaf_node_parameters(leaf)
            .consume_proposal_store(true)
            .force_self_update(true)
            .propose_removals(plan.remove)
            .propose_adds(plan.add)
            .add_proposals(going.evidence.proposals());
        if changes {
            let extensions = going.context.extensions().ok_or(MlsFailure::Refused)?;
            builder = builder.propose_group_context_extensions(extensions).map_err(|_| MlsFailure::Refused)?;
        }
        let wanted = |queued: &QueuedProposal| match queued.proposal() {
            // Nobody can commit their own removal (RFC 9420 §12.2).
            Proposal::Remove(remove) => {
                let gone = remove.removed();
                gone != own && (asked.contains(&gone) || going.leaves.contains(&gone))
            }
            _ => true,
        };
        let built = builder
            .load_psks(provider.storage())
            .and_then(|loaded| {
                loaded.create_group_info(false).use_ratchet_tree_extension(true).build(
                    provider.rand(),
                    provider.crypto(),
                    party.signer(),
                    wanted,
                )
            })
            .map_err(|_| MlsFailure::Refused);
        let bundle = match built {
            Ok(built) => built.stage_commit(&provider),
            Err(failure) => {
                step.probe()?;
                return Err(failure);
            }
        };
        let Ok(bundle) = bundle else {
            return Err(MlsFailure::Store(step.probe().err().unwrap_or(StoreError::Internal)));
        };
        let welcome = bundle.to_welcome_msg().map(|welcome| welcome.tls_serialize_detached()).transpose();
        let welcome = welcome.map_err(|_| StoreError::Internal)?;
        let message = bundle.into_commit().tls_serialize_detached().map_err(|_| StoreError::Internal)?;
        let pending = self.inner.pending_commit().ok_or(StoreError::Internal)?;
        // The same judgement as for everybody else's.
        let Ok(outcome) = judge_commit(party, self, pending, own) else {
            self.discard(party, step)?;
            return Err(MlsFailure::Refused);
        };
        let access = self.pending_access(party).ok_or(StoreError::Internal)?;
        Ok(Prepared { message, welcome, next_access_key: access.public()?, closes: outcome.erases })
    }

    /// Discards the own pending Commit.
    pub(crate) fn discard(&mut self, party: &Party, step: &Transaction<'_>) -> Result<(), StoreError> {
        Ok(self.inner.clear_pending_commit(party.provider(step).storage())?)
    }

    /// Forgets the proposals of this epoch.
    pub(crate) fn forget_proposals(&mut self, party: &Party, step: &Transaction<'_>) -> Result<(), StoreError> {
        Ok(self.inner.clear_pending_proposals(party.provider(step).storage())?)
    }

    /// Decrypts and reads another member's message of the present epoch. `own_leave_stands`: this device's wish to leave
    /// is in the log; until then it counts for nobody, this device included.
    pub(crate) fn receive(
        &mut self,
        party: &Party,
        step: &Transaction<'_>,
        message: &[u8],
        own_leave_stands: bool,
    ) -> Result<Received, MlsFailure> {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message)
            .ok()
            .and_then(|message| message.try_into_protocol_message().ok())
            .ok_or(MlsFailure::Refused)?;
        let Ok(processed) = self.inner.process_message(&party.provider(step), message) else {
            step.probe()?;
            return Err(MlsFailure::Refused);
        };
        let Sender::Member(index) = *processed.sender() else { return Err(MlsFailure::Refused) };
        let sender = self.seat(party, index).ok_or(MlsFailure::Refused)?;
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => {
                Ok(Received::Application { sender, bytes: message.into_bytes() })
            }
            ProcessedMessageContent::ProposalMessage(proposal) => {
                let context = self.context().ok_or(MlsFailure::Refused)?;
                let leaves = matches!(proposal.proposal(), Proposal::Remove(remove) if remove.removed() == index);
                let seats = self.seats(party).unwrap_or_default();
                // Everybody may leave but the coordinator, who hands over first.
                if !leaves || policy::is_bound(&context, &sender, &seats) {
                    return Ok(Received::BadProposal { device: sender });
                }
                if policy::is_bound(&context, &sender, &self.staying(seats, index, own_leave_stands)) {
                    return Ok(Received::Bound);
                }
                Ok(Received::Leave { proposal, device: sender })
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => Ok(Received::Commit { staged, committer: index }),
            ProcessedMessageContent::OwnPrivateMessage => Ok(Received::Own),
            _ => Err(MlsFailure::Refused),
        }
    }

    fn seat(&self, party: &Party, index: LeafNodeIndex) -> Option<VerifiedDevice> {
        let member = self.inner.member_at(index)?;
        party.leaves.ever(&member.credential, &member.signature_key).ok()
    }

    /// Keeps a member's wish to leave until somebody commits it.
    pub(crate) fn keep_proposal(
        &mut self,
        party: &Party,
        step: &Transaction<'_>,
        proposal: QueuedProposal,
    ) -> Result<(), StoreError> {
        Ok(self.inner.store_pending_proposal(party.provider(step).storage(), proposal)?)
    }

    /// Merges another member's Commit.
    pub(crate) fn merge(
        &mut self,
        party: &Party,
        step: &Transaction<'_>,
        judged: Judged,
    ) -> Result<Outcome, MlsFailure> {
        let (staged, outcome) = judged.into_parts();
        if self.inner.merge_staged_commit(&party.provider(step), *staged).is_err() {
            step.probe()?;
            return Err(MlsFailure::Refused);
        }
        Ok(outcome)
    }

    /// Merges the own pending Commit, judged once more. The outer error is the store's.
    pub(crate) fn merge_own(
        &mut self,
        party: &Party,
        step: &Transaction<'_>,
        next_access_key: Option<AccessKey>,
        closes: bool,
    ) -> Result<Result<Outcome, CommitRefused>, StoreError> {
        let Some(pending) = self.inner.pending_commit() else { return Ok(Err(CommitRefused::Unreadable)) };
        let outcome = match judge_commit(party, self, pending, self.inner.own_leaf_index()) {
            Ok(outcome) if outcome.erases == closes => outcome,
            Ok(_) => return Ok(Err(CommitRefused::Closes)),
            Err(refused) => return Ok(Err(refused)),
        };
        let derived = self.pending_access(party).ok_or(StoreError::Internal)?.public()?;
        if next_access_key != Some(derived) {
            return Ok(Err(CommitRefused::AccessKey));
        }
        if self.inner.merge_pending_commit(&party.provider(step)).is_err() {
            return Err(step.probe().err().unwrap_or(StoreError::Internal));
        }
        Ok(Ok(outcome))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Group(..)")
    }
}
