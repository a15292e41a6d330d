//! What people do in a case besides talking: they hand over, raise alerts, write plans and take tasks. Somebody who could
//! do something is chosen from what the devices show their users, so that things go on to their end.

use kring_client::case::alert::{Acknowledging, AlertPhase, AlertSays, Level, Raise, Rung};
use kring_client::case::handover::{HandoverSays, HandoverWaits, Offer, Summary, Urgency};
use kring_client::case::plan::{Phase, PlanContent, PlanPhase, PlanSays};
use kring_client::case::task::{TaskPhase, TaskSays};
use kring_client::case::{CaseId, CaseState, CaseStatus, DutyStep, ItemDraft, ItemId, Role, Statement};
use kring_client::conversation::Command;
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use rand::Rng as _;

use super::play::{case_id, owner};
use super::region::region;
use super::world::World;

/// The one function of the simulated region.
const FUNCTION: &str = "youth-care";
const MINUTE: u64 = 60 * Timestamp::SECOND;

/// Something that somebody could do.
enum Deed {
    Says(Statement),
    Takes(DutyStep),
    Offers(Offer),
}

/// Who looks at a case, and what they see.
struct View<'a> {
    state: &'a CaseState,
    own: &'a ProfessionalAddress,
    now: Timestamp,
}

impl View<'_> {
    fn role(&self) -> Option<Role> {
        self.state.members().role(self.own)
    }

    /// The next steps of handovers that are this person's.
    fn handovers(&self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for (id, handover) in self.state.open_handovers() {
            for waits in handover.waits_for(self.own) {
                deeds.push(match waits {
                    HandoverWaits::Open => {
                        Deed::Says(handover_says(HandoverSays::Opened { handover: id, section: 0 }))
                    }
                    HandoverWaits::Synthesis => {
                        let text = "in eigen woorden".to_owned();
                        Deed::Says(handover_says(HandoverSays::Synthesis { handover: id, text }))
                    }
                    HandoverWaits::Ready => {
                        let (receiver, start) = (self.own.clone(), self.now);
                        Deed::Takes(DutyStep::Ready { offer: id, receiver, start })
                    }
                    HandoverWaits::Confirm => {
                        let waiting = handover.receptions.iter().find(|reception| reception.is_to_be_confirmed());
                        let Some((receiver, synthesis)) =
                            waiting.and_then(|waiting| Some((waiting.who.clone(), waiting.synthesis.as_ref()?.hash)))
                        else {
                            continue;
                        };
                        Deed::Takes(DutyStep::Confirm { offer: id, receiver, synthesis })
                    }
                    HandoverWaits::Complete => Deed::Takes(DutyStep::Complete { offer: id }),
                    HandoverWaits::Answer => continue,
                });
            }
        }
        deeds
    }

    fn ends(&self) -> Vec<Deed> {
        self.state.open_handovers().map(|(offer, _)| Deed::Takes(DutyStep::End { offer })).collect()
    }

    fn alerts(&self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for (alert, open) in self.state.open_alerts() {
            let how = if open.step == 0 { Acknowledging::SeenOnly } else { Acknowledging::TakesAction };
            deeds.push(AlertSays::Acknowledge { alert, how, next_update_by: None });
            if open.phase == AlertPhase::Acknowledged {
                deeds.push(AlertSays::Resolve { alert, outcome: "veilig".to_owned() });
            }
        }
        if deeds.is_empty() {
            let ladder = vec![Rung { function: FUNCTION.to_owned(), after: 2 * MINUTE }];
            deeds.push(AlertSays::Raise(Raise {
                level: Level::Acute,
                what: "dreiging".to_owned(),
                functions: vec![FUNCTION.to_owned()],
                ack_by: self.now.plus(MINUTE),
                ladder,
                action: "ga langs".to_owned(),
            }));
        }
        deeds.into_iter().map(|says| Deed::Says(Statement::Alert(says))).collect()
    }

    fn tasks(&self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for (task, open) in self.state.open_tasks() {
            match open.phase {
                TaskPhase::Open | TaskPhase::Declined { .. } => deeds.push(TaskSays::Accept { task }),
                TaskPhase::Accepted => deeds.push(TaskSays::Done { task, result: String::new() }),
                TaskPhase::Done { .. } => deeds.push(TaskSays::Verify { task }),
                _ => {}
            }
        }
        let due = Some(self.now.plus(10 * MINUTE));
        deeds.push(TaskSays::Create { title: "bellen".to_owned(), text: String::new(), owner: None, due });
        deeds.into_iter().map(|says| Deed::Says(Statement::Task(says))).collect()
    }

    fn plans(&self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for (plan, open) in self.state.open_plans() {
            let hash = open.hash;
            match open.phase {
                PlanPhase::Draft => {
                    deeds.push(PlanSays::Propose { plan, hash, functions: vec![FUNCTION.to_owned()] });
                }
                PlanPhase::Proposed => deeds.push(PlanSays::Approve { plan, hash }),
                _ => {}
            }
        }
        let parents = self.state.active_plan().into_iter().map(|(plan, _)| plan).collect();
        deeds.push(PlanSays::Draft { parents, plan: content(self.now) });
        deeds.into_iter().map(|says| Deed::Says(Statement::Plan(says))).collect()
    }
}

fn handover_says(says: HandoverSays) -> Statement {
    Statement::Handover(says)
}

