//! Closing and erasing over a real relay: every device destroys what it had, and of the case nothing is left in the
//! relay's database after it has been compacted.

use kring_client::api::ClientEvent;
use kring_client::case::{FileStatement, Role};
use kring_client::conversation::Event;
use kring_protocol::ids::GroupId;
use kring_server::engine::{Command, Core, Settings};
use kring_server::store::{Position, SledStore, Store as _, maintenance};
use kring_tests::clock::{now, soon};
use kring_tests::person::Person;
use kring_tests::relay;
use kring_tests::world::World;

const CACHE: u64 = 16 << 20;
/// Steps of the sweep that reach the end of what a test writes, at sixty entries each.
const PASS: usize = 20;

fn relay_key(world: &World) -> [u8; 32] {
    let digits = std::fs::read_to_string(world.path("database.key")).unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    std::array::from_fn(|place| byte(2 * place))
}

/// The entries of the relay's journal that bear the group's identifier, decrypted; and all there are.
fn entries_of(world: &World, group: GroupId) -> (usize, usize) {
    let store = SledStore::open(&world.data(), &relay_key(world), CACHE).unwrap();
    let (mut of_group, mut all, mut at) = (0, 0, Position(0));
    while let Some(next) = store.next_after(at).unwrap() {
        let entry = store.entry(next).unwrap().unwrap();
        all += 1;
        of_group += usize::from(entry.windows(16).any(|window| window == group.as_bytes()));
        at = next;
    }
    (of_group, all)
}

/// Has the relay's engine sweep its database, as it does by itself in the course of time: what a pass no longer needs goes
/// in a later one, when a checkpoint covers it.
fn sweep(world: &World) {
    for _ in 0..3 {
        let store = SledStore::open(&world.data(), &relay_key(world), CACHE).unwrap();
        let randomness = Box::new(|bytes: &mut [u8]| rand::RngCore::fill_bytes(&mut rand::rng(), bytes));
        let mut core = Core::open(Box::new(store), Settings::default(), randomness).unwrap();
        for command in std::iter::once(Command::Sweep).chain((0..PASS).map(|_| Command::Tick)) {
            assert!(core.handle(vec![command], now())[0].is_ok());
        }
        core.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_erased_case_nothing_is_left_on_the_devices_nor_in_the_relays_database() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let other = anne.new_case("Een ander gezin").await;
    anne.say(&other, "dit blijft").await;
    let case = anne.new_case("Gezin").await;
    anne.add(&case, &bert, Role::Member).await;
    let at_bert = bert.joined(&case).await;
    for number in 0..20 {
        anne.say(&case, &format!("tekst {number}")).await;
    }
    bert.has_texts(&at_bert, 20).await;
    let group = case.view().await.unwrap().group;

    soon("proposing", case.propose_closing(30).await.unwrap().done()).await.unwrap();
    bert.until("the proposal", async || at_bert.duties().await.ok()?.1.closing().cloned()).await;
    assert_eq!(at_bert.duties().await.unwrap().1.closing().unwrap().keep_days, 30, "told to every member");
    soon("a statement", case.state_file(FileStatement::Exported).await.unwrap().done()).await.unwrap();
    assert!(case.close().await.is_err(), "the other organisation has not stated");
    soon("a statement", at_bert.state_file(FileStatement::NotNeeded).await.unwrap().done()).await.unwrap();
    soon("a hold", at_bert.hold().await.unwrap().done()).await.unwrap();
    anne.until("statement and hold", async || {
        let (_, duties) = case.duties().await.ok()?;
        (duties.closing()?.statements.len() == 2 && duties.holds().len() == 1).then_some(())
    })
    .await;
    soon("closing", case.close().await.unwrap().done()).await.unwrap();
    assert!(case.erase().await.is_err(), "it is held");
    bert.until("the end", async || {
        at_bert.duties().await.ok()?.1.stage().filter(|stage| *stage > kring_client::case::ClosingStage::Proposed)
    })
    .await;
    soon("lifting", at_bert.lift_hold("opvang.example").await.unwrap().done()).await.unwrap();
    anne.until("no hold", async || case.duties().await.ok()?.1.holds().is_empty().then_some(())).await;

    let mut events = anne.client.events();
    soon("erasing", case.erase().await.unwrap().done()).await.unwrap();
    let report = soon(
        "the report",
        events.find(|event| match event {
            ClientEvent::Conversation(Event::Erased { report }) => Some(report),
            _ => None,
        }),
    )
    .await
    .unwrap();
    assert_eq!((report.attested.len(), report.missing.len()), (2, 0));
    anne.until("being gone", async || case.view().await.is_err().then_some(())).await;
    bert.until("being gone", async || at_bert.view().await.is_err().then_some(())).await;
    // What still is on its way to the relay, such as the cursors that go.
    soon("the end of the client", anne.client.close()).await;
    soon("the end of the client", bert.client.close()).await;
    soon("the relay's end", relay.shutdown()).await;

    sweep(&world);
    maintenance::compact(&world.data(), &relay_key(&world)).unwrap();
    let (of_group, all) = entries_of(&world, group);
    assert_eq!(of_group, 0, "of {all} entries");
    assert!(all > 0, "the other case is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_for_what_is_left_finds_what_is_there() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    anne.say(&case, "tekst").await;
    let group = case.view().await.unwrap().group;
    soon("the end of the client", anne.client.close()).await;
    soon("the relay's end", relay.shutdown()).await;
    sweep(&world);
    maintenance::compact(&world.data(), &relay_key(&world)).unwrap();
    assert!(entries_of(&world, group).0 > 0);
}
