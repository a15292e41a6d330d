use std::sync::Arc;

use kring_protocol::ids::*;
use kring_protocol::message as wire;
use kring_protocol::payload::Payload;
use kring_protocol::refusal::{Refusal, RefusedRecipient};

use super::pki;
use super::world::*;
use crate::engine::{Answer, Command, Requester};
use crate::rules::limits::{
    CLAIM_LIFETIME, COMMIT_INTERVAL, LOW_KEY_PACKAGES, MAX_INBOX, MAX_OPEN_CLAIMS, MAX_UNCLAIMED, OPEN_CLAIMS_PAUSE,
};

const OWNER: u8 = 7;
const CLAIMER: DeviceId = DeviceId([8; 16]);

/// A device of another professional than the owner.
fn stranger(device: DeviceId) -> Requester {
    pki::requester(1, "c.devries@politie.example", device.0[0])
}

impl World {
    fn publish(&mut self, device: u8, single_use: &[u8], last: Option<u8>) -> Result<wire::KeyPackageCount, Refusal> {
        let request = wire::PublishKeyPackages {
            single_use: single_use.iter().map(|number| key_package(*number)).collect(),
            last_resort: last.map(key_package),
            replace: false,
        };
        match self.ask(Command::PublishKeyPackages { requester: requester(1, device), request })? {
            Answer::KeyPackageCount(count) => Ok(count),
            other => panic!("{other:?}"),
        }
    }

    fn claim(&mut self) -> Result<wire::Claimed, Refusal> {
        self.claim_by(CLAIMER)
    }

    /// Claims so often, eight times an hour.
    fn claim_slowly(&mut self, count: usize) {
        for number in 1..=count {
            self.claim().unwrap();
            if number % MAX_OPEN_CLAIMS == 0 {
                self.now = self.now.plus(CLAIM_LIFETIME);
            }
        }
    }

    fn claim_by(&mut self, claimer: DeviceId) -> Result<wire::Claimed, Refusal> {
        self.claim_as(stranger(claimer))
    }

    fn claim_as(&mut self, requester: Requester) -> Result<wire::Claimed, Refusal> {
        let professional = self::requester(1, OWNER).professional;
        let request = wire::ClaimKeyPackages { professional, device: None };
        match self.ask(Command::ClaimKeyPackages { requester, request })? {
            Answer::Claimed(claimed) => Ok(claimed),
            other => panic!("{other:?}"),
        }
    }

    fn add(&mut self, epoch: u64, number: u64, claims: &[(ClaimId, u8)]) -> Result<wire::Receipt, Refusal> {
        let welcome = |(claim, device): &(ClaimId, u8)| wire::SealedWelcome {
            claim: *claim,
            device: DeviceId([*device; 16]),
            sealed: Payload::from(vec![*device; 9]),
            cursor: CursorId(claim.0),
        };
        receipt(self.ask(commitment(GROUP, epoch, number, claims.iter().map(welcome).collect())))
    }

    fn note(&mut self, number: u64, text: &str) -> Result<(), Refusal> {
        let device = DeviceId([OWNER; 16]);
        let sealed = Payload::from(text.as_bytes().to_vec());
        let request = wire::SendNote { device, operation: operation(number), sealed };
        self.ask(Command::SendNote { sender: CLAIMER, request }).map(|_| ())
    }

    fn inbox(&mut self, after: u64, limit: u64) -> Vec<(u64, Vec<u8>)> {
        let command = Command::ReadInbox { requester: requester(1, OWNER), after: InboxSeq(after), limit };
        let Ok(Answer::Inbox(part)) = self.ask(command) else { panic!("read") };
        part.notes.iter().map(|note| (note.seq.0, note.sealed.to_vec())).collect()
    }
}

fn reasons(claimed: &wire::Claimed) -> Vec<u64> {
    claimed.refused.iter().map(|refused| refused.reason).collect()
}

