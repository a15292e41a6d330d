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

/// Whether a list of an organisation should be signed anew: half of its time is over, or there is none and `first` is
/// wanted.
pub(super) fn is_due(organisation: &Organisation, first: bool, now: Timestamp) -> Outcome<bool> {
    let book = super::ledger::read(&organisation.place)?;
    let serials = organisation.serials()?;
    Ok(match book.newest_list(&serials) {
        Some((at, next)) => now > at.plus(next.since(at) / 2),
        None => first,
    })
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
