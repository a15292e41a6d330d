//! Who this device is: its certificate, checked against the pinned region roots and against its key.

use std::fmt;
use std::sync::Arc;

use kring_pki::issue::PrivateKey;
use kring_pki::verify::{Crls, TrustAnchors, VerifiedDevice, When, require_key, verify_device};
use kring_protocol::ids::Timestamp;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::profile::Profile;
use super::tls::{self, Verdict};
use crate::api::{ConnectError, OpenError};
use crate::driver::Clock;
use crate::mls::DeviceCredentials;

/// A device whose certificate and key belong together.
pub(crate) struct Identity {
    device: VerifiedDevice,
    /// What is shown of it.
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKey,
    seed: Zeroizing<[u8; 32]>,
    region_roots: TrustAnchors,
    relay_roots: TrustAnchors,
}

impl Identity {
    /// Checks a profile's certificate against its roots and its key, at no particular time: a client whose certificate
    /// has expired still opens, and shows what it has.
    pub(crate) fn new(profile: &Profile, seed: Zeroizing<[u8; 32]>) -> Result<Self, OpenError> {
        Self::of(profile.chain(), seed, profile.region_roots(), profile.relay_roots())
    }

    /// Checks a certificate against roots and key, as [`Self::new`] does.
    pub(crate) fn of(
        chain: &[CertificateDer<'static>],
        seed: Zeroizing<[u8; 32]>,
        region_roots: &[CertificateDer<'static>],
        relay_roots: &[CertificateDer<'static>],
    ) -> Result<Self, OpenError> {
        let region_roots = TrustAnchors::from_der(region_roots).map_err(OpenError::Roots)?;
        let relay_roots = TrustAnchors::from_der(relay_roots).map_err(OpenError::Roots)?;
        let device =
            verify_device(chain, &region_roots, When::Ever, &Crls::none()).map_err(OpenError::Certificate)?;
        let key = PrivateKey::from_ed25519_seed(&seed).map_err(|_| OpenError::KeyMissing)?;
        let public = key.ed25519_public_key().ok_or(OpenError::KeyMissing)?;
        require_key(&device, &public).map_err(OpenError::Certificate)?;
        Ok(Self { chain: device.chain().to_vec(), device, key, seed, region_roots, relay_roots })
    }

    /// The same device with its next certificate, which is of the same key.
    pub(crate) fn renewed(&self, next: VerifiedDevice) -> Option<Self> {
        Some(Self {
            chain: next.chain().to_vec(),
            device: next,
            key: PrivateKey::from_ed25519_seed(&self.seed).ok()?,
            seed: self.seed.clone(),
            region_roots: self.region_roots.clone(),
            relay_roots: self.relay_roots.clone(),
        })
    }

    /// The device of the certificate.
    pub(crate) fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// The device's key.
    pub(crate) fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Roots of the regions whose professionals are believed.
    pub(crate) fn region_roots(&self) -> &TrustAnchors {
        &self.region_roots
    }

    /// Last moment at which the certificate is valid.
    pub(crate) fn valid_until(&self) -> Timestamp {
        self.device.valid_until()
    }

    /// Refuses to show a certificate that is not valid now: the relay would refuse it with less to say.
    pub(crate) fn usable_at(&self, now: Timestamp) -> Result<(), ConnectError> {
        if now < self.device.not_before() {
            Err(ConnectError::OwnNotYetValid)
        } else if now > self.device.valid_until() {
            Err(ConnectError::OwnExpired)
        } else {
            Ok(())
        }
    }

    /// What the conversation needs of it.
    pub(crate) fn credentials(&self) -> DeviceCredentials {
        DeviceCredentials {
            chain: self.chain.clone(),
            key: self.seed.clone(),
            anchors: self.region_roots.clone(),
            crls: Crls::none(),
        }
    }

    /// The TLS configuration for one attempt to connect, and where its verdict on the relay's certificate will stand.
    pub(crate) fn tls(
        &self,
        clock: Arc<dyn Clock>,
    ) -> Result<(quinn::crypto::rustls::QuicClientConfig, Verdict), ConnectError> {
        tls::config(&self.relay_roots, &self.chain, self.key.to_der(), clock)
    }
}

#[cfg(test)]
impl Identity {
    /// Shows something else than it is, as a program with real keys and bad intentions can.
    pub(crate) fn disguise(&mut self, chain: &[CertificateDer<'static>], key: &PrivateKey) {
        self.chain = chain.to_vec();
        self.seed = key.ed25519_seed().expect("an Ed25519 key");
        self.key = PrivateKey::from_ed25519_seed(&self.seed).expect("a key");
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}
