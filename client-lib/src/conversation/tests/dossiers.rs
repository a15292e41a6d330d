//! Handovers with their dossiers: chosen, shown, sent, received, opened, proven.

use super::harness::{World, who};
use crate::case::dossier::{
    Chosen, DossierChoice, DossierError, DossierSection, DossierSuggestion, EntryChoice, SectionChoice, Unproven,
};
use crate::case::handover::{HandoverPhase, HandoverSays, HandoverStage, Offer, Summary, Urgency};
use crate::case::{Body, Deadline, DutyStep, ItemDraft, ItemId, Position, Role, Sensitivity, Statement};
use crate::conversation::{Command, CommandError, Event, StepError};
use kring_protocol::ids::Timestamp;

fn offer(to: &[&str]) -> Offer {
    Offer {
        to: to.iter().map(|name| who(name)).collect(),
        coordinator: None,
        scope: "de zorg".to_owned(),
        urgency: Urgency::Soon,
        summary: Summary::default(),
        actions: Vec::new(),
        contingency: String::new(),
        start_by: None,
        accept_by: None,
        dossier: Vec::new(),
    }
}

impl World {
    fn suggestion(&self, index: usize) -> DossierSuggestion {
        self.core(index).suggest_dossier(self.case, "het dossier van het gezin", "overdracht").unwrap()
    }

    /// Offers a handover with a dossier.
    fn offers(&mut self, index: usize, offer: Offer, choice: &DossierChoice) -> ItemId {
        let case = self.case;
        let (parts, offer) = self.core(index).pack_dossier(case, choice, offer).unwrap().unwrap();
        let item = ItemId::random();
        let says = Statement::Handover(HandoverSays::Offer(Box::new(offer.clone())));
        let step = DutyStep::Offer(offer.step(item, says.hash(), self.devices[index].address.professional.clone()));
        let mut before: Vec<_> = parts.iter().map(|part| (ItemId::random(), part.draft())).collect();
        before.push((item, says.draft()));
        self.retry(index, |case| Command::Duty {
            case,
            before: before.clone(),
            step: step.clone(),
            after: Vec::new(),
        });
        self.settle();
        item
    }

    fn section(&self, index: usize, handover: ItemId, section: u64) -> Result<DossierSection, DossierError> {
        self.core(index).dossier_section(self.case, handover, section).unwrap()
    }

    /// Opens everything, writes the synthesis, has it confirmed, is ready.
    fn takes_over(&mut self, index: usize, from: usize, handover: ItemId) {
        let sections = self.state(index).handover(handover).unwrap().offer.dossier.len() as u64;
        for section in 0..sections {
            self.states(index, &Statement::Handover(HandoverSays::Opened { handover, section }));
        }
        let text = "ik weet wat er is".to_owned();
        self.states(index, &Statement::Handover(HandoverSays::Synthesis { handover, text }));
        self.settle();
        let receiver = self.devices[index].address.professional.clone();
        let stands = self.state(from).handover(handover).unwrap().clone();
        let synthesis = stands.reception(&receiver).unwrap().synthesis.as_ref().unwrap().hash;
        self.take(from, DutyStep::Confirm { offer: handover, receiver: receiver.clone(), synthesis });
        self.take(index, DutyStep::Ready { offer: handover, receiver, start: self.now });
    }
}

fn texts(section: &DossierSection) -> Vec<(String, String)> {
    let text = |entry: &crate::case::dossier::DossierEntry| {
        let said = entry.said.as_ref().unwrap();
        (said.author.professional.name().to_owned(), said.body.text().unwrap().to_owned())
    };
    section.entries.iter().map(text).collect()
}

