//! Who a leaf is, for mls-rs: a device with a certificate of the region (docs/protocol.md, docs/items.md).

use kring_pki::verify::{Crls, TrustAnchors, VerifiedDevice, When, verify_device};
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::extension::ExtensionList;
use mls_rs_core::identity::{Credential, CredentialType, IdentityProvider, MemberValidationContext, SigningIdentity};
use mls_rs_core::time::MlsTime;
use rustls_pki_types::CertificateDer;

/// The pinned root.
#[derive(Clone)]
pub(crate) struct Region(pub(crate) TrustAnchors);

/// A leaf that cannot show whose device it is.
#[derive(Debug, thiserror::Error)]
#[error("the leaf's certificate does not hold")]
pub(crate) struct NotOfTheRegion;

impl IntoAnyError for NotOfTheRegion {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(self.into())
    }
}

impl Region {
    /// Whose device it is.
    pub(crate) fn device(&self, identity: &SigningIdentity) -> Result<VerifiedDevice, NotOfTheRegion> {
        let Credential::X509(chain) = &identity.credential else { return Err(NotOfTheRegion) };
        let chain: Vec<_> = chain.iter().map(|certificate| CertificateDer::from(certificate.to_vec())).collect();
        let device = verify_device(&chain, &self.0, When::Ever, &Crls::none()).map_err(|_| NotOfTheRegion)?;
        let same = device.public_key() == identity.signature_key.as_bytes();
        if same { Ok(device) } else { Err(NotOfTheRegion) }
    }
}

impl IdentityProvider for Region {
    type Error = NotOfTheRegion;

    fn validate_member(
        &self,
        identity: &SigningIdentity,
        _time: Option<MlsTime>,
        _context: MemberValidationContext<'_>,
    ) -> Result<(), NotOfTheRegion> {
        self.device(identity).map(drop)
    }

    fn validate_external_sender(
        &self,
        _identity: &SigningIdentity,
        _time: Option<MlsTime>,
        _extensions: Option<&ExtensionList>,
    ) -> Result<(), NotOfTheRegion> {
        Err(NotOfTheRegion)
    }

    fn identity(&self, identity: &SigningIdentity, _extensions: &ExtensionList) -> Result<Vec<u8>, NotOfTheRegion> {
        let address = self.device(identity)?.address().clone();
        Ok([address.professional.to_string().as_bytes(), address.device.as_bytes()].concat())
    }

    fn valid_successor(
        &self,
        before: &SigningIdentity,
        after: &SigningIdentity,
        _extensions: &ExtensionList,
    ) -> Result<bool, NotOfTheRegion> {
        Ok(self.device(before)?.address() == self.device(after)?.address())
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CredentialType::X509]
    }
}