#[test]
fn a_key_package_is_claimed_once_and_then_the_last_resort_is_given() {
    let mut world = World::new();
    assert_eq!(world.claim(), Err(Refusal::UnknownProfessional));
    let count = world.publish(OWNER, &[1, 2, 1], Some(9)).unwrap();
    assert_eq!((count.single_use, count.last_resort), (2, true));
    // The reply was lost, and it is published again: nothing is given twice.
    assert_eq!(world.publish(OWNER, &[1, 2], None).unwrap().single_use, 2);
    let mut given = Vec::new();
    for _ in 0..4 {
        given.push(world.claim().unwrap().devices[0].key_package.clone());
        world.tick();
        world.restart();
        world.publish(OWNER, &[1], None).unwrap();
    }
    assert_eq!(given, [1, 2, 9, 9].map(key_package));
}

#[test]
fn a_claim_answers_for_each_device_and_a_bad_one_blocks_nobody() {
    let mut world = World::new();
    world.publish(OWNER, &[1], None).unwrap();
    world.publish(OWNER + 1, &[2], None).unwrap();
    assert_eq!(world.claim().unwrap().devices.len(), 2);
    world.publish(OWNER, &[3], None).unwrap();
    let claimed = world.claim().unwrap();
    assert_eq!((claimed.devices.len(), reasons(&claimed)), (1, vec![RefusedRecipient::NO_CLAIM]));
    let count = world.publish(OWNER, &(10..=109).collect::<Vec<_>>(), None).unwrap();
    assert_eq!(count.single_use, 100);
    assert_eq!(world.publish(OWNER, &[200], None), Err(Refusal::TooMany { limit: 100 }));
    let bad = wire::PublishKeyPackages {
        single_use: vec![message(GROUP, 0, APPLICATION, b"x")],
        last_resort: None,
        replace: false,
    };
    let answer = world.ask(Command::PublishKeyPackages { requester: requester(1, OWNER), request: bad });
    assert_eq!(answer.err(), Some(Refusal::NotKeyPackage));
}

#[test]
fn too_many_of_anything_are_refused_before_anything_is_done_for_each_of_them() {
    let mut world = World::with_group();
    let packages: Vec<_> = (0..=100).collect();
    assert_eq!(world.publish(OWNER, &packages, None), Err(Refusal::TooMany { limit: 100 }));
    // Not even whether they are known is looked at.
    assert_eq!(world.publish(OWNER, &[1; 101], None), Err(Refusal::TooMany { limit: 100 }));
    let unknown = [(ClaimId([0xee; 16]), OWNER); 33];
    assert_eq!(world.add(0, 1, &unknown), Err(Refusal::TooMany { limit: 32 }));
}

#[test]
fn a_claimer_cannot_empty_a_colleagues_pool_and_the_owner_hears_of_few_left() {
    let mut world = World::new();
    world.publish(OWNER, &(0..100).collect::<Vec<_>>(), None).unwrap();
    let inbound = world.connect(3, OWNER);
    world.claim_slowly(50);
    assert!(matches!(world.claim(), Err(Refusal::RateLimited { .. })));
    assert_eq!(inbound.take(), [""; 0]);
    world.now = world.now.plus(Timestamp::DAY);
    let low = 50 - LOW_KEY_PACKAGES + 1;
    world.claim_slowly(low);
    assert_eq!(inbound.take(), ["KeyPackagesLow"]);
}

#[test]
fn a_bundle_is_stored_whole_and_its_welcomes_are_redelivered_until_acknowledged() {
    let mut world = World::with_group();
    let inbound = world.connect(3, OWNER);
    world.publish(OWNER, &[1], None).unwrap();
    let claim = world.claim().unwrap().devices[0].claim;
    world.add(0, 1, &[(claim, OWNER)]).unwrap();
    assert_eq!(inbound.take().last().map(String::as_str), Some("InboxWaiting"));
    for _ in 0..2 {
        assert_eq!(world.inbox(0, 100), [(1, vec![OWNER; 9])]);
        world.restart();
        world.tick();
    }
    // The joiner's cursor is there.
    let moved = wire::CursorMove { group: GROUP, cursor: CursorId(claim.0), seq: Some(Seq(1)) };
    world.ask(Command::MoveCursors(wire::MoveCursors { moves: vec![moved] })).unwrap();
    world.ask(Command::AcknowledgeInbox { requester: requester(1, OWNER), through: InboxSeq(1) }).unwrap();
    world.restart();
    assert_eq!(world.inbox(0, 100), []);
}

