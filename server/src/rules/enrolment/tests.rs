//! Bounds and times of tickets and renewals, one step before each and one step beyond.

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DAY: u64 = 86_400_000;
const DEVICE: DeviceId = DeviceId([5; 16]);

fn police() -> Organisation {
    Organisation::new("politie.example")
}

fn ticket(number: usize) -> TicketHash {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    TicketHash::of(TicketId(id))
}

fn device(number: usize) -> DeviceId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    DeviceId(id)
}

fn letter(text: &str) -> Payload {
    text.as_bytes().to_vec().into()
}

impl Mailbox {
    /// Takes what was decided at this position; whether there was anything to write.
    fn take(&mut self, position: u64, decided: Result<Option<Entry>, Refusal>) -> Result<bool, Refusal> {
        match decided? {
            Some(Entry::Enrolment(entry)) => self.apply(Position(position), &entry),
            Some(other) => panic!("{other:?}"),
            None => return Ok(false),
        }
        Ok(true)
    }

    fn opened(number: usize, expires: Timestamp) -> Self {
        let mut mailbox = Self::default();
        let decided = mailbox.open(&police(), ticket(number), expires, NOW);
        assert_eq!(mailbox.take(1, decided), Ok(true));
        mailbox
    }

    fn asks(&mut self, position: u64, device: DeviceId, text: &str, at: Timestamp) -> Result<bool, Refusal> {
        let decided = self.ask(&police(), device, &letter(text), &[letter("chain")], at);
        self.take(position, decided)
    }
}

#[test]
fn a_ticket_lives_for_a_month_at_most_and_ends_in_the_future() {
    let open = |expires| Mailbox::default().open(&police(), ticket(1), expires, NOW).map(|entry| entry.is_some());
    assert_eq!(open(NOW), Err(Refusal::TicketExpired));
    assert_eq!(open(NOW.plus(1)), Ok(true));
    assert_eq!(open(NOW.plus(30 * DAY)), Ok(true));
    assert_eq!(open(NOW.plus(30 * DAY + 1)), Err(Refusal::TooLarge { limit: 30 * DAY }));
    assert_eq!(open(NOW.plus(31 * DAY)), Err(Refusal::TooLarge { limit: 30 * DAY }));
}

#[test]
fn a_ticket_opened_again_is_one_if_its_end_is_the_same_and_an_organisation_has_so_many() {
    let end = NOW.plus(1_000);
    let mut mailbox = Mailbox::opened(0, end);
    let open = |mailbox: &Mailbox, number, expires| mailbox.open(&police(), ticket(number), expires, NOW);
    assert_eq!(open(&mailbox, 0, end), Ok(None));
    assert_eq!(open(&mailbox, 0, end.plus(1)), Err(Refusal::TicketUsed));
    for number in 1..MAX_TICKETS {
        let decided = open(&mailbox, number, end);
        assert_eq!(mailbox.take(1, decided), Ok(true), "{number}");
    }
    assert_eq!(open(&mailbox, 5_000, end), Err(Refusal::Full));
    assert_eq!(open(&mailbox, 7, end), Ok(None), "it is there");
    let closed = mailbox.close(&police(), ticket(7)).map(Some);
    assert_eq!(mailbox.take(2, closed), Ok(true));
    assert_eq!(mailbox.close(&police(), ticket(7)), Err(Refusal::UnknownTicket));
    assert!(open(&mailbox, 5_000, end).is_ok());
}

#[test]
fn a_request_comes_before_the_end_and_its_answer_may_come_after_it() {
    let end = NOW.plus(1_000);
    let mut mailbox = Mailbox::opened(1, end);
    assert_eq!(mailbox.waiting(ticket(1)).map(|it| it.position()), None);
    let not_answered = Refusal::NotAnswered { after_ms: 2_000 };
    assert_eq!(mailbox.answer(&police(), ticket(1), &letter("x")), Err(not_answered.clone()));
    let answered = |mailbox: &Mailbox, now| mailbox.answered(ticket(1), now).map(|letter| letter.position().0);
    assert_eq!(answered(&mailbox, NOW.plus(999)), Err(not_answered.clone()));
    assert_eq!(answered(&mailbox, end), Err(Refusal::TicketExpired));
    assert_eq!(mailbox.put(&police(), ticket(1), &letter("csr"), end), Err(Refusal::TicketExpired));
    let decided = mailbox.put(&police(), ticket(1), &letter("csr"), NOW.plus(999));
    assert_eq!(mailbox.take(2, decided), Ok(true));
    assert_eq!(mailbox.waiting(ticket(1)).map(|it| it.position()), Some(Position(2)));
    assert_eq!(answered(&mailbox, end), Err(not_answered), "it came in time");
    let decided = mailbox.answer(&police(), ticket(1), &letter("certificate"));
    assert_eq!(mailbox.take(3, decided), Ok(true));
    assert_eq!((answered(&mailbox, end), mailbox.waiting(ticket(1)).is_none()), (Ok(3), true));
}

