//! Who has got and read what: batched receipts, reading marks, and the status of own items.
//!
//! A device says how far it is at most once in a while, and only if others have said something since; receipts about
//! receipts there are none.

use kring_protocol::ids::{GroupId, Seq, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::state::{StoredItem, Want};
use super::step::Step;
use super::{Conversation, StepError};
use crate::case::receipt::{MAX_ACKNOWLEDGED, MEDIA_TYPE, ReceiptSays};
use crate::case::{
    CaseId, Delivery, DraftBody, ItemDraft, ItemId, MessageStatus, Position, Reached, Recipient, Statement,
};
use crate::item::sha256;
use crate::store::{Rows, StoreError, decode, encode};

/// How long receipts are gathered at least.
const GATHER: u64 = 30 * Timestamp::SECOND;
/// Over how much more the devices are spread, so that not all speak at the same moment.
const SPREAD: u64 = 30 * Timestamp::SECOND;
/// Items that are looked back over for one that others said.
const LOOK_BACK: u64 = 256;
/// Groups of a case whose marks are kept: a case rarely has more than one.
const GROUPS: usize = 8;

/// How far a device is, as far as it has said so.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Marks {
    /// For each group, the latest last: stored up to here, read up to here.
    groups: Vec<(GroupId, Seq, Seq)>,
    acknowledged: Vec<ItemId>,
}

/// What the user has done on this device, told or not.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Own {
    read: u64,
    acknowledged: Vec<ItemId>,
}

fn own_name(case: CaseId) -> String {
    format!("own marks {}", case.to_hex())
}

/// Name of the moment at which a device says how far it is, from the first that it has to say on: a program that is open for
/// a moment only gathers from one time to the next.
fn due_name(case: CaseId) -> String {
    format!("receipts due {}", case.to_hex())
}

fn own(rows: &Rows<'_>, case: CaseId) -> Result<Own, StoreError> {
    rows.meta(&own_name(case))?.map_or_else(|| Ok(Own::default()), |bytes| decode(&bytes))
}

impl Marks {
    fn of(&self, group: GroupId) -> (Seq, Seq) {
        let found = self.groups.iter().find(|(id, _, _)| *id == group);
        found.map_or((Seq(0), Seq(0)), |(_, delivered, read)| (*delivered, *read))
    }

    /// Takes over what is further than what is known.
    fn take(&mut self, says: &ReceiptSays) {
        let (delivered, read) = self.of(says.group);
        self.groups.retain(|(id, _, _)| *id != says.group);
        self.groups.push((says.group, delivered.max(says.delivered), read.max(says.read)));
        if self.groups.len() > GROUPS {
            self.groups.remove(0);
        }
        for id in &says.acknowledged {
            if !self.acknowledged.contains(id) {
                self.acknowledged.push(*id);
            }
        }
        let most = 4 * MAX_ACKNOWLEDGED;
        if self.acknowledged.len() > most {
            self.acknowledged.drain(..self.acknowledged.len() - most);
        }
    }

    fn reached(&self, item: &StoredItem) -> Reached {
        let (delivered, read) = self.of(item.group);
        if self.acknowledged.contains(&item.id) {
            Reached::Acknowledged
        } else if item.seq <= read {
            Reached::Read
        } else if item.seq <= delivered {
            Reached::Delivered
        } else {
            Reached::Unknown
        }
    }
}

fn is_receipt(want: &Want) -> bool {
    let Want::Item { draft, .. } = want else { return false };
    matches!(&draft.body, DraftBody::Part { media_type, .. } if media_type == MEDIA_TYPE)
}

