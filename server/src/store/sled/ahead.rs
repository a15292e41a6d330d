//! Brings what will be read next into sled's memory, beside whoever reads.
//!
//! Entries of one log lie far apart, each in a leaf of sixteen that sled reads from the disk and takes apart as a whole. This thread
//! begins at the end of what is expected and the reader at its beginning, so that they meet in the middle. It only reads: whether it
//! is behind, has failed or is not there, nobody gets anything else.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::store::Position;

/// Most lists that wait. Those of many readers at once are dropped: the machine has no time to spare for them then.
const WAITING: usize = 1;

/// A thread beside an open database.
pub(super) struct Ahead {
    /// None: it ends.
    expected: Option<SyncSender<Vec<Position>>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Begins to read ahead in a database.
    pub(super) fn begin(db: &sled::Db) -> std::io::Result<Self> {
        let (expected, lists) = sync_channel::<Vec<Position>>(WAITING);
        let db = db.clone();
        let thread = std::thread::Builder::new().name("kring-ahead".into()).spawn(move || {
            for list in lists {
                for position in list.into_iter().rev() {
                    // Whoever reads it is told what is wrong with it.
                    let _read = db.get(super::piece_key(&super::entry_prefix(position), 0));
                }
            }
        })?;
        Ok(Self { expected: Some(expected), thread: Some(thread) })
    }

    /// These entries are read next, in this order.
    pub(super) fn expect(&self, positions: &[Position]) {
        if let Some(expected) = &self.expected {
            let _dropped = expected.try_send(positions.to_vec());
        }
    }
}

impl Drop for Ahead {
    /// Lets go of the database.
    fn drop(&mut self) {
        self.expected = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported by its own hook.
            let _panicked = thread.join();
        }
    }
}
