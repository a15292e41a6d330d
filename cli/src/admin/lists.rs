//! Lists of revoked certificates: signed from a ledger, with a number that rises and a promise of when the next one
//! comes, and kept as `revoked.pem` beside the authority.
//!
//! The number is written down before the list is signed: after a crash one may be missing, but none is used twice. An
//! authority whose key was renewed has a list of each key, since a certificate is on the list of who signed it.
//! Refused: a list of an authority that its region has revoked, which nobody would believe.

use std::path::Path;

use kring_pki::issue::{OrganisationCa, Revocation};
use kring_protocol::ids::Timestamp;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::folder::{self, REVOKED};
use super::keys::Keys;
use super::ledger::{self, Book, Entry, Kind, Ledger, State};
use super::organisation::Organisation;
use super::{not_issued, region, serial_of};
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};

/// How long a list is good: what a relay can hide for at most before clients warn. A week lets an administrator's machine
/// be off over the holidays' longest weekend.
pub(super) const DAYS: u64 = 7;

/// How long a list is good that an administrator has signed who approves by hand: nobody is there to sign every week.
pub(super) const DAYS_BY_HAND: u64 = 30;

/// How far above its ledger's numbers a relay's word brings a list at once: what signing every hour takes a century
/// for. A relay that lies must not use up the numbers that there are.
const MOST_AHEAD: u64 = 1_000_000;

/// A list that has just been signed.
pub(super) struct Signed {
    /// The list.
    pub(super) list: CertificateRevocationListDer<'static>,
    /// The certificate of the authority that signed it; `None`: the region's root did.
    pub(super) issuer: Option<CertificateDer<'static>>,
    /// Its number.
    pub(super) number: u64,
    /// How many certificates are on it, where that is known.
    pub(super) revoked: Option<usize>,
    /// Whose it is.
    pub(super) whose: String,
    /// By when the next one is promised.
    pub(super) next: Timestamp,
    /// Where it comes from.
    source: Source,
}

/// Where a list comes from.
enum Source {
    /// An organisation of this folder.
    Organisation {
        domain: String,
        /// Serials of the certificates of the key that signed it, the newest first.
        serials: Vec<String>,
        days: u64,
    },
    /// The region of this folder.
    Region { days: u64 },
    /// It is handed over as it is: signed elsewhere, or a second time already.
    AsItIs {
        /// Domain of the organisation of this folder whose it is.
        domain: Option<String>,
    },
}

