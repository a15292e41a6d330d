//! PEM (RFC 7468) for files of certificates, requests and lists. Private keys write their own
//! ([`PrivateKey::to_pem`](crate::issue::PrivateKey::to_pem)).

use data_encoding::BASE64;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, CertificateSigningRequestDer};

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

/// One section.
pub(crate) fn section(label: &str, der: &[u8]) -> String {
    let lines: String = der.chunks(LINE).map(|line| BASE64.encode(line) + "\n").collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

/// The content of the first section with this label, if the text begins with it.
pub(crate) fn content(label: &str, text: &str) -> Option<Vec<u8>> {
    let begun = text.trim_start().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = begun.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_ascii_whitespace().collect();
    BASE64.decode(body.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls_pki_types::pem::PemObject as _;

    proptest! {
        #[test]
        fn what_is_written_can_be_read(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            let list = CertificateRevocationListDer::from(bytes);
            let again = CertificateRevocationListDer::from_pem_slice(crl(&list).as_bytes());
            prop_assert_eq!(content("X509 CRL", &crl(&list)), Some(list.to_vec()));
            prop_assert_eq!(again.expect("PEM"), list);
        }
    }
}
