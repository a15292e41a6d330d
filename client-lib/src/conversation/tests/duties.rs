//! Who answers for the family: handovers step by step, who is bound, the case's end.

use super::harness::{World, who};
use crate::case::{
    CaseStatus, ClosingStage, ContentHash, DutyRefused, DutyStep, FileStatement, ItemDraft, ItemId, OpenHandover,
    Receiver, Role,
};
use crate::conversation::{Command, CommandError, Dropped, Event, StepError};
use crate::mls::group::{Group, Plan};

pub(super) const OFFER: ItemId = ItemId([0x0f; 16]);

pub(super) fn offer(world: &World, from: usize, to: &[usize], coordinator: Option<usize>) -> OpenHandover {
    let address = |index: usize| world.devices[index].address.professional.clone();
    let mut receivers: Vec<_> =
        to.iter().map(|index| Receiver { who: address(*index), understood: None, ready: None }).collect();
    receivers.sort_by(|one, other| one.who.cmp(&other.who));
    OpenHandover {
        offer: OFFER,
        hash: ContentHash::of(b"offer"),
        from: address(from),
        to: receivers,
        coordinator: coordinator.map(address),
    }
}

impl World {
    pub(super) fn take(&mut self, index: usize, step: DutyStep) {
        let case = self.case;
        self.command(index, Command::Duty { case, before: Vec::new(), step, after: Vec::new() });
        self.settle();
    }

