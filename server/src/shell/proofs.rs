//! The epochs that one connection has proven. A proof's signature is checked once; the key that verified it is kept, and
//! the rules compare it with the log's at every use. Bounded: what has not been used for longest goes, and its next use
//! needs the proof again.

use std::collections::HashMap;

use kring_protocol::ids::{Epoch, GroupId};

/// Proofs kept for a connection: five times the 200 cases of a busy professional, some 100 KB at most.
const MOST: usize = 1_024;

/// What a connection has proven, with when it was last used.
pub(crate) struct Proven<T> {
    entries: HashMap<(GroupId, Epoch), (T, u64)>,
    uses: u64,
}

impl<T> Default for Proven<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), uses: 0 }
    }
}

impl<T: Copy> Proven<T> {
    /// What was proven of this epoch.
    pub(crate) fn recall(&mut self, group: GroupId, epoch: Epoch) -> Option<T> {
        self.uses += 1;
        let (value, used) = self.entries.get_mut(&(group, epoch))?;
        *used = self.uses;
        Some(*value)
    }

    /// Keeps a proof.
    pub(crate) fn keep(&mut self, group: GroupId, epoch: Epoch, value: T) {
        self.uses += 1;
        if self.entries.len() >= MOST && !self.entries.contains_key(&(group, epoch)) {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
            oldest.and_then(|oldest| self.entries.remove(&oldest));
        }
        self.entries.insert((group, epoch), (value, self.uses));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: usize) -> GroupId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        GroupId(id)
    }

    #[test]
    fn a_proof_is_for_one_epoch_of_one_group() {
        let mut proven = Proven::default();
        proven.keep(group(1), Epoch(5), 'x');
        assert_eq!(proven.recall(group(1), Epoch(5)), Some('x'));
        assert_eq!(proven.recall(group(1), Epoch(6)), None);
        assert_eq!(proven.recall(group(2), Epoch(5)), None);
    }

    #[test]
    fn beyond_the_bound_the_one_not_used_for_longest_goes() {
        let mut proven = Proven::default();
        for number in 0..MOST {
            proven.keep(group(number), Epoch(0), number);
        }
        assert_eq!(proven.recall(group(0), Epoch(0)), Some(0));
        proven.keep(group(MOST), Epoch(0), MOST);
        assert_eq!(proven.entries.len(), MOST);
        assert_eq!(proven.recall(group(0), Epoch(0)), Some(0));
        assert_eq!(proven.recall(group(1), Epoch(0)), None);
    }
}
