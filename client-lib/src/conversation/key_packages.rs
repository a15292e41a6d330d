//! This device's KeyPackages at the relay: kept filled, so that there is something to be added with, and made anew
//! before they are too old to be claimed.
//!
//! What is published is stored first and sent, the same bytes again, until the relay has taken or refused it: however
//! often that fails, no second set of private keys is made. Private keys are deleted once their KeyPackage has ended.

use kring_protocol::ids::Timestamp;
use kring_protocol::limits::MAX_KEY_PACKAGES;
use kring_protocol::message::{PublishKeyPackages, Reply, Request};
use kring_protocol::refusal::{Refusal, Retry};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::session::Asked;
use super::step::Step;
use crate::item::sha256;
use crate::mls::key_package;
use crate::store::{StoreError, decode, encode};

/// Name of the pool's row in the store.
const POOL: &str = "key packages";
/// Days after which all KeyPackages are replaced: a month before the first can no longer be claimed.
const ROTATE_DAYS: u64 = 60;
/// Most KeyPackages made on one day: a device is added to some tens of cases on a busy one. Each costs 3 KB in the store
/// for nine months.
const MOST_A_DAY: u64 = 1_000;
/// Shortest wait before the same is sent again.
const PAUSE: u64 = 60 * Timestamp::SECOND;

/// What is known of the KeyPackages beyond a connection.
#[derive(Serialize, Deserialize)]
struct Pool {
    /// When the oldest was made.
    made: Timestamp,
    /// What the relay has not answered yet.
    unpublished: Option<PublishKeyPackages>,
    /// SHA-256 of the certificate that they show.
    #[serde(default)]
    certificate: ByteBuf,
    /// How many were made on a day, and on which (days since 1970).
    #[serde(default)]
    made_on: (u64, u64),
}

impl Step<'_> {
    /// Publishes KeyPackages up to the number that the device keeps at the relay, if there are few.
    pub(super) fn fill_key_packages(&mut self, left: u64, last_resort: bool) -> Result<(), StoreError> {
        self.session.key_packages = (left, last_resort);
        self.publish()
    }

    /// Publishes what waits for it, or what is missing or too old.
    pub(super) fn publish(&mut self) -> Result<(), StoreError> {
        if self.session.publishing || self.session.publish_at.is_some() || !self.session.connected {
            return Ok(());
        }
        let known = self.tx.rows().meta(POOL)?;
        let mut pool = match &known {
            Some(bytes) => decode(bytes)?,
            None => Pool { made: self.now, unpublished: None, certificate: self.certificate(), made_on: (0, 0) },
        };
        if pool.unpublished.is_none() {
            // What a former store of this device has left at the relay, nobody can open any more.
            let (left, last_resort) = self.session.key_packages;
            if known.is_none() && (left > 0 || last_resort) {
                pool.made = Timestamp(0);
            }
            if pool.certificate != self.certificate() {
                // Those of the old certificate are replaced now.
                pool.made = Timestamp(self.now.0.saturating_sub(ROTATE_DAYS * Timestamp::DAY));
                pool.certificate = self.certificate();
            }
            pool.unpublished = self.missing(&mut pool.made, &mut pool.made_on)?;
            if pool.unpublished.is_some() || known.is_none() {
                self.tx.write_meta(POOL, &encode(&pool)?)?;
            }
        }
        let Some(request) = pool.unpublished else { return Ok(()) };
        self.session.publishing = true;
        self.ask(Asked::Publish, Request::PublishKeyPackages(request));
        Ok(())
    }

    /// Replaces all KeyPackages: this device may not hold their private keys.
    pub(super) fn renew_key_packages(&mut self) -> Result<(), StoreError> {
        let certificate = self.certificate();
        let pool = Pool { made: Timestamp(0), unpublished: None, certificate, made_on: (0, 0) };
        self.tx.write_meta(POOL, &encode(&pool)?)?;
        self.publish()
    }

    fn certificate(&self) -> ByteBuf {
        ByteBuf::from(sha256(&self.party.verified().chain()[0]).to_vec())
    }

    /// Makes what is missing at the relay.
    fn missing(
        &self,
        made: &mut Timestamp,
        made_on: &mut (u64, u64),
    ) -> Result<Option<PublishKeyPackages>, StoreError> {
        let (left, last_resort) = self.session.key_packages;
        let target = self.settings.key_packages.min(MAX_KEY_PACKAGES);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let replace = self.now.since(*made) >= ROTATE_DAYS * Timestamp::DAY;
        let missing = match left {
            _ if replace => target,
            left if left <= target / 2 => target.saturating_sub(left),
            _ => 0,
        };
        let today = self.now.0 / Timestamp::DAY;
        if made_on.1 != today {
            *made_on = (0, today);
        }
        // A relay that says over and over that none are left has no more made than this; the one of last resort stays.
        let missing = missing.min(usize::try_from(MOST_A_DAY.saturating_sub(made_on.0)).unwrap_or(usize::MAX));
        if missing == 0 && last_resort && !replace {
            return Ok(None);
        }
        made_on.0 += missing as u64;
        if replace {
            *made = self.now;
        }
        let single_use = (0..missing).map(|_| key_package::make(self.party, self.tx, false, self.now));
        let single_use = single_use.collect::<Result<_, _>>()?;
        let last_resort = match last_resort && !replace {
            true => None,
            false => Some(key_package::make(self.party, self.tx, true, self.now)?),
        };
        Ok(Some(PublishKeyPackages { single_use, last_resort, replace }))
    }

    /// The relay has KeyPackages, or has refused them.
    pub(super) fn published(&mut self, answer: Result<Vec<Reply>, Refusal>) -> Result<(), StoreError> {
        self.session.publishing = false;
        match answer.map(|replies| replies.into_iter().next()) {
            Ok(Some(Reply::KeyPackageCount(count))) => {
                self.session.key_packages = (count.single_use, count.last_resort);
                self.forget_unpublished(false)
            }
            Ok(_) => {
                self.session.publish_at = Some(self.now.plus(PAUSE));
                Ok(())
            }
            Err(refusal) => match refusal.retry() {
                Retry::After(milliseconds) => {
                    self.session.publish_at = Some(self.now.plus(milliseconds.max(PAUSE)));
                    Ok(())
                }
                // With the next connection.
                Retry::Reconnect | Retry::AfterReading => {
                    self.session.publishing = true;
                    Ok(())
                }
                // The relay does not take them; more of the same would be refused as well.
                Retry::Never => {
                    self.session.publishing = true;
                    self.forget_unpublished(true)
                }
            },
        }
    }

    /// Lets go of what was to be published, with its private keys if nobody has it.
    fn forget_unpublished(&mut self, refused: bool) -> Result<(), StoreError> {
        let Some(bytes) = self.tx.rows().meta(POOL)? else { return Ok(()) };
        let mut pool: Pool = decode(&bytes)?;
        let Some(request) = pool.unpublished.take() else { return Ok(()) };
        if refused {
            for package in request.single_use.iter().chain(&request.last_resort) {
                key_package::forget(self.party, self.tx, package)?;
            }
            if request.replace {
                // The old ones are still there: tried again tomorrow.
                pool.made = Timestamp(self.now.0.saturating_sub(ROTATE_DAYS * Timestamp::DAY));
            }
        }
        self.tx.write_meta(POOL, &encode(&pool)?)
    }
}
