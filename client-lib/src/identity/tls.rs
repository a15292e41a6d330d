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
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::api::{ConnectError, OwnFault};
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
    let verdict = Verdict::default();
    let judge = Judge { roots: relay_roots.clone(), clock, verdict: verdict.clone() };
    let config = builder(judge)
        .with_client_auth_cert(chain.to_vec(), key)
        .map_err(|_| ConnectError::OwnRefused(OwnFault::Key))?;
    Ok((finished(config, ALPN), verdict))
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

/// The configuration of a connection for enrolment: nothing is shown, and what the relay shows is kept for later; see
/// `driver::enrolling` for why nothing is lost, and where the judging is done.
pub(crate) fn enrol_tls() -> (QuicClientConfig, Presented) {
    let presented = Presented::default();
    let config = builder(Witness { presented: presented.clone() }).with_no_client_auth();
    (finished(config, ENROL_ALPN), presented)
}

/// TLS 1.3 with one key exchange, in which the relay's certificate is judged by `opinion`.
///
/// `dangerous` because a verifier of one's own can be wrong: those here call the code that the relay is checked with
/// everywhere, or judge nothing, and leave the signature of the handshake to rustls.
fn builder(opinion: impl Opinion + 'static) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(provider());
    let verifier = Verifier { opinion, provider: Arc::clone(&provider) };
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
}

/// The cryptography of a connection: that of aws-lc-rs, with one key exchange.
fn provider() -> CryptoProvider {
    CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768], ..aws_lc_rs::default_provider() }
}

/// Nothing is resumed and nothing sent early.
fn finished(mut config: ClientConfig, protocol: &[u8]) -> QuicClientConfig {
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    QuicClientConfig::try_from(config).expect("AES-128-GCM, which QUIC begins with, is among the suites")
}

/// What is thought of the certificates that a relay shows.
trait Opinion: Send + Sync {
    /// Whether the connection goes on.
    fn form(&self, chain: Vec<CertificateDer<'static>>, name: &ServerName<'_>) -> Result<(), Error>;
}

/// Keeps the relay's certificates; believes that their key has signed this handshake, and nothing else.
struct Witness {
    presented: Presented,
}

impl Opinion for Witness {
    fn form(&self, chain: Vec<CertificateDer<'static>>, _name: &ServerName<'_>) -> Result<(), Error> {
        *self.presented.0.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(())
    }
}

/// Judges the relay's certificate.
struct Judge {
    roots: TrustAnchors,
    clock: Arc<dyn Clock>,
    verdict: Verdict,
}

impl Opinion for Judge {
    fn form(&self, chain: Vec<CertificateDer<'static>>, name: &ServerName<'_>) -> Result<(), Error> {
        verify_relay(&chain, &self.roots, name, self.clock.now(), &Crls::none()).map_err(|untrusted| {
            self.verdict.set(untrusted);
            Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
        })
    }
}

/// An opinion on the certificates; signatures are checked in any case.
struct Verifier<O> {
    opinion: O,
    provider: Arc<CryptoProvider>,
}

impl<O: Opinion> ServerCertVerifier for Verifier<O> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|c| c.clone().into_owned()).collect();
        self.opinion.form(chain, server_name).map(|()| ServerCertVerified::assertion())
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

impl<O> fmt::Debug for Verifier<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
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
