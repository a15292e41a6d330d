//! Revocation, enrolment and the directory through QUIC.

use std::time::Duration;

use kring_protocol::ENROL_ALPN;
use kring_protocol::ids::{InboxSeq, Incarnation, TicketId, Timestamp};
use kring_protocol::message::{
    AnswerTicket, Empty, FetchAnswer, Hello, OpenTicket, PublishKeyPackages, Push, PutRequest, ReadCrls, ReadInbox,
    ReadTickets, Reply, SearchDirectory,
};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use tokio::time::timeout;

use super::client::{Client, Manner};
use super::connections::{application_code, ended, is_tls_alert};
use super::world::{Device, World, soon};
use crate::clock;
use crate::rules::guessing::WRONG_FROM_ONE;
use crate::shell::{RunningRelay, closing};
use crate::store::MemoryStore;

const DONE: Reply = Reply::Done(Empty);
const TICKET: TicketId = TicketId([0xbb; 16]);

async fn cut(client: &Client) {
    let error = soon("the cut", client.connection.closed()).await;
    assert_eq!(application_code(&error), Some(closing::code(&Refusal::Revoked)));
}

async fn is_refused(world: &World, device: &Device, relay: &RunningRelay) {
    let error = ended(Client::connect(world, device, relay.addr, Manner::default()).await).await;
    assert!(is_tls_alert(&error), "{error:?}");
}

#[tokio::test]
async fn from_a_lists_acceptance_to_the_cut_it_takes_less_than_a_second_and_after_a_restart_it_holds() {
    let world = World::new();
    let store = MemoryStore::new(Incarnation([0xc0; 16]));
    let relay = world.relay_on(&store).await;
    let (leaver, colleague) = (world.device(1), world.device(2));
    let leaving =
        [Client::greeted(&world, &leaver, relay.addr).await, Client::greeted(&world, &leaver, relay.addr).await];
    let staying = Client::greeted(&world, &colleague, relay.addr).await;
    let list = world.list(&[&leaver], 5);
    assert_eq!(staying.ask(list.clone()).await, DONE);
    let cut_off = timeout(Duration::from_secs(1), async {
        for connection in &leaving {
            cut(connection).await;
        }
    });
    assert!(cut_off.await.is_ok(), "within a second of the answer");
    is_refused(&world, &leaver, &relay).await;
    assert!(matches!(staying.pushes().await.next().await, Push::CrlsChanged(changed) if changed.number.0 == 5));
    let lists = staying.ask_all(ReadCrls { known: Vec::new() }).await;
    let [Reply::Crl(crl), Reply::CrlsEnd(end)] = &lists[..] else { panic!("{lists:?}") };
    assert_eq!((&crl.crl, &crl.issuer), (&list.crl, &list.issuer));
    // An older one is no news, and the next one can take the revocation back.
    let stale = Reply::Refused(Refusal::StaleCrl { number: kring_protocol::ids::CrlNumber(5) });
    assert_eq!(staying.ask(world.list(&[], 4)).await, stale);
    relay.shutdown().await;

    let relay = world.relay_on(&store).await;
    is_refused(&world, &leaver, &relay).await;
    let staying = Client::connect(&world, &colleague, relay.addr, Manner::default()).await.unwrap();
    assert_eq!(staying.hello().await.crls, Some(end.digest));
    assert_eq!(staying.ask(world.list(&[], 6)).await, DONE);
    Client::greeted(&world, &leaver, relay.addr).await;
    assert!(relay.metrics().contains("kring_crls_taken_total 1"), "{}", relay.metrics());
}

#[tokio::test]
async fn an_organisation_that_the_region_revokes_is_cut_off_with_all_its_devices() {
    let world = World::new();
    let relay = world.relay().await;
    let device = world.device(1);
    let connected = Client::greeted(&world, &device, relay.addr).await;
    // Handed in by one of those whom it cuts off: its answer may get lost with its connection.
    let list = world.list_of_region(1);
    tokio::join!(cut(&connected), async {
        let (mut send, _receive) = connected.connection.open_bi().await.unwrap();
        let frame = kring_protocol::frame::encode(&kring_protocol::message::Request::from(list));
        send.write_all(&frame).await.unwrap();
        send.finish().unwrap();
        soon("the end", connected.connection.closed()).await;
    });
    is_refused(&world, &device, &relay).await;
}

