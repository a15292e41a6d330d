//! Handovers: responsibility for a family moves warm, to somebody who knows the whole situation and can start.
//!
//! offered → received → understood → ready → completed; declined, withdrawn, expired. The words are items; what
//! everybody must agree on whatever they have read (that it stands, that the sender has confirmed a receiver's synthesis,
//! that a receiver can start, that it is completed or has ended) are Commits, judged by [`Duties`] before
//! they are merged. **Responsibility follows those alone.** Refused: a synthesis before every section of the dossier has
//! been opened, and every word that is somebody else's to say.

mod reception;

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::deadline::{Deadline, Due};
use super::duties::{Duties, MAX_RECEIVERS, OpenHandover, Receiver};
use super::fold::{Members, Outcome, Refused, Scene, Thing};
use super::hash::ContentHash;
use super::ids::ItemId;
use super::log::says_nothing;
use super::member::Role;
use super::shelf::Shelf;
use super::statement::{line, list, text, time};

pub use reception::{Reception, Synthesis};

/// Most sections of a dossier.
pub const MAX_SECTIONS: usize = 32;
/// Most parts of all sections: with 36 bytes of hash each some 9 KiB of an offer, and 64 MiB of dossier.
pub const MAX_PARTS: usize = 256;
/// Most questions of one handover that the state keeps.
const MAX_QUESTIONS: usize = 64;
/// Ended handovers that the state keeps.
const CLOSED: usize = 16;

/// What an item says about a handover.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandoverSays {
    /// Offers one. The items of its dossier stand before it in the log.
    Offer(Box<Offer>),
    /// The receiver's device has stored the whole dossier.
    Received {
        /// Which handover, by its offer.
        handover: ItemId,
    },
    /// The receiver has opened a section of the dossier.
    Opened {
        /// Which handover.
        handover: ItemId,
        /// Which section, from 0.
        section: u64,
    },
    /// The receiver asks something.
    Ask {
        /// About which handover.
        handover: ItemId,
        /// What.
        text: String,
    },
    /// The sender answers.
    Answer {
        /// About which handover.
        handover: ItemId,
        /// Which question.
        question: ItemId,
        /// What.
        text: String,
    },
    /// The receiver says in their own words what they have understood.
    Synthesis {
        /// Of which handover.
        handover: ItemId,
        /// The synthesis.
        text: String,
    },
    /// The sender says what of a synthesis is not so yet.
    Correct {
        /// Of which handover.
        handover: ItemId,
        /// Which synthesis.
        synthesis: ItemId,
        /// What is missing or wrong.
        text: String,
    },
    /// Whoever has ended a handover says why.
    Reason {
        /// Which handover.
        handover: ItemId,
        /// Why.
        text: String,
    },
}

/// What is handed over, and to whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// All who have to be ready; rising, none twice.
    pub to: Vec<ProfessionalAddress>,
    /// Who of them becomes coordinator with it.
    #[serde(default)]
    pub coordinator: Option<ProfessionalAddress>,
    /// What responsibility, in a line.
    pub scope: String,
    /// How urgent.
    pub urgency: Urgency,
    /// The situation.
    pub summary: Summary,
    /// What is to be done, one by one.
    pub actions: Vec<String>,
    /// What to do if it goes wrong.
    pub contingency: String,
    /// By when the receivers should have started.
    #[serde(default)]
    pub start_by: Option<Timestamp>,
    /// Until when every receiver has to be ready; it expires otherwise.
    #[serde(default)]
    pub accept_by: Option<Timestamp>,
    /// The dossier, section by section.
    pub dossier: Vec<SectionIndex>,
}

/// How urgent a handover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// In the ordinary course.
    Routine,
    /// Within days.
    Soon,
    /// At once.
    Immediate,
}

/// A summary after the scheme that is used for handing patients over (SBAR).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// What is the matter now.
    pub situation: String,
    /// How it came about.
    pub background: String,
    /// What the sender makes of it.
    pub assessment: String,
    /// What the sender recommends.
    pub recommendation: String,
}

