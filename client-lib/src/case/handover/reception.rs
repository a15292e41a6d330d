//! How far one receiver of a handover is.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::duties::Receiver;
use super::super::fold::Refused;
use super::super::hash::ContentHash;
use super::super::ids::ItemId;
use super::super::log::says_nothing;
use super::{HandoverStage, HandoverWaits};

/// One receiver.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reception {
    /// Who.
    pub who: ProfessionalAddress,
    /// When their device had stored the whole dossier.
    pub received: Option<Timestamp>,
    /// Sections that they have opened, rising.
    pub opened: Vec<u64>,
    /// What they have understood, in their own words; the latest.
    pub synthesis: Option<Synthesis>,
    /// The sender has confirmed the synthesis.
    pub understood: bool,
    /// "I can start": when.
    pub ready: Option<Timestamp>,
}

/// A synthesis.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synthesis {
    /// The item.
    pub item: ItemId,
    /// Hash of its body, by which the sender confirms it.
    pub hash: ContentHash,
    /// What it says.
    pub text: String,
    /// When it was written.
    pub at: Timestamp,
    /// What the sender says is missing or wrong.
    pub correction: Option<String>,
}

impl Reception {
    pub(super) fn new(who: ProfessionalAddress) -> Self {
        Self { who, received: None, opened: Vec::new(), synthesis: None, understood: false, ready: None }
    }

    /// How far they are.
    pub fn stage(&self) -> HandoverStage {
        if self.ready.is_some() {
            HandoverStage::Ready
        } else if self.understood {
            HandoverStage::Understood
        } else if self.received.is_some() {
            HandoverStage::Received
        } else {
            HandoverStage::Offered
        }
    }

    /// Whether the sender has a synthesis to confirm or correct.
    pub fn is_to_be_confirmed(&self) -> bool {
        !self.understood && self.synthesis.as_ref().is_some_and(|synthesis| synthesis.correction.is_none())
    }

    pub(super) fn waits(&self, sections: usize) -> Option<HandoverWaits> {
        if self.ready.is_some() || self.received.is_none() {
            None
        } else if self.understood {
            Some(HandoverWaits::Ready)
        } else if self.opened.len() < sections {
            Some(HandoverWaits::Open)
        } else if self.is_to_be_confirmed() {
            None
        } else {
            Some(HandoverWaits::Synthesis)
        }
    }

    /// `None`: it was received already.
    pub(super) fn receive(&mut self, at: Timestamp) -> Option<()> {
        let first = self.received.is_none();
        self.received.get_or_insert(at);
        first.then_some(())
    }

    pub(super) fn open(&mut self, section: u64, sections: usize) -> Result<Option<()>, Refused> {
        if self.received.is_none() {
            return Err(Refused::Phase);
        }
        if usize::try_from(section).map_or(true, |section| section >= sections) {
            return Err(Refused::NoSuchThing);
        }
        match self.opened.binary_search(&section) {
            Ok(_) => Ok(None),
            Err(place) => {
                self.opened.insert(place, section);
                Ok(Some(()))
            }
        }
    }

    pub(super) fn understand(&mut self, synthesis: Synthesis, sections: usize) -> Result<(), Refused> {
        if self.received.is_none() || self.understood {
            return Err(Refused::Phase);
        }
        if self.opened.len() < sections {
            return Err(Refused::Unopened);
        }
        self.synthesis = Some(synthesis);
        Ok(())
    }

    /// `None`: it is not about this receiver's synthesis.
    pub(super) fn correct(&mut self, item: ItemId, text: &str) -> Option<Result<(), Refused>> {
        let understood = self.understood;
        let synthesis = self.synthesis.as_mut().filter(|synthesis| synthesis.item == item)?;
        if understood || synthesis.correction.is_some() {
            return Some(Err(Refused::Phase));
        }
        synthesis.correction = Some(text.to_owned());
        Some(Ok(()))
    }

    /// Takes over what the members have agreed on. Who was lost and comes back begins again.
    pub(super) fn follow(&mut self, receiver: &Receiver) {
        if self.understood && receiver.understood.is_none() {
            *self = Self::new(self.who.clone());
        }
        self.understood = receiver.understood.is_some();
        self.ready = receiver.ready;
    }
}

says_nothing!(Reception, Synthesis);