#[test]
fn a_device_id_in_another_professionals_certificate_opens_nothing_of_the_device() {
    let mut world = World::new();
    world.publish(OWNER, &[1], None).unwrap();
    let inbound = world.connect(3, OWNER);
    world.note(1, "note").unwrap();
    assert_eq!(inbound.take(), ["InboxWaiting"]);
    let thief = || Requester { professional: "x.dief@elders.example".parse().unwrap(), ..requester(4, OWNER) };
    let request = wire::PublishKeyPackages { single_use: vec![key_package(9)], last_resort: None, replace: true };
    for command in [
        Command::Connect { requester: thief(), outbound: Arc::new(Inbound::default()) },
        Command::PublishKeyPackages { requester: thief(), request },
        Command::ReadInbox { requester: thief(), after: InboxSeq(0), limit: 100 },
        Command::AcknowledgeInbox { requester: thief(), through: InboxSeq(1) },
    ] {
        world.restart();
        assert_eq!(world.ask(command.clone()).err(), Some(Refusal::Forbidden), "{command:?}");
    }
    assert_eq!(world.inbox(0, 100), [(1, b"note".to_vec())]);
    assert_eq!(world.claim().unwrap().devices[0].key_package, key_package(1));
}

#[test]
fn recipients_that_stand_in_the_way_are_named_and_nothing_is_stored() {
    let mut world = World::with_group();
    world.publish(OWNER, &[1, 2], None).unwrap();
    world.publish(OWNER + 1, &[3], None).unwrap();
    let claimed = world.claim().unwrap();
    let (good, revoked) = (claimed.devices[0].claim, claimed.devices[1].claim);
    world.ask(Command::PublishCrl(pki::list(&[OWNER + 1], 1))).unwrap();
    let unknown = ClaimId([0xee; 16]);
    let refused = world.add(0, 1, &[(good, OWNER), (good, OWNER), (unknown, OWNER), (revoked, OWNER + 1)]);
    let Err(Refusal::Recipients(refused)) = refused else { panic!("{refused:?}") };
    let reasons: Vec<_> = refused.iter().map(|refused| refused.reason).collect();
    use RefusedRecipient as R;
    assert_eq!(reasons, [R::NO_CLAIM, R::NO_CLAIM, R::REVOKED]);
    assert_eq!(world.read(0, None).unwrap().head, Seq(0));
    assert_eq!(world.inbox(0, 100), []);
    // The claim is still good, and once it is used no longer.
    world.add(0, 2, &[(good, OWNER)]).unwrap();
    assert!(matches!(world.add(1, 3, &[(good, OWNER)]), Err(Refusal::Recipients(_))));
    let late = world.claim().unwrap().devices[0].claim;
    world.now = world.now.plus(CLAIM_LIFETIME);
    assert!(matches!(world.add(1, 4, &[(late, OWNER)]), Err(Refusal::Recipients(_))));
}

#[test]
fn a_full_inbox_keeps_room_for_welcomes_and_then_refuses_claims() {
    let mut world = World::with_group();
    world.publish(OWNER, &[], Some(9)).unwrap();
    for number in 0..MAX_UNCLAIMED as u64 {
        world.note(number, "note").unwrap();
    }
    let Err(Refusal::Recipients(refused)) = world.note(999, "note") else { panic!("full") };
    assert_eq!(refused[0].reason, RefusedRecipient::INBOX_FULL);
    for number in MAX_UNCLAIMED..MAX_INBOX {
        let claimer = DeviceId([(number / MAX_OPEN_CLAIMS) as u8; 16]);
        assert_eq!(world.claim_by(claimer).unwrap().devices.len(), 1);
    }
    assert_eq!(reasons(&world.claim().unwrap()), [RefusedRecipient::INBOX_FULL]);
    world.now = world.now.plus(CLAIM_LIFETIME);
    assert_eq!(world.claim().unwrap().devices.len(), 1);
}