/// A section of a dossier, as the offer pins it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionIndex {
    /// Its title.
    pub title: String,
    /// How many entries it has.
    pub entries: u64,
    /// The bodies of the items that hold it, by hash, in their order.
    pub parts: Vec<ContentHash>,
}

/// A handover.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// What is handed over.
    pub offer: Offer,
    /// Who hands over.
    pub from: ProfessionalAddress,
    /// When it was offered, by the sender's clock.
    pub at: Timestamp,
    /// Hash of the offer's body.
    pub hash: ContentHash,
    /// The members have agreed that it stands: it is in the group's context, under the same hash.
    pub standing: bool,
    /// How far each receiver is, in the offer's order.
    pub receptions: Vec<Reception>,
    /// What was asked, oldest first.
    pub questions: Vec<Question>,
    /// How it stands, or how it ended.
    pub phase: HandoverPhase,
}

/// A question of a receiver.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The item that asks it.
    pub item: ItemId,
    /// Who asks.
    pub by: ProfessionalAddress,
    /// What.
    pub text: String,
    /// The sender's answer.
    pub answer: Option<String>,
}

/// How a handover stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandoverPhase {
    /// Under way.
    Open,
    /// Not everybody was ready in time. It moves nothing any more, unless its completion was under way already.
    Expired,
    /// Responsibility has moved.
    Completed {
        /// Who completed it.
        by: ProfessionalAddress,
    },
    /// A receiver does not take it.
    Declined {
        /// Who.
        by: ProfessionalAddress,
        /// Why, once they have said so.
        reason: Option<String>,
    },
    /// The sender has taken it back, or is gone.
    Withdrawn {
        /// Who.
        by: ProfessionalAddress,
        /// Why, once they have said so.
        reason: Option<String>,
    },
    /// Somebody who manages the case has ended it.
    Cleared {
        /// Who.
        by: ProfessionalAddress,
        /// Why, once they have said so.
        reason: Option<String>,
    },
}

/// How far a handover is as a whole: as far as the receiver who is least far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HandoverStage {
    /// Offered.
    Offered,
    /// Every receiver's device has stored the dossier.
    Received,
    /// Every receiver has said in their own words what it is about, and the sender has confirmed it.
    Understood,
    /// Every receiver can start.
    Ready,
    /// Responsibility has moved.
    Completed,
    /// It has ended without moving anything.
    Ended,
}

/// What a handover waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HandoverWaits {
    /// The receiver opens the dossier.
    Open,
    /// The receiver writes the synthesis, anew if the sender has corrected it.
    Synthesis,
    /// The receiver says that they can start.
    Ready,
    /// The sender answers a question.
    Answer,
    /// The sender confirms a synthesis, or says what is missing.
    Confirm,
    /// The sender or a receiver completes it.
    Complete,
}

/// All handovers of a case.
pub(super) type Handovers = Shelf<Handover, CLOSED>;

impl HandoverSays {
    pub(super) fn check(&self) -> Result<(), Refused> {
        match self {
            Self::Offer(offer) => offer.check(),
            Self::Received { .. } | Self::Opened { .. } => Ok(()),
            Self::Ask { text: said, .. }
            | Self::Answer { text: said, .. }
            | Self::Synthesis { text: said, .. }
            | Self::Correct { text: said, .. }
            | Self::Reason { text: said, .. } => {
                if said.trim().is_empty() {
                    return Err(Refused::Bounds);
                }
                text(said)
            }
        }
    }

    fn handover(&self) -> Option<ItemId> {
        match self {
            Self::Offer(_) => None,
            Self::Received { handover }
            | Self::Opened { handover, .. }
            | Self::Ask { handover, .. }
            | Self::Answer { handover, .. }
            | Self::Synthesis { handover, .. }
            | Self::Correct { handover, .. }
            | Self::Reason { handover, .. } => Some(*handover),
        }
    }
}

