//! Additions of one professional to several cases: a few at a time.
//!
//! A relay keeps a place in the joiner's inbox for each claim, and lets a device hold eight of them open for one
//! joiner. So a device has fewer than that under way; the other cases wait for their turn, which comes with each
//! addition that is made or has come to nothing. What is refused all the same, because an earlier life of this device
//! holds claims that nobody uses any more, is asked for again until they have expired.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, Timestamp};

use super::event::NotAdded;
use super::state::{Intent, Stage, Want};
use super::step::Step;
use crate::case::CaseId;
use crate::identity::SafetyNumber;
use crate::store::{Numbered, StoreError};

/// Additions of one professional that are under way at once: half of the claims that a relay lets a device hold open,
/// so that as many can be left over from before. An addition takes two answers of the relay; four at a time are forty
/// a second with a relay a twentieth of a second away.
const MOST_AT_ONCE: usize = 4;

/// Milliseconds until a device of which too many claims are open is claimed again, where others of its professional
/// were claimed and the relay named no time.
pub(super) const LATER: u64 = 5 * Timestamp::SECOND;

/// How often it is looked whether claims have expired, while additions wait for their turn.
const LOOK: u64 = 60 * Timestamp::SECOND;

/// Places that are kept for an addition.
#[derive(Clone)]
pub(super) struct Claimed {
    professional: ProfessionalAddress,
    /// Until then.
    until: Timestamp,
}

impl Claimed {
    /// What an intent of the outbox has claimed and the relay has not seen used.
    pub(super) fn by(intent: &Intent) -> Option<Self> {
        let Want::Add { professional, claimed: Some(devices), .. } = &intent.want else { return None };
        let used = matches!(&intent.stage, Stage::Submitted(submission) if submission.accepted.is_some());
        let until = devices.iter().map(|device| device.until).max().filter(|_| !used)?;
        Some(Self { professional: professional.clone(), until })
    }
}

impl Step<'_> {
    /// Whether one more addition of a professional can begin. If not, it begins when it can, and holds up what is
    /// said after it only while it waits for others of this device.
    pub(super) fn may_claim(&mut self, case: CaseId, id: i64, professional: &ProfessionalAddress) -> bool {
        if let Some(at) = self.session.claim_after.get(professional).filter(|at| **at > self.now) {
            self.session.retry_at.insert(id, *at);
            self.session.dirty.insert(case);
            return false;
        }
        let room = self.has_room(professional);
        if !room {
            self.session.additions.insert((professional.clone(), case));
        }
        room
    }

    fn has_room(&self, professional: &ProfessionalAddress) -> bool {
        let asked = self.session.claiming.values().filter(|who| *who == professional).count();
        let held = self.outgoing.values().flat_map(|outgoing| outgoing.claimed());
        let held = held.filter(|held| held.professional == *professional && held.until > self.now).count();
        asked + held < MOST_AT_ONCE
    }

    /// A case whose addition has waited for its turn, which has come.
    pub(super) fn next_addition(&mut self) -> Option<CaseId> {
        let (mut full, mut next) = (None, None);
        for (professional, case) in &self.session.additions {
            if full == Some(professional) {
                continue;
            }
            if self.has_room(professional) {
                next = Some((professional.clone(), *case));
                break;
            }
            full = Some(professional);
        }
        let next = next?;
        self.session.additions.remove(&next);
        Some(next.1)
    }

    /// Looks again after a while, if additions wait: what stands in their way may expire without anything happening.
    pub(super) fn plan_additions(&mut self) {
        if self.session.additions.is_empty() {
            self.session.additions_at = None;
        } else if self.session.additions_at.is_none_or(|at| at <= self.now) {
            self.session.additions_at = Some(self.now.plus(LOOK));
        }
    }

    /// Adds devices of which too many claims are open later, apart from those that are added now.
    pub(super) fn add_later(
        &mut self,
        case: CaseId,
        intent: &Intent,
        devices: impl IntoIterator<Item = DeviceId>,
    ) -> Result<(), StoreError> {
        for one in devices {
            let mut apart = intent.clone();
            if let Want::Add { device, claimed, .. } = &mut apart.want {
                (*device, *claimed) = (Some(one), None);
            }
            let id = self.append_intent(case, &apart)?;
            self.session.retry_at.insert(id, self.now.plus(LATER));
        }
        Ok(())
    }

    /// The number that the user has typed is not a device's: it is added to no other case by it either. Each claim
    /// would stand in the way of the right number for an hour.
    pub(super) fn forget_number(&mut self, device: DeviceId, number: SafetyNumber) -> Result<(), StoreError> {
        let professional = self.party.address().professional.clone();
        for case in self.tx.rows().cases()? {
            for Numbered { id, value: intent } in self.intents(case)? {
                let Want::Add { device: Some(one), claimed: None, .. } = &intent.want else { continue };
                let same = *one == device && intent.number == Some(number);
                if same && !self.session.claiming.contains_key(&id) {
                    self.not_added(case, &professional, Some(device), NotAdded::OtherNumber);
                    self.delete_intent(case, id, &intent.want)?;
                    self.session.dirty.insert(case);
                }
            }
        }
        Ok(())
    }
}
