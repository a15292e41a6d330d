//! A relay or a device that is not what it should be gives a clear error.

use kring_client::api::{ConnectError, OpenError, OwnFault};
use kring_tests::clock::soon;
use kring_tests::person::{Person, setup};
use kring_tests::relay;
use kring_tests::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_from_an_unknown_root_is_refused() {
    let (world, other) = (World::new(), World::new());
    let relay = relay::here(&other).await;
    let person = Person::open(setup(&world, &world.device("anne@politie.example"), relay.addr)).await.unwrap();
    let error = soon("an attempt", person.client.connected()).await.unwrap_err();
    assert_eq!(error, ConnectError::RelayUnknownRoot);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_certificate_bears_another_name_is_refused() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let mut setup = setup(&world, &world.device("anne@politie.example"), relay.addr);
    setup.relay = setup.relay.with_name("another.kring.example").unwrap();
    let person = Person::open(setup).await.unwrap();
    let error = soon("an attempt", person.client.connected()).await.unwrap_err();
    assert_eq!(error, ConnectError::RelayOtherName);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_another_region_is_told_that_it_was_refused() {
    let (world, other) = (World::new(), World::new());
    let relay = relay::here(&world).await;
    let mut setup = setup(&other, &other.device("anne@politie.example"), relay.addr);
    setup.relay_roots = vec![world.root().clone()];
    let person = Person::open(setup).await.unwrap();
    let error = soon("an attempt", person.client.connected()).await.unwrap_err();
    assert_eq!(error, ConnectError::OwnRefused(OwnFault::Root));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_certificate_has_expired_says_so() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let opened = Person::open(setup(&world, &world.expired_device("anne@politie.example"), relay.addr)).await;
    match opened {
        // It opens all the same: what it has can be read.
        Ok(person) => {
            let error = soon("an attempt", person.client.connected()).await.unwrap_err();
            assert_eq!(error, ConnectError::OwnExpired);
        }
        Err(OpenError::Certificate(_)) => {}
        Err(other) => panic!("{other}"),
    }
}