#[test]
fn letters_have_so_many_bytes_at_most() {
    let mut mailbox = Mailbox::opened(1, NOW.plus(1));
    let too_large = Err(Refusal::TooLarge { limit: 12_288 });
    let sized = |length: usize| Payload::from(vec![0; length]);
    assert_eq!(mailbox.put(&police(), ticket(1), &sized(12_289), NOW), too_large);
    let decided = mailbox.put(&police(), ticket(1), &sized(12_288), NOW);
    assert_eq!(mailbox.take(2, decided), Ok(true));
    assert_eq!(mailbox.answer(&police(), ticket(1), &sized(12_289)), too_large);
    assert!(mailbox.answer(&police(), ticket(1), &sized(12_288)).is_ok());
    assert_eq!(mailbox.ask(&police(), DEVICE, &sized(12_289), &[], NOW), too_large);
    assert!(mailbox.ask(&police(), DEVICE, &sized(12_288), &[], NOW).is_ok());
    mailbox.asks(3, DEVICE, "csr", NOW).expect("room");
    assert_eq!(mailbox.renew(&police(), DEVICE, hash_of(b"csr"), &sized(12_289)), too_large);
    assert!(mailbox.renew(&police(), DEVICE, hash_of(b"csr"), &sized(12_288)).is_ok());
}

#[test]
fn an_organisation_has_so_many_renewals_under_way_and_who_has_one_may_ask_anew() {
    let mut mailbox = Mailbox::default();
    for number in 0..MAX_TICKETS {
        assert_eq!(mailbox.asks(number as u64, device(number), "csr", NOW), Ok(true), "{number}");
    }
    assert_eq!(mailbox.asks(2_000, device(5_000), "csr", NOW), Err(Refusal::Full));
    assert_eq!(mailbox.asks(2_000, device(7), "csr", NOW), Ok(false), "it is that");
    assert_eq!(mailbox.asks(2_000, device(7), "another csr", NOW), Ok(true));
    assert_eq!(mailbox.renewals.len(), MAX_TICKETS);
}

#[test]
fn renewals_that_wait_are_read_after_a_device_and_answered_once() {
    let mut mailbox = Mailbox::default();
    for number in 1..=4 {
        mailbox.asks(10 * number, device(number as usize), "csr", NOW).expect("room");
    }
    let request = hash_of(b"csr");
    let unknown = Err(Refusal::UnknownTicket);
    assert_eq!(mailbox.renew(&police(), device(2), hash_of(b"old"), &letter("x")), unknown);
    assert_eq!(mailbox.renew(&police(), device(9), request, &letter("x")), unknown);
    let not_answered = Refusal::NotAnswered { after_ms: 2_000 };
    let renewed = |mailbox: &Mailbox, hash| mailbox.renewed(device(2), hash).map(|letter| letter.position().0);
    assert_eq!(renewed(&mailbox, request), Err(not_answered));
    let decided = mailbox.renew(&police(), device(2), request, &letter("certificate"));
    assert_eq!(mailbox.take(50, decided), Ok(true));
    let decided = mailbox.renew(&police(), device(2), request, &letter("certificate"));
    assert_eq!(mailbox.take(51, decided), Ok(false));
    let other = mailbox.renew(&police(), device(2), request, &letter("another certificate"));
    assert_eq!(other, Err(Refusal::TicketUsed));
    assert_eq!(renewed(&mailbox, request), Ok(50));
    assert_eq!(renewed(&mailbox, hash_of(b"old")), Err(Refusal::UnknownTicket));
    let asking = |after: Option<usize>| {
        let waiting = mailbox.asking(after.map(device));
        waiting.map(|(device, letter)| (device.0[7], letter.position().0)).collect::<Vec<_>>()
    };
    assert_eq!(asking(None), [(1, 10), (3, 30), (4, 40)]);
    assert_eq!((asking(Some(1)), asking(Some(3)), asking(Some(4))), (vec![(3, 30), (4, 40)], vec![(4, 40)], vec![]));
}

#[test]
fn what_is_over_is_known_for_a_month_and_then_closed_by_the_entry_that_began_it() {
    let end = NOW.plus(1_000);
    let mut mailbox = Mailbox::opened(1, end);
    mailbox.asks(2, DEVICE, "csr", NOW).expect("room");
    let opened = Enrolment::Opened { organisation: police(), ticket: ticket(1), expires: end };
    let (request, chain) = (letter("csr"), vec![letter("chain")]);
    let asked = Enrolment::RenewalAsked { organisation: police(), device: DEVICE, request, chain, at: NOW };
    let closed = Entry::Enrolment(Enrolment::Closed { organisation: police(), ticket: ticket(1) });
    let over = Entry::Enrolment(Enrolment::RenewalOver { organisation: police(), device: DEVICE });
    for (position, entry, from, closing) in [(1, &opened, end, closed), (2, &asked, NOW, over)] {
        let expire = |position, now| mailbox.expire(Position(position), entry, now);
        assert_eq!(expire(position, from.plus(30 * DAY - 1)), None);
        assert_eq!(expire(position, from.plus(30 * DAY)), Some(closing));
        assert_eq!(expire(position + 5, from.plus(30 * DAY)), None, "another entry's");
    }
    for other in [
        Enrolment::Put { organisation: police(), ticket: ticket(1), sealed: letter("csr") },
        Enrolment::Closed { organisation: police(), ticket: ticket(1) },
    ] {
        assert_eq!(mailbox.expire(Position(1), &other, end.plus(60 * DAY)), None);
    }
}