#[tokio::test]
async fn a_list_that_nobody_vouches_for_is_refused() {
    let (world, elsewhere) = (World::new(), World::new());
    let relay = world.relay().await;
    let device = world.device(1);
    let client = Client::greeted(&world, &device, relay.addr).await;
    let mut without_issuer = world.list(&[&device], 1);
    without_issuer.issuer = None;
    let mut garbage = world.list(&[&device], 1);
    garbage.crl = Payload::from(b"garbage".to_vec());
    for list in [elsewhere.list(&[], 1), elsewhere.list_of_region(1), without_issuer, garbage] {
        assert_eq!(client.ask(list).await, Reply::Refused(Refusal::NotCrl));
    }
    let mut large = world.list(&[], 1);
    large.crl = vec![0; kring_protocol::limits::MAX_CRL + 1].into();
    assert!(matches!(client.ask(large).await, Reply::Refused(Refusal::TooLarge { .. })));
    assert!(matches!(client.ask(ReadInbox { after: InboxSeq(0) }).await, Reply::InboxEnd(_)));
}

#[tokio::test]
async fn a_list_in_a_file_beside_its_issuers_certificate_is_served_to_clients() {
    let world = World::new();
    let leaver = world.device(1);
    let world = world.with_known_crl_file(&[&leaver], 3);
    let relay = world.relay().await;
    is_refused(&world, &leaver, &relay).await;
    let client = Client::greeted(&world, &world.device(2), relay.addr).await;
    let lists = client.ask_all(ReadCrls { known: Vec::new() }).await;
    assert!(matches!(&lists[..], [Reply::Crl(_), Reply::CrlsEnd(_)]), "{lists:?}");
    // A newer one that is handed in counts more than the file.
    assert_eq!(client.ask(world.list(&[], 4)).await, DONE);
    Client::greeted(&world, &leaver, relay.addr).await;
    relay.reload().unwrap();
    Client::greeted(&world, &leaver, relay.addr).await;
}

async fn visitor(world: &World, relay: &RunningRelay) -> Client {
    let manner = Manner { certificate: false, protocol: ENROL_ALPN, ..Manner::default() };
    Client::connect(world, &world.device(9), relay.addr, manner).await.unwrap()
}

