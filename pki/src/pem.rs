//! PEM (RFC 7468) for files of certificates, requests and lists. Private keys write their own
//! ([`PrivateKey::to_pem`](crate::issue::PrivateKey::to_pem)).

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, CertificateSigningRequestDer};

/// Alphabet of base64 (RFC 4648 §4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes on a line of 64 characters.
const LINE: usize = 48;

/// Certificates, one after the other, in the order given.
pub fn certificates<'a, 'b: 'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'b>>) -> String {
    certificates.into_iter().map(|certificate| section("CERTIFICATE", certificate)).collect()
}

/// A request for a certificate.
pub fn request(request: &CertificateSigningRequestDer<'_>) -> String {
    section("CERTIFICATE REQUEST", request)
}

/// A list of revoked certificates.
pub fn crl(list: &CertificateRevocationListDer<'_>) -> String {
    section("X509 CRL", list)
}

fn section(label: &str, der: &[u8]) -> String {
    let lines: String = der.chunks(LINE).map(|line| base64(line) + "\n").collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) as usize & 0x3f;
            text.push(if place <= group.len() { char::from(ALPHABET[digit]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls_pki_types::pem::PemObject as _;

    #[test]
    fn base64_is_that_of_the_specification() {
        // RFC 4648 §10.
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            let list = CertificateRevocationListDer::from(bytes);
            let again = CertificateRevocationListDer::from_pem_slice(crl(&list).as_bytes());
            prop_assert_eq!(again.expect("PEM"), list);
        }
    }
}
