//! Looks whether the simulation finds faults: each of a list is planted in client or relay, one at a time, and seeds are
//! played until one of them fails.

use super::{Options, Violation, examine};

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// In the client.
    Client(kring_client::planted::Fault),
    /// In the relay.
    Relay(kring_server::planted::Fault),
}

impl Fault {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let of_client = kring_client::planted::Fault::ALL.into_iter().map(Self::Client);
        of_client.chain(kring_server::planted::Fault::ALL.into_iter().map(Self::Relay)).collect()
    }

    /// Plays seeds with the fault planted; the first that fails, if one of them does.
    pub fn find(self, seeds: std::ops::Range<u64>, options: &Options) -> Option<(u64, Violation)> {
        let fails = |seed: &u64| examine(*seed, options, false).is_err();
        // What a seed finds without the fault says nothing about the fault.
        let mut found = self.first(seeds.clone(), options);
        while let Some((seed, _)) = found.as_ref().filter(|(seed, _)| fails(seed)) {
            found = self.first(seed + 1..seeds.end, options);
        }
        found
    }

    fn first(self, seeds: std::ops::Range<u64>, options: &Options) -> Option<(u64, Violation)> {
        match self {
            Self::Client(fault) => kring_client::planted::plant(Some(fault)),
            Self::Relay(fault) => kring_server::planted::plant(Some(fault)),
        }
        let found = seeds
            .into_iter()
            .find_map(|seed| examine(seed, options, false).err().map(|failure| (seed, failure.violation)));
        kring_client::planted::plant(None);
        kring_server::planted::plant(None);
        found
    }
}
