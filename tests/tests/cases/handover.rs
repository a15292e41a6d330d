//! A warm handover over a real relay: the receiver joins late, gets the dossier, and takes over; and one that is not
//! taken.

use kring_client::api::Case;
use kring_client::api::HandoverDraft;
use kring_client::case::dossier::DossierChoice;
use kring_client::case::handover::{HandoverPhase, HandoverStage, Summary, Urgency};
use kring_client::case::{ItemId, Role};
use kring_protocol::address::ProfessionalAddress;
use kring_tests::clock::{now, soon};
use kring_tests::person::Person;
use kring_tests::relay;
use kring_tests::world::World;

fn draft(to: &[&Person]) -> HandoverDraft {
    HandoverDraft {
        to: to.iter().map(|person| person.address()).collect(),
        coordinator: None,
        scope: "de zorg voor het gezin".to_owned(),
        urgency: Urgency::Soon,
        summary: Summary { situation: "rustig".to_owned(), ..Summary::default() },
        actions: vec!["bel de school".to_owned()],
        contingency: "bel 112".to_owned(),
        start_by: None,
        accept_by: None,
    }
}

async fn responsible(case: &Case) -> Vec<ProfessionalAddress> {
    case.duties().await.unwrap().0
}

/// Waits until a device sees a handover so far.
async fn is_at(person: &Person, case: &Case, handover: ItemId, stage: HandoverStage) {
    person
        .until("a stage of the handover", async || {
            let state = case.state().await.ok()?;
            (state.handover(handover)?.stage() == stage).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_joiner_takes_over_with_the_whole_story_and_somebody_is_responsible_at_every_moment() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    anne.add(&case, &bert, Role::Member).await;
    let at_bert = bert.joined(&case).await;
    anne.say(&case, "de buren belden").await;
    bert.has_texts(&at_bert, 1).await;
    bert.say(&at_bert, "moeder en kinderen zijn hier").await;
    anne.has_texts(&case, 2).await;
    let carla = Person::online(&world, "carla@opvang.example", relay.addr).await;
    anne.add(&case, &carla, Role::Member).await;
    let at_carla = carla.joined(&case).await;

    let suggestion = case.suggest_dossier("het gezin", "overdracht").await.unwrap();
    let shown = case.preview_dossier(suggestion.choice.clone()).await.unwrap();
    assert_eq!(shown[0].entries.len(), 2);
    let mut draft = draft(&[&carla]);
    draft.coordinator = Some(carla.address());
    let (handover, pending) = case.offer_handover(draft, suggestion.choice).await.unwrap();
    soon("the offer", pending.done()).await.unwrap();
    is_at(&carla, &at_carla, handover, HandoverStage::Received).await;
    assert!(at_carla.understand(handover, "ik weet al genoeg").await.is_err(), "nothing has been opened");
    let opened = at_carla.open_section(handover, 0).await.unwrap();
    assert!(opened == shown[0], "what was shown is what is read");
    let authors: Vec<_> =
        opened.entries.iter().map(|entry| entry.said.clone().unwrap().author.professional).collect();
    assert_eq!(authors, [anne.address(), bert.address()], "each by who said it");
    soon("the synthesis", at_carla.understand(handover, "het gezin is in de opvang").await.unwrap().relayed())
        .await
        .unwrap();
    anne.until("the synthesis", async || {
        let state = case.state().await.ok()?;
        state.handover(handover)?.receptions[0].synthesis.clone()
    })
    .await;
    assert!(at_carla.ready(handover, now()).await.is_err(), "the sender has not confirmed");
    soon("confirming", case.confirm(handover, &carla.address()).await.unwrap().done()).await.unwrap();
    is_at(&carla, &at_carla, handover, HandoverStage::Understood).await;
    assert!(case.leave().await.is_err(), "the sender stays responsible");
    assert!(at_bert.complete(handover).await.is_err());
    soon("ready", at_carla.ready(handover, now()).await.unwrap().done()).await.unwrap();
    is_at(&anne, &case, handover, HandoverStage::Ready).await;
    for view in [&case, &at_bert, &at_carla] {
        assert_eq!(responsible(view).await, [anne.address()]);
    }
    soon("completing", case.complete(handover).await.unwrap().done()).await.unwrap();
    for (person, view) in [(&anne, &case), (&bert, &at_bert), (&carla, &at_carla)] {
        is_at(person, view, handover, HandoverStage::Completed).await;
        assert_eq!(responsible(view).await, [carla.address()]);
        let members = view.members().await.unwrap();
        let coordinator = members.iter().find(|member| member.role == Role::Coordinator).unwrap();
        assert_eq!(coordinator.address.professional, carla.address());
    }
    soon("leaving", case.leave().await.unwrap().done()).await.unwrap();
    assert!(at_carla.leave().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_that_is_declined_moves_nothing_and_says_why() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    anne.add(&case, &bert, Role::Member).await;
    let at_bert = bert.joined(&case).await;
    let (handover, pending) = case.offer_handover(draft(&[&bert]), DossierChoice::default()).await.unwrap();
    soon("the offer", pending.done()).await.unwrap();
    is_at(&bert, &at_bert, handover, HandoverStage::Received).await;
    soon("declining", at_bert.end_handover(handover, "geen plaats").await.unwrap().done()).await.unwrap();
    let reason = anne
        .until("the reason", async || match &case.state().await.ok()?.handover(handover)?.phase {
            HandoverPhase::Declined { reason, .. } => reason.clone(),
            _ => None,
        })
        .await;
    assert_eq!(reason, "geen plaats");
    assert_eq!(responsible(&case).await, [anne.address()]);
}
