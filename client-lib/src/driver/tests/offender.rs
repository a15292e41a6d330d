//! A member whose program breaks the rules, at the real relay over QUIC: it puts into the log what its own gate would
//! refuse. The relay cannot tell, and the others can: the case goes on in a successor group without the offender.

use kring_protocol::ids::{AccessKey, OperationId};
use kring_protocol::message::{Access, Reply, Request, SubmitCommit};
use openmls::prelude::LeafNodeIndex;

use super::real::{World, soon, texts_of};
use crate::api::{Case, Client, ClientEvent};
use crate::case::{CaseId, CaseStatus, ItemDraft, Role};
use crate::conversation::{CommitRefused, Conversation, Event, Settings};
use crate::driver::connection::{Standing, stand_up};
use crate::driver::surroundings::Surroundings;
use crate::identity::{Identity, Profile};
use crate::mls::group::{Group, Plan};
use crate::store::{Store, Unlock};

/// Takes the offender's own store, makes a Commit beside the gate, and has the relay accept it.
async fn commit_against_the_rules(
    (profile, unlock): &(Profile, Unlock),
    case: CaseId,
    plan: impl Fn(&Group) -> Plan,
    key: Option<AccessKey>,
) {
    let store = Store::open(&profile.store_folder(), unlock).expect("the offender's store");
    let seed = store.device_key().expect("read").expect("a key");
    let identity = Identity::new(profile, seed).expect("an identity");
    let clock = Surroundings::default().clock;
    let settings = Settings::new("relay.example:1");
    let mut core = Conversation::open(store, identity.credentials(), settings, clock.now()).expect("a conversation");
    let (group, epoch, message, real) = core.forge_commit(case, plan);

    let Standing { endpoint, exchange, exporter, .. } =
        stand_up(&identity, profile.relay(), &clock).await.expect("a connection");
    let proof = core.prove(&exporter, group, epoch).expect("read");
    let commit = SubmitCommit {
        access: Access { group, epoch, proof },
        operation: OperationId(rand::random()),
        message: message.into(),
        next_access_key: key.unwrap_or(real),
        welcomes: Vec::new(),
        closes: None,
    };
    let answer = soon("the relay's answer", exchange.ask(&Request::SubmitCommit(commit))).await;
    assert!(matches!(answer.expect("an answer").expect("accepted").as_slice(), [Reply::Receipt(_)]));
    drop((exchange, endpoint));
}

/// Anne (coordinator), bert and cees in one case; cees is the offender.
struct Three {
    anne: (Client, Case),
    bert: (Client, Case),
    cees: (Profile, Unlock),
    _relay: kring_server::RunningRelay,
    _world: World,
}

impl Three {
    async fn together() -> Self {
        let world = World::new();
        let relay = world.relay(0).await;
        let open = async |name| {
            let (profile, unlock) = world.profile(name, relay.addr);
            let client = Client::open(&profile, &unlock).await.expect("a client");
            soon("the KeyPackages", client.caught_up()).await.expect("a relay");
            (client, profile, unlock)
        };
        let (anne, ..) = open("anne").await;
        let (bert, ..) = open("bert").await;
        let (cees, profile, unlock) = open("cees").await;
        let case = anne.new_case("Gezin").await.expect("a case");
        for other in [&bert, &cees] {
            let mut events = other.events();
            let pending = case.add(other.address().professional.clone(), Role::Member).await.expect("stored");
            assert_eq!(soon("the addition", pending.done()).await.expect("done").added.len(), 1);
            let joined =
                events.find(|event| matches!(event, ClientEvent::Conversation(Event::Joined { .. })).then_some(()));
            soon("joining", joined).await.expect("open");
        }
        let at_bert = bert.case(case.id()).await.expect("joined");
        soon("the receipt", async { case.send(ItemDraft::markdown("voor")).await.expect("stored").relayed().await })
            .await
            .expect("accepted");
        soon("all of it", cees.caught_up()).await.expect("a relay");
        soon("the end", cees.close()).await;
        Self { anne: (anne, case), bert: (bert, at_bert), cees: (profile, unlock), _relay: relay, _world: world }
    }

    /// The honest refuse the Commit, go on in a successor, and hear each other there.
    async fn the_case_goes_on(&self, expected: CommitRefused, offend: impl Future<Output = ()>) {
        let honest = [&self.anne, &self.bert];
        let mut events = honest.map(|(client, _)| client.events());
        let group = self.anne.1.view().await.expect("a view").group;
        offend.await;
        for events in &mut events {
            let refused = events.find(|event| match event {
                ClientEvent::Conversation(Event::CommitRefused { reason, by, .. }) => Some((reason, by)),
                _ => None,
            });
            let (reason, by) = soon("the refusal", refused).await.expect("open");
            assert_eq!(reason, expected);
            assert_eq!(by.expect("an offender").professional.name(), "cees");
            let continued = events
                .find(|event| matches!(event, ClientEvent::Conversation(Event::Continued { .. })).then_some(()));
            soon("a successor group", continued).await.expect("open");
        }
        for (_, case) in honest {
            let sent = case.send(ItemDraft::markdown("verder")).await.expect("stored");
            soon("the receipt", sent.relayed()).await.expect("accepted");
        }
        for (client, case) in honest {
            assert_eq!(texts_of(client, case, 3).await, ["voor", "verder", "verder"]);
            let view = case.view().await.expect("a view");
            assert_eq!((view.status, view.members), (CaseStatus::Open, 2), "without the offender");
            assert_ne!(view.group, group);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_access_key_beside_a_commit_is_refused_and_the_case_goes_on_at_the_real_relay() {
    let three = Three::together().await;
    let false_key = Some(AccessKey([9; 32]));
    let offence = commit_against_the_rules(&three.cees, three.anne.1.id(), |_| Plan::default(), false_key);
    three.the_case_goes_on(CommitRefused::AccessKey, offence).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_the_role_forbids_is_refused_and_the_case_goes_on_at_the_real_relay() {
    let three = Three::together().await;
    let remove_bert = |mls: &Group| {
        let own = mls.own_index();
        let others = (0..3).map(LeafNodeIndex::new).filter(|index| *index != own);
        Plan { remove: others.skip(1).take(1).collect(), ..Plan::default() }
    };
    let offence = commit_against_the_rules(&three.cees, three.anne.1.id(), remove_bert, None);
    three.the_case_goes_on(CommitRefused::Role, offence).await;
}
