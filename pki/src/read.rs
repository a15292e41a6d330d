//! Reading what a certificate says. Nothing read here is believed: [`crate::verify`] decides that.
//!
//! Refused: bytes after the certificate, an attribute that is missing or stands there twice, any subject alternative
//! name besides the two of a device, a domain that is not one, a key that is not Ed25519.

use kring_protocol::address::{DeviceAddress, is_domain};
use kring_protocol::ids::Timestamp;
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{OID_SIG_ED25519, OID_X509_COMMON_NAME, OID_X509_ORGANIZATION_NAME};
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::form::{DisplayName, FunctionCode, PERMITTED_FUNCTIONS, TITLE, functions_from_der};
use crate::verify::Untrusted;

/// Most bytes of one certificate: an organisation's with 64 functions and an RSA key of 4096 bits that an RSA key of
/// 4096 bits has signed is 2.2 KiB + 0.5 KiB + 0.5 KiB + names.
pub const MAX_CERTIFICATE: usize = 8 * 1024;

/// A certificate as parsed.
pub(crate) struct Certificate<'a>(X509Certificate<'a>);

/// What the certificate of an organisation says.
pub(crate) struct OrganisationForm {
    pub(crate) name: DisplayName,
    pub(crate) domain: String,
    pub(crate) functions: Vec<FunctionCode>,
}

impl OrganisationForm {
    /// Whether `domain` is the organisation's or below it.
    pub(crate) fn contains(&self, domain: &str) -> bool {
        match domain.strip_suffix(&self.domain) {
            Some(above) => above.is_empty() || above.ends_with('.'),
            None => false,
        }
    }
}

/// What the certificate of a device says.
pub(crate) struct DeviceForm {
    pub(crate) address: DeviceAddress,
    pub(crate) name: DisplayName,
    pub(crate) organisation: DisplayName,
    pub(crate) function: FunctionCode,
    pub(crate) public_key: [u8; 32],
}

impl<'a> Certificate<'a> {
    /// Parses exactly one certificate of bounded size.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        if der.len() > MAX_CERTIFICATE {
            return None;
        }
        match X509Certificate::from_der(der) {
            Ok(([], certificate)) => Some(Self(certificate)),
            Ok(_) | Err(_) => None,
        }
    }

    /// The certificate with all that the parser knows.
    pub(crate) fn x509(&self) -> &X509Certificate<'a> {
        &self.0
    }

    /// First and last second in which it is valid.
    pub(crate) fn validity(&self) -> (Timestamp, Timestamp) {
        (timestamp(self.0.validity().not_before), timestamp(self.0.validity().not_after))
    }

    /// Whether it may sign certificates: marked as an authority, and not forbidden by its key usage.
    pub(crate) fn is_authority(&self) -> bool {
        let constraints = self.0.basic_constraints().ok().flatten();
        let usage = self.0.key_usage();
        constraints.is_some_and(|constraints| constraints.value.ca)
            && usage.is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()))
    }

    /// Reads the certificate of an organisation.
    pub(crate) fn organisation(&self) -> Result<OrganisationForm, Untrusted> {
        Ok(OrganisationForm {
            name: self.attribute(&OID_X509_ORGANIZATION_NAME).ok_or(Untrusted::Subject)?,
            domain: self.domain().ok_or(Untrusted::OrganisationWithoutDomain)?,
            functions: self.functions().ok_or(Untrusted::OrganisationWithoutFunctions)?,
        })
    }

    /// Reads the certificate of a device.
    pub(crate) fn device(&self) -> Result<DeviceForm, Untrusted> {
        let title = Oid::from(TITLE).map_err(|_| Untrusted::Subject)?;
        let function = self.attribute(&title).ok_or(Untrusted::Subject)?;
        let usage = self.0.key_usage().map_err(|_| Untrusted::WrongUsage)?;
        if !usage.is_some_and(|usage| usage.value.digital_signature()) {
            return Err(Untrusted::WrongUsage);
        }
        Ok(DeviceForm {
            address: self.device_address()?,
            name: self.attribute(&OID_X509_COMMON_NAME).ok_or(Untrusted::Subject)?,
            organisation: self.attribute(&OID_X509_ORGANIZATION_NAME).ok_or(Untrusted::Subject)?,
            function: FunctionCode::new(function.as_str()).map_err(|_| Untrusted::Subject)?,
            public_key: ed25519_key(self.0.public_key()).ok_or(Untrusted::KeyNotEd25519)?,
        })
    }

    /// The common name.
    pub(crate) fn name(&self) -> Option<DisplayName> {
        self.attribute(&OID_X509_COMMON_NAME)
    }

    /// The one attribute of this kind in the subject.
    fn attribute(&self, kind: &Oid<'_>) -> Option<DisplayName> {
        let mut found = self.0.subject().iter_attributes().filter(|attribute| attribute.attr_type() == kind);
        let (Some(attribute), None) = (found.next(), found.next()) else { return None };
        DisplayName::new(attribute.as_str().ok()?).ok()
    }

    /// The one DNS subtree to which an organisation is bound.
    fn domain(&self) -> Option<String> {
        let constraints = self.0.name_constraints().ok()??;
        let permitted = constraints.value.permitted_subtrees.as_deref()?;
        let mut domains = permitted.iter().filter_map(|subtree| match &subtree.base {
            GeneralName::DNSName(domain) => Some(*domain),
            _ => None,
        });
        match (domains.next(), domains.next()) {
            (Some(domain), None) if is_domain(domain) => Some(domain.to_owned()),
            _ => None,
        }
    }

    /// The functions that an organisation may write.
    fn functions(&self) -> Option<Vec<FunctionCode>> {
        let kind = Oid::from(PERMITTED_FUNCTIONS).ok()?;
        functions_from_der(self.0.get_extension_unique(&kind).ok()??.value)
    }

    /// The device, from the two names that must agree.
    fn device_address(&self) -> Result<DeviceAddress, Untrusted> {
        let names = self.0.subject_alternative_name().map_err(|_| Untrusted::Names)?.ok_or(Untrusted::Names)?;
        let (dns, uri) = match names.value.general_names[..] {
            [GeneralName::DNSName(dns), GeneralName::URI(uri)]
            | [GeneralName::URI(uri), GeneralName::DNSName(dns)] => (dns, uri),
            _ => return Err(Untrusted::Names),
        };
        let address = DeviceAddress::from_uri(uri).map_err(|_| Untrusted::Names)?;
        // Byte for byte, so that a device has one spelling.
        if address.to_dns_name() != dns || address.to_uri() != uri {
            return Err(Untrusted::NamesDisagree);
        }
        Ok(address)
    }
}

/// The raw Ed25519 key (RFC 8410 §4) if it is one.
pub(crate) fn ed25519_key(key: &SubjectPublicKeyInfo<'_>) -> Option<[u8; 32]> {
    let bits = &key.subject_public_key;
    let is_ed25519 =
        key.algorithm.algorithm == OID_SIG_ED25519 && key.algorithm.parameters.is_none() && bits.unused_bits == 0;
    is_ed25519.then(|| bits.data.as_ref().try_into().ok()).flatten()
}

/// A moment before 1970 counts as its beginning.
pub(crate) fn timestamp(time: ASN1Time) -> Timestamp {
    Timestamp(u64::try_from(time.timestamp()).unwrap_or(0).saturating_mul(Timestamp::SECOND))
}
