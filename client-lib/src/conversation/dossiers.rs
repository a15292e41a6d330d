//! Dossiers: choosing and packing what is handed over, and reading what was received.
//!
//! A receiver's device says by itself that it has stored a dossier once every part that the offer names is there. Whoever
//! offers sees beforehand exactly what a receiver will see: a preview is packed and read like the real thing. Refused:
//! restricted items that were not chosen by themselves, and whatever its author has taken back or cannot be proven.

use std::collections::HashSet;

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use rustls_pki_types::CertificateDer;
use serde_bytes::ByteBuf;

use super::Conversation;
use super::state::{StoredItem, Want};
use super::step::Step;
use crate::case::dossier::{
    Chosen, DossierChoice, DossierEntry, DossierError, DossierSection, DossierSuggestion, EntryChoice, MEDIA_TYPE,
    OriginalItem, Packed, Section, SectionChoice, Unproven, pack, unpack,
};
use crate::case::handover::{Handover, HandoverPhase, HandoverSays, Offer};
use crate::case::{Author, Body, CaseId, CaseState, ContentHash, DutyStep, ItemId, Position, Sensitivity, Statement};
use crate::item;
use crate::mls::group::Group;
use crate::mls::leaf::Leaves;
use crate::store::{Rows, StoreError};

/// Items that are read at a time.
const PAGE: usize = 256;

/// What came of a question about dossiers; the outer error is the store's.
type Answer<T> = Result<Result<T, DossierError>, StoreError>;

