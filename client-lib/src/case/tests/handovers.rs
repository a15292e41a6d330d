use super::*;
use crate::case::handover::{
    HandoverPhase, HandoverSays, HandoverStage, HandoverWaits, Offer, SectionIndex, Summary, Urgency,
};

pub(super) fn offer(to: &[&str], accept_by: Option<u64>) -> Offer {
    let section = |title: &str| SectionIndex {
        title: title.to_owned(),
        entries: 1,
        parts: vec![ContentHash::of(title.as_bytes())],
    };
    let mut to: Vec<_> = to.iter().map(|name| who(name)).collect();
    to.sort();
    Offer {
        to,
        coordinator: None,
        scope: "de zorg voor het gezin".to_owned(),
        urgency: Urgency::Soon,
        summary: Summary { situation: "rustig".to_owned(), ..Summary::default() },
        actions: vec!["bel de school".to_owned()],
        contingency: "bel 112".to_owned(),
        start_by: None,
        accept_by: accept_by.map(|minutes| START.plus(minutes * MINUTE)),
        dossier: vec![section("plan"), section("history")],
    }
}

pub(super) fn says(says: HandoverSays) -> Statement {
    Statement::Handover(says)
}

pub(super) fn offers(offer: Offer) -> Statement {
    says(HandoverSays::Offer(Box::new(offer)))
}

pub(super) fn synthesis(handover: ItemId) -> Statement {
    says(HandoverSays::Synthesis { handover, text: "ik neem de zorg over".to_owned() })
}

/// One statement of every kind.
pub(super) fn everything() -> Vec<Statement> {
    let (handover, text) = (ID, || "woorden".to_owned());
    let mut full = offer(&["mees", "pim"], Some(60));
    full.coordinator = Some(who("pim"));
    vec![
        offers(offer(&["mees"], None)),
        offers(full),
        says(HandoverSays::Received { handover }),
        says(HandoverSays::Opened { handover, section: 1 }),
        says(HandoverSays::Ask { handover, text: text() }),
        says(HandoverSays::Answer { handover, question: ID, text: text() }),
        synthesis(handover),
        says(HandoverSays::Correct { handover, synthesis: ID, text: text() }),
        says(HandoverSays::Reason { handover, text: text() }),
        expires(handover),
        Statement::Dossier(dossier::DossierSays::Part(serde_bytes::ByteBuf::from(vec![1]))),
        Statement::Attestation(AttestationSays::Destroyed { at: START }),
    ]
}

pub(super) fn expires(handover: ItemId) -> Statement {
    Statement::Deadline(Deadline::HandoverExpires { handover })
}

/// Offers, and has the members agree that it stands.
pub(super) fn stands(script: &mut Script, id: ItemId, name: &str, offer: Offer) {
    let statement = offers(offer.clone());
    let hash = statement.hash();
    assert_eq!(script.says_as(id, name, 0, statement), Verdict::Legal);
    script.takes(name, &DutyStep::Offer(offer.step(id, hash, who(name)))).unwrap();
}

pub(super) fn reads(script: &mut Script, id: ItemId, name: &str) {
    script.must(name, 1, says(HandoverSays::Received { handover: id }));
    for section in 0..2 {
        script.must(name, 2, says(HandoverSays::Opened { handover: id, section }));
    }
}

pub(super) fn understands(script: &mut Script, id: ItemId, from: &str, name: &str) {
    script.must(name, 3, synthesis(id));
    let hash = script.state.handover(id).unwrap().reception(&who(name)).unwrap().synthesis.as_ref().unwrap().hash;
    script.takes(from, &DutyStep::Confirm { offer: id, receiver: who(name), synthesis: hash }).unwrap();
}

pub(super) fn readies(script: &mut Script, id: ItemId, name: &str) {
    script.takes(name, &DutyStep::Ready { offer: id, receiver: who(name), start: START }).unwrap();
}

fn stage(script: &Script, id: ItemId) -> HandoverStage {
    script.state.handover(id).unwrap().stage()
}

const ID: ItemId = ItemId([0xaa; 16]);

