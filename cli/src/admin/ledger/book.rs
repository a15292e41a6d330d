//! What the lines of a ledger mean together: which certificates there are and how each stands, which invitations are
//! open, what the next list of revoked certificates says. Pure: the present moment comes in.

use std::collections::BTreeMap;

use kring_pki::form::Serial;
use kring_pki::issue::{Reason, Revocation};
use kring_protocol::ids::Timestamp;

use super::{Entry, Invited, Issued, Kind};

/// For how long after its end a revoked certificate stays on the list: a device whose clock is a month late, or that
/// was away, still learns of it.
const LISTED_AFTER_END: u64 = 30 * Timestamp::DAY;

/// The lines of a ledger, in order.
#[derive(Debug, Default)]
pub(in super::super) struct Book(Vec<Entry>);

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum State {
    /// In use.
    Valid,
    /// Past its end.
    Expired,
    /// Revoked.
    Revoked,
    /// Another one has taken its place; it is still valid.
    Replaced,
}

impl State {
    /// The word for people and machines.
    pub(in super::super) fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
        }
    }
}

/// A certificate and how it stands.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Certificate<'a> {
    /// What was written when it was signed.
    pub(in super::super) issued: &'a Issued,
    /// How it stands.
    pub(in super::super) state: State,
    /// When and why it was revoked.
    pub(in super::super) revoked: Option<(u64, &'a str)>,
}

/// An invitation and what became of it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Invitation<'a> {
    /// What was written when it was made.
    pub(in super::super) invited: &'a Invited,
    /// Whether it is settled, and with which certificate.
    pub(in super::super) settled: Option<Option<&'a str>>,
}

impl Invitation<'_> {
    /// Whether somebody can still use it.
    pub(in super::super) fn is_open(&self, now: Timestamp) -> bool {
        self.settled.is_none() && self.invited.until > now.0
    }

    /// Whether it came to its end without a certificate before its time was over: a relay may still know its ticket.
    pub(in super::super) fn is_withdrawn(&self, now: Timestamp) -> bool {
        self.settled == Some(None) && self.invited.until > now.0
    }
}

