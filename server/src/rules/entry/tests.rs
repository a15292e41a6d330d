use super::*;

const AT: Timestamp = Timestamp(1_800_000_000_000);

fn organisation() -> Organisation {
    Organisation::new("politie.example")
}

fn enrolments() -> [Enrolment; 7] {
    let (organisation, ticket) = (organisation(), TicketHash(MessageHash([1; 32])));
    let (device, letter) = (DeviceId([2; 16]), Payload::from(vec![3]));
    [
        Enrolment::Opened { organisation: organisation.clone(), ticket, expires: AT },
        Enrolment::Put { organisation: organisation.clone(), ticket, sealed: letter.clone() },
        Enrolment::Answered { organisation: organisation.clone(), ticket, sealed: letter.clone() },
        Enrolment::Closed { organisation: organisation.clone(), ticket },
        Enrolment::RenewalAsked {
            organisation: organisation.clone(),
            device,
            request: letter.clone(),
            chain: vec![letter.clone()],
            at: AT,
        },
        Enrolment::RenewalAnswered { organisation: organisation.clone(), device, answer: letter },
        Enrolment::RenewalOver { organisation, device },
    ]
}

/// One of each kind, with its name; those that say when they were written say [`AT`].
fn entries() -> Vec<(&'static str, bool, Entry)> {
    let (group, operation, seq) = (GroupId([1; 16]), OperationId([2; 16]), Seq(3));
    let (device, claim, cursor) = (DeviceId([4; 16]), ClaimId([5; 16]), CursorId([6; 16]));
    let (key, hash, sealed) = (AccessKey([7; 32]), MessageHash([8; 32]), Payload::from(vec![9]));
    let welcome = WelcomePart { device, claim, cursor, sealed: sealed.clone() };
    let commit = CommitPart { opens: Epoch(1), key, closes: true, welcomes: vec![welcome] };
    let created = Created { group, epoch: Epoch(0), key, operation, at: AT, cursor: Some(cursor) };
    let appended = Appended { group, seq, at: AT, operation, record: sealed.clone(), commit: Some(commit) };
    let expired = Expired { group, at: AT, seqs: vec![seq], commits: vec![seq], first_block: 1, bytes: 2 };
    let published = Published {
        device,
        professional: "a.jansen@politie.example".parse().expect("an address"),
        single_use: vec![sealed.clone()],
        last_resort: Some(sealed.clone()),
        replace: true,
        listing: Some(Box::new(Listing::for_tests(1, "Anne Jansen", AT))),
    };
    let part = ClaimPart { device, claim, spent: Some(hash) };
    let taken = TakenCrl {
        issuer: IssuerId([1; 32]),
        number: CrlNumber(2),
        hash,
        crl: sealed.clone(),
        authority: Some(sealed.clone()),
        devices: vec![device],
    };
    let mut entries = vec![
        ("Created", true, Entry::Created(created)),
        ("Appended", true, Entry::Appended(appended)),
        ("CursorRegistered", true, Entry::CursorRegistered(CursorRegistered { group, cursor, seq, at: AT })),
        ("Expired", true, Entry::Expired(expired)),
        ("Erasing", true, Entry::Erasing(Erasing { group, at: AT })),
        ("Erased", true, Entry::Erased(Erased { group, at: AT, first_block: 0, newest: seq })),
        ("Published", false, Entry::Published(published)),
        ("Claimed", true, Entry::Claimed(Claimed { at: AT, until: AT.plus(1), claims: vec![part] })),
        ("Noted", true, Entry::Noted(Noted { device, operation, hash, day: AT, sealed })),
        ("Acknowledged", false, Entry::Acknowledged(Acknowledged { device, through: InboxSeq(1) })),
        ("CrlTaken", false, Entry::CrlTaken(taken)),
    ];
    entries.extend(enrolments().into_iter().map(|enrolment| {
        let says_when = matches!(enrolment, Enrolment::RenewalAsked { .. });
        ("Enrolment", says_when, Entry::Enrolment(enrolment))
    }));
    entries
}

#[test]
fn every_entry_is_read_as_it_was_written_and_tells_its_time_and_its_kind_alone() {
    for (name, says_when, entry) in entries() {
        assert!(Entry::decode(&entry.encode()) == Ok(entry.clone()), "{name}");
        assert_eq!(entry.at(), says_when.then_some(AT), "{name}");
        assert_eq!((entry.name(), format!("{entry:?}")), (name, name.to_owned()));
    }
}

#[test]
fn bytes_that_are_no_entry_are_a_corrupt_store() {
    let (_, _, entry) = entries().remove(0);
    let bytes = entry.encode();
    for bytes in [&[][..], &bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat()] {
        assert_eq!(Entry::decode(bytes), Err(StoreError::Corrupt));
    }
}

#[test]
fn every_letter_is_in_its_own_organisations_mailbox() {
    for enrolment in enrolments() {
        assert_eq!(enrolment.organisation().domain(), "politie.example");
    }
}
