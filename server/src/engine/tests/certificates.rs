//! Lists of revoked certificates, mailboxes for enrolment, the directory.

use kring_protocol::ids::*;
use kring_protocol::limits::{MAX_ENROLMENT, MAX_TICKET_LIFE, MAX_TICKETS};
use kring_protocol::message as wire;
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;

use super::pki;
use super::world::*;
use crate::engine::{Answer, Command, Letters, MailboxCommand, NewerLists, Requester};
use crate::rules::enrolment::ENROLMENT_RETENTION;
use crate::rules::group::hash_of;
use crate::rules::limits::SEARCHES_A_MINUTE;

const TICKET: TicketId = TicketId([0xbb; 16]);

fn administration(domain: &str) -> Requester {
    pki::requester(8, &format!("administration@{domain}"), 0xad)
}

fn letter(text: &str) -> Payload {
    text.as_bytes().to_vec().into()
}

impl World {
    fn mailbox(&mut self, command: MailboxCommand) -> Result<Answer, Refusal> {
        self.ask(Command::Mailbox(command))
    }

    fn open(&mut self, ticket: TicketId, life: u64) -> Result<(), Refusal> {
        let request = wire::OpenTicket { ticket, expires: self.now.plus(life) };
        self.mailbox(MailboxCommand::OpenTicket(administration("politie.example"), request)).map(drop)
    }

    fn put(&mut self, text: &str) -> Result<(), Refusal> {
        let request = wire::PutRequest { ticket: TICKET, sealed: letter(text) };
        self.mailbox(MailboxCommand::PutRequest(request)).map(drop)
    }

    fn waiting(&mut self) -> Vec<Payload> {
        let command = MailboxCommand::ReadTickets(administration("politie.example"), vec![TICKET]);
        let Ok(Answer::Tickets(requests)) = self.mailbox(command) else { panic!("read") };
        requests.into_iter().map(|request| request.sealed).collect()
    }

    fn answer_as(&mut self, who: Requester, text: &str) -> Result<(), Refusal> {
        let request = wire::AnswerTicket { ticket: TICKET, sealed: letter(text) };
        self.mailbox(MailboxCommand::AnswerTicket(who, request)).map(drop)
    }

    fn answer(&mut self, text: &str) -> Result<(), Refusal> {
        self.answer_as(administration("politie.example"), text)
    }

