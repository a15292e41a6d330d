//! What has to come first: whether a step of a handover can be taken as things stand, told before anybody writes a text
//! for it. The library judges once more, together with every other member; this only says what to do.

use kring_client::case::handover::{Handover, Reception};
use kring_client::case::{CaseState, ClosingStage};
use kring_client::conversation::CommandError;
use kring_protocol::address::ProfessionalAddress;

use super::lines::{ended, receivers};
use crate::outcome::{Cause, Failure, Outcome};
use crate::words::say;

fn refused(what: String, advice: String) -> Failure {
    Failure::advised(Cause::Refused, what, advice)
}

fn is_open(handover: &Handover) -> Outcome {
    match ended(handover) {
        Some(how) => Err(refused(say!("handover-is-over", how = how), say!("handover-is-over-advice"))),
        None => Ok(()),
    }
}

/// Whether a handover can be offered in a case at all.
pub(super) fn can_be_offered(state: &CaseState) -> Outcome {
    match state.duties().stage() {
        None => Ok(()),
        Some(ClosingStage::Proposed) => {
            Err(refused(say!("handover-case-closing"), say!("handover-case-closing-advice")))
        }
        Some(ClosingStage::Closed | ClosingStage::Erasing) => Err(CommandError::Closed.into()),
    }
}

/// The receiver's part of somebody.
pub(super) fn receives<'h>(handover: &'h Handover, own: &ProfessionalAddress) -> Outcome<&'h Reception> {
    is_open(handover)?;
    handover.reception(own).ok_or_else(|| {
        refused(say!("handover-not-receiver"), say!("handover-receivers-are", to = receivers(handover)))
    })
}

/// Whether somebody is the sender.
pub(super) fn sends(handover: &Handover, own: &ProfessionalAddress) -> Outcome {
    is_open(handover)?;
    if handover.from == *own {
        return Ok(());
    }
    let from = handover.from.as_str();
    Err(refused(say!("handover-not-sender"), say!("handover-sender-is", from = from)))
}

/// The section to be opened, from 1: the one that is named, the next one that a receiver has not opened, or the only one.
pub(super) fn section(handover: &Handover, own: &ProfessionalAddress, wanted: Option<u64>) -> Outcome<u64> {
    let sections = handover.offer.dossier.len() as u64;
    let unusable =
        |what: String| Failure::advised(Cause::Usage, what, say!("dossier-which-section", last = sections));
    if sections == 0 {
        return Err(Failure::new(Cause::Usage, say!("dossier-is-empty")));
    }
    let opened = handover.reception(own).map(|reception| reception.opened.as_slice());
    let next = opened.and_then(|opened| (0..sections).find(|section| !opened.contains(section)));
    match (wanted, next) {
        (Some(section), _) if (1..=sections).contains(&section) => Ok(section),
        (Some(section), _) => Err(unusable(say!("dossier-no-section", section = section))),
        (None, Some(next)) => Ok(next + 1),
        (None, None) if sections == 1 => Ok(1),
        (None, None) if opened.is_some() => Err(unusable(say!("dossier-all-opened"))),
        (None, None) => Err(unusable(say!("dossier-say-section"))),
    }
}

/// Whether somebody can say what they have understood.
pub(super) fn understands(handover: &Handover, own: &ProfessionalAddress) -> Outcome {
    let reception = receives(handover, own)?;
    if reception.understood {
        return Err(refused(say!("handover-confirmed-already"), say!("handover-ready-next")));
    }
    let sections = handover.offer.dossier.len() as u64;
    let unopened: Vec<String> = (0..sections)
        .filter(|section| !reception.opened.contains(section))
        .map(|section| (section + 1).to_string())
        .collect();
    if unopened.is_empty() {
        return Ok(());
    }
    let what = say!("dossier-unopened", count = unopened.len(), sections = unopened.join(", "));
    Err(refused(what, say!("dossier-open-first")))
}

