//! Which certificates are believed.
//!
//! [`verify_device`] lets exactly this shape through: a device's certificate, signed by an organisation's, signed by
//! a root that is pinned. rustls-webpki checks the path, the usage, the DNS name constraint and revocation (RFC 5280
//! §6); what it cannot check is checked here: that both names of the device agree and lie in the organisation's
//! domain, that the organisation bears the name that the region gave it, that the region lets it write this function,
//! that the key is Ed25519. Everything else is refused with a reason of its own ([`Untrusted`]).
//!
//! There are two gates. The send gate and TLS ask about a moment ([`When::At`]). The merge gate asks whether a
//! certificate was ever good ([`When::Ever`]): it must give the same answer on every device and at every time, or a
//! group falls apart.
//!
//! A root is believed until it is no longer pinned: its own end of validity is not looked at (RFC 5280 §6.1.1 takes
//! name and key from an anchor). Domains of organisations may nest; then the outer one can issue for the inner, as in
//! DNS itself, and a region that does not want that gives out separate domains.

mod anchors;
mod crl;
mod issuer;
mod path;
mod untrusted;

use std::fmt;

use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{IssuerId, Timestamp};
use rustls_pki_types::{CertificateDer, ServerName};
use webpki::{EndEntityCert, KeyUsage};

pub use self::anchors::{AnchorError, TrustAnchors, fingerprint};
pub use self::crl::{Crl, CrlError, CrlSeen, Crls, MAX_CRL};
pub use self::issuer::{UnbelievedCrl, VerifiedCrl, issuer_id, verify_crl};
pub use self::untrusted::{Untrusted, Whose};
use crate::form::{DEVICE_USAGE_DER, DisplayName, FunctionCode, Serial};
pub use crate::read::MAX_CERTIFICATE;
use crate::read::{Certificate, DeviceForm, OrganisationForm};

/// `id-kp-serverAuth` (RFC 5280 §4.2.1.12), 1.3.6.1.5.5.7.3.1, as the content bytes of its DER object identifier.
const SERVER_AUTH_DER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

/// Most certificates in a chain: device, organisation and, needlessly, the root.
pub const MAX_CHAIN: usize = 3;

/// The moment that a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At this moment: the send gate and TLS.
    At(Timestamp),
    /// Independent of time: the merge gate. The certificate is judged at the first moment of its validity at which its
    /// issuer's certificate is valid too.
    Ever,
}

/// A device whose certificate has been checked. Only [`verify_device`] makes it.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedDevice {
    address: DeviceAddress,
    name: DisplayName,
    organisation: DisplayName,
    organisation_domain: String,
    function: FunctionCode,
    public_key: [u8; 32],
    serial: Serial,
    not_before: Timestamp,
    not_after: Timestamp,
    valid_until: Timestamp,
    root: IssuerId,
    region: Option<DisplayName>,
    crl: Option<CrlSeen>,
    chain: [CertificateDer<'static>; 2],
}

impl VerifiedDevice {
    /// Whose device it is, and which.
    pub fn address(&self) -> &DeviceAddress {
        &self.address
    }

    /// The professional's name, as the organisation wrote it.
    pub fn name(&self) -> &DisplayName {
        &self.name
    }

    /// The organisation's name, as the region wrote it.
    pub fn organisation(&self) -> &DisplayName {
        &self.organisation
    }

    /// The domain that the organisation's authority is bound to: the device's own, or one above it.
    pub fn organisation_domain(&self) -> &str {
        &self.organisation_domain
    }

    /// The professional's function, which the region lets the organisation write.
    pub fn function(&self) -> &FunctionCode {
        &self.function
    }

    /// The device's Ed25519 key (RFC 8032).
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// The number under which the organisation would revoke it.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// First second in which the device's certificate is valid.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last second in which the device's certificate is valid.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Last second in which the device's and its organisation's certificates are both valid: how long a verdict may
    /// be kept.
    pub fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// The pinned root above its organisation, as an issuer of lists.
    pub fn root(&self) -> IssuerId {
        self.root
    }

    /// What that root calls its region; `None`: it gives no name that can be shown.
    pub fn region(&self) -> Option<&DisplayName> {
        self.region.as_ref()
    }

    /// The newest CRL of the organisation that the check used; `None` if there was none.
    pub fn crl(&self) -> Option<CrlSeen> {
        self.crl
    }

    /// The device's certificate and its organisation's: what goes into a TLS handshake and an MLS credential.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The organisation's certificate, which signs the CRLs that are about this device ([`Crl::verify`]).
    pub fn organisation_certificate(&self) -> &CertificateDer<'static> {
        &self.chain[1]
    }
}

impl fmt::Debug for VerifiedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedDevice(..)")
    }
}