#[test]
fn a_claimer_holds_so_many_claims_of_a_device_open_and_a_used_one_counts_no_longer() {
    let mut world = World::with_group();
    world.publish(OWNER, &[], Some(9)).unwrap();
    let claims: Vec<_> = (0..MAX_OPEN_CLAIMS).map(|_| world.claim().unwrap().devices[0].claim).collect();
    let later = Err(Refusal::RateLimited { after_ms: OPEN_CLAIMS_PAUSE });
    assert_eq!(world.claim(), later);
    assert_eq!(world.claim_by(DeviceId([9; 16])).unwrap().devices.len(), 1);
    world.add(0, 1, &[(claims[0], OWNER)]).unwrap();
    assert_eq!(world.claim().unwrap().devices.len(), 1);
    assert_eq!(world.claim(), later);
    world.now = world.now.plus(CLAIM_LIFETIME);
    assert_eq!(world.claim().unwrap().devices.len(), 1);
}

#[test]
fn a_device_of_which_too_many_claims_are_open_does_not_keep_the_professionals_others_from_being_added() {
    let mut world = World::with_group();
    world.publish(OWNER, &[], Some(9)).unwrap();
    for _ in 0..MAX_OPEN_CLAIMS {
        world.claim().unwrap();
    }
    world.publish(OWNER + 1, &[], Some(10)).unwrap();
    let claimed = world.claim().unwrap();
    assert_eq!((claimed.devices.len(), reasons(&claimed)), (1, vec![RefusedRecipient::OPEN_CLAIMS]));
    assert_eq!(claimed.devices[0].device, DeviceId([OWNER + 1; 16]));
}

#[test]
fn a_second_device_of_ones_own_is_claimed_for_two_hundred_cases_in_a_day() {
    let mut world = World::with_group();
    world.publish(OWNER, &[], Some(9)).unwrap();
    for number in 0..200 {
        let claimed = world.claim_as(requester(1, CLAIMER.0[0])).unwrap();
        world.add(number, number, &[(claimed.devices[0].claim, OWNER)]).unwrap();
        world
            .ask(Command::AcknowledgeInbox { requester: requester(1, OWNER), through: InboxSeq(number + 1) })
            .unwrap();
        world.now = world.now.plus(COMMIT_INTERVAL);
    }
}

#[test]
fn claims_of_the_last_resort_count_for_the_day() {
    let mut world = World::new();
    world.publish(OWNER, &[], Some(9)).unwrap();
    world.claim_slowly(50);
    assert!(matches!(world.claim(), Err(Refusal::RateLimited { .. })));
}

#[test]
fn a_device_publishes_so_many_key_packages_a_day() {
    let mut world = World::new();
    let request = wire::PublishKeyPackages {
        single_use: (0..100).map(key_package).collect(),
        last_resort: None,
        replace: true,
    };
    let publish = || Command::PublishKeyPackages { requester: requester(1, OWNER), request: request.clone() };
    for _ in 0..10 {
        assert!(world.ask(publish()).is_ok());
    }
    assert!(matches!(world.ask(publish()), Err(Refusal::RateLimited { .. })));
    world.now = world.now.plus(Timestamp::DAY);
    assert!(world.ask(publish()).is_ok());
}

#[test]
fn notes_without_a_claim_take_a_quarter_of_an_inboxs_bytes() {
    let mut world = World::new();
    world.publish(OWNER, &[1], None).unwrap();
    let large = "x".repeat(1 << 20);
    for number in 0..16 {
        world.note(number, &large).unwrap();
    }
    assert!(matches!(world.note(17, "x"), Err(Refusal::Recipients(_))));
    assert_eq!(world.claim().unwrap().devices.len(), 1);
}

