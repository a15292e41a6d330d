//! Reading: cases, items, members, what is under way.

use std::collections::BTreeMap;

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{Epoch, GroupId, Seq};

use super::claim::Coordination;
use super::folding::StoredChange;
use super::outgoing::Outgoing;
use super::state::{CaseRecord, GroupRecord, Intent, Phase, Stage, StoredItem};
use super::{Conversation, folding};
use crate::case::{
    CaseId, CaseState, CaseStatus, CaseView, ClosingStage, Delivery, Digest, Duties, Item, Member, OutboxEntry,
    Position, Role, Verdict,
};
use crate::identity::SafetyNumber;
use crate::item::sha256;
use crate::mls::group::Group;
use crate::store::StoreError;

/// What the members of a case compare, for example over the telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseNumbers {
    /// The epoch that the case's number is of. Devices in another epoch have another number.
    pub epoch: Epoch,
    /// The case's number: equal on all devices that have seen the same changes to it.
    pub number: SafetyNumber,
    /// Each device and its number, by leaf.
    pub devices: Vec<(Member, SafetyNumber)>,
}

/// A case as it was at a record.
#[derive(Clone)]
pub struct AsOf {
    /// Its state.
    pub state: CaseState,
    /// The last item of this device's copy that counts.
    pub last: Position,
    /// How many changes of the group do ([`Conversation::changes`]).
    pub changes: usize,
}

/// Items that are read at a time.
const PAGE: usize = 256;

impl Conversation {
    /// All cases of this device.
    pub fn cases(&self) -> Result<Vec<CaseView>, StoreError> {
        let cases = self.store.read().cases()?;
        cases.into_iter().filter_map(|case| self.case(case).transpose()).collect()
    }

    /// One case.
    pub fn case(&self, case: CaseId) -> Result<Option<CaseView>, StoreError> {
        let rows = self.store.read();
        let Some(record) = rows.case::<CaseRecord>(case)? else { return Ok(None) };
        let state: GroupRecord = rows.group(record.group)?.ok_or(StoreError::Corrupt)?;
        let (queued, leaving) = self.with_outgoing(case, |outgoing| (outgoing.len(), outgoing.wants_to_leave()))?;
        let last = rows.last_item(case)?;
        let (epoch, members, role, stage) = self.with_group(record.group, |group| {
            let own = &self.party.address().professional;
            let role = group.context().and_then(|context| context.role(own)).unwrap_or(Role::Observer);
            let stage = group.context().and_then(|context| context.duties.stage());
            Ok((group.epoch(), group.seats(&self.party).map_or(0, |seats| seats.len()), role, stage))
        })?;
        Ok(Some(CaseView {
            case,
            title: record.title,
            status: match state.phase {
                Phase::Opening => CaseStatus::Opening,
                Phase::Live if stage == Some(ClosingStage::Erasing) => CaseStatus::Erasing,
                Phase::Live if stage == Some(ClosingStage::Closed) => CaseStatus::Closed,
                Phase::Live if leaving => CaseStatus::Leaving,
                Phase::Live => CaseStatus::Open,
                Phase::Left => CaseStatus::Left,
                Phase::OutOfStep => CaseStatus::OutOfStep,
                Phase::Broken | Phase::Replaced => CaseStatus::Broken,
            },
            role,
            members,
            items: last.0,
            last,
            queued,
            group: record.group,
            epoch,
            seq: state.at.unwrap_or(Seq(0)),
            relay: state.relay,
        }))
    }

    /// Cases that the relay does not have as this device knows them: it does not open them to the key that this device
    /// holds, or has less of them than this device. What is said in them reaches nobody, however up to date all else is.
    pub fn missing_at_relay(&self) -> Result<Vec<CaseId>, StoreError> {
        let rows = self.store.read();
        let mut missing = Vec::new();
        for case in rows.cases()? {
            let Some(record) = rows.case::<CaseRecord>(case)? else { continue };
            let state = rows.group::<GroupRecord>(record.group)?.ok_or(StoreError::Corrupt)?;
            // Closed for that, it is missing until the case goes on in a successor.
            if matches!(state.phase, Phase::Live | Phase::Broken) && state.unreachable {
                missing.push(case);
            }
        }
        Ok(missing)
    }