    fn cannot(&mut self, index: usize, step: DutyStep) -> DutyRefused {
        let command = Command::Duty { case: self.case, before: Vec::new(), step, after: Vec::new() };
        match self.try_command(index, command) {
            Err(StepError::Command(CommandError::Duty(refused))) => refused,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Offers, confirms and readies; what is left is to complete.
    pub(super) fn ready(&mut self, from: usize, to: &[usize], coordinator: Option<usize>) {
        let handover = offer(self, from, to, coordinator);
        self.take(from, DutyStep::Offer(handover));
        for index in to {
            let receiver = self.devices[*index].address.professional.clone();
            let synthesis = ContentHash::of(b"in my own words");
            self.take(from, DutyStep::Confirm { offer: OFFER, receiver: receiver.clone(), synthesis });
            self.take(*index, DutyStep::Ready { offer: OFFER, receiver, start: self.now });
        }
    }

    pub(super) fn hand_over(&mut self, from: usize, to: &[usize], coordinator: Option<usize>) {
        self.ready(from, to, coordinator);
        self.take(from, DutyStep::Complete { offer: OFFER });
    }

    pub(super) fn responsible(&self, index: usize) -> Vec<String> {
        let (responsible, _) = self.core(index).duties(self.case).unwrap().unwrap();
        responsible.iter().map(|who| who.name().to_owned()).collect()
    }
}

#[test]
fn responsibility_and_the_coordinators_role_move_with_one_commit() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    world.ready(0, &[1, 2], Some(1));
    for index in 0..3 {
        assert_eq!(world.responsible(index), ["anne"], "until it is completed");
    }
    let epoch = world.core(0).case(world.case).unwrap().unwrap().epoch;
    world.take(0, DutyStep::Complete { offer: OFFER });
    assert_eq!(world.core(0).case(world.case).unwrap().unwrap().epoch, epoch.next(), "one record, nothing between");
    for index in 0..3 {
        assert_eq!(world.responsible(index), ["bert", "cees"]);
        let roles: Vec<_> = world.core(index).members(world.case).unwrap().iter().map(|member| member.role).collect();
        assert_eq!(roles, [Role::Deputy, Role::Coordinator, Role::Member]);
        let steps = world.devices[index]
            .events
            .iter()
            .filter(|event| matches!(event, Event::Duties { step: Some(DutyStep::Complete { .. }), .. }));
        assert_eq!(steps.count(), 1);
    }
    world.agree(&[0, 1, 2]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn each_step_of_a_handover_belongs_to_somebody_and_has_its_turn() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let synthesis = ContentHash::of(b"x");
    let (bert, cees) = (who("bert"), who("cees"));
    let wrong = offer(&world, 1, &[2], None);
    assert_eq!(world.cannot(1, DutyStep::Offer(wrong)), DutyRefused::NotResponsible);
    let oneself = offer(&world, 0, &[0], None);
    assert_eq!(world.cannot(0, DutyStep::Offer(oneself)), DutyRefused::Receivers);
    let right = offer(&world, 0, &[1], None);
    world.take(0, DutyStep::Offer(right));
    assert_eq!(world.cannot(0, DutyStep::Complete { offer: OFFER }), DutyRefused::NotReady);
    let ready = |receiver: &kring_protocol::address::ProfessionalAddress, world: &World| DutyStep::Ready {
        offer: OFFER,
        receiver: receiver.clone(),
        start: world.now,
    };
    let step = ready(&bert, &world);
    assert_eq!(world.cannot(1, step.clone()), DutyRefused::NotUnderstood);
    let confirm = |receiver| DutyStep::Confirm { offer: OFFER, receiver, synthesis };
    assert_eq!(world.cannot(1, confirm(bert.clone())), DutyRefused::NotYours, "the sender confirms");
    assert_eq!(world.cannot(0, confirm(cees.clone())), DutyRefused::NotYours, "not a receiver");
    world.take(0, confirm(bert.clone()));
    assert_eq!(world.cannot(0, step.clone()), DutyRefused::NotYours, "nobody is ready for another");
    let other = ready(&cees, &world);
    assert_eq!(world.cannot(2, other), DutyRefused::NotYours);
    world.take(1, step);
    assert_eq!(world.cannot(2, DutyStep::Complete { offer: OFFER }), DutyRefused::NotYours);
    assert_eq!(world.cannot(2, DutyStep::End { offer: OFFER }), DutyRefused::NotYours);
    world.take(1, DutyStep::Complete { offer: OFFER });
    assert_eq!(world.responsible(2), ["bert"], "a receiver completes as well: the sender may be gone for the night");
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_ready_receiver_who_is_lost_reopens_the_handover() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.ready(0, &[1, 2], None);
    world.command(2, Command::Leave { case });
    world.pass(2_000);
    assert_eq!(world.core(2).case(case).unwrap().unwrap().status, CaseStatus::Left);
    let (_, duties) = world.core(1).duties(case).unwrap().unwrap();
    let lost = duties.handover(OFFER).unwrap().receiver(&who("cees")).unwrap().clone();
    assert!(lost.understood.is_none() && lost.ready.is_none());
    assert_eq!(world.cannot(0, DutyStep::Complete { offer: OFFER }), DutyRefused::NotReady);
    world.take(0, DutyStep::End { offer: OFFER });
    assert!(world.core(1).duties(case).unwrap().unwrap().1.handovers().is_empty());
    assert_eq!(world.responsible(1), ["anne"]);
    world.agree(&[0, 1]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn of_a_completion_and_a_withdrawal_at_the_same_moment_the_first_commit_counts() {
    for order in [[0usize, 1], [1, 0]] {
        let mut world = World::together(&["anne", "bert"]);
        let case = world.case;
        world.ready(0, &[1], None);
        // Both are built before either is at the relay.
        let step = |step| Command::Duty { case, before: Vec::new(), step, after: Vec::new() };
        world.command(0, step(DutyStep::End { offer: OFFER }));
        world.command(1, step(DutyStep::Complete { offer: OFFER }));
        for index in order {
            assert!(world.turn(index));
        }
        world.settle();
        let expected = if order[0] == 0 { "anne" } else { "bert" };
        assert_eq!(
            (world.responsible(0), world.responsible(1)),
            (vec![expected.to_owned()], vec![expected.to_owned()])
        );
        let loser = order[1];
        let dropped =
            |event: &Event| matches!(event, Event::Dropped { reason: Dropped::Duty(DutyRefused::NoHandover), .. });
        assert!(world.devices[loser].events.iter().any(dropped), "and the other is told");
        world.agree(&[0, 1]);
        assert_eq!(world.suspicions(), 0);
    }
}

#[test]
fn who_alone_is_responsible_cannot_be_removed() {
    let mut world = World::together_as(&["anne", "bert", "cees"], Role::Deputy);
    let case = world.case;
    world.hand_over(0, &[1], None);
    let remove = Command::Remove { case, professional: who("bert"), device: None };
    let refused = world.try_command(0, remove);
    assert!(matches!(refused, Err(StepError::Command(CommandError::SoleResponsible))));
    let leave = world.try_command(1, Command::Leave { case });
    assert!(matches!(leave, Err(StepError::Command(CommandError::SoleResponsible))));
    // Beside somebody else it can.
    let mut both = offer(&world, 1, &[0, 2], None);
    both.offer = ItemId([0x0e; 16]);
    let again = both.offer;
    world.take(1, DutyStep::Offer(both));
    for index in [0, 2] {
        let receiver = world.devices[index].address.professional.clone();
        let synthesis = ContentHash::of(b"y");
        world.take(1, DutyStep::Confirm { offer: again, receiver: receiver.clone(), synthesis });
        world.take(index, DutyStep::Ready { offer: again, receiver, start: world.now });
    }
    world.take(1, DutyStep::Complete { offer: again });
    world.command(1, Command::Leave { case });
    world.pass(2_000);
    assert_eq!(world.core(1).case(case).unwrap().unwrap().status, CaseStatus::Left);
    assert_eq!(world.responsible(2), ["anne", "cees"]);
    assert_eq!(world.suspicions(), 0);
}

/// A member that commits what its program would not: everybody else refuses it.
fn beside_the_gate(world: &mut World, index: usize, change: impl FnOnce(&mut crate::mls::context::CaseContext)) {
    let (group, ..) = world.core(index).authenticator(world.case).unwrap().unwrap();
    let core = world.devices[index].core.as_mut().unwrap();
    let tx = core.store.begin().unwrap();
    let mut mls = Group::load(&tx.rows(), group).unwrap().unwrap();
    let mut context = mls.context().unwrap();
    change(&mut context);
    let plan = Plan { context: Some(context), ..Plan::default() };
    let (message, key) = mls.commit_beside_the_gate(&core.party, &tx, plan);
    drop(tx);
    let operation = kring_protocol::ids::OperationId(rand::random());
    let now = world.now;
    world.relay.append(group, operation, message.into(), Some(key), now).unwrap();
    world.disconnect(index);
    world.settle();
}

/// A change of the context that nobody may make.
type Attempt = Box<dyn Fn(&mut crate::mls::context::CaseContext)>;

#[test]
fn nobody_gives_or_takes_responsibility_beside_a_handover() {
    let refused =
        |world: &World| world.devices[1].events.iter().any(|event| matches!(event, Event::CommitRefused { .. }));
    let attempts: Vec<Attempt> = vec![
        Box::new(|context| context.duties.responsible = vec![who("cees")]),
        Box::new(|context| context.duties.responsible.push(who("cees"))),
        Box::new(|context| {
            context.duties.handovers[0].to[0].ready = Some(kring_protocol::ids::Timestamp(1));
            context.duties.handovers[0].to[0].understood = Some(ContentHash::of(b"not said"));
        }),
        Box::new(|context| {
            context.duties.handovers.clear();
            context.duties.responsible = vec![who("bert")];
        }),
    ];
    for (number, attempt) in attempts.into_iter().enumerate() {
        for by in [0, 2] {
            let mut world = World::together(&["anne", "bert", "cees"]);
            let handover = offer(&world, 0, &[1], None);
            world.take(0, DutyStep::Offer(handover));
            beside_the_gate(&mut world, by, &*attempt);
            assert!(refused(&world), "attempt {number} by {by}");
            assert_eq!(world.responsible(1), ["anne"]);
        }
    }
}

#[test]
fn a_removal_that_leaves_the_gone_in_the_roles_is_refused() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let (group, ..) = world.core(0).authenticator(world.case).unwrap().unwrap();
    let core = world.devices[0].core.as_mut().unwrap();
    let tx = core.store.begin().unwrap();
    let mut mls = Group::load(&tx.rows(), group).unwrap().unwrap();
    let seats = mls.seats(&core.party).unwrap();
    let cees = seats.iter().find(|seat| seat.device.address().professional == who("cees")).unwrap().index;
    let plan = Plan { remove: vec![cees], ..Plan::default() };
    let (message, key) = mls.commit_beside_the_gate(&core.party, &tx, plan);
    drop(tx);
    let now = world.now;
    world.relay.append(group, kring_protocol::ids::OperationId([9; 16]), message.into(), Some(key), now).unwrap();
    world.disconnect(0);
    world.settle();
    assert!(world.devices[1].events.iter().any(|event| matches!(event, Event::CommitRefused { .. })));
}

#[test]
fn who_is_gone_has_no_role_any_more() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.command(2, Command::Leave { case });
    world.pass(2_000);
    world.command(0, Command::Remove { case, professional: who("bert"), device: None });
    world.settle();
    let (group, ..) = world.core(0).authenticator(case).unwrap().unwrap();
    let core = world.devices[0].core.as_mut().unwrap();
    let tx = core.store.begin().unwrap();
    let context = Group::load(&tx.rows(), group).unwrap().unwrap().context().unwrap();
    assert_eq!(context.roles(), [(who("anne"), Role::Coordinator)]);
    drop(tx);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_case_is_closed_once_every_organisation_has_stated_and_is_read_only_then() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    let handover = offer(&world, 0, &[1], None);
    world.take(0, DutyStep::Offer(handover));
    assert_eq!(world.cannot(0, DutyStep::ProposeClosing { keep_days: 30 }), DutyRefused::HandoversOpen);
    world.take(1, DutyStep::End { offer: OFFER });
    assert_eq!(world.cannot(1, DutyStep::ProposeClosing { keep_days: 30 }), DutyRefused::Role);
    world.take(0, DutyStep::ProposeClosing { keep_days: 30 });
    assert_eq!(world.cannot(0, DutyStep::Close), DutyRefused::Statements);
    let organisation = "zorg.example".to_owned();
    let other = "politie.example".to_owned();
    let statement = FileStatement::Exported;
    assert_eq!(world.cannot(1, DutyStep::State { organisation: other, statement }), DutyRefused::OtherOrganisation);
    world.take(1, DutyStep::State { organisation: organisation.clone(), statement });
    assert_eq!(world.cannot(0, DutyStep::Erase), DutyRefused::Stage);
    world.say(1, "nog een woord");
    world.settle();
    world.take(0, DutyStep::Close);
    let send = Command::Send { case, item: ItemId::random(), draft: ItemDraft::markdown("te laat") };
    assert!(matches!(world.try_command(1, send), Err(StepError::Command(CommandError::Closed))));
    assert_eq!(world.texts(0), ["nog een woord"]);
    world.take(1, DutyStep::Hold { organisation: organisation.clone() });
    assert_eq!(world.cannot(0, DutyStep::Erase), DutyRefused::Held);
    world.take(0, DutyStep::Lift { organisation });
    let (_, duties) = world.core(1).duties(case).unwrap().unwrap();
    assert_eq!(duties.stage(), Some(ClosingStage::Closed));
    assert_eq!(duties.closing().unwrap().keep_days, 30);
    world.agree(&[0, 1]);
    assert_eq!(world.suspicions(), 0);
}
