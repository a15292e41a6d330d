//! The bounds of pool and inbox, one step before each and one step beyond.

use kring_protocol::ids::CursorId;

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DEVICE: DeviceId = DeviceId([7; 16]);
const MIB: usize = 1 << 20;

fn owner() -> ProfessionalAddress {
    "a.jansen@politie.example".parse().expect("an address")
}

fn key_package(number: u8) -> Payload {
    vec![0, 1, 0, 5, 0, 1, number].into()
}

fn key_packages(numbers: std::ops::Range<u8>) -> Vec<Payload> {
    numbers.map(key_package).collect()
}

fn claim_id(number: usize) -> ClaimId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    ClaimId(id)
}

fn operation(number: usize) -> OperationId {
    OperationId(claim_id(number).0)
}

fn entry(
    before: &Device,
    single_use: &[Payload],
    last: Option<Payload>,
    replace: bool,
) -> Result<Published, Refusal> {
    let listing = Listing::for_tests(1, "Anne Jansen", NOW);
    let request = wire::PublishKeyPackages { single_use: single_use.to_vec(), last_resort: last, replace };
    match publish(before, DEVICE, &owner(), &listing, &request)? {
        Entry::Published(published) => Ok(published),
        other => panic!("{other:?}"),
    }
}

impl Device {
    /// A device that has published these at position 10.
    fn with(single_use: &[Payload], last: Option<Payload>) -> Self {
        let mut device = Self::default();
        let published = entry(&device, single_use, last, false).expect("published");
        device.apply_published(Position(10), &published);
        device
    }

    fn claim(&mut self, number: usize, at: Timestamp, until: Timestamp, spent: Option<MessageHash>) {
        let part = ClaimPart { device: DEVICE, claim: claim_id(number), spent };
        self.apply_claimed(&Claimed { at, until, claims: vec![part.clone()] }, &part);
    }

    fn welcome(&mut self, position: u64, number: usize, sealed: Payload) {
        let part = WelcomePart { device: DEVICE, claim: claim_id(number), cursor: CursorId([0; 16]), sealed };
        self.apply_welcome(Position(position), 0, NOW, &part);
    }

    /// Asks to take a note, and takes it; whether it was new.
    fn take(&mut self, position: u64, number: usize, sealed: Payload, now: Timestamp) -> Result<bool, Refusal> {
        let request = wire::SendNote { device: DEVICE, operation: operation(number), sealed };
        match self.note(&request, now)? {
            Some(Entry::Noted(noted)) => self.apply_noted(Position(position), &noted),
            Some(other) => panic!("{other:?}"),
            None => return Ok(false),
        }
        Ok(true)
    }
}

fn refused(reason: u64) -> Refusal {
    Refusal::Recipients(vec![RefusedRecipient { claim: ClaimId([0; 16]), device: DEVICE, reason }])
}

#[test]
fn a_pool_takes_what_it_holds_and_not_one_more() {
    let too_many = Some(Refusal::TooMany { limit: 100 });
    let none = Device::default();
    assert_eq!(entry(&none, &key_packages(0..100), None, false).map(|taken| taken.single_use.len()), Ok(100));
    assert_eq!(entry(&none, &key_packages(0..101), None, false).err(), too_many);
    let half = Device::with(&key_packages(0..60), None);
    assert_eq!(entry(&half, &key_packages(60..100), None, false).map(|taken| taken.single_use.len()), Ok(40));
    assert_eq!(entry(&half, &key_packages(60..101), None, false).err(), too_many);
    assert_eq!(entry(&half, &key_packages(60..160), None, true).map(|taken| taken.single_use.len()), Ok(100));
}

#[test]
fn a_key_package_that_was_given_or_is_there_is_not_taken_again_unless_all_are_replaced() {
    let mut device = Device::with(&key_packages(1..4), None);
    device.claim(1, NOW, NOW.plus(1), Some(hash_of(&key_package(1))));
    let offered = [key_package(1), key_package(2), key_package(5), key_package(5)];
    let taken = |replace| entry(&device, &offered, None, replace).map(|published| published.single_use);
    assert_eq!(taken(false), Ok(vec![key_package(5)]));
    assert_eq!(taken(true), Ok(vec![key_package(2), key_package(5)]));
    let replaced = entry(&device, &offered, None, true).expect("published");
    device.apply_published(Position(20), &replaced);
    assert_eq!(device.count(), wire::KeyPackageCount { single_use: 2, last_resort: false });
}