#[test]
fn a_late_joiner_gets_the_story_with_its_authors_and_hands_it_on() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.say(0, "de moeder belde");
    world.say(1, "de school ook");
    let long = "x".repeat(200 * 1024);
    world.say(2, &long);
    world.settle();
    // Somebody who said something is gone before the story is told.
    world.command(2, Command::Leave { case });
    world.pass(2_000);
    let dora = world.device("dora", 1);
    world.settle();
    world.add(0, "dora", Role::Member);
    world.settle();
    assert!(world.texts(dora).is_empty(), "a joiner has no history");

    let suggestion = world.suggestion(0);
    assert!(suggestion.restricted.is_empty());
    let shown = world.core(0).preview_dossier(case, &suggestion.choice).unwrap().unwrap();
    let handover = world.offers(0, offer(&["dora"]), &suggestion.choice);
    assert_eq!(world.state(dora).handover(handover).unwrap().stage(), HandoverStage::Received, "said by the device");
    let section = world.section(dora, handover, 0).unwrap();
    assert!(shown == [section.clone()], "what was shown is what is read");
    let expected = [("anne", "de moeder belde"), ("bert", "de school ook"), ("cees", long.as_str())];
    assert_eq!(texts(&section), expected.map(|(who, text)| (who.to_owned(), text.to_owned())));
    let parts = world.state(dora).handover(handover).unwrap().offer.dossier[0].parts.len();
    assert!(parts > 1, "larger than one item");

    world.takes_over(dora, 0, handover);
    assert_eq!(world.responsible(1), ["anne"]);
    world.take(dora, DutyStep::Complete { offer: handover });
    assert_eq!(world.responsible(1), ["dora"]);
    world.same_state(&[0, 1, dora]);

    // The joiner hands on what it was handed: the authors are still the first ones.
    let entry = |entry| EntryChoice {
        what: Chosen::Entry { handover, section: 0, entry },
        source: "van anne".to_owned(),
        purpose: "overdracht".to_owned(),
        although_restricted: false,
    };
    let choice = DossierChoice {
        sections: vec![SectionChoice { title: "verhaal".to_owned(), entries: vec![entry(2), entry(0)] }],
    };
    let again = world.offers(dora, offer(&["bert"]), &choice);
    let section = world.section(1, again, 0).unwrap();
    assert_eq!(texts(&section)[1], ("anne".to_owned(), "de moeder belde".to_owned()));
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn restricted_items_are_handed_over_one_by_one_and_what_was_taken_back_not_at_all() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    let restricted = ItemDraft { sensitivity: Sensitivity::Restricted, ..ItemDraft::markdown("alleen voor u") };
    world.command(0, Command::Send { case, item: ItemId([1; 16]), draft: restricted });
    world.command(0, Command::Send { case, item: ItemId([2; 16]), draft: ItemDraft::markdown("verschreven") });
    let better = ItemDraft { replaces: Some(ItemId([2; 16])), ..ItemDraft::markdown("goed geschreven") };
    world.command(0, Command::Send { case, item: ItemId([3; 16]), draft: better });
    world.settle();
    let suggestion = world.suggestion(0);
    assert_eq!(suggestion.restricted, [Position(1)]);
    let shown = world.core(0).preview_dossier(case, &suggestion.choice).unwrap().unwrap();
    assert_eq!(texts(&shown[0]), [("anne".to_owned(), "goed geschreven".to_owned())]);
    let choose = |position, although_restricted| DossierChoice {
        sections: vec![SectionChoice {
            title: "geschiedenis".to_owned(),
            entries: vec![EntryChoice {
                what: Chosen::Item(Position(position)),
                source: "s".to_owned(),
                purpose: "p".to_owned(),
                although_restricted,
            }],
        }],
    };
    let packed = |choice| world.core(0).preview_dossier(case, &choice).unwrap().map(|sections| sections.len());
    assert_eq!(packed(choose(1, false)), Err(DossierError::Restricted(Position(1))));
    assert_eq!(packed(choose(1, true)), Ok(1));
    assert_eq!(packed(choose(2, true)), Err(DossierError::TakenBack(Position(2))));
    assert_eq!(packed(choose(9, true)), Err(DossierError::NoSuchThing));
}

#[test]
fn what_nobody_said_is_not_shown_as_said_by_them() {
    use crate::case::dossier::{Section, pack};
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.say(1, "dat zei ik");
    world.settle();
    let core = world.core(0);
    let stored = core.store.read().items::<crate::conversation::state::StoredItem>(case, Position(0), 1).unwrap();
    let stored = stored.into_iter().next().unwrap().1;
    let chains = core.store.read().chains::<Vec<serde_bytes::ByteBuf>>(case, &world.devices[1].address).unwrap();
    let own = core.store.read().chains::<Vec<serde_bytes::ByteBuf>>(case, &world.devices[0].address).unwrap();
    let choice = EntryChoice {
        what: Chosen::Item(Position(1)),
        source: "s".to_owned(),
        purpose: "p".to_owned(),
        although_restricted: false,
    };
    let mut section = Section::new("verzonnen".to_owned());
    section.push(&chains[0], &choice, Timestamp(1), stored.signed.clone());
    let mut changed = stored.signed.to_vec();
    let at = changed.windows(3).position(|window| window == b"dat").unwrap();
    changed[at] = b'w';
    section.push(&chains[0], &choice, Timestamp(1), serde_bytes::ByteBuf::from(changed));
    section.push(&own[0], &choice, Timestamp(1), stored.signed.clone());
    section.push(&[serde_bytes::ByteBuf::from(vec![1, 2, 3])], &choice, Timestamp(1), stored.signed);
    let packed = pack(&[section]).unwrap();
    let mut lie = offer(&["bert"]);
    lie.dossier = packed.index;
    let item = ItemId::random();
    let says = Statement::Handover(HandoverSays::Offer(Box::new(lie)));
    for part in packed.parts {
        world.states(0, &part);
    }
    world.command(0, Command::Send { case, item, draft: says.draft() });
    world.settle();
    let read = world.section(1, item, 0).unwrap();
    let outcomes: Vec<_> =
        read.entries.iter().map(|entry| entry.said.as_ref().map(|_| ()).map_err(|why| *why)).collect();
    assert_eq!(outcomes, [Ok(()), Err(Unproven::Signature), Err(Unproven::Signature), Err(Unproven::Certificate)]);
}

