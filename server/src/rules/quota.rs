//! How much one device may do in a day, in UTC.
//!
//! Kept in memory alone: on disk, who opened which group and who wrote to whom would be the social graph that the relay
//! promises not to keep. A restart forgets, and a device gets its day's share again.

use std::collections::HashMap;

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{ClaimId, DeviceId, Timestamp};
use kring_protocol::refusal::Refusal;

use super::limits::{Limits, MAX_OPEN_CLAIMS, SEARCHES_A_MINUTE};

/// Milliseconds.
const MINUTE: u64 = 60 * Timestamp::SECOND;

/// What has been used today.
#[derive(Default)]
pub struct Quotas {
    day: Timestamp,
    groups: HashMap<DeviceId, u32>,
    claims: HashMap<DeviceId, u32>,
    claims_of_one: HashMap<(DeviceId, ProfessionalAddress), u32>,
    published: HashMap<DeviceId, u32>,
    notes: HashMap<DeviceId, u32>,
    /// Searches of the present minute.
    searches: HashMap<DeviceId, u32>,
    minute: u64,
    /// Claims that are neither used nor too old, under claimer and claimed; bounded by the claims of a day.
    open: HashMap<(DeviceId, DeviceId), Vec<(ClaimId, Timestamp)>>,
    pairs: HashMap<ClaimId, (DeviceId, DeviceId)>,
}

impl Quotas {
    /// Forgets yesterday.
    pub fn turn(&mut self, now: Timestamp) {
        if self.day != now.day() {
            *self = Self { day: now.day(), ..Self::default() };
        }
    }

    /// Counts a search, if the device may make one.
    pub fn search(&mut self, device: DeviceId, now: Timestamp) -> Result<(), Refusal> {
        let minute = now.0 / MINUTE;
        if self.minute != minute {
            (self.minute, self.searches) = (minute, HashMap::new());
        }
        let used = self.searches.entry(device).or_default();
        if *used >= SEARCHES_A_MINUTE {
            return Err(Refusal::RateLimited { after_ms: MINUTE - now.0 % MINUTE });
        }
        *used += 1;
        Ok(())
    }

    /// Whether the device may open a group.
    pub fn may_create(&self, device: DeviceId, limits: &Limits, now: Timestamp) -> Result<(), Refusal> {
        below(self.groups.get(&device), limits.groups_a_day, now)
    }

    /// Counts a group.
    pub fn created(&mut self, device: DeviceId) {
        *self.groups.entry(device).or_default() += 1;
    }

    /// Whether the device may claim.
    pub fn may_claim(
        &self,
        claimer: &DeviceAddress,
        professional: &ProfessionalAddress,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        below(self.claims.get(&claimer.device), limits.claims_a_day, now)?;
        if claimer.professional == *professional {
            // What it empties is its own professional's.
            return Ok(());
        }
        let of_one = self.claims_of_one.get(&(claimer.device, professional.clone()));
        below(of_one, limits.claims_of_one_a_day, now)
    }

    /// Counts claims.
    pub fn claimed(&mut self, device: DeviceId, professional: &ProfessionalAddress, count: u32) {
        *self.claims.entry(device).or_default() += count;
        *self.claims_of_one.entry((device, professional.clone())).or_default() += count;
    }

    /// Whether a claimer may hold one more claim of a device open.
    pub fn may_open(&mut self, claimer: DeviceId, claimed: DeviceId, now: Timestamp) -> bool {
        let Some(open) = self.open.get_mut(&(claimer, claimed)) else { return true };
        open.retain(|(claim, until)| {
            let kept = *until > now;
            if !kept {
                self.pairs.remove(claim);
            }
            kept
        });
        open.len() < MAX_OPEN_CLAIMS
    }

    /// Notes an open claim.
    pub fn opened(&mut self, claimer: DeviceId, claimed: DeviceId, claim: ClaimId, until: Timestamp) {
        self.open.entry((claimer, claimed)).or_default().push((claim, until));
        self.pairs.insert(claim, (claimer, claimed));
    }

    /// A claim was used.
    pub fn used(&mut self, claim: ClaimId) {
        let Some(pair) = self.pairs.remove(&claim) else { return };
        if let Some(open) = self.open.get_mut(&pair) {
            open.retain(|(known, _)| *known != claim);
        }
    }