    /// Items of a case after a position (`Position(0)`: from the first), at most `limit`.
    pub fn items(&self, case: CaseId, after: Position, limit: usize) -> Result<Vec<Item>, StoreError> {
        let rows = self.store.read();
        let items = rows.items::<StoredItem>(case, after, limit)?;
        let Some((last, _)) = items.last() else { return Ok(Vec::new()) };
        let verdicts: BTreeMap<Position, Verdict> = rows.verdicts(case, after, *last)?.into_iter().collect();
        let verdict = |position| verdicts.get(&position).copied().unwrap_or_default();
        Ok(items.into_iter().map(|(position, item)| item.show(case, position, verdict(position))).collect())
    }

    /// The devices in a case, by leaf.
    pub fn members(&self, case: CaseId) -> Result<Vec<Member>, StoreError> {
        let Some(record) = self.store.read().case::<CaseRecord>(case)? else { return Ok(Vec::new()) };
        self.with_group(record.group, |group| {
            let (leaving, revoked) = (group.leaving(), group.revoked(&self.party));
            let context = group.context().ok_or(StoreError::Corrupt)?;
            let seats = group.seats(&self.party).map_err(|_| StoreError::Corrupt)?;
            Ok(seats
                .into_iter()
                .map(|seat| Member {
                    address: seat.device.address().clone(),
                    name: seat.device.name().as_str().to_owned(),
                    organisation: seat.device.organisation().as_str().to_owned(),
                    function: seat.device.function().as_str().to_owned(),
                    role: context.role(&seat.device.address().professional).unwrap_or(Role::Observer),
                    own: seat.device.address() == self.party.address(),
                    leaving: leaving.contains(&seat.index),
                    revoked: revoked.contains(&seat.index),
                })
                .collect())
        })
    }

    /// Devices that are known to be revoked and that nobody has taken out yet, of all cases in which this device is.
    pub fn revoked_members(&self) -> Result<Vec<(CaseId, Vec<Member>)>, StoreError> {
        let rows = self.store.read();
        let mut found = Vec::new();
        for case in rows.cases()? {
            let Some(record) = rows.case::<CaseRecord>(case)? else { continue };
            let state = rows.group::<GroupRecord>(record.group)?.ok_or(StoreError::Corrupt)?;
            let is_in = matches!(state.phase, Phase::Live | Phase::Broken);
            if is_in && self.with_group(record.group, |group| Ok(!group.revoked(&self.party).is_empty()))? {
                let members = self.members(case)?.into_iter();
                found.push((case, members.filter(|member| member.revoked).collect()));
            }
        }
        Ok(found)
    }

    /// Whether this device is about to take somebody out, or waits for its turn to.
    pub(crate) fn is_removing(&self) -> bool {
        let session = &self.session;
        let waits = !session.sweep_at.is_empty() || !session.sweep_due.is_empty();
        session.connected && (waits || self.outgoing.values().any(Outgoing::has_sweep))
    }

    /// Who answers for the family of a case, and what is under way about it, as all members agree on it.
    pub fn duties(&self, case: CaseId) -> Result<Option<(Vec<ProfessionalAddress>, Duties)>, StoreError> {
        let Some(record) = self.store.read().case::<CaseRecord>(case)? else { return Ok(None) };
        self.with_group(record.group, |group| {
            let context = group.context().ok_or(StoreError::Corrupt)?;
            let responsible = context.responsible().into_iter().cloned().collect();
            Ok(Some((responsible, context.duties)))
        })
    }

    /// What of ours is under way in a case, oldest first.
    pub fn outbox(&self, case: CaseId) -> Result<Vec<OutboxEntry>, StoreError> {
        let intents = self.store.read().intents::<Intent>(case)?;
        Ok(intents
            .into_iter()
            .map(|intent| OutboxEntry {
                item: intent.value.want.item(),
                since: intent.value.since,
                delivery: match intent.value.stage {
                    Stage::Queued => Delivery::Queued,
                    Stage::Submitted(submission) => match submission.accepted {
                        Some(seq) => Delivery::Relayed { seq },
                        None => Delivery::Submitted,
                    },
                    Stage::Proposed => Delivery::Submitted,
                },
            })
            .collect())
    }

    /// Digest of a case's items after a position: SHA-256, begun with 32 zeros, continued for each item with the
    /// author's URI, the item's identifier, and its text or bytes, each preceded by its length.
    pub fn digest(&self, case: CaseId, after: Position) -> Result<Digest, StoreError> {
        let mut digest = [0; 32];
        let mut position = after;
        loop {
            let page = self.store.read().items::<StoredItem>(case, position, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(Digest(digest)) };
            position = *last;
            for (_, item) in &page {
                let mut text = digest.to_vec();
                let uri = DeviceAddress::from(item.author.clone()).to_uri();
                let said = item.text.as_deref().map_or(item.content.as_slice(), str::as_bytes);
                // Devices forget at different moments.
                let said = if item.expires.is_some() { &[] } else { said };
                for part in [uri.as_bytes(), item.id.0.as_slice(), said] {
                    text.extend_from_slice(&(part.len() as u64).to_be_bytes());
                    text.extend_from_slice(part);
                }
                digest = sha256(&text);
            }
        }
    }