#[tokio::test]
async fn a_new_device_is_enrolled_through_the_mailbox_and_can_do_nothing_else() {
    let world = World::new();
    let relay = world.relay().await;
    let administration = Client::greeted(&world, &world.device_of(0xad, "administration"), relay.addr).await;
    let new = visitor(&world, &relay).await;
    let put = |text: &str| PutRequest { ticket: TICKET, sealed: text.as_bytes().to_vec().into() };
    assert_eq!(new.ask(put("csr")).await, Reply::Refused(Refusal::UnknownTicket));
    let expires = clock::now().plus(Timestamp::DAY);
    assert_eq!(administration.ask(OpenTicket { ticket: TICKET, expires }).await, DONE);
    assert_eq!(new.ask(put("csr")).await, DONE);
    assert_eq!(new.ask(put("other")).await, Reply::Refused(Refusal::TicketUsed));
    assert!(matches!(administration.pushes().await.next().await, Push::EnrolmentWaiting(_)));
    // The device waits while the administration answers.
    let fetching = tokio::spawn(async move {
        let answer = new.ask(FetchAnswer { ticket: TICKET }).await;
        (new, answer)
    });
    let requests = administration.ask_all(ReadTickets { tickets: vec![TICKET] }).await;
    let [Reply::TicketRequest(request), Reply::MailboxEnd(_)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(&request.sealed[..], b"csr");
    let answer = AnswerTicket { ticket: TICKET, sealed: b"certificate".to_vec().into() };
    assert_eq!(administration.ask(answer).await, DONE);
    let (new, answer) = soon("the answer", fetching).await.unwrap();
    assert!(matches!(&answer, Reply::EnrolmentAnswer(answer) if &answer.answer[..] == b"certificate"), "{answer:?}");

    let unknown = Reply::Refused(Refusal::UnknownRequest);
    assert_eq!(new.ask(ReadInbox { after: InboxSeq(0) }).await, unknown);
    assert_eq!(new.ask(Hello { version: 1, features: Vec::new() }).await, unknown);
    assert_eq!(new.ask(world.list(&[], 1)).await, unknown);
    assert_eq!(administration.ask(put("csr")).await, unknown);
    let large = put(&"x".repeat(kring_protocol::limits::MAX_ENROL_FRAME));
    assert!(matches!(new.ask(large).await, Reply::Refused(Refusal::TooLarge { limit: 16_384 })));
}

#[tokio::test]
async fn who_guesses_tickets_is_stopped() {
    let world = World::new();
    let relay = world.relay().await;
    let guesser = visitor(&world, &relay).await;
    let (mut unknown, mut limited) = (0, 0);
    for number in 0..WRONG_FROM_ONE as u8 + 5 {
        match guesser.ask(FetchAnswer { ticket: TicketId([number; 16]) }).await {
            Reply::Refused(Refusal::UnknownTicket) => unknown += 1,
            Reply::Refused(Refusal::RateLimited { .. }) => limited += 1,
            other => panic!("{other:?}"),
        }
    }
    // The minute may turn meanwhile, once.
    assert!(unknown == WRONG_FROM_ONE && limited == 5 || limited < 5, "{unknown} {limited}");
    assert!(relay.metrics().contains(&format!("kring_tickets_guessed_total {unknown}")));
}

#[tokio::test]
async fn one_place_has_so_many_visitors_and_one_that_goes_makes_room() {
    let world = World::new();
    let relay = world.relay().await;
    let mut visitors = Vec::new();
    for _ in 0..8 {
        let visitor = visitor(&world, &relay).await;
        visitor.ask(FetchAnswer { ticket: TICKET }).await;
        visitors.push(visitor);
    }
    let ninth = visitor(&world, &relay).await;
    let error = soon("the refusal", ninth.connection.closed()).await;
    assert_eq!(application_code(&error), Some(closing::busy()));
    visitors.pop().unwrap().connection.close(0u8.into(), &[]);
    soon("room", async {
        loop {
            let next = visitor(&world, &relay).await;
            let exchange = async {
                let (mut send, mut receive) = next.connection.open_bi().await.ok()?;
                let request = kring_protocol::message::Request::from(FetchAnswer { ticket: TICKET });
                send.write_all(&kring_protocol::frame::encode(&request)).await.ok()?;
                send.finish().ok()?;
                receive.read_to_end(1 << 16).await.ok()
            };
            if exchange.await.is_some() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_device_that_has_published_is_found_with_its_chain() {
    let world = World::new();
    let relay = world.relay().await;
    let device = world.device(1);
    let client = Client::greeted(&world, &device, relay.addr).await;
    let key_package: Payload = vec![0, 1, 0, 5, 0, 1, 9].into();
    let publish = PublishKeyPackages { single_use: vec![key_package], last_resort: None, replace: false };
    assert!(matches!(client.ask(publish).await, Reply::KeyPackageCount(_)));
    let Reply::Found(found) = client.ask(SearchDirectory { text: "canary jans".into(), limit: 5 }).await else {
        panic!("found")
    };
    assert_eq!((found.devices.len(), found.more), (1, false));
    let chain: Vec<_> = found.devices[0].chain.iter().map(|certificate| certificate.to_vec()).collect();
    assert_eq!(chain, device.chain.iter().map(|certificate| certificate.to_vec()).collect::<Vec<_>>());
}