impl Step<'_> {
    /// Whether what was said is a receipt; then it is taken, and is no item.
    pub(super) fn is_receipt(&mut self, case: CaseId, item: &StoredItem) -> Result<bool, StoreError> {
        if item.media_type.as_deref() != Some(MEDIA_TYPE) {
            return Ok(false);
        }
        let Some(says) = ReceiptSays::decode(&item.content) else { return Ok(false) };
        let device = kring_protocol::address::DeviceAddress::from(item.author.clone());
        let mut marks = self.tx.rows().receipts::<Marks>(case, &device)?.unwrap_or_default();
        marks.take(&says);
        self.tx.write_receipts(case, &device, &marks)?;
        if item.own {
            // More may have come while it was on its way.
            self.plan_receipts(case)?;
        } else {
            self.tell(Event::Receipt { case, device, record: (item.group, item.seq) });
        }
        Ok(true)
    }

    /// Has this device say in a while how far it is.
    pub(super) fn plan_receipts(&mut self, case: CaseId) -> Result<(), StoreError> {
        if self.session.receipts_at.contains_key(&case) {
            return Ok(());
        }
        let own = sha256(&[case.0.as_slice(), &self.party.address().device.0].concat());
        let spread = u64::from(u16::from_be_bytes([own[0], own[1]])) * SPREAD / u64::from(u16::MAX);
        let latest = self.now.plus(GATHER + spread);
        let at = match self.tx.rows().meta(&due_name(case))? {
            Some(planned) => latest.min(decode(&planned)?),
            None => {
                self.tx.write_meta(&due_name(case), &encode(&latest)?)?;
                latest
            }
        };
        self.session.receipts_at.insert(case, at);
        Ok(())
    }

    /// Forgets what the user has done in a case.
    pub(super) fn forget_own_marks(&mut self, case: CaseId) -> Result<(), StoreError> {
        self.tx.delete_meta(&own_name(case))?;
        self.tx.delete_meta(&due_name(case))
    }

    /// Says how far this device is, if it is further than it has said.
    pub(super) fn send_receipts(&mut self, case: CaseId) -> Result<(), StoreError> {
        let Some(record) = self.case(case)? else { return Ok(()) };
        if !self.session.live.contains_key(&record.group) || self.is_closed(case)? {
            return Ok(());
        }
        self.tx.delete_meta(&due_name(case))?;
        for waiting in self.outgoing(case)?.parts() {
            if self.intent(waiting)?.is_some_and(|intent| is_receipt(&intent.want)) {
                return Ok(());
            }
        }
        let rows = self.tx.rows();
        let own = own(&rows, case)?;
        let told = rows.receipts::<Marks>(case, self.party.address())?.unwrap_or_default();
        let last = rows.last_item(case)?.0;
        let items = rows.items::<StoredItem>(case, Position(last.saturating_sub(LOOK_BACK)), usize::MAX)?;
        let others = |up_to: u64| {
            let mut theirs = items.iter().rev().filter(|(at, item)| at.0 <= up_to && !item.own);
            theirs.find(|(_, item)| item.group == record.group).map_or(Seq(0), |(_, item)| item.seq)
        };
        let (delivered, read) = (others(last), others(own.read));
        let (told_delivered, told_read) = told.of(record.group);
        let mut acknowledged = own.acknowledged;
        acknowledged.retain(|id| !told.acknowledged.contains(id));
        acknowledged.truncate(MAX_ACKNOWLEDGED);
        if delivered <= told_delivered && read <= told_read && acknowledged.is_empty() {
            return Ok(());
        }
        let says = ReceiptSays {
            group: record.group,
            delivered: delivered.max(told_delivered),
            read: read.max(told_read),
            acknowledged,
        };
        let body = DraftBody::Part { media_type: MEDIA_TYPE.to_owned(), content: says.encode() };
        let draft = ItemDraft { body, ..ItemDraft::markdown(String::new()) };
        self.queue(case, Want::Item { id: ItemId::random(), draft, sent_at: self.now })?;
        Ok(())
    }

    /// The user has read a case up to an item.
    pub(super) fn mark_read(&mut self, case: CaseId, position: Position) -> Result<(), StepError> {
        let mut own = own(&self.tx.rows(), case)?;
        let position = position.0.min(self.tx.rows().last_item(case)?.0);
        if position > own.read {
            own.read = position;
            self.tx.write_meta(&own_name(case), &encode(&own)?)?;
            self.plan_receipts(case)?;
        }
        Ok(())
    }

    /// The user acknowledges an item.
    pub(super) fn acknowledge(&mut self, case: CaseId, item: ItemId) -> Result<(), StepError> {
        let mut own = own(&self.tx.rows(), case)?;
        if !own.acknowledged.contains(&item) {
            own.acknowledged.push(item);
            let most = 4 * MAX_ACKNOWLEDGED;
            if own.acknowledged.len() > most {
                own.acknowledged.remove(0);
            }
            self.tx.write_meta(&own_name(case), &encode(&own)?)?;
            self.plan_receipts(case)?;
        }
        Ok(())
    }
}

impl Conversation {
    /// How far an item of this device is, and with whom. `None`: there is none.
    pub fn message_status(&self, case: CaseId, item: ItemId) -> Result<Option<MessageStatus>, StoreError> {
        let queued = self.outbox(case)?.into_iter().find(|entry| entry.item == Some(item));
        let rows = self.store.read();
        let Some(stored) = rows.item::<StoredItem>(case, self.address(), item)? else {
            let delivery = queued.map(|entry| entry.delivery);
            return Ok(delivery.map(|delivery| MessageStatus { delivery, recipients: Vec::new() }));
        };
        let state = self.state(case)?;
        let alert = state.alert(item);
        let mut recipients = Vec::new();
        for member in self.members(case)?.into_iter().filter(|member| !member.own) {
            let marks = rows.receipts::<Marks>(case, &member.address)?.unwrap_or_default();
            let who = &member.address.professional;
            let acknowledged = alert.is_some_and(|alert| alert.acknowledgements.iter().any(|ack| ack.by == *who));
            let reached = if acknowledged { Reached::Acknowledged } else { marks.reached(&stored) };
            recipients.push(Recipient { device: member.address, reached });
        }
        Ok(Some(MessageStatus { delivery: Delivery::Relayed { seq: stored.seq }, recipients }))
    }

    /// Up to where the user has read a case on this device.
    pub fn read_up_to(&self, case: CaseId) -> Result<Position, StoreError> {
        Ok(Position(own(&self.store.read(), case)?.read))
    }

    /// How many items of others the user has not read, counted up to `most`; what devices say of their own accord
    /// (deadlines, snapshots) is not counted.
    pub fn unread(&self, case: CaseId, most: usize) -> Result<usize, StoreError> {
        let items = self.store.read().items::<StoredItem>(case, self.read_up_to(case)?, most)?;
        let by_people = |item: &StoredItem| {
            let body = item.body();
            let automatic = matches!(
                body.statement(),
                Some(Statement::Deadline(_) | Statement::Snapshot(_) | Statement::Dispute(_))
            );
            !item.own && !automatic
        };
        Ok(items.iter().filter(|(_, item)| by_people(item)).count())
    }
}