#[test]
fn what_is_too_large_or_no_key_package_is_refused_as_last_resort_too() {
    let sized = |length: usize| {
        let mut bytes = key_package(1).to_vec();
        bytes.resize(length, 0);
        Payload::from(bytes)
    };
    let none = Device::default();
    let too_large = Some(Refusal::TooLarge { limit: 16_384 });
    assert!(entry(&none, &[sized(16_384)], Some(sized(16_384)), false).is_ok());
    assert_eq!(entry(&none, &[sized(16_385)], None, false).err(), too_large);
    assert_eq!(entry(&none, &[], Some(sized(16_385)), false).err(), too_large);
    let other = || Payload::from(vec![0, 1, 0, 2, 0, 1]);
    assert_eq!(entry(&none, &[other()], None, false).err(), Some(Refusal::NotKeyPackage));
    assert_eq!(entry(&none, &[], Some(other()), false).err(), Some(Refusal::NotKeyPackage));
}

#[test]
fn a_device_is_whose_it_was_first_and_no_other_professional_publishes_for_it() {
    let mut device = Device::default();
    assert_eq!((device.professional(), device.address(DEVICE)), (None, None));
    let other: ProfessionalAddress = "x.dief@elders.example".parse().expect("an address");
    assert_eq!(device.admit(&other), Ok(()), "nobody's yet");
    device = Device::with(&[], None);
    assert_eq!(device.professional(), Some(&owner()));
    assert_eq!(device.address(DEVICE), Some(DeviceAddress { professional: owner(), device: DEVICE }));
    assert_eq!((device.admit(&owner()), device.admit(&other)), (Ok(()), Err(Refusal::Forbidden)));
    // A revocation does not free the id.
    device.apply_revoked();
    assert_eq!((device.admit(&owner()), device.admit(&other)), (Ok(()), Err(Refusal::Forbidden)));
}

#[test]
fn the_oldest_key_package_is_offered_first_and_the_last_resort_after_all() {
    let mut device = Device::with(&key_packages(1..3), Some(key_package(9)));
    let offer =
        |number, last_resort| Ok(Offer { hash: hash_of(&key_package(number)), position: Position(10), last_resort });
    assert_eq!(device.count(), wire::KeyPackageCount { single_use: 2, last_resort: true });
    for (number, last_resort) in [(1, false), (2, false), (9, true), (9, true)] {
        assert_eq!(device.offer(NOW), offer(number, last_resort));
        let spent = (!last_resort).then(|| hash_of(&key_package(number)));
        device.claim(number.into(), NOW, NOW, spent);
    }
    assert_eq!(Device::with(&[], None).offer(NOW), Err(RefusedRecipient::NO_CLAIM));
    device.apply_revoked();
    assert_eq!(device.offer(NOW), Err(RefusedRecipient::REVOKED));
}

#[test]
fn places_in_the_inbox_are_taken_by_notes_and_by_claims_that_are_not_too_old() {
    let mut device = Device::with(&[], Some(key_package(9)));
    for number in 0..2 {
        device.take(20, number, vec![1].into(), NOW).expect("room");
    }
    let until = NOW.plus(1_000);
    for number in 0..MAX_INBOX - 3 {
        device.claim(number, NOW, until, None);
    }
    // One place is left.
    assert!(device.offer(NOW).is_ok());
    assert_eq!(device.clone().take(20, 2, vec![1].into(), NOW), Ok(true));
    device.claim(1_000, NOW, until, None);
    assert_eq!(device.offer(NOW), Err(RefusedRecipient::INBOX_FULL));
    assert_eq!(device.take(20, 2, vec![1].into(), NOW), Err(refused(RefusedRecipient::INBOX_FULL)));
    assert_eq!(device.offer(until).map(|offer| offer.last_resort), Ok(true), "claims have ended");
    assert_eq!(device.clone().take(20, 2, vec![1].into(), until), Ok(true));
    assert!(device.offer(NOW.plus(999)).is_err());
    // What has ended is forgotten at the next claim.
    device.claim(2_000, until, until.plus(1), None);
    assert_eq!(device.claims, [(claim_id(2_000), until.plus(1))]);
}

#[test]
fn a_claim_is_a_place_until_it_is_used_or_too_old() {
    let mut device = Device::with(&[], Some(key_package(9)));
    let until = NOW.plus(1_000);
    device.claim(1, NOW, until, None);
    device.claim(2, NOW, until, None);
    for (number, now, place) in [
        (1, NOW, Ok(())),
        (1, NOW.plus(999), Ok(())),
        (1, until, Err(RefusedRecipient::NO_CLAIM)),
        (1, until.plus(1), Err(RefusedRecipient::NO_CLAIM)),
        (3, NOW, Err(RefusedRecipient::NO_CLAIM)),
    ] {
        assert_eq!(device.place(claim_id(number), now), place, "{number}");
    }
    device.welcome(30, 1, vec![1].into());
    assert_eq!(device.place(claim_id(1), NOW), Err(RefusedRecipient::NO_CLAIM));
    assert_eq!(device.place(claim_id(2), NOW), Ok(()));
    device.apply_revoked();
    assert_eq!(device.place(claim_id(2), NOW), Err(RefusedRecipient::REVOKED));
}