/// Checks the certificate of a device, which comes first in `chain`; its organisation's must follow and the root may.
pub fn verify_device(
    chain: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    when: When,
    crls: &Crls,
) -> Result<VerifiedDevice, Untrusted> {
    let path = path::verify(chain, anchors, when, crls, KeyUsage::required(DEVICE_USAGE_DER), Whose::Device)?;
    let [organisation_certificate] = &path.issuers[..] else { return Err(Untrusted::NoOrganisation) };

    let certificate = Certificate::parse(path.leaf).ok_or(Untrusted::Unreadable)?;
    let issuer = Certificate::parse(organisation_certificate).ok_or(Untrusted::Unreadable)?;
    if !issuer.is_authority() {
        return Err(Untrusted::NoOrganisation);
    }
    let organisation = issuer.organisation()?;
    let device = certificate.device()?;
    require_within(&device, &organisation)?;

    let (not_before, not_after) = certificate.validity();
    Ok(VerifiedDevice {
        address: device.address,
        name: device.name,
        organisation: organisation.name,
        organisation_domain: organisation.domain,
        function: device.function,
        public_key: device.public_key,
        serial: Serial::from_bytes(certificate.x509().raw_serial()).ok_or(Untrusted::Unreadable)?,
        not_before,
        not_after,
        valid_until: not_after.min(issuer.validity().1),
        root: issuer_id(&path.root).ok_or(Untrusted::Unreadable)?,
        region: Certificate::parse(&path.root).and_then(|root| root.name()),
        crl: path.crl,
        chain: [path.leaf.clone().into_owned(), organisation_certificate.clone()],
    })
}

/// What an organisation may say of a device: its own name, addresses in its own domain, functions that it was given.
fn require_within(device: &DeviceForm, organisation: &OrganisationForm) -> Result<(), Untrusted> {
    if !organisation.contains(device.address.professional.domain()) {
        return Err(Untrusted::OutsideOrganisation);
    }
    if device.organisation != organisation.name {
        return Err(Untrusted::OrganisationNameDiffers);
    }
    if !organisation.functions.contains(&device.function) {
        return Err(Untrusted::FunctionNotPermitted);
    }
    Ok(())
}

/// Refuses a device whose certificate is for another key: the link between a certificate and the leaf of an MLS group
/// (`signature_key`, RFC 9420 §7.2) that presents it.
pub fn require_key(device: &VerifiedDevice, key: &[u8]) -> Result<(), Untrusted> {
    // Public keys: nothing is told by how long the comparison takes.
    if device.public_key == key { Ok(()) } else { Err(Untrusted::KeyDiffers) }
}

/// Checks the server certificate of a relay, which comes first in `chain`, for the name that was connected to.
pub fn verify_relay(
    chain: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    name: &ServerName<'_>,
    now: Timestamp,
    crls: &Crls,
) -> Result<(), Untrusted> {
    let usage = KeyUsage::required(SERVER_AUTH_DER);
    let path = path::verify(chain, anchors, When::At(now), crls, usage, Whose::Relay)?;
    let end_entity = EndEntityCert::try_from(path.leaf).map_err(|_| Untrusted::Unreadable)?;
    end_entity.verify_is_valid_for_subject_name(name).map_err(|_| Untrusted::OtherHost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kring_protocol::ids::DeviceId;

    /// rustls-webpki checks the domain as well; this check stands without it.
    #[test]
    fn an_organisation_speaks_for_its_own_name_domain_and_functions() {
        let name = |text: &str| DisplayName::new(text).expect("valid");
        let function = |code: &str| FunctionCode::new(code).expect("valid");
        let organisation = OrganisationForm {
            name: name("Politie"),
            domain: "politie.example".to_owned(),
            functions: vec![function("police")],
        };
        let check = |address: &str, of: &str, code: &str| {
            let professional = address.parse().expect("valid");
            let device = DeviceForm {
                address: DeviceAddress { professional, device: DeviceId([7; 16]) },
                name: name("Anne"),
                organisation: name(of),
                function: function(code),
                public_key: [0; 32],
            };
            require_within(&device, &organisation)
        };
        assert_eq!(check("a@politie.example", "Politie", "police"), Ok(()));
        assert_eq!(check("a@wijk.politie.example", "Politie", "police"), Ok(()));
        for address in ["a@leiden.example", "a@antipolitie.example", "a@politie.example.org", "a@xample.nl"] {
            assert_eq!(check(address, "Politie", "police"), Err(Untrusted::OutsideOrganisation), "{address}");
        }
        assert_eq!(check("a@politie.example", "politie", "police"), Err(Untrusted::OrganisationNameDiffers));
        assert_eq!(check("a@politie.example", "Politie", "youth-care"), Err(Untrusted::FunctionNotPermitted));
    }
}