/// Unwraps the inner result of an [`Answer`].
macro_rules! given {
    ($answer:expr) => {
        match $answer {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

/// Everything that dossiers are made and read with.
struct Shelf<'s> {
    rows: Rows<'s>,
    leaves: &'s Leaves,
    case: CaseId,
    state: &'s CaseState,
}

impl Shelf<'_> {
    /// The bodies of items with these hashes by somebody: the dossier's parts lie shortly before its offer.
    fn parts(
        &self,
        from: &ProfessionalAddress,
        wanted: &[ContentHash],
    ) -> Result<Vec<(ContentHash, Vec<u8>)>, StoreError> {
        let mut found: Vec<(ContentHash, Vec<u8>)> = Vec::new();
        let missing = |found: &[(ContentHash, Vec<u8>)]| {
            wanted.iter().any(|hash| !found.iter().any(|(known, _)| known == hash))
        };
        let mut before = Position(u64::MAX >> 1);
        while missing(&found) {
            let page = self.rows.items_before::<StoredItem>(self.case, before, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            before = *last;
            for (_, stored) in page {
                if stored.media_type.as_deref() != Some(MEDIA_TYPE)
                    || DeviceAddress::from(stored.author).professional != *from
                {
                    continue;
                }
                let hash = ContentHash::of(&stored.content);
                if wanted.contains(&hash) && !found.iter().any(|(known, _)| *known == hash) {
                    found.push((hash, stored.content.into_vec()));
                }
            }
        }
        Ok(found)
    }

    fn is_complete(&self, handover: &Handover) -> Result<bool, StoreError> {
        let wanted: Vec<_> = handover.offer.dossier.iter().flat_map(|section| section.parts.clone()).collect();
        let found = self.parts(&handover.from, &wanted)?;
        Ok(wanted.iter().all(|hash| found.iter().any(|(known, _)| known == hash)))
    }

    /// A section as it was sent.
    fn section(&self, handover: ItemId, section: u64) -> Answer<Section> {
        let index = self.state.handover(handover).and_then(|handover| {
            let section = usize::try_from(section).ok()?;
            handover.offer.dossier.get(section).map(|index| (handover, index))
        });
        let Some((handover, index)) = index else { return Ok(Err(DossierError::NoSuchThing)) };
        let parts = self.parts(&handover.from, &index.parts)?;
        let part = |hash: ContentHash| parts.iter().find(|(known, _)| *known == hash).map(|(_, part)| part.clone());
        Ok(unpack(index, part))
    }

    /// A section as it is read: every entry against its author's certificate.
    fn read(&self, section: Section) -> DossierSection {
        let chains = section.chains;
        let entry = |entry: crate::case::dossier::Entry| {
            let chain = usize::try_from(entry.chain).ok().and_then(|place| chains.get(place));
            let chain = chain.ok_or(Unproven::Certificate);
            let said = chain.and_then(|chain| prove(self.leaves, self.case, chain, &entry.signed));
            DossierEntry { source: entry.source, purpose: entry.purpose, relayed_at: entry.relayed_at, said }
        };
        DossierSection { title: section.title, entries: section.entries.into_iter().map(entry).collect() }
    }

    /// Items that their authors have replaced or taken back.
    fn replaced(&self) -> Result<HashSet<(String, ItemId)>, StoreError> {
        let mut replaced = HashSet::new();
        let mut after = Position(0);
        loop {
            let page = self.rows.items::<StoredItem>(self.case, after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(replaced) };
            after = *last;
            replaced.extend(
                page.into_iter()
                    .filter_map(|(_, stored)| Some((DeviceAddress::from(stored.author).to_uri(), stored.replaces?))),
            );
        }
    }

    fn pack(&self, choice: &DossierChoice) -> Answer<(Packed, Vec<Section>)> {
        let replaced = self.replaced()?;
        let mut sections = Vec::new();
        for chosen in &choice.sections {
            let mut section = Section::new(chosen.title.clone());
            for entry in &chosen.entries {
                given!(self.choose(&mut section, entry, &replaced)?);
            }
            sections.push(section);
        }
        Ok(pack(&sections).map(|packed| (packed, sections)))
    }

    fn choose(
        &self,
        section: &mut Section,
        choice: &EntryChoice,
        replaced: &HashSet<(String, ItemId)>,
    ) -> Answer<()> {
        match choice.what {
            Chosen::Item(position) => {
                let place = Position(position.0.saturating_sub(1));
                let found = self.rows.items::<StoredItem>(self.case, place, 1)?.into_iter().next();
                let Some((_, stored)) = found.filter(|(found, _)| *found == position) else {
                    return Ok(Err(DossierError::NoSuchThing));
                };
                if stored.sensitivity == Sensitivity::Restricted && !choice.although_restricted {
                    return Ok(Err(DossierError::Restricted(position)));
                }
                let author = DeviceAddress::from(stored.author.clone());
                if stored.deleted || replaced.contains(&(author.to_uri(), stored.id)) {
                    return Ok(Err(DossierError::TakenBack(position)));
                }
                let chains = self.rows.chains::<Vec<ByteBuf>>(self.case, &author)?;
                let proven = |chain: &Vec<ByteBuf>| prove(self.leaves, self.case, chain, &stored.signed).is_ok();
                let Some(chain) = chains.into_iter().find(proven) else {
                    return Ok(Err(DossierError::NoProof(position)));
                };
                section.push(&chain, choice, stored.relayed_at, stored.signed);
            }
            Chosen::Entry { handover, section: place, entry } => {
                let from = given!(self.section(handover, place)?);
                let Some(entry) = usize::try_from(entry).ok().and_then(|place| from.entries.get(place)) else {
                    return Ok(Err(DossierError::NoSuchThing));
                };
                let chain = usize::try_from(entry.chain).ok().and_then(|place| from.chains.get(place));
                let Some(chain) = chain else { return Ok(Err(DossierError::Entry)) };
                match prove(self.leaves, self.case, chain, &entry.signed) {
                    Ok(original) if original.sensitivity == Sensitivity::Normal || choice.although_restricted => {}
                    Ok(_) | Err(_) => return Ok(Err(DossierError::Entry)),
                }
                section.push(chain, choice, entry.relayed_at, entry.signed.clone());
            }
        }
        Ok(Ok(()))
    }

    /// The plan that is in force, what is open, and what was said, as far as nothing is restricted.
    fn suggest(&self, source: &str, purpose: &str) -> Result<DossierSuggestion, StoreError> {
        let replaced = self.replaced()?;
        let plan = self.state.active_plan().map(|(id, _)| id);
        let alerts: HashSet<_> = self.state.open_alerts().map(|(id, _)| id).collect();
        let tasks: HashSet<_> = self.state.open_tasks().map(|(id, _)| id).collect();
        let titles = ["plan", "alerts", "tasks", "history"];
        let mut sections: Vec<SectionChoice> =
            titles.iter().map(|title| SectionChoice { title: (*title).to_owned(), entries: Vec::new() }).collect();
        let mut restricted = Vec::new();
        let mut after = Position(0);
        loop {
            let page = self.rows.items::<StoredItem>(self.case, after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (position, stored) in page {
                let uri = DeviceAddress::from(stored.author.clone()).to_uri();
                if stored.deleted || replaced.contains(&(uri, stored.id)) {
                    continue;
                }
                let place = match stored.body() {
                    _ if plan == Some(stored.id) => 0,
                    _ if alerts.contains(&stored.id) => 1,
                    _ if tasks.contains(&stored.id) => 2,
                    Body::Markdown(_) => 3,
                    _ => continue,
                };
                if stored.sensitivity == Sensitivity::Restricted {
                    restricted.push(position);
                    continue;
                }
                sections[place].entries.push(EntryChoice {
                    what: Chosen::Item(position),
                    source: source.to_owned(),
                    purpose: stored.purpose.clone().unwrap_or_else(|| purpose.to_owned()),
                    although_restricted: false,
                });
            }
        }
        sections.retain(|section| !section.entries.is_empty());
        Ok(DossierSuggestion { choice: DossierChoice { sections }, restricted })
    }
}

/// An item, if its author's device signed it for this case.
fn prove(leaves: &Leaves, case: CaseId, chain: &[ByteBuf], signed: &[u8]) -> Result<OriginalItem, Unproven> {
    let read = item::read(signed).ok_or(Unproven::Unreadable)?;
    let chain: Vec<_> = chain.iter().map(|certificate| CertificateDer::from(certificate.as_slice())).collect();
    let device = leaves.author(&chain).map_err(|_| Unproven::Certificate)?;
    if !read.signed_by(device.public_key(), case) {
        return Err(Unproven::Signature);
    }
    let body = match read.said {
        item::Said::Markdown(text) => Body::Markdown(text),
        item::Said::Deleted => Body::Deleted,
        item::Said::Part { media_type, content } => {
            let known = media_type.as_deref().and_then(|kind| Statement::decode(kind, &content));
            match known {
                Some(statement) => Body::Statement(Box::new(statement)),
                None => Body::Unknown { media_type, content },
            }
        }
    };
    Ok(OriginalItem {
        item: read.id,
        author: Author {
            professional: device.address().professional.clone(),
            device: device.address().device,
            name: device.name().as_str().to_owned(),
            organisation: device.organisation().as_str().to_owned(),
            function: device.function().as_str().to_owned(),
        },
        sent_at: read.sent_at,
        about: read.about,
        purpose: read.purpose,
        sensitivity: read.sensitivity,
        body,
    })
}

impl Conversation {
    fn on_shelf<T>(
        &self,
        case: CaseId,
        work: impl FnOnce(&Shelf<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let state = self.state(case)?;
        work(&Shelf { rows: self.store.read(), leaves: &self.party.leaves, case, state: &state })
    }

    /// A suggestion of what a dossier of a case could hold. `source` and `purpose` are noted beside each entry, the item's
    /// own purpose where it has one.
    pub fn suggest_dossier(
        &self,
        case: CaseId,
        source: &str,
        purpose: &str,
    ) -> Result<DossierSuggestion, StoreError> {
        self.on_shelf(case, |shelf| shelf.suggest(source, purpose))
    }

    /// What receivers will see of a choice.
    pub fn preview_dossier(&self, case: CaseId, choice: &DossierChoice) -> Answer<Vec<DossierSection>> {
        self.on_shelf(case, |shelf| {
            let (_, sections) = given!(shelf.pack(choice)?);
            Ok(Ok(sections.into_iter().map(|section| shelf.read(section)).collect()))
        })
    }

    /// The items of a dossier in their order, and the offer that names them.
    pub(crate) fn pack_dossier(
        &self,
        case: CaseId,
        choice: &DossierChoice,
        mut offer: Offer,
    ) -> Answer<(Vec<Statement>, Offer)> {
        self.on_shelf(case, |shelf| {
            let (packed, _) = given!(shelf.pack(choice)?);
            offer.dossier = packed.index;
            Ok(Ok((packed.parts, offer)))
        })
    }

    /// A section of a dossier. Who is to receive it says that they have opened it
    /// ([`HandoverSays::Opened`]) as well.
    pub fn dossier_section(&self, case: CaseId, handover: ItemId, section: u64) -> Answer<DossierSection> {
        self.on_shelf(case, |shelf| {
            let found = given!(shelf.section(handover, section)?);
            Ok(Ok(shelf.read(found)))
        })
    }
}

impl Step<'_> {
    /// Keeps the certificate chains of all members of a case: what they say is proven by them when they are gone.
    pub(super) fn keep_chains(&self, case: CaseId, mls: &Group) -> Result<(), StoreError> {
        for (author, chain) in mls.chains(self.party) {
            let chain: Vec<ByteBuf> = chain.into_iter().map(ByteBuf::from).collect();
            self.tx.keep_chain(case, &author, &chain)?;
        }
        Ok(())
    }

    /// What this device does of its own accord about a case's handovers: it says that it has stored a dossier, and, as the
    /// sender's, clears away one that has expired.
    pub(super) fn attend_handovers(&mut self, case: CaseId) -> Result<(), StoreError> {
        let own = self.party.address().professional.clone();
        let state = self.state_of(case)?;
        let waiting = self.intents(case)?;
        for (id, handover) in state.open_handovers() {
            let expired = handover.phase == HandoverPhase::Expired && handover.standing && handover.from == own;
            if expired {
                let ends = |want: &Want| matches!(want, Want::Duty { step: DutyStep::End { offer } } if *offer == id);
                if !waiting.iter().any(|intent| ends(&intent.value.want)) {
                    self.queue(case, Want::Duty { step: DutyStep::End { offer: id } })?;
                }
                continue;
            }
            let awaited =
                handover.is_open() && handover.reception(&own).is_some_and(|reception| reception.received.is_none());
            let says = Statement::Handover(HandoverSays::Received { handover: id });
            if !awaited || waiting.iter().any(|intent| intent.value.want.statement().as_ref() == Some(&says)) {
                continue;
            }
            let shelf = Shelf { rows: self.tx.rows(), leaves: &self.party.leaves, case, state: &state };
            if shelf.is_complete(handover)? {
                self.state_item(case, &says)?;
            }
        }
        Ok(())
    }
}
