//! Certificates as files: PEM (RFC 7468) in and out; and the form in which people compare the key of one to be.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::outcome::{Cause, Failure, Outcome};
use crate::words::say;

/// The certificates as PEM, in order.
pub(crate) fn pem<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    /// Characters in a line of PEM (RFC 7468 §2).
    const LINE: usize = 64;
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = data_encoding::BASE64.encode(certificate);
        for line in encoded.as_bytes().chunks(LINE) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// All certificates of a file, of which there must be at least one.
pub(crate) fn read(path: &Path) -> Outcome<Vec<CertificateDer<'static>>> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(&say!("doing-read"), path, &error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(Failure::advised(
            Cause::Failed,
            format!("{} holds no certificate", path.display()),
            "give a PEM file that begins with -----BEGIN CERTIFICATE-----",
        )),
    }
}

/// SHA-256 of a device's key, the first 16 bytes: enough to compare, short enough to read out.
pub(crate) fn key_fingerprint(key: &[u8; 32]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key);
    let groups: Vec<String> =
        hash.as_ref()[..16].chunks(2).map(|pair| data_encoding::HEXLOWER.encode(pair)).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_survive_their_file() {
        let temporary = tempfile::tempdir().expect("a folder");
        let path = temporary.path().join("chain.pem");
        let chain = [CertificateDer::from(vec![1; 100]), CertificateDer::from(vec![2; 1])];
        std::fs::write(&path, pem(&chain)).expect("written");
        assert_eq!(read(&path).expect("read"), chain);
        std::fs::write(&path, "nothing").expect("written");
        assert_eq!(read(&path).expect_err("empty").cause, Cause::Failed);
    }
}