impl Offer {
    pub(super) fn check(&self) -> Result<(), Refused> {
        line(&self.scope)?;
        let Summary { situation, background, assessment, recommendation } = &self.summary;
        for said in [situation, background, assessment, recommendation, &self.contingency] {
            text(said)?;
        }
        list(&self.actions)?;
        self.actions.iter().try_for_each(|action| text(action))?;
        self.start_by.map_or(Ok(()), time)?;
        self.accept_by.map_or(Ok(()), time)?;
        self.dossier.iter().try_for_each(|section| line(&section.title))?;
        let parts: usize = self.dossier.iter().map(|section| section.parts.len()).sum();
        let rising = self.to.windows(2).all(|pair| pair[0] < pair[1]);
        let coordinator = self.coordinator.as_ref().is_none_or(|who| self.to.contains(who));
        let sizes = (1..=MAX_RECEIVERS).contains(&self.to.len()) && self.dossier.len() <= MAX_SECTIONS;
        if rising && coordinator && sizes && parts <= MAX_PARTS { Ok(()) } else { Err(Refused::Bounds) }
    }

    /// The step by which the members agree that it stands. `item` offers it in a body with this hash.
    pub fn step(&self, item: ItemId, hash: ContentHash, from: ProfessionalAddress) -> OpenHandover {
        let receiver = |who: &ProfessionalAddress| Receiver { who: who.clone(), understood: None, ready: None };
        let to = self.to.iter().map(receiver).collect();
        OpenHandover { offer: item, hash, from, to, coordinator: self.coordinator.clone() }
    }
}

impl Handover {
    /// Whether it can still go on.
    pub fn is_open(&self) -> bool {
        self.phase == HandoverPhase::Open
    }

    /// How far it is as a whole.
    pub fn stage(&self) -> HandoverStage {
        match self.phase {
            HandoverPhase::Completed { .. } => HandoverStage::Completed,
            HandoverPhase::Open => {
                self.receptions.iter().map(Reception::stage).min().unwrap_or(HandoverStage::Offered)
            }
            _ => HandoverStage::Ended,
        }
    }

    /// How far a receiver is.
    pub fn reception(&self, who: &ProfessionalAddress) -> Option<&Reception> {
        self.receptions.iter().find(|reception| reception.who == *who)
    }

    /// What it waits for from somebody; empty: nothing.
    pub fn waits_for(&self, who: &ProfessionalAddress) -> Vec<HandoverWaits> {
        let mut waits = Vec::new();
        if !self.is_open() || !self.standing {
            return waits;
        }
        let ready = self.receptions.iter().all(|reception| reception.ready.is_some());
        if let Some(reception) = self.reception(who) {
            waits.extend(reception.waits(self.offer.dossier.len()));
        }
        if self.from == *who {
            if self.questions.iter().any(|question| question.answer.is_none()) {
                waits.push(HandoverWaits::Answer);
            }
            if self.receptions.iter().any(Reception::is_to_be_confirmed) {
                waits.push(HandoverWaits::Confirm);
            }
            if ready {
                waits.push(HandoverWaits::Complete);
            }
        }
        waits
    }