#[test]
fn notes_come_in_order_once_and_in_parts() {
    let mut world = World::new();
    assert_eq!(world.note(1, "too early"), Err(Refusal::UnknownProfessional));
    world.publish(OWNER, &[1], None).unwrap();
    world.note(1, "first").unwrap();
    world.note(2, "second").unwrap();
    world.restart();
    world.note(1, "first").unwrap();
    assert_eq!(world.note(1, "other"), Err(Refusal::OperationReused));
    assert_eq!(world.inbox(0, 1), [(1, b"first".to_vec())]);
    assert_eq!(world.inbox(1, 100), [(2, b"second".to_vec())]);
}

#[test]
fn welcomes_of_one_large_bundle_are_read_together() {
    let mut world = World::with_group();
    world.publish(OWNER, &[1, 2, 3], None).unwrap();
    let claims: Vec<_> = (0..3).map(|_| (world.claim().unwrap().devices[0].claim, OWNER)).collect();
    world.add(0, 1, &claims).unwrap();
    world.note(2, "note").unwrap();
    // The bundle is above the bound by itself: it is read all the same, once, and nothing after it.
    assert_eq!(world.inbox(0, 30).len(), 3);
    assert_eq!(world.inbox(0, 20).len(), 2);
    assert_eq!(world.inbox(3, 30), [(4, b"note".to_vec())]);
}

#[test]
fn a_revoked_device_has_nothing_and_gets_nothing() {
    let mut world = World::new();
    world.publish(OWNER, &[1], Some(2)).unwrap();
    world.note(1, "note").unwrap();
    let device = DeviceId([OWNER; 16]);
    world.ask(Command::PublishCrl(pki::list(&[OWNER], 1))).unwrap();
    world.tick();
    world.restart();
    assert_eq!(world.inbox(0, 100), []);
    assert_eq!(world.claim(), Err(Refusal::UnknownProfessional));
    let request = wire::ClaimKeyPackages { professional: requester(1, OWNER).professional, device: Some(device) };
    let Ok(Answer::Claimed(claimed)) = world.ask(Command::ClaimKeyPackages { requester: stranger(CLAIMER), request })
    else {
        panic!("answered")
    };
    assert_eq!(reasons(&claimed), [RefusedRecipient::REVOKED]);
    assert!(matches!(world.note(2, "note"), Err(Refusal::Recipients(_))));
    assert_eq!(world.publish(OWNER, &[3], None), Err(Refusal::Revoked));
    let command = Command::Connect { requester: requester(9, OWNER), outbound: Arc::new(Inbound::default()) };
    assert_eq!(world.ask(command).err(), Some(Refusal::Revoked));
}

#[test]
fn who_is_not_on_the_newest_list_any_more_begins_anew() {
    let mut world = World::new();
    world.publish(OWNER, &[1], None).unwrap();
    world.note(1, "note").unwrap();
    world.ask(Command::PublishCrl(pki::list(&[OWNER], 1))).unwrap();
    world.ask(Command::PublishCrl(pki::list(&[], 2))).unwrap();
    world.connect(3, OWNER);
    assert_eq!(world.claim(), Err(Refusal::UnknownProfessional));
    assert_eq!(world.publish(OWNER, &[2], None).unwrap().single_use, 1);
    for _ in 0..2 {
        world.restart();
        assert_eq!(world.inbox(0, 100), []);
        world.tick();
    }
    assert_eq!(world.claim().unwrap().devices[0].key_package, key_package(2));
}

#[test]
fn all_devices_of_a_professional_go_with_one_list_and_all_of_an_organisation_with_the_regions() {
    for (list, left) in [(pki::list(&[OWNER, OWNER + 1], 1), 1), (pki::list_of_region(1), 0)] {
        let mut world = World::new();
        for device in OWNER..OWNER + 3 {
            world.publish(device, &[device], None).unwrap();
        }
        world.ask(Command::PublishCrl(list)).unwrap();
        for _ in 0..3 {
            let devices = world.claim().map(|claimed| claimed.devices.len() + claimed.refused.len());
            assert_eq!(devices.unwrap_or_default(), left);
            // Replayed from the journal, then read from pages.
            world.restart();
            world.tick();
            world.now = world.now.plus(Timestamp::DAY);
        }
    }
}