#[test]
fn an_entry_is_needed_while_its_ticket_or_renewal_holds_it() {
    let mut mailbox = Mailbox::opened(1, NOW.plus(1));
    let decided = mailbox.put(&police(), ticket(1), &letter("csr"), NOW);
    mailbox.take(2, decided).expect("put");
    let decided = mailbox.answer(&police(), ticket(1), &letter("certificate"));
    mailbox.take(3, decided).expect("answered");
    mailbox.asks(4, DEVICE, "old", NOW).expect("room");
    mailbox.asks(5, DEVICE, "csr", NOW).expect("room");
    let decided = mailbox.renew(&police(), DEVICE, hash_of(b"csr"), &letter("certificate"));
    mailbox.take(6, decided).expect("answered");
    let of_ticket = [
        Enrolment::Opened { organisation: police(), ticket: ticket(1), expires: NOW.plus(1) },
        Enrolment::Put { organisation: police(), ticket: ticket(1), sealed: letter("csr") },
        Enrolment::Answered { organisation: police(), ticket: ticket(1), sealed: letter("certificate") },
    ];
    let of_renewal = [
        Enrolment::RenewalAsked {
            organisation: police(),
            device: DEVICE,
            request: letter("csr"),
            chain: Vec::new(),
            at: NOW,
        },
        Enrolment::RenewalAnswered { organisation: police(), device: DEVICE, answer: letter("certificate") },
    ];
    let closing = [
        Enrolment::Closed { organisation: police(), ticket: ticket(1) },
        Enrolment::RenewalOver { organisation: police(), device: DEVICE },
    ];
    let needed = |mailbox: &Mailbox, entry: &Enrolment| {
        (0..8).filter(|at| mailbox.needs(Position(*at), entry)).collect::<Vec<_>>()
    };
    assert!(of_ticket.iter().all(|entry| needed(&mailbox, entry) == [1, 2, 3]));
    assert!(of_renewal.iter().all(|entry| needed(&mailbox, entry) == [5, 6]));
    assert!(closing.iter().all(|entry| needed(&mailbox, entry).is_empty()));
    closing.iter().for_each(|entry| mailbox.apply(Position(7), entry));
    assert!(of_ticket.iter().chain(&of_renewal).all(|entry| needed(&mailbox, entry).is_empty()));
}

#[test]
fn an_answer_to_what_is_over_changes_nothing() {
    let mut mailbox = Mailbox::default();
    for entry in [
        Enrolment::Put { organisation: police(), ticket: ticket(1), sealed: letter("csr") },
        Enrolment::Answered { organisation: police(), ticket: ticket(1), sealed: letter("certificate") },
        Enrolment::RenewalAnswered { organisation: police(), device: DEVICE, answer: letter("certificate") },
    ] {
        mailbox.apply(Position(1), &entry);
        assert!(mailbox == Mailbox::default());
    }
}

#[test]
fn a_mailbox_weighs_what_its_tickets_and_renewals_take() {
    let mut mailbox = Mailbox::default();
    assert_eq!(mailbox.weight(), 64);
    for number in 1..=3 {
        let decided = mailbox.open(&police(), ticket(number), NOW.plus(1), NOW);
        mailbox.take(1, decided).expect("opened");
    }
    for number in 1..=5 {
        mailbox.asks(2, device(number), "csr", NOW).expect("room");
    }
    let (tickets, renewals) = (6 * size_of::<(TicketHash, Ticket)>(), 10 * size_of::<(DeviceId, Renewal)>());
    assert_eq!(mailbox.weight(), 64 + tickets + renewals);
}

#[test]
fn an_organisation_is_its_domain_whose_administration_alone_is_let_in_and_which_debug_hides() {
    let require = |who: &str| police().require_administration(&who.parse().expect("an address"));
    assert_eq!(police().domain(), "politie.example");
    assert_eq!(require("administration@politie.example"), Ok(()));
    for other in ["a.jansen@politie.example", "administration@leiden.example", "a.jansen@leiden.example"] {
        assert_eq!(require(other), Err(Refusal::NotAdministration), "{other}");
    }
    assert_eq!(format!("{:?}", police()), "Organisation(..)");
}