    fn say(&mut self, scene: &Scene<'_>, says: &HandoverSays, hash: ContentHash) -> Result<Option<()>, Refused> {
        let who = &scene.by.professional;
        if let HandoverSays::Reason { text, .. } = says {
            return self.give_reason(who, text);
        }
        if !self.is_open() {
            return Err(Refused::Closed);
        }
        let sections = self.offer.dossier.len();
        let sends = self.from == *who;
        let receives = self.receptions.iter_mut().find(|reception| reception.who == *who).ok_or(Refused::NotTheirs);
        match says {
            HandoverSays::Offer(_) | HandoverSays::Reason { .. } => Err(Refused::AlreadyThere),
            HandoverSays::Received { .. } => Ok(receives?.receive(scene.at)),
            HandoverSays::Opened { section, .. } => receives?.open(*section, sections),
            HandoverSays::Synthesis { text, .. } => {
                let synthesis =
                    Synthesis { item: scene.item, hash, text: text.clone(), at: scene.at, correction: None };
                receives?.understand(synthesis, sections).map(Some)
            }
            HandoverSays::Ask { text, .. } => {
                receives?;
                if self.questions.len() >= MAX_QUESTIONS {
                    return Err(Refused::TooMany);
                }
                let (item, by, text) = (scene.item, who.clone(), text.clone());
                self.questions.push(Question { item, by, text, answer: None });
                Ok(Some(()))
            }
            HandoverSays::Answer { question, text, .. } => {
                if !sends {
                    return Err(Refused::NotTheirs);
                }
                let asked = self.questions.iter_mut().find(|asked| asked.item == *question);
                let asked = asked.ok_or(Refused::NoSuchThing)?;
                if asked.answer.is_some() {
                    return Err(Refused::Phase);
                }
                asked.answer = Some(text.clone());
                Ok(Some(()))
            }
            HandoverSays::Correct { synthesis, text, .. } => {
                if !sends {
                    return Err(Refused::NotTheirs);
                }
                self.receptions
                    .iter_mut()
                    .find_map(|reception| reception.correct(*synthesis, text))
                    .unwrap_or(Err(Refused::NoSuchThing))
                    .map(Some)
            }
        }
    }

    /// Why it has ended; said once, by whoever ended it.
    fn give_reason(&mut self, who: &ProfessionalAddress, text: &str) -> Result<Option<()>, Refused> {
        match &mut self.phase {
            HandoverPhase::Declined { by, reason }
            | HandoverPhase::Withdrawn { by, reason }
            | HandoverPhase::Cleared { by, reason } => {
                if by != who {
                    return Err(Refused::NotTheirs);
                }
                if reason.is_some() {
                    return Err(Refused::Phase);
                }
                *reason = Some(text.to_owned());
                Ok(Some(()))
            }
            HandoverPhase::Open | HandoverPhase::Expired | HandoverPhase::Completed { .. } => Err(Refused::Phase),
        }
    }

    /// How it ended, when the members no longer hold it to stand.
    fn ended(&self, turn: &Turn<'_>, before: &OpenHandover) -> HandoverPhase {
        let there = turn.members.role(&self.from).is_some();
        let by = turn.by.cloned().unwrap_or_else(|| self.from.clone());
        let responsible = turn.after.responsible(turn.members.coordinator());
        let moved = there
            && before.is_ready()
            && !responsible.contains(&&self.from)
            && self.offer.to.iter().all(|to| responsible.contains(&to));
        if moved {
            return HandoverPhase::Completed { by };
        }
        if self.phase == HandoverPhase::Expired {
            return HandoverPhase::Expired;
        }
        if !there || by == self.from {
            HandoverPhase::Withdrawn { by: self.from.clone(), reason: None }
        } else if self.offer.to.contains(&by) {
            HandoverPhase::Declined { by, reason: None }
        } else {
            HandoverPhase::Cleared { by, reason: None }
        }
    }
}

/// A change of the group, as the handovers see it.
pub(super) struct Turn<'t> {
    pub(super) before: &'t Duties,
    pub(super) after: &'t Duties,
    pub(super) by: Option<&'t ProfessionalAddress>,
    pub(super) members: &'t Members,
}

