//! How professionals and their devices are named: `name@domain`, and as the URI that a certificate carries.
//!
//! The domain is the organisation's, to which its certification authority is bound by a name constraint; the
//! name is chosen by the organisation. A device adds its [`DeviceId`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::DeviceId;

/// The name of an organisation's administration, which opens and answers tickets for enrolment: its address is this name
/// at the domain that the organisation's authority is bound to.
pub const ADMINISTRATION: &str = "administration";

/// Longest name before the `@`, as in e-mail addresses (RFC 5321 §4.5.3.1.1).
const MAX_NAME: usize = 64;
/// Longest domain: a DNS name has 253 characters, of which the device's label and its dot take 33.
const MAX_DOMAIN: usize = 253 - 33;
/// Longest label of a DNS name (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// The address of a professional, such as `a.jansen@politie.example`. Lower case, ASCII.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfessionalAddress {
    text: String,
    at: usize,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is not exactly one `@`.
    #[error("an address has the form name@organisation.domain")]
    Form,
    /// The part before the `@`.
    #[error("the name before the @ has 1 to 64 of a-z, 0-9, '.', '-' and '_'")]
    Name,
    /// The part after the `@`.
    #[error("the part after the @ is a domain name in lower case with at least one dot")]
    Domain,
    /// The URI of a device has another form.
    #[error("a device's URI has the form kring://organisation.domain/name/device")]
    Device,
}

impl ProfessionalAddress {
    /// Puts an address together from its two parts.
    pub fn new(name: &str, domain: &str) -> Result<Self, AddressError> {
        let name_character = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(name_character) {
            return Err(AddressError::Name);
        }
        if !is_domain(domain) {
            return Err(AddressError::Domain);
        }
        Ok(Self { text: format!("{name}@{domain}"), at: name.len() })
    }

    /// The part before the `@`.
    pub fn name(&self) -> &str {
        &self.text[..self.at]
    }

    /// The organisation's domain.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether `text` is a domain name in lower case with at least two labels (RFC 1035 §2.3.1).
pub fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX_DOMAIN && text.contains('.') && text.split('.').all(label)
}

impl FromStr for ProfessionalAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (name, domain) = text.split_once('@').ok_or(AddressError::Form)?;
        Self::new(name, domain)
    }
}

impl TryFrom<String> for ProfessionalAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ProfessionalAddress> for String {
    fn from(address: ProfessionalAddress) -> Self {
        address.text
    }
}

impl fmt::Display for ProfessionalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ProfessionalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProfessionalAddress(..)")
    }
}

/// One device of a professional.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceAddress {
    /// Whose device it is.
    pub professional: ProfessionalAddress,
    /// Which one.
    pub device: DeviceId,
}

impl DeviceAddress {
    /// The URI in the certificate's subject alternative name: `kring://domain/name/device`.
    pub fn to_uri(&self) -> String {
        format!("kring://{}/{}/{}", self.professional.domain(), self.professional.name(), self.device.to_hex())
    }

    /// Reads the form that [`Self::to_uri`] writes.
    pub fn from_uri(uri: &str) -> Result<Self, AddressError> {
        let mut parts = uri.strip_prefix("kring://").ok_or(AddressError::Device)?.split('/');
        let (Some(domain), Some(name), Some(device), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(AddressError::Device);
        };
        Ok(Self {
            professional: ProfessionalAddress::new(name, domain)?,
            device: DeviceId::from_hex(device).ok_or(AddressError::Device)?,
        })
    }

    /// The DNS name in the certificate, which the organisation's name constraint covers: `device.domain`.
    pub fn to_dns_name(&self) -> String {
        format!("{}.{}", self.device.to_hex(), self.professional.domain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_domain_and_nothing_else() {
        let address: ProfessionalAddress = "a.jansen@politie.example".parse().expect("valid");
        assert_eq!((address.name(), address.domain()), ("a.jansen", "politie.example"));
        for (text, error) in [
            ("politie.example", AddressError::Form),
            ("@politie.example", AddressError::Name),
            ("A@politie.example", AddressError::Name),
            ("a/b@politie.example", AddressError::Name),
            ("a@politie", AddressError::Domain),
            ("a@b@politie.example", AddressError::Domain),
            ("a@-politie.example", AddressError::Domain),
            ("a@politie..example", AddressError::Domain),
        ] {
            assert_eq!(text.parse::<ProfessionalAddress>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_device_uri_round_trips() {
        let address = DeviceAddress {
            professional: "a.jansen@politie.example".parse().expect("valid"),
            device: DeviceId([7; 16]),
        };
        assert_eq!(DeviceAddress::from_uri(&address.to_uri()), Ok(address.clone()));
        assert_eq!(DeviceAddress::from_uri("kring://politie.example/a"), Err(AddressError::Device));
        assert_eq!(DeviceAddress::from_uri(&(address.to_uri() + "/x")), Err(AddressError::Device));
    }

    #[test]
    fn an_address_is_shown_to_people_and_hidden_in_logs() {
        let address = ProfessionalAddress::new("a.jansen", "politie.example").expect("valid");
        assert_eq!(address.to_string(), "a.jansen@politie.example");
        assert_eq!(address.as_str(), "a.jansen@politie.example");
        assert_eq!(format!("{address:?}"), "ProfessionalAddress(..)");
    }
}
