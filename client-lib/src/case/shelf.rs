//! Where a state machine keeps its things: those that are open, and the latest of those that are closed.
//!
//! Refused: a second thing under one identifier, and more open things than a case ever has. Without both bounds a
//! member could make every other device's state grow without end.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::fold::Refused;
use super::ids::ItemId;

/// Most open things of one kind: a family's case has some dozens of tasks and a few of everything else.
pub(super) const MAX_OPEN: usize = 256;

/// Things of one kind, each under the identifier of the item that began it. `CLOSED`: most closed ones that are kept;
/// the log has all of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shelf<T, const CLOSED: usize> {
    open: BTreeMap<ItemId, T>,
    closed: VecDeque<(ItemId, T)>,
}

impl<T, const CLOSED: usize> Default for Shelf<T, CLOSED> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), closed: VecDeque::new() }
    }
}

impl<T, const CLOSED: usize> Shelf<T, CLOSED> {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty()
    }

    /// Puts a new thing among the open ones.
    pub(super) fn begin(&mut self, id: ItemId, thing: T) -> Result<(), Refused> {
        if self.find(id).is_some() {
            return Err(Refused::AlreadyThere);
        }
        if self.open.len() >= MAX_OPEN {
            return Err(Refused::TooMany);
        }
        self.open.insert(id, thing);
        Ok(())
    }

    /// An open or closed thing.
    pub(super) fn find(&self, id: ItemId) -> Option<&T> {
        self.open.get(&id).or_else(|| self.closed.iter().find(|(closed, _)| *closed == id).map(|(_, thing)| thing))
    }

    /// An open or closed thing, to be changed.
    pub(super) fn find_mut(&mut self, id: ItemId) -> Option<&mut T> {
        let closed = self.closed.iter_mut().find(|(closed, _)| *closed == id).map(|(_, thing)| thing);
        self.open.get_mut(&id).or(closed)
    }

    /// An open thing, to be changed; a closed one is refused as `Closed`.
    pub(super) fn change(&mut self, id: ItemId) -> Result<&mut T, Refused> {
        if self.closed.iter().any(|(closed, _)| *closed == id) {
            return Err(Refused::Closed);
        }
        self.open.get_mut(&id).ok_or(Refused::NoSuchThing)
    }

    /// Puts an open thing among the closed ones.
    pub(super) fn close(&mut self, id: ItemId) {
        if let Some(thing) = self.open.remove(&id) {
            self.closed.push_back((id, thing));
            while self.closed.len() > CLOSED {
                self.closed.pop_front();
            }
        }
    }

    pub(super) fn open(&self) -> impl Iterator<Item = (ItemId, &T)> {
        self.open.iter().map(|(id, thing)| (*id, thing))
    }

    pub(super) fn open_mut(&mut self) -> impl Iterator<Item = (ItemId, &mut T)> {
        self.open.iter_mut().map(|(id, thing)| (*id, thing))
    }

    /// The closed ones, the latest last.
    pub(super) fn closed(&self) -> impl Iterator<Item = (ItemId, &T)> {
        self.closed.iter().map(|(id, thing)| (*id, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> ItemId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        ItemId(bytes)
    }

    #[test]
    fn neither_open_nor_closed_things_grow_without_end() {
        let mut shelf = Shelf::<u16, 3>::default();
        for number in 0..MAX_OPEN as u16 {
            shelf.begin(id(number), number).unwrap();
        }
        assert_eq!(shelf.begin(id(9_999), 1), Err(Refused::TooMany));
        for number in 0..5 {
            shelf.close(id(number));
        }
        assert_eq!(shelf.closed().map(|(_, thing)| *thing).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(shelf.change(id(4)), Err(Refused::Closed));
        assert_eq!(shelf.change(id(0)), Err(Refused::NoSuchThing), "what is forgotten is in the log only");
        assert_eq!(shelf.begin(id(4), 1), Err(Refused::AlreadyThere));
    }
}
