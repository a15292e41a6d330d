//! Who may connect: TLS 1.3 (RFC 8446) with X25519MLKEM768 as its only key exchange and a device's certificate on the
//! client's side, which a new device alone may leave out, for enrolment.
//!
//! Refused: every older TLS, every other key exchange, and a certificate that `kring-pki` does not believe at this moment. No early data, whose replay a relay could not tell, and no resumption,
//! which would carry a verdict over a certificate beyond its revocation.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use kring_pki::verify::{
    AnchorError, Crl, CrlError, Crls, TrustAnchors, UnbelievedCrl, Untrusted, VerifiedCrl, VerifiedDevice, When,
    verify_crl, verify_device,
};
use kring_protocol::ids::{IssuerId, Timestamp};
use kring_protocol::{ALPN, ENROL_ALPN};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};

use super::verdicts::Verdicts;
use crate::config::TlsFiles;
use crate::keys::{self, KeyError};

/// Why there is no TLS side.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The private key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file does not hold what it should.
    #[error("{} holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// A file does not hold a private key.
    #[error("{} holds no private key in PEM form", .0.display())]
    NoPrivateKey(PathBuf),
    /// The key is not the certificate's, or of a kind that TLS does not use.
    #[error("the private key {} does not fit the certificate {}", key.display(), certificate.display())]
    KeyDiffers {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// A region root cannot be pinned.
    #[error("{} cannot be used as a region root: {source}", path.display())]
    Root {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: AnchorError,
    },
    /// A revocation list cannot be used.
    #[error("{} cannot be used as a revocation list: {source}", path.display())]
    Crl {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: CrlError,
    },
    /// The build's cryptography lacks what the relay demands.
    #[error("this build has no TLS 1.3 with the cipher suites that QUIC needs; it is broken, install another one")]
    Build,
}

/// What the relay believes about devices: region roots, and lists of revoked certificates from its files and from its
/// journal. Of each issuer the newest counts, wherever it comes from.
pub(crate) struct Trust {
    anchors: TrustAnchors,
    files: Vec<FileList>,
    taken: BTreeMap<IssuerId, Arc<Crl>>,
    crls: Crls,
    verdicts: Verdicts<VerifiedDevice>,
}

/// A list from a file.
struct FileList {
    crl: Arc<Crl>,
    /// Certificates that stand in the same file: one of them may be the issuer's.
    beside: Vec<CertificateDer<'static>>,
}

impl Trust {
    fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let mut roots = Vec::new();
        for path in &files.region_roots {
            let found = certificates(path)?;
            // Each file by itself first, so that the error names the right one.
            TrustAnchors::from_der(&found).map_err(|source| TlsError::Root { path: path.clone(), source })?;
            roots.extend(found);
        }
        let none = |source| TlsError::Root { path: files.region_roots.first().cloned().unwrap_or_default(), source };
        let anchors = TrustAnchors::from_der(&roots).map_err(none)?;
        let mut lists = Vec::new();
        for path in &files.crls {
            let pem = bytes(path)?;
            let beside: Vec<CertificateDer<'static>> =
                CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
            for list in CertificateRevocationListDer::pem_slice_iter(&pem) {
                let unusable = |source| TlsError::Crl { path: path.clone(), source };
                let list = list.map_err(|_| unusable(CrlError::Unreadable))?;
                let crl = Arc::new(Crl::from_der(&list).map_err(unusable)?);
                lists.push(FileList { crl, beside: beside.clone() });
            }
        }
        Ok(Self::assembled(anchors, lists, BTreeMap::new()))
    }

    fn assembled(anchors: TrustAnchors, files: Vec<FileList>, taken: BTreeMap<IssuerId, Arc<Crl>>) -> Self {
        let mut crls = Crls::none();
        for crl in files.iter().map(|file| &file.crl).chain(taken.values()) {
            crls.add(crl.clone());
        }
        Self { anchors, files, taken, crls, verdicts: Verdicts::default() }
    }

    /// The same with one more list, unless there is a newer one of its issuer.
    fn with(&self, list: &VerifiedCrl) -> Self {
        let files = self.files.iter().map(|file| FileList { crl: file.crl.clone(), beside: Vec::new() }).collect();
        let mut taken = self.taken.clone();
        let newer = taken.get(&list.issuer()).is_some_and(|held| held.seen().number > list.crl().seen().number);
        if !newer {
            taken.insert(list.issuer(), list.shared());
        }
        Self::assembled(self.anchors.clone(), files, taken)
    }

    /// The lists of the files whose issuer can be told: by a root, or by a certificate in the same file.
    fn known_lists(&self, now: Timestamp) -> Vec<VerifiedCrl> {
        let mut known = Vec::new();
        for file in &self.files {
            let of_root = self.verify(file.crl.der(), None, now);
            let of_authority = || file.beside.iter().find_map(|it| self.verify(file.crl.der(), Some(it), now).ok());
            known.extend(of_root.ok().or_else(of_authority));
        }
        known
    }

    /// Whether a list is that of an issuer that is believed.
    pub(crate) fn verify(
        &self,
        der: &[u8],
        authority: Option<&CertificateDer<'_>>,
        now: Timestamp,
    ) -> Result<VerifiedCrl, UnbelievedCrl> {
        verify_crl(der, authority, &self.anchors, now, &self.crls)
    }

    /// Judges a device's chain at a moment.
    pub(crate) fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<Arc<VerifiedDevice>, Untrusted> {
        self.verdicts.over(chain, now, || {
            let device = verify_device(chain, &self.anchors, When::At(now), &self.crls)?;
            let until = device.valid_until();
            Ok((device, until))
        })
    }
}

