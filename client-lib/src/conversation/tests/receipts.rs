//! Receipts, reading marks, edits, deletions and expiry.

use kring_protocol::ids::Timestamp;

use super::harness::World;
use crate::case::{Body, Delivery, ItemDraft, ItemId, Position, Reached};
use crate::conversation::Command;

const MINUTE: u64 = 60 * Timestamp::SECOND;

impl World {
    fn send(&mut self, index: usize, draft: ItemDraft) -> ItemId {
        let (case, item) = (self.case, ItemId::random());
        self.command(index, Command::Send { case, item, draft });
        item
    }

    fn reached(&self, index: usize, item: ItemId) -> Vec<Reached> {
        let status = self.core(index).message_status(self.case, item).unwrap().unwrap();
        status.recipients.iter().map(|recipient| recipient.reached).collect()
    }

    fn records(&self) -> usize {
        self.relay.logs.values().next().unwrap().records.len()
    }
}

#[test]
fn the_sender_sees_how_far_a_message_is_with_each_device() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.disconnect(2);
    let item = world.send(0, ItemDraft::markdown("gelezen?"));
    let queued = world.core(0).message_status(case, item).unwrap().unwrap();
    assert!(matches!(queued.delivery, Delivery::Submitted) && queued.recipients.is_empty());
    world.settle();
    assert_eq!(world.reached(0, item), [Reached::Unknown, Reached::Unknown], "relayed is not delivered");
    world.pass(2 * MINUTE);
    assert_eq!(world.reached(0, item), [Reached::Delivered, Reached::Unknown]);
    assert_eq!(world.core(1).unread(case, 100).unwrap(), 1);
    world.command(1, Command::MarkRead { case, position: Position(1) });
    assert_eq!(world.core(1).unread(case, 100).unwrap(), 0);
    world.connect(2);
    world.pass(2 * MINUTE);
    assert_eq!(world.reached(0, item), [Reached::Read, Reached::Delivered]);
    world.command(2, Command::Acknowledge { case, item });
    world.pass(2 * MINUTE);
    assert_eq!(world.reached(0, item), [Reached::Read, Reached::Acknowledged]);
    assert_eq!(world.items(0).len(), 1, "receipts are no items");
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn receipts_are_batched_and_there_are_none_about_receipts() {
    let mut world = World::together(&["anne", "bert"]);
    for number in 0..20 {
        world.say(0, &format!("bericht {number}"));
        world.settle();
    }
    let before = world.records();
    world.pass(5 * MINUTE);
    assert_eq!(world.records(), before + 1, "one for all twenty");
    world.pass(24 * 60 * MINUTE);
    let after = world.records();
    world.pass(24 * 60 * MINUTE);
    assert_eq!(world.records(), after, "and nothing more while nobody says anything");
}

#[test]
fn a_device_that_is_open_for_a_moment_at_a_time_says_how_far_it_is_all_the_same() {
    let mut world = World::together(&["anne", "bert"]);
    world.pass(2 * MINUTE);
    let item = world.send(0, ItemDraft::markdown("gelezen?"));
    let told = |world: &World| world.reached(0, item)[0];
    world.settle();
    let closed_for = |world: &mut World, time: u64| {
        world.reopen(1);
        world.pass(time);
        world.connect(1);
        world.settle();
    };
    for _ in 0..4 {
        closed_for(&mut world, 7 * Timestamp::SECOND);
    }
    assert_eq!(told(&world), Reached::Unknown, "not at once, whatever is closed and opened meanwhile");
    closed_for(&mut world, MINUTE);
    assert_eq!(told(&world), Reached::Delivered);
}

#[test]
fn a_receipt_has_the_size_of_a_line_of_chat() {
    let mut world = World::together(&["anne", "bert"]);
    world.say(0, "hallo");
    world.pass(2 * MINUTE);
    let log = world.relay.logs.values().next().unwrap();
    let messages = log.records.iter().filter(|record| record.next_access_key.is_none());
    let sizes: std::collections::BTreeSet<_> = messages.map(|record| record.message.len()).collect();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

#[test]
fn edits_and_deletions_are_visible_as_such() {
    let mut world = World::together(&["anne", "bert"]);
    let first = world.send(0, ItemDraft::markdown("om tien uur"));
    let edited = ItemDraft { replaces: Some(first), ..ItemDraft::markdown("om elf uur") };
    let second = world.send(0, edited);
    // Nobody replaces what somebody else said.
    world.send(1, ItemDraft { replaces: Some(first), ..ItemDraft::markdown("om twaalf uur") });
    let wrong = world.send(0, ItemDraft::markdown("vertrouwelijk, verkeerde casus"));
    let taken_back = world.send(0, ItemDraft::deletion(wrong));
    world.settle();
    for device in 0..2 {
        let items = world.items(device);
        let find = |id| items.iter().find(|item| item.id == id).unwrap();
        assert_eq!((find(first).body.text(), find(first).replaced_by), (Some("om tien uur"), Some(second)));
        assert_eq!(find(second).replaced_by, None);
        assert!(find(wrong).body == Body::Deleted && find(wrong).replaced_by == Some(taken_back));
        assert!(find(taken_back).body == Body::Deleted && find(taken_back).replaces == Some(wrong));
        let kept = world.core(device).store.read();
        let kept = kept.items::<crate::conversation::state::StoredItem>(world.case, Position(0), 99).unwrap();
        assert!(!kept.iter().any(|(_, item)| item.signed.windows(8).any(|bytes| bytes == b"verkeerd")), "forgotten");
    }
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn what_expires_is_forgotten_on_every_device() {
    let mut world = World::together(&["anne", "bert"]);
    let expires = Some(world.now.plus(10 * MINUTE));
    world.send(0, ItemDraft { expires, ..ItemDraft::markdown("de sleutel ligt onder de mat") });
    world.say(0, "dit blijft");
    world.settle();
    world.pass(9 * MINUTE);
    assert_eq!(world.texts(1), ["de sleutel ligt onder de mat", "dit blijft"]);
    world.disconnect(1);
    world.restart(0);
    world.pass(2 * MINUTE);
    for device in 0..2 {
        assert!(world.items(device)[0].body == Body::Expired);
        assert_eq!(world.texts(device)[1], "dit blijft");
    }
    let digest = |index: usize| world.core(index).digest(world.case, Position(0)).unwrap();
    assert_eq!(digest(0), digest(1));
}
