//! Some professionals around one case, each with a device that is online at one relay.

use std::net::SocketAddr;

use kring_client::api::Case;
use kring_client::case::Role;

use crate::person::Person;
use crate::world::World;

/// The professionals with the case as each of them has it; the first is its coordinator.
pub type Circle<const N: usize> = [(Person, Case); N];

/// Sets devices up, opens a case, and adds everybody to it as a member.
///
/// # Panics
/// When somebody is not added.
pub async fn together<const N: usize>(world: &World, addresses: [&str; N], relay: SocketAddr) -> Circle<N> {
    let mut people = Vec::with_capacity(N);
    for address in addresses {
        people.push(Person::online(world, address, relay).await);
    }
    let (coordinator, others) = people.split_first().expect("at least one");
    let case = coordinator.new_case("Gezin").await;
    for other in others {
        coordinator.add(&case, other, Role::Member).await;
    }
    let mut circle = Vec::with_capacity(N);
    for person in people {
        let case = person.joined(&case).await;
        circle.push((person, case));
    }
    circle.try_into().unwrap_or_else(|_| unreachable!("as many as there are addresses"))
}
