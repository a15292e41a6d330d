//! Everything that is made from entries: heads, blocks, devices, professionals. In memory while in use, on disk as
//! pages, brought up to date at start by replaying what came after the last checkpoint.
//!
//! A page tells by itself up to which position it has been made, so pages may be written at any time and in any order:
//! replaying an entry that a page has seen changes nothing. A checkpoint is therefore taken in small steps between
//! batches; its position counts only when every page that was behind is on the disk.
//!
//! Memory is bounded by evicting pages that have not been used for longest; those that wait for a checkpoint stay.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::page::{ErasingGroups, Page, decode, encode, weight};
use crate::rules::Entry;
use crate::rules::block::{Block, block_of};
use crate::rules::device::Device;
use crate::rules::directory::Directory;
use crate::rules::entry::{Appended, Erased, Expired};
use crate::rules::group::Head;
use crate::rules::professional::Professional;
use crate::store::{PageId, Position, Store, StoreError};
use bytes::Bytes;
use kring_pki::verify::Crl;
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, GroupId, IssuerId, OperationId, Seq, Timestamp};

/// Pages written in one step of a checkpoint, at least: some 100 KB.
const STEP: usize = 256;
/// A step writes at least this share of the checkpoint, so that it ends however much is written meanwhile.
const SHARE: usize = 16;

/// Bytes after which the store is opened anew: up to a gigabyte on the disk, which takes a start a second to read.
pub(super) const RENEWED: u64 = 256 << 20;

/// Entries that are looked at for the time of the newest.
const LOOK_BACK: u64 = 1_000;

struct Cached {
    /// None: there is no such page.
    page: Option<Page>,
    used: u64,
    /// Of a head: where each operation's record stands. Made when first asked for.
    operations: Option<HashMap<OperationId, Seq>>,
}

struct Checkpoint {
    through: Position,
    left: VecDeque<PageId>,
}

/// The views, and the store under them.
pub(super) struct Views {
    store: Box<dyn Store>,
    /// Entries that are decided and not yet durable.
    pending: Vec<Bytes>,
    pages: HashMap<PageId, Cached>,
    dirty: HashSet<PageId>,
    checkpoint: Option<Checkpoint>,
    uses: u64,
    weight: usize,
    budget: usize,
    /// Weight at which eviction is tried again: what waits for a checkpoint stays, and is not to be counted each time.
    evict_at: usize,
    /// The whole directory; none while the journal is replayed.
    directory: Option<Directory>,
    /// The lists of revoked certificates that count; none while the journal is replayed.
    lists: Option<HashMap<IssuerId, Crl>>,
}

/// Reads a page of one kind.
macro_rules! page {
    ($self:ident, $id:expr, $kind:ident) => {
        match $self.load($id)?.page.as_mut() {
            Some(Page::$kind(page)) => Ok(Some(page)),
            None => Ok(None),
            Some(_) => unreachable!("a page's id tells its kind"),
        }
    };
}

/// Applies an entry to a page that has not seen it, and marks the page for the next checkpoint.
macro_rules! update {
    ($self:ident, $position:expr, $id:expr, $kind:ident, |$page:ident| $change:expr) => {{
        let id = $id;
        let cached = $self.load(id.clone())?;
        let page = cached.page.get_or_insert_with(|| Page::$kind(Default::default()));
        let Page::$kind($page) = page else { unreachable!("a page's id tells its kind") };
        if $page.through < $position {
            $change;
            $page.through = $position;
            $self.dirty.insert(id);
        }
    }};
}

mod certificates;

impl Views {
    /// Replays what came after the last checkpoint.
    pub(super) fn open(store: Box<dyn Store>, budget: usize) -> Result<Self, StoreError> {
        let (tail, mut position) = (store.tail(), store.checkpointed());
        let mut views = Self {
            store,
            pending: Vec::new(),
            pages: HashMap::new(),
            dirty: HashSet::new(),
            checkpoint: None,
            uses: 0,
            weight: 0,
            budget,
            evict_at: budget,
            directory: None,
            lists: None,
        };
        while position < tail {
            position = position.next();
            let entry = views.store.entry(position)?.ok_or(StoreError::Corrupt)?;
            views.apply(position, &Entry::decode(&entry)?)?;
        }
        views.read_directory()?;
        views.read_lists()?;
        Ok(views)
    }