#[test]
fn a_handover_goes_from_offered_to_completed_and_each_waits_for_their_own() {
    let mut script = Script::new();
    stands(&mut script, ID, "cora", offer(&["mees", "pim"], None));
    let waits = |script: &Script, name: &str| script.state.handover(ID).unwrap().waits_for(&who(name));
    assert_eq!((stage(&script, ID), waits(&script, "mees")), (HandoverStage::Offered, vec![]));
    let early = script.says("mees", 1, says(HandoverSays::Opened { handover: ID, section: 0 })).1;
    assert_eq!(early, Verdict::Refused(Refused::Phase), "what has not been received cannot be opened");
    script.must("mees", 1, says(HandoverSays::Received { handover: ID }));
    assert_eq!(script.says("mees", 1, says(HandoverSays::Received { handover: ID })).1, Verdict::Repeated);
    assert_eq!(waits(&script, "mees"), [HandoverWaits::Open]);
    script.must("mees", 2, says(HandoverSays::Opened { handover: ID, section: 1 }));
    assert_eq!(script.says("mees", 3, synthesis(ID)).1, Verdict::Refused(Refused::Unopened), "one is not opened");
    let nowhere = says(HandoverSays::Opened { handover: ID, section: 2 });
    assert_eq!(script.says("mees", 2, nowhere).1, Verdict::Refused(Refused::NoSuchThing));
    script.must("mees", 2, says(HandoverSays::Opened { handover: ID, section: 0 }));
    assert_eq!(waits(&script, "mees"), [HandoverWaits::Synthesis]);
    assert_eq!(script.says("dirk", 3, synthesis(ID)).1, Verdict::Refused(Refused::NotTheirs), "not a receiver");

    let question =
        script.must("mees", 3, says(HandoverSays::Ask { handover: ID, text: "sinds wanneer?".to_owned() }));
    assert_eq!(waits(&script, "cora"), [HandoverWaits::Answer]);
    let answer = |text: &str| says(HandoverSays::Answer { handover: ID, question, text: text.to_owned() });
    assert_eq!(script.says("pim", 4, answer("weet ik niet")).1, Verdict::Refused(Refused::NotTheirs));
    script.must("cora", 4, answer("sinds mei"));
    assert_eq!(script.says("cora", 4, answer("sinds juni")).1, Verdict::Refused(Refused::Phase));

    let first = script.must("mees", 5, synthesis(ID));
    assert_eq!(waits(&script, "cora"), [HandoverWaits::Confirm]);
    let wrong = |synthesis| says(HandoverSays::Correct { handover: ID, synthesis, text: "de oma ook".to_owned() });
    script.must("cora", 6, wrong(first));
    assert_eq!(waits(&script, "mees"), [HandoverWaits::Synthesis], "anew");
    understands(&mut script, ID, "cora", "mees");
    assert_eq!(script.says("cora", 7, wrong(first)).1, Verdict::Refused(Refused::NoSuchThing), "an old one");
    assert_eq!((stage(&script, ID), waits(&script, "mees")), (HandoverStage::Offered, vec![HandoverWaits::Ready]));
    readies(&mut script, ID, "mees");
    reads(&mut script, ID, "pim");
    assert_eq!(stage(&script, ID), HandoverStage::Received, "as far as the one who is least far");
    understands(&mut script, ID, "cora", "pim");
    assert_eq!(stage(&script, ID), HandoverStage::Understood);
    assert_eq!(script.takes("cora", &DutyStep::Complete { offer: ID }), Err(DutyRefused::NotReady));
    readies(&mut script, ID, "pim");
    assert_eq!((stage(&script, ID), waits(&script, "cora")), (HandoverStage::Ready, vec![HandoverWaits::Complete]));
    assert_eq!(script.state.responsible(), [&who("cora")]);
    script.takes("pim", &DutyStep::Complete { offer: ID }).unwrap();
    assert_eq!(stage(&script, ID), HandoverStage::Completed);
    assert_eq!(script.state.responsible(), [&who("mees"), &who("pim")]);
    assert!(script.state.open_handovers().next().is_none());
    assert!(script.again() == script.state);
}