fn content(now: Timestamp) -> PlanContent {
    PlanContent {
        phase: Phase::Direct,
        worry: "zorg".to_owned(),
        conditions: Vec::new(),
        agreements: Vec::new(),
        triggers: Vec::new(),
        emergency: Vec::new(),
        network: Vec::new(),
        review: now.plus(Timestamp::DAY),
        order_ends: None,
    }
}

impl World {
    /// Somebody in the case does something that they can do.
    pub(super) fn act(&mut self, case: usize) {
        let case = case_id(case);
        let what = self.dice.random_range(0..12);
        let mut choices = Vec::new();
        for device in 0..self.devices.len() {
            if let Some((state, own)) = self.seen_by(device, case) {
                let view = View { state: &state, own: &own, now: self.time_of(device) };
                if view.role().is_none_or(|role| role == Role::Observer) {
                    continue;
                }
                let deeds = match what {
                    0..6 => view.handovers(),
                    6 => view.ends(),
                    7..9 => view.alerts(),
                    9..11 => view.tasks(),
                    _ => view.plans(),
                };
                choices.extend(deeds.into_iter().map(|deed| (device, deed)));
            }
        }
        if choices.is_empty() && what < 6 {
            choices.extend(self.offers(case).map(|(device, offer)| (device, Deed::Offers(offer))));
        }
        if choices.is_empty() {
            return;
        }
        let (device, deed) = choices.swap_remove(self.dice.random_range(0..choices.len()));
        self.do_deed(device, case, deed);
    }

    fn seen_by(&self, device: usize, case: CaseId) -> Option<(CaseState, ProfessionalAddress)> {
        let own = &self.devices[device];
        let core = own.core.as_ref().filter(|_| !self.revoked.contains(&device))?;
        core.case(case).ok().flatten().filter(|view| view.status == CaseStatus::Open)?;
        Some((core.state(case).ok()?, own.address.professional.clone()))
    }

    /// Somebody who is responsible hands over. Who is to receive it is not lost from then on: nobody could take the family
    /// over from somebody who is gone for ever and alone responsible.
    fn offers(&mut self, case: CaseId) -> Option<(usize, Offer)> {
        let mut from = Vec::new();
        for device in 0..self.devices.len() {
            if let Some((state, own)) = self.seen_by(device, case)
                && state.open_handovers().next().is_none()
                && state.responsible().contains(&&own)
            {
                from.push((device, state, own));
            }
        }
        if from.is_empty() {
            return None;
        }
        let (device, state, own) = from.swap_remove(self.dice.random_range(0..from.len()));
        let gone = |device: usize| self.devices[device].damaged || self.revoked.contains(&device);
        let whole = |first: usize| {
            (0..self.devices.len()).filter(|device| owner(*device) == first).all(|device| !gone(device))
        };
        let mut to: Vec<(bool, usize)> = (0..self.devices.len())
            .filter(|first| owner(*first) == *first && whole(*first))
            .map(|first| (!self.coordinators.contains(&first), first))
            .filter(|(_, first)| {
                let people = region();
                let who = &people.person(*first).address.professional;
                let takes_part = state
                    .members()
                    .person(who)
                    .is_some_and(|person| person.present.is_some() && person.role != Role::Observer);
                *who != own && takes_part
            })
            .collect();
        to.sort_unstable();
        to.truncate(if self.dice.random_ratio(1, 5) { 2 } else { 1 });
        let first = to.first()?.1;
        let coordinates = state.members().coordinator() == Some(&own);
        let with_role = coordinates && self.dice.random_ratio(1, 3);
        self.coordinators.extend(to.iter().map(|(_, first)| *first));
        let address = |first: usize| region().person(first).address.professional.clone();
        let mut receivers: Vec<_> = to.iter().map(|(_, first)| address(*first)).collect();
        receivers.sort();
        let accept_by = self.dice.random_ratio(1, 3).then(|| self.time_of(device).plus(20 * MINUTE));
        let offer = Offer {
            to: receivers,
            coordinator: with_role.then(|| address(first)),
            scope: "regie".to_owned(),
            urgency: Urgency::Soon,
            summary: Summary::default(),
            actions: Vec::new(),
            contingency: String::new(),
            start_by: None,
            accept_by,
            dossier: Vec::new(),
        };
        Some((device, offer))
    }

    fn do_deed(&mut self, device: usize, case: CaseId, deed: Deed) {
        let life = self.devices[device].life.number;
        match deed {
            Deed::Says(statement) => {
                let (item, draft): (ItemId, ItemDraft) = (ItemId::random(), statement.draft());
                if self.command(device, Command::Send { case, item, draft }) {
                    self.truth.wants_in_any_order(item, device, life, case);
                }
            }
            Deed::Takes(step) => {
                self.command(device, Command::Duty { case, before: Vec::new(), step, after: Vec::new() });
            }
            Deed::Offers(offer) => {
                let item = ItemId::random();
                let statement = Statement::Handover(HandoverSays::Offer(Box::new(offer.clone())));
                let from = self.devices[device].address.professional.clone();
                let step = DutyStep::Offer(offer.step(item, statement.hash(), from));
                let before = vec![(item, statement.draft())];
                if self.command(device, Command::Duty { case, before, step, after: Vec::new() }) {
                    self.truth.wants_in_any_order(item, device, life, case);
                }
            }
        }
    }
}
