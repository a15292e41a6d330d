//! The authority of an organisation: it signs devices, and revokes them.

use std::fmt;

use kring_protocol::ids::Timestamp;
use rcgen::{DnType, KeyUsagePurpose, SanType, SubjectPublicKeyInfo};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::authority::{self, Authority};
use super::{DeviceSubject, IssueError, OrganisationSubject, PrivateKey, Revocation, Validity};
use crate::form::{DisplayName, FunctionCode, Serial, TITLE};
use crate::read::{Certificate, OrganisationForm};

/// DER of an Ed25519 public key (RFC 8410 §4) up to its 32 bytes.
const ED25519_KEY: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// The authority of an organisation.
pub struct OrganisationCa {
    authority: Authority,
    form: OrganisationForm,
}

/// The certificate of a device, with its organisation's.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    chain: [CertificateDer<'static>; 2],
    serial: Serial,
}

impl OrganisationCa {
    /// Puts an organisation's certificate and its key together.
    pub fn new(certificate: CertificateDer<'static>, key: PrivateKey) -> Result<Self, IssueError> {
        let form = Certificate::parse(&certificate)
            .ok_or(IssueError::Certificate)?
            .organisation()
            .map_err(IssueError::NotAnOrganisation)?;
        Ok(Self { authority: Authority::new(certificate, key)?, form })
    }

    /// Opens an authority from its files.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, IssueError> {
        let authority = Authority::from_pem(certificate, key)?;
        let form = Certificate::parse(authority.certificate())
            .ok_or(IssueError::Certificate)?
            .organisation()
            .map_err(IssueError::NotAnOrganisation)?;
        Ok(Self { authority, form })
    }

    /// Issues the certificate of the device that holds this key. Take the key from a
    /// [`DeviceRequest`](super::DeviceRequest), which proves that the device holds it.
    pub fn issue_device(
        &self,
        subject: &DeviceSubject,
        public_key: &[u8; 32],
        validity: Validity,
    ) -> Result<DeviceCertificate, IssueError> {
        let DeviceSubject { address, name, function } = subject;
        if !self.form.contains(address.professional.domain()) {
            return Err(IssueError::OutsideOrganisation);
        }
        if !self.form.functions.contains(function) {
            return Err(IssueError::FunctionNotPermitted);
        }
        let mut params = authority::params(name, validity)?;
        params.distinguished_name.push(DnType::OrganizationName, self.form.name.as_str());
        params.distinguished_name.push(DnType::CustomDnType(TITLE.to_vec()), function.as_str());
        params.subject_alt_names = vec![
            SanType::DnsName(address.to_dns_name().try_into().map_err(|_| IssueError::OutsideOrganisation)?),
            SanType::URI(address.to_uri().try_into().map_err(|_| IssueError::OutsideOrganisation)?),
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = authority::device_usages();

        let key = SubjectPublicKeyInfo::from_der(&[&ED25519_KEY[..], public_key].concat());
        let certificate = self.authority.sign(&params, validity, &key.map_err(|_| IssueError::DeviceKey)?)?;
        let serial = Serial::of(&certificate).ok_or(IssueError::TooLarge)?;
        Ok(DeviceCertificate { chain: [certificate, self.authority.certificate().clone()], serial })
    }

    /// Signs the list of revoked devices, which takes the place of all lists with a lower number.
    pub fn sign_crl(
        &self,
        revoked: &[Revocation],
        number: u64,
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<CertificateRevocationListDer<'static>, IssueError> {
        self.authority.sign_crl(revoked, number, now, next_update)
    }

    /// The organisation's name, as the region wrote it.
    pub fn name(&self) -> &DisplayName {
        &self.form.name
    }

    /// The organisation's domain.
    pub fn domain(&self) -> &str {
        &self.form.domain
    }

    /// The functions that it may write.
    pub fn functions(&self) -> &[FunctionCode] {
        &self.form.functions
    }

    /// What the region says of it: enough to have it signed anew.
    pub fn subject(&self) -> OrganisationSubject {
        OrganisationSubject {
            name: self.form.name.clone(),
            domain: self.form.domain.clone(),
            functions: self.form.functions.clone(),
        }
    }

    /// Until when it is valid, and so the longest for what it signs.
    pub fn valid_until(&self) -> Timestamp {
        self.authority.valid_until()
    }

    /// The organisation's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.authority.certificate()
    }

    /// The organisation's key.
    pub fn key(&self) -> &PrivateKey {
        self.authority.key()
    }
}

impl fmt::Debug for OrganisationCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrganisationCa(..)")
    }
}

impl DeviceCertificate {
    /// The device's certificate and its organisation's: what goes into a TLS handshake and an MLS credential.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The number under which it can be revoked.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }
}

impl fmt::Debug for DeviceCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCertificate(..)")
    }
}
