//! Whose a list of revoked certificates is, before it is handed on: a pinned root's, or that of an authority to which one
//! has given a certificate.
//!
//! Refused: an authority whose certificate is not of a pinned root, not an organisation's, not valid now or revoked; a list
//! that is not its issuer's own or that [`Crl::from_der`] refuses.

use std::sync::Arc;

use aws_lc_rs::digest;
use kring_protocol::ids::{IssuerId, Timestamp};
use rustls_pki_types::CertificateDer;

use super::{Crl, CrlError, Crls, TrustAnchors, Untrusted, Whose};
use crate::form::Serial;
use crate::read::Certificate;

/// A list whose issuer is known. Only [`verify_crl`] makes it.
#[derive(Debug)]
pub struct VerifiedCrl {
    crl: Arc<Crl>,
    issuer: IssuerId,
    authority: Option<CertificateDer<'static>>,
}

/// Why a list is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnbelievedCrl {
    /// The list itself.
    #[error(transparent)]
    List(#[from] CrlError),
    /// Who signed it.
    #[error("the issuer of the list of revoked certificates is not believed: {0}")]
    Issuer(#[from] Untrusted),
}

impl VerifiedCrl {
    /// The list.
    pub fn crl(&self) -> &Crl {
        &self.crl
    }

    /// Whose it is.
    pub fn issuer(&self) -> IssuerId {
        self.issuer
    }

    /// The certificate of the authority that signed it; none: a pinned root did.
    pub fn authority(&self) -> Option<&CertificateDer<'static>> {
        self.authority.as_ref()
    }

    /// The list, shared.
    pub fn shared(&self) -> Arc<Crl> {
        self.crl.clone()
    }
}

/// Names an issuer: SHA-256 over its subject's name and its public key. None if the certificate cannot be read.
pub fn issuer_id(certificate: &CertificateDer<'_>) -> Option<IssuerId> {
    let certificate = Certificate::parse(certificate)?;
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(certificate.x509().subject().as_raw());
    hash.update(certificate.x509().public_key().raw);
    IssuerId::from_slice(hash.finish().as_ref())
}

/// Checks that a list is the own one of the holder of `authority`, or of a pinned root where that is absent.
pub fn verify_crl(
    der: &[u8],
    authority: Option<&CertificateDer<'_>>,
    anchors: &TrustAnchors,
    now: Timestamp,
    crls: &Crls,
) -> Result<VerifiedCrl, UnbelievedCrl> {
    let crl = Crl::from_der(der)?;
    let Some(authority) = authority else {
        let mut roots = anchors.certificates().iter();
        let root = roots.find(|root| crl.verify(root).is_ok()).ok_or(Untrusted::UnknownRoot)?;
        let issuer = issuer_id(root).ok_or(Untrusted::Unreadable)?;
        return Ok(VerifiedCrl { crl: Arc::new(crl), issuer, authority: None });
    };
    verify_authority(authority, anchors, now, crls)?;
    crl.verify(authority)?;
    let issuer = issuer_id(authority).ok_or(Untrusted::Unreadable)?;
    Ok(VerifiedCrl { crl: Arc::new(crl), issuer, authority: Some(authority.clone().into_owned()) })
}

/// Checks an organisation's certificate by itself, without a device's below it.
fn verify_authority(
    authority: &CertificateDer<'_>,
    anchors: &TrustAnchors,
    now: Timestamp,
    crls: &Crls,
) -> Result<(), Untrusted> {
    let parsed = Certificate::parse(authority).ok_or(Untrusted::Unreadable)?;
    if !parsed.is_authority() {
        return Err(Untrusted::NoOrganisation);
    }
    parsed.organisation()?;
    let root = anchors.issuer_of(&parsed).ok_or(Untrusted::UnknownRoot)?;
    let (from, to) = parsed.validity();
    if now < from {
        return Err(Untrusted::NotYetValid { whose: Whose::Authority, from });
    }
    if now > to.plus(Timestamp::SECOND - 1) {
        return Err(Untrusted::Expired { whose: Whose::Authority, at: to });
    }
    let serial = Serial::from_bytes(parsed.x509().raw_serial()).ok_or(Untrusted::Unreadable)?;
    let newest = crls.iter().filter(|crl| crl.verify(root).is_ok()).max_by_key(|crl| crl.seen().number);
    match newest {
        Some(crl) if crl.revokes(&serial) => Err(Untrusted::Revoked(Whose::Authority)),
        Some(_) | None => Ok(()),
    }
}