#[test]
fn who_ends_a_handover_says_why_and_nobody_else() {
    for (name, expected) in [("cora", "withdrawn"), ("mees", "declined"), ("dirk", "cleared")] {
        let mut script = Script::new();
        stands(&mut script, ID, "cora", offer(&["mees"], None));
        let reason = says(HandoverSays::Reason { handover: ID, text: "ziek".to_owned() });
        assert_eq!(script.says(name, 1, reason.clone()).1, Verdict::Refused(Refused::Phase), "it has not ended");
        script.takes(name, &DutyStep::End { offer: ID }).unwrap();
        assert_eq!(script.says("pim", 1, reason.clone()).1, Verdict::Refused(Refused::NotTheirs));
        script.must(name, 1, reason.clone());
        assert_eq!(script.says(name, 1, reason).1, Verdict::Refused(Refused::Phase), "once");
        let phase = match &script.state.handover(ID).unwrap().phase {
            HandoverPhase::Withdrawn { reason: Some(_), .. } => "withdrawn",
            HandoverPhase::Declined { reason: Some(_), .. } => "declined",
            HandoverPhase::Cleared { reason: Some(_), .. } => "cleared",
            _ => "else",
        };
        assert_eq!(phase, expected);
        assert_eq!(script.state.responsible(), [&who("cora")]);
        assert_eq!(script.says("mees", 2, synthesis(ID)).1, Verdict::Refused(Refused::Closed));
    }
}

#[test]
fn only_who_is_responsible_offers_and_only_to_those_who_take_part() {
    let mut script = Script::new();
    let refused = |script: &mut Script, name: &str, offer: Offer| match script.says(name, 0, offers(offer)).1 {
        Verdict::Refused(reason) => reason,
        _ => panic!("not refused"),
    };
    assert_eq!(refused(&mut script, "dirk", offer(&["mees"], None)), Refused::NotTheirs);
    assert_eq!(refused(&mut script, "cora", offer(&["olga"], None)), Refused::Role);
    assert_eq!(refused(&mut script, "cora", offer(&["stranger"], None)), Refused::NotAMember);
    assert_eq!(refused(&mut script, "cora", offer(&["cora"], None)), Refused::NotTheirs);
    assert_eq!(refused(&mut script, "cora", offer(&[], None)), Refused::Bounds);
    let mut unordered = offer(&["mees", "pim"], None);
    unordered.to.reverse();
    assert_eq!(refused(&mut script, "cora", unordered), Refused::Bounds);
}

#[test]
fn a_handover_that_nobody_takes_in_time_expires_unless_its_completion_was_under_way() {
    let mut script = Script::new();
    stands(&mut script, ID, "cora", offer(&["mees"], Some(60)));
    assert_eq!(script.says("pim", 59, expires(ID)).1, Verdict::Refused(Refused::TooEarly));
    let mut late = script.clone();
    assert_eq!(script.says("pim", 60, expires(ID)).1, Verdict::Legal);
    assert_eq!(script.says("dirk", 61, expires(ID)).1, Verdict::Repeated);
    assert_eq!(stage(&script, ID), HandoverStage::Ended);
    script.takes("cora", &DutyStep::End { offer: ID }).unwrap();
    assert!(script.state.handover(ID).unwrap().phase == HandoverPhase::Expired);
    assert!(script.state.deadlines().is_empty());

    reads(&mut late, ID, "mees");
    understands(&mut late, ID, "cora", "mees");
    let before_ready = late.clone();
    readies(&mut late, ID, "mees");
    assert_eq!(late.says("pim", 60, expires(ID)).1, Verdict::Refused(Refused::Phase), "everybody is ready");

    // The deadline's item stands in the log before the Commits that were under way: those count.
    let mut race = before_ready;
    assert_eq!(race.says("pim", 60, expires(ID)).1, Verdict::Legal);
    readies(&mut race, ID, "mees");
    race.takes("mees", &DutyStep::Complete { offer: ID }).unwrap();
    assert_eq!(stage(&race, ID), HandoverStage::Completed);
    assert_eq!(race.state.responsible(), [&who("mees")]);
}

#[test]
fn a_receiver_who_is_lost_begins_again_and_a_sender_who_is_lost_ends_it() {
    let mut script = Script::new();
    stands(&mut script, ID, "cora", offer(&["mees", "pim"], None));
    reads(&mut script, ID, "mees");
    understands(&mut script, ID, "cora", "mees");
    readies(&mut script, ID, "mees");
    let mut sender_lost = script.clone();
    script.leaves("mees");
    let reception = script.state.handover(ID).unwrap().reception(&who("mees")).unwrap().clone();
    assert!(!reception.understood && reception.ready.is_none() && reception.received.is_none());
    assert!(script.state.handover(ID).unwrap().is_open());
    sender_lost.duties = sender_lost.duties.without(&who("cora"), Some(&who("dirk")));
    sender_lost.leaves("cora");
    assert_eq!(stage(&sender_lost, ID), HandoverStage::Ended);
    assert_eq!(sender_lost.state.responsible(), [&who("dirk")]);
}

