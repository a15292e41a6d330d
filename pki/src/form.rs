//! What a certificate of Kring says, and in which words.
//!
//! | certificate | subject | extensions |
//! | --- | --- | --- |
//! | root of a region, or of a relay's operator | CN | CA, certificate and CRL signing |
//! | organisation | O, CN both its display name | CA with path length 0; name constraint: the DNS subtree of its domain; permitted functions ([`PERMITTED_FUNCTIONS`]); usage: TLS client and [`DEVICE_USAGE`] |
//! | device | O as its organisation, CN the professional's name, title (2.5.4.12) the function's code | names: DNS `<device>.<domain>` and URI `kring://domain/name/device`; digital signature; usage: TLS client and [`DEVICE_USAGE`]; Ed25519 key |
//! | relay | CN | names: DNS and IP; digital signature; usage: TLS server |
//!
//! Refused here: function codes and display names that cannot be shown safely or do not fit their attribute.
//! [`PERMITTED_FUNCTIONS`] is not critical, because rustls-webpki refuses every critical extension that it does not
//! know; who verifies with [`crate::verify`] demands it in any case. The private usage keeps an authority that signs TLS
//! client certificates for something else from making members, and an organisation from making relays.

use std::fmt;

use rustls_pki_types::CertificateDer;
use x509_parser::asn1_rs::{FromDer as _, Ia5String, ToDer as _};

use crate::read;

/// Private extension that lists the functions an organisation may write in its certificates: SEQUENCE OF IA5String.
///
/// 32473 is the enterprise number for documentation (RFC 5612): a placeholder until the project has one of its own.
/// Changing it makes every certificate issued so far unreadable, so it has to happen before the first real one.
pub const PERMITTED_FUNCTIONS: &[u64] = &[1, 3, 6, 1, 4, 1, 32473, 7, 1];

/// Private extended key usage of a certificate that stands for a device of a professional. Placeholder arc as
/// [`PERMITTED_FUNCTIONS`].
pub const DEVICE_USAGE: &[u64] = &[1, 3, 6, 1, 4, 1, 32473, 7, 2];

/// [`DEVICE_USAGE`] as the content bytes of its DER object identifier: 32473 is 1·128² + 125·128 + 89.
pub(crate) const DEVICE_USAGE_DER: &[u8] = &[0x2b, 6, 1, 4, 1, 0x81, 0xfd, 0x59, 7, 2];

/// The `title` attribute (RFC 5280 appendix A.1), which holds the function's code.
pub(crate) const TITLE: &[u64] = &[2, 5, 4, 12];

/// Longest display name in characters (`ub-common-name` and `ub-organization-name`, RFC 5280 appendix A.1).
const MAX_DISPLAY_NAME: usize = 64;
/// Longest code of a function; `ub-title` allows 64.
const MAX_FUNCTION: usize = 32;
/// Most functions of one organisation. With 34 bytes each the extension stays within 2.2 KiB.
pub const MAX_FUNCTIONS: usize = 64;

/// The code of a professional's function, such as `veilig-thuis`, `police` or `youth-care`: the word that rules
/// and safety plans use. Not personal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionCode(String);

impl FunctionCode {
    /// Reads a code: 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter and not ending with `-`.
    pub fn new(text: &str) -> Result<Self, FormError> {
        let character = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let fits = text.len() <= MAX_FUNCTION
            && text.bytes().all(character)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-');
        if fits { Ok(Self(text.to_owned())) } else { Err(FormError::Function) }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FunctionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name for people to read: of a professional, an organisation or a region. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisplayName(String);

impl DisplayName {
    /// Reads a name: 1 to 64 characters, no spaces at its ends, nothing that a screen does not show or that
    /// turns the direction of the text around it.
    pub fn new(text: &str) -> Result<Self, FormError> {
        let fits = !text.is_empty()
            && text.chars().count() <= MAX_DISPLAY_NAME
            && text.trim() == text
            && !text.chars().any(is_deceptive);
        if fits { Ok(Self(text.to_owned())) } else { Err(FormError::DisplayName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName(..)")
    }
}

/// Control characters, line and paragraph separators, invisible characters and bidirectional controls (Unicode
/// standard annex 9): with them a name could look like another one.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00ad}'
                | '\u{034f}'
                | '\u{061c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180e}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
        )
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}

/// The number that an authority gives to a certificate; what its CRL lists. The content bytes of the DER integer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// Longest number (RFC 5280 §4.1.2.2).
    pub const MAX_LEN: usize = 20;

    /// The number of a certificate, read without believing anything else that the certificate says.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        Self::from_bytes(read::Certificate::parse(certificate)?.x509().raw_serial())
    }

