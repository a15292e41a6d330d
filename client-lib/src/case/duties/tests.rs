use super::*;
use crate::store::{decode, encode};

fn who(name: &str) -> ProfessionalAddress {
    ProfessionalAddress::new(name, &format!("{name}.example")).expect("valid")
}

fn roles() -> Vec<(ProfessionalAddress, Role)> {
    let mut roles = vec![
        (who("c"), Role::Coordinator),
        (who("d"), Role::Deputy),
        (who("m"), Role::Member),
        (who("n"), Role::Member),
        (who("o"), Role::Observer),
    ];
    roles.sort();
    roles
}

fn handover(number: u8, from: &str, to: &[&str]) -> OpenHandover {
    let mut to: Vec<_> = to.iter().map(|name| Receiver { who: who(name), understood: None, ready: None }).collect();
    to.sort_by(|one, other| one.who.cmp(&other.who));
    OpenHandover {
        offer: ItemId([number; 16]),
        hash: ContentHash::of(&[number]),
        from: who(from),
        to,
        coordinator: None,
    }
}

fn take(duties: &Duties, by: &str, step: &DutyStep) -> Result<Duties, DutyRefused> {
    duties.after(step, &who(by), &Seated { roles: &roles(), present: &|_| true })
}

/// Every step that anybody could try in a state, the absurd ones too.
fn steps(duties: &Duties) -> Vec<DutyStep> {
    let names = ["c", "d", "m", "n", "o", "x"];
    let mut steps =
        vec![DutyStep::ProposeClosing { keep_days: 1 }, DutyStep::WithdrawClosing, DutyStep::Close, DutyStep::Erase];
    for name in names {
        let organisation = format!("{name}.example");
        steps.push(DutyStep::Hold { organisation: organisation.clone() });
        steps.push(DutyStep::Lift { organisation: organisation.clone() });
        steps.push(DutyStep::State { organisation, statement: FileStatement::NotNeeded });
    }
    let next = duties.handovers.iter().map(|open| open.offer.0[0]).max().unwrap_or_default() + 1;
    for from in names {
        for to in [&["m"][..], &["m", "n"], &["d"], &["c"], &["o"], &[]] {
            steps.push(DutyStep::Offer(handover(next, from, to)));
        }
        let mut with_role = handover(next, from, &["d", "m"]);
        with_role.coordinator = Some(who("d"));
        steps.push(DutyStep::Offer(with_role));
    }
    for open in &duties.handovers {
        let offer = open.offer;
        steps.push(DutyStep::Complete { offer });
        steps.push(DutyStep::End { offer });
        for name in names {
            let receiver = who(name);
            steps.push(DutyStep::Confirm { offer, receiver: receiver.clone(), synthesis: ContentHash::of(b"s") });
            steps.push(DutyStep::Ready { offer, receiver, start: Timestamp(7) });
        }
    }
    steps
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever anybody tries, in any order, with people going in between: somebody is responsible, and responsibility
    /// moves only to receivers who said that they can start, after the sender said that they have understood.
    #[test]
    fn at_every_prefix_somebody_is_responsible(choices in proptest::collection::vec((0usize..6, 0usize..10_000, 0u8..20), 1..80)) {
        let names = ["c", "d", "m", "n", "o", "x"];
        let mut roles = roles();
        let mut duties = Duties::of(who("c"));
        for (by, step, event) in choices {
            let before = duties.clone();
            if event == 0 && roles.len() > 1 {
                let (gone, _) = roles.remove(step % roles.len());
                if !roles.iter().any(|(_, role)| *role == Role::Coordinator) {
                    roles[0].1 = Role::Coordinator;
                }
                let heir = roles.iter().min_by_key(|(_, role)| *role).map(|(who, _)| who.clone());
                duties = duties.without(&gone, heir.as_ref());
                assert!(!duties.responsible.contains(&gone));
            } else {
                let all = steps(&duties);
                let step = &all[step % all.len()];
                let seated = Seated { roles: &roles, present: &|who| roles.iter().any(|(other, _)| other == who) };
                let Ok(next) = duties.after(step, &who(names[by]), &seated) else { continue };
                let found = DutyStep::between(&duties, &next);
                let same = |found: &DutyStep| duties.after(found, &who(names[by]), &seated).as_ref() == Ok(&next);
                assert!(found.iter().any(same), "every member finds the step again");
                if next.responsible != before.responsible {
                    let DutyStep::Complete { offer } = step else { panic!("moved by another step") };
                    let handover = before.handover(*offer).unwrap();
                    assert!(handover.to.iter().all(|to| to.understood.is_some() && to.ready.is_some()));
                }
                duties = next;
            }
            assert!(duties.is_well_formed());
            assert!(!duties.responsible.is_empty());
            assert!(duties.responsible.iter().all(|who| roles.iter().any(|(other, _)| other == who)));
            assert!(decode::<Duties>(&encode(&duties).unwrap()).unwrap() == duties);
        }
    }
}

#[test]
fn what_was_never_written_out_reads_as_the_coordinator() {
    let empty: Duties = decode(&encode(&Duties::default()).unwrap()).unwrap();
    assert_eq!(empty.responsible(Some(&who("c"))), [&who("c")]);
    assert!(empty.is_default() && empty.is_well_formed());
}

#[test]
fn lists_out_of_order_or_beyond_their_bounds_are_no_duties() {
    let unordered = Duties { responsible: vec![who("m"), who("c")], ..Duties::default() };
    assert!(!unordered.is_well_formed());
    let nobody = Duties { handovers: vec![handover(1, "c", &[])], ..Duties::default() };
    assert!(!nobody.is_well_formed());
    let mut stranger = handover(1, "c", &["m"]);
    stranger.coordinator = Some(who("d"));
    assert!(!Duties { handovers: vec![stranger], ..Duties::default() }.is_well_formed());
}

#[test]
fn one_organisation_speaks_for_itself_and_only_the_coordinator_for_one_that_is_gone() {
    let duties = Duties::of(who("c"));
    let hold = |name: &str| DutyStep::Hold { organisation: format!("{name}.example") };
    assert_eq!(take(&duties, "m", &hold("n")), Err(DutyRefused::OtherOrganisation));
    assert_eq!(take(&duties, "o", &hold("o")), Err(DutyRefused::Role), "an observer changes nothing");
    let held = take(&duties, "m", &hold("m")).unwrap();
    let lift = DutyStep::Lift { organisation: "m.example".to_owned() };
    assert_eq!(take(&held, "c", &lift), Err(DutyRefused::OtherOrganisation));
    let present = |other: &ProfessionalAddress| *other != who("m");
    let seated = Seated { roles: &roles(), present: &present };
    assert!(held.after(&lift, &who("c"), &seated).unwrap().holds.is_empty());
    assert_eq!(held.after(&lift, &who("d"), &seated), Err(DutyRefused::OtherOrganisation));
}