impl Book {
    /// The lines of a file.
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// All certificates, in the order in which they were signed.
    pub(in super::super) fn certificates(&self, now: Timestamp) -> Vec<Certificate<'_>> {
        let mut revoked = BTreeMap::new();
        let mut replaced = Vec::new();
        for entry in &self.0 {
            match entry {
                Entry::Revoked { at, serial, reason, .. } => {
                    // The first time counts.
                    revoked.entry(serial.as_str()).or_insert((*at, reason.as_str()));
                }
                Entry::Issued(Issued { replaces: Some(serial), .. }) => replaced.push(serial.as_str()),
                Entry::Issued(_) | Entry::Invited(_) | Entry::Settled { .. } | Entry::Listed { .. } => {}
            }
        }
        let issued = self.0.iter().filter_map(|entry| match entry {
            Entry::Issued(issued) => Some(issued),
            Entry::Invited(_) | Entry::Settled { .. } | Entry::Revoked { .. } | Entry::Listed { .. } => None,
        });
        let certificates = issued.map(|issued| {
            let revoked = revoked.get(issued.serial.as_str()).copied();
            let state = if revoked.is_some() {
                State::Revoked
            } else if issued.until < now.0 {
                State::Expired
            } else if replaced.contains(&issued.serial.as_str()) {
                State::Replaced
            } else {
                State::Valid
            };
            Certificate { issued, state, revoked }
        });
        certificates.collect()
    }

    /// The certificates that `words` mean: all of a professional's address or an organisation's domain, those of a
    /// device by the beginning of its id, or one by the beginning of its serial; at least six digits of either.
    pub(in super::super) fn find(&self, words: &str, now: Timestamp) -> Vec<Certificate<'_>> {
        const FEWEST_DIGITS: usize = 6;
        let is_begun = |whole: &str| words.len() >= FEWEST_DIGITS && whole.starts_with(words);
        let mut certificates = self.certificates(now);
        certificates.retain(|certificate| certificate.issued.what != Kind::Administrator);
        let by_name: Vec<_> =
            certificates.iter().filter(|certificate| certificate.issued.name == words).copied().collect();
        if !by_name.is_empty() {
            return by_name;
        }
        certificates.retain(|certificate| {
            let Issued { serial, device, .. } = certificate.issued;
            is_begun(serial) || device.as_deref().is_some_and(is_begun)
        });
        certificates
    }

    /// All invitations, in order. Who is revoked as a person is let in by none that they were given before: those are
    /// settled with the revocation, whether somebody has written that down or not. The order of the lines decides,
    /// and no clock.
    pub(in super::super) fn invitations(&self) -> Vec<Invitation<'_>> {
        let mut invitations: Vec<Invitation<'_>> = Vec::new();
        let mut places = BTreeMap::new();
        let mut names = BTreeMap::new();
        for entry in &self.0 {
            match entry {
                Entry::Issued(issued) => drop(names.insert(issued.serial.as_str(), issued.name.as_str())),
                Entry::Invited(invited) => {
                    places.insert(invited.ticket.as_str(), invitations.len());
                    invitations.push(Invitation { invited, settled: None });
                }
                Entry::Settled { ticket, serial, .. } => {
                    if let Some(place) = places.get(ticket.as_str()) {
                        // The first end counts.
                        invitations[*place].settled.get_or_insert(serial.as_deref());
                    }
                }
                Entry::Revoked { serial, alone: false, .. } => {
                    let name = names.get(serial.as_str()).copied();
                    for it in invitations.iter_mut().filter(|it| Some(it.invited.name.as_str()) == name) {
                        it.settled.get_or_insert(None);
                    }
                }
                Entry::Revoked { alone: true, .. } | Entry::Listed { .. } => {}
            }
        }
        invitations
    }

    /// What became of the invitation with this ticket.
    pub(in super::super) fn invitation(&self, ticket: &str) -> Option<Invitation<'_>> {
        self.invitations().into_iter().find(|invitation| invitation.invited.ticket == ticket)
    }

    /// What the list of the authorities with these certificates (those of one key) says now.
    pub(in super::super) fn revocations(&self, authorities: &[String], now: Timestamp) -> Vec<Revocation> {
        let certificates = self.certificates(now).into_iter().filter(|certificate| {
            authorities.contains(&certificate.issued.authority)
                && now.0 < certificate.issued.until.saturating_add(LISTED_AFTER_END)
        });
        let listed = certificates.filter_map(|certificate| {
            let (at, reason) = certificate.revoked?;
            let serial = Serial::from_hex(&certificate.issued.serial)?;
            Some(Revocation { serial, at: Timestamp(at), reason: reason_of(reason) })
        });
        listed.collect()
    }

    /// Number of the next list; numbers rise over all lists of a ledger.
    pub(in super::super) fn next_number(&self) -> u64 {
        let numbers = self.0.iter().filter_map(|entry| match entry {
            Entry::Listed { number, .. } => Some(*number),
            Entry::Issued(_) | Entry::Invited(_) | Entry::Settled { .. } | Entry::Revoked { .. } => None,
        });
        numbers.max().unwrap_or(0) + 1
    }

    /// When the newest list of these authorities was signed, and by when its successor is promised.
    pub(in super::super) fn newest_list(&self, authorities: &[String]) -> Option<(Timestamp, Timestamp)> {
        self.0.iter().rev().find_map(|entry| match entry {
            Entry::Listed { at, authority, next, .. } if authorities.contains(authority) => {
                Some((Timestamp(*at), Timestamp(*next)))
            }
            Entry::Listed { .. }
            | Entry::Issued(_)
            | Entry::Invited(_)
            | Entry::Settled { .. }
            | Entry::Revoked { .. } => None,
        })
    }
}

/// The reasons that can be given, with their words.
pub(in super::super) const REASONS: [(&str, Reason); 5] = [
    ("left", Reason::AffiliationChanged),
    ("lost", Reason::KeyCompromise),
    ("replaced", Reason::Superseded),
    ("unused", Reason::CessationOfOperation),
    ("unsaid", Reason::Unspecified),
];

