//! KeyPackages (RFC 9420 §10): making this device's, and checking those that were claimed.

use kring_pki::verify::{CrlSeen, VerifiedDevice};
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, Timestamp};
use kring_protocol::payload::Payload;
use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{
    KeyPackage, KeyPackageBundle, Lifetime, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, OpenMlsProvider as _,
    ProtocolVersion,
};
use openmls_traits::storage::StorageProvider;

use super::party::Party;
use super::standing::Standing;
use super::suite::suite;
use crate::conversation::NotAdded;
use crate::store::{StoreError, Transaction};

/// Days for which a KeyPackage can be claimed after it was made.
const CLAIM_DAYS: u64 = 90;
/// Days for which a relay keeps Commits: so long can a member be away and still judge the Commit that used a
/// KeyPackage. openmls checks a KeyPackage's lifetime against the system's clock when it is added, at whatever time
/// that Commit is read.
const COMMIT_DAYS: u64 = 180;
/// Days by which the lifetime is longer than both together.
const SLACK_DAYS: u64 = 1;
/// Seconds by which a KeyPackage is valid before it was made, for those whose clock is late.
const CLOCK_SLACK: u64 = 3_600;

/// Seconds by which a member's clock may be late when a KeyPackage is used.
const LATE_CLOCK: u64 = 1_800;

const DAY_SECONDS: u64 = Timestamp::DAY / Timestamp::SECOND;

/// Makes a KeyPackage and stores its private keys.
pub(crate) fn make(
    party: &Party,
    step: &Transaction<'_>,
    last_resort: bool,
    now: Timestamp,
) -> Result<Payload, StoreError> {
    let now = now.0 / Timestamp::SECOND;
    let until = now + (CLAIM_DAYS + COMMIT_DAYS + SLACK_DAYS) * DAY_SECONDS;
    let mut builder = KeyPackage::builder()
        .key_package_lifetime(Lifetime::init(now.saturating_sub(CLOCK_SLACK), until))
        .leaf_node_capabilities(party.capabilities())
        .leaf_node_extensions(party.leaf_extensions()?);
    if last_resort {
        builder = builder.mark_as_last_resort();
    }
    let made = builder.build(suite(), &party.provider(step), party.signer(), party.identity());
    let Ok(bundle) = made else {
        step.probe()?;
        return Err(StoreError::Internal);
    };
    let bytes = MlsMessageOut::from(bundle.into_key_package()).tls_serialize_detached();
    Ok(bytes.map_err(|_| StoreError::Internal)?.into())
}

/// Deletes the private keys of a KeyPackage that nobody has.
pub(crate) fn forget(party: &Party, step: &Transaction<'_>, bytes: &[u8]) -> Result<(), StoreError> {
    let Some(key_package) = read(party, bytes) else { return Ok(()) };
    delete(party, step, &key_package)
}

/// Deletes the private keys of KeyPackages that have ended: nobody can be added with them any more.
pub(crate) fn forget_ended(party: &Party, step: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    for bundle in step.rows().key_packages::<KeyPackageBundle>()? {
        if bundle.key_package().life_time().not_after() < now.0 / Timestamp::SECOND {
            delete(party, step, bundle.key_package())?;
        }
    }
    Ok(())
}

fn delete(party: &Party, step: &Transaction<'_>, key_package: &KeyPackage) -> Result<(), StoreError> {
    let name = key_package.hash_ref(&party.crypto).map_err(|_| StoreError::Internal)?;
    Ok(StorageProvider::delete_key_package(party.provider(step).storage(), &name)?)
}

fn read(party: &Party, bytes: &[u8]) -> Option<KeyPackage> {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes).ok()?;
    let MlsMessageBodyIn::KeyPackage(unverified) = message.extract() else { return None };
    unverified.validate(&party.crypto, ProtocolVersion::Mls10).ok()
}

/// A claimed KeyPackage that has been checked.
pub(crate) struct Checked {
    pub(crate) key_package: KeyPackage,
    pub(crate) device: VerifiedDevice,
}

impl Checked {
    /// The newest revocation list of the device's organisation.
    pub(crate) fn list_seen(&self, party: &Party) -> Option<CrlSeen> {
        let leaf = self.key_package.leaf_node();
        party.leaves.list_seen(leaf.credential(), leaf.signature_key().as_slice()).ok().flatten()
    }
}

/// Checks a claimed KeyPackage: whose it is by its certificate, whether that holds now, and how old it is.
pub(crate) fn check(
    party: &Party,
    bytes: &[u8],
    professional: &ProfessionalAddress,
    device: DeviceId,
    now: Timestamp,
) -> Result<Checked, NotAdded> {
    let key_package = read(party, bytes).ok_or(NotAdded::KeyPackage)?;
    if key_package.ciphersuite() != suite() {
        return Err(NotAdded::KeyPackage);
    }
    // The tighter age: it must outlive the Commit that uses it by as long as relays keep Commits.
    let needed = now.0 / Timestamp::SECOND + COMMIT_DAYS * DAY_SECONDS;
    if key_package.life_time().not_after() < needed {
        return Err(NotAdded::NoKeyPackage);
    }
    // One that has just become valid is not yet valid for members whose clock is late: they would refuse the Commit.
    if key_package.life_time().not_before().saturating_add(LATE_CLOCK) > now.0 / Timestamp::SECOND {
        return Err(NotAdded::KeyPackage);
    }
    let leaf = key_package.leaf_node();
    let verified = party.leaves.node(leaf).map_err(|bad| NotAdded::Impostor(bad.into()))?;
    if verified.address().professional != *professional || verified.address().device != device {
        return Err(NotAdded::KeyPackage);
    }
    match party.leaves.standing(leaf.credential(), leaf.signature_key().as_slice(), now) {
        Ok(Standing::Revoked) => Err(NotAdded::Revoked),
        Ok(Standing::Good { .. }) if verified.not_before() <= now => Ok(Checked { key_package, device: verified }),
        Ok(Standing::Good { .. } | Standing::Ended) | Err(_) => Err(NotAdded::Certificate),
    }
}
