//! The administrator's answer to a request, as it stands inside the seal: `docs/enrolment.md`.
//!
//! It names the request that it answers, so that a relay that got two requests under one ticket cannot give one device the
//! answer to the other. Refused: another version, and what is not of this form. Whether certificates hold is judged by
//! who sets a device up with them.

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::store::{decode, encode};

/// Version of the form.
const VERSION: u64 = 1;

/// What the administrator says to a device's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Here is the certificate.
    Granted(Granted),
    /// There will be none.
    Denied(Denied),
}

/// What a new device is given.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    /// The device's certificate and its organisation's.
    pub chain: Vec<CertificateDer<'static>>,
    /// Roots of the regions whose professionals are believed.
    pub region_roots: Vec<CertificateDer<'static>>,
    /// Roots of which one has signed the relay's certificate.
    pub relay_roots: Vec<CertificateDer<'static>>,
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Granted(..)")
    }
}

/// Why there is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The administrator said no.
    #[error("the administrator has refused; ask why, and for a new ticket")]
    Administrator,
    /// The request was not one.
    #[error("the administrator's program could not read the request; update both programs, and ask for a new ticket")]
    Request,
}

#[derive(Serialize, Deserialize)]
struct AnswerForm {
    version: u64,
    /// SHA-256 of the sealed request.
    request: ByteArray<32>,
    /// Empty: denied.
    chain: Vec<ByteBuf>,
    regions: Vec<ByteBuf>,
    relays: Vec<ByteBuf>,
    /// 1: the administrator said no; 2: the request could not be read.
    denied: Option<u64>,
}

impl Answer {
    /// The answer to `request`, as it was sealed, ready to be sealed itself.
    pub fn to_bytes(&self, request: &[u8]) -> Vec<u8> {
        let buffers = |certificates: &[CertificateDer<'_>]| {
            certificates.iter().map(|certificate| ByteBuf::from(certificate.to_vec())).collect()
        };
        let none = || Granted { chain: Vec::new(), region_roots: Vec::new(), relay_roots: Vec::new() };
        let (granted, denied) = match self {
            Self::Granted(granted) => (granted.clone(), None),
            Self::Denied(Denied::Administrator) => (none(), Some(1)),
            Self::Denied(Denied::Request) => (none(), Some(2)),
        };
        let form = AnswerForm {
            version: VERSION,
            request: ByteArray::new(hash(request)),
            chain: buffers(&granted.chain),
            regions: buffers(&granted.region_roots),
            relays: buffers(&granted.relay_roots),
            denied,
        };
        encode(&form).expect("bytes and numbers are CBOR")
    }

    /// Reads what was sealed in answer to `request`; `None` if it is none, or answers something else.
    pub fn from_bytes(bytes: &[u8], request: &[u8]) -> Option<Self> {
        let form: AnswerForm = decode(bytes).ok()?;
        if form.version != VERSION || *form.request != hash(request) {
            return None;
        }
        let certificates = |buffers: Vec<ByteBuf>| -> Vec<CertificateDer<'static>> {
            buffers.into_iter().map(|buffer| CertificateDer::from(buffer.into_vec())).collect()
        };
        match form.denied {
            None => Some(Self::Granted(Granted {
                chain: certificates(form.chain),
                region_roots: certificates(form.regions),
                relay_roots: certificates(form.relays),
            })),
            Some(2) => Some(Self::Denied(Denied::Request)),
            Some(_) => Some(Self::Denied(Denied::Administrator)),
        }
    }
}

fn hash(request: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, request).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_made_and_only_for_its_request() {
        let certificate = |byte| CertificateDer::from(vec![byte; 9]);
        let granted = Granted {
            chain: vec![certificate(1), certificate(2)],
            region_roots: vec![certificate(3)],
            relay_roots: vec![certificate(4)],
        };
        for answer in
            [Answer::Granted(granted), Answer::Denied(Denied::Administrator), Answer::Denied(Denied::Request)]
        {
            let bytes = answer.to_bytes(b"request");
            assert_eq!(Answer::from_bytes(&bytes, b"request"), Some(answer));
            assert_eq!(Answer::from_bytes(&bytes, b"another"), None);
            assert_eq!(Answer::from_bytes(&bytes[1..], b"request"), None);
        }
        assert_eq!(Answer::from_bytes(&[], b"request"), None);
    }
}