    fn fetch(&mut self) -> Result<Payload, Refusal> {
        match self.mailbox(MailboxCommand::FetchAnswer(wire::FetchAnswer { ticket: TICKET }))? {
            Answer::Letter(letter) => Ok(letter),
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, list: std::sync::Arc<kring_pki::verify::VerifiedCrl>) -> Result<(), Refusal> {
        self.ask(Command::PublishCrl(list)).map(drop)
    }

    fn lists(&mut self, known: Vec<wire::KnownCrl>) -> NewerLists {
        let Ok(Answer::NewerLists(lists)) = self.ask(Command::ReadCrls(known)) else { panic!("read") };
        lists
    }

    fn search(&mut self, text: &str) -> Result<Vec<Payload>, Refusal> {
        let request = wire::SearchDirectory { text: text.into(), limit: 10 };
        let Answer::Found(found) = self.ask(Command::SearchDirectory { device: DeviceId([1; 16]), request })? else {
            panic!("found")
        };
        Ok(found.devices.into_iter().map(|device| device.chain[0].clone()).collect())
    }

    fn publish_of(&mut self, requester: Requester) {
        let request = wire::PublishKeyPackages { single_use: vec![key_package(1)], last_resort: None, replace: true };
        self.ask(Command::PublishKeyPackages { requester, request }).unwrap();
    }
}

#[test]
fn of_an_issuers_lists_the_newest_is_kept_and_told_to_everybody() {
    let mut world = World::new();
    let inbound = world.connect(3, 5);
    let nothing = world.lists(Vec::new());
    assert_eq!(nothing.lists, []);
    let (first, second) = (pki::list(&[1], 7), pki::list(&[1, 2], 9));
    let issuer = first.issuer();
    world.take(first.clone()).unwrap();
    assert_eq!(inbound.take(), ["CrlsChanged"]);
    world.take(first.clone()).unwrap();
    assert_eq!(inbound.take(), [""; 0], "the same again is no news");
    assert_eq!(world.take(pki::list(&[2], 7)), Err(Refusal::StaleCrl { number: CrlNumber(7) }));
    let digest = world.lists(Vec::new()).digest;
    assert_ne!(digest, nothing.digest);
    world.take(second.clone()).unwrap();
    for _ in 0..3 {
        assert_eq!(world.take(first.clone()), Err(Refusal::StaleCrl { number: CrlNumber(9) }));
        let newer = world.lists(vec![wire::KnownCrl { issuer, number: CrlNumber(8) }]);
        assert_ne!(newer.digest, digest);
        let Ok(Answer::Crl(Some(crl))) = world.ask(Command::ReadCrl(newer.lists[0])) else { panic!("read") };
        assert_eq!(&crl.crl[..], &second.crl().der()[..]);
        assert!(crl.issuer.is_some());
        assert_eq!(world.lists(vec![wire::KnownCrl { issuer, number: CrlNumber(9) }]).lists, []);
        world.restart();
        world.sweep();
    }
    // A region's own list is another issuer's, and comes without a certificate.
    world.take(pki::list_of_region(1)).unwrap();
    let lists = world.lists(Vec::new()).lists;
    assert_eq!(lists.len(), 2);
    let without_certificate = lists.iter().filter(|list| {
        matches!(world.ask(Command::ReadCrl(**list)), Ok(Answer::Crl(Some(wire::Crl { issuer: None, .. }))))
    });
    assert_eq!(without_certificate.count(), 1);
}

#[test]
fn a_list_with_a_number_that_the_wire_cannot_carry_is_refused() {
    let mut world = World::new();
    assert_eq!(world.take(pki::list(&[], u64::MAX)), Err(Refusal::NotCrl));
    assert_eq!(world.lists(Vec::new()).lists, []);
}

#[test]
fn a_ticket_takes_one_request_and_one_answer_and_both_as_often_as_they_come() {
    let mut world = World::new();
    assert_eq!(world.put("csr"), Err(Refusal::UnknownTicket));
    assert_eq!(world.fetch(), Err(Refusal::UnknownTicket));
    let inbound = std::sync::Arc::new(Inbound::default());
    let requester = administration("politie.example");
    world.ask(Command::Connect { requester, outbound: inbound.clone() }).unwrap();
    world.open(TICKET, 1_000).unwrap();
    world.open(TICKET, 1_000).unwrap();
    assert_eq!(world.open(TICKET, 2_000), Err(Refusal::TicketUsed));
    assert!(matches!(world.fetch(), Err(Refusal::NotAnswered { .. })));
    assert!(matches!(world.answer("certificate"), Err(Refusal::NotAnswered { .. })));
    world.put("csr").unwrap();
    world.restart();
    world.put("csr").unwrap();
    assert_eq!(world.put("another's csr"), Err(Refusal::TicketUsed));
    assert_eq!(inbound.take(), ["EnrolmentWaiting"], "once");
    assert_eq!(world.waiting(), [letter("csr")]);
    // The answer may come after the ticket's end.
    world.now = world.now.plus(5_000);
    world.answer("certificate").unwrap();
    world.tick();
    world.restart();
    world.answer("certificate").unwrap();
    assert_eq!(world.answer("another certificate"), Err(Refusal::TicketUsed));
    assert_eq!(world.waiting(), [] as [Payload; 0]);
    assert_eq!(world.fetch(), Ok(letter("certificate")));
    let close =
        || MailboxCommand::CloseTicket(administration("politie.example"), wire::CloseTicket { ticket: TICKET });
    world.mailbox(close()).unwrap();
    world.restart();
    assert_eq!(world.fetch(), Err(Refusal::UnknownTicket));
    assert_eq!(world.mailbox(close()).err(), Some(Refusal::UnknownTicket));
}

#[test]
fn a_ticket_without_a_request_is_over_at_its_end_and_forgotten_a_month_later() {
    let mut world = World::new();
    assert_eq!(world.open(TICKET, 0), Err(Refusal::TicketExpired));
    assert_eq!(world.open(TICKET, MAX_TICKET_LIFE + 1), Err(Refusal::TooLarge { limit: MAX_TICKET_LIFE }));
    world.open(TICKET, 1_000).unwrap();
    world.now = world.now.plus(1_000);
    assert_eq!(world.put("csr"), Err(Refusal::TicketExpired));
    assert_eq!(world.fetch(), Err(Refusal::TicketExpired));
    world.sweep();
    assert_eq!(world.fetch(), Err(Refusal::TicketExpired));
    world.now = world.now.plus(ENROLMENT_RETENTION);
    world.sweep();
    for _ in 0..2 {
        assert_eq!(world.fetch(), Err(Refusal::UnknownTicket));
        world.restart();
    }
    assert!(world.entries() == 0, "nothing of it is left");
}

#[test]
fn tickets_are_their_own_administrations_alone() {
    let mut world = World::new();
    world.open(TICKET, 1_000).unwrap();
    world.put("csr").unwrap();
    let colleague = || pki::requester(5, "a.jansen@politie.example", 5);
    let elsewhere = || administration("leiden.example");
    let open = |who, ticket| MailboxCommand::OpenTicket(who, wire::OpenTicket { ticket, expires: START.plus(1_000) });
    assert_eq!(world.mailbox(open(colleague(), TicketId([1; 16]))).err(), Some(Refusal::NotAdministration));
    assert_eq!(world.answer_as(colleague(), "x"), Err(Refusal::NotAdministration));
    let read = MailboxCommand::ReadTickets(colleague(), vec![TICKET]);
    assert_eq!(world.mailbox(read).err(), Some(Refusal::NotAdministration));
    let renewals = MailboxCommand::ReadRenewals(colleague(), wire::ReadRenewals { after: None });
    assert_eq!(world.mailbox(renewals).err(), Some(Refusal::NotAdministration));

    assert_eq!(world.mailbox(open(elsewhere(), TICKET)).err(), Some(Refusal::TicketUsed));
    assert_eq!(world.answer_as(elsewhere(), "x"), Err(Refusal::UnknownTicket));
    let Ok(Answer::Tickets(none)) = world.mailbox(MailboxCommand::ReadTickets(elsewhere(), vec![TICKET])) else {
        panic!("read")
    };
    assert_eq!(none, []);
    // The name alone makes nobody the administration: the domain has to be the authority's own.
    let below = pki::requester(5, "administration@wijk.politie.example", 6);
    assert_eq!(world.answer_as(below, "x"), Err(Refusal::NotAdministration));
    world.answer("certificate").unwrap();
}

#[test]
fn an_organisation_has_so_many_tickets_and_letters_are_bounded() {
    let mut world = World::new();
    for number in 0..MAX_TICKETS as u64 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        world.open(TicketId(id), 1_000).unwrap();
    }
    assert_eq!(world.open(TICKET, 1_000), Err(Refusal::Full));
    let close = wire::CloseTicket { ticket: TicketId([0; 16]) };
    world.mailbox(MailboxCommand::CloseTicket(administration("politie.example"), close)).unwrap();
    world.open(TICKET, 1_000).unwrap();
    assert_eq!(world.put(&"x".repeat(MAX_ENROLMENT + 1)), Err(Refusal::TooLarge { limit: MAX_ENROLMENT as u64 }));
    world.put(&"x".repeat(MAX_ENROLMENT)).unwrap();
    assert!(world.answer(&"x".repeat(MAX_ENROLMENT + 1)).is_err());
}

