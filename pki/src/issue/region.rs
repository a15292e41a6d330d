//! The root of a region, or of an operator of relays: it signs organisations and relays.

use std::fmt;
use std::net::IpAddr;

use kring_protocol::address::is_domain;
use kring_protocol::ids::Timestamp;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, KeyUsagePurpose, NameConstraints,
    PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};

use super::authority::{self, Authority};
use super::{
    Algorithm, AuthorityRequest, IssueError, OrganisationCa, OrganisationSubject, PrivateKey, Revocation, Validity,
};
use crate::form::{DisplayName, PERMITTED_FUNCTIONS, functions_to_der};

/// A self-signed root. Its key belongs on a machine without a network.
///
/// A region and an operator of relays are separate parties with a root each; clients pin the region's for people and
/// the operator's for TLS. For trying out, one root can be both.
pub struct RegionRoot(Authority);

/// The certificate of a relay, with its key.
pub struct RelayCertificate {
    chain: [CertificateDer<'static>; 1],
    key: PrivateKey,
}

impl RegionRoot {
    /// Makes a root with an ECDSA key, which all kinds of software can check.
    pub fn create(name: &DisplayName, validity: Validity) -> Result<Self, IssueError> {
        Self::create_with(name, PrivateKey::generate(Algorithm::EcdsaP384)?, validity)
    }

    /// Makes a root with a key of the caller's choice.
    pub fn create_with(name: &DisplayName, key: PrivateKey, validity: Validity) -> Result<Self, IssueError> {
        let mut params = authority::authority_params(name, validity, false)?;
        params.use_authority_key_identifier_extension = false;
        let certificate = params.self_signed(&key.0).map_err(|_| IssueError::Signing)?;
        Ok(Self(Authority::new(certificate.into(), key)?))
    }

    /// Puts a root's certificate and its key together.
    pub fn new(certificate: CertificateDer<'static>, key: PrivateKey) -> Result<Self, IssueError> {
        Ok(Self(Authority::new(certificate, key)?))
    }

    /// Opens a root from its files.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, IssueError> {
        Ok(Self(Authority::from_pem(certificate, key)?))
    }

    /// Makes an organisation's authority that holds `key`.
    pub fn issue_organisation(
        &self,
        subject: &OrganisationSubject,
        key: PrivateKey,
        validity: Validity,
    ) -> Result<OrganisationCa, IssueError> {
        let certificate = self.sign(subject, &key.0, validity)?;
        OrganisationCa::new(certificate, key)
    }

    /// Signs the authority of an organisation that keeps its key to itself.
    pub fn sign_organisation(
        &self,
        subject: &OrganisationSubject,
        request: &AuthorityRequest,
        validity: Validity,
    ) -> Result<CertificateDer<'static>, IssueError> {
        self.sign(subject, &request.key, validity)
    }

    /// Makes the server certificate of a relay that answers to these host names and IP addresses.
    pub fn issue_relay(
        &self,
        hosts: &[&str],
        key: PrivateKey,
        validity: Validity,
    ) -> Result<RelayCertificate, IssueError> {
        let names: Result<Vec<_>, _> = hosts.iter().map(|host| host_name(host)).collect();
        let name = DisplayName::new("Kring relay").map_err(|_| IssueError::Host)?;
        let mut params = authority::params(&name, validity)?;
        params.subject_alt_names = names?;
        if params.subject_alt_names.is_empty() {
            return Err(IssueError::Host);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(RelayCertificate { chain: [self.0.sign(&params, validity, &key.0)?], key })
    }

    /// Signs the list of revoked organisations and relays.
    pub fn sign_crl(
        &self,
        revoked: &[Revocation],
        number: u64,
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<CertificateRevocationListDer<'static>, IssueError> {
        self.0.sign_crl(revoked, number, now, next_update)
    }

    /// Until when it is valid, and so the longest for what it signs.
    pub fn valid_until(&self) -> Timestamp {
        self.0.valid_until()
    }

    /// The root's certificate: what others pin.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.0.certificate()
    }

    /// The root's key.
    pub fn key(&self) -> &PrivateKey {
        self.0.key()
    }

    fn sign(
        &self,
        subject: &OrganisationSubject,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<CertificateDer<'static>, IssueError> {
        if !is_domain(&subject.domain) {
            return Err(IssueError::Domain);
        }
        let functions = functions_to_der(&subject.functions).ok_or(IssueError::Functions)?;
        let mut params: CertificateParams = authority::authority_params(&subject.name, validity, true)?;
        params.distinguished_name.push(DnType::OrganizationName, subject.name.as_str());
        params.extended_key_usages = authority::device_usages();
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(subject.domain.clone())],
            excluded_subtrees: Vec::new(),
        });
        params.custom_extensions = vec![authority::extension(PERMITTED_FUNCTIONS, functions)];
        self.0.sign(&params, validity, key)
    }
}

impl fmt::Debug for RegionRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegionRoot(..)")
    }
}

impl RelayCertificate {
    /// What goes into the TLS handshake.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The relay's key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }
}

impl fmt::Debug for RelayCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayCertificate(..)")
    }
}

/// A host as certificates name it.
fn host_name(host: &str) -> Result<SanType, IssueError> {
    match ServerName::try_from(host).map_err(|_| IssueError::Host)? {
        ServerName::DnsName(name) => Ok(SanType::DnsName(name.as_ref().try_into().map_err(|_| IssueError::Host)?)),
        ServerName::IpAddress(address) => Ok(SanType::IpAddress(IpAddr::from(address))),
        // The enum is open (`non_exhaustive`).
        _ => Err(IssueError::Host),
    }
}