/// The receiver whose synthesis the sender confirms or corrects: the one who is named, or the only one who waits.
pub(super) fn to_be_confirmed<'h>(
    handover: &'h Handover,
    own: &ProfessionalAddress,
    words: Option<&str>,
) -> Outcome<&'h Reception> {
    sends(handover, own)?;
    let wanted = words.unwrap_or_default().to_lowercase();
    let meant = |reception: &&Reception| reception.who.as_str().starts_with(&wanted);
    let waiting: Vec<_> =
        handover.receptions.iter().filter(meant).filter(|reception| reception.is_to_be_confirmed()).collect();
    match waiting[..] {
        [only] => Ok(only),
        [] if !handover.receptions.iter().any(|reception| meant(&reception)) => {
            let what = say!("handover-no-such-receiver", words = wanted);
            Err(Failure::advised(Cause::Usage, what, say!("handover-receivers-are", to = receivers(handover))))
        }
        [] => Err(refused(say!("handover-nothing-to-confirm"), say!("handover-nothing-to-confirm-advice"))),
        _ => {
            let list: Vec<_> = waiting.iter().map(|reception| reception.who.as_str()).collect();
            let advice = say!("handover-which-receiver", list = list.join(", "));
            Err(Failure::advised(Cause::Usage, say!("ambiguous-thing"), advice))
        }
    }
}

/// Whether somebody can say that they can start.
pub(super) fn is_ready(handover: &Handover, own: &ProfessionalAddress) -> Outcome {
    let reception = receives(handover, own)?;
    if reception.understood {
        return Ok(());
    }
    let (what, advice) = match reception.is_to_be_confirmed() {
        true => (say!("handover-unconfirmed", from = handover.from.as_str()), say!("handover-unconfirmed-advice")),
        false => (say!("handover-not-understood"), say!("handover-understand-first")),
    };
    Err(refused(what, advice))
}

/// Whether somebody can complete it.
pub(super) fn completes(handover: &Handover, own: &ProfessionalAddress) -> Outcome {
    is_open(handover)?;
    if handover.reception(own).is_none() {
        sends(handover, own)?;
    }
    let late: Vec<_> = handover
        .receptions
        .iter()
        .filter(|reception| reception.ready.is_none())
        .map(|reception| reception.who.as_str())
        .collect();
    if late.is_empty() {
        return Ok(());
    }
    Err(refused(say!("handover-not-ready", names = late.join(", ")), say!("handover-show-next")))
}

/// Whether somebody can decline it.
pub(super) fn declines(handover: &Handover, own: &ProfessionalAddress) -> Outcome {
    if handover.from == *own {
        return Err(refused(say!("handover-not-receiver"), say!("handover-withdraw-instead")));
    }
    receives(handover, own).map(drop)
}

/// What it is called when somebody takes it back. `stands`: the members hold it to stand, as they may one that expired.
pub(super) fn withdraws(
    handover: &Handover,
    own: &ProfessionalAddress,
    manages: bool,
    stands: bool,
) -> Outcome<&'static str> {
    if !stands {
        is_open(handover)?;
    }
    if handover.from == *own {
        return Ok("withdrawn");
    }
    if handover.reception(own).is_some() {
        return Err(refused(say!("handover-not-sender"), say!("handover-decline-instead")));
    }
    if manages {
        return Ok("cleared");
    }
    sends(handover, own).map(|()| "withdrawn")
}

#[cfg(test)]
mod tests {
    use kring_client::case::handover::{HandoverPhase, Offer, SectionIndex, Summary, Synthesis, Urgency};
    use kring_client::case::{ContentHash, ItemId};
    use kring_protocol::ids::Timestamp;

    use super::*;

    fn who(name: &str) -> ProfessionalAddress {
        ProfessionalAddress::new(name, "zorg.example").expect("an address")
    }

    fn waiting(name: &str) -> Reception {
        Reception {
            who: who(name),
            received: Some(Timestamp(1)),
            opened: Vec::new(),
            synthesis: None,
            understood: false,
            ready: None,
        }
    }

    /// From anne to bo and carla, with a dossier of two sections.
    fn handover() -> Handover {
        let section = SectionIndex { title: "history".to_owned(), entries: 1, parts: Vec::new() };
        Handover {
            offer: Offer {
                to: vec![who("bo"), who("carla")],
                coordinator: None,
                scope: "alles".to_owned(),
                urgency: Urgency::Soon,
                summary: Summary::default(),
                actions: Vec::new(),
                contingency: String::new(),
                start_by: None,
                accept_by: None,
                dossier: vec![section.clone(), section],
            },
            from: who("anne"),
            at: Timestamp(0),
            hash: ContentHash::of(b"offer"),
            standing: true,
            receptions: vec![waiting("bo"), waiting("carla")],
            questions: Vec::new(),
            phase: HandoverPhase::Open,
        }
    }

    fn synthesis() -> Synthesis {
        let (item, hash, at) = (ItemId([1; 16]), ContentHash::of(b"words"), Timestamp(2));
        Synthesis { item, hash, text: "begrepen".to_owned(), at, correction: None }
    }

