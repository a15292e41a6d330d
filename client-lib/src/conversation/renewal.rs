//! A renewed certificate: this device's leaves show it after a Commit of their own in each case, spread over days, so that
//! nobody who is in hundreds of cases makes hundreds of Commits in a minute.
//!
//! Every Commit of this device puts its present certificate into its leaf, whatever else the Commit does; here is only
//! decided when one is made for nothing else. The key stays the same: another key is another device.

use kring_protocol::ids::{DeviceId, Timestamp};

use super::state::{Phase, Want};
use super::step::Step;
use crate::case::CaseId;
use crate::item::sha256;
use crate::store::{StoreError, decode, encode};

/// Over how long the Commits are spread: a certificate is renewed months before it ends, and a leaf with the old one is
/// as good until then.
const SPREAD: u64 = 3 * Timestamp::DAY;
/// How long before the old certificate ends no case waits any longer.
const HURRY: u64 = 7 * Timestamp::DAY;
/// Name of the row that says when a certificate was first used.
const RENEWED: &str = "certificate";

/// After how long a case's turn comes: the same for a device and case, another one for the next.
fn jitter(case: CaseId, device: DeviceId) -> u64 {
    let hash = sha256(&[b"kring renewal 1".as_slice(), &case.0, device.as_bytes()].concat());
    let number = u64::from_be_bytes(hash[..8].try_into().expect("SHA-256 has 32 bytes"));
    number % SPREAD
}

impl Step<'_> {
    /// Whether the present certificate is another one than before; remembers since when it is used.
    fn renewed_at(&self) -> Result<Timestamp, StoreError> {
        let certificate = sha256(&self.party.verified().chain()[0]);
        if let Some(bytes) = self.tx.rows().meta(RENEWED)? {
            let (known, at): (serde_bytes::ByteBuf, Timestamp) = decode(&bytes)?;
            if known.as_slice() == certificate {
                return Ok(at);
            }
        }
        let row = (serde_bytes::ByteBuf::from(certificate.to_vec()), self.now);
        self.tx.write_meta(RENEWED, &encode(&row)?)?;
        Ok(self.now)
    }

    /// Makes a Commit where the leaf still shows an old certificate and the case's turn has come.
    pub(super) fn renew_leaves(&mut self) -> Result<(), StoreError> {
        let since = self.renewed_at()?;
        for id in self.tx.rows().groups()? {
            let Some(state) = self.group_record(id)?.filter(|state| state.phase == Phase::Live) else { continue };
            let mls = self.take(id)?;
            let shown = mls.own_seat(self.party);
            self.put(id, mls);
            let Some(shown) = shown.filter(|shown| shown.chain() != self.party.verified().chain()) else { continue };
            let turn = since.plus(jitter(state.case, self.party.address().device));
            let last = Timestamp(shown.valid_until().0.saturating_sub(HURRY));
            let waits = |want: &Want| matches!(want, Want::UpdateKeys);
            if self.now < turn.min(last) || self.intents(state.case)?.iter().any(|one| waits(&one.value.want)) {
                continue;
            }
            self.queue(state.case, Want::UpdateKeys)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_have_their_turns_at_different_times_within_the_spread() {
        let turns: std::collections::BTreeSet<_> =
            (0..100).map(|number| jitter(CaseId([number; 16]), DeviceId([7; 16])) / (SPREAD / 10)).collect();
        assert_eq!(turns.len(), 10, "every tenth of the spread has some of a hundred cases");
        assert_ne!(jitter(CaseId([1; 16]), DeviceId([1; 16])), jitter(CaseId([1; 16]), DeviceId([2; 16])));
    }
}
