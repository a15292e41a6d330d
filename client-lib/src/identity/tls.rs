//! The TLS configuration with which a device meets a relay: TLS 1.3 (RFC 8446), key exchange X25519MLKEM768 and no
//! other, application protocol [`ALPN`], the device's certificate shown, nothing resumed (a resumed session would
//! pass by a certificate that was revoked meanwhile) and nothing sent early.
//!
//! The relay's certificate is judged by `kring-pki`, as the relay judges ours: chain to a pinned relay root, usage,
//! name, validity by this device's clock. TLS has one alert for several of these reasons, so the verdict is kept aside.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use kring_pki::verify::{Crls, TrustAnchors, Untrusted, verify_relay};
use kring_protocol::{ALPN, ENROL_ALPN};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::api::ConnectError;
use crate::driver::Clock;

/// Why the relay's certificate was not believed, once it has been looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict(Arc<Mutex<Option<Untrusted>>>);

impl Verdict {
    /// The reason, in the words of a connection.
    pub(crate) fn reason(&self) -> Option<ConnectError> {
        let untrusted = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(match untrusted {
            Untrusted::UnknownRoot => ConnectError::RelayUnknownRoot,
            Untrusted::OtherHost => ConnectError::RelayOtherName,
            Untrusted::Expired { .. } => ConnectError::RelayExpired,
            Untrusted::NotYetValid { .. } => ConnectError::RelayNotYetValid,
            other => ConnectError::RelayCertificate(other),
        })
    }

    fn set(&self, untrusted: Untrusted) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(untrusted);
    }
}

/// The configuration of one attempt.
pub(super) fn config(
    relay_roots: &TrustAnchors,
    chain: &[CertificateDer<'static>],
    key: PrivateKeyDer<'static>,
    clock: Arc<dyn Clock>,
) -> Result<(QuicClientConfig, Verdict), ConnectError> {
    let provider = Arc::new(provider());
    let verdict = Verdict::default();
    let judge =
        Judge { roots: relay_roots.clone(), clock, provider: Arc::clone(&provider), verdict: verdict.clone() };
    // `dangerous` because a verifier of one's own can be wrong: this one calls the code that the relay is checked
    // with everywhere, and leaves the signature of the handshake to rustls.
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge))
        .with_client_auth_cert(chain.to_vec(), key)
        .map_err(|_| ConnectError::OwnRefused)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    let config =
        QuicClientConfig::try_from(config).expect("AES-128-GCM, which QUIC begins with, is among the suites");
    Ok((config, verdict))
}

/// What a relay has shown that nobody has judged yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Presented(Arc<Mutex<Vec<CertificateDer<'static>>>>);

impl Presented {
    /// The certificates, the relay's own first.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The configuration of a connection for enrolment: nothing is shown, and what the relay shows is kept for later.
pub(crate) fn enrol_tls() -> Result<(QuicClientConfig, Presented), ConnectError> {
    let provider = Arc::new(provider());
    let presented = Presented::default();
    let witness = Witness { provider: Arc::clone(&provider), presented: presented.clone() };
    // `dangerous` as it says: see `driver::enrolling` for why nothing is lost, and where the judging is done.
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(witness))
        .with_no_client_auth();
    config.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    let config =
        QuicClientConfig::try_from(config).expect("AES-128-GCM, which QUIC begins with, is among the suites");
    Ok((config, presented))
}

/// Keeps the relay's certificates; believes that their key has signed this handshake, and nothing else.
struct Witness {
    provider: Arc<CryptoProvider>,
    presented: Presented,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|c| c.clone().into_owned()).collect();
        *self.presented.0.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness(..)")
    }
}

/// The cryptography of a connection: that of aws-lc-rs, with one key exchange.
fn provider() -> CryptoProvider {
    CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768], ..aws_lc_rs::default_provider() }
}

/// Judges the relay's certificate.
struct Judge {
    roots: TrustAnchors,
    clock: Arc<dyn Clock>,
    provider: Arc<CryptoProvider>,
    verdict: Verdict,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        match verify_relay(&chain, &self.roots, server_name, self.clock.now(), &Crls::none()) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(untrusted) => {
                self.verdict.set(untrusted);
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::NamedGroup;

    #[test]
    fn the_key_exchange_is_hybrid_and_nothing_else() {
        let groups: Vec<_> = provider().kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(groups, [NamedGroup::X25519MLKEM768]);
    }
}
