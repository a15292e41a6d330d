//! Bounds that the rules keep, beyond those of the wire.

/// How much one device may do in a day. Can be set, for a bench that plays a country from a few devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups that one device may open in a day: a busy team leader opens some ten.
    pub groups_a_day: u32,
    /// KeyPackages that one device may claim in a day: twenty large cases.
    pub claims_a_day: u32,
    /// KeyPackages of one professional that one device may claim in a day, so that nobody can empty a colleague's
    /// pool of 100; the last resort counts too. Not for the claimer's own professional: a second device joins all of
    /// the 200 cases of a busy one within a day.
    pub claims_of_one_a_day: u32,
    /// KeyPackages that one device may publish in a day: ten times its pool of 100.
    pub key_packages_a_day: u32,
    /// Notes that one device may send in a day: a successor group for each of 50 cases of ten people.
    pub notes_a_day: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            groups_a_day: 200,
            claims_a_day: 2_000,
            claims_of_one_a_day: 50,
            key_packages_a_day: 1_000,
            notes_a_day: 500,
        }
    }
}

/// Epochs of a log are below this one, so that counting on from any of them cannot overflow: 2^62, as everywhere on the
/// wire.
pub const MAX_EPOCH: u64 = 1 << 62;

/// Most records that a log holds at once: 23 a minute for all of the 30 days that application records stay.
pub const MAX_LOG: u64 = 1_000_000;

/// Bytes of the records that a log holds at once: 1,000 of the largest messages, or 30 days of 34 MB.
pub const MAX_LOG_BYTES: u64 = 1 << 30;

/// Commits that a group may make at once after a quiet time: 20 clients that each add somebody thrice.
pub const COMMIT_BURST: u64 = 60;

/// After the burst, one Commit in so many milliseconds: enough to go on, and too few to starve what people say.
pub const COMMIT_INTERVAL: u64 = 1_000;

/// Groups that one connection follows at once: five times the 200 cases of a busy professional.
pub const MAX_SUBSCRIPTIONS: usize = 1_024;

/// Cursors of one group: eight for each of 128 members.
pub const MAX_CURSORS: usize = 1_024;

/// Access keys of ended epochs that a group keeps, whatever their age, so that a head stays below 200 KB.
pub const MAX_EPOCHS: usize = 2_048;

/// Expired Commits that a log remembers by number, to tell who missed them.
pub const MAX_DROPPED_COMMITS: usize = 1_024;

/// Notes in one inbox, reserved places counted.
pub const MAX_INBOX: usize = 256;

/// Of those, notes that were sent without a claim: the other half is for Welcomes.
pub const MAX_UNCLAIMED: usize = 128;

/// Bytes in one inbox: 1,000 Welcomes to a post-quantum group of 8, or 64 of the largest.
pub const MAX_INBOX_BYTES: u64 = 64 << 20;

/// Of those, bytes of notes that were sent without a claim: a quarter.
pub const MAX_UNCLAIMED_BYTES: u64 = MAX_INBOX_BYTES / 4;

/// Claims of one device's KeyPackages that one claimer may hold open at once, so that it cannot reserve all places of the
/// inbox: additions to eight cases under way.
pub const MAX_OPEN_CLAIMS: usize = 8;

/// Milliseconds after which a claimer that holds that many asks again: an addition under way is made in less than a
/// second, and a claim that is never used stands in the way for an hour.
pub const OPEN_CLAIMS_PAUSE: u64 = 5 * 1_000;

/// Operation ids of notes that an inbox remembers, so that a note sent again is not stored again.
pub const MAX_RECENT_NOTES: usize = 256;

/// Single-use KeyPackages left, below which their device is told.
pub const LOW_KEY_PACKAGES: usize = 20;

/// Milliseconds that a claim holds a place in the inbox: an hour, for a client that loses its connection while adding.
pub const CLAIM_LIFETIME: u64 = 60 * 60 * 1_000;

/// Searches of the directory that one device may make in a minute: one for each letter that somebody types.
pub const SEARCHES_A_MINUTE: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_are_calculated_are_what_their_words_say() {
        assert_eq!(MAX_EPOCH, 4_611_686_018_427_387_904);
        assert_eq!(MAX_LOG_BYTES / 1_048_576, 1_024, "largest messages");
        assert_eq!(MAX_INBOX_BYTES / 1_048_576, 64, "largest Welcomes");
        assert_eq!(MAX_UNCLAIMED_BYTES / 1_048_576, 16, "a quarter of them");
        assert_eq!(CLAIM_LIFETIME, 3_600_000, "an hour");
    }
}
