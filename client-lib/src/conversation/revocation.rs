//! Certificate revocation lists: read from the relay at each connection and whenever it says that there is a newer one,
//! believed only if they are their issuer's own, kept in the store, and looked at for their age.
//!
//! Refused: a list that no pinned root vouches for; one with a lower number than the one that is known; saying something
//! before the relay's lists are read. An issuer promises with each list when the next one comes: **a device that has seen
//! none by then says so**, since the relay may hide it; three days later it adds nobody, and says something only if
//! the user insists. Of an issuer whose lists it has never seen a device expects none.

use std::collections::BTreeMap;

use kring_pki::verify::{CrlSeen, VerifiedCrl, issuer_id, verify_crl};
use kring_protocol::ids::{CrlDigest, CrlNumber, IssuerId, Timestamp};
use kring_protocol::message::{Crl, KnownCrl, PublishCrl, ReadCrls, Reply, Request};
use kring_protocol::refusal::{Refusal, Retry};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Conversation;
use super::event::Event;
use super::session::Asked;
use super::step::Step;
use crate::case::CaseId;
use crate::item::sha256;
use crate::mls::group::Group;
use crate::mls::party::Party;
use crate::store::{Store, StoreError};

/// How long after the promised moment a list is still good enough to send and add by: a long weekend, in which no
/// administrator signs.
pub(super) const GRACE: u64 = 3 * Timestamp::DAY;

/// A list in the store.
#[derive(Serialize, Deserialize)]
struct StoredList {
    crl: ByteBuf,
    /// The certificate of the authority that signed it; none: a region root did.
    authority: Option<ByteBuf>,
}

/// The lists that a connection has brought so far.
#[derive(Clone, Default)]
pub(super) struct Reading {
    /// All that the relay had are read, or it keeps none.
    pub(super) done: bool,
    /// They are being read.
    under_way: bool,
    /// The relay has said meanwhile that there is a newer one.
    again: bool,
    /// When to ask once more.
    pub(super) at: Option<Timestamp>,
    /// Lists that this device does not believe, by what they say of themselves: not to be read again and again.
    passed_over: BTreeMap<IssuerId, CrlNumber>,
    /// One of them has no name that this device could know.
    nameless: bool,
    /// The relay's lists were found to be older than this device's.
    behind: bool,
}

/// How old the newest list of an organisation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    /// The next one has not been promised by now.
    Fresh,
    /// It is overdue.
    Overdue,
    /// It is overdue for so long that it says too little.
    Stale,
}

impl Age {
    pub(super) fn of(seen: CrlSeen, now: Timestamp) -> Self {
        if now > seen.next_update.plus(GRACE) {
            Self::Stale
        } else if now > seen.next_update {
            Self::Overdue
        } else {
            Self::Fresh
        }
    }
}

/// Checks a list. Its authority's certificate is judged at the moment at which the list was signed: a list stays true
/// when that certificate has ended, and whatever this device's clock says.
fn believed(party: &Party, crl: &[u8], authority: Option<&[u8]>) -> Option<VerifiedCrl> {
    let moment = kring_pki::verify::Crl::from_der(crl).ok()?.seen().this_update;
    let authority = authority.map(CertificateDer::from);
    verify_crl(crl, authority.as_ref(), party.leaves.anchors(), moment, &kring_pki::verify::Crls::none()).ok()
}

impl Conversation {
    /// Takes up the lists in the store. One that no pinned root vouches for any more stays there without effect.
    pub(super) fn take_up_lists(store: &Store, party: &Party) -> Result<(), StoreError> {
        let stored = store.read().lists::<StoredList>()?;
        let authority = |list: &StoredList| list.authority.as_ref().map(|bytes| bytes.to_vec());
        let lists = stored.iter().filter_map(|list| believed(party, &list.crl, authority(list).as_deref()));
        party.leaves.relearn(lists.collect());
        Ok(())
    }
}