    /// Whether the device may publish so many KeyPackages.
    pub fn may_publish(&self, device: DeviceId, count: u32, limits: &Limits, now: Timestamp) -> Result<(), Refusal> {
        let after = self.published.get(&device).copied().unwrap_or_default().saturating_add(count);
        below(Some(&after), limits.key_packages_a_day.saturating_add(1), now)
    }

    /// Counts published KeyPackages.
    pub fn published(&mut self, device: DeviceId, count: u32) {
        *self.published.entry(device).or_default() += count;
    }

    /// Whether the device may send a note.
    pub fn may_send(&self, sender: DeviceId, limits: &Limits, now: Timestamp) -> Result<(), Refusal> {
        below(self.notes.get(&sender), limits.notes_a_day, now)
    }

    /// Counts a note.
    pub fn sent(&mut self, sender: DeviceId) {
        *self.notes.entry(sender).or_default() += 1;
    }
}

fn below(used: Option<&u32>, limit: u32, now: Timestamp) -> Result<(), Refusal> {
    if used.copied().unwrap_or_default() < limit {
        Ok(())
    } else {
        Err(Refusal::RateLimited { after_ms: now.day().plus(Timestamp::DAY).since(now) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_days_share_is_used_up_and_comes_back_at_midnight() {
        let (device, other) = (DeviceId([1; 16]), DeviceId([2; 16]));
        let limits = Limits { notes_a_day: 2, ..Limits::default() };
        let evening = Timestamp(Timestamp::DAY - 10);
        let mut quotas = Quotas::default();
        quotas.turn(evening);
        quotas.sent(device);
        assert_eq!(quotas.may_send(device, &limits, evening), Ok(()));
        quotas.sent(device);
        assert_eq!(quotas.may_send(device, &limits, evening), Err(Refusal::RateLimited { after_ms: 10 }));
        assert_eq!(quotas.may_send(other, &limits, evening), Ok(()));
        quotas.turn(Timestamp(Timestamp::DAY));
        assert_eq!(quotas.may_send(device, &limits, Timestamp(Timestamp::DAY)), Ok(()));
    }

    /// A day that is not the first of all.
    const MORNING: Timestamp = Timestamp(Timestamp::DAY * 20_000 + 6 * 3_600_000);
    const TILL_MIDNIGHT: u64 = 18 * 3_600_000;
    const DEVICE: DeviceId = DeviceId([1; 16]);
    const OTHER: DeviceId = DeviceId([2; 16]);

    fn limited<T>(after_ms: u64) -> Result<T, Refusal> {
        Err(Refusal::RateLimited { after_ms })
    }

    #[test]
    fn what_was_used_counts_until_the_day_is_over() {
        let limits = Limits { groups_a_day: 2, ..Limits::default() };
        let mut quotas = Quotas::default();
        for hour in 0..2 {
            let now = MORNING.plus(hour * 3_600_000);
            quotas.turn(now);
            assert_eq!(quotas.may_create(DEVICE, &limits, now), Ok(()));
            quotas.created(DEVICE);
        }
        quotas.turn(MORNING.plus(2));
        assert_eq!(quotas.may_create(DEVICE, &limits, MORNING), limited(TILL_MIDNIGHT));
        assert_eq!(quotas.may_create(OTHER, &limits, MORNING), Ok(()));
    }

    #[test]
    fn searches_are_counted_by_the_minute() {
        let mut quotas = Quotas::default();
        for number in 0..u64::from(SEARCHES_A_MINUTE) {
            assert_eq!(quotas.search(DEVICE, MORNING.plus(number * 900)), Ok(()), "{number}");
        }
        assert_eq!(quotas.search(DEVICE, MORNING.plus(59_000)), limited(1_000));
        assert_eq!(quotas.search(OTHER, MORNING.plus(59_000)), Ok(()));
        assert_eq!(quotas.search(DEVICE, MORNING.plus(60_000)), Ok(()));
    }

    #[test]
    fn claims_are_counted_in_all_and_for_each_professional() {
        let address = |text: &str| text.parse::<ProfessionalAddress>().expect("an address");
        let (one, two) = (address("a.jansen@politie.example"), address("b.jansen@politie.example"));
        let limits = Limits { claims_a_day: 5, claims_of_one_a_day: 3, ..Limits::default() };
        let mut quotas = Quotas::default();
        let of = |device| DeviceAddress { professional: address("c.jansen@politie.example"), device };
        quotas.claimed(DEVICE, &one, 2);
        assert_eq!(quotas.may_claim(&of(DEVICE), &one, &limits, MORNING), Ok(()));
        quotas.claimed(DEVICE, &one, 1);
        assert_eq!(quotas.may_claim(&of(DEVICE), &one, &limits, MORNING), limited(TILL_MIDNIGHT));
        assert_eq!(quotas.may_claim(&of(DEVICE), &two, &limits, MORNING), Ok(()));
        quotas.claimed(DEVICE, &two, 2);
        assert_eq!(quotas.may_claim(&of(DEVICE), &two, &limits, MORNING), limited(TILL_MIDNIGHT));
        assert_eq!(quotas.may_claim(&of(OTHER), &one, &limits, MORNING), Ok(()));
    }

    #[test]
    fn ones_own_devices_are_claimed_for_as_many_cases_as_a_day_allows_in_all() {
        let own: ProfessionalAddress = "a.jansen@politie.example".parse().expect("an address");
        let claimer = DeviceAddress { professional: own.clone(), device: DEVICE };
        let limits = Limits::default();
        let mut quotas = Quotas::default();
        quotas.claimed(DEVICE, &own, limits.claims_a_day - 1);
        assert_eq!(quotas.may_claim(&claimer, &own, &limits, MORNING), Ok(()));
        quotas.claimed(DEVICE, &own, 1);
        assert_eq!(quotas.may_claim(&claimer, &own, &limits, MORNING), limited(TILL_MIDNIGHT));
    }

    #[test]
    fn a_claimer_holds_so_many_claims_of_one_device_until_they_are_used_or_too_old() {
        let claim = |number: usize| ClaimId([u8::try_from(number).expect("few claims"); 16]);
        let until = MORNING.plus(1_000);
        let mut quotas = Quotas::default();
        for number in 0..MAX_OPEN_CLAIMS {
            assert!(quotas.may_open(DEVICE, OTHER, MORNING), "{number}");
            quotas.opened(DEVICE, OTHER, claim(number), until);
        }
        assert!(!quotas.may_open(DEVICE, OTHER, MORNING));
        assert!(quotas.may_open(OTHER, DEVICE, MORNING), "another pair");
        quotas.used(claim(200));
        assert!(!quotas.may_open(DEVICE, OTHER, MORNING), "an unknown claim frees nothing");
        quotas.used(claim(3));
        assert!(quotas.may_open(DEVICE, OTHER, MORNING));
        quotas.opened(DEVICE, OTHER, claim(100), until.plus(1));
        assert!(!quotas.may_open(DEVICE, OTHER, MORNING));
        // At its end a claim is over; the one that was opened later is not.
        assert!(quotas.may_open(DEVICE, OTHER, until));
        assert_eq!(quotas.open[&(DEVICE, OTHER)].len(), 1);
        assert_eq!(quotas.pairs.len(), 1, "what is over is forgotten altogether");
    }

    #[test]
    fn a_days_key_packages_may_be_published_at_once_or_one_by_one() {
        let limits = Limits { key_packages_a_day: 10, ..Limits::default() };
        let mut quotas = Quotas::default();
        assert_eq!(quotas.may_publish(DEVICE, 10, &limits, MORNING), Ok(()));
        assert_eq!(quotas.may_publish(DEVICE, 11, &limits, MORNING), limited(TILL_MIDNIGHT));
        quotas.published(DEVICE, 4);
        quotas.published(DEVICE, 4);
        assert_eq!(quotas.may_publish(DEVICE, 2, &limits, MORNING), Ok(()));
        assert_eq!(quotas.may_publish(DEVICE, 3, &limits, MORNING), limited(TILL_MIDNIGHT));
        assert_eq!(quotas.may_publish(OTHER, 10, &limits, MORNING), Ok(()));
    }
}
