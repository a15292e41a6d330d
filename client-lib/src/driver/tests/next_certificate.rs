//! A client that stays open goes on with its next certificate.

use std::time::Duration;

use kring_pki::issue::Validity;
use kring_protocol::message::{Empty, EnrolmentAnswer, KeyPackageCount, Reply, Request};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use quinn::Connection;
use rustls_pki_types::CertificateDer;

use super::relay::{Flaws, World, accept, beside, next_request, now, reply, unlock};
use crate::api::{Client, ClientEvent, ConnectError};
use crate::enrolment::{Answer, Granted};

/// The certificate that a device has shown.
fn shown(connection: &Connection) -> CertificateDer<'static> {
    let identity = connection.peer_identity().expect("a certificate");
    identity.downcast::<Vec<CertificateDer<'static>>>().expect("certificates")[0].clone()
}

/// Answers until the connection ends, or KeyPackages come if `until_published`; gives these back.
async fn serve(connection: &Connection, granted: &Granted, until_published: bool) -> Vec<Payload> {
    let mut asked: Option<Vec<u8>> = None;
    while let Some((mut answer, request)) = next_request(connection).await {
        let last = match request {
            Request::FetchRenewal(_) => match &asked {
                None => Reply::Refused(Refusal::UnknownTicket),
                Some(asked) => {
                    let sealed = Answer::Granted(granted.clone()).to_bytes(asked);
                    Reply::EnrolmentAnswer(EnrolmentAnswer { answer: sealed.into() })
                }
            },
            Request::AskRenewal(ask) => {
                asked = Some(ask.request.to_vec());
                Reply::Done(Empty)
            }
            Request::PublishKeyPackages(publish) if until_published => return publish.single_use,
            Request::PublishKeyPackages(_) => {
                Reply::KeyPackageCount(KeyPackageCount { single_use: 100, last_resort: true })
            }
            _ => Reply::Done(Empty),
        };
        reply(&mut answer, &last).await;
    }
    Vec::new()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_on_the_next_connection_and_in_what_is_published_then() {
    let world = World::new();
    let endpoint = world.listen(&Flaws::default());
    let address = endpoint.local_addr().expect("address");
    let folder = tempfile::tempdir().expect("folder");
    let profile = world.profile(&folder.path().join("p"), address);
    let client = Client::open(&profile, &unlock()).await.expect("client");
    let next = world.renewed(client.device(), Validity::days(now(), 90));
    let granted = Granted { chain: next.chain().to_vec(), region_roots: Vec::new(), relay_roots: Vec::new() };
    let relay = beside(async move {
        let first = accept(&endpoint).await;
        serve(&first, &granted, false).await;
        let second = accept(&endpoint).await;
        (shown(&first), shown(&second), serve(&second, &granted, true).await)
    });
    let mut events = client.events();
    client.connected().await.expect("connected");
    let until = client.renew_certificate(Duration::from_secs(60)).await.expect("renewed");
    assert_eq!((until, client.status().certificate_until), (next.valid_until(), next.valid_until()));
    client.disconnect();
    let offline = |event| matches!(event, ClientEvent::Disconnected(ConnectError::Offline)).then_some(());
    events.find(offline).await.expect("offline");
    client.connect();
    let (before, after, packages) = relay.await.expect("relay");
    assert_eq!((&before, &after), (&client.device().chain()[0], &next.chain()[0]));
    let holds = |bytes: &[u8]| bytes.windows(after.len()).any(|window| window == after.as_ref());
    assert!(!packages.is_empty() && packages.iter().all(|package| holds(package)));
    client.close().await;
}
