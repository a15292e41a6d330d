//! What the store holds of a conversation: cases, groups, intents, items.

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{CursorId, DeviceId, Epoch, GroupId, MessageHash, OperationId, Seq, Timestamp};
use kring_protocol::message::{ClaimedDevice, Request};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::claim::ClaimStep;
use super::joining::LastKnown;
use crate::case::{
    Author, Body, CaseId, ContentHash, DraftBody, DutyStep, Item, ItemDraft, ItemId, Position, Role, Said,
    Sensitivity, Statement, Verdict,
};
use crate::identity::SafetyNumber;

/// One case.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CaseRecord {
    pub(crate) title: String,
    /// The group that carries it now.
    pub(crate) group: GroupId,
}

/// One group of a case.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub(crate) case: CaseId,
    pub(crate) relay: String,
    pub(crate) phase: Phase,
    /// This device's reading position at the relay.
    pub(crate) cursor: CursorId,
    /// Last record that is stored; `None`: joined, nothing read yet.
    pub(crate) at: Option<Seq>,
    /// The relay has said that records up to here may be missing.
    pub(crate) gap_to: Seq,
    /// Where the relay was told that the cursor is.
    pub(crate) told: Seq,
    /// Running hash of the log at `at`.
    pub(crate) hash: ByteBuf,
    /// When this device last gave itself fresh keys.
    pub(crate) fresh_at: Timestamp,
    /// The Commit that this device refused.
    pub(crate) refused: Option<RefusedCommit>,
    /// Of a successor: whom it goes on from, and its starter's rank there.
    pub(crate) follows: Option<(GroupId, u64)>,
    /// Added again, and not yet borne out by the log: what this device knew before.
    #[serde(default)]
    pub(crate) rejoined: Option<LastKnown>,
    /// The relay does not open this group to the key that this device holds, or has less of it than this device.
    #[serde(default)]
    pub(crate) unreachable: bool,
    /// When this device was last up to date with the log.
    #[serde(default)]
    pub(crate) heard_at: Timestamp,
    /// When a record of the coordinator's came last, or somebody became it; by the relay's clock.
    #[serde(default)]
    pub(crate) coordinator_heard: Timestamp,
    /// The epoch in which a newer state of this device's store, since lost, has encrypted: its message keys are used up.
    #[serde(default)]
    pub(crate) used_up: Option<Epoch>,
    /// The last epoch whose log the relay has opened to this device.
    #[serde(default)]
    pub(crate) reached: Option<Epoch>,
    /// When the relay's database turned out to be another one than before.
    #[serde(default)]
    pub(crate) replaced: Option<Timestamp>,
    /// When this device says again what somebody who has come may lack.
    #[serde(default)]
    pub(crate) says_again_at: Option<Timestamp>,
    /// The last record that this device had read when it made its latest Commit that adds somebody.
    #[serde(default)]
    pub(crate) built_at: Option<Seq>,
}

impl GroupRecord {
    /// Whether somebody with the right can add this device again to the same group.
    pub(crate) fn takes_back(&self) -> bool {
        match self.phase {
            Phase::Left | Phase::OutOfStep => true,
            // What it was added to turned out to be nothing.
            Phase::Live => self.unreachable && self.rejoined.is_some(),
            // The relay has it after all.
            Phase::Broken => self.refused.as_ref().is_some_and(RefusedCommit::is_lack),
            Phase::Opening | Phase::Replaced => false,
        }
    }
}

/// Where a group stands for this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Not yet accepted by the relay.
    Opening,
    /// Reads and writes.
    Live,
    /// This device is no longer in it.
    Left,
    /// A Commit is missing.
    OutOfStep,
    /// A Commit was refused.
    Broken,
    /// A successor carries the case.
    Replaced,
}

/// A Commit that was refused.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct RefusedCommit {
    pub(crate) hash: MessageHash,
    /// When this device refused it.
    pub(crate) at: Timestamp,
    /// From when on others may have refused it: later than this device was last up to date.
    pub(crate) since: Timestamp,
    pub(crate) offender: Option<Device>,
}

