//! Why a certificate is not believed. Each reason says what happened and what to do, and names nobody.

use std::fmt;

use kring_protocol::ids::Timestamp;
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;

/// Whose certificate a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A device of a professional.
    Device,
    /// The authority of an organisation, or another one between a certificate and its root.
    Authority,
    /// A relay.
    Relay,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "device",
            Self::Authority => "organisation",
            Self::Relay => "relay",
        })
    }
}

/// Why a certificate is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// No certificate at all.
    #[error("no certificate was shown; enrol the device")]
    NoCertificate,
    /// More certificates than a chain has.
    #[error(
        "the chain has more than {} certificates; send the device's and its organisation's only",
        super::MAX_CHAIN
    )]
    ChainTooLong,
    /// A certificate is larger than any that is made here.
    #[error("a certificate has more than {} bytes; ask who issued it for a smaller one", super::MAX_CERTIFICATE)]
    TooLarge,
    /// Not a certificate as RFC 5280 describes it.
    #[error("the certificate cannot be read; ask who issued it for another one")]
    Unreadable,
    /// A critical extension that is not known here (RFC 5280 §4.2).
    #[error(
        "the certificate demands something that this version does not know; update, or have it issued without it"
    )]
    UnknownDemand,
    /// No path to a pinned root.
    #[error("no pinned root vouches for the certificate; pin the root of its region after comparing its fingerprint")]
    UnknownRoot,
    /// A signature in the chain is not the issuer's.
    #[error("a signature in the chain is not by the one who is named as its issuer; treat the certificate as forged")]
    BadSignature,
    /// A signature is of a kind that is not believed.
    #[error(
        "the chain is signed in a way that is not accepted (RSA from 2048 bits, ECDSA or Ed25519, and SHA-2 are)"
    )]
    WeakSignature,
    /// Not valid any more.
    #[error("the certificate of the {whose} expired at {}; renew it", Utc(.at))]
    Expired {
        /// Whose certificate.
        whose: Whose,
        /// Its last second.
        at: Timestamp,
    },
    /// Not valid yet.
    #[error("the certificate of the {whose} is valid from {}; check the clock", Utc(.from))]
    NotYetValid {
        /// Whose certificate.
        whose: Whose,
        /// Its first second.
        from: Timestamp,
    },
    /// The certificate, or its issuer's, was made for something else.
    #[error("the certificate was made for another purpose; use the one that was issued for this")]
    WrongUsage,
    /// Not device, organisation, root.
    #[error("the certificate was not signed by the authority of an organisation; have the organisation issue it")]
    NoOrganisation,
    /// The organisation's certificate is bound to no domain, or to several.
    #[error("the certificate of the organisation is not bound to one domain; have the region issue it anew")]
    OrganisationWithoutDomain,
    /// The organisation's certificate lists no functions, or not as it should.
    #[error("the certificate of the organisation does not list its functions; have the region issue it anew")]
    OrganisationWithoutFunctions,
    /// The subject lacks a part, has it twice, or has one that cannot be shown.
    #[error(
        "the certificate does not say properly who it is for; have it issued anew with name, organisation, function"
    )]
    Subject,
    /// Not exactly one DNS name and one URI.
    #[error("the certificate does not name exactly one device; have it issued anew")]
    Names,
    /// The DNS name and the URI name different devices.
    #[error("the certificate names two different devices; have it issued anew")]
    NamesDisagree,
    /// The device's domain is not the organisation's.
    #[error(
        "the certificate is for an address outside the organisation's domain; tell the region that issued it the right"
    )]
    OutsideOrganisation,
    /// The device's certificate gives the organisation another name than the region did.
    #[error("the certificate gives the organisation another name than its region does; have it issued anew")]
    OrganisationNameDiffers,
    /// The region did not give the organisation this function.
    #[error("the organisation may not issue certificates for this function; ask its region for the right to")]
    FunctionNotPermitted,
    /// Revoked by its issuer.
    #[error("the certificate of the {0} was revoked; do not send to it, and enrol anew if it is yours")]
    Revoked(Whose),
    /// The device's key is of another kind.
    #[error("the key of the device is not Ed25519; enrol it with an Ed25519 key")]
    KeyNotEd25519,
    /// The certificate is for another key than the one used.
    #[error("the certificate is for another key than the one that was used; treat the sender as an impostor")]
    KeyDiffers,
    /// The relay's certificate is for another name.
    #[error("the certificate of the relay is for another host; check the relay's address")]
    OtherHost,
}

/// A moment as people who run servers write it.
struct Utc<'a>(&'a Timestamp);

impl fmt::Display for Utc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0.0 / Timestamp::SECOND).unwrap_or(i64::MAX);
        match OffsetDateTime::from_unix_timestamp(seconds) {
            Ok(moment) => write!(f, "{} {:02}:{:02} UTC", moment.date(), moment.hour(), moment.minute()),
            Err(_) => f.write_str("the end of time"),
        }
    }
}

/// The reason for which rustls-webpki refused a path. `whose` the end of validity is, the caller knows.
pub(super) fn from_webpki(error: &webpki::Error, whose: Whose) -> Untrusted {
    use webpki::Error;
    match error {
        Error::CertExpired { not_after, .. } => Untrusted::Expired { whose, at: timestamp(*not_after) },
        Error::CertNotValidYet { not_before, .. } => Untrusted::NotYetValid { whose, from: timestamp(*not_before) },
        Error::CertRevoked => Untrusted::Revoked(whose),
        Error::UnknownIssuer => Untrusted::UnknownRoot,
        Error::NameConstraintViolation => Untrusted::OutsideOrganisation,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension | Error::CaUsedAsEndEntity => {
            Untrusted::WrongUsage
        }
        Error::EndEntityUsedAsCa | Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => {
            Untrusted::NoOrganisation
        }
        Error::InvalidSignatureForPublicKey | Error::SignatureAlgorithmMismatch => Untrusted::BadSignature,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Untrusted::WeakSignature,
        Error::UnsupportedCriticalExtension => Untrusted::UnknownDemand,
        // The enum is open (`non_exhaustive`); what is left are kinds of bad encoding.
        _ => Untrusted::Unreadable,
    }
}

fn timestamp(time: UnixTime) -> Timestamp {
    Timestamp(time.as_secs().saturating_mul(Timestamp::SECOND))
}