    fn cause<T: std::fmt::Debug>(outcome: Outcome<T>) -> Cause {
        outcome.expect_err("it cannot be done").cause
    }

    #[test]
    fn the_next_section_is_the_first_that_the_receiver_has_not_opened() {
        let mut handover = handover();
        assert_eq!(section(&handover, &who("bo"), None), Ok(1));
        handover.receptions[0].opened = vec![0];
        assert_eq!(section(&handover, &who("bo"), None), Ok(2));
        assert_eq!(section(&handover, &who("carla"), None), Ok(1), "each opens for themselves");
        handover.receptions[0].opened = vec![0, 1];
        assert_eq!(cause(section(&handover, &who("bo"), None)), Cause::Usage);
        assert_eq!(section(&handover, &who("bo"), Some(2)), Ok(2));
        for none in [0, 3] {
            assert_eq!(cause(section(&handover, &who("bo"), Some(none))), Cause::Usage);
        }
    }

    #[test]
    fn each_step_says_what_comes_before_it() {
        let mut handover = handover();
        let unopened = understands(&handover, &who("bo")).expect_err("unopened");
        assert!(unopened.what.contains("1, 2"), "{unopened:?}");
        handover.receptions[0].opened = vec![0, 1];
        assert_eq!(understands(&handover, &who("bo")), Ok(()));
        assert_eq!(cause(is_ready(&handover, &who("bo"))), Cause::Refused);
        assert_eq!(cause(to_be_confirmed(&handover, &who("anne"), None).map(drop)), Cause::Refused);
        handover.receptions[0].synthesis = Some(synthesis());
        let found = to_be_confirmed(&handover, &who("anne"), None).map(|reception| reception.who.clone());
        assert_eq!(found, Ok(who("bo")));
        assert_eq!(cause(to_be_confirmed(&handover, &who("anne"), Some("carla")).map(drop)), Cause::Refused);
        assert_eq!(cause(to_be_confirmed(&handover, &who("anne"), Some("dirk")).map(drop)), Cause::Usage);
        let unconfirmed = is_ready(&handover, &who("bo")).expect_err("unconfirmed");
        assert!(unconfirmed.what.contains("anne@"), "{unconfirmed:?}");
        handover.receptions[0].understood = true;
        assert_eq!(is_ready(&handover, &who("bo")), Ok(()));
        handover.receptions[0].ready = Some(Timestamp(3));
        let late = completes(&handover, &who("anne")).expect_err("carla is not ready");
        assert!(late.what.contains("carla@") && !late.what.contains("bo@"), "{late:?}");
        handover.receptions[1].ready = Some(Timestamp(3));
        assert_eq!(completes(&handover, &who("anne")), Ok(()));
        assert_eq!(completes(&handover, &who("bo")), Ok(()), "a receiver may as well");
        assert_eq!(cause(completes(&handover, &who("dirk"))), Cause::Refused);
    }

    #[test]
    fn a_step_is_its_own_persons_only_and_of_an_open_handover() {
        let mut handover = handover();
        assert_eq!(cause(understands(&handover, &who("anne"))), Cause::Refused);
        assert_eq!(cause(to_be_confirmed(&handover, &who("bo"), None).map(drop)), Cause::Refused);
        assert_eq!(cause(declines(&handover, &who("anne"))), Cause::Refused);
        assert_eq!(declines(&handover, &who("bo")), Ok(()));
        assert_eq!(withdraws(&handover, &who("anne"), false, true), Ok("withdrawn"));
        assert_eq!(cause(withdraws(&handover, &who("bo"), true, true)), Cause::Refused);
        assert_eq!(withdraws(&handover, &who("dirk"), true, true), Ok("cleared"));
        assert_eq!(cause(withdraws(&handover, &who("dirk"), false, true)), Cause::Refused);
        handover.phase = HandoverPhase::Expired;
        assert_eq!(withdraws(&handover, &who("anne"), false, true), Ok("withdrawn"), "it is cleared away");
        assert_eq!(cause(withdraws(&handover, &who("anne"), false, false)), Cause::Refused);
        handover.phase = HandoverPhase::Completed { by: who("anne") };
        assert_eq!(cause(receives(&handover, &who("bo")).map(drop)), Cause::Refused);
        assert_eq!(cause(completes(&handover, &who("anne"))), Cause::Refused);
    }
}