#[test]
fn a_dossier_with_a_part_missing_is_neither_received_nor_read() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.say(0, &"y".repeat(200 * 1024));
    world.settle();
    let choice = world.suggestion(0).choice;
    let (parts, offer) = world.core(0).pack_dossier(case, &choice, offer(&["bert"])).unwrap().unwrap();
    let item = ItemId::random();
    let says = Statement::Handover(HandoverSays::Offer(Box::new(offer)));
    world.states(0, &parts[0]);
    world.command(0, Command::Send { case, item, draft: says.draft() });
    world.settle();
    assert_eq!(world.section(1, item, 0).err(), Some(DossierError::Incomplete));
    assert_eq!(world.state(1).handover(item).unwrap().stage(), HandoverStage::Offered);
    for part in &parts[1..] {
        world.states(0, part);
    }
    world.settle();
    assert!(world.section(1, item, 0).is_ok());
    assert_eq!(world.state(0).handover(item).unwrap().stage(), HandoverStage::Received);
}

#[test]
fn a_handover_that_nobody_takes_in_time_expires_and_its_sender_clears_it_away() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let mut late = offer(&["bert"]);
    late.accept_by = Some(world.now.plus(60 * Timestamp::SECOND));
    let handover = world.offers(0, late, &DossierChoice::default());
    let deadline = Deadline::HandoverExpires { handover };
    let early =
        Command::Send { case: world.case, item: ItemId::random(), draft: Statement::Deadline(deadline).draft() };
    assert!(matches!(world.try_command(2, early), Err(StepError::Command(CommandError::Refused(_)))));
    world.pass(59 * Timestamp::SECOND);
    assert!(world.state(1).handover(handover).unwrap().is_open());
    world.pass(5 * Timestamp::SECOND);
    for device in 0..3 {
        assert!(world.state(device).handover(handover).unwrap().phase == HandoverPhase::Expired);
        let (_, duties) = world.core(device).duties(world.case).unwrap().unwrap();
        assert!(duties.handovers().is_empty());
        assert_eq!(world.responsible(device), ["anne"]);
    }
    let said = |event: &&Event| match event {
        Event::Item(item) => {
            matches!(item.body, Body::Statement(ref says) if matches!(**says, Statement::Deadline(_)))
        }
        _ => false,
    };
    assert_eq!(world.devices[2].events.iter().filter(said).count(), 1, "one device says so");
    world.same_state(&[0, 1, 2]);
    world.agree(&[0, 1, 2]);
}

/// Whatever step fails on whichever side, the handover is done once, and somebody is responsible meanwhile.
#[test]
fn a_handover_survives_a_failure_at_any_write() {
    for fails in [0usize, 1] {
        for (input, write) in [(0, 0), (1, 3), (2, 1), (3, 6), (5, 2), (8, 4), (13, 1), (21, 9)] {
            let mut world = World::together(&["anne", "bert"]);
            world.say(0, "het verhaal");
            world.settle();
            let inputs = world.devices[fails].inputs;
            world.devices[fails].fail = Some((inputs + input + 1, write));
            let choice = world.suggestion(0).choice;
            let handover = world.offers(0, offer(&["bert"]), &choice);
            assert_eq!(world.responsible(1), ["anne"]);
            assert_eq!(world.state(0).handover(handover).unwrap().stage(), HandoverStage::Received);
            world.devices[fails].fail = None;
            world.takes_over(1, 0, handover);
            let inputs = world.devices[fails].inputs;
            world.devices[fails].fail = Some((inputs + input + 1, write));
            let step = DutyStep::Complete { offer: handover };
            if world.responsible(0) == ["anne"] {
                world.retry(0, |case| Command::Duty { case, before: vec![], step: step.clone(), after: vec![] });
            }
            world.settle();
            assert_eq!(
                (world.responsible(0), world.responsible(1)),
                (vec!["bert".to_owned()], vec!["bert".to_owned()])
            );
            world.same_state(&[0, 1]);
            world.agree(&[0, 1]);
            assert_eq!(world.suspicions(), 0);
        }
    }
}