#[test]
fn an_offer_that_the_members_have_agreed_on_under_another_hash_does_not_stand() {
    let mut script = Script::new();
    let statement = offers(offer(&["mees"], None));
    assert_eq!(script.says_as(ID, "cora", 0, statement), Verdict::Legal);
    let mut other = offer(&["mees"], None).step(ID, ContentHash::of(b"something else"), who("cora"));
    other.to.truncate(1);
    script.takes("cora", &DutyStep::Offer(other)).unwrap();
    assert!(!script.state.handover(ID).unwrap().standing);
}

#[test]
fn nothing_that_is_said_counts_once_the_case_is_closed() {
    let mut script = Script::new();
    script.takes("cora", &DutyStep::ProposeClosing { keep_days: 30 }).unwrap();
    let organisation = "zorg.example".to_owned();
    let statement = FileStatement::NotNeeded;
    script.takes("mees", &DutyStep::State { organisation, statement }).unwrap();
    script.must("mees", 1, tasks::create("nog iets", None, None));
    script.takes("cora", &DutyStep::Close).unwrap();
    let late = script.says("mees", 2, tasks::create("te laat", None, None)).1;
    assert_eq!(late, Verdict::Refused(Refused::CaseClosed));
}

/// Whatever came of it.
fn ignore<T>(_: T) {}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever is said and committed in whatever order: at every prefix somebody is responsible, nobody else becomes it
    /// than receivers who were ready, and the state comes back from its bytes.
    #[test]
    fn at_every_prefix_of_every_order_the_family_has_a_responsible_professional(
        choices in proptest::collection::vec((0usize..5, 0usize..16, 0u8..2), 1..60)
    ) {
        let names = ["cora", "dirk", "mees", "pim", "olga"];
        let mut script = Script::new();
        let mut offered = 0u8;
        for (by, what, which) in choices {
            let (name, before) = (names[by], script.state.clone());
            let id = ItemId([0xa0 + offered.saturating_sub(which); 16]);
            let receiver = who(name);
            let latest = before.handover(id).and_then(|handover| handover.receptions[0].synthesis.clone());
            let hash = latest.as_ref().map_or(ContentHash::of(b"none"), |synthesis| synthesis.hash);
            match what {
                0 | 1 if offered < 15 => {
                    let offer = offer(if what == 0 { &["mees"] } else { &["dirk", "pim"] }, Some(30));
                    let id = ItemId([0xa0 + offered + 1; 16]);
                    let statement = offers(offer.clone());
                    let step = DutyStep::Offer(offer.step(id, statement.hash(), who(name)));
                    if script.says_as(id, name, 0, statement) == Verdict::Legal && script.takes(name, &step).is_ok() {
                        offered += 1;
                    }
                }
                2 | 3 => ignore(script.says(name, 1, says(HandoverSays::Received { handover: id }))),
                4 | 5 => ignore(script.says(name, 1, says(HandoverSays::Opened { handover: id, section: u64::from(which) }))),
                6 | 7 => ignore(script.says(name, 2, synthesis(id))),
                8 | 9 => {
                    for receiver in ["mees", "dirk", "pim"].map(who) {
                        ignore(script.takes(name, &DutyStep::Confirm { offer: id, receiver, synthesis: hash }));
                    }
                }
                10 | 11 => ignore(script.takes(name, &DutyStep::Ready { offer: id, receiver, start: START })),
                12 | 13 => ignore(script.takes(name, &DutyStep::Complete { offer: id })),
                14 => ignore(script.takes(name, &DutyStep::End { offer: id })),
                _ => ignore(script.says(name, 31, expires(id))),
            }
            let after = &script.state;
            assert!(!after.responsible().is_empty());
            for who in after.responsible() {
                let ready = before.duties().handovers().iter().any(|open| {
                    open.is_ready() && open.receiver(who).is_some_and(|receiver| receiver.understood.is_some())
                });
                assert!(before.responsible().contains(&who) || ready);
            }
        }
        assert!(script.again() == script.state);
    }
}
