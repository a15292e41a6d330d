//! Edits, deletions, expiry: chat that its author replaces or takes back, and chat whose time is over.
//!
//! Both items stay in the log, and it shows that one replaces the other. Only one's own chat is replaced, from the same
//! device; what is taken back or has expired is overwritten in this device's store. What a statement of our own kinds began
//! goes on by statements.

use kring_protocol::ids::Timestamp;
use serde_bytes::ByteBuf;

use super::state::StoredItem;
use super::step::Step;
use crate::case::{CaseId, Position};
use crate::store::StoreError;

/// Items that are forgotten in one step.
const AT_ONCE: usize = 256;

impl StoredItem {
    /// Forgets what it says, and with it what proves that its author said it.
    fn forget(&mut self) {
        self.text = None;
        self.content = ByteBuf::new();
        self.signed = ByteBuf::new();
    }
}

impl Step<'_> {
    /// Marks the earlier item that one replaces.
    pub(super) fn replace(&mut self, case: CaseId, item: &StoredItem) -> Result<(), StoreError> {
        let Some(earlier) = item.replaces.filter(|earlier| *earlier != item.id) else { return Ok(()) };
        let author = kring_protocol::address::DeviceAddress::from(item.author.clone());
        let Some(mut before) = self.tx.rows().item::<StoredItem>(case, &author, earlier)? else { return Ok(()) };
        if before.text.is_none() || !(item.deleted || item.text.is_some()) {
            return Ok(());
        }
        before.replaced_by = Some(item.id);
        if item.deleted {
            before.forget();
            before.deleted = true;
        }
        self.tx.rewrite_item(case, &author, earlier, &before)
    }

    /// Notes when an item is to be forgotten.
    pub(super) fn plan_expiry(
        &mut self,
        case: CaseId,
        position: Position,
        item: &StoredItem,
    ) -> Result<(), StoreError> {
        let Some(at) = item.expires.filter(|_| item.text.is_some()) else { return Ok(()) };
        self.tx.write_expiry(case, position, Some(at.0))?;
        self.next_expiry()
    }

    /// Sets the moment at which the next item is forgotten.
    pub(super) fn next_expiry(&mut self) -> Result<(), StoreError> {
        self.session.expiry_at = self.tx.rows().next_expiry()?.map(|(at, _, _)| Timestamp(at));
        Ok(())
    }

    /// Forgets what has expired.
    pub(super) fn forget_expired(&mut self) -> Result<(), StoreError> {
        for _ in 0..AT_ONCE {
            let Some((_, case, position)) = self.tx.rows().next_expiry()?.filter(|(at, _, _)| *at <= self.now.0)
            else {
                break;
            };
            let before = Position(position.0.saturating_sub(1));
            if let Some((_, mut item)) = self.tx.rows().items::<StoredItem>(case, before, 1)?.into_iter().next() {
                let author = kring_protocol::address::DeviceAddress::from(item.author.clone());
                item.forget();
                item.forgotten = true;
                self.tx.rewrite_item(case, &author, item.id, &item)?;
            }
            self.tx.write_expiry(case, position, None)?;
        }
        self.next_expiry()
    }
}