    /// When the newest entries were written, as far as they say it.
    pub(super) fn newest_time(&self) -> Result<Option<Timestamp>, StoreError> {
        let tail = self.store.tail();
        for back in 0..LOOK_BACK.min(tail.0) {
            if let Some(at) = self.entry(Position(tail.0 - back))?.and_then(|entry| entry.at()) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Writes an entry: into the views at once, into the journal with the next [`Self::commit`].
    pub(super) fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.pending.push(entry.encode());
        let position = Position(self.store.tail().0 + self.pending.len() as u64);
        self.apply(position, entry)
    }

    /// Makes everything that was written durable.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::AcknowledgeBeforeDurable) {
            if self.pending.len() < 3 {
                return Ok(());
            }
        }
        self.store.append(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// Reads an entry, durable or not yet.
    pub(super) fn entry(&self, position: Position) -> Result<Option<Entry>, StoreError> {
        Ok(self.sized_entry(position)?.map(|(entry, _)| entry))
    }

    /// An entry and its length in bytes.
    pub(super) fn sized_entry(&self, position: Position) -> Result<Option<(Entry, usize)>, StoreError> {
        let bytes = match position.0.checked_sub(self.store.tail().0 + 1) {
            Some(index) => self.pending.get(usize::try_from(index).unwrap_or(usize::MAX)).cloned(),
            None => self.store.entry(position)?,
        };
        bytes.map(|bytes| Ok((Entry::decode(&bytes)?, bytes.len()))).transpose()
    }

    /// Entries that will be read soon, and in this order.
    pub(super) fn expect(&self, positions: &[Position]) {
        self.store.expect(positions);
    }

    pub(super) fn remove(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        self.store.remove(positions)
    }

    pub(super) fn head(&mut self, group: GroupId) -> Result<Option<&mut Head>, StoreError> {
        page!(self, PageId::Group(group), Head)
    }

    pub(super) fn block(&mut self, group: GroupId, block: u64) -> Result<Option<&mut Block>, StoreError> {
        page!(self, PageId::Block(group, block), Block)
    }

    pub(super) fn device(&mut self, device: DeviceId) -> Result<Option<&mut Device>, StoreError> {
        page!(self, PageId::Device(device), Device)
    }

    pub(super) fn professional(&mut self, address: &ProfessionalAddress) -> Result<Vec<DeviceId>, StoreError> {
        let page: Result<_, StoreError> = page!(self, PageId::Professional(address.clone()), Professional);
        Ok(page?.map(|professional: &mut Professional| professional.devices().to_vec()).unwrap_or_default())
    }

    pub(super) fn professional_page(
        &mut self,
        address: &ProfessionalAddress,
    ) -> Result<Option<&mut Professional>, StoreError> {
        page!(self, PageId::Professional(address.clone()), Professional)
    }

    pub(super) fn erasing(&mut self) -> Result<Vec<GroupId>, StoreError> {
        let page: Result<_, StoreError> = page!(self, PageId::Erasing, Erasing);
        Ok(page?.map(|erasing: &mut ErasingGroups| erasing.groups.iter().copied().collect()).unwrap_or_default())
    }

    /// A head was changed without an entry: cursors move at leisure.
    pub(super) fn touched(&mut self, group: GroupId) {
        self.dirty.insert(PageId::Group(group));
    }

    /// The record of an operation.
    pub(super) fn operation(&mut self, group: GroupId, operation: OperationId) -> Result<Option<Seq>, StoreError> {
        let cached = self.load(PageId::Group(group))?;
        if let Some(operations) = &cached.operations {
            return Ok(operations.get(&operation).copied());
        }
        let Some(Page::Head(head)) = &cached.page else { return Ok(None) };
        let (first, newest) = (head.first_block(), head.newest());
        let mut operations = HashMap::new();
        if newest > Seq(0) {
            for number in first..=block_of(newest) {
                if let Some(block) = self.block(group, number)? {
                    operations.extend(block.records(number).map(|(seq, slot)| (slot.operation(), seq)));
                }
            }
        }
        let found = operations.get(&operation).copied();
        self.weight += operations.len() * OPERATION;
        self.load(PageId::Group(group))?.operations = Some(operations);
        Ok(found)
    }

    fn load(&mut self, id: PageId) -> Result<&mut Cached, StoreError> {
        self.uses += 1;
        let used = self.uses;
        if !self.pages.contains_key(&id) {
            let page = self.store.page(&id)?.map(|bytes| decode(&id, &bytes)).transpose()?;
            self.weight += weight(page.as_ref());
            self.pages.insert(id.clone(), Cached { page, used, operations: None });
        }
        let cached = self.pages.get_mut(&id).expect("it was just put there");
        cached.used = used;
        Ok(cached)
    }

    fn apply(&mut self, position: Position, entry: &Entry) -> Result<(), StoreError> {
        match entry {
            Entry::Created(entry) => {
                let id = PageId::Group(entry.group);
                let cached = self.load(id.clone())?;
                if cached.page.is_none() {
                    cached.page = Some(Page::Head(Head::from_created(position, entry)));
                    cached.operations = Some(HashMap::new());
                    self.dirty.insert(id);
                }
            }
            Entry::Appended(entry) => self.apply_appended(position, entry)?,
            Entry::CursorRegistered(entry) => {
                self.update_head(position, entry.group, |head| head.apply_cursor(entry))?;
            }
            Entry::Expired(entry) => self.apply_expired(position, entry)?,
            Entry::Erasing(entry) => {
                self.update_head(position, entry.group, |head| head.apply_erasing(entry))?;
                update!(self, position, PageId::Erasing, Erasing, |page| page.groups.insert(entry.group));
            }
            Entry::Erased(entry) => self.apply_erased(position, entry)?,
            Entry::Published(entry) => {
                let (device, address) = (entry.device, entry.professional.clone());
                update!(self, position, PageId::Device(device), Device, |page| page.apply_published(position, entry));
                update!(self, position, PageId::Professional(address), Professional, |page| page
                    .apply_published(device));
                if let Some(listing) = &entry.listing {
                    self.list(position, entry, listing)?;
                }
            }
            Entry::Claimed(entry) => {
                // One claim names a device once, so the position still tells whether it has been seen.
                for part in &entry.claims {
                    update!(self, position, PageId::Device(part.device), Device, |page| page
                        .apply_claimed(entry, part));
                }
            }
            Entry::Noted(entry) => {
                update!(self, position, PageId::Device(entry.device), Device, |page| page
                    .apply_noted(position, entry));
            }
            Entry::Acknowledged(entry) => {
                update!(self, position, PageId::Device(entry.device), Device, |page| page
                    .apply_acknowledged(entry.through));
            }
            Entry::CrlTaken(entry) => self.apply_crl(position, entry)?,
            Entry::Enrolment(entry) => self.apply_enrolment(position, entry)?,
        }
        Ok(())
    }

    fn apply_appended(&mut self, position: Position, entry: &Appended) -> Result<(), StoreError> {
        let number = block_of(entry.seq);
        let Some(head) = self.head(entry.group)? else { return Err(StoreError::Corrupt) };
        // Replaying towards a head that has dropped the block since.
        let dropped = number < head.first_block();
        self.update_head(position, entry.group, |head| head.apply_appended(entry))?;
        if !dropped {
            let mut grown = 0;
            update!(self, position, PageId::Block(entry.group, number), Block, |page| {
                let before = page.weight();
                page.apply_appended(position, entry);
                grown = page.weight() - before;
            });
            let cached = self.load(PageId::Group(entry.group))?;
            if let Some(operations) = &mut cached.operations {
                operations.insert(entry.operation, entry.seq);
                grown += OPERATION;
            }
            self.weight += grown;
        }
        let welcomes = entry.commit.iter().flat_map(|part| &part.welcomes);
        let mut by_device: HashMap<DeviceId, Vec<_>> = HashMap::new();
        for (index, welcome) in (0..).zip(welcomes) {
            by_device.entry(welcome.device).or_default().push((index, welcome));
        }
        for (device, welcomes) in by_device {
            update!(self, position, PageId::Device(device), Device, |page| {
                for (index, welcome) in welcomes {
                    page.apply_welcome(position, index, entry.at, welcome);
                }
            });
        }
        Ok(())
    }

    fn apply_expired(&mut self, position: Position, entry: &Expired) -> Result<(), StoreError> {
        self.forget_operations(entry)?;
        self.update_head(position, entry.group, |head| head.apply_expired(entry))?;
        let blocks: BTreeSet<u64> = entry.seqs.iter().map(|seq| block_of(*seq)).collect();
        for number in blocks {
            let id = PageId::Block(entry.group, number);
            if number < entry.first_block {
                self.delete(id)?;
            } else {
                update!(self, position, id, Block, |page| page.apply_expired(number, entry));
            }
        }
        Ok(())
    }

    /// What goes has no receipt any more: its ids leave the index, if there is one.
    fn forget_operations(&mut self, entry: &Expired) -> Result<(), StoreError> {
        if self.load(PageId::Group(entry.group))?.operations.is_none() {
            return Ok(());
        }
        let mut gone = Vec::with_capacity(entry.seqs.len());
        for seq in &entry.seqs {
            let slot = self.block(entry.group, block_of(*seq))?.and_then(|block| block.slot(*seq));
            gone.extend(slot.map(|slot| (slot.operation(), *seq)));
        }
        let mut forgotten = 0;
        if let Some(operations) = &mut self.load(PageId::Group(entry.group))?.operations {
            for (operation, seq) in gone {
                // The id may have been used again since.
                if operations.get(&operation) == Some(&seq) {
                    operations.remove(&operation);
                    forgotten += OPERATION;
                }
            }
        }
        self.weight = self.weight.saturating_sub(forgotten);
        Ok(())
    }

    fn apply_erased(&mut self, position: Position, entry: &Erased) -> Result<(), StoreError> {
        self.update_head(position, entry.group, Head::apply_erased)?;
        self.load(PageId::Group(entry.group))?.operations = None;
        for number in entry.first_block..=block_of(entry.newest) {
            self.delete(PageId::Block(entry.group, number))?;
        }
        update!(self, position, PageId::Erasing, Erasing, |page| page.groups.remove(&entry.group));
        Ok(())
    }

    fn update_head(
        &mut self,
        position: Position,
        group: GroupId,
        change: impl FnOnce(&mut Head),
    ) -> Result<(), StoreError> {
        let Some(head) = self.head(group)? else { return Err(StoreError::Corrupt) };
        if head.through < position {
            change(head);
            head.through = position;
            self.dirty.insert(PageId::Group(group));
        }
        Ok(())
    }

    fn delete(&mut self, id: PageId) -> Result<(), StoreError> {
        self.load(id.clone())?.page = None;
        self.dirty.insert(id);
        Ok(())
    }

    /// Pages that wait for a checkpoint.
    pub(super) fn dirty(&self) -> u64 {
        self.dirty.len() as u64
    }

    /// Begins a checkpoint if there is something to write and none under way.
    pub(super) fn begin_checkpoint(&mut self) {
        let behind = !self.dirty.is_empty() || self.store.checkpointed() < self.store.tail();
        if self.checkpoint.is_none() && behind {
            self.checkpoint = Some(Checkpoint { through: self.store.tail(), left: self.dirty.drain().collect() });
        }
    }

    /// Writes one step of the checkpoint under way. Only between batches: a page never holds what is not durable.
    pub(super) fn step(&mut self) -> Result<(), StoreError> {
        debug_assert!(cfg!(feature = "planted-faults") || self.pending.is_empty(), "pages hold durable entries only");
        let Some(checkpoint) = &mut self.checkpoint else { return Ok(()) };
        let count = STEP.max(checkpoint.left.len() / SHARE).min(checkpoint.left.len());
        let ids: Vec<PageId> = checkpoint.left.drain(..count).collect();
        let (through, ended) = (checkpoint.through, checkpoint.left.is_empty());
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::CheckpointEarly) {
            self.store.checkpoint(through)?;
        }
        let mut pages = Vec::with_capacity(ids.len());
        for id in ids {
            let page = self.pages.get(&id).and_then(|cached| cached.page.as_ref()).map(encode);
            self.dirty.remove(&id);
            pages.push((id, page));
        }
        self.store.write_pages(&pages)?;
        if ended {
            self.checkpoint = None;
            self.store.checkpoint(through)?;
            self.evict_at = self.budget;
            self.evict();
        }
        Ok(())
    }