/// A device's address, for the store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    professional: ProfessionalAddress,
    device: DeviceId,
}

impl From<&DeviceAddress> for Device {
    fn from(address: &DeviceAddress) -> Self {
        Self { professional: address.professional.clone(), device: address.device }
    }
}

impl From<Device> for DeviceAddress {
    fn from(device: Device) -> Self {
        Self { professional: device.professional, device: device.device }
    }
}

/// Something that the user wants, on its way into the log.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) since: Timestamp,
    pub(crate) want: Want,
    pub(crate) stage: Stage,
    /// How often its KeyPackages were claimed anew.
    #[serde(default)]
    pub(crate) claims: u64,
    /// The user wants it although somebody may be revoked without this device knowing.
    #[serde(default)]
    pub(crate) anyway: bool,
    /// Of an own device that is added: the number that it shows.
    #[serde(default)]
    pub(crate) number: Option<SafetyNumber>,
}

impl Intent {
    pub(crate) fn new(since: Timestamp, want: Want) -> Self {
        Self { since, want, stage: Stage::Queued, claims: 0, anyway: false, number: None }
    }
}

/// What is wanted.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Want {
    /// The group's log at the relay.
    Open { group: GroupId },
    /// Something said.
    Item { id: ItemId, draft: ItemDraft, sent_at: Timestamp },
    /// Devices of a professional in the case.
    Add {
        professional: ProfessionalAddress,
        device: Option<DeviceId>,
        role: Role,
        /// Their KeyPackages, once claimed.
        claimed: Option<Vec<ClaimedDevice>>,
        /// Taken along into this successor group.
        along: Option<GroupId>,
    },
    /// Devices of a professional out of the case.
    Remove { professional: ProfessionalAddress, device: Option<DeviceId> },
    /// Another role.
    SetRole { professional: ProfessionalAddress, role: Role, along: Option<GroupId> },
    /// A step of the case's duties.
    Duty { step: DutyStep },
    /// Something about a coordinator who is gone.
    Claim { step: ClaimStep },
    /// This device out of the case.
    Leave,
    /// Fresh keys.
    UpdateKeys,
    /// Those who wish to leave out of the case.
    Sweep,
}

/// How far an intent is.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// On this device only.
    Queued,
    /// Encrypted and stored.
    Submitted(Box<Submission>),
    /// A proposal that stands in the log and waits for somebody to commit it.
    Proposed,
}

/// A submission, stored before it is sent.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Submission {
    pub(crate) operation: OperationId,
    pub(crate) hash: MessageHash,
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    pub(crate) request: Request,
    /// The item's plaintext: nobody can decrypt their own.
    pub(crate) item: Option<ByteBuf>,
    /// Its record, once the relay has accepted it.
    pub(crate) accepted: Option<Seq>,
    /// Its place among what is under way: messages are encrypted in an order, and read in no other.
    #[serde(default)]
    pub(crate) turn: u64,
}

impl Want {
    /// Whether it becomes a Commit.
    pub(crate) fn is_commit(&self) -> bool {
        match self {
            Self::Add { .. } | Self::Remove { .. } | Self::SetRole { .. } | Self::Claim { .. } => true,
            Self::Duty { .. } | Self::UpdateKeys | Self::Sweep => true,
            Self::Open { .. } | Self::Item { .. } | Self::Leave => false,
        }
    }

