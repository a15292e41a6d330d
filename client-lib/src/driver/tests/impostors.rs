//! People who are not who they say at the real relay, over QUIC: what their own client is told, and what is told to
//! those who want to add them. The case of the others goes on.

use kring_pki::issue::{Reason, Revocation};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::Timestamp;
use kring_protocol::message::{PublishCrl, PublishKeyPackages, Reply, Request};

use super::real::{World, soon};
use crate::api::{Case, Client, ConnectError, OwnFault};
use crate::case::{ItemDraft, Role};
use crate::conversation::{NotAdded, Unbelieved};
use crate::driver::connection::{Standing, stand_up};
use crate::driver::surroundings::Surroundings;
use crate::identity::{Identity, Profile};
use crate::mls::disguises::Lands;
use crate::store::{Store, Unlock};

/// A case of anne and bert at a real relay, and the profiles of two others.
struct Ground {
    lands: Lands,
    anne: Client,
    case: Case,
    beheer: (Profile, Unlock),
    cees: (Profile, Unlock),
    _bert: Client,
    _relay: kring_server::RunningRelay,
    _world: World,
}

impl Ground {
    async fn new() -> Self {
        let lands = Lands::new();
        let (root, organisation) = lands.own();
        let world = World::of(root, organisation);
        let relay = world.relay(0).await;
        let open = async |name| {
            let (profile, unlock) = world.profile(name, relay.addr);
            let client = Client::open(&profile, &unlock).await.expect("a client");
            soon("the KeyPackages", client.caught_up()).await.expect("a relay");
            client
        };
        let (anne, bert) = (open("anne").await, open("bert").await);
        let case = anne.new_case("Gezin").await.expect("a case");
        let pending = case.add(bert.address().professional.clone(), Role::Member).await.expect("stored");
        assert_eq!(soon("the addition", pending.done()).await.expect("done").added.len(), 1);
        let [beheer, cees] = ["beheer", "cees"].map(|name| world.profile(name, relay.addr));
        Self { lands, anne, case, beheer, cees, _bert: bert, _relay: relay, _world: world }
    }

    /// The case goes on: bert is in it, nobody else is, and what anne says reaches the relay.
    async fn goes_on(&self, what: &str) {
        assert_eq!(self.case.view().await.expect("a view").members, 2, "{what}");
        let sent = self.case.send(ItemDraft::markdown(what)).await.expect("stored");
        soon("the receipt", sent.relayed()).await.expect("accepted");
    }

    /// Why anne does not add cees.
    async fn not_added(&self, cees: &DeviceAddress) -> Vec<NotAdded> {
        let pending = self.case.add(cees.professional.clone(), Role::Member).await.expect("stored");
        let added = soon("the answer", pending.done()).await.expect("answered");
        assert!(added.added.is_empty());
        added.not_added.into_iter().map(|(_, why)| why).collect()
    }

    /// The organisation puts cees on its list, and the relay has it.
    async fn revoke(&self, cees: &Identity) {
        let now = Surroundings::default().clock.now();
        let revocation =
            Revocation { serial: cees.device().serial().clone(), at: now, reason: Reason::KeyCompromise };
        let list = self.lands.care.sign_crl(&[revocation], 1, now, now.plus(7 * Timestamp::DAY)).expect("a list");
        let issuer = self.lands.care.certificate().as_ref().to_vec();
        let publish = PublishCrl { crl: list.as_ref().to_vec().into(), issuer: Some(issuer.into()) };
        let done = ask(&self.beheer, &identity(&self.beheer), Request::PublishCrl(publish)).await;
        assert!(matches!(done.as_slice(), [Reply::Done(_)]));
    }
}

/// Who a device is, for a program of its own.
fn identity((profile, unlock): &(Profile, Unlock)) -> Identity {
    let store = Store::open(&profile.store_folder(), unlock).expect("the device's store");
    let seed = store.device_key().expect("read").expect("a key");
    Identity::new(profile, seed).expect("an identity")
}

async fn connect((profile, _): &(Profile, Unlock), identity: &Identity) -> Result<Standing, ConnectError> {
    soon("an attempt", stand_up(identity, profile.relay(), &Surroundings::default().clock)).await
}

async fn ask(profile: &(Profile, Unlock), identity: &Identity, request: Request) -> Vec<Reply> {
    let standing = connect(profile, identity).await.expect("a connection");
    soon("the relay's answer", standing.exchange.ask(&request)).await.expect("an answer").expect("accepted")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostors_own_client_is_told_why_the_real_relay_lets_it_in_nowhere() {
    let ground = Ground::new().await;
    let cees = identity(&ground.cees);
    connect(&ground.cees, &cees).await.expect("who is who they say is let in");
    for (what, disguise, why) in ground.lands.impostors(cees.device().address()) {
        let mut impostor = identity(&ground.cees);
        impostor.disguise(&disguise.chain, &disguise.key);
        let fault = match why {
            // Already its own TLS does not sign for a certificate with another key.
            Unbelieved::OtherKey => OwnFault::Key,
            Unbelieved::OtherOrganisation | Unbelieved::Function => OwnFault::Organisation,
            Unbelieved::Usage => OwnFault::Usage,
            Unbelieved::Authority => OwnFault::Expired,
            Unbelieved::Root => OwnFault::Root,
            Unbelieved::Place | Unbelieved::Certificate => panic!("{what} is no row"),
        };
        let refused = connect(&ground.cees, &impostor).await.err();
        assert_eq!(refused, Some(ConnectError::OwnRefused(fault)), "{what}");
        ground.goes_on(what).await;
    }
    ground.revoke(&cees).await;
    let refused = connect(&ground.cees, &cees).await.err();
    assert_eq!(refused, Some(ConnectError::OwnRefused(OwnFault::Revoked)));
    ground.goes_on("a revoked certificate").await;
    ground.anne.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostors_key_package_at_the_real_relay_is_refused_for_its_own_reason() {
    let ground = Ground::new().await;
    let cees = identity(&ground.cees);
    let address = cees.device().address();
    // The relay knows nothing of MLS: whatever a device that is let in publishes is handed out as its own.
    for (what, disguise, why) in ground.lands.impostors(address) {
        let package = disguise.wearer(&ground.lands).package().0;
        let publish = PublishKeyPackages { single_use: vec![package.into()], last_resort: None, replace: true };
        ask(&ground.cees, &cees, Request::PublishKeyPackages(publish)).await;
        assert_eq!(ground.not_added(address).await, [NotAdded::Impostor(why)], "{what}");
        ground.goes_on(what).await;
    }
    let honest = Client::open(&ground.cees.0, &ground.cees.1).await.expect("a client");
    soon("the KeyPackages", honest.caught_up()).await.expect("a relay");
    soon("the end", honest.close()).await;
    ground.revoke(&cees).await;
    // The relay hands out nothing of it any more; one that does is refused as `Revoked`.
    assert_eq!(ground.not_added(address).await, [NotAdded::Unknown]);
    ground.goes_on("a revoked certificate").await;
    ground.anne.close().await;
}