#[test]
fn an_inbox_is_full_of_bytes_at_its_bound_and_not_before() {
    let mut device = Device::with(&[], Some(key_package(9)));
    let largest = Payload::from(vec![1; MIB]);
    for number in 0..62 {
        device.welcome(30, number, largest.clone());
    }
    device.welcome(30, 62, vec![1; MIB - 1].into());
    // 63 MiB but a byte: the largest note goes in, and leaves a byte.
    assert_eq!(device.take(31, 1, largest.clone(), NOW), Ok(true));
    assert!(device.offer(NOW).is_ok());
    assert_eq!(device.take(31, 2, vec![1; 2].into(), NOW), Err(refused(RefusedRecipient::INBOX_FULL)));
    assert_eq!(device.take(31, 3, vec![1].into(), NOW), Ok(true));
    assert_eq!(device.offer(NOW), Err(RefusedRecipient::INBOX_FULL));
    assert_eq!(device.waiting(), 65);
}

#[test]
fn notes_without_a_claim_have_their_share_of_places_and_of_bytes() {
    let mut many = Device::with(&[], None);
    for number in 0..MAX_UNCLAIMED {
        assert_eq!(many.take(31, number, vec![1].into(), NOW), Ok(true), "{number}");
    }
    assert_eq!(many.take(31, 999, vec![1].into(), NOW), Err(refused(RefusedRecipient::INBOX_FULL)));
    let mut large = Device::with(&[], None);
    // Welcomes are not counted.
    large.welcome(30, 1, vec![1; MIB].into());
    for number in 0..15 {
        assert_eq!(large.take(31, number, vec![1; MIB].into(), NOW), Ok(true), "{number}");
    }
    assert_eq!(large.take(31, 20, vec![1; MIB - 2].into(), NOW), Ok(true));
    assert_eq!(large.take(31, 21, vec![1; 3].into(), NOW), Err(refused(RefusedRecipient::INBOX_FULL)));
    assert_eq!(large.take(31, 22, vec![1; 2].into(), NOW), Ok(true));
    assert_eq!(large.take(31, 23, vec![1].into(), NOW), Err(refused(RefusedRecipient::INBOX_FULL)));
}

#[test]
fn a_note_is_bounded_for_a_known_device_and_taken_once() {
    let mut device = Device::with(&[], None);
    assert_eq!(device.take(31, 1, vec![1; MAX_NOTE + 1].into(), NOW), Err(Refusal::TooLarge { limit: 1 << 20 }));
    assert_eq!(device.take(31, 1, vec![1; MAX_NOTE].into(), NOW), Ok(true));
    assert_eq!(device.take(31, 2, vec![2].into(), NOW), Ok(true));
    assert_eq!(device.take(31, 2, vec![2].into(), NOW), Ok(false));
    assert_eq!(device.take(31, 2, vec![3].into(), NOW), Err(Refusal::OperationReused));
    assert_eq!(device.waiting(), 2);
    let mut unknown = Device::default();
    assert_eq!(unknown.take(31, 1, vec![1].into(), NOW), Err(Refusal::UnknownProfessional));
    device.apply_revoked();
    assert_eq!(device.take(31, 4, vec![4].into(), NOW), Err(refused(RefusedRecipient::REVOKED)));
}

#[test]
fn a_note_tells_its_day_alone() {
    let device = Device::with(&[], None);
    let request = wire::SendNote { device: DEVICE, operation: operation(1), sealed: vec![1].into() };
    let Ok(Some(Entry::Noted(noted))) = device.note(&request, NOW) else { panic!("noted") };
    assert_eq!((noted.day, noted.hash), (NOW.day(), hash_of(&[1])));
}