impl Handovers {
    pub(super) fn say(
        &mut self,
        scene: &Scene<'_>,
        says: &HandoverSays,
        hash: ContentHash,
        duties: &Duties,
    ) -> Result<Outcome, Refused> {
        scene.takes_part()?;
        let id = match says {
            HandoverSays::Offer(offer) => {
                self.begin(scene.item, offered(scene, offer, hash, duties)?)?;
                scene.item
            }
            _ => {
                let id = says.handover().ok_or(Refused::NoSuchThing)?;
                let said = self.find_mut(id).ok_or(Refused::NoSuchThing)?.say(scene, says, hash)?;
                if said.is_none() {
                    return Ok(Outcome::Repeats);
                }
                id
            }
        };
        Ok(Outcome::Counts(vec![Thing::Handover(id)]))
    }

    /// Follows what the members have agreed on.
    pub(super) fn turn(&mut self, turn: &Turn<'_>) -> Vec<ItemId> {
        let (mut changed, mut ended) = (Vec::new(), Vec::new());
        for (id, handover) in self.open_mut() {
            let present = handover.clone();
            let theirs = |open: &&OpenHandover| open.hash == handover.hash && open.from == handover.from;
            match (turn.before.handover(id).filter(theirs), turn.after.handover(id).filter(theirs)) {
                (_, Some(after)) => {
                    handover.standing = true;
                    for receiver in &after.to {
                        let reception = handover.receptions.iter_mut().find(|one| one.who == receiver.who);
                        if let Some(reception) = reception {
                            reception.follow(receiver);
                        }
                    }
                }
                (Some(before), None) => {
                    handover.phase = handover.ended(turn, before);
                    ended.push(id);
                }
                (None, None) if turn.members.role(&handover.from).is_none() => {
                    handover.phase = HandoverPhase::Withdrawn { by: handover.from.clone(), reason: None };
                    ended.push(id);
                }
                (None, None) => {}
            }
            if *handover != present {
                changed.push(id);
            }
        }
        for id in ended {
            self.close(id);
        }
        changed
    }

    /// Not everybody was ready in time.
    pub(super) fn pass(&mut self, scene: &Scene<'_>, id: ItemId) -> Result<Outcome, Refused> {
        let handover = self.change(id)?;
        if handover.phase == HandoverPhase::Expired {
            return Ok(Outcome::Repeats);
        }
        let by = handover.deadline().ok_or(Refused::Phase)?;
        if scene.at < by {
            return Err(Refused::TooEarly);
        }
        handover.phase = HandoverPhase::Expired;
        if !handover.standing {
            self.close(id);
        }
        Ok(Outcome::Counts(vec![Thing::Handover(id)]))
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Due> {
        self.open().filter_map(|(handover, stands)| {
            Some(Due { deadline: Deadline::HandoverExpires { handover }, at: stands.deadline()? })
        })
    }
}

impl Handover {
    /// Until when every receiver has to be ready, while not every one is.
    fn deadline(&self) -> Option<Timestamp> {
        let waits = self.is_open() && self.receptions.iter().any(|reception| reception.ready.is_none());
        self.offer.accept_by.filter(|_| waits)
    }
}

fn offered(scene: &Scene<'_>, offer: &Offer, hash: ContentHash, duties: &Duties) -> Result<Handover, Refused> {
    let from = &scene.by.professional;
    let coordinator = scene.members.coordinator();
    if !duties.responsible(coordinator).contains(&from) {
        return Err(Refused::NotTheirs);
    }
    if offer.coordinator.is_some() && coordinator != Some(from) {
        return Err(Refused::Role);
    }
    for who in &offer.to {
        match scene.members.role(who) {
            None => return Err(Refused::NotAMember),
            Some(Role::Observer) => return Err(Refused::Role),
            Some(_) if who == from => return Err(Refused::NotTheirs),
            Some(_) => {}
        }
    }
    let receptions = offer.to.iter().cloned().map(Reception::new).collect();
    Ok(Handover {
        offer: offer.clone(),
        from: from.clone(),
        at: scene.at,
        hash,
        standing: false,
        receptions,
        questions: Vec::new(),
        phase: HandoverPhase::Open,
    })
}

says_nothing!(HandoverSays, Offer, Summary, SectionIndex, Handover, Question, HandoverPhase);
