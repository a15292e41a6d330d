//! Making certificates: a region's root, an organisation's authority, a device's, a relay's, and lists of revoked ones.
//!
//! An authority is opened with its own certificate and says of others only what a check will later let it say: what
//! [`crate::verify`] would refuse is refused here first, with what to do about it. A certificate does not outlive its
//! issuer's.
//!
//! [`RegionRoot::issue_organisation`] makes an authority here; [`RegionRoot::sign_organisation`] signs one whose key
//! the organisation keeps, from its request.

mod authority;
mod key;
mod locked;
mod organisation;
mod region;
mod request;

use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::Timestamp;
use rustls_pki_types::CertificateDer;

pub use self::authority::{Reason, Revocation};
pub use self::key::{Algorithm, PrivateKey};
pub use self::locked::LockError;
pub use self::organisation::{DeviceCertificate, OrganisationCa};
pub use self::region::{RegionRoot, RelayCertificate};
pub use self::request::{AuthorityRequest, DeviceRequest, MAX_REQUEST};
use crate::form::{DisplayName, FunctionCode};
use crate::read::{Certificate, OrganisationForm};
use crate::verify::Untrusted;

/// How far a certificate's beginning lies before the moment it is issued: clocks differ.
const CLOCK_SLACK: u64 = 60 * 60 * Timestamp::SECOND;

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: Timestamp,
    /// Last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// This many days from now; begins an hour ago, for those whose clock is late.
    pub const fn days(now: Timestamp, days: u64) -> Self {
        Self {
            not_before: Timestamp(now.0.saturating_sub(CLOCK_SLACK)),
            not_after: now.plus(days.saturating_mul(Timestamp::DAY)),
        }
    }

    /// As a certificate says it: in whole seconds (RFC 5280 §4.1.2.5).
    pub(crate) const fn in_seconds(self) -> Self {
        const fn whole(at: Timestamp) -> Timestamp {
            Timestamp(at.0 - at.0 % Timestamp::SECOND)
        }
        Self { not_before: whole(self.not_before), not_after: whole(self.not_after) }
    }

    /// What a certificate says of itself; nothing else in it is looked at or believed.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (not_before, not_after) = Certificate::parse(certificate)?.validity();
        Some(Self { not_before, not_after })
    }

    /// A year: how long a device's certificate lasts.
    pub const fn device(now: Timestamp) -> Self {
        Self::days(now, 365)
    }
}

/// What the region says of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganisationSubject {
    /// Its name, which every device's certificate repeats.
    pub name: DisplayName,
    /// Its domain; it can issue for this one and those below it. Give no two organisations domains of which one
    /// contains the other.
    pub domain: String,
    /// The functions it may write, 1 to [`MAX_FUNCTIONS`](crate::form::MAX_FUNCTIONS).
    pub functions: Vec<FunctionCode>,
}

impl OrganisationSubject {
    /// What the certificate of an organisation says; who signed it is not looked at.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, IssueError> {
        let parsed = Certificate::parse(certificate).ok_or(IssueError::Certificate)?;
        let OrganisationForm { name, domain, functions } =
            parsed.organisation().map_err(IssueError::NotAnOrganisation)?;
        Ok(Self { name, domain, functions })
    }
}

/// What an organisation says of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSubject {
    /// Whose device it is, and which.
    pub address: DeviceAddress,
    /// The professional's name.
    pub name: DisplayName,
    /// The professional's function.
    pub function: FunctionCode,
}

/// Why nothing was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The issuer's certificate cannot be read.
    #[error(
        "the issuer's certificate cannot be read; give the PEM file that begins with -----BEGIN CERTIFICATE-----"
    )]
    Certificate,
    /// The issuer's certificate is not an authority's.
    #[error("the issuer's certificate is not an authority's; give the one that may sign")]
    NotAnAuthority,
    /// The issuer's certificate lets it sign certificates but no lists of revoked ones.
    #[error("the issuer's certificate does not allow it to revoke; have its region issue it anew with that right")]
    MayNotRevoke,
    /// The certificate that is to sign for an organisation is not such a one.
    #[error("this is not the certificate of an organisation: {0}")]
    NotAnOrganisation(Untrusted),
    /// The private key cannot be read.
    #[error("the private key cannot be read; give it in PEM and without a password")]
    Key,
    /// Key and certificate do not belong together.
    #[error("the private key is not the one of the issuer's certificate; give the key that was made with it")]
    OtherKey,
    /// Not a request.
    #[error("the request cannot be read; make it again on the device")]
    Request,
    /// The request is not signed by its own key.
    #[error("who made the request does not hold its key; do not issue, and have the request made again")]
    Possession,
    /// A device with a key of another kind.
    #[error("a device needs an Ed25519 key; make the request again with one")]
    DeviceKey,
    /// An authority with a key of a kind that is not believed.
    #[error("an authority needs an Ed25519 key, an ECDSA key (P-256, P-384, P-521) or an RSA key")]
    AuthorityKey,
    /// A domain that cannot be one.
    #[error("an organisation needs a domain name in lower case with at least one dot")]
    Domain,
    /// None or too many functions.
    #[error("an organisation has 1 to {} functions", crate::form::MAX_FUNCTIONS)]
    Functions,
    /// A relay without names, or with one that is neither a host's nor an IP address.
    #[error("a relay needs at least one host name or IP address, and nothing else")]
    Host,
    /// The device's domain is not the organisation's.
    #[error("the address lies outside the organisation's domain; use one within it")]
    OutsideOrganisation,
    /// The region did not give the organisation this function.
    #[error("the organisation may not issue for this function; ask the region for a certificate that lists it")]
    FunctionNotPermitted,
    /// The end comes before the beginning, or lies beyond what a certificate can say.
    #[error("the validity ends before it begins or lies too far ahead; choose another one")]
    Validity,
    /// Valid at a time when the issuer's certificate is not.
    #[error(
        "the certificate would be valid when its issuer's is not; renew the issuer's first, or issue for less time"
    )]
    OutlivesIssuer,
    /// rcgen cannot write the issuer's name.
    #[error("the issuer's name has several parts of one kind; use an authority whose name has one of each")]
    IssuerName,
    /// The names are too long for a certificate that others accept.
    #[error(
        "the certificate would have more than {} bytes; list fewer functions or hosts",
        crate::verify::MAX_CERTIFICATE
    )]
    TooLarge,
    /// Signing or making a key failed.
    #[error("the cryptographic library failed to sign or to make a key; try again, and report it if it stays so")]
    Signing,
}