#[test]
fn notes_are_read_after_a_number_and_acknowledged_through_one() {
    let mut device = Device::with(&[], None);
    for number in 0..4 {
        device.take(31, number, vec![1].into(), NOW).expect("room");
    }
    let numbers = |device: &Device, after| device.notes(InboxSeq(after)).map(|note| note.seq.0).collect::<Vec<_>>();
    assert_eq!((numbers(&device, 0), numbers(&device, 2)), (vec![1, 2, 3, 4], vec![3, 4]));
    assert_eq!(device.newest(), InboxSeq(4));
    let through = |device: &Device, through| match device.acknowledge(DEVICE, InboxSeq(through)) {
        Some(Entry::Acknowledged(entry)) => Some(entry.through.0),
        Some(other) => panic!("{other:?}"),
        None => None,
    };
    assert_eq!((through(&device, 0), through(&device, 2), through(&device, 99)), (None, Some(2), Some(4)));
    device.apply_acknowledged(InboxSeq(2));
    assert_eq!((numbers(&device, 0), device.waiting()), (vec![3, 4], 2));
    assert_eq!((through(&device, 2), through(&device, 3)), (None, Some(3)));
}

#[test]
fn an_entry_is_needed_for_a_key_package_or_a_note_that_is_there() {
    let mut device = Device::with(&key_packages(1..2), None);
    let last = entry(&device, &[], Some(key_package(9)), false).expect("published");
    device.apply_published(Position(11), &last);
    device.take(12, 1, vec![1].into(), NOW).expect("room");
    let needed = |device: &Device| (9..14).filter(|at| device.needs(Position(*at))).collect::<Vec<_>>();
    assert_eq!(needed(&device), [10, 11, 12]);
    device.claim(1, NOW, NOW, Some(hash_of(&key_package(1))));
    device.apply_acknowledged(InboxSeq(1));
    assert_eq!(needed(&device), [11]);
}

#[test]
fn so_many_key_packages_that_were_given_and_notes_that_were_taken_are_remembered() {
    let mut device = Device::with(&[], None);
    let hash = |number: usize| hash_of(&number.to_be_bytes());
    for number in 0..MAX_KEY_PACKAGES {
        device.claim(number, NOW, NOW, Some(hash(number)));
    }
    assert!(device.spent.iter().copied().eq((0..100).map(hash)));
    device.claim(100, NOW, NOW, Some(hash(100)));
    assert!(device.spent.iter().copied().eq((1..101).map(hash)), "the oldest is forgotten");
    for number in 0..MAX_RECENT_NOTES {
        device.take(31, number, vec![1].into(), NOW).expect("room");
        device.apply_acknowledged(device.newest());
    }
    assert_eq!(device.take(31, 0, vec![1].into(), NOW), Ok(false));
    assert_eq!(device.take(31, MAX_RECENT_NOTES, vec![1].into(), NOW), Ok(true));
    assert_eq!(device.take(31, 0, vec![1].into(), NOW), Ok(true), "forgotten");
    assert_eq!(device.recent.len(), MAX_RECENT_NOTES);
}

#[test]
fn a_revoked_device_keeps_its_name_and_its_place_in_the_journal_and_counts_on() {
    let mut device = Device::with(&key_packages(1..3), Some(key_package(9)));
    device.through = Position(40);
    device.take(31, 1, vec![1].into(), NOW).expect("room");
    device.apply_revoked();
    assert!(device.is_revoked());
    assert_eq!((device.through, device.newest(), device.waiting()), (Position(40), InboxSeq(1), 0));
    assert_eq!(device.professional(), Some(&owner()));
    assert_eq!(device.count(), wire::KeyPackageCount { single_use: 0, last_resort: false });
    // Published again, it begins anew behind the notes that it had.
    let again = entry(&device, &key_packages(1..2), None, false).expect("published");
    device.apply_published(Position(41), &again);
    assert!(!device.is_revoked());
    device.take(42, 1, vec![1].into(), NOW).expect("room");
    assert_eq!(device.newest(), InboxSeq(2));
}

#[test]
fn a_device_weighs_what_its_lists_take() {
    assert_eq!(Device::default().weight(), 256);
    let mut device = Device::with(&key_packages(1..6), None);
    device.claim(1, NOW, NOW, Some(hash_of(&key_package(1))));
    device.claim(2, NOW, NOW, Some(hash_of(&key_package(2))));
    for number in 0..3 {
        device.take(31, number, vec![1].into(), NOW).expect("room");
    }
    device.apply_acknowledged(InboxSeq(1));
    // Three KeyPackages, two notes, two hashes of KeyPackages, three of notes.
    assert_eq!(device.weight(), 256 + 3 * size_of::<KeyPackageAt>() + 2 * size_of::<NoteAt>() + (2 + 3) * 48);
}

#[test]
fn debug_of_a_key_package_hides_which_it_is() {
    let known = KeyPackageAt { hash: MessageHash([0xab; 32]), position: Position(1) };
    assert_eq!(format!("{known:?}"), "KeyPackageAt(..)");
}