    /// The state of a case: what follows from its log.
    pub fn state(&self, case: CaseId) -> Result<CaseState, StoreError> {
        match self.states.get(&case) {
            Some(folded) => Ok(folded.state.clone()),
            None => Ok(folding::load(&self.store.read(), case, None)?.state),
        }
    }

    /// A case as it was after a record of the group that carries it now. Records begin again in a successor group: all
    /// that the groups before it brought counts.
    pub fn as_of(&self, case: CaseId, record: Seq) -> Result<AsOf, StoreError> {
        let rows = self.store.read();
        let present = rows.case::<CaseRecord>(case)?.map(|case| case.group);
        let counts = |group: GroupId, seq: Seq| Some(group) != present || seq <= record;
        let changes = rows.changes::<StoredChange>(case, 0)?;
        let changes = changes.iter().take_while(|(_, stored)| counts(stored.change.group, stored.change.seq)).count();
        let mut last = Position(0);
        'items: loop {
            let page = rows.items::<StoredItem>(case, last, PAGE)?;
            for (position, item) in &page {
                if !counts(item.group, item.seq) {
                    break 'items;
                }
                last = *position;
            }
            if page.len() < PAGE {
                break;
            }
        }
        let state = folding::load_change(&rows, case, changes as u64, last)?.state;
        Ok(AsOf { state, last, changes })
    }

    /// The present epoch of a case's group, and its epoch authenticator (RFC 9420 §8.7): equal on all devices that are
    /// in the same state.
    pub fn authenticator(&self, case: CaseId) -> Result<Option<(GroupId, Epoch, Vec<u8>)>, StoreError> {
        let Some(record) = self.store.read().case::<CaseRecord>(case)? else { return Ok(None) };
        self.with_group(record.group, |group| Ok((record.group, group.epoch(), group.authenticator().to_vec())))
            .map(Some)
    }

    /// Who coordinates a case, and what is said of them.
    pub fn coordination(&self, case: CaseId) -> Result<Option<Coordination>, StoreError> {
        let Some(record) = self.store.read().case::<CaseRecord>(case)? else { return Ok(None) };
        let state: GroupRecord = self.store.read().group(record.group)?.ok_or(StoreError::Corrupt)?;
        self.with_group(record.group, |group| {
            let context = group.context().ok_or(StoreError::Corrupt)?;
            Ok(Some(Coordination::of(&context, &state, &self.party.address().professional)))
        })
    }

    /// The numbers that members of a case compare: its own in the present epoch, and each device's.
    pub fn numbers(&self, case: CaseId) -> Result<Option<CaseNumbers>, StoreError> {
        let Some(record) = self.store.read().case::<CaseRecord>(case)? else { return Ok(None) };
        let members = self.members(case)?;
        self.with_group(record.group, |group| {
            let seats = group.seats(&self.party).map_err(|_| StoreError::Corrupt)?;
            let devices = seats.iter().map(|seat| SafetyNumber::of_device(&seat.device));
            Ok(Some(CaseNumbers {
                epoch: group.epoch(),
                number: SafetyNumber::of_case(&case.0, group.authenticator()),
                devices: members.into_iter().zip(devices).collect(),
            }))
        })
    }

    /// Whether a change of a case's group is under way.
    pub(crate) fn is_changing(&self, case: CaseId) -> Result<bool, StoreError> {
        self.with_outgoing(case, Outgoing::has_changes)
    }

    fn with_outgoing<T>(&self, case: CaseId, read: impl FnOnce(&Outgoing) -> T) -> Result<T, StoreError> {
        match self.outgoing.get(&case) {
            Some(outgoing) => Ok(read(outgoing)),
            None => Ok(read(&Outgoing::load(&self.store.read(), case)?)),
        }
    }

    fn with_group<T>(
        &self,
        id: GroupId,
        read: impl FnOnce(&Group) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.groups.get(&id) {
            Some(group) => read(group),
            None => read(&Group::load(&self.store.read(), id)?.ok_or(StoreError::Corrupt)?),
        }
    }
}