    /// Whether it says something to the members, which waits while not all of them may hear it.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self, Self::Item { .. })
    }

    /// The item that it is, if it is one.
    pub(crate) fn item(&self) -> Option<ItemId> {
        match self {
            Self::Item { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// The successor group in whose making it was wanted.
    pub(crate) fn along(&self) -> Option<GroupId> {
        match self {
            Self::Add { along, .. } | Self::SetRole { along, .. } => *along,
            Self::Open { group } => Some(*group),
            _ => None,
        }
    }
}

/// An item of the log.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredItem {
    pub(crate) group: GroupId,
    pub(crate) seq: Seq,
    pub(crate) epoch: Epoch,
    pub(crate) id: ItemId,
    pub(crate) author: Device,
    pub(crate) author_name: String,
    pub(crate) author_organisation: String,
    pub(crate) author_function: String,
    pub(crate) own: bool,
    pub(crate) sent_at: Timestamp,
    pub(crate) relayed_at: Timestamp,
    pub(crate) in_reply_to: Option<ItemId>,
    pub(crate) replaces: Option<ItemId>,
    pub(crate) about: Vec<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) sensitivity: Sensitivity,
    pub(crate) media_type: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) content: ByteBuf,
    /// It takes back what it replaces.
    #[serde(default)]
    pub(crate) deleted: bool,
    #[serde(default)]
    pub(crate) expires: Option<Timestamp>,
    /// The whole content as it was signed, to prove its author.
    pub(crate) signed: ByteBuf,
    /// The same author's later item that replaces it.
    #[serde(default)]
    pub(crate) replaced_by: Option<ItemId>,
    /// Its time was over: what it said is forgotten.
    #[serde(default)]
    pub(crate) forgotten: bool,
}

impl StoredItem {
    /// What its author wanted to say.
    pub(crate) fn draft(&self) -> ItemDraft {
        let body = match &self.text {
            Some(text) => DraftBody::Markdown(text.clone()),
            None if self.deleted => DraftBody::Deleted,
            None => DraftBody::Part {
                media_type: self.media_type.clone().unwrap_or_default(),
                content: self.content.to_vec(),
            },
        };
        ItemDraft {
            body,
            in_reply_to: self.in_reply_to,
            replaces: self.replaces,
            about: self.about.clone(),
            purpose: self.purpose.clone(),
            sensitivity: self.sensitivity,
            expires: self.expires,
        }
    }

    /// What it says, as this version of the program understands it.
    pub(crate) fn body(&self) -> Body {
        if let Some(text) = &self.text {
            return Body::Markdown(text.clone());
        }
        if self.deleted {
            return Body::Deleted;
        }
        if self.forgotten {
            return Body::Expired;
        }
        let statement = self.media_type.as_deref().and_then(|kind| Statement::decode(kind, &self.content));
        match statement {
            Some(statement) => Body::Statement(Box::new(statement)),
            None => Body::Unknown { media_type: self.media_type.clone(), content: self.content.to_vec() },
        }
    }

    /// The item as the state of the case sees it.
    pub(crate) fn said(&self) -> Said {
        let address = DeviceAddress::from(self.author.clone());
        Said {
            item: self.id,
            author: Author {
                professional: address.professional,
                device: address.device,
                name: self.author_name.clone(),
                organisation: self.author_organisation.clone(),
                function: self.author_function.clone(),
            },
            sent_at: self.sent_at,
            replaces: self.replaces,
            body: self.body(),
            hash: ContentHash::of(self.text.as_deref().map_or(self.content.as_slice(), str::as_bytes)),
        }
    }

    /// The item as it is shown.
    pub(crate) fn show(self, case: CaseId, position: Position, verdict: Verdict) -> Item {
        let body = self.body();
        Item {
            case,
            position,
            seq: self.seq,
            epoch: self.epoch,
            id: self.id,
            author: self.author.into(),
            author_name: self.author_name,
            author_organisation: self.author_organisation,
            author_function: self.author_function,
            own: self.own,
            sent_at: self.sent_at,
            relayed_at: self.relayed_at,
            in_reply_to: self.in_reply_to,
            replaces: self.replaces,
            about: self.about,
            purpose: self.purpose,
            sensitivity: self.sensitivity,
            expires: self.expires,
            replaced_by: self.replaced_by,
            body,
            verdict,
        }
    }
}
