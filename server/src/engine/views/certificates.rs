//! The views of certificates: which lists of revoked ones count, the directory, the mailboxes for enrolment.
//!
//! Directory and lists are kept whole in memory besides, read once when the views are opened: a search and a judgement
//! must not wait for the disk.

use std::collections::{BTreeMap, HashMap};

use kring_pki::verify::Crl;
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, IssuerId};

use super::{Page, Views, decode};
use crate::rules::Entry;
use crate::rules::directory::{Directory, Listed, Listing, Shard};
use crate::rules::enrolment::{Mailbox, Organisation, TicketHash, TicketOwner};
use crate::rules::entry::{Enrolment, Published, TakenCrl};
use crate::rules::revocation::Revocations;
use crate::store::{PageId, Position, StoreError};

impl Views {
    pub(super) fn read_directory(&mut self) -> Result<(), StoreError> {
        let mut directory = Directory::default();
        for number in 0..=u8::MAX {
            let id = PageId::Shard(number);
            // Replaying has some in memory; the others are not kept there, since the whole is.
            let stored = match self.pages.get(&id) {
                Some(_) => None,
                None => self.store.page(&id)?.map(|bytes| decode(&id, &bytes)).transpose()?,
            };
            let page = stored.as_ref().or_else(|| self.pages.get(&id)?.page.as_ref());
            let Some(Page::Shard(shard)) = page else { continue };
            for (device, listed) in &shard.listed {
                directory.insert(*device, listed.clone());
            }
        }
        self.directory = Some(directory);
        Ok(())
    }

    pub(super) fn read_lists(&mut self) -> Result<(), StoreError> {
        let mut lists = HashMap::new();
        for list in self.revocations()?.newer_than(&[]) {
            let Some(Entry::CrlTaken(entry)) = self.entry(list.position())? else { return Err(StoreError::Corrupt) };
            lists.insert(entry.issuer, Crl::from_der(&entry.crl).map_err(|_| StoreError::Corrupt)?);
        }
        self.lists = Some(lists);
        Ok(())
    }

    /// The directory.
    pub(in crate::engine) fn directory(&self) -> &Directory {
        self.directory.as_ref().expect("it is read when the views are opened")
    }

    /// The lists of revoked certificates that count.
    pub(in crate::engine) fn lists(&self) -> &HashMap<IssuerId, Crl> {
        self.lists.as_ref().expect("they are read when the views are opened")
    }

    pub(in crate::engine) fn revocations(&mut self) -> Result<Revocations, StoreError> {
        let page: Result<_, StoreError> = page!(self, PageId::Revocations, Revocations);
        Ok(page?.map(|page: &mut Revocations| page.clone()).unwrap_or_default())
    }

    pub(in crate::engine) fn shard(&mut self, device: DeviceId) -> Result<Option<&mut Shard>, StoreError> {
        page!(self, PageId::Shard(Shard::of(device)), Shard)
    }

    pub(in crate::engine) fn mailbox(
        &mut self,
        organisation: &Organisation,
    ) -> Result<Option<&mut Mailbox>, StoreError> {
        page!(self, PageId::Mailbox(organisation.clone()), Mailbox)
    }

    pub(in crate::engine) fn owner(&mut self, ticket: TicketHash) -> Result<Option<Organisation>, StoreError> {
        let page: Result<_, StoreError> = page!(self, PageId::Ticket(ticket), Ticket);
        Ok(page?.and_then(|page: &mut TicketOwner| page.organisation.clone()))
    }

    pub(super) fn apply_crl(&mut self, position: Position, entry: &TakenCrl) -> Result<(), StoreError> {
        update!(self, position, PageId::Revocations, Revocations, |page| page.apply_taken(position, entry));
        let mut professionals: BTreeMap<ProfessionalAddress, Vec<DeviceId>> = BTreeMap::new();
        for device in &entry.devices {
            if let Some(address) = self.device(*device)?.and_then(|known| known.professional().cloned()) {
                professionals.entry(address).or_default().push(*device);
            }
            update!(self, position, PageId::Device(*device), Device, |page| page.apply_revoked());
            self.unlist(position, *device)?;
        }
        // Together: a page is changed once by an entry.
        for (address, devices) in professionals {
            update!(self, position, PageId::Professional(address), Professional, |page| {
                devices.iter().for_each(|device| page.apply_revoked(*device));
            });
        }
        if let Some(lists) = &mut self.lists {
            let list = Crl::from_der(&entry.crl).map_err(|_| StoreError::Corrupt)?;
            lists.insert(entry.issuer, list);
        }
        Ok(())
    }

    pub(super) fn apply_enrolment(&mut self, position: Position, entry: &Enrolment) -> Result<(), StoreError> {
        let organisation = entry.organisation();
        update!(self, position, PageId::Mailbox(organisation.clone()), Mailbox, |page| page.apply(position, entry));
        match entry {
            Enrolment::Opened { ticket, .. } => {
                update!(self, position, PageId::Ticket(*ticket), Ticket, |page| page.organisation =
                    Some(organisation.clone()));
            }
            Enrolment::Closed { ticket, .. } => self.delete(PageId::Ticket(*ticket))?,
            Enrolment::Put { .. }
            | Enrolment::Answered { .. }
            | Enrolment::RenewalAsked { .. }
            | Enrolment::RenewalAnswered { .. }
            | Enrolment::RenewalOver { .. } => {}
        }
        Ok(())
    }

    fn unlist(&mut self, position: Position, device: DeviceId) -> Result<(), StoreError> {
        if let Some(directory) = &mut self.directory {
            directory.remove(device);
        }
        let id = PageId::Shard(Shard::of(device));
        // Several devices of one entry stand in one part, so that its position does not tell what was done.
        let Some(shard) = self.shard(device)? else { return Ok(()) };
        if shard.listed.get(&device).is_none_or(|listed| listed.position() >= position) {
            return Ok(());
        }
        let before = shard.weight();
        shard.listed.remove(&device);
        shard.through = shard.through.max(position);
        let shrunk = before - shard.weight();
        self.weight = self.weight.saturating_sub(shrunk);
        self.dirty.insert(id);
        Ok(())
    }

    pub(super) fn list(
        &mut self,
        position: Position,
        entry: &Published,
        listing: &Listing,
    ) -> Result<(), StoreError> {
        let listed = Listed::new(&entry.professional, listing, position);
        if let Some(directory) = &mut self.directory {
            directory.insert(entry.device, listed.clone());
        }
        let mut grown = 0;
        update!(self, position, PageId::Shard(Shard::of(entry.device)), Shard, |page| {
            let before = page.weight();
            page.listed.insert(entry.device, listed);
            grown = page.weight().saturating_sub(before);
        });
        self.weight += grown;
        Ok(())
    }
}
