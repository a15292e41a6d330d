//! The roots that are pinned. People's certificates and a relay's are checked against sets of their own, which may
//! hold the same root.
//!
//! Refused: a file without a certificate, and a certificate that is not an authority's.

use std::fmt;

use aws_lc_rs::digest;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::read::Certificate;
use crate::signature;

/// Roots that are believed because their holder was told to.
#[derive(Clone)]
pub struct TrustAnchors {
    anchors: Vec<TrustAnchor<'static>>,
    certificates: Vec<CertificateDer<'static>>,
}

/// Why roots cannot be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// No certificate.
    #[error("there is no certificate among the roots; give a PEM file with at least one")]
    Empty,
    /// Not PEM (RFC 7468).
    #[error("the roots are not in PEM; they begin with -----BEGIN CERTIFICATE-----")]
    Pem,
    /// A certificate cannot be read.
    #[error("a root's certificate cannot be read; ask the region for it again")]
    Unreadable,
    /// A certificate of a device or a relay.
    #[error("a certificate among the roots is not an authority's; pin the root that signed it instead")]
    NotAnAuthority,
}

impl TrustAnchors {
    /// Pins the roots given.
    pub fn from_der<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> Result<Self, AnchorError> {
        let mut pinned = Self { anchors: Vec::new(), certificates: Vec::new() };
        for certificate in certificates {
            let parsed = Certificate::parse(certificate).ok_or(AnchorError::Unreadable)?;
            if !parsed.is_authority() {
                return Err(AnchorError::NotAnAuthority);
            }
            let anchor = webpki::anchor_from_trusted_cert(certificate).map_err(|_| AnchorError::Unreadable)?;
            pinned.anchors.push(anchor.to_owned());
            pinned.certificates.push(certificate.clone().into_owned());
        }
        if pinned.anchors.is_empty() { Err(AnchorError::Empty) } else { Ok(pinned) }
    }

    /// Pins the roots in a PEM text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AnchorError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        Self::from_der(&certificates.map_err(|_| AnchorError::Pem)?)
    }

    /// The roots' certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// The root that signed this authority's certificate.
    pub(super) fn issuer_of(&self, authority: &Certificate<'_>) -> Option<&CertificateDer<'static>> {
        let authority = authority.x509();
        self.certificates.iter().find(|root| {
            let Some(root) = Certificate::parse(root) else { return false };
            root.x509().subject().as_raw() == authority.issuer().as_raw()
                && authority.signature_value.unused_bits == 0
                && signature::is_valid(
                    root.x509().public_key(),
                    &authority.signature_algorithm,
                    authority.tbs_certificate.as_ref(),
                    &authority.signature_value.data,
                )
        })
    }

    /// The certificate of one of these anchors.
    pub(super) fn certificate_of(&self, anchor: &TrustAnchor<'_>) -> Option<&CertificateDer<'static>> {
        let is_it = |own: &TrustAnchor<'_>| {
            own.subject == anchor.subject && own.subject_public_key_info == anchor.subject_public_key_info
        };
        self.anchors.iter().zip(&self.certificates).find_map(|(own, certificate)| is_it(own).then_some(certificate))
    }

    pub(super) fn as_webpki(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }
}

impl fmt::Debug for TrustAnchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustAnchors({})", self.anchors.len())
    }
}

/// SHA-256 of a certificate in groups of four hexadecimal digits: what people compare before they pin a root.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let hash = digest::digest(&digest::SHA256, certificate);
    let groups = hash.as_ref().chunks(2);
    groups.map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect()).collect::<Vec<String>>().join(" ")
}