#[test]
fn a_renewal_goes_to_the_administration_with_its_chain_and_back_to_its_device() {
    let mut world = World::new();
    let device = || pki::requester(5, "a.jansen@politie.example", 5);
    world.publish_of(device());
    let ask = |text: &str| MailboxCommand::AskRenewal(device(), wire::AskRenewal { request: letter(text) });
    let fetch =
        |text: &str| MailboxCommand::FetchRenewal(device(), wire::FetchRenewal { request: hash_of(text.as_bytes()) });
    world.mailbox(ask("old")).unwrap();
    world.mailbox(ask("csr")).unwrap();
    world.restart();
    let read = || MailboxCommand::ReadRenewals(administration("politie.example"), wire::ReadRenewals { after: None });
    let Ok(Answer::Renewals(Letters { letters, more })) = world.mailbox(read()) else { panic!("read") };
    assert_eq!((letters.len(), more, &letters[0].request), (1, false, &letter("csr")));
    assert_eq!(letters[0].chain, device().listing.chain);
    let answer = |request: &str, text: &str| {
        let request = wire::AnswerRenewal {
            device: DeviceId([5; 16]),
            request: hash_of(request.as_bytes()),
            answer: letter(text),
        };
        MailboxCommand::AnswerRenewal(administration("politie.example"), request)
    };
    assert_eq!(world.mailbox(answer("old", "x")).err(), Some(Refusal::UnknownTicket));
    assert!(matches!(world.mailbox(fetch("csr")), Err(Refusal::NotAnswered { .. })));
    let inbound = world.connect(5, 5);
    world.mailbox(answer("csr", "certificate")).unwrap();
    world.mailbox(answer("csr", "certificate")).unwrap();
    assert_eq!(world.mailbox(answer("csr", "other")).err(), Some(Refusal::TicketUsed));
    let Ok(Answer::Letter(certificate)) = world.mailbox(fetch("csr")) else { panic!("answered") };
    assert_eq!(certificate, letter("certificate"));
    assert_eq!(world.mailbox(fetch("old")).err(), Some(Refusal::UnknownTicket));
    assert_eq!(inbound.take(), ["EnrolmentWaiting"], "once");
    world.now = world.now.plus(ENROLMENT_RETENTION);
    world.sweep();
    assert_eq!(world.mailbox(fetch("csr")).err(), Some(Refusal::UnknownTicket));
    // Who is revoked asks for nothing any more.
    world.take(pki::list(&[5], 1)).unwrap();
    assert_eq!(world.mailbox(ask("csr")).err(), Some(Refusal::Revoked));
}

