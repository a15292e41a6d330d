//! What a log takes and keeps, one step before each bound and one step beyond. How it goes from one request to the next is
//! tried in the engine's tests.

use kring_protocol::ids::{ClaimId, DeviceId, GroupId};

use super::*;

const GROUP: GroupId = GroupId([1; 16]);
const START: Timestamp = Timestamp(1_800_000_000_000);
const CURSOR: CursorId = CursorId([3; 16]);
const APPLICATION: u8 = 1;
const COMMIT: u8 = 3;

fn operation(number: u64) -> OperationId {
    let mut id = [0xaa; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    OperationId(id)
}

fn key(epoch: u64) -> AccessKey {
    AccessKey([u8::try_from(epoch % 200).expect("below 200") + 1; 32])
}

fn access(epoch: u64) -> ProvenAccess {
    ProvenAccess { group: GROUP, epoch: Epoch(epoch), key: key(epoch) }
}

fn bare(epoch: u64) -> wire::Access {
    wire::Access { group: GROUP, epoch: Epoch(epoch), proof: None }
}

/// `MLSMessage` holding a PrivateMessage (RFC 9420 §6.3) without content.
fn message(group: GroupId, epoch: u64, content: u8) -> Payload {
    let mut bytes = vec![0, 1, 0, 2, 16];
    bytes.extend_from_slice(group.as_bytes());
    bytes.extend_from_slice(&epoch.to_be_bytes());
    bytes.extend_from_slice(&[content, 0, 0, 0]);
    bytes.into()
}

fn create_request(number: u64, epoch: u64) -> wire::CreateGroup {
    let access_key = key(epoch);
    wire::CreateGroup { access: bare(epoch), operation: operation(number), access_key, cursor: None }
}

fn head() -> Head {
    let Ok(Verdict::Write(Entry::Created(created))) = create(None, access(0), &create_request(1_000, 0), START)
    else {
        panic!("created")
    };
    Head::from_created(Position(1), &created)
}

impl Head {
    /// Asks to append a message of the present epoch.
    fn say(&self, number: u64) -> Result<Verdict, Refusal> {
        let epoch = self.current().0;
        let message = message(GROUP, epoch, APPLICATION);
        let request = wire::Submit { access: bare(epoch), operation: operation(number), message: message.clone() };
        let formed = form(access(epoch), &message, 1_000)?;
        self.submit(access(epoch), &request, &formed, None, START)
    }

    /// Asks to append a Commit of the present epoch.
    fn change(&self, now: Timestamp, closes: Option<bool>) -> Result<Verdict, Refusal> {
        let epoch = self.current().0;
        let message = message(GROUP, epoch, COMMIT);
        let request = wire::SubmitCommit {
            access: bare(epoch),
            operation: operation(epoch),
            message: message.clone(),
            next_access_key: key(epoch + 1),
            welcomes: Vec::new(),
            closes,
        };
        let formed = form(access(epoch), &message, 1_000)?;
        self.commit(access(epoch), &request, &formed, None, Vec::new(), now)
    }

    fn takes(&mut self, verdict: Result<Verdict, Refusal>) {
        match verdict {
            Ok(Verdict::Write(Entry::Appended(entry))) => self.apply_appended(&entry),
            other => panic!("{other:?}"),
        }
    }

    fn takes_commit(&mut self, now: Timestamp) {
        let verdict = self.change(now, None);
        self.takes(verdict);
    }

    /// Takes a Commit without asking whether there may be one more.
    fn takes_any_commit(&mut self, at: Timestamp) {
        let opens = self.current().next();
        let commit = CommitPart { opens, key: key(opens.0), closes: false, welcomes: Vec::new() };
        let (seq, operation) = (self.newest().next(), operation(opens.0));
        let record = vec![0].into();
        self.apply_appended(&Appended { group: GROUP, seq, at, operation, record, commit: Some(commit) });
    }

    fn loses(&mut self, at: Timestamp, seqs: &[u64], commits: &[u64], bytes: u64) {
        let of = |numbers: &[u64]| numbers.iter().copied().map(Seq).collect();
        let (seqs, commits) = (of(seqs), of(commits));
        self.apply_expired(&Expired { group: GROUP, at, seqs, commits, first_block: 0, bytes });
    }
}

#[test]
fn a_group_is_created_with_the_key_that_was_proven_and_again_by_the_same_operation_and_key_alone() {
    let other_key = ProvenAccess { key: key(7), ..access(0) };
    let again = |head: &Head, number| create(Some(head), access(0), &create_request(number, 0), START.plus(5));
    assert_eq!(create(None, other_key, &create_request(1_000, 0), START), Err(Refusal::Forbidden));
    let mut head = head();
    assert_eq!(again(&head, 1_000), Ok(Verdict::Again(wire::Receipt { seq: Seq(0), at: START })));
    assert_eq!(again(&head, 1_001), Err(Refusal::GroupExists));
    let request = wire::CreateGroup { access_key: key(7), ..create_request(1_000, 0) };
    assert_eq!(create(Some(&head), other_key, &request, START), Err(Refusal::GroupExists));
    head.apply_erasing(&Erasing { group: GROUP, at: START });
    assert_eq!(again(&head, 1_000), Err(Refusal::GroupExists));
    assert_eq!(head.newest(), Seq(0));
}

#[test]
fn a_bundle_has_so_many_welcomes_at_most() {
    let welcome = wire::SealedWelcome {
        device: DeviceId([1; 16]),
        claim: ClaimId([2; 16]),
        sealed: vec![1].into(),
        cursor: CURSOR,
    };
    let with = |count| wire::SubmitCommit {
        access: bare(0),
        operation: operation(1),
        message: message(GROUP, 0, COMMIT),
        next_access_key: key(1),
        welcomes: vec![welcome.clone(); count],
        closes: None,
    };
    assert_eq!([0, 1, 32].map(|count| bounded(&with(count))), [Ok(()), Ok(()), Ok(())]);
    for count in [33, 40] {
        assert_eq!(bounded(&with(count)), Err(Refusal::TooMany { limit: 32 }));
    }
}

#[test]
fn a_message_is_of_its_size_group_and_epoch() {
    let formed = |message: &Payload, most| form(access(0), message, most).map(|formed| formed.content);
    let good = message(GROUP, 0, APPLICATION);
    let length = good.len();
    assert_eq!(formed(&good, length), Ok(ContentType::Application));
    assert_eq!(formed(&good, length + 1), Ok(ContentType::Application));
    assert_eq!(formed(&good, length - 1), Err(Refusal::TooLarge { limit: length as u64 - 1 }));
    assert_eq!(formed(&good, length - 9), Err(Refusal::TooLarge { limit: length as u64 - 9 }));
    for other in [message(GroupId([2; 16]), 0, APPLICATION), message(GROUP, 1, APPLICATION)] {
        assert_eq!(formed(&other, length), Err(Refusal::NotPrivateMessage));
    }
}

#[test]
fn a_commit_comes_in_a_bundle_and_nothing_else_does() {
    let head = head();
    let (commit, other) = (message(GROUP, 0, COMMIT), message(GROUP, 0, APPLICATION));
    let formed = |message| form(access(0), message, 1_000).expect("of this group");
    let submit = wire::Submit { access: bare(0), operation: operation(1), message: commit.clone() };
    let bundle = wire::SubmitCommit {
        access: bare(0),
        operation: operation(1),
        message: other.clone(),
        next_access_key: key(1),
        welcomes: Vec::new(),
        closes: None,
    };
    let alone = head.submit(access(0), &submit, &formed(&commit), None, START);
    assert_eq!(alone, Err(Refusal::NotPrivateMessage));
    let without = head.commit(access(0), &bundle, &formed(&other), None, Vec::new(), START);
    assert_eq!(without, Err(Refusal::NotPrivateMessage));
}

#[test]
fn what_is_sent_again_finds_its_receipt_even_after_its_epoch_and_other_contents_are_refused() {
    let mut head = head();
    let message = message(GROUP, 0, APPLICATION);
    let request = wire::Submit { access: bare(0), operation: operation(1), message: message.clone() };
    let receipt = wire::Receipt { seq: Seq(1), at: START };
    let again = |head: &Head, hash: Option<MessageHash>| {
        let formed = form(access(0), &message, 1_000)?;
        let earlier = hash.map(|hash| Earlier { receipt: receipt.clone(), hash });
        head.submit(access(0), &request, &formed, earlier, START)
    };
    for _ in 0..2 {
        assert_eq!(again(&head, Some(hash_of(&message))), Ok(Verdict::Again(receipt.clone())));
        assert_eq!(again(&head, Some(MessageHash([0; 32]))), Err(Refusal::OperationReused));
        head.takes_any_commit(START);
    }
    assert_eq!(again(&head, None), Err(Refusal::StaleEpoch { epoch: Epoch(1), winner: Seq(1) }));
}

#[test]
fn a_bundle_names_the_recipients_that_stand_in_its_way() {
    let head = head();
    let in_the_way = RefusedRecipient { claim: ClaimId([1; 16]), device: DeviceId([2; 16]), reason: 1 };
    let message = message(GROUP, 0, COMMIT);
    let request = wire::SubmitCommit {
        access: bare(0),
        operation: operation(1),
        message: message.clone(),
        next_access_key: key(1),
        welcomes: Vec::new(),
        closes: None,
    };
    let formed = form(access(0), &message, 1_000).expect("a Commit");
    let refused = head.commit(access(0), &request, &formed, None, vec![in_the_way.clone()], START);
    assert_eq!(refused, Err(Refusal::Recipients(vec![in_the_way])));
}

#[test]
fn of_the_commits_that_went_those_after_a_record_and_through_another_are_counted() {
    let mut head = head();
    head.loses(START, &[2, 3, 4, 6], &[2, 4, 6], 0);
    for (after, through, count) in [(0, 9, 3), (1, 6, 3), (2, 6, 2), (2, 5, 1), (4, 5, 0), (6, 9, 0), (0, 1, 0)] {
        assert_eq!(head.dropped_commits(Seq(after), Seq(through)), count, "after {after} through {through}");
    }
    let more: Vec<_> = (7..7 + MAX_DROPPED_COMMITS as u64 - 3).collect();
    head.loses(START, &more, &more, 0);
    assert_eq!(head.dropped_commits(Seq(0), Seq(9_999)), 1_024);
    assert_eq!(head.dropped_commits(Seq(0), Seq(2)), 1, "the oldest is there");
    head.loses(START, &[5_000], &[5_000], 0);
    assert_eq!(head.dropped_commits(Seq(0), Seq(9_999)), 1_024);
    assert_eq!(head.dropped_commits(Seq(0), Seq(2)), 0, "and makes room");
}

#[test]
fn after_sixty_commits_at_once_there_is_one_a_second() {
    let mut head = head();
    for _ in 0..60 {
        head.takes_commit(START);
    }
    let refused = |head: &Head, now| head.change(now, None).err();
    assert_eq!(refused(&head, START), Some(Refusal::RateLimited { after_ms: 1_000 }));
    assert_eq!(refused(&head, START.plus(400)), Some(Refusal::RateLimited { after_ms: 600 }));
    head.takes_commit(START.plus(1_000));
    assert_eq!(refused(&head, START.plus(1_500)), Some(Refusal::RateLimited { after_ms: 500 }));
    // After a quiet time it is as before.
    let later = START.plus(3_600_000);
    for _ in 0..60 {
        head.takes_commit(later);
    }
    assert_eq!(refused(&head, later), Some(Refusal::RateLimited { after_ms: 1_000 }));
    // A booking that no clock can have made but one that was put back counts no longer.
    assert_eq!(refused(&head, Timestamp(later.0 - 1)), None);
}

#[test]
fn a_log_is_full_of_records_or_of_bytes_and_takes_more_when_some_have_gone() {
    let mut head = head();
    for number in 0..3 {
        let verdict = head.say(number);
        head.takes(verdict);
    }
    let bytes = head.bytes;
    assert_eq!((head.live, bytes > 90), (3, true), "{bytes}");
    head.loses(START, &[1], &[], 30);
    assert_eq!((head.live, head.bytes), (2, bytes - 30));
    for (live, bytes, full) in [
        (MAX_LOG - 1, MAX_LOG_BYTES - 1, false),
        (MAX_LOG, 0, true),
        (MAX_LOG + 1, 0, true),
        (0, MAX_LOG_BYTES, true),
        (0, MAX_LOG_BYTES + 1, true),
    ] {
        let head = Head { live, bytes, ..head.clone() };
        assert_eq!(head.say(9).err(), full.then_some(Refusal::Full), "{live} of {bytes} bytes");
    }
}

#[test]
fn a_receipt_is_of_the_operation_and_its_message() {
    let head = head();
    let receipt = wire::Receipt { seq: Seq(4), at: START.plus(4) };
    let find = |number, hash, earlier: Option<u8>| {
        let request =
            wire::FindReceipt { access: bare(0), operation: operation(number), hash: MessageHash([hash; 32]) };
        let earlier = earlier.map(|hash| Earlier { receipt: receipt.clone(), hash: MessageHash([hash; 32]) });
        head.receipt(access(0), &request, earlier)
    };
    assert_eq!(find(1, 7, Some(7)), Ok(receipt.clone()));
    assert_eq!(find(1, 7, Some(8)), Err(Refusal::OperationReused));
    assert_eq!(find(1_000, 7, None), Ok(wire::Receipt { seq: Seq(0), at: START }), "the creation's");
    assert_eq!(find(1_001, 7, None), Err(Refusal::NoReceipt));
}

#[test]
fn a_cursor_is_registered_once_not_beyond_the_head_and_not_in_an_ended_epoch() {
    let mut head = head();
    let register = |head: &Head, epoch, seq| {
        let request = wire::RegisterCursor { access: bare(epoch), cursor: CURSOR, seq: Seq(seq) };
        head.register(access(epoch), &request, START)
    };
    head.takes_commit(START);
    let stale = Refusal::StaleEpoch { epoch: Epoch(1), winner: Seq(1) };
    assert_eq!(register(&head, 0, 1), Err(stale));
    let Ok(Some(Entry::CursorRegistered(entry))) = register(&head, 1, 99) else { panic!("registered") };
    assert_eq!(entry.seq, Seq(1));
    assert!(!head.has_cursor(CURSOR));
    head.apply_cursor(&entry);
    assert!(head.has_cursor(CURSOR) && !head.has_cursor(CursorId([4; 16])));
    assert_eq!(register(&head, 1, 0), Ok(None));
    assert_eq!(register(&head, 0, 0), Ok(None), "it is there");
    head.apply_erased();
    assert!(!head.has_cursor(CURSOR));
}

#[test]
fn a_closed_group_is_erased_with_a_proof_of_its_last_epoch_and_leaves_its_number_alone() {
    let mut head = head();
    assert_eq!(head.erase(access(0), START), Err(Refusal::NotFinal));
    let verdict = head.change(START, Some(true));
    head.takes(verdict);
    assert_eq!(head.erase(access(0), START), Err(Refusal::NotFinal), "an epoch that has ended");
    assert_eq!((head.erasing_since(), head.is_erased()), (None, false));
    let now = START.plus(9);
    let Ok(Some(Entry::Erasing(entry))) = head.erase(access(1), now) else { panic!("erasing") };
    head.apply_erasing(&entry);
    assert_eq!((head.erasing_since(), head.is_erased()), (Some(now), false));
    assert_eq!(head.erase(access(1), now), Ok(None), "it was asked for");
    assert_eq!(head.say(5), Err(Refusal::Forbidden));
    assert_eq!(head.key(Epoch(1)), Some(key(1)));
    head.through = Position(77);
    head.apply_erased();
    assert_eq!((head.erasing_since(), head.is_erased(), head.key(Epoch(1))), (None, true, None));
    assert_eq!(head.erase(access(1), now), Err(Refusal::Forbidden));
    assert_eq!((head.through, head.newest(), head.first_block()), (Position(77), Seq(1), 1));
}

#[test]
fn a_final_commit_closes_and_another_after_it_opens_again() {
    let mut head = head();
    for (closes, is_final) in [(None, false), (Some(true), true), (Some(false), false)] {
        let verdict = head.change(START, closes);
        head.takes(verdict);
        let epoch = head.current().0;
        assert_eq!(head.erase(access(epoch), START).is_ok(), is_final, "{closes:?}");
    }
}

#[test]
fn keys_of_so_many_epochs_are_kept() {
    let mut head = head();
    for _ in 1..MAX_EPOCHS {
        head.takes_any_commit(START);
    }
    assert_eq!((head.epochs.len(), head.key(Epoch(0))), (2_048, Some(key(0))));
    head.takes_any_commit(START);
    assert_eq!((head.epochs.len(), head.key(Epoch(0)), head.key(Epoch(1))), (2_048, None, Some(key(1))));
    let known = head.epoch(Epoch(2)).expect("kept");
    assert_eq!((known.opened(), known.ended()), (Seq(2), Some(Seq(3))));
    let known = head.epoch(Epoch(2_048)).expect("kept");
    assert_eq!((known.opened(), known.ended()), (Seq(2_048), None));
    assert!(head.epoch(Epoch(2_049)).is_none());
}

#[test]
fn the_key_of_an_ended_epoch_goes_a_month_after_its_commit() {
    let mut head = head();
    head.takes_any_commit(START);
    head.takes_any_commit(START.plus(1));
    let keys = |head: &Head| [0, 1, 2].map(|epoch| head.key(Epoch(epoch)).is_some());
    head.loses(START.plus(KEY_RETENTION - 1), &[], &[], 0);
    assert_eq!(keys(&head), [true, true, true]);
    head.loses(START.plus(KEY_RETENTION), &[], &[], 0);
    assert_eq!(keys(&head), [false, true, true]);
    head.loses(START.plus(9 * KEY_RETENTION), &[], &[], 0);
    assert_eq!(keys(&head), [false, false, true], "the present one stays");
}

#[test]
fn first_blocks_only_move_on() {
    let mut head = head();
    let expired = |first_block| Expired {
        group: GROUP,
        at: START,
        seqs: Vec::new(),
        commits: Vec::new(),
        first_block,
        bytes: 0,
    };
    for (first_block, is) in [(5, 5), (3, 5), (7, 7)] {
        head.apply_expired(&expired(first_block));
        assert_eq!(head.first_block(), is);
    }
}

#[test]
fn no_commit_opens_an_epoch_beyond_the_last() {
    for (epoch, next) in [(0, Ok(1)), (MAX_EPOCH - 2, Ok(MAX_EPOCH - 1)), (MAX_EPOCH - 1, Err(Refusal::Full))] {
        assert_eq!(following(Epoch(epoch)), next.map(Epoch), "{epoch}");
    }
    assert_eq!(following(Epoch(u64::MAX)), Err(Refusal::Full));
}

#[test]
fn a_head_weighs_what_its_lists_take() {
    let mut head = head();
    for _ in 0..4 {
        head.takes_any_commit(START);
    }
    head.loses(START, &[1, 2, 3], &[1, 2, 3], 3);
    for number in 0..2 {
        let cursor = CursorId([number; 16]);
        head.apply_cursor(&CursorRegistered { group: GROUP, cursor, seq: Seq(0), at: START });
    }
    assert_eq!(head.weight(), 256 + 5 * size_of::<EpochKey>() + 2 * 48 + 3 * 8);
}

#[test]
fn a_message_is_known_by_its_sha_256() {
    // FIPS 180-2, appendix B.1.
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Some(hash_of(b"abc")), MessageHash::from_hex(hash));
}
