//! Lists of revoked certificates (RFC 5280 §5): read once, asked often.
//!
//! Refused: lists larger than [`MAX_CRL`], delta and indirect lists, lists without a number or without the moment at
//! which the next one comes. That a list is its issuer's own shows only against the issuer's certificate:
//! [`Crl::verify`], and again in each check of a chain.

use std::fmt;
use std::sync::Arc;

use kring_protocol::ids::Timestamp;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::form::Serial;
use crate::read::{Certificate, timestamp};
use crate::signature;

/// Most bytes of one list: some 26,000 entries of 40 bytes.
pub const MAX_CRL: usize = 1024 * 1024;

/// One list, parsed; not yet believed.
pub struct Crl {
    der: CertificateRevocationListDer<'static>,
    list: CertRevocationList<'static>,
    seen: CrlSeen,
}

/// Which list a check used. Orders by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrlSeen {
    /// The list's number (RFC 5280 §5.2.3), which rises.
    pub number: u64,
    /// When it was signed.
    pub this_update: Timestamp,
    /// By when the issuer promised the next one.
    pub next_update: Timestamp,
}

/// Why a list cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// Too many bytes.
    #[error("the list of revoked certificates has more than {MAX_CRL} bytes; leave expired certificates out of it")]
    TooLarge,
    /// Not a list as RFC 5280 describes it, or of a kind that is not supported.
    #[error("the list of revoked certificates cannot be read; issue a complete list, version 2, with a next update")]
    Unreadable,
    /// No number, or one beyond 64 bits.
    #[error("the list of revoked certificates has no number below 2^64; issue it with one")]
    Number,
    /// Another issuer than the one asked about.
    #[error("the list of revoked certificates is another organisation's")]
    OtherIssuer,
    /// The issuer may not sign lists.
    #[error("the certificate of the organisation does not allow it to revoke; have the region issue it anew")]
    NotAllowed,
    /// The issuer's signature does not fit.
    #[error("the list of revoked certificates is not signed by its issuer; treat it as forged")]
    BadSignature,
}

impl Crl {
    /// Parses a list.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlError> {
        if der.len() > MAX_CRL {
            return Err(CrlError::TooLarge);
        }
        let list = OwnedCertRevocationList::from_der(der).map_err(|_| CrlError::Unreadable)?;
        let parsed = parse(der)?;
        let number = parsed.crl_number().ok_or(CrlError::Number)?;
        let seen = CrlSeen {
            number: u64::try_from(number).map_err(|_| CrlError::Number)?,
            this_update: timestamp(parsed.last_update()),
            next_update: timestamp(parsed.next_update().ok_or(CrlError::Unreadable)?),
        };
        Ok(Self { der: der.to_vec().into(), list: list.into(), seen })
    }

    /// Whether the holder of this certificate, which the caller has verified, signed the list and was allowed to.
    pub fn verify(&self, issuer: &CertificateDer<'_>) -> Result<(), CrlError> {
        let issuer = Certificate::parse(issuer).ok_or(CrlError::OtherIssuer)?;
        let issuer = issuer.x509();
        let parsed = parse(&self.der)?;
        if parsed.issuer().as_raw() != issuer.subject().as_raw() {
            return Err(CrlError::OtherIssuer);
        }
        let usage = issuer.key_usage().map_err(|_| CrlError::NotAllowed)?;
        if usage.is_some_and(|usage| !usage.value.crl_sign()) {
            return Err(CrlError::NotAllowed);
        }
        let signature = &parsed.signature_value;
        let own = parsed.tbs_cert_list.signature == parsed.signature_algorithm
            && signature.unused_bits == 0
            && signature::is_valid(
                issuer.public_key(),
                &parsed.signature_algorithm,
                parsed.tbs_cert_list.as_ref(),
                &signature.data,
            );
        if own { Ok(()) } else { Err(CrlError::BadSignature) }
    }

    /// Number and times.
    pub fn seen(&self) -> CrlSeen {
        self.seen
    }

    /// Whether the list names this certificate of its issuer.
    pub fn revokes(&self, serial: &Serial) -> bool {
        // All entries were read in `from_der`, so that looking one up does not fail.
        !matches!(self.list.find_serial(serial.as_bytes()), Ok(None))
    }

    /// The list as it came.
    pub fn der(&self) -> &CertificateRevocationListDer<'static> {
        &self.der
    }

    pub(super) fn issuer(&self) -> &[u8] {
        self.list.issuer()
    }

    pub(super) fn as_webpki(&self) -> &CertRevocationList<'static> {
        &self.list
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl({})", self.seen.number)
    }
}

/// The lists that a check looks into.
#[derive(Debug, Clone, Default)]
pub struct Crls(Vec<Arc<Crl>>);

impl Crls {
    /// No lists: nothing is known to be revoked.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a list. One with a lower number of the same issuer may stay: the newest decides.
    pub fn add(&mut self, crl: impl Into<Arc<Crl>>) {
        self.0.push(crl.into());
    }

    /// The lists, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Crl>> {
        self.0.iter()
    }
}

impl FromIterator<Crl> for Crls {
    fn from_iter<I: IntoIterator<Item = Crl>>(lists: I) -> Self {
        Self(lists.into_iter().map(Arc::new).collect())
    }
}

fn parse(der: &[u8]) -> Result<CertificateRevocationList<'_>, CrlError> {
    match CertificateRevocationList::from_der(der) {
        Ok(([], list)) => Ok(list),
        Ok(_) | Err(_) => Err(CrlError::Unreadable),
    }
}
