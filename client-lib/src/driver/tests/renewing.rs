//! A device that renews its certificate by itself, by its clock and without any command.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kring_pki::issue::Validity;
use kring_pki::verify::{Crls, TrustAnchors, When, verify_device};
use kring_protocol::ids::{InboxSeq, Timestamp};
use kring_protocol::message::{Empty, EnrolmentAnswer, InboxEnd, KeyPackageCount, Reply, Request};
use kring_protocol::refusal::Refusal;
use tokio::sync::watch;

use super::real::soon;
use super::relay::{Flaws, World, accept, beside, next_request, now, reply, unlock};
use crate::api::{Client, ClientEvent};
use crate::driver::Surroundings;
use crate::driver::surroundings::Clock;
use crate::enrolment::{Answer, Granted, renewal};
use crate::identity::Profile;

/// A clock that the test puts forward, and that counts how often it is looked at.
struct Set {
    at: AtomicU64,
    looks: watch::Sender<u64>,
}

impl Clock for Set {
    fn now(&self) -> Timestamp {
        self.looks.send_modify(|looks| *looks += 1);
        Timestamp(self.at.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn at_two_thirds_of_its_time_a_certificate_is_renewed_without_any_command() {
    let world = World::new();
    let endpoint = world.listen(&Flaws::default());
    let folder = tempfile::tempdir().expect("folder");
    let setup = world.setup(endpoint.local_addr().expect("address"), Validity::days(now(), 27));
    let profile = Profile::create(&folder.path().join("p"), &setup, &unlock()).expect("profile");
    // What the administrator answers, once the device is known.
    let (answer, answers) = watch::channel(None::<Granted>);
    let (asked, asks) = watch::channel(0);
    let script = beside(async move {
        let connection = accept(&endpoint).await;
        let mut request_seen = None;
        while let Some((mut stream, request)) = next_request(&connection).await {
            let last = match (request, &request_seen) {
                (Request::ReadInbox(_), _) => Reply::InboxEnd(InboxEnd { through: InboxSeq(0) }),
                (Request::PublishKeyPackages(_), _) => {
                    Reply::KeyPackageCount(KeyPackageCount { single_use: 100, last_resort: true })
                }
                (Request::FetchRenewal(_), None) => {
                    asked.send_modify(|asked| *asked += 1);
                    Reply::Refused(Refusal::UnknownTicket)
                }
                (Request::AskRenewal(ask), _) => {
                    asked.send_modify(|asked| *asked += 1);
                    request_seen = Some(ask.request.to_vec());
                    Reply::Done(Empty)
                }
                (Request::FetchRenewal(_), Some(request)) => {
                    let granted = answers.borrow().clone().expect("the device is known by now");
                    Reply::EnrolmentAnswer(EnrolmentAnswer {
                        answer: Answer::Granted(granted).to_bytes(request).into(),
                    })
                }
                _ => Reply::Done(Empty),
            };
            reply(&mut stream, &last).await;
        }
    });

    let anchors = TrustAnchors::from_der([&world.root()]).expect("a root");
    let present = verify_device(&setup.chain, &anchors, When::Ever, &Crls::none()).expect("good");
    let next = world.renewed(&present, Validity::days(now(), 200));
    let granted = Granted { chain: next.chain().to_vec(), region_roots: Vec::new(), relay_roots: Vec::new() };
    answer.send(Some(granted)).expect("the relay runs");

    // Not yet, by some milliseconds: the device looks again and again, and asks for nothing.
    let due = renewal::due(present.not_before(), present.valid_until());
    let (looks, mut looked) = watch::channel(0);
    let clock = Arc::new(Set { at: AtomicU64::new(due.0 - 20), looks });
    let surroundings = Surroundings { clock: clock.clone(), ..Surroundings::default() };
    let client = Client::open_in(&profile, &unlock(), surroundings).await.expect("client");
    let mut events = client.events();
    client.connect();
    soon("a connection", client.connected()).await.expect("a relay");
    let before = *looked.borrow_and_update();
    let mut too_early = asks.clone();
    tokio::select! {
        looks = soon("some looks", looked.wait_for(|looks| *looks >= before + 10)) => drop(looks.expect("a clock")),
        _ = too_early.wait_for(|asked| *asked > 0) => panic!("asked before it is time"),
    }
    assert_eq!(*asks.borrow(), 0, "it is not time yet");

    clock.at.store(due.0, Ordering::SeqCst);
    let renewed = events.find(|event| match event {
        ClientEvent::CertificateRenewed { until } => Some(until),
        _ => None,
    });
    assert_eq!(soon("the next certificate", renewed).await, Some(next.valid_until()));
    assert_eq!(*asks.borrow(), 2, "looked for, then asked for");
    let kept = Profile::open(&folder.path().join("p")).expect("the profile");
    assert_eq!(kept.chain(), next.chain(), "for the next opening");
    client.close().await;
    script.abort();
}