impl Step<'_> {
    /// Reads the relay's lists if they are not those that this device has.
    pub(super) fn look_at_lists(&mut self, digest: Option<CrlDigest>) {
        let known = digest_of(known_with(self.party, &BTreeMap::new()));
        match digest {
            Some(digest) if digest != known => self.read_lists(),
            Some(_) | None => self.session.lists.done = true,
        }
    }

    /// Asks the relay for lists that are newer than those known.
    pub(super) fn read_lists(&mut self) {
        if !self.session.connected {
            return;
        }
        // Until they are read, what is new in them is what should be known.
        self.session.lists.done = false;
        if self.session.lists.under_way {
            self.session.lists.again = true;
            return;
        }
        self.session.lists.under_way = true;
        self.session.lists.again = false;
        self.session.lists.at = None;
        let known = known_with(self.party, &self.session.lists.passed_over)
            .into_iter()
            .map(|(issuer, number)| KnownCrl { issuer, number })
            .collect();
        self.ask(Asked::Lists, Request::ReadCrls(ReadCrls { known }));
    }

    /// The relay's lists.
    pub(super) fn lists_answered(&mut self, answer: Result<Vec<Reply>, Refusal>) -> Result<(), StoreError> {
        self.session.lists.under_way = false;
        let replies = match answer {
            Ok(replies) => replies,
            Err(refusal) => match refusal.retry() {
                Retry::After(milliseconds) => {
                    self.session.lists.at = Some(self.now.plus(milliseconds.max(Timestamp::SECOND)));
                    return Ok(());
                }
                // With the next connection.
                Retry::Reconnect | Retry::AfterReading => return Ok(()),
                // The relay keeps none; how old the known ones are says the rest.
                Retry::Never => Vec::new(),
            },
        };
        let mut newer = false;
        let mut digest = None;
        for reply in replies {
            match reply {
                Reply::Crl(list) => newer |= self.learn(&list)?,
                Reply::CrlsEnd(end) => digest = Some(end.digest),
                _ => {}
            }
        }
        let lists = &mut self.session.lists;
        lists.done = true;
        let behind = digest.is_some_and(|digest| digest != digest_of(known_with(self.party, &lists.passed_over)));
        if std::mem::take(&mut lists.again) || (newer && behind) {
            // There is more than what has just been read.
            self.read_lists();
        } else if behind && !lists.nameless && !std::mem::replace(&mut lists.behind, true) {
            self.give_back_lists();
        }
        self.session.dirty.extend(self.tx.rows().cases()?);
        Ok(())
    }

    /// Takes a list up if it is its issuer's and newer than the one known.
    fn learn(&mut self, list: &Crl) -> Result<bool, StoreError> {
        let authority = list.issuer.as_deref();
        let Some(verified) = believed(self.party, &list.crl, authority) else {
            let issuer = authority.and_then(|authority| issuer_id(&CertificateDer::from(authority)));
            let number = kring_pki::verify::Crl::from_der(&list.crl).ok().map(|crl| CrlNumber(crl.seen().number));
            match issuer.zip(number) {
                Some((issuer, number)) => drop(self.session.lists.passed_over.insert(issuer, number)),
                None => self.session.lists.nameless = true,
            }
            return Ok(false);
        };
        let issuer = verified.issuer();
        let number = CrlNumber(verified.crl().seen().number);
        if self.party.leaves.known_lists().get(&issuer).is_some_and(|known| *known >= number) {
            return Ok(false);
        }
        let stored = StoredList {
            crl: ByteBuf::from(list.crl.to_vec()),
            authority: authority.map(|bytes| ByteBuf::from(bytes.to_vec())),
        };
        self.tx.write_list(issuer.as_bytes(), &stored)?;
        self.party.leaves.learn(verified);
        Ok(true)
    }

    /// The relay has older lists than this device, or fewer: it was set back, or hides some. It is given them again, and
    /// the user is told.
    fn give_back_lists(&mut self) {
        self.tell(Event::OldRevocationLists);
        for (crl, authority) in self.party.leaves.lists() {
            let issuer = authority.map(|authority| authority.as_ref().to_vec().into());
            let crl = crl.der().as_ref().to_vec().into();
            self.ask(Asked::Nothing, Request::PublishCrl(PublishCrl { crl, issuer }));
        }
    }

    /// How old the oldest list is by which this device judges those in a case; says what is overdue, once a connection.
    pub(super) fn list_age(&mut self, case: CaseId, group: &Group) -> Age {
        let mut oldest = Age::Fresh;
        for (organisation, seen) in group.lists_seen(self.party) {
            let age = Age::of(seen, self.now);
            oldest = oldest.max(age);
            let next = if age == Age::Overdue { seen.next_update.plus(GRACE) } else { seen.next_update };
            if next >= self.now {
                let due = next.plus(1);
                let first = self.session.aged_at.unwrap_or(due);
                self.session.aged_at = Some(first.min(due));
            }
            if age > Age::Fresh && self.session.aged.insert((case, organisation.clone(), age)) {
                let since = seen.next_update;
                self.tell(Event::RevocationListOverdue { case, organisation, since, stale: age == Age::Stale });
            }
        }
        oldest
    }
}

/// The lists that this device has, and those that it passes over.
fn known_with(party: &Party, passed_over: &BTreeMap<IssuerId, CrlNumber>) -> BTreeMap<IssuerId, CrlNumber> {
    let mut known = passed_over.clone();
    known.extend(party.leaves.known_lists());
    known
}

/// Which lists these are, as a relay tells it (docs/protocol.md, "Revocation").
fn digest_of(known: BTreeMap<IssuerId, CrlNumber>) -> CrlDigest {
    let mut text = Vec::with_capacity(known.len() * 40);
    for (issuer, number) in known {
        text.extend_from_slice(issuer.as_bytes());
        text.extend_from_slice(&number.0.to_be_bytes());
    }
    CrlDigest(sha256(&text))
}