    /// Reads the content bytes of a DER integer.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (1..=Self::MAX_LEN).contains(&bytes.len()).then(|| Self(bytes.to_vec()))
    }

    /// The content bytes of the DER integer.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number in lower-case hexadecimal, as `openssl x509 -serial` shows it but for the case.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads the form that [`Self::to_hex`] writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let bytes: Option<Vec<u8>> =
            text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect();
        Self::from_bytes(&bytes?)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serial(..)")
    }
}

/// Why a text cannot stand in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not a function's code.
    #[error("a function has a code of 1 to 32 of a-z, 0-9 and '-', such as veilig-thuis")]
    Function,
    /// Not a display name.
    #[error("a name has 1 to 64 visible characters and no spaces at its ends")]
    DisplayName,
}

/// Writes the content of [`PERMITTED_FUNCTIONS`]. `None` if there are none, or more than [`MAX_FUNCTIONS`].
pub(crate) fn functions_to_der(functions: &[FunctionCode]) -> Option<Vec<u8>> {
    if functions.is_empty() || functions.len() > MAX_FUNCTIONS {
        return None;
    }
    let strings: Vec<Ia5String<'_>> = functions.iter().map(|function| Ia5String::new(function.as_str())).collect();
    strings.to_der_vec().ok()
}

/// Reads what [`functions_to_der`] writes, and nothing after it.
pub(crate) fn functions_from_der(der: &[u8]) -> Option<Vec<FunctionCode>> {
    let (rest, strings) = Vec::<Ia5String<'_>>::from_der(der).ok()?;
    if !rest.is_empty() || strings.is_empty() || strings.len() > MAX_FUNCTIONS {
        return None;
    }
    strings.iter().map(|string| FunctionCode::new(string.as_ref()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::asn1_rs::Oid;

    #[test]
    fn a_function_is_a_short_lower_case_code() {
        for text in ["police", "veilig-thuis", "youth-care", "a1"] {
            assert_eq!(FunctionCode::new(text).expect("valid").as_str(), text);
        }
        for text in ["", "Police", "veilig thuis", "-a", "a-", "1a", "é", &"a".repeat(33)] {
            assert_eq!(FunctionCode::new(text), Err(FormError::Function), "{text}");
        }
    }

    #[test]
    fn a_name_holds_only_what_a_screen_shows() {
        for text in ["Anne Jansen", "Ömer Şahin", "渡辺", &"é".repeat(64)] {
            assert_eq!(DisplayName::new(text).expect("valid").as_str(), text);
        }
        for text in ["", " Anne", "Anne\n", "Anne\u{202e}nesnaJ", "A\u{200b}nne", "A\0", &"a".repeat(65)] {
            assert_eq!(DisplayName::new(text), Err(FormError::DisplayName), "{text:?}");
        }
    }

    #[test]
    fn permitted_functions_round_trip() {
        let functions: Vec<_> =
            (0..MAX_FUNCTIONS).map(|n| FunctionCode::new(&format!("function-{n:023}")).expect("valid")).collect();
        let der = functions_to_der(&functions).expect("fits");
        assert_eq!(functions_from_der(&der), Some(functions.clone()));
        assert_eq!(functions_from_der(&[&der[..], &[0]].concat()), None, "trailing byte");
        assert_eq!(functions_from_der(&[0x30, 0]), None, "empty");
        assert_eq!(functions_to_der(&[]), None);
        assert_eq!(functions_to_der(&[&functions[..], &functions[..1]].concat()), None, "too many");
    }

    #[test]
    fn the_usage_is_the_same_in_both_its_spellings() {
        assert_eq!(Oid::from(DEVICE_USAGE).expect("valid").as_bytes(), DEVICE_USAGE_DER);
    }

    #[test]
    fn a_serial_round_trips_as_text() {
        let serial = Serial::from_bytes(&[0x40, 0xab, 0]).expect("valid");
        assert_eq!(serial.to_hex(), "40ab00");
        assert_eq!(Serial::from_hex("40ab00"), Some(serial));
        assert_eq!(Serial::from_hex("40a"), None);
        assert_eq!(Serial::from_hex(""), None);
        assert_eq!(Serial::from_hex(&"00".repeat(21)), None);
    }

    #[test]
    fn debug_hides_names() {
        let name = DisplayName::new("Anne Jansen").expect("valid");
        let serial = Serial::from_bytes(&[1, 2, 3]).expect("valid");
        assert_eq!(format!("{name:?} {serial:?}"), "DisplayName(..) Serial(..)");
    }
}