impl Signed {
    /// A list that is handed over as it is, of an organisation of this folder or of a region.
    pub(super) fn elsewhere(
        list: CertificateRevocationListDer<'static>,
        of: Option<(String, CertificateDer<'static>)>,
        number: u64,
        next: Timestamp,
    ) -> Self {
        let (domain, issuer) = of.unzip();
        let whose = domain.clone().unwrap_or_else(|| "the region".to_owned());
        Self { list, issuer, number, revoked: None, whose, next, source: Source::AsItIs { domain } }
    }

    /// Domain of the organisation in whose name it is handed over; `None`: anybody's, it is a region's.
    pub(super) fn domain(&self) -> Option<&str> {
        match &self.source {
            Source::Organisation { domain, .. } => Some(domain),
            Source::AsItIs { domain } => domain.as_deref(),
            Source::Region { .. } => None,
        }
    }

    /// Signs it once more with a number above `number`, which a relay has already: the ledger is older than what was
    /// signed from it. Says whether it did; once is enough for a relay that tells the truth.
    pub(super) fn sign_above(&mut self, number: u64, folder: &Path, keys: &Keys) -> Outcome<bool> {
        let domain = self.domain().map(str::to_owned);
        let mut anew = match &self.source {
            Source::Organisation { domain, serials, days } => {
                let organisation = Organisation::find(folder, domain)?;
                require_near(&ledger::read(&organisation.place)?, number)?;
                let authority = organisation.open_serial(&serials[0], keys)?;
                of_authority(&organisation, &authority, serials.clone(), *days, number)?
            }
            Source::Region { days } => {
                require_near(&ledger::read(&folder::region(folder))?, number)?;
                of_region_above(folder, *days, number, keys)?
            }
            Source::AsItIs { .. } => return Ok(false),
        };
        anew.source = Source::AsItIs { domain };
        *self = anew;
        Ok(true)
    }
}

/// Refuses a number that no honest relay can have from this folder.
fn require_near(book: &Book, number: u64) -> Outcome {
    if number < book.next_number().saturating_add(MOST_AHEAD) {
        return Ok(());
    }
    Err(Failure::advised(
        Cause::Refused,
        format!("the relay says that it has a list with number {number}, and nobody can have signed that many"),
        "ask the relay's operator; nothing was signed for it",
    ))
}

/// Whether a list of an organisation should be signed: there is none, which a relay could hide for ever, since nobody
/// would miss it; or half of its time is over.
pub(super) fn is_due(organisation: &Organisation, now: Timestamp) -> Outcome<bool> {
    let book = ledger::read(&organisation.place)?;
    Ok(book.newest_list(&organisation.serials()?).is_none_or(|list| is_half_over(list, now)))
}

/// Whether the region's list should be signed anew: there is one, and half of its time is over. `false` without the
/// region's root here.
pub(super) fn is_regions_due(folder: &Path, now: Timestamp) -> Outcome<bool> {
    let place = folder::region(folder);
    if !place.is_dir() {
        return Ok(false);
    }
    let root = crate::certificates::read(&place.join(folder::ROOT.0))?.swap_remove(0);
    let newest = ledger::read(&place)?.newest_list(&[serial_of(&root)?.to_hex()]);
    Ok(newest.is_some_and(|list| is_half_over(list, now)))
}

/// Of a list that was signed at the first and promises its successor by the second.
fn is_half_over((at, next): (Timestamp, Timestamp), now: Timestamp) -> bool {
    now > at.plus(next.since(at) / 2)
}

/// Signs an organisation's lists, one for each key with which it has signed something that is not long over; none
/// where its region has revoked it.
pub(super) fn of_organisation(
    organisation: &Organisation,
    folder: &Path,
    days: u64,
    keys: &Keys,
) -> Outcome<Vec<Signed>> {
    let revoked = region::revoked(folder)?;
    let mut signed = Vec::new();
    for (newest, (authority, serials)) in organisation.open_each(keys)?.into_iter().enumerate() {
        let is_needed = newest == 0 || has_living(&ledger::read(&organisation.place)?, &serials, clock::now());
        if is_needed && !revoked.contains(&serials[0]) {
            signed.push(of_authority(organisation, &authority, serials, days, 0)?);
        }
    }
    Ok(signed)
}

/// Signs the list of one key of an organisation, with a number above this one.
fn of_authority(
    organisation: &Organisation,
    authority: &OrganisationCa,
    serials: Vec<String>,
    days: u64,
    above: u64,
) -> Outcome<Signed> {
    // Opened for each key, so that other programs wait for as short as can be.
    let mut ledger = organisation.ledger()?;
    let now = clock::now();
    let next = now.plus(days * Timestamp::DAY).min(authority.valid_until());
    let (revoked, number) = begin(&mut ledger, &serials, above, now, next)?;
    let list = authority.sign_crl(&revoked, number, now, next).map_err(not_issued)?;
    let place = organisation.place_of(&serials[0])?;
    folder::replace(&place.join(REVOKED), kring_pki::pem::crl(&list).as_bytes())?;
    let domain = authority.domain().to_owned();
    Ok(Signed {
        list,
        issuer: Some(authority.certificate().clone()),
        number,
        revoked: Some(revoked.len()),
        whose: domain.clone(),
        next,
        source: Source::Organisation { domain, serials, days },
    })
}

/// Signs the region's list, of organisations and relays.
pub(super) fn of_region(folder: &Path, days: u64, keys: &Keys) -> Outcome<Signed> {
    of_region_above(folder, days, 0, keys)
}

fn of_region_above(folder: &Path, days: u64, above: u64, keys: &Keys) -> Outcome<Signed> {
    let root = region::open(folder, keys)?;
    let place = folder::region(folder);
    let mut ledger = Ledger::open(&place)?;
    let now = clock::now();
    let next = now.plus(days * Timestamp::DAY).min(root.valid_until());
    let serials = [serial_of(root.certificate())?.to_hex()];
    let (revoked, number) = begin(&mut ledger, &serials, above, now, next)?;
    let list = root.sign_crl(&revoked, number, now, next).map_err(not_issued)?;
    folder::replace(&place.join(REVOKED), kring_pki::pem::crl(&list).as_bytes())?;
    Ok(Signed {
        list,
        issuer: None,
        number,
        revoked: Some(revoked.len()),
        whose: "the region".to_owned(),
        next,
        source: Source::Region { days },
    })
}

/// What the next list says, and its number, which is used up with this.
fn begin(
    ledger: &mut Ledger,
    authorities: &[String],
    above: u64,
    now: Timestamp,
    next: Timestamp,
) -> Outcome<(Vec<Revocation>, u64)> {
    let number = ledger.book().next_number().max(above + 1);
    ledger.append([Entry::Listed { at: now.0, authority: authorities[0].clone(), number, next: next.0 }])?;
    Ok((ledger.book().revocations(authorities, now), number))
}

/// Whether an authority has signed something that can still be used, or is still on its list.
fn has_living(book: &Book, authorities: &[String], now: Timestamp) -> bool {
    let is_living = |state| matches!(state, State::Valid | State::Replaced);
    !book.revocations(authorities, now).is_empty()
        || book.certificates(now).iter().any(|certificate| {
            authorities.contains(&certificate.issued.authority)
                && is_living(certificate.state)
                && certificate.issued.what != Kind::Administrator
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_due_when_half_of_its_time_is_over_and_not_before() {
        let (day, week) = (Timestamp::DAY, 7 * Timestamp::DAY);
        for (next, now, due) in [
            (week, 0, false),
            (week, 3 * day, false),
            (week, week / 2, false),
            (week, week / 2 + 1, true),
            (week, week, true),
            (week, 400 * day, true),
            // Its authority ends with it: there is nothing that could be promised beyond.
            (0, 0, false),
            (0, 1, true),
        ] {
            let at = Timestamp(1_000 * day);
            assert_eq!(is_half_over((at, at.plus(next)), at.plus(now)), due, "{next} after {now}");
        }
        let (at, before) = (Timestamp(1_000 * day), Timestamp(999 * day));
        assert!(!is_half_over((at, at.plus(week)), before), "a clock that was put back");
    }
}
