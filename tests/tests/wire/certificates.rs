//! Who gets in: post-quantum key exchange, a certificate of a pinned region, valid now.

use kring_tests::log::Log;
use kring_tests::relay;
use kring_tests::wire::{Lost, Manner, Wire};
use kring_tests::world::World;
use rustls::crypto::aws_lc_rs::kx_group;

#[tokio::test]
async fn a_peer_without_x25519mlkem768_is_refused() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let device = world.device("anne@politie.example");
    for key_exchange in
        [vec![kx_group::X25519], vec![kx_group::SECP256R1, kx_group::X25519], vec![kx_group::MLKEM768]]
    {
        let manner = Manner { key_exchange, ..Manner::proper(&device) };
        assert!(Wire::connect(&world, manner, relay.addr).await.is_err());
    }
    // The same device, with it.
    Wire::open(&world, &device, relay.addr).await.create(Log::random(), None).await;
}

#[tokio::test]
async fn another_application_protocol_is_refused() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let device = world.device("anne@politie.example");
    let manner = Manner { alpn: b"h3", ..Manner::proper(&device) };
    assert!(Wire::connect(&world, manner, relay.addr).await.is_err());
}

/// Tries to say hello; `Err` however the relay refuses.
async fn hello(world: &World, manner: Manner<'_>, relay: std::net::SocketAddr) -> Result<(), Lost> {
    let wire = Wire::connect(world, manner, relay).await.map_err(|_| Lost)?;
    wire.hello().await.map(|_| ())
}

#[tokio::test]
async fn a_device_without_a_certificate_of_the_region_that_is_valid_now_gets_no_welcome() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let valid = world.device("anne@politie.example");
    assert_eq!(hello(&world, Manner::proper(&valid), relay.addr).await, Ok(()));

    let expired = world.expired_device("anne@politie.example");
    assert_eq!(hello(&world, Manner::proper(&expired), relay.addr).await, Err(Lost), "expired");
    let elsewhere = World::new().device("anne@politie.example");
    assert_eq!(hello(&world, Manner::proper(&elsewhere), relay.addr).await, Err(Lost), "another region's root");
    let none = Manner { device: None, ..Manner::proper(&valid) };
    assert_eq!(hello(&world, none, relay.addr).await, Err(Lost), "no certificate");
    let mut without_organisation = world.device("anne@politie.example");
    without_organisation.chain.truncate(1);
    assert_eq!(hello(&world, Manner::proper(&without_organisation), relay.addr).await, Err(Lost), "half a chain");
}
