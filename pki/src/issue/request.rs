//! Requests for certificates (PKCS #10, RFC 2986): a key and the proof that who asks holds it.
//!
//! Nothing else in a request counts. Names, function and usage are written by who issues, so that a request cannot
//! smuggle any in. Refused: a request that is not signed by its own key, and for a device any key but Ed25519.

use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, SubjectPublicKeyInfo};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use super::{IssueError, PrivateKey};
use crate::{read, signature};

/// Most bytes of a request: an RSA key of 8192 bits, its signature, names and attributes.
pub const MAX_REQUEST: usize = 8 * 1024;

/// A device's request whose proof of possession holds.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    public_key: [u8; 32],
}

impl DeviceRequest {
    /// Makes the request of the device that holds `key`.
    pub fn make(key: &PrivateKey) -> Result<CertificateSigningRequestDer<'static>, IssueError> {
        if key.ed25519_public_key().is_none() {
            return Err(IssueError::DeviceKey);
        }
        make(key)
    }

    /// Reads a request and checks its proof of possession.
    pub fn read(der: &[u8]) -> Result<Self, IssueError> {
        let request = parse(der)?;
        let key = &request.certification_request_info.subject_pki;
        read::ed25519_key(key).map(|public_key| Self { public_key }).ok_or(IssueError::DeviceKey)
    }

    /// The device's key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }
}

impl fmt::Debug for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceRequest(..)")
    }
}

/// The request of an organisation that has an authority of its own, with a key of any kind that is believed.
pub struct AuthorityRequest {
    pub(super) key: SubjectPublicKeyInfo,
}

impl AuthorityRequest {
    /// Makes the request of the authority that holds `key`.
    pub fn make(key: &PrivateKey) -> Result<CertificateSigningRequestDer<'static>, IssueError> {
        make(key)
    }

    /// Reads a request and checks its proof of possession.
    pub fn read(der: &[u8]) -> Result<Self, IssueError> {
        let request = parse(der)?;
        let key = request.certification_request_info.subject_pki.raw;
        Ok(Self { key: SubjectPublicKeyInfo::from_der(key).map_err(|_| IssueError::AuthorityKey)? })
    }

    /// Reads a request in PEM.
    pub fn from_pem(pem: &[u8]) -> Result<Self, IssueError> {
        Self::read(&CertificateSigningRequestDer::from_pem_slice(pem).map_err(|_| IssueError::Request)?)
    }
}

impl fmt::Debug for AuthorityRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorityRequest(..)")
    }
}

fn make(key: &PrivateKey) -> Result<CertificateSigningRequestDer<'static>, IssueError> {
    let mut request = CertificateParams::default();
    request.distinguished_name = DistinguishedName::new();
    Ok(request.serialize_request(&key.0).map_err(|_| IssueError::Signing)?.into())
}

fn parse(der: &[u8]) -> Result<X509CertificationRequest<'_>, IssueError> {
    if der.len() > MAX_REQUEST {
        return Err(IssueError::Request);
    }
    let Ok(([], request)) = X509CertificationRequest::from_der(der) else { return Err(IssueError::Request) };
    let info = &request.certification_request_info;
    let (algorithm, proof) = (&request.signature_algorithm, &request.signature_value);
    if proof.unused_bits != 0 || !signature::is_valid(&info.subject_pki, algorithm, info.raw, &proof.data) {
        return Err(IssueError::Possession);
    }
    Ok(request)
}
