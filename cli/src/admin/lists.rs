//! Lists of revoked certificates: signed from a ledger, with a number that rises and a promise of when the next one
//! comes, and kept as `revoked.pem` beside the authority.
//!
//! The number is written down before the list is signed: after a crash one may be missing, but none is used twice. An
//! authority whose key was renewed has a list of each key, since a certificate is on the list of who signed it.

use std::path::Path;

use kring_pki::issue::Revocation;
use kring_protocol::ids::Timestamp;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::folder::{self, REVOKED};
use super::keys::Keys;
use super::ledger::{Book, Entry, Kind, Ledger, State};
use super::organisation::Organisation;
use super::{not_issued, region, serial_of};
use crate::clock;
use crate::outcome::Outcome;

/// How long a list is good: what a relay can hide for at most before clients warn. A week lets an administrator's machine
/// be off over the holidays' longest weekend.
pub(super) const DAYS: u64 = 7;

/// How long a list is good that an administrator has signed who approves by hand: nobody is there to sign every week.
pub(super) const DAYS_BY_HAND: u64 = 30;

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
}

/// Whether a list of an organisation should be signed: there is none, which a relay could hide for ever, since nobody
/// would miss it; or half of its time is over.
pub(super) fn is_due(organisation: &Organisation, now: Timestamp) -> Outcome<bool> {
    let book = super::ledger::read(&organisation.place)?;
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
    let newest = super::ledger::read(&place)?.newest_list(&[serial_of(&root)?.to_hex()]);
    Ok(newest.is_some_and(|list| is_half_over(list, now)))
}

/// Of a list that was signed at the first and promises its successor by the second.
fn is_half_over((at, next): (Timestamp, Timestamp), now: Timestamp) -> bool {
    now > at.plus(next.since(at) / 2)
}

/// Signs an organisation's lists, one for each key with which it has signed something that is not long over.
pub(super) fn of_organisation(organisation: &Organisation, days: u64, keys: &Keys) -> Outcome<Vec<Signed>> {
    let mut signed = Vec::new();
    for (newest, (authority, serials)) in organisation.open_each(keys)?.into_iter().enumerate() {
        // Opened for each key, so that other programs wait for as short as can be.
        let mut ledger = organisation.ledger()?;
        let now = clock::now();
        if newest > 0 && !has_living(ledger.book(), &serials, now) {
            continue;
        }
        let next = now.plus(days * Timestamp::DAY).min(authority.valid_until());
        let (revoked, number) = begin(&mut ledger, &serials, now, next)?;
        let list = authority.sign_crl(&revoked, number, now, next).map_err(not_issued)?;
        let place = organisation.place_of(&serials[0])?;
        folder::replace(&place.join(REVOKED), kring_pki::pem::crl(&list).as_bytes())?;
        signed.push(Signed {
            list,
            issuer: Some(authority.certificate().clone()),
            number,
            revoked: Some(revoked.len()),
            whose: authority.domain().to_owned(),
            next,
        });
    }
    Ok(signed)
}

/// Signs the region's list, of organisations and relays.
pub(super) fn of_region(folder: &Path, days: u64, keys: &Keys) -> Outcome<Signed> {
    let root = region::open(folder, keys)?;
    let place = folder::region(folder);
    let mut ledger = Ledger::open(&place)?;
    let now = clock::now();
    let next = now.plus(days * Timestamp::DAY).min(root.valid_until());
    let serials = [serial_of(root.certificate())?.to_hex()];
    let (revoked, number) = begin(&mut ledger, &serials, now, next)?;
    let list = root.sign_crl(&revoked, number, now, next).map_err(not_issued)?;
    folder::replace(&place.join(REVOKED), kring_pki::pem::crl(&list).as_bytes())?;
    Ok(Signed { list, issuer: None, number, revoked: Some(revoked.len()), whose: "the region".to_owned(), next })
}

/// What the next list says, and its number, which is used up with this.
fn begin(
    ledger: &mut Ledger,
    authorities: &[String],
    now: Timestamp,
    next: Timestamp,
) -> Outcome<(Vec<Revocation>, u64)> {
    let number = ledger.book().next_number();
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