/// What is believed now: one for all handshakes and connections.
#[derive(Clone)]
pub(crate) struct Believed(Arc<RwLock<Arc<Trust>>>);

impl Believed {
    /// What is believed at this moment.
    pub(crate) fn now(&self) -> Arc<Trust> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Believes a list of revoked certificates from now on.
    pub(crate) fn take(&self, list: &VerifiedCrl) {
        let mut trust = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *trust = Arc::new(trust.with(list));
    }

    /// Reads the files anew; lists that were handed in stay. Returns the lists of the files whose issuer is known.
    pub(crate) fn reload(&self, files: &TlsFiles, now: Timestamp) -> Result<Vec<VerifiedCrl>, TlsError> {
        let fresh = Trust::load(files)?;
        let known = fresh.known_lists(now);
        let mut trust = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *trust = Arc::new(Trust::assembled(fresh.anchors, fresh.files, trust.taken.clone()));
        Ok(known)
    }
}

/// The relay's side of every handshake, and what it is judged by.
pub(crate) struct Identity {
    pub(crate) quic: Arc<QuicServerConfig>,
    pub(crate) believed: Believed,
    /// Lists of the files whose issuer is known: to be handed in.
    pub(crate) lists: Vec<VerifiedCrl>,
}

impl Identity {
    /// Reads all files.
    pub(crate) fn load(files: &TlsFiles, now: Timestamp) -> Result<Self, TlsError> {
        let trust = Trust::load(files)?;
        let lists = trust.known_lists(now);
        let believed = Believed(Arc::new(RwLock::new(Arc::new(trust))));
        Ok(Self { quic: server_tls(files, &believed)?, believed, lists })
    }
}

/// TLS from the files of now, judged by what is believed.
pub(crate) fn server_tls(files: &TlsFiles, believed: &Believed) -> Result<Arc<QuicServerConfig>, TlsError> {
    let chain = certificates(&files.certificate)?;
    keys::refuse_exposed(&files.private_key)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes(&files.private_key)?)
        .map_err(|_| TlsError::NoPrivateKey(files.private_key.clone()))?;

    let provider = Arc::new(provider());
    let verifier =
        DeviceVerifier { believed: believed.clone(), algorithms: provider.signature_verification_algorithms };
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| TlsError::Build)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain, key)
        .map_err(|_| TlsError::KeyDiffers {
            key: files.private_key.clone(),
            certificate: files.certificate.clone(),
        })?;
    config.alpn_protocols = vec![ALPN.to_vec(), ENROL_ALPN.to_vec()];
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    Ok(Arc::new(QuicServerConfig::try_from(config).map_err(|_| TlsError::Build)?))
}

/// The cryptography of aws-lc-rs with one key exchange: hybrid, so that what is recorded today stays closed to a
/// quantum computer later.
fn provider() -> CryptoProvider {
    CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768], ..aws_lc_rs::default_provider() }
}

/// Asks `kring-pki` about a client's certificate.
struct DeviceVerifier {
    believed: Believed,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for DeviceVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceVerifier(..)")
    }
}

impl ClientCertVerifier for DeviceVerifier {
    /// A new device has none yet. A connection for anything else is closed without one, after the handshake.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: they would name the regions to whoever connects.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        let now = Timestamp(now.as_secs().saturating_mul(Timestamp::SECOND));
        match self.believed.now().judge(&chain, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(reason) => Err(rustls::Error::InvalidCertificate(alert(reason))),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls13RequiredForQuic))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    /// Device keys are Ed25519 (RFC 8032), whatever the authorities above them use.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// The TLS alert that tells a client what to mend, where TLS has a word for it (RFC 8446 §6.2).
fn alert(reason: Untrusted) -> CertificateError {
    match reason {
        Untrusted::Expired { .. } => CertificateError::Expired,
        Untrusted::NotYetValid { .. } => CertificateError::NotValidYet,
        Untrusted::Revoked(_) => CertificateError::Revoked,
        Untrusted::UnknownRoot => CertificateError::UnknownIssuer,
        Untrusted::BadSignature => CertificateError::BadSignature,
        Untrusted::WrongUsage => CertificateError::InvalidPurpose,
        // The organisation could not issue it.
        Untrusted::OutsideOrganisation | Untrusted::OrganisationNameDiffers | Untrusted::FunctionNotPermitted => {
            CertificateError::ApplicationVerificationFailure
        }
        Untrusted::NoCertificate
        | Untrusted::ChainTooLong
        | Untrusted::TooLarge
        | Untrusted::Unreadable
        | Untrusted::UnknownDemand
        | Untrusted::WeakSignature
        | Untrusted::NoOrganisation
        | Untrusted::OrganisationWithoutDomain
        | Untrusted::OrganisationWithoutFunctions
        | Untrusted::Subject
        | Untrusted::Names
        | Untrusted::NamesDisagree
        | Untrusted::KeyNotEd25519
        | Untrusted::KeyDiffers
        | Untrusted::OtherHost => CertificateError::BadEncoding,
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::NoCertificate(path.to_owned());
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes(path)?).collect::<Result<_, _>>().map_err(|_| none())?;
    if found.is_empty() { Err(none()) } else { Ok(found) }
}