fn reason_of(word: &str) -> Reason {
    REASONS.iter().find(|(name, _)| *name == word).map_or(Reason::Unspecified, |(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn issued(serial: &str, name: &str, device: &str, until: u64) -> Issued {
        Issued {
            at: 1,
            serial: serial.to_owned(),
            what: Kind::Device,
            name: name.to_owned(),
            called: "Anne Jansen".to_owned(),
            device: Some(device.to_owned()),
            functions: vec!["police".to_owned()],
            from: 1,
            until,
            authority: "aa".to_owned(),
            replaces: None,
        }
    }

    fn book() -> Book {
        let revoke = |serial: &str, at, reason: &str| Entry::Revoked {
            at,
            serial: serial.to_owned(),
            reason: reason.to_owned(),
            alone: false,
        };
        let later = NOW.0 + Timestamp::DAY;
        let renewed =
            Issued { replaces: Some("1111111111".to_owned()), ..issued("2222222222", "a@p.nl", "d1d1d1d1", later) };
        Book::of(vec![
            Entry::Issued(issued("1111111111", "a@p.nl", "d1d1d1d1", later)),
            Entry::Issued(renewed),
            Entry::Issued(issued("3333333333", "a@p.nl", "d2d2d2d2", NOW.0 - 1)),
            Entry::Issued(issued("4444444444", "b@p.nl", "d3d3d3d3", later)),
            Entry::Issued(issued("5555555555", "c@p.nl", "d4d4d4d4", NOW.0 - 40 * Timestamp::DAY)),
            revoke("4444444444", 7, "lost"),
            revoke("4444444444", 8, "left"),
            revoke("5555555555", 9, "left"),
        ])
    }

    #[test]
    fn a_certificate_is_valid_replaced_expired_or_revoked() {
        let book = book();
        let states: Vec<_> = book.certificates(NOW).iter().map(|certificate| certificate.state).collect();
        assert_eq!(states, [State::Replaced, State::Valid, State::Expired, State::Revoked, State::Revoked]);
    }

    #[test]
    fn a_person_means_all_their_certificates_and_a_device_its_own() {
        let book = book();
        let found = |words| {
            let found = book.find(words, NOW);
            found.iter().map(|certificate| certificate.issued.serial.as_bytes()[0] as char).collect::<String>()
        };
        assert_eq!(found("a@p.nl"), "123");
        assert_eq!(found("d1d1d1"), "12");
        assert_eq!(found("222222"), "2");
        assert_eq!(found("22222"), "", "too short to be sure");
        assert_eq!(found("x@p.nl"), "");
    }

    #[test]
    fn the_list_has_the_first_revocation_of_each_and_forgets_what_has_long_expired() {
        let book = book();
        let listed = book.revocations(&["aa".to_owned()], NOW);
        let of_b = Revocation {
            serial: Serial::from_hex("4444444444").unwrap(),
            at: Timestamp(7),
            reason: Reason::KeyCompromise,
        };
        assert_eq!(listed, [of_b]);
        assert!(book.revocations(&["bb".to_owned()], NOW).is_empty(), "another key's certificates");
    }

    #[test]
    fn numbers_of_lists_rise_over_all_authorities() {
        let mut book = book();
        assert_eq!(book.next_number(), 1);
        let list =
            |authority: &str, number| Entry::Listed { at: 5, authority: authority.to_owned(), number, next: 6 };
        book.add(list("aa", 1));
        book.add(list("bb", 2));
        assert_eq!(book.next_number(), 3);
        assert_eq!(book.newest_list(&["aa".to_owned()]), Some((Timestamp(5), Timestamp(6))));
        assert_eq!(book.newest_list(&["cc".to_owned()]), None);
    }

    fn invited(ticket: &str, name: &str) -> Entry {
        Entry::Invited(Invited {
            at: 1,
            ticket: ticket.to_owned(),
            authority: "aa".to_owned(),
            name: name.to_owned(),
            called: "Anne".to_owned(),
            function: "police".to_owned(),
            until: NOW.0,
            days: 365,
        })
    }

    #[test]
    fn an_invitation_is_open_until_it_is_settled_or_late() {
        let mut book = Book::of(vec![invited("01", "a@p.nl")]);
        let before = Timestamp(NOW.0 - 1);
        assert!(book.invitations()[0].is_open(before) && !book.invitations()[0].is_open(NOW));
        book.add(Entry::Settled { at: 2, ticket: "01".to_owned(), serial: None });
        assert!(!book.invitations()[0].is_open(before));
        assert_eq!(book.invitation("01").unwrap().settled, Some(None));
        assert!(book.invitations()[0].is_withdrawn(before) && !book.invitations()[0].is_withdrawn(NOW));
    }

    fn settled(book: &Book) -> Vec<Option<Option<&str>>> {
        book.invitations().iter().map(|invitation| invitation.settled).collect()
    }

    #[test]
    fn who_is_revoked_is_let_in_by_no_invitation_of_before_and_by_every_one_after() {
        let later = NOW.0 + Timestamp::DAY;
        let revoked = |alone| Entry::Revoked { at: 5, serial: "11".to_owned(), reason: "left".to_owned(), alone };
        let of_another = invited("03", "b@p.nl");
        let before = vec![Entry::Issued(issued("11", "a@p.nl", "d1", later)), invited("01", "a@p.nl"), of_another];

        let mut book = Book::of(before.clone());
        book.add(revoked(true));
        assert_eq!(settled(&book), [None, None], "one device went, its owner stays");
        book.add(revoked(false));
        book.add(invited("02", "a@p.nl"));
        assert_eq!(settled(&book), [Some(None), None, None]);
        book.add(Entry::Settled { at: 6, ticket: "01".to_owned(), serial: Some("22".to_owned()) });
        assert_eq!(settled(&book)[0], Some(None), "what was signed afterwards all the same is not given out");

        let mut book = Book::of(before);
        book.add(Entry::Settled { at: 4, ticket: "01".to_owned(), serial: Some("22".to_owned()) });
        book.add(revoked(false));
        assert_eq!(settled(&book)[0], Some(Some("22")), "it was used before");
    }
}