    /// Checkpoints everything at once.
    pub(super) fn checkpoint_all(&mut self) -> Result<(), StoreError> {
        while self.checkpoint.is_some() {
            self.step()?;
        }
        self.begin_checkpoint();
        while self.checkpoint.is_some() {
            self.step()?;
        }
        Ok(())
    }

    /// Opens the store anew when the next opening would have much to read.
    pub(super) fn renew(&mut self) -> Result<(), StoreError> {
        if self.store.written() < RENEWED {
            return Ok(());
        }
        tracing::info!("opening the database anew, so that the next start is quick");
        self.store.renew()
    }

    /// Puts out what was not used for longest, until three quarters of the budget are left. No page is dirty then that
    /// a checkpoint under way would miss, since there is none.
    pub(super) fn evict(&mut self) {
        if self.weight <= self.evict_at || self.checkpoint.is_some() {
            return;
        }
        let mut clean: Vec<(u64, PageId)> = self
            .pages
            .iter()
            .filter(|(id, _)| !self.dirty.contains(*id))
            .map(|(id, cached)| (cached.used, id.clone()))
            .collect();
        clean.sort_unstable_by_key(|(used, _)| *used);
        let mut weight: usize = self.pages.values().map(Cached::weight).sum();
        for (_, id) in clean {
            if weight <= self.budget / 4 * 3 {
                break;
            }
            weight -= self.pages.remove(&id).map_or(0, |cached| cached.weight());
        }
        self.weight = weight;
        self.evict_at = self.budget.max(weight + self.budget / 4);
    }

    /// Whether a group's operation index is there.
    #[cfg(test)]
    pub(super) fn has_index(&self, group: GroupId) -> bool {
        self.pages.get(&PageId::Group(group)).is_some_and(|cached| cached.operations.is_some())
    }

    /// Bytes of views in memory, roughly.
    #[cfg(test)]
    pub(super) fn weight(&self) -> usize {
        self.pages.values().map(Cached::weight).sum()
    }
}

/// Bytes of one entry of an operation index: 16 and 8, and the table's own.
const OPERATION: usize = 48;

impl Cached {
    fn weight(&self) -> usize {
        weight(self.page.as_ref()) + self.operations.as_ref().map_or(0, |operations| operations.len() * OPERATION)
    }
}