#[test]
fn who_has_published_is_found_until_revoked_or_expired() {
    let mut world = World::new();
    assert_eq!(world.search("jansen"), Ok(vec![]));
    let (one, two) =
        (pki::requester(1, "a.jansen@politie.example", 1), pki::requester(2, "b.dief@leiden.example", 2));
    world.publish_of(one.clone());
    world.publish_of(two.clone());
    let certificate = |of: &Requester| of.listing.chain[0].clone();
    for _ in 0..3 {
        assert_eq!(world.search("zoe jan"), Ok(vec![certificate(&one), certificate(&two)]));
        assert_eq!(world.search("WIJKTEAM b.dief"), Ok(vec![certificate(&two)]));
        world.restart();
        world.sweep();
    }
    world.take(pki::list(&[1], 1)).unwrap();
    for _ in 0..3 {
        assert_eq!(world.search("jansen"), Ok(vec![certificate(&two)]));
        world.restart();
        world.sweep();
    }
    world.now = START.plus(1_001 * Timestamp::DAY);
    assert_eq!(world.search("jansen"), Ok(vec![]));
}

#[test]
fn a_device_searches_so_often_in_a_minute() {
    let mut world = World::new();
    for _ in 0..SEARCHES_A_MINUTE {
        world.search("x").unwrap();
    }
    assert!(matches!(world.search("x"), Err(Refusal::RateLimited { .. })));
    world.now = world.now.plus(60_000);
    assert_eq!(world.search("x"), Ok(vec![]));
}
