//! What every authority has: a certificate, its key, and the right to sign certificates and lists.

use aws_lc_rs::rand;
use kring_protocol::ids::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, RevocationReason,
    RevokedCertParams, SerialNumber,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use time::OffsetDateTime;

use super::{IssueError, PrivateKey, Validity};
use crate::form::{DEVICE_USAGE, DisplayName, Serial};
use crate::read::Certificate;

/// A certificate of an authority with its key.
pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    key: PrivateKey,
    validity: Validity,
}

/// One entry of a list of revoked certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Which certificate.
    pub serial: Serial,
    /// When its issuer revoked it.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// Why a certificate was revoked (RFC 5280 §5.3.1). Everyone who gets the list reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not said.
    Unspecified,
    /// The device was lost or stolen.
    KeyCompromise,
    /// The professional left, or has another function.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The device is no longer used.
    CessationOfOperation,
}

impl Authority {
    /// Puts a certificate and its key together.
    pub(super) fn new(certificate: CertificateDer<'static>, key: PrivateKey) -> Result<Self, IssueError> {
        let parsed = Certificate::parse(&certificate).ok_or(IssueError::Certificate)?;
        // rcgen panics over a name with an empty part, which RFC 5280 does not allow.
        let empty_part = parsed.x509().subject().iter().any(|part| part.iter().next().is_none());
        if empty_part || !parsed.is_authority() {
            return Err(IssueError::NotAnAuthority);
        }
        if parsed.x509().public_key().raw != key.0.subject_public_key_info() {
            return Err(IssueError::OtherKey);
        }
        let (not_before, not_after) = parsed.validity();
        Ok(Self { validity: Validity { not_before, not_after }, certificate, key })
    }

    /// Opens an authority from its files.
    pub(super) fn from_pem(certificate: &str, key: &str) -> Result<Self, IssueError> {
        let certificate =
            CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|_| IssueError::Certificate)?;
        Self::new(certificate, PrivateKey::from_pem(key)?)
    }

    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) fn valid_until(&self) -> Timestamp {
        self.validity.not_after
    }

    pub(super) fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Signs a certificate for the holder of `public_key`.
    pub(super) fn sign(
        &self,
        certificate: &CertificateParams,
        validity: Validity,
        public_key: &impl PublicKeyData,
    ) -> Result<CertificateDer<'static>, IssueError> {
        let validity = validity.in_seconds();
        if validity.not_before < self.validity.not_before || validity.not_after > self.validity.not_after {
            return Err(IssueError::OutlivesIssuer);
        }
        let signed = certificate.signed_by(public_key, &self.issuer()?).map_err(|_| IssueError::Signing)?;
        let signed = CertificateDer::from(signed);
        self.require_own_name(&signed)?;
        Ok(signed)
    }

    /// Signs a list that takes the place of all lists with a lower number.
    pub(super) fn sign_crl(
        &self,
        revoked: &[Revocation],
        number: u64,
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<CertificateRevocationListDer<'static>, IssueError> {
        if next_update <= now {
            return Err(IssueError::Validity);
        }
        let revoked: Result<Vec<_>, _> = revoked.iter().map(entry).collect();
        let list = CertificateRevocationListParams {
            this_update: date(now)?,
            next_update: date(next_update)?,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let signed = list.signed_by(&self.issuer()?).map_err(|error| match error {
            rcgen::Error::IssuerNotCrlSigner => IssueError::MayNotRevoke,
            _ => IssueError::Signing,
        })?;
        Ok(signed.into())
    }

    fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, IssueError> {
        Issuer::from_ca_cert_der(&self.certificate, &self.key.0).map_err(|_| IssueError::Certificate)
    }

    /// rcgen keeps one part of each kind of a name, so that a name with two of one kind comes out as another name,
    /// under which nobody would find the issuer.
    fn require_own_name(&self, signed: &CertificateDer<'_>) -> Result<(), IssueError> {
        let own = Certificate::parse(&self.certificate).ok_or(IssueError::Certificate)?;
        let signed = Certificate::parse(signed).ok_or(IssueError::TooLarge)?;
        let same = own.x509().subject().as_raw() == signed.x509().issuer().as_raw();
        if same { Ok(()) } else { Err(IssueError::IssuerName) }
    }
}

/// What every certificate has: a random number, its validity, the subject's common name, the issuer's key identifier.
pub(super) fn params(name: &DisplayName, validity: Validity) -> Result<CertificateParams, IssueError> {
    if validity.not_after <= validity.not_before {
        return Err(IssueError::Validity);
    }
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name.as_str());
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.serial_number = Some(SerialNumber::from(random_serial()?));
    params.not_before = date(validity.not_before)?;
    params.not_after = date(validity.not_after)?;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Adds what an authority has, which no further authorities follow if `last`.
pub(super) fn authority_params(
    name: &DisplayName,
    validity: Validity,
    last: bool,
) -> Result<CertificateParams, IssueError> {
    let mut params = params(name, validity)?;
    params.is_ca = IsCa::Ca(if last { BasicConstraints::Constrained(0) } else { BasicConstraints::Unconstrained });
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// What a device is for; an organisation's authority too, so that it can sign nothing else.
pub(super) fn device_usages() -> Vec<ExtendedKeyUsagePurpose> {
    vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(DEVICE_USAGE.to_vec())]
}

/// An extension that a reader may skip.
pub(super) fn extension(kind: &[u64], content: Vec<u8>) -> CustomExtension {
    CustomExtension::from_oid_content(kind, content)
}

/// 128 bits of which 126 are random (RFC 5280 §4.1.2.2: positive and unique to the issuer), always 16 bytes long.
fn random_serial() -> Result<Vec<u8>, IssueError> {
    let mut serial = vec![0; 16];
    rand::fill(&mut serial).map_err(|_| IssueError::Signing)?;
    serial[0] = serial[0] & 0x3f | 0x40;
    Ok(serial)
}

fn entry(revocation: &Revocation) -> Result<RevokedCertParams, IssueError> {
    Ok(RevokedCertParams {
        serial_number: SerialNumber::from_slice(revocation.serial.as_bytes()),
        revocation_time: date(revocation.at)?,
        // RFC 5280 §5.3.1: rather no reason than an unspecified one.
        reason_code: match revocation.reason {
            Reason::Unspecified => None,
            Reason::KeyCompromise => Some(RevocationReason::KeyCompromise),
            Reason::AffiliationChanged => Some(RevocationReason::AffiliationChanged),
            Reason::Superseded => Some(RevocationReason::Superseded),
            Reason::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
        },
        invalidity_date: None,
    })
}

fn date(moment: Timestamp) -> Result<OffsetDateTime, IssueError> {
    let seconds = i64::try_from(moment.0 / Timestamp::SECOND).map_err(|_| IssueError::Validity)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| IssueError::Validity)
}
